"""The photo files that people really have: each is read as it should be seen, or refused with one sentence."""

import io
import math
from collections.abc import Callable
from pathlib import Path

import corpus
import numpy as np
import pytest
from PIL import Image
from skimage.color import lab2rgb

from colorlib import ColorlibError
from colorlib.data import as_rgb, count_pages, read_pages, read_photo


def srgb_from_light(light: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1: light in [0, 1] as uint8 sRGB."""
    coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clip(0) ** (1 / 2.4) - 0.055)
    return np.rint(255 * coded.clip(0, 1)).astype(np.uint8)


def light_of_srgb(rgb: np.ndarray) -> np.ndarray:
    coded = rgb / 255
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("write", corpus.GOOD, ids=lambda write: write.__qualname__)
def test_a_file_and_a_pillow_image_of_it_are_the_same(tmp_path: Path, write: corpus.Writer) -> None:
    path = write(tmp_path)
    rgb = read_photo(path)
    assert rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3
    with Image.open(path) as image:
        assert np.array_equal(as_rgb(image), rgb)
    loaded = Image.open(path)
    loaded.load()
    assert np.array_equal(as_rgb(loaded), rgb)
    assert np.array_equal(as_rgb(path), rgb) and np.array_equal(as_rgb(rgb), rgb)


@pytest.mark.parametrize("write", corpus.REFUSED, ids=lambda write: write.__qualname__)
def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path, write: corpus.Writer) -> None:
    path = write(tmp_path)
    with pytest.raises(ColorlibError) as caught:
        read_photo(path)
    assert path.name in str(caught.value) and "\n" not in str(caught.value)


def test_a_tiff_of_an_odd_layout_is_called_a_tiff(tmp_path: Path) -> None:
    for write in (corpus.gray_and_alpha, corpus.cmyk_and_alpha):
        with pytest.raises(ColorlibError, match="TIFF file of a layout.*save it anew"):
            read_photo(write(tmp_path))


def test_postscript_is_never_opened_under_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would hand it to Ghostscript, which runs it."""
    from PIL import EpsImagePlugin

    def opened(*args: object) -> None:
        raise AssertionError("PostScript reached Ghostscript")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", opened)
    for name in ("a.jpg", "a.png", "a.eps", "a"):
        (tmp_path / name).write_bytes(corpus.POSTSCRIPT)
        with pytest.raises(ColorlibError, match="not a photo"):
            read_photo(tmp_path / name)
    with Image.open(tmp_path / "a.jpg") as image, pytest.raises(AssertionError, match="Ghostscript"):
        image.load()  # the test can fail: that is what opening it by Pillow's whole list does


# --- depth -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "bits"), [(corpus.gray12, 12), (corpus.gray32, 32), (corpus.white_is_zero, 16)], ids=lambda value: value
)
def test_gray_is_scaled_by_its_true_depth(tmp_path: Path, write: corpus.Writer, bits: int) -> None:
    expected = np.rint(corpus.ramp(bits).astype(float) / (2**bits - 1) * 255)
    path = write(tmp_path)
    assert np.array_equal(read_photo(path)[:, :, 0], expected)
    assert "of its more than 8 bits a channel 8 are kept" in next(read_pages(path)).notes


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_of_16_bits_in_a_png_8_are_kept_and_it_is_said(tmp_path: Path, channels: int) -> None:
    page = next(read_pages(corpus.deep_png(tmp_path, channels)))
    transparent = ["its transparent parts became white"] * (channels in (2, 4))
    assert page.notes == ["of its more than 8 bits a channel 8 are kept", *transparent]
    if channels in (1, 3):
        values = (np.arange(40 * 60 * channels).reshape(40, 60, channels) * 9).astype(np.uint16)
        assert np.abs(page.rgb - values / 257).max() < 1


def test_of_8_bits_nothing_is_lost(tmp_path: Path) -> None:
    save = Image.fromarray(corpus.scene()).save
    for name in ("a.png", "a.tif", "a.jpg"):
        save(tmp_path / name)
        assert next(read_pages(tmp_path / name)).notes == []


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_gray_that_pillow_has_widened_keeps_its_brightness(tmp_path: Path, bits: int) -> None:
    """`Image.convert("I")` gives 32 bits, and what is in them has 8, 12 or 16."""
    wide = Image.fromarray(corpus.ramp(bits).astype(np.int32))
    assert wide.mode == "I"
    expected = np.rint(corpus.ramp(bits).astype(float) / (2**bits - 1) * 255)
    assert np.array_equal(as_rgb(wide)[:, :, 0], expected)


def test_a_dark_portable_graymap_stays_dark(tmp_path: Path) -> None:
    """Pillow holds its 16 bits in 32, and what they are is known: no guess from the largest value."""
    dark = (corpus.ramp(16) // 300).astype(">u2")
    (tmp_path / "dark.pgm").write_bytes(b"P5 64 4 65535\n" + dark.tobytes())
    assert np.array_equal(read_photo(tmp_path / "dark.pgm")[:, :, 0], np.rint(dark / 257))


@pytest.mark.parametrize("bits", [8, 12])
def test_white_may_be_zero_at_any_depth(tmp_path: Path, bits: int) -> None:
    values = 2**bits - 1 - corpus.ramp(bits)
    data = corpus.twelve_bits(values) if bits == 12 else values.astype(np.uint8).tobytes()
    (tmp_path / "w.tif").write_bytes(corpus.tiff((64, 4), (bits,), 0, data))
    expected = np.rint(corpus.ramp(bits).astype(float) / (2**bits - 1) * 255)
    try:
        assert np.array_equal(read_photo(tmp_path / "w.tif")[:, :, 0], expected)
    except ColorlibError as error:  # Pillow has no 12 bits of this kind
        assert bits == 12 and "TIFF" in str(error)


# --- colour ------------------------------------------------------------------------------------------------------


def test_a_profile_says_what_red_is(tmp_path: Path) -> None:
    assert np.unique(read_photo(corpus.red_is_blue(tmp_path)).reshape(-1, 3), axis=0).tolist() == [[0, 0, 255]]


def test_adobe_rgb_is_converted_by_its_primaries(tmp_path: Path) -> None:
    def to_xyz(red: tuple[float, ...], green: tuple[float, ...], blue: tuple[float, ...]) -> np.ndarray:
        return np.array([red, green, blue]).T

    path = corpus.adobe_rgb(tmp_path)
    with Image.open(path) as image:
        stored = np.asarray(image)
    srgb = to_xyz(corpus.SRGB_RED, (0.38515, 0.71687, 0.09708), corpus.SRGB_BLUE)
    matrix = np.linalg.inv(srgb) @ to_xyz(**corpus.ADOBE)
    expected = srgb_from_light(light_of_srgb(stored) @ matrix.T)
    result = read_photo(path)
    assert np.abs(result.astype(int) - expected).max() <= 3
    assert np.abs(result.astype(int) - stored).max() > 20  # it does something


def test_gray_of_a_linear_scanner_is_brightened(tmp_path: Path) -> None:
    expected = srgb_from_light(corpus.ramp(8) / 255)
    assert np.abs(read_photo(corpus.linear_gray(tmp_path))[:, :, 0].astype(int) - expected).max() <= 2


def test_inks_are_seen_as_the_press_prints_them(tmp_path: Path) -> None:
    expected = 255 * lab2rgb(np.array([50.0, 0, 0]))
    assert np.abs(read_photo(corpus.press(tmp_path))[32, 32] - expected).max() <= 2


def test_cie_lab(tmp_path: Path) -> None:
    expected = 255 * lab2rgb(np.array([50.0, 0, 0]))
    assert np.abs(read_photo(corpus.lab(tmp_path))[20, 20] - expected).max() <= 2


def test_srgb_itself_changes_nothing(tmp_path: Path) -> None:
    Image.fromarray(corpus.scene()).save(tmp_path / "a.png", icc_profile=corpus.rgb_profile())
    assert np.array_equal(read_photo(tmp_path / "a.png"), corpus.scene())


def test_a_transparent_photo_has_a_profile_too(tmp_path: Path) -> None:
    swapped = corpus.rgb_profile(red=corpus.SRGB_BLUE, blue=corpus.SRGB_RED)
    Image.new("RGBA", (4, 3), (255, 0, 0, 128)).save(tmp_path / "a.png", icc_profile=swapped)
    assert read_photo(tmp_path / "a.png")[0, 0].tolist() == [127, 127, 255]


def test_a_damaged_or_foreign_profile_is_left_out_and_said(tmp_path: Path) -> None:
    page = next(read_pages(corpus.damaged_profile(tmp_path)))
    assert np.array_equal(page.rgb, corpus.scene()) and "profile is damaged" in page.notes[0]
    Image.fromarray(corpus.scene()).save(tmp_path / "gray.png", icc_profile=corpus.gray_profile(1.0))
    page = next(read_pages(tmp_path / "gray.png"))
    assert np.array_equal(page.rgb, corpus.scene()) and "profile is for Gray" in page.notes[0]


# --- files cut short ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [1, 2, 10])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".ppm", ".webp"])
def test_a_file_that_lacks_its_last_bytes_is_read(tmp_path: Path, suffix: str, missing: int) -> None:
    path = corpus.lacks_end(tmp_path, suffix, missing)
    whole = io.BytesIO()
    Image.fromarray(corpus.scene(240, 160)).save(whole, {".jpg": "JPEG"}.get(suffix, suffix[1:]), quality=90)
    try:
        page = next(read_pages(path))
    except ColorlibError as error:  # what is missing of so small a WebP or PNG file may be more than can be mended
        assert suffix in (".webp", ".png") and missing == 10 and "damaged or truncated" in str(error)
        return
    wrong = (page.rgb != as_rgb(Image.open(whole))).any(-1).mean()
    assert wrong <= 0.03
    if suffix != ".png":  # of which nothing is lacking but marks
        assert page.notes == ["it lacks its last bytes; the rest is used"]
    if suffix != ".webp":  # which Pillow alone does not open
        with Image.open(path) as image:
            assert np.array_equal(as_rgb(image), page.rgb)


def test_a_jpeg_without_its_end_marker_is_read_exactly_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = corpus.lacks_end(tmp_path)
    whole = tmp_path / "whole.jpg"
    whole.write_bytes(path.read_bytes() + b"\xff\xd9")
    assert np.array_equal(read_photo(path), read_photo(whole))
    assert [record.getMessage() for record in caplog.records] == [f"{path}: it lacks its last bytes; the rest is used"]


def test_half_a_photo_is_refused(tmp_path: Path) -> None:
    for suffix in (".jpg", ".png", ".bmp", ".webp", ".tif", ".gif", ".ppm", ".jp2", ".avif"):
        path = corpus.lacks_end(tmp_path, suffix, 1)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(ColorlibError, match="cut"):
            read_photo(path)


# --- pages -------------------------------------------------------------------------------------------------------


def test_each_page_of_a_tiff_is_read_and_its_previews_are_not(tmp_path: Path) -> None:
    path = corpus.pages(tmp_path)
    with Image.open(path) as image:
        assert image.n_frames == 3
    assert count_pages(path) == 2
    first, second = read_pages(path)
    assert np.array_equal(first.rgb, corpus.scene()) and np.array_equal(second.rgb, corpus.scene()[::-1])


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_each_frame_of_a_moving_picture_is_read(tmp_path: Path, suffix: str) -> None:
    path = corpus.moving(tmp_path, suffix)
    assert count_pages(path) == 3
    for page, color in zip(read_pages(path), [(255, 0, 0), (0, 255, 0), (0, 0, 255)], strict=True):
        assert np.abs(page.rgb.astype(int) - color).max() <= 3


def test_a_file_that_cannot_be_read_counts_as_one_page(tmp_path: Path) -> None:
    assert count_pages(corpus.postscript(tmp_path)) == count_pages(tmp_path / "missing.jpg") == 1


def test_huge_photos_are_read_when_that_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = corpus.plain(".png")(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60 * 40 // 2 - 1)
    with pytest.raises(ColorlibError, match="plain.png has more pixels than are read.*--max-pixels"):
        read_photo(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60 * 40 // 2)
    assert np.array_equal(read_photo(path), corpus.scene())


def test_the_corpus_is_small(tmp_path: Path) -> None:
    everything: list[Callable[[Path], Path]] = [*corpus.GOOD, *corpus.REFUSED, corpus.lacks_end]
    assert math.fsum(write(tmp_path).stat().st_size for write in everything) < 500_000
