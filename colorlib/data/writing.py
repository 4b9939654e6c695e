"""Photos out: whole or not at all, tagged sRGB, with all that the original said and the new file can hold."""

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, JpegImagePlugin
from PIL.PngImagePlugin import PngInfo

from colorlib.data.metadata import LONGEST, Metadata, with_dpi
from colorlib.errors import ColorlibError
from colorlib.files import atomic_write

WRITABLE = {"JPEG", "PNG", "WEBP", "TIFF", "BMP"}  # formats in which photos are written; others become PNG
QUALITY = 95  # of JPEG and WebP: of 100, as their libraries count
HOLDS = {  # what each can hold, beside pixels and a colour profile
    "JPEG": {"exif", "xmp", "dpi", "comment", "iptc"},
    "PNG": {"exif", "xmp", "dpi", "text", "comment"},
    "WEBP": {"exif", "xmp", "dpi"},  # the dpi within EXIF
    "TIFF": {"exif", "xmp", "dpi"},
    "BMP": {"dpi"},
    "AVIF": {"exif", "xmp", "dpi"},
}
NAMES = {"exif": "EXIF data", "xmp": "XMP data", "dpi": "dpi", "iptc": "IPTC captions", "comment": "comment"}
NAMES |= {"text": "texts"}
LOSSLESS = {"raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits"}  # TIFF compressions that are kept


def format_of(path: str | Path) -> str | None:
    """The format, by Pillow's name, that a file's suffix stands for."""
    return Image.registered_extensions().get(Path(path).suffix.lower())


def write_photo(
    path: str | Path, rgb: np.ndarray, quality: int | None = None, metadata: Metadata | None = None
) -> None:
    """Write uint8 RGB (H, W, 3) or gray (H, W); the suffix chooses the format. The file appears whole or not at all.

    Args:
        quality: of JPEG and WebP, 1 to 100; by default `QUALITY`, and for a JPEG original that was finer, as fine as
            that. JPEG keeps its chrominance at full size; WebP is lossless at 100.
        metadata: what is to stand in the file beside the pixels, where its format can hold it: see `left_out`.

    Raises:
        ColorlibError: naming the file, if it cannot be written.
    """
    kind = format_of(path)
    try:
        options = _options(kind, quality, metadata or Metadata())
        if rgb.ndim == 3:
            options["icc_profile"] = srgb_profile()
        with atomic_write(path) as partial:
            Image.fromarray(rgb).save(partial, **options)
    except (OSError, ValueError, KeyError) as error:
        raise ColorlibError(f"cannot write {path}: {error}") from error


def left_out(path: str | Path, metadata: Metadata) -> list[str]:
    """What of the metadata a file of this name cannot hold, in words.

    >>> left_out("a.bmp", Metadata(exif=b"1950", dpi=(600, 600)))
    ['its EXIF data have no place in BMP']
    """
    kind = format_of(path) or ""
    return [f"its {NAMES[part]} have no place in {kind}" for part in sorted(_parts(metadata) - _held(kind, metadata))]


def _parts(metadata: Metadata) -> set[str]:
    """Which parts there are."""
    present = {part for part in ("exif", "xmp", "dpi", "iptc") if getattr(metadata, part)}
    if "Comment" in metadata.text:
        present.add("comment")
    return present | ({"text"} if set(metadata.text) - {"Comment"} else set())


def _held(kind: str, metadata: Metadata) -> set[str]:
    """Which parts a format can hold; JPEG takes no long ones."""
    long = {part for part in ("exif", "xmp") if len(getattr(metadata, part)) > LONGEST} if kind == "JPEG" else set()
    return _parts(metadata) & HOLDS.get(kind, set()) - long


def _options(kind: str | None, quality: int | None, metadata: Metadata) -> dict[str, Any]:
    """What `Image.save` is told."""
    held = _held(kind or "", metadata)
    options: dict[str, Any] = {}
    if kind == "JPEG":
        options |= {"quality": quality or _as_fine_as(metadata.steps), "subsampling": 0}
    elif kind == "WEBP":
        options |= {"quality": quality or QUALITY, "lossless": quality == 100}
    elif kind == "TIFF":  # Pillow cannot write EXIF into compressed ones
        options["compression"] = metadata.compression if metadata.compression in LOSSLESS and not held else "raw"
    elif kind == "AVIF":
        options["quality"] = quality or QUALITY
    exif = metadata.exif if "exif" in held else b""
    if metadata.dpi and "dpi" in held:
        options["dpi"] = metadata.dpi
        exif = with_dpi(exif, metadata.dpi) if exif or kind in ("WEBP", "AVIF") else exif
    if kind == "TIFF" and "xmp" in held:
        tags = Image.Exif()
        tags.load(exif or b"Exif\0\0")
        tags[700] = metadata.xmp
        exif = tags.tobytes()
    elif "xmp" in held and kind != "PNG":
        options["xmp"] = metadata.xmp
    if exif:
        options["exif"] = exif
    if kind == "JPEG" and "comment" in held:
        options["comment"] = metadata.text["Comment"].encode()[:LONGEST]
    if "iptc" in held:
        options["extra"] = metadata.iptc
    if kind == "PNG":
        options["pnginfo"] = _png_texts(metadata)
    return options


def _png_texts(metadata: Metadata) -> PngInfo:
    texts = PngInfo()
    for key, value in metadata.text.items():
        texts.add_itxt(key, value)
    if metadata.xmp:
        texts.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode("utf-8", "replace"))
    return texts


@cache
def srgb_profile() -> bytes:
    """The colour profile of sRGB; with no date of its making, so that equal photos give equal files."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes.fromhex("07d0 0001 0001 0000 0000 0000")  # 2000-01-01 0:00, by ICC.1 §7.2.8
    return bytes(profile)


@cache
def _as_fine_as(steps: int | None) -> int:
    """The JPEG quality, from `QUALITY` up, that rounds luma at least as finely as an original did."""
    for quality in range(QUALITY, 101):
        buffer = io.BytesIO()
        Image.new("L", (8, 8)).save(buffer, "JPEG", quality=quality)
        with Image.open(buffer, formats=["JPEG"]) as image:
            assert isinstance(image, JpegImagePlugin.JpegImageFile)
            if steps is None or sum(image.quantization[0]) <= steps:
                return quality
    return 100
