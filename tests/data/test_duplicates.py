"""Near-duplicates are found, and are on one side of a split."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from colorlib import ColorlibError
from colorlib.data import duplicates, folder_sources, group, near_duplicates, prepare, read_photo, thumbnail


@pytest.fixture(scope="module")
def photo(real_paths: list[Path]) -> np.ndarray:
    return read_photo(real_paths[0])


@pytest.mark.parametrize("change", ["smaller", "jpeg", "mirrored", "darker", "shaved"])
def test_the_same_picture_in_other_clothes_is_found(photo, change, tmp_path):
    image = Image.fromarray(photo)
    changed = {
        "smaller": lambda: image.resize((150, 120)),
        "jpeg": lambda: (image.save(tmp_path / "x.jpg", quality=20), Image.open(tmp_path / "x.jpg"))[1],
        "mirrored": lambda: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "darker": lambda: image.point(lambda value: value * 0.7),
        "shaved": lambda: image.crop((2, 2, image.width - 2, image.height - 2)),
    }[change]()
    pair = np.stack([thumbnail(photo), thumbnail(np.asarray(changed.convert("RGB")))])
    assert near_duplicates(pair) == [(0, 1)]


@pytest.mark.parametrize("held", [1, 7, 35, 10_000])
def test_pairs_are_found_in_whichever_part_of_the_table_they_lie(real_paths, monkeypatch, held):
    monkeypatch.setattr(duplicates, "HELD", held)
    photos = [read_photo(path) for path in real_paths[:5]]
    copies = [thumbnail(photo) for photo in photos] + [thumbnail(photo[:, ::-1]) for photo in photos[::-1]]
    assert near_duplicates(np.stack(copies)) == [(i, 9 - i) for i in range(5)]


def test_other_photos_are_not(real_paths):
    assert near_duplicates(np.stack([thumbnail(read_photo(path)) for path in real_paths])) == []


def test_a_flat_picture_is_like_no_other():
    flat = thumbnail(np.full((30, 30, 3), 128, np.uint8))
    assert np.isfinite(flat).all() and near_duplicates(np.stack([flat, flat])) == []


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_groups_are_the_connected_parts(case):
    count, pairs = case
    first = list(range(count))
    for _ in range(count):  # so often that the smallest number has come along the longest path
        for i, j in pairs:
            first[i] = first[j] = min(first[i], first[j])
    assert group(count, pairs) == first


def test_a_mirrored_photo_never_validates_what_trains(real_paths, tmp_path):
    """Every photo twice, once mirrored: other pixels, other checksums, one picture."""
    (tmp_path / "photos").mkdir()
    for i, path in enumerate(real_paths):
        image = Image.open(path).convert("RGB").resize((96, 64))
        image.save(tmp_path / "photos" / f"{i}-a.png")
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "photos" / f"{i}-b.png")
    for seed in range(5):
        cache = prepare(folder_sources(tmp_path / "photos"), tmp_path / f"cache{seed}", size=96, seed=seed)
        sides: dict[str, set[str]] = {}
        for entry in cache.entries:
            sides.setdefault(entry.name.split("-")[0], set()).add(entry.split)
        assert not any({"train", "validation"} <= side for side in sides.values())
        assert any("validation" in side for side in sides.values())


def test_several_folders_make_one_set(real_paths, tmp_path, monkeypatch):
    for name, paths in {"sea": real_paths[:1], "land": real_paths[1:3]}.items():
        (tmp_path / name / "calm").mkdir(parents=True)
        for path in paths:
            (tmp_path / name / "calm" / path.name).write_bytes(path.read_bytes())
    sources = folder_sources(tmp_path / "sea", tmp_path / "land")
    assert sorted({source.category for source in sources}) == ["land/calm", "sea/calm"]
    assert [source.name for source in sources] == sorted(source.name for source in sources)
    assert all((tmp_path / source.name).samefile(source.path) for source in sources)
    monkeypatch.chdir(tmp_path / "sea")
    assert [s.name for s in folder_sources(".", "../land")] == [s.name for s in sources]  # by what they are called
    with pytest.raises(ColorlibError, match="two folders are called calm"):
        folder_sources(tmp_path / "sea" / "calm", tmp_path / "land" / "calm")
