"""Photos found in folders: of every format that is read, in linked folders too, and without hidden ones."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from colorlib.data.decoding import SUFFIXES
from colorlib.errors import ColorlibError

# Previews, deleted files and shadow files, as Synology, QNAP, Windows and macOS keep them. Dots hide the others.
HIDDEN = {"@eadir", "#recycle", "$recycle.bin", "__macosx", "lost+found"}


@dataclass
class Found:
    """What a folder holds: photos, in sorted order, and what was passed over, but for hidden files."""

    photos: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)


def find_photos(folder: str | Path) -> list[Path]:
    """All photo files below a folder, by suffix, in sorted order; see `look_through`."""
    return look_through(folder).photos


def look_through(folder: str | Path) -> Found:
    """All photo files below a folder, by suffix, and what else lies there.

    Hidden files and folders are no photos (thumbnails, mostly). Linked folders are followed, each folder once.

    Raises:
        ColorlibError: if there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ColorlibError(f"{folder} is not a folder")
    found = Found()
    for path in _walk(folder, found.skipped):
        is_photo = path.suffix.lower() in SUFFIXES and path.is_file()
        (found.photos if is_photo else found.skipped).append(path)
    found.photos.sort()
    found.skipped.sort()
    return found


def is_hidden(name: str) -> bool:
    """Whether a file or folder is one that people do not see.

    >>> is_hidden(".picasaoriginals"), is_hidden("@eaDir"), is_hidden("2019")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in HIDDEN


def _walk(root: Path, skipped: list[Path]) -> Iterator[Path]:
    """The files below a folder that are not hidden. Links come after all real folders, which keep their own names."""
    seen: set[tuple[int, int]] = set()
    starts = [root]
    for start in starts:  # grows while links are found
        for top, names, files in os.walk(start, onerror=lambda error: skipped.append(Path(error.filename))):
            place = Path(top)
            status = place.stat()
            if (status.st_dev, status.st_ino) in seen:
                names.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            visible = sorted(name for name in names if not is_hidden(name))
            skipped.extend(place / name for name in names if is_hidden(name))
            starts.extend(place / name for name in visible if (place / name).is_symlink())
            names[:] = [name for name in visible if not (place / name).is_symlink()]
            yield from (place / name for name in files if not is_hidden(name))
