"""Reading whatever people call a photo: right pixels, or one clear sentence that names the file."""

import io
import itertools
import os
import random
import struct
import tempfile
import threading
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from colorlib import ColorlibError
from colorlib.data import SUFFIXES, as_rgb, find_photos, fit, fit_frame, read_photo, to_tensor, to_uint8, write_photo

RAMP16 = np.linspace(0, 65535, 12).astype(np.uint16).reshape(3, 4)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int, color_type: int, rows: bytes) -> bytes:
    """A PNG written by hand: Pillow cannot write all that it must be able to read."""
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, content) for kind, content in parts)


@pytest.fixture
def noise() -> np.ndarray:
    """A random photo, uint8 (24, 32, 3)."""
    return np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)


# --- what can be read --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm", ".webp"])
def test_lossless_files_come_back_exactly(tmp_path, noise, suffix):
    path = tmp_path / f"photo{suffix}"
    Image.fromarray(noise).save(path, lossless=True)
    result = read_photo(path)
    assert result.dtype == np.uint8 and (result == noise).all()
    assert (read_photo(str(path)) == noise).all()


def test_one_pixel(tmp_path):
    Image.new("RGB", (1, 1), (10, 20, 30)).save(tmp_path / "dot.png")
    assert read_photo(tmp_path / "dot.png").tolist() == [[[10, 20, 30]]]


def test_gray_files(tmp_path, noise):
    gray = noise[:, :, 0]
    Image.fromarray(gray).save(tmp_path / "gray.png")
    assert (read_photo(tmp_path / "gray.png") == gray[:, :, None]).all()
    Image.fromarray(gray > 127).save(tmp_path / "bilevel.png")
    assert (read_photo(tmp_path / "bilevel.png") == 255 * (gray > 127)[:, :, None]).all()


def test_16_bit_gray_is_scaled_not_clipped(tmp_path):
    expected = np.rint(RAMP16 / 257).astype(np.uint8)
    Image.fromarray(RAMP16).save(tmp_path / "gray16.png")
    Image.fromarray(RAMP16).save(tmp_path / "gray16.tif")
    Image.fromarray(RAMP16.astype(np.int32)).save(tmp_path / "gray32.tif")
    for name in ("gray16.png", "gray16.tif", "gray32.tif"):
        assert (read_photo(tmp_path / name) == expected[:, :, None]).all(), name


def test_16_bit_color(tmp_path):
    values = np.stack([RAMP16, RAMP16[::-1], RAMP16[:, ::-1]], -1)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    (tmp_path / "rgb16.png").write_bytes(png(4, 3, 16, 2, rows))
    difference = read_photo(tmp_path / "rgb16.png") - values / 257
    assert np.abs(difference).max() < 1  # the decoder drops the low byte


def test_float_tiff(tmp_path):
    Image.fromarray((RAMP16 / 65535).astype(np.float32)).save(tmp_path / "float.tif")
    assert (read_photo(tmp_path / "float.tif")[:, :, 1] == np.rint(RAMP16 / 257)).all()


def test_transparency_is_laid_on_white(tmp_path):
    half_red = Image.new("RGBA", (2, 1), (255, 0, 0, 128))
    half_red.putpixel((1, 0), (0, 0, 255, 0))
    half_red.save(tmp_path / "rgba.png")
    assert read_photo(tmp_path / "rgba.png").tolist() == [[[255, 127, 127], [255, 255, 255]]]
    Image.new("LA", (1, 1), (0, 64)).save(tmp_path / "la.png")
    assert read_photo(tmp_path / "la.png").tolist() == [[[191, 191, 191]]]
    (tmp_path / "la16.png").write_bytes(png(1, 1, 16, 4, b"\0" + struct.pack(">HH", 0, 0x4040)))
    assert read_photo(tmp_path / "la16.png").tolist() == [[[191, 191, 191]]]


def test_palette_with_a_transparent_color(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([200, 10, 20, 0, 0, 0] + [0] * 762)
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "opaque.png")
    assert read_photo(tmp_path / "opaque.png").tolist() == [[[200, 10, 20], [0, 0, 0]]]
    image.save(tmp_path / "transparent.png", transparency=1)
    assert read_photo(tmp_path / "transparent.png").tolist() == [[[200, 10, 20], [255, 255, 255]]]
    image.save(tmp_path / "transparent.gif", transparency=1)
    assert read_photo(tmp_path / "transparent.gif").tolist() == [[[200, 10, 20], [255, 255, 255]]]


def test_cmyk(tmp_path):
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    cyan.save(tmp_path / "cyan.jpg", quality=95)
    cyan.save(tmp_path / "cyan.tif")
    for name in ("cyan.jpg", "cyan.tif"):
        np.testing.assert_allclose(read_photo(tmp_path / name)[8, 8], [0, 255, 255], atol=3)


@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, orientation, kind):
    """A camera stores the sensor's pixels and how it was held; whichever of the 8 ways, the photo is upright."""
    upright = np.zeros((24, 40, 3), np.uint8)
    upright[:8, :8], upright[:8, 32:], upright[16:, :8] = [255, 0, 0], [0, 255, 0], [0, 0, 255]
    as_held = {  # how the stored pixels come from the upright ones, by the EXIF standard
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"held.{kind}"
    Image.fromarray(np.ascontiguousarray(as_held)).save(path, exif=exif, quality=95)
    result = read_photo(path)
    assert result.shape == upright.shape
    assert np.abs(result[4::16, 4::16].astype(int) - upright[4::16, 4::16]).max() < 30


def test_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (5, 4), color) for color in ("red", "lime", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert (read_photo(tmp_path / "moving.gif") == [255, 0, 0]).all()


@pytest.mark.parametrize(
    "name", ["été à la plage.png", "夕焼け.png", "a b'c\"d.png", "🌄.PNG", "x.jpeg.png", ".hidden.png"]
)
def test_unusual_names(tmp_path, noise, name):
    write_photo(tmp_path / name, noise)
    assert (read_photo(tmp_path / name) == noise).all()


def test_content_decides_not_the_suffix(tmp_path, noise):
    (tmp_path / "really_png.jpg").write_bytes(encoded(Image.fromarray(noise), "PNG"))
    assert (read_photo(tmp_path / "really_png.jpg") == noise).all()


@pytest.mark.slow
def test_40_megapixels(tmp_path):
    path = tmp_path / "large.jpg"
    Image.linear_gradient("L").resize((7680, 5210)).convert("RGB").save(path, quality=80)
    assert read_photo(path).shape == (5210, 7680, 3)


# --- what cannot -------------------------------------------------------------------------------------------------


def refusal(path: Path | str) -> str:
    """The sentence with which a file is refused; it names the file and is one line."""
    with pytest.raises(ColorlibError) as caught:
        read_photo(path)
    message = str(caught.value)
    assert Path(path).name in message and "\n" not in message
    return message


def test_text_renamed_to_jpg(tmp_path):
    (tmp_path / "notes.jpg").write_text("Dear diary, today I took a photo.\n" * 50)
    assert "is not a photo" in refusal(tmp_path / "notes.jpg")


def test_empty_file(tmp_path):
    (tmp_path / "empty.png").touch()
    assert "is not a photo" in refusal(tmp_path / "empty.png")


def test_missing_file_and_folder(tmp_path):
    assert "does not exist" in refusal(tmp_path / "missing.jpg")
    assert "does not exist" in refusal(tmp_path / "no" / "such" / "folder.jpg")
    assert "folder" in refusal(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions and names")
def test_names_that_the_system_refuses():
    refusal("a" * 300)
    with pytest.raises(ColorlibError):
        read_photo("nul\0byte.jpg")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_truncated_files(tmp_path, noise, kind, kept):
    data = encoded(Image.fromarray(np.tile(noise, (8, 8, 1))), kind)
    path = tmp_path / f"half.{kind.lower()}"
    path.write_bytes(data[: int(kept * len(data))])
    message = refusal(path)
    assert "damaged or truncated" in message or "is not a photo" in message


def test_a_header_that_promises_too_many_pixels_costs_no_memory(tmp_path):
    """A few bytes can declare 100,000 x 100,000 pixels (30 GB); the file is refused before any is allocated."""
    for side in (16_000, 100_000):
        path = tmp_path / f"bomb{side}.png"
        path.write_bytes(png(side, side, 8, 2, bytes(1000)))
        tracemalloc.start()
        message = refusal(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert "pixels" in message and peak < 10_000_000


def test_float_tiff_out_of_range_is_refused_by_name(tmp_path):
    Image.fromarray(RAMP16.astype(np.float32)).save(tmp_path / "float.tif")
    assert "[0, 1]" in refusal(tmp_path / "float.tif")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tag_type", [0, 1, 27, 84])
def test_damaged_exif_does_not_spoil_a_photo(tmp_path, tag_type):
    """One wrong byte, the type of a tag that nobody needs: the pixels are whole, so the photo is read."""
    exif = Image.Exif()
    exif[271], exif[274] = "Cam", 6  # the maker, and "turn me"
    data = bytearray(encoded(Image.new("RGB", (24, 16), "red"), "JPEG", exif=exif))
    data[data.index(b"Exif\0\0") + 17] = tag_type
    (tmp_path / "damaged.jpg").write_bytes(data)
    assert sorted(read_photo(tmp_path / "damaged.jpg").shape) == [3, 16, 24]


@pytest.mark.filterwarnings("ignore")
def test_random_damage_gives_a_photo_or_a_sentence(tmp_path, noise):
    """A thousand files with a few random bytes changed or the end cut off: nothing but ColorlibError comes out."""
    image = Image.fromarray(noise)
    exif = Image.Exif()
    exif[274], exif[271] = 6, "Camera"
    originals = [
        encoded(image, "JPEG", exif=exif),
        encoded(image, "PNG"),
        encoded(image, "GIF"),
        encoded(image, "TIFF"),
        encoded(image, "WEBP", exif=exif),
        encoded(image, "BMP"),
        encoded(image, "PPM"),
        encoded(Image.fromarray(noise[:, :, 0].astype(np.uint16) * 257), "PNG"),
    ]
    chance = random.Random(0)
    outcomes = {"photo": 0, "sentence": 0}
    for turn in range(1000):
        data = bytearray(originals[turn % len(originals)])
        for _ in range(chance.choice([1, 2, 8])):
            data[chance.randrange(min(len(data), chance.choice([200, len(data)])))] = chance.randrange(256)
        if chance.random() < 0.2:
            data = data[: chance.randrange(len(data))]
        path = tmp_path / "damaged.bin"
        path.write_bytes(data)
        try:
            result = read_photo(path)
            assert result.dtype == np.uint8 and result.ndim == 3 and result.shape[2] == 3
            outcomes["photo"] += 1
        except ColorlibError as error:
            assert "damaged.bin" in str(error)
            outcomes["sentence"] += 1
    assert min(outcomes.values()) > 100


def test_reading_in_threads_leaves_the_warning_filters_alone(tmp_path, noise, monkeypatch):
    """Two photos read at once, the second begun before the first is done: what Python warns of must not change."""
    write_photo(tmp_path / "photo.png", noise)
    begun, may_end = [threading.Event(), threading.Event()], [threading.Event(), threading.Event()]
    open_image = Image.open
    turn = itertools.count()

    def slow_open(*args, **options):
        number = next(turn)
        begun[number].set()
        assert may_end[number].wait(10)
        return open_image(*args, **options)

    monkeypatch.setattr(Image, "open", slow_open)
    before = list(warnings.filters)
    with ThreadPoolExecutor(2) as pool:
        jobs = []
        for number in range(2):
            jobs.append(pool.submit(read_photo, tmp_path / "photo.png"))
            assert begun[number].wait(10)
        for number, job in enumerate(jobs):  # the first ends while the second is at work
            may_end[number].set()
            job.result(10)
    assert warnings.filters == before


# --- images in memory --------------------------------------------------------------------------------------------


def test_as_rgb_accepts_what_people_have(noise, tmp_path):
    assert (as_rgb(noise) == noise).all()
    assert (as_rgb(torch.from_numpy(noise)) == noise).all()
    assert (as_rgb(Image.fromarray(noise)) == noise).all()
    for order in "<>":  # of bytes: TIFF has both
        assert (as_rgb((noise.astype(np.uint16) * 257).astype(f"{order}u2")) == noise).all()
    for dtype in (np.float16, np.float32, np.float64):
        assert (as_rgb((noise / 255).astype(dtype)) == noise).all()
    gray = noise[:, :, 0]
    assert (as_rgb(gray) == gray[:, :, None]).all() and as_rgb(gray).shape == noise.shape
    assert (as_rgb(gray[:, :, None]) == gray[:, :, None]).all()
    opaque = np.dstack([noise, np.full_like(gray, 255)])
    assert (as_rgb(opaque) == noise).all()
    write_photo(tmp_path / "photo.png", noise)
    assert (as_rgb(tmp_path / "photo.png") == noise).all() and (as_rgb(str(tmp_path / "photo.png")) == noise).all()
    assert (as_rgb(noise[::-1, ::2]) == noise[::-1, ::2]).all()  # views with gaps and negative strides


@given(arrays(np.uint16, (2, 3), elements=st.integers(0, 65535)))
def test_16_bit_arrays_are_rounded(values):
    assert (as_rgb(values)[:, :, 0] == np.rint(values / 257)).all()


def test_transparent_arrays_are_laid_on_white(noise):
    image = np.dstack([noise, noise[:, :, 0]])
    alpha = noise[:, :, :1] / 255
    np.testing.assert_allclose(as_rgb(image), noise * alpha + 255 * (1 - alpha), atol=0.5 + 1e-3)


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGB", "RGBA", "LA", "La", "RGBa", "CMYK", "YCbCr", "HSV", "I", "F", "I;16"]
)
def test_every_pillow_mode_works_or_is_refused(mode):
    try:
        assert as_rgb(Image.new(mode, (4, 3))).shape == (3, 4, 3)
    except ColorlibError as error:
        assert mode in str(error)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((0, 4), np.uint8),
        np.zeros((3, 4, 2), np.uint8),
        np.zeros((3, 4, 5), np.uint8),
        np.zeros((1, 3, 4, 3), np.uint8),
        np.zeros(7, np.uint8),
        np.zeros((3, 4), bool),
        np.zeros((3, 4), np.int64),
        np.full((3, 4), 255.0),
        np.full((3, 4), -0.1),
        np.full((3, 4), np.nan),
        np.full((3, 4), np.inf),
        np.full((3, 4), "red"),
        torch.zeros(3, 4, 5),
        None,
        7,
        [[0.1, 0.2], [0.3]],
    ],
    ids=lambda image: f"{type(image).__name__} {getattr(image, 'dtype', '')} {tuple(getattr(image, 'shape', ()))}",
)
def test_as_rgb_refuses_the_rest(image):
    with pytest.raises(ColorlibError, match="image"):
        as_rgb(image)


@pytest.mark.parametrize(
    "options", [{"requires_grad": True}, {"dtype": torch.bfloat16}, {"dtype": torch.float64}], ids=str
)
def test_as_rgb_takes_every_kind_of_float_tensor(options):
    assert (as_rgb(torch.full((3, 4, 3), 0.5, **options)) == 128).all()


def test_a_pillow_image_that_turns_out_truncated_is_refused(noise):
    data = encoded(Image.fromarray(np.tile(noise, (8, 8, 1))), "JPEG")
    with pytest.raises(ColorlibError):
        as_rgb(Image.open(io.BytesIO(data[: len(data) // 2])))


# --- sizes -------------------------------------------------------------------------------------------------------


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 64))
def test_fit_keeps_the_shape_and_never_enlarges(height, width, longest):
    small = fit(np.zeros((height, width, 3), np.uint8), longest)
    assert max(small.shape[:2]) == min(longest, max(height, width))
    scale = min(1, longest / max(height, width))
    assert abs(small.shape[0] - height * scale) <= 1 and abs(small.shape[1] - width * scale) <= 1


def test_fit_uses_lanczos(noise):
    expected = Image.fromarray(noise).resize((16, 12), Image.Resampling.LANCZOS)
    assert (fit(noise, 16) == np.asarray(expected)).all()


@pytest.mark.parametrize(("height", "width"), [(30, 60), (60, 30), (50, 50), (200, 10), (1, 1), (7, 300)])
def test_frame_and_mask(height, width):
    photo = np.random.default_rng(0).integers(1, 256, (height, width, 3), dtype=np.uint8)
    frame, mask = fit_frame(photo, 50)
    small = fit(photo, 50)
    assert frame.shape == (50, 50, 3) and mask.shape == (50, 50) and mask.dtype == bool
    assert (frame[mask].reshape(small.shape) == small).all()
    assert (frame[~mask] == 0).all() and mask.sum() == small.shape[0] * small.shape[1]


def test_tensor_and_back(noise):
    tensor = to_tensor(noise)
    assert tensor.shape == (3, 24, 32) and tensor.dtype == torch.float32 and 0 <= tensor.min() <= tensor.max() <= 1
    assert (to_uint8(tensor) == noise).all()
    assert (to_uint8(to_tensor(noise[None])) == noise[None]).all()
    everything = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    assert (to_uint8(to_tensor(everything)) == everything).all()


def test_to_uint8_rounds_and_clips():
    values = torch.tensor([-0.1, 0.0, 0.4 / 255, 0.6 / 255, 1.0, 1.2]).reshape(1, 1, 6).expand(3, 1, 6)
    assert to_uint8(values)[0, :, 0].tolist() == [0, 0, 0, 1, 255, 255]


def test_shrunk_photos_become_tensors_without_a_warning(noise):
    """Pillow's pixels are read-only, at which PyTorch warns once; ask it to do so every time, to see it here."""
    torch.set_warn_always(True)
    try:
        to_tensor(fit(noise, 16))  # a warning of our own code is an error in these tests
    finally:
        torch.set_warn_always(False)


# --- writing and finding -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", sorted(SUFFIXES) + [".JPG", ".PNG"])
def test_written_photos_can_be_read(tmp_path, synthetic_photo, suffix):
    path = tmp_path / f"picture{suffix}"
    write_photo(path, synthetic_photo)
    back = read_photo(path)
    assert back.shape == synthetic_photo.shape
    if suffix != ".pgm":  # the one format without colour
        assert np.abs(back.astype(int) - synthetic_photo).mean() < 8
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_writing_replaces_the_old_picture(tmp_path, noise):
    path = tmp_path / "picture.png"
    write_photo(path, noise)
    write_photo(path, noise[::-1])
    assert (read_photo(path) == noise[::-1]).all()


def test_failed_writing_keeps_the_old_picture_and_says_so(tmp_path, noise, monkeypatch):
    path = tmp_path / "picture.png"
    write_photo(path, noise)

    def disk_full(self, target, *args, **options):
        Path(target).write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(Image.Image, "save", disk_full)
    with pytest.raises(ColorlibError, match="picture.png.*No space left"):
        write_photo(path, noise[::-1])
    assert (read_photo(path) == noise).all()
    assert [found.name for found in tmp_path.iterdir()] == ["picture.png"]


def test_impossible_targets_are_refused(tmp_path, noise):
    for path in (tmp_path / "picture.xyz", tmp_path / "picture", tmp_path / "no_such_folder" / "picture.png"):
        with pytest.raises(ColorlibError, match="cannot write"):
            write_photo(path, noise)
    assert list(tmp_path.iterdir()) == []


def test_find_photos(tmp_path):
    for name in ("b.jpg", "a.PNG", "sub/c.tiff", "sub/deep/d.webp", "notes.txt", "e.jpg.txt", "noext"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "folder.jpg").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in find_photos(tmp_path)]
    assert found == ["a.PNG", "b.jpg", "sub/c.tiff", "sub/deep/d.webp"]
    assert find_photos(str(tmp_path)) == find_photos(tmp_path)
    for wrong in (tmp_path / "missing", tmp_path / "b.jpg"):
        with pytest.raises(ColorlibError, match="not a folder"):
            find_photos(wrong)


def test_find_photos_passes_over_hidden_files(tmp_path, noise):
    """Half-written pictures of `write_photo` and the shadow files of some systems start with a dot."""
    write_photo(tmp_path / "photo.png", noise)
    (tmp_path / ".photo.partial.png").write_bytes(b"half")
    (tmp_path / "._photo.png").write_bytes(b"shadow")
    assert [path.name for path in find_photos(tmp_path)] == ["photo.png"]


def test_the_working_folder_is_the_default_for_relative_names(tmp_path, noise, monkeypatch):
    monkeypatch.chdir(tempfile.mkdtemp(dir=tmp_path))
    write_photo("here.png", noise)
    assert (read_photo("here.png") == noise).all()
