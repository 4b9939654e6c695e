"""From published data sets and messy folders to a cache on disk, whatever happens on the way."""

import csv
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from scipy.spatial import cKDTree

from colorlib import ColorlibError
from colorlib.cli import main
from colorlib.color import ColorBins, UVHistogram, chroma_of, for_every_chroma, look_up
from colorlib.data import (
    NEAR_GRAY,
    Cache,
    Entry,
    PaddedPhotos,
    bundled,
    count_chroma,
    draw_split,
    fit,
    fit_frame,
    load_padded,
    mean_chroma,
    prepare,
    read_photo,
    sources,
    to_tensor,
    write_photo,
)
from colorlib.parallel import in_parallel
from colorlib.training import TrainingConfig, load_photos, train

PROJECT = Path(__file__).parents[2]
SIZE = 48


@pytest.fixture(autouse=True)
def roomy_disk(monkeypatch):
    """Whole data sets are asked for here, of which a small part arrives: the disk at hand need not hold 75 GB."""
    usage = shutil.disk_usage("/")._replace(free=10**12)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)


@pytest.fixture(scope="module")
def crops() -> list[np.ndarray]:
    """Eighty small photos of various shapes, cut from real ones; no two are alike."""
    rng = np.random.default_rng(0)
    photos = [read_photo(photo.path) for photo in bundled()[::5]]
    cuts = []
    while len(cuts) < 80:
        photo = photos[len(cuts) % len(photos)]
        height, width = rng.integers(40, 160, 2)
        top, left = (rng.integers(0, room - part) for room, part in zip(photo.shape, (height, width), strict=False))
        cut = photo[top : top + height, left : left + width].copy()
        if mean_chroma(cut) >= NEAR_GRAY:
            cuts.append(cut)
    return cuts


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder that is served like a site, and its address."""
    folder = tmp_path / "site"
    folder.mkdir()
    handler = partial(QuietHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def tree(tmp_path: Path, crops: list[np.ndarray]) -> Path:
    """Those photos in folders: sea, sea/coast and mountain."""
    for i, photo in enumerate(crops):
        folder = tmp_path / "photos" / ("sea", "sea/coast", "mountain")[i % 3]
        folder.mkdir(parents=True, exist_ok=True)
        write_photo(folder / f"{i:03}.jpg", photo)
    return tmp_path / "photos"


def same_files(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files, byte for byte."""
    names = sorted(path.name for path in one.iterdir())
    assert names == ["cache.json", "frames.u8", "photos.csv"] == sorted(path.name for path in other.iterdir())
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


# --- which photos ------------------------------------------------------------------------------------------------


def test_categories_of_the_paper():
    assert len(sources.SUN_LANDSCAPES) == len(set(sources.SUN_LANDSCAPES)) == 14
    assert len(sources.IMAGENET_LANDSCAPES) == 8


def test_folder_names_are_categories(tree):
    write_photo(tree / "top.png", np.zeros((4, 4, 3), np.uint8))
    (tree / "readme.txt").write_text("not a photo, and no file name of one")
    found = sources.folder_sources(tree)
    assert [source.name for source in found] == sorted(source.name for source in found)
    assert {source.category for source in found} == {"sea", "sea/coast", "mountain", "photos"}
    assert len(found) == 81
    for source in found:
        assert tree / source.name == source.path
    (tree.parent / "empty").mkdir()
    with pytest.raises(ColorlibError, match="no photos below"):
        sources.folder_sources(tree.parent / "empty")


@pytest.fixture
def sun_archive(site: tuple[Path, str], crops: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive shaped like SUN397.tar.gz, at an address that torchvision downloads it from."""
    sources.ensure_torchvision()
    from torchvision.datasets import SUN397

    folder, address = site
    categories = [*sources.SUN_LANDSCAPES, "kitchen", "abbey"]
    for i, category in enumerate(categories):
        (folder / "SUN397" / category[0] / category).mkdir(parents=True)
        for k in range(3):
            write_photo(folder / "SUN397" / category[0] / category / f"sun_{i:02}{k}.jpg", crops[3 * i + k])
    names = "".join(f"/{category[0]}/{category}\n" for category in categories)
    (folder / "SUN397" / "ClassName.txt").write_text(names)
    archive = folder / "SUN397.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder / "SUN397", "SUN397")
    monkeypatch.setattr(SUN397, "_DATASET_URL", address + "SUN397.tar.gz")
    monkeypatch.setattr(SUN397, "_DATASET_MD5", hashlib.md5(archive.read_bytes()).hexdigest())
    return archive


def test_sun397_from_download_to_frames(sun_archive, tmp_path):
    found = sources.sun397(tmp_path / "sun", download=True)
    assert sorted({source.category for source in found}) == sorted(sources.SUN_LANDSCAPES)
    assert len(found) == 14 * 3 and len(sources.sun397(tmp_path / "sun", categories=None)) == 16 * 3
    assert len(sources.sun397(tmp_path / "sun", ["coast", "gazebo/exterior"])) == 6
    assert not list((tmp_path / "sun").glob("*.unpacking"))

    cache = prepare(found, tmp_path / "cache", SIZE)
    assert [entry.name for entry in cache.entries] == [source.name for source in found]
    frames = cache.photos()
    for source, rgb, mask in zip(found, frames.rgb, frames.mask(), strict=True):
        frame, expected_mask = fit_frame(read_photo(source.path), SIZE)
        assert (rgb.numpy() == frame).all() and (mask.numpy() == expected_mask).all()


def test_an_archive_fetched_by_hand_is_used(sun_archive, tmp_path, monkeypatch):
    sources.ensure_torchvision()
    from torchvision.datasets import SUN397

    monkeypatch.setattr(SUN397, "_DATASET_URL", "http://localhost:9/SUN397.tar.gz")  # nobody answers there
    with pytest.raises(ColorlibError, match="put SUN397.tar.gz"):
        sources.sun397(tmp_path / "sun", download=True)
    shutil.copy(sun_archive, tmp_path / "sun")
    assert len(sources.sun397(tmp_path / "sun", download=True)) == 42


def test_a_half_unpacked_data_set_is_not_taken_for_whole(sun_archive, tmp_path):
    sources.sun397(tmp_path / "sun", download=True)
    (tmp_path / "sun" / "SUN397.unpacking").touch()  # as a kill leaves it
    with pytest.raises(ColorlibError, match="half unpacked"):
        sources.sun397(tmp_path / "sun", download=True)


def test_killed_while_it_was_fetched_it_is_fetched_again(sun_archive, tmp_path, monkeypatch):
    """Nothing is unpacked yet, so nothing can be half unpacked; but the root is there, and the mark."""

    def killed(self, *args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("torchvision.datasets.SUN397.__init__", killed)
        with pytest.raises(KeyboardInterrupt):
            sources.sun397(tmp_path / "sun", download=True)
    assert (tmp_path / "sun" / "SUN397.unpacking").exists()  # if it is killed while it unpacks, this tells
    assert len(sources.sun397(tmp_path / "sun", download=True)) == 42
    assert not (tmp_path / "sun" / "SUN397.unpacking").exists()


def test_a_damaged_archive_is_reported_and_its_remains_removed(sun_archive, tmp_path):
    (tmp_path / "sun").mkdir()
    sun_archive.write_bytes(sun_archive.read_bytes()[:5000])
    with pytest.raises(ColorlibError, match="SUN397"):
        sources.sun397(tmp_path / "sun", download=True)
    assert not (tmp_path / "sun" / "SUN397").exists() and not (tmp_path / "sun" / "SUN397.unpacking").exists()


def test_unknown_categories_are_refused(sun_archive, tmp_path):
    with pytest.raises(ColorlibError, match="no category seaside"):
        sources.sun397(tmp_path / "sun", ["coast", "seaside"], download=True)


@pytest.fixture
def imagenet_archives(tmp_path: Path, crops: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with archives shaped like ImageNet's: a tar of tars, and the development kit."""
    sources.ensure_torchvision()
    from torchvision.datasets import imagenet

    folder = tmp_path / "imagenet"
    folder.mkdir()
    synsets = {**sources.IMAGENET_LANDSCAPES, "n01440764": "tench"}
    with tarfile.open(folder / "ILSVRC2012_img_train.tar", "w") as outer:
        for i, synset in enumerate(synsets):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as tar:
                for k in range(2):
                    photo = io.BytesIO()
                    Image.fromarray(crops[2 * i + k]).save(photo, "JPEG")
                    add_bytes(tar, f"{synset}_{k}.JPEG", photo.getvalue())
            add_bytes(outer, f"{synset}.tar", inner.getvalue())
    fields = [(name, object) for name in ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children")]
    rows = [(i + 1, synset, f"{words}, also", "", 0) for i, (synset, words) in enumerate(synsets.items())]
    meta, truth = io.BytesIO(), b"1\n"
    savemat(meta, {"synsets": np.array(rows, dtype=fields)})
    with tarfile.open(folder / "ILSVRC2012_devkit_t12.tar.gz", "w:gz") as tar:
        add_bytes(tar, "ILSVRC2012_devkit_t12/data/meta.mat", meta.getvalue())
        add_bytes(tar, "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", truth)
    for key, (name, _) in dict(imagenet.ARCHIVE_META).items():
        if (folder / name).exists():
            digest = hashlib.md5((folder / name).read_bytes()).hexdigest()
            monkeypatch.setitem(imagenet.ARCHIVE_META, key, (name, digest))
    return folder


def add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def test_imagenet_from_archives_to_frames(imagenet_archives, tmp_path):
    found = sources.imagenet(imagenet_archives)
    assert sorted({source.category for source in found}) == sorted(sources.IMAGENET_LANDSCAPES.values())
    assert len(found) == 16 and len(sources.imagenet(imagenet_archives, None)) == 18
    assert {source.category for source in sources.imagenet(imagenet_archives, ["n09246464"])} == {"cliff"}
    cache = prepare(found, tmp_path / "cache", SIZE)
    assert len(cache.photos()) == 16


def test_imagenet_without_its_archives_says_what_to_do(tmp_path):
    with pytest.raises(ColorlibError, match="ILSVRC2012_img_train.tar"):
        sources.imagenet(tmp_path)


def test_places365_from_download_to_frames(site, tmp_path, crops, monkeypatch):
    sources.ensure_torchvision()
    from torchvision.datasets import Places365

    (site, address), names = site, ["/a/alcove", "/b/beach", "/l/lake/natural"]
    (site / "val_256").mkdir(parents=True)
    for i in range(9):
        write_photo(site / "val_256" / f"Places365_val_{i:08}.jpg", crops[i])
    (site / "categories_places365.txt").write_text("".join(f"{name} {i}\n" for i, name in enumerate(names)))
    (site / "places365_val.txt").write_text("".join(f"Places365_val_{i:08}.jpg {i % 3}\n" for i in range(9)))
    for archive, parts in {
        "filelist_places365-standard.tar": ["categories_places365.txt", "places365_val.txt"],
        "val_256.tar": ["val_256"],
    }.items():
        with tarfile.open(site / archive, "w") as tar:
            for part in parts:
                tar.add(site / part, part)

    def md5(name: str) -> tuple[str, str]:
        return name, hashlib.md5((site / name).read_bytes()).hexdigest()

    monkeypatch.setattr(Places365, "_BASE_URL", address)
    monkeypatch.setattr(Places365, "_DEVKIT_META", {"standard": md5("filelist_places365-standard.tar")})
    monkeypatch.setattr(Places365, "_CATEGORIES_META", md5("categories_places365.txt"))
    monkeypatch.setattr(Places365, "_FILE_LIST_META", {"val": md5("places365_val.txt")})
    monkeypatch.setattr(Places365, "_IMAGES_META", {("val", True): md5("val_256.tar")})
    found = sources.places365(tmp_path / "places", ["beach", "lake/natural"], download=True)
    assert [source.category for source in found] == ["beach", "lake/natural"] * 3
    assert len(prepare(found, tmp_path / "cache", SIZE).photos()) == 6
    with pytest.raises(ColorlibError, match="val_256.tar"):
        sources.places365(tmp_path / "nowhere")


# --- a cache -----------------------------------------------------------------------------------------------------


def test_a_cache_holds_what_load_padded_decodes(tree, tmp_path):
    found = sources.folder_sources(tree)
    cache = prepare(found, tmp_path / "cache", SIZE)
    frames, _ = load_padded([source.path for source in found], SIZE)
    stored = cache.photos()
    assert torch.equal(stored.rgb, frames.rgb) and torch.equal(stored.sizes, frames.sizes)
    index = torch.tensor([5, 0, 33])
    assert torch.equal(stored.take(index).rgb, frames.take(index).rgb)
    assert torch.equal(stored.mask(), frames.mask())
    for one, other in zip(stored.batches(7), frames.batches(7), strict=True):
        assert torch.equal(one.rgb, other.rgb) and torch.equal(one.mask(), other.mask())
    assert torch.equal(count_chroma(stored).counts, count_chroma(frames).counts)
    for entry, source in zip(cache.entries, found, strict=True):
        assert entry.category == source.category
        assert entry.chroma == pytest.approx(mean_chroma(fit(read_photo(source.path), SIZE)), abs=1e-4)


def test_parts_of_a_cache(tree, tmp_path):
    cache = prepare(sources.folder_sources(tree), tmp_path / "cache", SIZE)
    sea = cache.photos(categories={"sea"})
    by_hand = torch.tensor([row for row, entry in enumerate(cache.entries) if entry.category == "sea"])
    assert torch.equal(sea.rgb, cache.pixels[by_hand]) and 0 < len(sea) < len(cache.photos())
    parts = [len(cache.photos(split)) for split in ("train", "validation")]
    assert sum(parts) == 80 and parts[1] == 12
    with pytest.raises(ColorlibError, match="'unused'"):
        cache.photos("unused")


def test_frames_move_to_a_device_without_the_rest_of_the_file(tree, tmp_path):
    frames = prepare(sources.folder_sources(tree), tmp_path / "cache", SIZE).photos("validation")
    assert frames.to("cpu") is frames  # stays in the file
    moved = frames.to("meta")
    assert moved.rgb.shape == (12, SIZE, SIZE, 3) and moved.sizes.device.type == "meta"
    assert PaddedPhotos(frames.rgb, frames.sizes).to("meta").rgb.shape == (12, SIZE, SIZE, 3)


def test_any_number_of_workers_writes_the_same_bytes(tree, tmp_path):
    found = sources.folder_sources(tree)
    caches = [prepare(found, tmp_path / str(workers), SIZE, workers=workers) for workers in (1, 3)]
    assert caches[0].checksum == caches[1].checksum
    assert same_files(tmp_path / "1", tmp_path / "3")
    shutil.copytree(tree, tmp_path / "elsewhere")
    prepare(sources.folder_sources(tmp_path / "elsewhere"), tmp_path / "moved", SIZE)
    assert same_files(tmp_path / "1", tmp_path / "moved")


@pytest.fixture
def messy(tree: Path) -> dict[str, str]:
    """Adds files that make trouble to the tree; returns what each must be reported with."""
    good = (tree / "sea" / "000.jpg").read_bytes()
    files = {
        "cut.jpg": good[: len(good) // 2],
        "empty.jpg": b"",
        "text.png": b"this is no photo",
        "bytes.tif": bytes(range(256)) * 20,
        "bomb.png": png_header(60_000, 60_000),
    }
    for name, data in files.items():
        (tree / "sea" / name).write_bytes(data)
    write_photo(tree / "sea" / "gray.png", np.full((60, 60, 3), 77, np.uint8))
    Image.fromarray(np.zeros((5, 9, 4), np.uint8), "CMYK").save(tree / "sea" / "cmyk.jpg")
    Image.fromarray(np.full((7, 3), 40_000, np.uint16)).save(tree / "sea" / "deep.png")
    Image.new("RGB", (4500, 3000), (30, 90, 160)).save(tree / "sea" / "huge.png")
    reasons = {"cut.jpg": "truncated", "bomb.png": "pixels"}
    reasons |= dict.fromkeys(("empty.jpg", "text.png", "bytes.tif"), "not a photo")
    return {f"sea/{name}": reason for name, reason in reasons.items()}


def png_header(width: int, height: int) -> bytes:
    """The beginning of a PNG file that claims to be so large."""
    picture = io.BytesIO()
    Image.new("1", (width, 1)).save(picture, "PNG")
    data = bytearray(picture.getvalue())
    data[20:24] = height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


def test_trouble_is_listed_and_the_rest_is_used(messy, tree, tmp_path):
    cache = prepare(sources.folder_sources(tree), tmp_path / "cache", SIZE)
    problems = {entry.name: entry.problem for entry in cache.entries if entry.problem}
    assert problems.keys() == messy.keys()
    for name, reason in messy.items():
        assert reason in problems[name] and problems[name].startswith(name)  # no path of this machine
        assert str(tree) not in problems[name]
    by_name = {entry.name: entry for entry in cache.entries}
    for name in ("gray.png", "deep.png", "cmyk.jpg"):
        assert by_name[f"sea/{name}"].split == "gray", name
    assert (by_name["sea/huge.png"].height, by_name["sea/huge.png"].width) == (32, 48)
    assert len(cache.photos()) == len(cache.entries) - len(problems) == 84
    assert len(cache.photos("train")) + len(cache.photos("validation")) == 81
    keeping = prepare(sources.folder_sources(tree), tmp_path / "keeping", SIZE, keep_gray=True)
    assert len(keeping.photos("train")) + len(keeping.photos("validation")) == 84


def test_no_usable_photo_is_an_error_and_leaves_nothing_to_go_on_with(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("not yet")
    with pytest.raises(ColorlibError, match="none of the 1 photos can be used.*a.jpg"):
        prepare(sources.folder_sources(tmp_path / "photos"), tmp_path / "cache", SIZE)
    write_photo(tmp_path / "photos" / "a.jpg", np.full((9, 9, 3), (9, 90, 200), np.uint8))
    assert len(prepare(sources.folder_sources(tmp_path / "photos"), tmp_path / "cache", SIZE).photos()) == 1


def test_a_full_disk_is_noticed_beforehand(tree, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=80 * SIZE**2 * 3 - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    with pytest.raises(ColorlibError, match="make room"):
        prepare(sources.folder_sources(tree), tmp_path / "cache", SIZE)
    assert not (tmp_path / "cache").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=usage.free + 1))
    prepare(sources.folder_sources(tree), tmp_path / "cache", SIZE)


def test_a_cache_of_something_else_is_not_overwritten(tree, tmp_path):
    found = sources.folder_sources(tree)
    before = prepare(found, tmp_path / "cache", SIZE).checksum
    assert prepare(found, tmp_path / "cache", SIZE).checksum == before  # nothing left to do
    with pytest.raises(ColorlibError, match="photos differ"):
        prepare(found[1:], tmp_path / "cache", SIZE)
    with pytest.raises(ColorlibError, match="size, seed differ"):
        prepare(found, tmp_path / "cache", SIZE + 8, seed=1)
    with pytest.raises(ColorlibError, match="both"):
        prepare(found, tmp_path / "other", SIZE, train=5)
    assert Cache(tmp_path / "cache").checksum == before


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("frames.u8", lambda data: data[:99] + bytes([data[99] ^ 1]) + data[100:], "the frame of mountain/002.jpg"),
        ("frames.u8", lambda data: data[:-1], "damaged"),
        ("photos.csv", lambda data: data.replace(b",train,", b",validation,", 1), "photos.csv was changed"),
        ("photos.csv", lambda data: data[:300], "damaged"),
        ("cache.json", lambda data: data[:30], "damaged"),
        ("cache.json", lambda data: None, "no finished cache"),
        ("photos.csv", lambda data: None, "damaged"),
    ],
)
def test_damage_is_noticed_when_a_cache_is_opened(tree, tmp_path, name, damage, message):
    prepare(sources.folder_sources(tree), tmp_path / "cache", SIZE)
    file = tmp_path / "cache" / name
    data = damage(file.read_bytes())
    if data is None:
        file.unlink()
    else:
        file.write_bytes(data)
    with pytest.raises(ColorlibError, match=message):
        Cache(tmp_path / "cache")


def test_writing_to_frames_does_not_change_the_file(tree, tmp_path):
    cache = prepare(sources.folder_sources(tree), tmp_path / "cache", SIZE)
    cache.pixels[:3] = 0
    Cache(tmp_path / "cache")


# --- the split ---------------------------------------------------------------------------------------------------


def entries_of(count: int) -> list[Entry]:
    return [Entry(f"{i:05}.jpg", "sea", chroma=0.1, checksum=f"{i * 2654435761 % 2**32:08x}") for i in range(count)]


def split_of(entries: list[Entry], train: int | None = None, validation: int | None = None, seed: int = 0) -> list[str]:
    draw_split(entries, train, validation, seed, keep_gray=False)
    return [entry.split for entry in entries]


def test_the_paper_numbers_are_met_exactly():
    split = split_of(entries_of(18_000), train=13_469, validation=2_889)
    assert (split.count("train"), split.count("validation")) == (13_469, 2_889)
    assert split.count("unused") == 18_000 - 13_469 - 2_889
    few = split_of(entries_of(1_000), train=13_469, validation=2_889)
    assert (few.count("train"), few.count("validation"), few.count("unused")) == (823, 177, 0)  # 13469 : 2889
    default = split_of(entries_of(1_000))
    assert (default.count("train"), default.count("validation")) == (850, 150)


def test_the_split_follows_the_picture_not_its_name_or_place():
    entries = entries_of(500)
    split = dict(zip([entry.checksum for entry in entries], split_of(entries), strict=True))
    shuffled = [Entry(f"new{i}", "land", chroma=0.1, checksum=e.checksum) for i, e in enumerate(entries[::-1])]
    assert dict(zip([entry.checksum for entry in shuffled], split_of(shuffled), strict=True)) == split
    assert split_of(entries_of(500), seed=1) != split_of(entries_of(500), seed=0)


def test_copies_never_lie_on_both_sides():
    entries = entries_of(300)
    for i, entry in enumerate(entries):
        entry.checksum = f"{i // 3:08x}"  # every photo three times
    split_of(entries)
    sides = {}
    for entry in entries:
        sides.setdefault(entry.checksum, set()).add(entry.split)
    assert not any({"train", "validation"} <= side for side in sides.values())
    assert sum(entry.split == "validation" for entry in entries) == 45
    assert sum(entry.split == "unused" for entry in entries) < 3  # at most the copies of one photo are lost


def test_gray_and_unreadable_photos_are_not_drawn():
    entries = entries_of(100)
    for entry in entries[:10]:
        entry.chroma = 0.0159
    for entry in entries[10:15]:
        entry.problem = "damaged"
    split = split_of(entries, 80, 10)
    assert split[:10] == ["gray"] * 10 and split[10:15] == [""] * 5
    assert split.count("train") + split.count("validation") == 85


# --- killed and resumed, alone and together ----------------------------------------------------------------------


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_killed_again_and_again_it_ends_with_the_same_bytes(tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "killed"
    folder.mkdir()
    rng = np.random.default_rng(1)
    photos = [read_photo(photo.path) for photo in bundled()[::3]]
    for i in range(100):
        top, left = rng.integers(0, 60, 2)
        write_photo(folder / f"{i:04}.jpg", photos[i % len(photos)][top:, left:])
    for i in range(100, 800):  # in no chunk of 64 the photos of another
        os.link(folder / f"{i % 100:04}.jpg", folder / f"{i:04}.jpg")
    whole = prepare(sources.folder_sources(folder), tmp_path / "whole", 128)

    command = [sys.executable, "-m", "colorlib", "data", "prepare", "folder", str(folder), "--out", str(out)]
    for _ in range(4):
        process = subprocess.Popen([*command, "--size", "128"], env=environment())
        before = len(list(out.glob("lines/*.csv")))
        while len(list(out.glob("lines/*.csv"))) == before:  # let it finish a chunk, and not much more
            assert process.poll() is None
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert 0 < len(list(out.glob("lines/*.csv"))) < 13  # neither nothing nor everything is done
    resumed = prepare(sources.folder_sources(folder), out, 128)
    assert resumed.checksum == whole.checksum
    assert same_files(tmp_path / "whole", out)


@pytest.mark.parametrize("name", ["lines/sea.jpg", "photos.csv", "frames.u8"])
def test_what_a_cache_would_replace_is_left_alone(tree, tmp_path, name):
    """A folder of photos may have one that is called lines, and a table photos.csv of its own."""
    mine = tmp_path / "mine" / name
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(ColorlibError, match=f"mine holds {name.split('/')[0]}, which would be replaced"):
        prepare(sources.folder_sources(tree), tmp_path / "mine", SIZE)
    assert [path for path in (tmp_path / "mine").rglob("*") if path.is_file()] == [mine]
    assert mine.read_bytes() == b"mine"


def test_files_put_into_a_finished_cache_are_left_alone(tree, tmp_path):
    found = sources.folder_sources(tree)
    prepare(found, tmp_path / "cache", SIZE)
    (tmp_path / "cache" / "lines").mkdir()
    (tmp_path / "cache" / "lines" / "sea.jpg").write_bytes(b"mine")
    prepare(found, tmp_path / "cache", SIZE)
    assert (tmp_path / "cache" / "lines" / "sea.jpg").read_bytes() == b"mine"


@pytest.mark.parametrize("moment", ["plan.json", "00000000.csv", "photos.csv", "cache.json"])
def test_killed_between_any_two_files_it_goes_on(tree, tmp_path, monkeypatch, moment):
    """Stop dead right after a file was written, then run again."""

    class KilledError(BaseException):
        pass

    found = sources.folder_sources(tree)
    prepare(found, tmp_path / "whole", SIZE)
    replace = Path.replace

    def replace_and_die(self, target):
        result = replace(self, target)
        if Path(target).name == moment:
            raise KilledError
        return result

    monkeypatch.setattr(Path, "replace", replace_and_die)
    with pytest.raises(KilledError):
        prepare(found, tmp_path / "killed", SIZE)
    monkeypatch.undo()
    if (lines := tmp_path / "killed" / "lines").exists():
        (lines / ".1f.partial.csv").touch()  # as a kill in the middle of a file leaves it
    prepare(found, tmp_path / "killed", SIZE)
    assert same_files(tmp_path / "whole", tmp_path / "killed")


COUNT_TOGETHER = """
import json, sys
from pathlib import Path
import torch
from colorlib.data import Cache, count_chroma
from colorlib.parallel import init_process_group, rank_and_world_size
folder, report = sys.argv[1:]
init_process_group(torch.device("cpu"))
rank, ranks = rank_and_world_size()
counts = count_chroma(Cache(folder).photos("train")).counts
rows = [ranks, int(counts.sum()), counts.flatten().nonzero()[:, 0].tolist(), counts[counts > 0].tolist()]
Path(f"{report}{rank}").write_text(json.dumps(rows))
"""


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 3])
def test_with_torchrun_the_counts_are_the_same(tree, tmp_path, crops, ranks):
    for i in range(200):  # several batches for each process
        write_photo(tree / "mountain" / f"more{i:03}.png", crops[i % 80][i // 80 :])
    cache = prepare(sources.folder_sources(tree), tmp_path / "cache", SIZE)
    counts = count_chroma(cache.photos("train")).counts
    (tmp_path / "together.py").write_text(COUNT_TOGETHER)
    report = tmp_path / "report"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    command += [str(tmp_path / "together.py"), str(cache.folder), str(report)]
    result = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    expected = [ranks, int(counts.sum()), counts.flatten().nonzero()[:, 0].tolist(), counts[counts > 0].tolist()]
    for rank in range(ranks):
        assert json.loads(Path(f"{report}{rank}").read_text()) == expected


def test_work_that_has_not_begun_is_dropped_on_an_error():
    begun = []

    def work(number: int) -> int:
        begun.append(number)
        time.sleep(0.01)
        if number == 3:
            raise KeyboardInterrupt
        return number

    with pytest.raises(KeyboardInterrupt):
        list(in_parallel(work, range(1000), workers=2))
    assert len(begun) < 20
    results = in_parallel(work, [7, 8, 9] + [10] * 1000, workers=2)
    assert next(results) == 7
    results.close()  # as when the loop around it is left
    assert len(begun) < 40


# --- chrominance of photos, exactly ------------------------------------------------------------------------------


def test_every_chrominance_has_its_place_in_a_table(real_photos):
    table = for_every_chroma(lambda chroma: (chroma[0] * 1e4).round().long())
    photo = torch.from_numpy(real_photos[0].copy())
    ends = torch.tensor([0, 255], dtype=torch.uint8)
    photo[0, :8] = torch.cartesian_prod(ends, ends, ends)  # black, white and the purest colours
    expected = (chroma_of(photo.movedim(-1, 0).double() / 255)[0] * 1e4).round().long()
    assert torch.equal(look_up(table, photo), expected)
    assert look_up(table, torch.zeros(0, 5, 3, dtype=torch.uint8)).shape == (0, 5)
    big = photo.repeat(30, 9, 1)  # more pixels than fit in one piece
    assert torch.equal(look_up(table, big), expected.repeat(30, 9))
    with pytest.raises(TypeError, match="uint8"):
        look_up(table, photo.float())


@pytest.mark.parametrize("method", ["kmeans", "grid"])
def test_photos_are_encoded_like_their_chrominance(kmeans_bins, grid_bins, real_photos, method):
    bins = {"kmeans": kmeans_bins, "grid": grid_bins}[method]
    for rgb in real_photos[:4]:
        photo = torch.from_numpy(rgb)
        chroma = chroma_of(photo.movedim(-1, 0).double() / 255)
        # On the corner of four cells of the paper's even grid, where gray lies, rounding decides.
        colored = chroma.norm(dim=0) > 1e-9
        index = bins.encode_rgb(photo)
        assert index.dtype == torch.int64 and index.shape == photo.shape[:2]
        assert torch.equal(index[colored], bins.encode(chroma)[colored])


def test_encoding_photos_agrees_with_a_k_d_tree_on_a_million_colors(kmeans_bins):
    rgb = torch.randint(0, 256, (1000, 1000, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    points = chroma_of(rgb.movedim(-1, 0).double() / 255).flatten(1).T.numpy()
    distance, index = cKDTree(kmeans_bins.colors.numpy()).query(points)
    ours = kmeans_bins.encode_rgb(rgb).flatten().numpy()
    lengths = np.linalg.norm(points - kmeans_bins.colors.numpy()[ours], axis=1)
    assert np.array_equal(lengths, distance) or np.abs(lengths - distance).max() < 1e-15
    assert (ours == index).all()


def test_more_bins_than_a_byte_counts():
    colors = torch.rand(300, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 0.5
    bins = ColorBins(colors, torch.full((300,), 1 / 300, dtype=torch.float64), "kmeans")
    rgb = torch.randint(0, 256, (40, 40, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    index = bins.encode_rgb(rgb)
    assert torch.equal(index, bins.encode(chroma_of(rgb.movedim(-1, 0).double() / 255))) and index.max() > 255


def test_counting_photos_is_counting_their_chrominance(real_photos):
    counted, by_value = UVHistogram(), UVHistogram()
    for rgb in real_photos:
        mask = torch.rand(rgb.shape[:2], generator=torch.Generator().manual_seed(0)) < 0.5
        counted.add_rgb(torch.from_numpy(rgb), mask)
        by_value.add(chroma_of(to_tensor(rgb).double()), mask)
    assert torch.equal(counted.counts, by_value.counts)


def test_mean_chroma(real_photos):
    for rgb in real_photos:
        expected = float(chroma_of(to_tensor(rgb)).norm(dim=0).mean())
        assert mean_chroma(rgb) == pytest.approx(expected, abs=1e-6)


# --- the shell, and training -------------------------------------------------------------------------------------


def test_the_shell_prepares_and_reports(messy, tree, tmp_path, capsys):
    out = tmp_path / "cache"
    command = ["data", "prepare", "folder", str(tree), "--out", str(out), "--size", str(SIZE)]
    assert main([*command, "--train", "50", "--validation", "20"]) == 0
    text = capsys.readouterr().out
    assert "84 of 89 photos" in text and "50 train, 20 validation, 11 unused, 3 gray" in text
    for name, reason in messy.items():
        assert any(name in line and reason in line for line in text.splitlines())
    assert Cache(out).checksum in text
    with open(out / "photos.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 89
    assert main([*command, "--train", "51", "--validation", "20"]) == 1
    assert "train differ" in capsys.readouterr().err


def test_the_shell_fetches_the_paper_set(sun_archive, imagenet_archives, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLORLIB_DATA", str(tmp_path / "data"))
    command = ["data", "prepare", "paper", "--imagenet", str(imagenet_archives), "--size", str(SIZE)]
    assert main([*command, "--train", "40", "--validation", "10"]) == 0
    assert "58 of 58 photos" in capsys.readouterr().out  # 14 x 3 of SUN, 8 x 2 of ImageNet
    cache = Cache(tmp_path / "data" / "caches" / f"paper-{SIZE}")
    assert len(cache.photos("train")) == 40 and len(cache.photos("validation")) == 10
    assert {entry.category for entry in cache.entries} >= {"coast", "gazebo/exterior", "cliff"}


def test_training_reads_a_cache(tree, tmp_path):
    prepare(sources.folder_sources(tree), tmp_path / "cache", SIZE)
    settings = {
        "out_dir": str(tmp_path / "run"),
        "photos": [str(tmp_path / "cache")],
        "image_size": SIZE,
        "min_size": 40,
    }
    settings |= {"crop": 32, "max_steps": 3, "batch_size": 4, "num_bins": 8, "validate_every": 3}
    training, validation, counts = load_photos(TrainingConfig.from_dict(settings))
    assert (len(training), len(validation)) == (68, 12)
    categories = {"cache/mountain": 26, "cache/sea": 27, "cache/sea/coast": 27}
    assert counts == {"cache": 80, **categories, "used": 68, "left out": 12}
    assert train(TrainingConfig.from_dict(settings)).exists()
    with pytest.raises(ColorlibError, match="photos of 48 pixels"):
        load_photos(TrainingConfig.from_dict({**settings, "image_size": 64}))
    with pytest.raises(ColorlibError, match="trains alone"):
        load_photos(TrainingConfig.from_dict({**settings, "photos": [str(tmp_path / "cache"), str(tree)]}))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_in_old_encodings_are_prepared_like_others(tmp_path, synthetic_photo):
    """Bytes that are no UTF-8, in names of photos and of categories, come back as they were."""
    folder = tmp_path / "set" / os.fsdecode(b"\xe9t\xe9")
    folder.mkdir(parents=True)
    write_photo(tmp_path / "a.png", synthetic_photo)
    (tmp_path / "a.png").rename(folder / os.fsdecode(b"caf\xe9.png"))
    (folder / os.fsdecode(b"bad\xe9.png")).write_bytes(b"no photo")
    cache = prepare(sources.folder_sources(tmp_path / "set"), tmp_path / "cache", 32)
    names = {os.fsencode(entry.name) for entry in Cache(cache.folder).entries}
    assert names == {b"\xe9t\xe9/caf\xe9.png", b"\xe9t\xe9/bad\xe9.png"}
    assert {os.fsencode(entry.category) for entry in cache.entries} == {b"\xe9t\xe9"}
    assert [bool(entry.problem) for entry in sorted(cache.entries, key=lambda entry: entry.name)] == [True, False]


@pytest.mark.parametrize("text", ["{", "[1, 2]", "3"])
def test_a_damaged_record_of_a_cache_is_one_sentence(tree, tmp_path, text):
    prepare(sources.folder_sources(tree), tmp_path / "cache", SIZE)
    (tmp_path / "cache" / "cache.json").write_text(text)
    with pytest.raises(ColorlibError, match=r"cache\.json is damaged"):
        prepare(sources.folder_sources(tree), tmp_path / "cache", SIZE)
