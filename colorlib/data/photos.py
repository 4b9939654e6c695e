"""Photographs in and out: any ordinary file becomes uint8 RGB, or one clear sentence (paper §3.1).

`read_photo` and `as_rgb` accept what people have: gray, 16-bit, CMYK, palette, transparent, rotated by
EXIF. `fit` shrinks a photo with Lanczos' filter into the frame that the network sees.
"""

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError

from colorlib.errors import ColorlibError
from colorlib.files import atomic_write

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm"}
TURNS = {  # what makes a photo upright, by its EXIF orientation (1 is upright already)
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Pillow's remarks on odd metadata and on photos that are merely large. Set once: photos are read by many threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def read_photo(path: str | Path) -> np.ndarray:
    """Read a photo file as uint8 RGB of shape (H, W, 3), upright, transparent parts on white.

    Raises:
        ColorlibError: naming the file, if it is missing, not a photo, truncated or absurdly large.
    """
    path = Path(path)
    try:
        with Image.open(path) as image:
            image.load()  # before asking which way is up: Pillow turns TIFF files itself while it decodes them
            return _pil_to_rgb(_upright(image))
    except FileNotFoundError as error:
        raise ColorlibError(f"{path} does not exist") from error
    except IsADirectoryError as error:
        raise ColorlibError(f"{path} is a folder, not a photo") from error
    except UnidentifiedImageError as error:
        raise ColorlibError(f"{path} is not a photo that can be read (its content is no known image format)") from error
    except Image.DecompressionBombError as error:
        raise ColorlibError(f"{path} has more pixels than colorlib reads") from error
    except ColorlibError as error:
        raise ColorlibError(f"{path} cannot be used: {error}") from error
    except Exception as error:  # decoders fail in many ways on damaged files: struct.error, TypeError, zlib.error …
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
        try:
            return _pil_to_rgb(image)
        except (OSError, ValueError, SyntaxError) as error:
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
    try:
        with atomic_write(path) as partial:
            Image.fromarray(rgb).save(partial, quality=95, subsampling=0)
    except (OSError, ValueError, KeyError) as error:
        raise ColorlibError(f"cannot write {path}: {error}") from error


def find_photos(folder: str | Path) -> list[Path]:
    """All photo files below a folder, by suffix, in sorted order; hidden files are no photos (macOS leaves many)."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ColorlibError(f"{folder} is not a folder")
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in found if not path.name.startswith("."))


def _upright(image: Image.Image) -> Image.Image:
    """The photo turned as its EXIF orientation says; where that is damaged, as it is stored."""
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a broken EXIF block says nothing about the pixels
        return image
    return image if turn is None else image.transpose(turn)


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
