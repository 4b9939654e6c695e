"""The bundled photos, and decoding photos into frames."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorlib import ColorlibError
from colorlib.color import UVHistogram, chroma_of
from colorlib.data import (
    NEAR_GRAY,
    PaddedPhotos,
    bundled,
    count_chroma,
    fit_frame,
    load_padded,
    mean_chroma,
    read_photo,
    to_tensor,
    write_photo,
)
from colorlib.files import user_data_folder


@pytest.fixture(scope="module")
def manifest() -> list[dict[str, str]]:
    """The rows of the bundled photos' manifest."""
    with open(bundled()[0].path.parent / "manifest.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# --- the bundled set ---------------------------------------------------------------------------------------------


def test_the_bundled_set_is_whole(manifest):
    photos = bundled()
    assert [photo.path.name for photo in photos] == [row["file"] for row in manifest]
    folder = photos[0].path.parent
    assert {photo.path.name for photo in photos} == {path.name for path in folder.glob("*.jpg")}
    for photo, row in zip(photos, manifest, strict=True):
        assert hashlib.sha256(photo.path.read_bytes()).hexdigest() == row["sha256"], photo.path.name
        assert photo.licence and photo.author
        with Image.open(photo.path) as image:
            assert (image.width, image.height) == (int(row["width"]), int(row["height"]))
            assert max(image.size) <= 512


def test_filters_split_the_set_in_parts():
    everything = {photo.path for photo in bundled()}
    for key, values in {"split": ("train", "validation"), "kind": ("landscape", "nature")}.items():
        parts = [{photo.path for photo in bundled(**{key: value})} for value in values]
        assert parts[0] and parts[1] and not parts[0] & parts[1] and parts[0] | parts[1] == everything
    assert {p.path for p in bundled("train", "nature")} == {p.path for p in bundled("train") if p.kind == "nature"}
    assert bundled("no such split") == []


def test_photos_of_one_place_are_on_one_side_of_the_split(manifest):
    sides: dict[str, set[str]] = {}
    for row in manifest:
        sides.setdefault(row["group"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in sides.values())


def test_every_bundled_photo_is_attributed():
    text = (bundled()[0].path.parent / "ATTRIBUTION.md").read_text(encoding="utf-8")
    missing = [photo.path.name for photo in bundled() if photo.path.name not in text]
    assert not missing


def test_big_data_can_live_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("COLORLIB_DATA", str(tmp_path))
    assert user_data_folder() == tmp_path
    assert len(bundled()) > 100  # these stay where they are
    monkeypatch.delenv("COLORLIB_DATA")
    assert user_data_folder() == bundled()[0].path.parents[1]


# --- frames ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty photos of various shapes; every fourth is gray, and two files are no photos."""
    rng = np.random.default_rng(0)
    for i in range(40):
        height, width = rng.integers(1, 60, 2)
        photo = np.full((height, width, 3), rng.integers(0, 256, 3), np.uint8)
        if i % 4 == 0:
            photo[:] = photo[:, :, :1]
        write_photo(tmp_path / f"{i:02}.png", photo)
    (tmp_path / "40.jpg").write_text("not a photo")
    (tmp_path / "41.jpg").touch()
    return tmp_path


def test_frames_are_the_photos_in_order(folder):
    paths = sorted(folder.glob("*.png"))
    frames, left_out = load_padded(paths, 32)
    assert left_out == {} and len(frames) == 40
    assert frames.rgb.dtype == torch.uint8 and frames.rgb.shape == (40, 32, 32, 3)
    assert frames.sizes.dtype == torch.int64 and frames.sizes.shape == (40, 2)
    for path, rgb, size, mask in zip(paths, frames.rgb, frames.sizes, frames.mask(), strict=True):
        expected, expected_mask = fit_frame(read_photo(path), 32)
        assert (rgb.numpy() == expected).all() and (mask.numpy() == expected_mask).all()
        assert expected[: size[0], : size[1]].size == 3 * expected_mask.sum()


def test_what_cannot_be_used_is_left_out_with_the_reason(folder):
    paths = sorted(folder.iterdir())
    frames, left_out = load_padded(paths, 32)
    assert len(frames) == 40 and {path.name for path in left_out} == {"40.jpg", "41.jpg"}
    assert all(path.name in reason for path, reason in left_out.items())
    frames, left_out = load_padded(paths, 32, drop_gray=True)
    gray = {path for path, reason in left_out.items() if reason == "nearly gray"}
    assert {path.name for path in gray} >= {f"{i:02}.png" for i in range(0, 40, 4)}
    for path in paths[:40]:
        assert (path in gray) == (mean_chroma(read_photo(path)) < NEAR_GRAY)
    assert len(frames) == 40 - len(gray)


def test_no_photo_at_all_is_an_error(folder):
    with pytest.raises(ColorlibError, match="40.jpg"):
        load_padded([folder / "40.jpg", folder / "41.jpg"], 32)
    with pytest.raises(ColorlibError, match="photos"):
        load_padded([], 32)


def test_chrominance_is_counted_without_the_padding(folder):
    frames, _ = load_padded(sorted(folder.glob("*.png")), 32)
    expected = UVHistogram()
    for path in sorted(folder.glob("*.png")):
        frame, mask = fit_frame(read_photo(path), 32)
        expected.add(chroma_of(to_tensor(frame)), torch.from_numpy(mask))
    counted = count_chroma(frames)
    assert counted.total == int(frames.mask().sum()) == expected.total
    # Photos of one colour: it must be found, in every pixel, up to the rounding of its chrominance.
    mean = (counted.colors()[0] * counted.colors()[1][:, None]).sum(0) / counted.total
    other = (expected.colors()[0] * expected.colors()[1][:, None]).sum(0) / expected.total
    torch.testing.assert_close(mean, other, rtol=0, atol=1e-4)


def test_counting_parts_and_adding_is_counting_all(folder):
    frames, _ = load_padded(sorted(folder.glob("*.png")), 32)
    parts = [PaddedPhotos(frames.rgb[part], frames.sizes[part]) for part in (slice(0, 7), slice(7, 33), slice(33, 40))]
    merged = count_chroma(parts[2]) + (count_chroma(parts[0]) + count_chroma(parts[1]))
    assert torch.equal(merged.counts, count_chroma(frames).counts)


@pytest.mark.parametrize(("shift", "near_gray"), [(0, True), (4, True), (12, False), (60, False)])
def test_near_gray(shift, near_gray):
    photo = np.full((10, 10, 3), 120, np.uint8)
    photo[:, :, 0] += shift
    length = float(chroma_of(to_tensor(photo)).norm(dim=0).mean())
    assert (length < 0.016) == near_gray
    assert (mean_chroma(photo) < NEAR_GRAY) == near_gray
