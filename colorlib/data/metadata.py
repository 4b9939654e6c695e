"""What a photo file says beside its pixels: dates, places, captions, dpi; read from one file for another.

The photos that are written are upright and in sRGB, and their preview would be the old picture: so orientation, colour
space and preview are not copied but set right or left out.
"""

import re
import struct
from dataclasses import dataclass, field
from typing import Any

from PIL import ExifTags, Image, JpegImagePlugin, PngImagePlugin
from PIL.TiffImagePlugin import IFDRational

from colorlib.data.decoding import orientation_of

# How the pixels of one TIFF file are laid out, which says nothing about another: sizes, strips, tiles, palettes …
LAYOUT = {*range(254, 260), 262, 263, *range(264, 267), 273, 277, 278, 279, 280, 281, 284, *range(288, 292), 301}
LAYOUT |= {317, 318, 319, *range(320, 326), 330, *range(332, 348), *range(512, 522), *range(529, 533), 34675}
XMP, SUB_IFDS = 700, (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
MAKER_NOTE, COLOR_SPACE, WIDTH, HEIGHT = 37500, 40961, 40962, 40963
LONGEST = 65_000  # bytes that one segment of a JPEG file takes


@dataclass
class Metadata:
    """What is known of a photo beside its pixels, in the forms in which Pillow writes it."""

    exif: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    text: dict[str, str] = field(default_factory=dict)  # of PNG files; the comment of JPEG and GIF is "Comment"
    iptc: bytes = b""  # captions and keywords of JPEG files, as a segment of such a file
    steps: int | None = None  # how coarsely a JPEG file rounded its luma: the sum of its table
    compression: str | None = None  # of TIFF files
    notes: list[str] = field(default_factory=list)


def metadata_of(image: Image.Image) -> Metadata:
    """The metadata of an opened file; asked before it is decoded, because Pillow then closes it."""
    result = Metadata()
    orientation = orientation_of(image)
    try:
        result.exif = _exif_of(image, orientation)
    except Exception:  # damaged, in one of many ways
        result.notes.append("its EXIF data are damaged and were left out")
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp) if isinstance(xmp, bytes | bytearray) else b""
    result.xmp = re.sub(rb"(tiff:Orientation(?:=[\"']|>)\s*)\d", rb"\g<1>1", xmp)
    result.dpi = _dpi_of(image)
    result.text = _text_of(image)
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        segments = [data for name, data in image.applist if name == "APP13"]
        result.iptc = b"".join(b"\xff\xed" + struct.pack(">H", len(data) + 2) + data for data in segments)
        result.steps = sum(image.quantization.get(0, [])) or None
        if image.format == "MPO":
            result.notes.append("of the pictures in it only the first was coloured")
    if image.format == "TIFF":
        result.compression = image.info.get("compression")
    return result


def _exif_of(image: Image.Image, orientation: int) -> bytes:
    exif = image.getexif()
    if not exif and len(image.info.get("exif", b"")) > 20:
        raise ValueError("Pillow has tried to read it before")
    kept = Image.Exif()
    kept.endian = exif.endian
    for tag, value in exif.items():
        if tag not in LAYOUT and tag not in SUB_IFDS and tag != XMP:
            kept[tag] = value
    for tag in SUB_IFDS:
        if content := dict(exif.get_ifd(tag)):
            kept[tag] = content
    details = kept.get(ExifTags.IFD.Exif, {})
    if ExifTags.IFD.Interop in details:
        details[ExifTags.IFD.Interop] = dict(exif.get_ifd(ExifTags.IFD.Interop))
    if COLOR_SPACE in details:
        details[COLOR_SPACE] = 1  # sRGB
    if orientation > 4 and {WIDTH, HEIGHT} <= set(details):
        details[WIDTH], details[HEIGHT] = details[HEIGHT], details[WIDTH]
    if not kept:
        return b""
    kept[ExifTags.Base.Orientation] = 1
    data = kept.tobytes()
    if len(data) > LONGEST and details.pop(MAKER_NOTE, None):
        data = kept.tobytes()
    return data


def _dpi_of(image: Image.Image) -> tuple[float, float] | None:
    try:
        across, down = map(float, image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 1 < min(across, down) <= max(across, down) < 65536 else None  # 1: TIFF without any


def _text_of(image: Image.Image) -> dict[str, str]:
    text: dict[str, str] = {}
    if isinstance(image, PngImagePlugin.PngImageFile):
        found = [(str(key), str(value)) for key, value in image.info.items() if isinstance(value, str)]
        text = {key: value for key, value in found if not key.startswith(("XML:", "Raw profile", "xmp"))}
    comment = image.info.get("comment")
    if isinstance(comment, bytes) and image.format in ("JPEG", "MPO", "GIF"):
        text["Comment"] = comment.decode("utf-8", "replace")
    return text


def with_dpi(exif: bytes, dpi: tuple[float, float]) -> bytes:
    """EXIF data that name a resolution, for formats that have no other place for it."""
    result = Image.Exif()
    if exif:
        result.load(exif)
    resolution: dict[int, Any] = {282: IFDRational(dpi[0]), 283: IFDRational(dpi[1]), 296: 2}
    for tag, value in resolution.items():
        result[tag] = value
    return result.tobytes()
