"""The teacher's page says of the notebooks what they say themselves, and of the checks what they do."""

import re

import nbformat
import pytest
import wrong_answers

from colorlib.course import verdict
from colorlib.files import PROJECT

TEXT = (PROJECT / "docs" / "teaching.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| \[(\d\d[a-z]?)\]\(\.\./notebooks/(\1_\w+\.ipynb)\) \| (\d+) \| ([\da-z, –]+) \|", TEXT, re.M)
MISTAKES = re.findall(r"^\| (\d\d[a-z]?) \| .+ \| `(\w+)` \|$", TEXT, re.M)


def needs_of(notebook: str) -> tuple[str, str]:
    """The minutes and the notebooks to read before, from a notebook's first cell."""
    first = nbformat.read(PROJECT / "notebooks" / notebook, as_version=4).cells[0].source
    found = re.search(
        r"\*(?:Prerequisites|Before):\*+ (.*?)\*+Time:\*+ (?:about )?(\d+) minutes", " ".join(first.split())
    )
    assert found, f"{notebook} does not say: Prerequisites: … Time: … minutes"
    before = sorted(set(re.findall(r"\b(\d\d[a-z]?)\b", found[1])))
    return found[2], ", ".join(before) or "–"


@pytest.mark.parametrize(("notebook", "minutes", "before"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_notebook_needs_what_its_first_cell_says(notebook, minutes, before):
    assert (minutes, before) == needs_of(notebook), "correct the table in docs/teaching.md"


def test_every_notebook_of_the_course_has_a_row():
    assert {notebook for _, notebook, *_ in ROWS} == {path.name for path in (PROJECT / "notebooks").glob("*.ipynb")}


@pytest.mark.parametrize(("notebook", "name"), MISTAKES)
def test_a_mistake_is_told_from_a_right_answer(notebook, name):
    """It is listed for an exercise that this notebook has, and the check of that exercise rejects it."""
    answer = getattr(wrong_answers, name)
    (exercise,) = [asked for asked, answers in wrong_answers.WRONG_ANSWERS.items() if answer in answers]
    (path,) = (PROJECT / "notebooks").glob(f"{notebook}_*.ipynb")
    assert f'check(\\"{exercise}\\"' in path.read_text(encoding="utf-8")
    assert verdict(exercise, answer)[0] is False


def test_the_page_s_mistakes_are_found():
    assert len(MISTAKES) > 10


def test_the_points_add_up_to_what_is_said():
    points = re.findall(r"^\| (?:★+|guesses|recall) \| (\d+) \|", TEXT, re.M)
    assert sum(map(int, points)) == 12 and int(points[0]) + int(points[1]) == 5


def test_the_page_s_code_runs():
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    namespace: dict[str, object] = {}
    exec(code, namespace)
    assert namespace["right"] is True
