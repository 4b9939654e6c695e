"""Photographs in and out: any ordinary file becomes uint8 RGB, or one clear sentence (paper §3.1).

`read_photo` and `as_rgb` accept what people have: gray, 16-bit, CMYK, palette, transparent, rotated by
EXIF. `fit` shrinks a photo with Lanczos' filter into the frame that the network sees.
"""

import uuid
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from colorlib.errors import ColorlibError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm"}
LARGEST = 250_000_000  # pixels; beyond it a file is more likely hostile or broken than a photo


def read_photo(path: str | Path) -> np.ndarray:
    """Read a photo file as uint8 RGB of shape (H, W, 3), upright, transparent parts on white.

    Raises:
        ColorlibError: naming the file, if it is missing, not a photo, truncated or absurdly large.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise ColorlibError(f"{path} is a folder, not a photo")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if image.width * image.height > LARGEST:
                    raise ColorlibError(f"{path} has {image.width} x {image.height} pixels, more than colorlib reads")
                return _pil_to_rgb(ImageOps.exif_transpose(image))
    except FileNotFoundError as error:
        raise ColorlibError(f"{path} does not exist") from error
    except UnidentifiedImageError as error:
        raise ColorlibError(f"{path} is not a photo that can be read (its content is no known image format)") from error
    except Image.DecompressionBombError as error:
        raise ColorlibError(f"{path} has more pixels than colorlib reads") from error
    except ColorlibError:
        raise
    except Exception as error:  # broken bytes make Pillow raise anything: struct.error, TypeError, SyntaxError, …
        raise ColorlibError(f"{path} is damaged or truncated and cannot be read: {error}") from error


def as_rgb(image: "np.ndarray | torch.Tensor | Image.Image | str | Path") -> np.ndarray:
    """Any image in memory (or a path) as uint8 RGB of shape (H, W, 3).

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
        return _pil_to_rgb(image)
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or array.size == 0:
        raise ColorlibError(f"an image must have shape (H, W), (H, W, 3) or (H, W, 4), got {array.shape}")
    array = _as_uint8(array)
    if array.shape[2] == 4:
        alpha = array[:, :, 3:].astype(np.float32) / 255
        array = np.rint(array[:, :, :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


def fit(rgb: np.ndarray, longest: int) -> np.ndarray:
    """Shrink uint8 RGB so that its longer side is at most ``longest``, with Lanczos; never enlarges.

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
    return torch.from_numpy(np.array(rgb)).movedim(-1, -3).float() / 255  # a copy: Pillow's arrays are read-only


def to_uint8(rgb: torch.Tensor) -> np.ndarray:
    """float RGB (..., 3, H, W) in [0, 1] as uint8 (..., H, W, 3), rounded."""
    return (rgb * 255).round().clamp(0, 255).to(torch.uint8).movedim(-3, -1).cpu().numpy()


def write_photo(path: str | Path, rgb: np.ndarray) -> None:
    """Write uint8 RGB; the suffix chooses the format. The file appears whole or not at all."""
    path = Path(path)
    # A short name of its own: two writers never meet, and the photo's name may be as long as the disc allows.
    partial = path.with_name(f".{uuid.uuid4().hex}.partial{path.suffix}")
    try:
        Image.fromarray(rgb).save(partial, quality=95, subsampling=0)
        partial.replace(path)
    except (OSError, ValueError, KeyError) as error:
        raise ColorlibError(f"cannot write {path}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)  # also after Ctrl-C


def find_photos(folder: str | Path) -> list[Path]:
    """All photo files below a folder, by suffix, in sorted order; hidden files are no photos (macOS leaves many)."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ColorlibError(f"{folder} is not a folder")
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in found if not path.name.startswith("."))


def _pil_to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I") or image.mode == "F":  # 16 bits of gray, which Pillow would clip at 255
        values = np.asarray(image)
        return as_rgb(values.astype(np.float32) if image.mode == "F" else values.clip(0, 65535).astype(np.uint16))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return as_rgb(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB"))


def _as_uint8(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all() or array.min() < -1e-6 or array.max() > 1 + 1e-6:
            raise ColorlibError(f"a float image must lie in [0, 1], got [{array.min():.3g}, {array.max():.3g}]")
        return np.rint(array.clip(0, 1) * 255).astype(np.uint8)
    raise ColorlibError(f"an image must be uint8, uint16 or float in [0, 1], got {array.dtype}")
