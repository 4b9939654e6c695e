"""Rows of the tables that experiments leave behind as text, so that a notebook prints what stands in them.

``experiments/refine.py`` and ``experiments/palette.py`` write these; no numbers in other files are kept of them.
"""

import re

from colorlib.errors import ColorlibError
from colorlib.files import PROJECT

TABLES = PROJECT / "experiments"


def measured_row(table: str, heading: str, *labels: str) -> dict[str, str]:
    """A row of a table in Markdown: its cells as they are written, by the name of their column.

    Args:
        table: the name of the experiment, such as "refine" for ``experiments/refine.md``.
        heading: of the section whose first table is meant.
        labels: the first cells of the row.

    Raises:
        ColorlibError: if there is no such file, section or row.

    >>> list(measured_row("refine", "Hints: PSNR, dB", "5"))[:2]
    ['hints', 'network and hints']
    """
    path = TABLES / f"{table}.md"
    again = f"python -m experiments.{table} makes it anew, with the default network as it is"
    if not path.exists():
        raise ColorlibError(f"{path} is missing: {again}")
    text = re.sub(r"\A.*?^## ", "", path.read_text(encoding="utf-8"), count=1, flags=re.S | re.M)
    sections = dict(section.split("\n", 1) for section in re.split(r"^## ", text, flags=re.M) if "\n" in section)
    if heading not in sections:
        raise ColorlibError(f"{path.name} has no section {heading!r}: {again}")
    lines = re.findall(r"^\|(.*)\|$", sections[heading], re.M)
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    for row in rows[2:]:  # below the names of the columns, and a line of dashes
        if tuple(row[: len(labels)]) == labels:
            return dict(zip(rows[0], row, strict=True))
    raise ColorlibError(f"{path.name} has no row {' | '.join(labels)!r} under {heading!r}: {again}")
