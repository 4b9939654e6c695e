"""A data set decoded once: one file of pixels, mapped into memory, and one table about them (paper §3.1).

A cache is a folder with three files:

* ``frames.u8``: every photo in its S x S frame, uint8 RGB, one after the other: frame i begins at byte 3·S·S·i.
  Where there is no photo there is a hole in the file, which takes no room on most disks. Raw bytes, and no array of
  NumPy's written through a memory map: where the disk is full, a map ends Python (SIGBUS), and a write raises OSError;
* ``photos.csv``: one line for each photo, an `Entry`;
* ``cache.json``: how the cache was made, and the checksum of the table. Written last: it seals the cache.

`prepare` can be killed at any moment and goes on where it was. Photos are decoded in chunks: first a chunk's pixels
are written, then its lines appear in a file of their own, by renaming, whole or not at all. A chunk without lines is
decoded again, to the same bytes. So a cache does not depend on how often it was begun.
"""

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from colorlib.data.datasets import NEAR_GRAY, PaddedPhotos, decode_photo, mean_chroma
from colorlib.data.duplicates import SIDE, group, near_duplicates, thumbnail
from colorlib.data.photos import fit_frame
from colorlib.data.sources import Source
from colorlib.errors import ColorlibError
from colorlib.files import read_rows, require_disk_space, write_rows, write_text
from colorlib.parallel import in_parallel

CHUNK = 64  # photos; what a kill can cost each worker
VALIDATION_SHARE = 0.15  # of the photos, where no numbers are asked for


@dataclass(slots=True)
class Entry:
    """One line of ``photos.csv``: what is known of a photo. One that cannot be read has a problem and no frame."""

    name: str
    category: str
    split: str = ""  # train, validation, gray (nearly without colour) or unused
    height: int = 0
    width: int = 0
    chroma: float = 0  # mean length of its chrominance
    checksum: str = ""  # CRC-32 of its frame
    problem: str = ""


class Cache:
    """A finished cache: what is known of its photos, and their frames, read from disk when they are used.

    Raises:
        ColorlibError: if the folder holds no finished cache, or a damaged one. With ``verify=False`` the frames are
            not read to compare their checksums.
    """

    def __init__(self, folder: str | Path, verify: bool = True):
        self.folder = Path(folder)
        if not (self.folder / "cache.json").exists():
            raise ColorlibError(f"{self.folder} holds no finished cache: make one with `colorlib data prepare`")
        try:
            record = json.loads((self.folder / "cache.json").read_text(encoding="utf-8"))
            self.size, self.checksum = int(record["size"]), str(record["checksum"])
            self.entries = _read_entries(self.folder / "photos.csv")
            shape = (len(self.entries), self.size, self.size, 3)
            self.pixels = torch.from_numpy(np.memmap(self.folder / "frames.u8", np.uint8, "c", shape=shape))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(str(error)) from error
        if _table_checksum(self.folder) != self.checksum:
            raise self._damaged("photos.csv was changed")
        if verify:
            self.verify()

    def photos(self, split: str | None = None, categories: Collection[str] | None = None) -> PaddedPhotos:
        """The photos of a split and of some categories, by default all that could be read. Nothing is copied.

        Raises:
            ColorlibError: if there is none.
        """
        rows = [
            row
            for row, entry in enumerate(self.entries)
            if not entry.problem
            and split in (None, entry.split)
            and (categories is None or entry.category in categories)
        ]
        if not rows:
            raise ColorlibError(f"the cache {self.folder} has no photo of split {split!r} and categories {categories}")
        sizes = torch.tensor([(self.entries[row].height, self.entries[row].width) for row in rows])
        return PaddedPhotos(self.pixels, sizes, torch.tensor(rows))

    def verify(self) -> None:
        """Read every frame and compare its checksum.

        Raises:
            ColorlibError: naming a photo whose frame is damaged.
        """
        starts = range(0, len(self.entries), CHUNK)
        with tqdm(total=len(self.entries), desc="checking frames", unit="photo", delay=2) as progress:
            for _ in in_parallel(self._verify_chunk, starts):
                progress.update(CHUNK)

    def _verify_chunk(self, start: int) -> None:
        with open(self.folder / "frames.u8", "rb") as file:
            file.seek(start * self.size**2 * 3)
            for entry in self.entries[start : start + CHUNK]:
                checksum = _checksum(file.read(self.size**2 * 3))
                if not entry.problem and entry.checksum != checksum:
                    raise self._damaged(f"the frame of {entry.name} was changed")

    def _damaged(self, why: str) -> ColorlibError:
        return ColorlibError(f"the cache {self.folder} is damaged ({why}): delete it and prepare it again")


def prepare(
    sources: Sequence[Source],
    out: str | Path,
    size: int = 256,
    train: int | None = None,
    validation: int | None = None,
    seed: int = 0,
    keep_gray: bool = False,
    workers: int | None = None,
) -> Cache:
    """Decode photos into a cache and split it by photo, going on where an earlier attempt was killed.

    Args:
        sources: which photos.
        out: the folder of the cache.
        size: side of the frames; a photo is shrunk to fit by Lanczos' filter, and never enlarged.
        train, validation: how many photos each split gets (the paper: 13,469 and 2,889), both or neither: `draw_split`.
        seed: of the split.
        keep_gray: let photos that are nearly gray train and validate too.
        workers: threads; by default one for each core, or fewer where memory is scarce.

    Raises:
        ColorlibError: if the disk is too small, the folder belongs to another cache or holds files that a cache would
            replace, or no photo can be read.
    """
    if (train is None) != (validation is None):
        raise ColorlibError("give the numbers of training and of validation photos both, or neither")
    out = Path(out)
    names = "\n".join(f"{source.name}\t{source.category}" for source in sources)
    plan = {"format": "colorlib-cache-1", "size": size, "photos": hashlib.sha256(os.fsencode(names)).hexdigest()}
    plan |= {"train": train, "validation": validation, "seed": seed, "keep_gray": keep_gray}
    _begin(out, plan, len(sources))
    if not (out / "cache.json").exists():
        chunks = {start: sources[start : start + CHUNK] for start in range(0, len(sources), CHUNK)}
        _decode_chunks(chunks, out, size, workers)
        _finish(out, plan, chunks)
    _clear(out)
    return Cache(out)


def draw_split(
    entries: Sequence[Entry],
    train: int | None,
    validation: int | None,
    seed: int,
    keep_gray: bool,
    groups: Sequence[int] | None = None,
) -> None:
    """Assign each photo to train, validation, gray or unused, by lot.

    With numbers (the paper's are 13,469 and 2,889) each split gets so many photos; if there are fewer, they are
    shared in that proportion, and if there are more, the others stay unused. Without, 15 % validate. The lot depends
    on the seed and on the picture, not on its name. Photos of one group, by default exact copies, never come to lie on
    both sides.
    """
    drawn, group_of = [], {}
    for i, entry in enumerate(entries):
        entry.split = "" if entry.problem else "gray" if entry.chroma < NEAR_GRAY and not keep_gray else "unused"
        if entry.split == "unused":
            drawn.append(entry)
            group_of[entry.name] = str(groups[i]) if groups else entry.checksum
    lots = {entry.name: hashlib.sha256(f"{seed} {entry.checksum}".encode()).hexdigest() for entry in drawn}
    first: dict[str, str] = {}  # the lot that decides for a group
    for entry in drawn:
        first[group_of[entry.name]] = min(first.get(group_of[entry.name], "g"), lots[entry.name])
    drawn.sort(key=lambda entry: (first[group_of[entry.name]], lots[entry.name], entry.name))
    if train is None or validation is None:
        train, validation = len(drawn), round(VALIDATION_SHARE * len(drawn))
    elif len(drawn) < train + validation:
        train, validation = len(drawn), round(len(drawn) * validation / (train + validation))
    for entry in drawn[:validation]:
        entry.split = "validation"
    seen = {group_of[entry.name] for entry in drawn[:validation]}
    for entry in [entry for entry in drawn[validation:] if group_of[entry.name] not in seen][:train]:
        entry.split = "train"


def _begin(out: Path, plan: dict[str, Any], photos: int) -> None:
    """Make the folder and its file of frames, all hole; or be sure that those there belong to this very plan."""
    begun = [out / name for name in ("cache.json", "plan.json") if (out / name).exists()]
    if begun:
        _require_same_plan(begun[0], plan)
    elif foreign := [name for name in ("lines", "photos.csv", "frames.u8") if (out / name).exists()]:
        raise ColorlibError(f"{out} holds {', '.join(foreign)}, which would be replaced: name a folder of its own")
    if (out / "cache.json").exists():
        return
    size = photos * plan["size"] ** 2 * 3
    try:
        if not begun:
            require_disk_space(out, size, "the cache")
            out.mkdir(parents=True, exist_ok=True)
            write_text(out / "plan.json", json.dumps(plan, indent=2))  # first: what comes after it is ours
        (out / "lines").mkdir(exist_ok=True)
        with open(out / "frames.u8", "ab") as file:
            file.truncate(size)
    except OSError as error:
        raise ColorlibError(f"cannot write a cache to {out}: {error}") from error


def _require_same_plan(path: Path, plan: dict[str, Any]) -> None:
    try:
        there = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ColorlibError(f"{path} is damaged ({error}): delete {path.parent} and prepare it again") from error
    differ = [key for key in plan if there.get(key) != plan[key]]
    if differ:
        raise ColorlibError(
            f"{path.parent} holds a cache made otherwise ({', '.join(differ)} differ): delete it or name another folder"
        )


def _decode_chunks(chunks: dict[int, Sequence[Source]], out: Path, size: int, workers: int | None) -> None:
    """Decode those of these chunks that have no lines yet, on all cores."""
    todo = [start for start in chunks if not _lines(out, start).exists()]
    done = sum(len(chunk) for start, chunk in chunks.items() if start not in todo)
    total = sum(map(len, chunks.values()))
    with tqdm(initial=done, total=total, desc="decoding photos", unit="photo") as progress:
        for start in in_parallel(lambda start: _decode_chunk(chunks[start], start, out, size), todo, workers):
            progress.update(len(chunks[start]))


def _decode_chunk(sources: Sequence[Source], start: int, out: Path, size: int) -> int:
    """Write the frames of the photos numbered from ``start``, and then their lines."""
    entries = []
    with open(out / "frames.u8", "r+b") as file:
        for number, source in enumerate(sources, start):
            entry = Entry(source.name, source.category)
            photo = decode_photo(source.path, size)
            if isinstance(photo, str):
                entry.problem = photo.replace(str(source.path), source.name)  # the same on every machine
            else:
                entry.height, entry.width = photo.shape[:2]
                entry.chroma = round(mean_chroma(photo), 4)
                frame, _ = fit_frame(photo, size)
                entry.checksum = _checksum(frame.data)
                file.seek(number * frame.nbytes)
                file.write(frame[: entry.height].data)  # what is below stays a hole
            entries.append(entry)
    _write_entries(_lines(out, start), entries)
    return start


def _finish(out: Path, plan: dict[str, Any], starts: Collection[int]) -> None:
    """Gather the lines into the table, draw the split, and seal the cache."""
    entries = [entry for start in starts for entry in _read_entries(_lines(out, start))]
    if not all(entry.problem for entry in entries):
        groups = _group_near_duplicates(entries, out, plan["size"])
        draw_split(entries, plan["train"], plan["validation"], plan["seed"], plan["keep_gray"], groups)
        _write_entries(out / "photos.csv", entries)
        write_text(out / "cache.json", json.dumps(plan | {"checksum": _table_checksum(out)}, indent=2))
    else:
        (out / "frames.u8").unlink()
        _clear(out)
        problem = entries[0].problem if entries else "there are none"
        raise ColorlibError(f"none of the {len(entries)} photos can be used; the first: {problem}")


def _group_near_duplicates(entries: Sequence[Entry], out: Path, size: int) -> list[int]:
    """For each photo the number of the first that shows the same picture."""
    frames = np.memmap(out / "frames.u8", np.uint8, "r", shape=(len(entries), size, size, 3))
    thumbnails = np.zeros((len(entries), SIDE**2), np.float32)  # of one that cannot be read, like no other's
    for i, entry in enumerate(entries):
        if not entry.problem:
            thumbnails[i] = thumbnail(frames[i, : entry.height, : entry.width])
    return group(len(entries), near_duplicates(thumbnails))


def _clear(out: Path) -> None:
    """Remove what only an unfinished cache needs. The plan goes last: without one, what is called lines is not ours."""
    if (out / "plan.json").exists():
        shutil.rmtree(out / "lines", ignore_errors=True)
        (out / "plan.json").unlink()


def _lines(out: Path, start: int) -> Path:
    return out / "lines" / f"{start:08}.csv"


def _read_entries(path: Path) -> list[Entry]:
    types: dict[str, Any] = {column.name: column.type for column in fields(Entry)}
    return [Entry(**{name: kind(row[name]) for name, kind in types.items()}) for row in read_rows(path)]


def _write_entries(path: Path, entries: Sequence[Entry]) -> None:
    write_rows(path, [f.name for f in fields(Entry)], map(asdict, entries))


def _table_checksum(out: Path) -> str:
    return hashlib.sha256((out / "photos.csv").read_bytes()).hexdigest()


def _checksum(frame: "bytes | memoryview") -> str:
    return f"{zlib.crc32(frame):08x}"
