"""Files: written whole or not at all, tables as CSV, room on the disk, and where big data and figures live."""

import csv
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colorlib.errors import ColorlibError

PROJECT = Path(__file__).parents[1]  # a clone of the project, where colorlib is used from one
TEXT: Any = {"encoding": "utf-8", "errors": "surrogateescape"}  # names of files may be no text
GIGABYTE = 1_000_000_000


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Write a file whole or not at all: gives a temporary path beside it, which takes its name in the end.

    After an error or Ctrl-C the temporary file is removed, and a file that was there before stays as it was. The
    temporary path has the same suffix, and a short name of its own: two writers never meet, and the file's name may be
    as long as the disc allows.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "numbers.txt"
    >>> with atomic_write(target) as partial:
    ...     _ = partial.write_text("1 2 3")
    >>> target.read_text(), len(list(target.parent.iterdir()))
    ('1 2 3', 1)
    """
    path = Path(path)
    partial = path.with_name(f".{uuid.uuid4().hex}.partial{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8, with a line break at its end, whole or not at all."""
    with atomic_write(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8", newline="\n")


def write_rows(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV table with a line of column names first, whole or not at all."""
    with atomic_write(path) as partial, open(partial, "w", newline="", **TEXT) as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_rows(path: str | Path) -> list[dict[str, str]]:
    """The rows of a CSV table by column name; a line that was cut short has None in the columns it lacks.

    Raises:
        ValueError: if it is no such table.
    """
    try:
        with open(path, newline="", **TEXT) as file:
            return list(csv.DictReader(file))
    except csv.Error as error:
        raise ValueError(f"{path}: {error}") from error


def require_disk_space(folder: str | Path, needed: int, what: str) -> None:
    """Be sure, before a long job, that the disk of a folder has room for ``needed`` bytes.

    Raises:
        ColorlibError: if it has not.
    """
    place = Path(folder).absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed:
        raise ColorlibError(
            f"{what} needs {needed / GIGABYTE:.1f} GB in {folder}, where {free / GIGABYTE:.1f} GB are free: "
            "make room, or choose another folder"
        )


def user_data_folder() -> Path:
    """Where big data lives: the environment variable COLORLIB_DATA; else ``data/`` in a clone; else the user's own."""
    if named := os.environ.get("COLORLIB_DATA"):
        return Path(named)
    if (PROJECT / "pyproject.toml").is_file():
        return PROJECT / "data"
    from platformdirs import user_data_path

    return user_data_path("colorlib", appauthor=False)


def figures_folder() -> Path:
    """Where figures are written: COLORLIB_FIGURES; else ``figures/`` of the clone; else of the present folder."""
    clone = PROJECT if (PROJECT / "pyproject.toml").is_file() else Path()
    return Path(os.environ.get("COLORLIB_FIGURES") or clone / "figures")
