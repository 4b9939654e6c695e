"""From what a file holds to what should be seen: upright, 8 bits a channel, sRGB, transparent parts on white.

Pillow decodes; what it leaves to its callers is done here, for files and for Pillow images in memory alike. Files are
opened as one of a closed list of formats, for Pillow knows some that run programs: PostScript, under whatever name.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, TiffImagePlugin, UnidentifiedImageError

from colorlib.errors import ColorlibError

try:  # photos of iPhones, for those who have this package
    from pillow_heif import register_heif_opener

    register_heif_opener()
except ImportError:
    pass
Image.init()  # all of Pillow's formats are known from here on, so that the closed list can be drawn from them
SAFE = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM", "JPEG2000", "AVIF", "HEIF")
FORMATS = tuple(name for name in SAFE if name in Image.OPEN)
SUFFIXES = {suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS or name == "MPO"}
WITH_PAGES = {"TIFF", "GIF", "WEBP", "PNG", "AVIF"}  # MPO, of cameras, adds previews and depths: no further photos
LACKS_END = "it lacks its last bytes; the rest is used"
MISSING = 0.03  # the share of a photo, at its end, that a file may lack
NEW_SUBFILE_TYPE = 254  # of TIFF: 1 is a smaller version of another page
EIGHT_KEPT = "of its more than 8 bits a channel 8 are kept"
WIDEST = {"I;16": 16, "I;16L": 16, "I;16B": 16, "I;16N": 16, "I": 32}


def open_image(file: "Path | io.BytesIO") -> Image.Image:
    """Open a photo file as one of `FORMATS`; nothing is decoded yet."""
    return Image.open(file, formats=FORMATS)


def is_tiff(path: Path) -> bool:
    """Whether a file begins as TIFF files do."""
    with open(path, "rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def page_numbers(image: Image.Image) -> Iterator[int]:
    """The numbers of a file's pages or frames; small versions of a page, which some programs add, do not count."""
    yield 0
    if image.format in WITH_PAGES:
        for number in range(1, getattr(image, "n_frames", 1)):
            image.seek(number)
            if not getattr(image, "tag_v2", {}).get(NEW_SUBFILE_TYPE, 0) & 1:
                yield number


def open_or_mend(path: Path) -> tuple[Image.Image, list[str]]:
    """Open a photo file, as `open_image` does; where its format cannot do so without the last bytes, mended."""
    try:
        return open_image(path), []
    except UnidentifiedImageError:
        raise
    except OSError as error:
        mended = _mended(path) if error.errno is None else None  # with a number it is of the disc, not of the file
        if mended is None:
            raise
        return mended, [LACKS_END]


def load_or_mend(image: Image.Image, path: Path) -> tuple[Image.Image, list[str]]:
    """The image, decoded; where its file lacks only its last bytes, without them, and a note that says so.

    Raises what Pillow raises where more is missing.
    """
    try:
        image.load()
        return image, []
    except MemoryError:
        raise
    except Exception:
        mended = _mended(path)
        if mended is None:
            raise
        return mended, [LACKS_END]


def _mended(path: Path) -> Image.Image | None:
    """A photo whose file was cut short, decoded; None if more than `MISSING` of it is in doubt.

    How much that is shows when the file is given two different ends: where both pictures agree, it is the file itself
    that says what is there.
    """
    data = path.read_bytes()
    data += b"\0" * data.endswith(b"\xff")  # or half a marker would begin a whole one
    length = len(data) // 4 + 4096
    noise = np.random.default_rng(0).integers(0, 255, length, np.uint8).tobytes()  # without 255, for the same reason
    pictures = []
    for end in (bytes(length), noise):
        try:
            picture = open_image(io.BytesIO(data + end + b"\xff\xd9"))
            picture.load()
        except Exception:
            return None
        pictures.append(picture)
    first, second = (np.asarray(picture.convert("RGB")) for picture in pictures)
    alike = first.shape == second.shape and (first != second).any(-1).mean() <= MISSING
    return pictures[0] if alike else None


def pixels_of(image: Image.Image) -> tuple[np.ndarray, list[str]]:
    """A Pillow image as uint8 RGB (H, W, 3), as it should be seen, and notes about what was lost on the way."""
    image.load()  # before asking which way is up: Pillow turns TIFF files itself while it decodes them
    image = _eight_bits(_upright(image))
    alpha = None
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    rgb, problems = _in_srgb(_without_alpha(image))
    if alpha is None or alpha.min() == 255:
        return np.asarray(rgb), problems
    return on_white(np.asarray(rgb), alpha[:, :, None]), [*problems, "its transparent parts became white"]


def is_deep(image: Image.Image) -> bool:
    """Whether a Pillow image has more than 8 bits a channel, as far as Pillow tells.

    To be asked before it is decoded: of the 16 bits of a colour PNG Pillow keeps 8, and forgets that there were more.
    """
    tags: Any = getattr(image, "tag_v2", {})
    deep_png = any(";16" in str(tile.args) for tile in getattr(image, "tile", ()))
    return image.mode in WIDEST or tags.get(TiffImagePlugin.BITSPERSAMPLE, (8,))[0] > 8 or deep_png


def on_white(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """uint8 RGB (H, W, 3) of opacity alpha, uint8 (H, W, 1), laid on white."""
    share = alpha.astype(np.float32) / 255
    return np.rint(rgb * share + 255 * (1 - share)).astype(np.uint8)


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8; where that is damaged, 1."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
        return value if value in range(1, 9) else 1
    except Exception:  # a broken EXIF block says nothing about the pixels
        return 1


def _upright(image: Image.Image) -> Image.Image:
    if orientation_of(image) == 1:  # spares a copy
        return image
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a broken EXIF block, again: as it is stored
        return image


def _eight_bits(image: Image.Image) -> Image.Image:
    """Gray of more than 8 bits as 8 bits: by the largest value there can be, not the largest that Pillow can hold."""
    tags: Any = getattr(image, "tag_v2", {})
    if image.mode == "F":
        values = np.asarray(image, np.float32)
        if not np.isfinite(values).all() or values.min() < -1e-6 or values.max() > 1 + 1e-6:
            raise ColorlibError(f"a float image must lie in [0, 1], got [{values.min():.3g}, {values.max():.3g}]")
        shares = values.clip(0, 1)
    elif image.mode in WIDEST:
        values = np.asarray(image)
        bits = int(tags.get(TiffImagePlugin.BITSPERSAMPLE, (WIDEST[image.mode],))[0])
        if bits == 32:
            unsigned = tags and tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))[0] == 1
            values = values.view(np.uint32) if unsigned else values.clip(0)  # Pillow takes both for signed
            # Programs put fewer bits into 32, and do not say so: the least depth that holds all values.
            bits = next(depth for depth in (8, 12, 16, 31, 32) if values.max(initial=0) < 1 << depth)
            bits = 16 if image.format == "PPM" else bits  # Pillow stretches these to 16 bits
        shares = values.astype(np.float64) / ((1 << bits) - 1)
    else:
        return image
    if tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0:  # white is zero; Pillow minds it up to 8 bits only
        shares = 1 - shares
    result = Image.fromarray(np.rint(shares * 255).astype(np.uint8))
    result.info = {key: value for key, value in image.info.items() if key == "icc_profile"}
    return result


def _without_alpha(image: Image.Image) -> Image.Image:
    """The colours as stored, in mode L, RGB, CMYK or LAB, which are those that have colour profiles."""
    info = image.info
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    if image.mode in ("LA", "La"):
        image = image.convert("LA").getchannel("L")
    elif image.mode == "1":
        image = image.convert("L")
    else:  # by way of RGBA, which leaves colours as they are
        image = image.convert("RGBA").convert("RGB")
    image.info = info
    return image


def _in_srgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """An image of mode L, RGB, CMYK or LAB, by the colour profile that it carries, as RGB in sRGB."""
    profile = image.info.get("icc_profile")
    if not profile and image.mode != "LAB":
        return image.convert("RGB"), []
    spaces = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "LAB"}
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile) if profile else ImageCms.createProfile("LAB"))
        space = source.profile.xcolor_space.strip().upper()
        if space == "RGB" and image.mode == "L":  # a gray photo of a camera or scanner that names its RGB
            image = image.convert("RGB")
        if spaces[image.mode] != space:
            return image.convert("RGB"), [f"its colour profile is for {space.title()} and was left out"]
        srgb = ImageCms.createProfile("sRGB")
        exact = ImageCms.Flags.NOOPTIMIZE if image.mode == "L" else ImageCms.Flags.NONE  # or dark grays are off by 9
        transform = ImageCms.buildTransform(source, srgb, image.mode, "RGB", flags=exact)
        if image.mode in ("L", "RGB") and _changes_little(transform, image.mode):
            return image.convert("RGB"), []
        result = ImageCms.applyTransform(image, transform)
        assert result is not None
        return result, []
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        if image.mode == "LAB":
            raise ColorlibError("its colours (CIE Lab) cannot be converted to sRGB") from error
        return image.convert("RGB"), ["its colour profile is damaged and was left out"]


def _changes_little(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether colours move by at most one step of 255, as from sRGB to sRGB; such photos are left as they are."""
    steps = np.arange(0, 256, 1 if mode == "L" else 15, dtype=np.uint8)
    lattice = steps[None] if mode == "L" else np.stack(np.meshgrid(steps, steps, steps), -1).reshape(18, -1, 3)
    probe = Image.fromarray(lattice)
    after = np.asarray(ImageCms.applyTransform(probe, transform), np.int16)
    return bool(np.abs(after - np.asarray(probe.convert("RGB"), np.int16)).max() <= 1)


def refusal(path: Path, error: Exception) -> ColorlibError:
    """Whatever went wrong while a photo was read, as one sentence that names the file."""
    if isinstance(error, FileNotFoundError):
        return ColorlibError(f"{path} does not exist")
    if isinstance(error, IsADirectoryError):
        return ColorlibError(f"{path} is a folder, not a photo")
    if isinstance(error, UnidentifiedImageError):
        if is_tiff(path):
            return ColorlibError(
                f"{path} is a TIFF file of a layout that cannot be read, or a damaged one: save it anew with 8 or 16 "
                "bits a channel and without transparency"
            )
        return ColorlibError(f"{path} is not a photo that can be read (its content is no known image format)")
    if isinstance(error, Image.DecompressionBombError):
        return ColorlibError(
            f"{path} has more pixels than are read: allow more with --max-pixels, or in Python with "
            "PIL.Image.MAX_IMAGE_PIXELS"
        )
    if isinstance(error, ColorlibError):
        return ColorlibError(f"{path} cannot be used: {error}")
    if isinstance(error, MemoryError):
        return ColorlibError(f"{path} needs more memory than there is")
    # Decoders fail in many ways on damaged files: struct.error, TypeError, zlib.error …
    return ColorlibError(f"{path} is damaged or truncated and cannot be read: {error}")
