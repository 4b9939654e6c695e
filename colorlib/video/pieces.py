"""Coloured minutes of a film that outlive an interruption: finished pieces, kept beside the film until it is whole.

A hidden folder in the new film's own folder holds silent films of half a minute each, playable by themselves, and a
note of what they belong to. `Pieces` writes them, finds them again, and takes the folder away in the end.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from colorlib.errors import ColorlibError
from colorlib.files import atomic_write, write_text
from colorlib.video.encoder import ENCODERS, FilmWriter
from colorlib.video.film import Film, Picture

SECONDS = 30  # of film in a piece: what is lost at most, but for the frames that the kernel needs to see again


@dataclass
class Pieces:
    """The finished pieces of a film: for each the times of its first and last picture, and how many there are.

    ``job`` says what is coloured, and how: pieces of another job are not gone on with.
    """

    folder: Path
    job: dict[str, Any]
    done: list[dict[str, int]] = field(default_factory=list)

    @property
    def files(self) -> list[tuple[int, Path]]:
        """The pieces in order: the time at which each begins, and its file."""
        return [(piece["first"], self.folder / f"{number:05}.mp4") for number, piece in enumerate(self.done)]

    @property
    def pictures(self) -> int:
        """How many pictures they hold."""
        return sum(piece["pictures"] for piece in self.done)

    @property
    def end(self) -> int | None:
        """The time of the last picture that is kept, or None."""
        return self.done[-1]["last"] if self.done else None

    def write(self, pictures: Iterator[Picture], film: Film, target: Path, quality: int) -> Iterator[Picture]:
        """Encode a stream of coloured pictures into pieces, and hand each picture on when it is written."""
        longest = round(SECONDS / film.time_base)
        upcoming = next(pictures, None)
        while upcoming is not None:
            first = last = upcoming.pts
            count = 0
            with atomic_write(self.folder / f"{len(self.done):05}.mp4") as partial:
                writer = FilmWriter(partial, film, ENCODERS[target.suffix.lower()], quality, first)
                with writer.container:
                    while upcoming is not None and upcoming.pts - first < longest:
                        writer.write(upcoming)
                        last, count = upcoming.pts, count + 1
                        yield upcoming
                        upcoming = next(pictures, None)
                    writer.finish()
            self.done.append({"first": first, "last": last, "pictures": count})
            write_text(self.folder / "job.json", json.dumps({"job": self.job, "done": self.done}))


def folder_of(target: Path) -> Path:
    """Where the pieces of a film are kept until it is whole: beside it, under a short name of its own."""
    return target.parent / f".colorlib-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:12]}"


def kept_pictures(target: Path) -> int:
    """How many coloured pictures of a film are kept from an interrupted run."""
    return sum(piece["pictures"] for piece in _read(folder_of(target)).get("done", []))


@contextmanager
def keeping(target: Path, job: dict[str, Any], resume: bool | None) -> Iterator[Pieces]:
    """The pieces of a film that is being coloured: those of an interrupted run with ``resume``, else none yet.

    The folder is gone after success, and where nothing in it is worth keeping.

    Raises:
        ColorlibError: if there are pieces and ``resume`` is None, or they are of another job; or if another process is
            colouring into the same file.
    """
    folder = folder_of(target)
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / "lock", blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise ColorlibError(f"{target} is being written by another process: wait, or name another file") from error
    try:
        pieces = Pieces(folder, job, _go_on(target, job, resume))
        _tidy(pieces)
        try:
            yield pieces
            pieces.done = []
        finally:
            _tidy(pieces)
    finally:
        lock.release()
        if not _read(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _tidy(pieces: Pieces) -> None:
    """Take away what belongs to no finished piece."""
    kept = {"lock", "job.json", *(path.name for _, path in pieces.files)} if pieces.done else {"lock"}
    for path in pieces.folder.iterdir():
        if path.name not in kept:
            path.unlink()


def _go_on(target: Path, job: dict[str, Any], resume: bool | None) -> list[dict[str, int]]:
    """The finished pieces to go on from."""
    kept = _read(folder_of(target))
    done: list[dict[str, int]] = kept.get("done", [])
    if not done or resume is False:
        return []
    if resume is None:
        raise ColorlibError(
            f"{target} was begun before, and {kept_pictures(target)} coloured pictures are kept: "
            "--resume goes on with them, --restart begins anew"
        )
    if different := [name for name in job if kept["job"].get(name) != job[name]]:
        raise ColorlibError(
            f"cannot go on with {target}: it was begun with another {', '.join(different)}; --restart begins anew"
        )
    return done


def _read(folder: Path) -> dict[str, Any]:
    """What the note in a folder says; nothing, if it or one of its pieces is not there."""
    try:
        kept: dict[str, Any] = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        whole = all((folder / f"{number:05}.mp4").is_file() for number in range(len(kept["done"])))
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return kept if whole else {}
