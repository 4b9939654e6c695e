"""Photographs: any ordinary file, Pillow image or array becomes uint8 RGB, or one clear sentence (paper §3.1).

`read_photo` and `as_rgb` accept what people have, and give the same for the same picture: gray, 12 and 16 bits, CMYK,
palette, transparent, turned by EXIF, with a colour profile. `fit` shrinks a photo with Lanczos' filter into the frame
that the network sees.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFile

from colorlib.color.spaces import unit_rgb
from colorlib.data.decoding import (
    EIGHT_KEPT,
    LACKS_END,
    is_deep,
    load_or_mend,
    on_white,
    open_image,
    open_or_mend,
    page_numbers,
    pixels_of,
    refusal,
)
from colorlib.data.metadata import Metadata, metadata_of
from colorlib.errors import ColorlibError

logger = logging.getLogger(__name__)
# Pillow's remarks on odd metadata and on photos that are merely large. Set once: photos are read by many threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@dataclass
class Page:
    """One picture of a photo file: uint8 RGB (H, W, 3), what the file says about it, and what was lost in reading."""

    rgb: np.ndarray
    metadata: Metadata
    notes: list[str]


def read_pages(path: str | Path) -> Iterator[Page]:
    """The pictures of a photo file, one after the other: most have one; TIFF has pages, and GIF has frames.

    Raises:
        ColorlibError: naming the file, if it is missing, not a photo, damaged or absurdly large.
    """
    path = Path(path)
    try:
        image, mended = open_or_mend(path)
        with image:
            for number in page_numbers(image):
                deep, metadata = is_deep(image), metadata_of(image)  # in this order: EXIF of a PNG decodes it
                whole, problems = load_or_mend(image, path) if number == 0 else (image, [])
                rgb, notes = pixels_of(whole)
                yield Page(rgb, metadata, mended + problems + [EIGHT_KEPT] * deep + notes)
                if mended or problems:  # of a file cut short the first page is what can be had
                    return
    except Exception as error:
        raise refusal(path, error) from error


def count_pages(path: str | Path) -> int:
    """How many pictures `read_pages` will find in a file; 1 for one that cannot be read."""
    try:
        with open_image(Path(path)) as image:
            return len(list(page_numbers(image)))
    except Exception:
        return 1


def read_photo(path: str | Path) -> np.ndarray:
    """Read a photo file (of several pages the first) as uint8 RGB of shape (H, W, 3), upright, in sRGB.

    Transparent parts are laid on white. A file that lacks only its last bytes is read, and a warning logged.

    Raises:
        ColorlibError: naming the file, if it is missing, not a photo, damaged or absurdly large.
    """
    page = next(read_pages(path))
    if LACKS_END in page.notes:
        logger.warning("%s: %s", path, LACKS_END)
    return page.rgb


def as_rgb(image: "np.ndarray | torch.Tensor | Image.Image | str | Path") -> np.ndarray:
    """Any image in memory (or a path) as uint8 RGB of shape (H, W, 3); a Pillow image as its file would be read.

    Arrays may be uint8, uint16 or float in [0, 1], of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4);
    alpha is composed onto white.

    >>> as_rgb(np.full((2, 3), 0.5)).shape
    (2, 3, 3)

    Raises:
        ColorlibError: for any other shape, type or range.
    """
    if isinstance(image, (str, Path)):
        return read_photo(image)
    if isinstance(image, Image.Image):
        try:
            if isinstance(image, ImageFile.ImageFile) and image.filename and image.tell() == 0:
                image = load_or_mend(image, Path(os.fsdecode(image.filename)))[0]
            return pixels_of(image)[0]
        except ColorlibError:
            raise
        except Exception as error:  # decoders fail in many ways
            raise ColorlibError(f"this image of mode {image.mode} is damaged or of no use: {error}") from error
    if isinstance(image, torch.Tensor):
        image = image.detach().cpu()
        image = image.float() if image.is_floating_point() else image
    try:
        array = np.asarray(image)
    except ValueError as error:
        raise ColorlibError(f"this is not an image: {error}") from error
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or array.size == 0:
        raise ColorlibError(f"an image must have shape (H, W), (H, W, 3) or (H, W, 4), got {array.shape}")
    array = _as_uint8(array)
    if array.shape[2] == 4:
        array = on_white(array[:, :, :3], array[:, :, 3:])
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


def fit(rgb: np.ndarray, longest: int) -> np.ndarray:
    """Shrink uint8 RGB, or one plane (H, W), to at most ``longest`` on its longer side, with Lanczos; never enlarges.

    >>> fit(np.zeros((400, 200, 3), np.uint8), 100).shape
    (100, 50, 3)
    """
    height, width = rgb.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return rgb
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))


def fit_frame(rgb: np.ndarray, size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Fit a photo into a square frame: uint8 (size, size, 3), photo at the top left, and its mask.

    The mask (size, size) is true where the photo is, so that a loss can leave the padding out (paper §3.1).

    >>> frame, mask = fit_frame(np.full((100, 200, 3), 9, np.uint8), 50)
    >>> frame.shape, int(mask.sum())
    ((50, 50, 3), 1250)
    """
    small = fit(rgb, size)
    height, width = small.shape[:2]
    frame = np.zeros((size, size, 3), np.uint8)
    frame[:height, :width] = small
    mask = np.zeros((size, size), bool)
    mask[:height, :width] = True
    return frame, mask


def to_tensor(rgb: np.ndarray) -> torch.Tensor:
    """uint8 RGB (..., H, W, 3) as float32 (..., 3, H, W) in [0, 1], the form that `colorlib.color` works on."""
    return unit_rgb(torch.from_numpy(np.array(rgb)))  # a copy: Pillow's arrays are read-only


def to_uint8(rgb: torch.Tensor) -> np.ndarray:
    """float RGB (..., 3, H, W) in [0, 1] as uint8 (..., H, W, 3), rounded."""
    return (rgb * 255).round().clamp(0, 255).to(torch.uint8).movedim(-3, -1).cpu().numpy()


def _as_uint8(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype.newbyteorder("=") == np.uint16:  # TIFF has both orders of bytes
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all() or array.min() < -1e-6 or array.max() > 1 + 1e-6:
            raise ColorlibError(f"a float image must lie in [0, 1], got [{array.min():.3g}, {array.max():.3g}]")
        return np.rint(array.clip(0, 1) * 255).astype(np.uint8)
    raise ColorlibError(f"an image must be uint8, uint16 or float in [0, 1], got {array.dtype}")
