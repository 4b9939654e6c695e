"""Small photo files of the kinds that people have, made with Pillow and NumPy, or by hand where Pillow cannot.

Each function of `GOOD` and `REFUSED` writes one file into a folder and returns its path. Most show `scene`, so that
what should be read is known.
"""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo

Writer = Callable[[Path], Path]
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n{ } loop\nshowpage\n%%EOF\n"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" photoshop:City="Troyes"/></x:xmpmeta>'
TAGS = {"SHORT": (3, "H"), "LONG": (4, "I")}


def scene(width: int = 60, height: int = 40) -> np.ndarray:
    """A little picture with edges, ramps and colour, uint8 (H, W, 3)."""
    y, x = np.mgrid[:height, :width]
    channels = [x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), (x // 8 + y // 8) % 2 * 200]
    return np.stack(channels, -1).astype(np.uint8)


def ramp(bits: int, width: int = 64, height: int = 4) -> np.ndarray:
    """Gray from 0 to the most that so many bits hold, uint64 (H, W)."""
    row = np.linspace(0, 2**bits - 1, width).round().astype(np.uint64)
    return np.tile(row, (height, 1))


# --- files written by hand ---------------------------------------------------------------------------------------


def tiff(size: tuple[int, int], bits: tuple[int, ...], photometric: int, data: bytes, **more: int) -> bytes:
    """An uncompressed TIFF file in one strip; ``more`` are tags of one number, by name: ExtraSamples=2."""
    numbers = {"ImageWidth": size[0], "ImageLength": size[1], "BitsPerSample": bits, "Compression": 1}
    numbers |= {"PhotometricInterpretation": photometric, "StripOffsets": 0, "SamplesPerPixel": len(bits)}
    numbers |= {"RowsPerStrip": size[1], "StripByteCounts": len(data)} | more
    codes = {name: getattr(ExifTags.Base, name).value for name in numbers}
    start = 8 + 2 + 12 * len(numbers) + 4
    pool, entries = b"", b""
    for name in sorted(numbers, key=codes.__getitem__):
        values = numbers[name] if isinstance(numbers[name], tuple) else (numbers[name],)
        kind, letter = TAGS["SHORT" if name in ("BitsPerSample", "ExtraSamples", "SampleFormat") else "LONG"]
        if name == "StripOffsets":
            values = (start + 16,)
        packed = struct.pack(f"<{len(values)}{letter}", *values)
        if len(packed) > 4:
            pool, packed = packed, struct.pack("<I", start)  # BitsPerSample, the only long one
        entries += struct.pack("<HHI", codes[name], kind, len(values)) + packed.ljust(4, b"\0")
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(numbers)) + entries + bytes(4)
    return head + pool.ljust(16, b"\0") + data


def deep_png(folder: Path, channels: int = 3) -> Path:
    """A PNG of 16 bits: gray, gray and alpha, RGB, or RGB and alpha. Pillow writes only the first."""
    path = folder / f"deep{channels}.png"
    values = (np.arange(40 * 60 * channels).reshape(40, -1) * 9).astype(">u2")
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    chunks = {b"IHDR": struct.pack(">IIBBBBB", 60, 40, 16, kind, 0, 0, 0)}
    chunks |= {b"IDAT": zlib.compress(b"".join(b"\0" + row.tobytes() for row in values)), b"IEND": b""}
    parts = [struct.pack(">I", len(data)) + name + data for name, data in chunks.items()]
    sums = [struct.pack(">I", zlib.crc32(part[4:])) for part in parts]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(part + check for part, check in zip(parts, sums, strict=True)))
    return path


def twelve_bits(values: np.ndarray) -> bytes:
    """Pairs of 12-bit numbers in three bytes each; an even number to a row."""
    first, second = values.reshape(-1, 2).T
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], -1)
    return packed.astype(np.uint8).tobytes()


def profile(space: bytes, pcs: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A colour profile by ICC.1:2001-04: a header, a table, and tags."""
    offset, table, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">II", offset + len(body), len(content))
        body += content
    d50 = struct.pack(">3i", *(round(value * 65536) for value in (0.9642, 1.0, 0.8249)))
    header = struct.pack(">I4sI4s4s4s12s4s28s12s48x", offset + len(body), b"", 0x02400000, kind, space, pcs,
                         struct.pack(">6H", 2000, 1, 1, 0, 0, 0), b"acsp", b"", d50)  # fmt: skip
    assert len(header) == 128
    return header + table + body


def gray_profile(gamma: float) -> bytes:
    """The profile of a gray scanner: light is the value to the power of gamma."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in (0.9642, 1.0, 0.8249)))
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    return profile(b"GRAY", b"XYZ ", b"scnr", {b"wtpt": white, b"kTRC": curve})


def cmyk_profile(lightness: Callable[[np.ndarray], float]) -> bytes:
    """The profile of a press whose inks are all gray: L* as a function of the four inks in [0, 1]."""
    inks = np.stack(np.meshgrid(*[[0.0, 1.0]] * 4, indexing="ij"), -1).reshape(-1, 4)
    grid = b"".join(bytes([round(lightness(ink) * 2.55), 128, 128]) for ink in inks)
    identity = bytes(range(256))
    matrix = struct.pack(">9i", *(np.eye(3).ravel() * 65536).astype(int))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + 4 * identity + grid + 3 * identity
    return profile(b"CMYK", b"Lab ", b"prtr", {b"A2B0": table})


def rgb_profile(**primaries: tuple[float, float, float]) -> bytes:
    """The profile of sRGB with other primaries, as XYZ for the white of D50: red=…, green=…, blue=…"""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for number in range(struct.unpack(">I", data[128:132])[0]):
        name, offset, _ = struct.unpack(">4sII", data[132 + 12 * number : 144 + 12 * number])
        for color, values in primaries.items():
            if name == f"{color[0]}XYZ".encode():
                data[offset + 8 : offset + 20] = struct.pack(">3i", *(round(value * 65536) for value in values))
    return bytes(data)


SRGB_RED, SRGB_BLUE = (0.43607, 0.22249, 0.01392), (0.14307, 0.06061, 0.71410)
ADOBE = {"red": (0.60974, 0.31111, 0.01947), "green": (0.20528, 0.62567, 0.06087), "blue": (0.14919, 0.06322, 0.74457)}


# --- the kinds ---------------------------------------------------------------------------------------------------


def full_exif(orientation: int = 1) -> Image.Exif:
    """A date, a maker, a place, a lens; as cameras write them."""
    exif = Image.Exif()
    exif[271], exif[274], exif[306] = "Camera", orientation, "1950:01:01 00:00:00"
    exif[ExifTags.IFD.Exif] = {36867: "1950:01:01 00:00:00", 40961: 65535, 40962: 60, 40963: 40, 37500: b"secret" * 9}
    exif[ExifTags.IFD.GPSInfo] = {1: "N", 2: (48.0, 18.0, 0.0)}
    return exif


def archive_jpeg(folder: Path) -> Path:
    """A family photo, gray, with all that an archivist writes into it."""
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x0a\x1c\x02\x78\0\x05Greta"
    segment = b"\xff\xed" + struct.pack(">H", len(iptc) + 2) + iptc
    gray = Image.fromarray(scene()).convert("L")
    gray.save(folder / "archive.jpg", quality=98, dpi=(600, 600), exif=full_exif().tobytes(), xmp=XMP, extra=segment,
              comment=b"Aunt Greta")  # fmt: skip
    return folder / "archive.jpg"


def archive_png(folder: Path) -> Path:
    texts = PngInfo()
    texts.add_text("Title", "Aunt Greta")
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    image = Image.fromarray(scene())
    image.save(folder / "archive.png", dpi=(600, 600), exif=full_exif().tobytes(), pnginfo=texts)
    return folder / "archive.png"


def archive_tiff(folder: Path) -> Path:
    exif = full_exif()
    exif[700], exif[270], exif[315] = XMP, "Aunt Greta", "A. Uncle"
    image = Image.fromarray(scene())
    image.save(folder / "archive.tif", dpi=(600, 600), exif=exif.tobytes())
    return folder / "archive.tif"


def archive_webp(folder: Path) -> Path:
    Image.fromarray(scene()).save(folder / "archive.webp", exif=full_exif().tobytes(), xmp=XMP, quality=95)
    return folder / "archive.webp"


def turned(folder: Path) -> Path:
    """A phone held upright: the pixels lie on their side."""
    Image.fromarray(scene()).save(folder / "turned.jpg", exif=full_exif(6).tobytes(), quality=95)
    return folder / "turned.jpg"


def adobe_rgb(folder: Path) -> Path:
    Image.fromarray(scene()).save(folder / "adobe.png", icc_profile=rgb_profile(**ADOBE))
    return folder / "adobe.png"


def red_is_blue(folder: Path) -> Path:
    """Pure red, with a profile that says that red is blue; viewers show blue."""
    swapped = rgb_profile(red=SRGB_BLUE, blue=SRGB_RED)
    Image.new("RGB", (60, 40), "red").save(folder / "swapped.png", icc_profile=swapped)
    return folder / "swapped.png"


def linear_gray(folder: Path) -> Path:
    Image.fromarray(ramp(8).astype(np.uint8)).save(folder / "linear.png", icc_profile=gray_profile(1.0))
    return folder / "linear.png"


def press(folder: Path) -> Path:
    """Four inks that are all gray: half of the lightness for cyan, none for black."""
    gray_inks = cmyk_profile(lambda ink: 100 * (1 - ink[3]) * (1 - ink[0] / 2))
    Image.new("CMYK", (64, 64), (255, 0, 0, 0)).save(folder / "press.jpg", icc_profile=gray_inks, quality=95)
    return folder / "press.jpg"


def damaged_profile(folder: Path) -> Path:
    Image.fromarray(scene()).save(folder / "damaged-profile.png", icc_profile=rgb_profile()[:200])
    return folder / "damaged-profile.png"


def gray12(folder: Path) -> Path:
    (folder / "gray12.tif").write_bytes(tiff((64, 4), (12,), 1, twelve_bits(ramp(12))))
    return folder / "gray12.tif"


def gray32(folder: Path) -> Path:
    (folder / "gray32.tif").write_bytes(tiff((64, 4), (32,), 1, ramp(32).astype("<u4").tobytes()))
    return folder / "gray32.tif"


def white_is_zero(folder: Path) -> Path:
    data = (65535 - ramp(16)).astype("<u2").tobytes()
    (folder / "negative.tif").write_bytes(tiff((64, 4), (16,), 0, data))
    return folder / "negative.tif"


def gray_and_alpha(folder: Path) -> Path:
    data = np.stack([ramp(16), ramp(16)], -1).astype("<u2").tobytes()
    (folder / "gray-alpha.tif").write_bytes(tiff((64, 4), (16, 16), 1, data, ExtraSamples=2))
    return folder / "gray-alpha.tif"


def cmyk_and_alpha(folder: Path) -> Path:
    (folder / "cmyk-alpha.tif").write_bytes(tiff((9, 9), (8,) * 5, 5, bytes(9 * 9 * 5), ExtraSamples=2))
    return folder / "cmyk-alpha.tif"


def lab(folder: Path) -> Path:
    """CIE Lab, as scanners of archives write it: a gray of L* = 50."""
    Image.new("LAB", (60, 40), (128, 128, 128)).save(folder / "lab.tif")
    return folder / "lab.tif"


def pages(folder: Path) -> Path:
    """Two pages, and a preview of the second, which is no page."""
    first, second = Image.fromarray(scene()), Image.fromarray(scene()[::-1].copy())
    preview = second.resize((30, 20))
    preview.encoderinfo = {"tiffinfo": {254: 1}}
    first.save(folder / "pages.tif", save_all=True, append_images=[second, preview])
    return folder / "pages.tif"


def moving(folder: Path, suffix: str = ".gif") -> Path:
    frames = [Image.new("RGB", (60, 40), color) for color in ("red", "lime", "blue")]
    frames[0].save(folder / f"moving{suffix}", save_all=True, append_images=frames[1:], duration=100, lossless=True)
    return folder / f"moving{suffix}"


def lacks_end(folder: Path, suffix: str = ".jpg", missing: int = 2) -> Path:
    """A file whose last bytes got lost in copying."""
    path = folder / f"cut{suffix}"
    Image.fromarray(scene(240, 160)).save(path, quality=90)
    path.write_bytes(path.read_bytes()[:-missing])
    return path


def postscript(folder: Path) -> Path:
    """A program that never ends, under the name of a photo."""
    (folder / "holiday.jpg").write_bytes(POSTSCRIPT)
    return folder / "holiday.jpg"


def plain(suffix: str) -> Writer:
    """The scene under a suffix of its format."""

    def write(folder: Path) -> Path:
        Image.fromarray(scene()).save(folder / f"plain{suffix}", quality=95)
        return folder / f"plain{suffix}"

    return write


SUFFIXES = [".jpg", ".jpe", ".jfif", ".JPG", ".png", ".webp", ".tif", ".bmp", ".gif", ".ppm", ".jp2", ".avif"]
GOOD: list[Writer] = [
    archive_jpeg,
    archive_png,
    archive_tiff,
    archive_webp,
    turned,
    adobe_rgb,
    red_is_blue,
    linear_gray,
]
GOOD += [press, damaged_profile, gray12, gray32, white_is_zero, lab, pages, moving, *map(plain, SUFFIXES)]
REFUSED: list[Writer] = [gray_and_alpha, cmyk_and_alpha, postscript]
