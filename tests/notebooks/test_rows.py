"""Whether each row of the table of short trainings is cited by some lesson: numbers that nobody reads age unseen."""

import re

import nbformat

from colorlib.course import NOTEBOOKS
from colorlib.files import PROJECT, read_rows
from experiments.ablations import BASE_NAME


def cells_of_all_notebooks() -> str:
    notebooks = [nbformat.read(path, as_version=4) for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
    return "\n".join(cell.source for notebook in notebooks for cell in notebook.cells)


def test_every_row_of_the_table_is_named_in_a_notebook():
    text = cells_of_all_notebooks()
    rows = {row["experiment"] for row in read_rows(PROJECT / "experiments" / "ablations.csv")} - {BASE_NAME}
    unnamed = {name for name in rows if not re.search(rf"""["'`]{re.escape(name)}["'`]""", text)}
    assert sorted(unnamed) == []
