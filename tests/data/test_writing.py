"""Photos out: what the original said is in the new file or named as lost, and gray originals keep their luma."""

import io
import re
from pathlib import Path

import corpus
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, IptcImagePlugin

from colorlib.data import Metadata, left_out, read_pages, read_photo, write_photo


def copy(source: Path, suffix: str) -> Path:
    """A photo read, and written with what was known of it."""
    page = next(read_pages(source))
    target = source.with_name(f"copy{suffix}")
    write_photo(target, page.rgb, metadata=page.metadata)
    return target


def luma_differs(one: Path, other: Path) -> float:
    """By how much, of 255; colours differ more, because WebP halves their size."""
    first, second = (np.asarray(Image.fromarray(read_photo(path)).convert("L"), float) for path in (one, other))
    return float(np.abs(first - second).mean())


ARCHIVE = [corpus.archive_jpeg, corpus.archive_png, corpus.archive_tiff, corpus.archive_webp]
ids = {"ids": lambda value: getattr(value, "__name__", value)}


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("write", ARCHIVE, **ids)
def test_dates_places_and_captions_are_kept(tmp_path: Path, write: corpus.Writer, suffix: str) -> None:
    target = copy(write(tmp_path), suffix)
    with Image.open(target) as image:
        exif = image.getexif()
        assert (exif[271], exif[306]) == ("Camera", "1950:01:01 00:00:00")
        details, place = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
        assert details[36867] == "1950:01:01 00:00:00" and details[37500] == b"secret" * 9
        assert place[1] == "N" and tuple(map(float, place[2])) == (48, 18, 0)
        xmp = image.info.get("xmp") or image.info["XML:com.adobe.xmp"].encode()
        assert b'photoshop:City="Troyes"' in xmp


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp"])
@pytest.mark.parametrize("write", ARCHIVE[:3], **ids)
def test_the_resolution_is_kept(tmp_path: Path, write: corpus.Writer, suffix: str) -> None:
    with Image.open(copy(write(tmp_path), suffix)) as image:
        across, down = image.info["dpi"] if suffix != ".webp" else (image.getexif()[282], image.getexif()[283])
    assert float(across) == pytest.approx(600, abs=0.1) and float(down) == pytest.approx(600, abs=0.1)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_a_turned_photo_is_upright_and_says_so(tmp_path: Path, suffix: str) -> None:
    source = corpus.turned(tmp_path)
    target = copy(source, suffix)
    with Image.open(target) as image:
        assert image.size == (40, 60)
        exif = image.getexif()
        assert exif[274] == 1
        details = exif.get_ifd(ExifTags.IFD.Exif)
        assert (details[40962], details[40963]) == (40, 60)
    assert luma_differs(target, source) < 2


@pytest.mark.parametrize("write", ARCHIVE, **ids)
def test_xmp_never_turns_a_photo_that_is_upright(tmp_path: Path, write: corpus.Writer) -> None:
    """Its orientation counts where EXIF has none, as for Pillow."""
    with Image.open(copy(write(tmp_path), ".jpg")) as image:
        assert re.findall(rb'tiff:Orientation="(\d)"', image.info["xmp"]) == [b"1"]


def test_the_old_preview_is_left_out(tmp_path: Path) -> None:
    """A gray preview, or one lying on its side, would be what file managers show."""
    exif = corpus.full_exif().tobytes()
    preview = b"\xff\xd8" + b"OLD PREVIEW"
    # a second directory behind the first, with the preview's place and length
    tiff = bytearray(exif[6:])
    order = "<" if tiff[:2] == b"II" else ">"
    first = int.from_bytes(tiff[4:8], "little" if order == "<" else "big")
    little = "little" if order == "<" else "big"
    count = int.from_bytes(tiff[first : first + 2], little)
    link = first + 2 + 12 * count
    tiff[link : link + 4] = len(tiff).to_bytes(4, little)
    place = len(tiff) + 2 + 24 + 4
    entries = [(513, 4, 1, place), (514, 4, 1, len(preview))]
    tiff += (2).to_bytes(2, little)
    for tag, kind, amount, value in entries:
        tiff += tag.to_bytes(2, little) + kind.to_bytes(2, little)
        tiff += amount.to_bytes(4, little) + value.to_bytes(4, little)
    tiff += bytes(4) + preview
    Image.fromarray(corpus.scene()).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + bytes(tiff))
    assert b"OLD PREVIEW" in (tmp_path / "a.jpg").read_bytes()
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.getexif().get_ifd(ExifTags.IFD.IFD1)[514] == len(preview)
    target = copy(tmp_path / "a.jpg", ".jpg")
    assert b"OLD PREVIEW" not in target.read_bytes() and b"1950:01:01" in target.read_bytes()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_what_is_written_says_that_it_is_srgb(tmp_path: Path, suffix: str) -> None:
    target = copy(corpus.adobe_rgb(tmp_path), suffix)
    with Image.open(target) as image:
        written = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(written)
    assert luma_differs(target, tmp_path / "adobe.png") < 2
    again = copy(tmp_path / "adobe.png", suffix)
    assert again.read_bytes() == target.read_bytes()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_a_gray_picture_bears_no_profile_of_colors(tmp_path: Path, suffix: str) -> None:
    """PNG forbids it, and programs complain of it: a profile for RGB does not go with one channel."""
    write_photo(tmp_path / f"map{suffix}", np.zeros((4, 4), np.uint8))
    with Image.open(tmp_path / f"map{suffix}") as image:
        assert image.mode == "L" and "icc_profile" not in image.info


def test_the_color_space_in_exif_is_srgb_too(tmp_path: Path) -> None:
    with Image.open(copy(corpus.archive_jpeg(tmp_path), ".jpg")) as image:
        assert image.getexif().get_ifd(ExifTags.IFD.Exif)[40961] == 1


@pytest.mark.parametrize("keyword", ["comment", "COMMENT"])
def test_a_keyword_of_png_that_is_nearly_a_comment_is_a_text_like_others(tmp_path: Path, keyword: str) -> None:
    note = Metadata(text={keyword: "Aunt Greta"})
    assert left_out("a.jpg", note) == left_out("a.jpg", Metadata(text={"Title": "Aunt Greta"}))
    write_photo(tmp_path / "a.jpg", np.zeros((4, 4, 3), np.uint8), metadata=note)
    write_photo(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8), metadata=note)
    with Image.open(tmp_path / "a.png") as image:
        assert image.text[keyword] == "Aunt Greta"  # type: ignore[attr-defined]


def test_captions_of_newspapers_and_comments_are_kept_where_there_is_room(tmp_path: Path) -> None:
    source = corpus.archive_jpeg(tmp_path)
    with Image.open(copy(source, ".jpg")) as image:
        assert IptcImagePlugin.getiptcinfo(image)[(2, 120)] == b"Greta"
        assert image.info["comment"] == b"Aunt Greta"
    with Image.open(copy(source, ".png")) as image:
        assert image.info["Comment"] == "Aunt Greta"
    with Image.open(copy(corpus.archive_png(tmp_path), ".png")) as image:
        assert image.info["Title"] == "Aunt Greta"
    with Image.open(copy(corpus.archive_tiff(tmp_path), ".tif")) as image:
        assert image.tag_v2[270] == "Aunt Greta" and image.tag_v2[315] == "A. Uncle"


def test_what_has_no_place_is_named(tmp_path: Path) -> None:
    metadata = next(read_pages(corpus.archive_jpeg(tmp_path))).metadata
    assert left_out("a.jpg", metadata) == []
    assert left_out("a.png", metadata) == ["its IPTC captions have no place in PNG"]
    assert left_out("a.bmp", metadata) == [
        f"its {what} have no place in BMP" for what in ("comment", "EXIF data", "IPTC captions", "XMP data")
    ]
    metadata = next(read_pages(corpus.archive_png(tmp_path))).metadata
    assert left_out("a.jpg", metadata) == ["its texts have no place in JPEG"]
    metadata.xmp = b"x" * 70_000
    assert "its XMP data have no place in JPEG" in left_out("a.jpg", metadata)
    write_photo(tmp_path / "long.jpg", corpus.scene(), metadata=metadata)
    assert read_photo(tmp_path / "long.jpg").shape == (40, 60, 3)


@pytest.mark.parametrize("quality", [80, 95, 98, 100])
def test_a_gray_original_keeps_its_luma(tmp_path: Path, quality: int, real_photos: list[np.ndarray]) -> None:
    """A second saving as JPEG costs no more than the first did."""
    truth = Image.fromarray(real_photos[0]).convert("L")
    truth.save(tmp_path / "a.jpg", quality=quality)
    first = np.abs(read_photo(tmp_path / "a.jpg")[:, :, 0].astype(float) - np.asarray(truth)).mean()
    with Image.open(copy(tmp_path / "a.jpg", ".jpg")) as image:
        assert image.layer[0][1:3] == image.layer[1][1:3] == (1, 1)  # chrominance at full size
        luma = np.asarray(image.convert("L"), float)
    second = np.abs(luma - read_photo(tmp_path / "a.jpg")[:, :, 0]).mean()
    assert second <= max(first, 1.0)


def test_quality_is_what_was_asked_for(tmp_path: Path) -> None:
    sizes = []
    for quality in (30, 60, 90):
        write_photo(tmp_path / "a.jpg", corpus.scene(), quality)
        sizes.append((tmp_path / "a.jpg").stat().st_size)
    assert sizes == sorted(set(sizes))
    write_photo(tmp_path / "a.webp", corpus.scene(), 100)
    assert np.array_equal(read_photo(tmp_path / "a.webp"), corpus.scene())


def test_a_compressed_scan_is_compressed_again(tmp_path: Path) -> None:
    Image.fromarray(corpus.scene()).save(tmp_path / "a.tif", compression="tiff_lzw")
    with Image.open(copy(tmp_path / "a.tif", ".tiff")) as image:
        assert image.info["compression"] == "tiff_lzw"


def test_damaged_exif_is_left_out_and_said(tmp_path: Path) -> None:
    source = corpus.archive_jpeg(tmp_path)
    data = source.read_bytes()
    place = data.index(b"Exif\0\0") + 6
    source.write_bytes(data[:place] + b"??" + data[place + 2 :])
    page = next(read_pages(source))
    assert page.metadata.notes == ["its EXIF data are damaged and were left out"]
    write_photo(tmp_path / "copy.jpg", page.rgb, metadata=page.metadata)
    with Image.open(tmp_path / "copy.jpg") as image:
        assert image.info["dpi"] == (600, 600) and b"Troyes" in image.info["xmp"]
