"""The glossary: every term is met where it says and linked there, once, in alphabetical order, in one sentence."""

import functools
import re

import nbformat
import pytest

from colorlib.files import PROJECT

TEXT = (PROJECT / "docs" / "glossary.md").read_text(encoding="utf-8")
ENTRIES = re.split(r"^## ", TEXT, flags=re.M)[1:]
TERMS = [entry.split("\n")[0] for entry in ENTRIES]
LAST_LINE = r"(\S.*) · (\S.*) · \[(\d\d[a-z]?)\]\(\.\./notebooks/(\3_\w+\.ipynb)\)"


def spelled_alike(text: str) -> str:
    """Without emphasis, case and line breaks."""
    return " ".join(text.replace("*", "").replace("`", "").lower().split())


@functools.cache
def text_of(notebook: str) -> str:
    cells = nbformat.read(PROJECT / "notebooks" / notebook, as_version=4).cells
    return spelled_alike("\n".join(cell.source for cell in cells))


@pytest.mark.parametrize("entry", ENTRIES, ids=TERMS)
def test_a_term_has_a_sentence_and_is_met_in_its_notebook(entry):
    term, _, sentence, _, facts = entry.rstrip().split("\n")
    assert re.fullmatch(r"[A-Z][^.]*(\.\d[^.]*)*\.", sentence), "one sentence, whose only other points are in numbers"
    found = re.fullmatch(LAST_LINE, facts)
    assert found, "symbol · unit or range · [notebook]"
    assert spelled_alike(term) in text_of(found[4]), f"{found[4]} does not speak of {term}"


@pytest.mark.parametrize("notebook", sorted({facts[4] for facts in re.finditer(LAST_LINE, TEXT)}))
def test_a_notebook_links_each_of_its_terms_once(notebook):
    own = [
        re.sub(r"[^\w\- ]", "", entry.split("\n")[0].lower()).replace(" ", "-")
        for entry in ENTRIES
        if notebook in entry
    ]
    cells = nbformat.read(PROJECT / "notebooks" / notebook, as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    linked = re.findall(r"\]\(\.\./docs/glossary\.md#([^)]+)\)", text)  # that the anchors exist, test_links.py shows
    assert set(own) <= set(linked) and len(linked) == len(set(linked))


def test_terms_are_in_order_and_appear_once():
    keys = [re.sub(r"[-–]", " ", term.lower()) for term in TERMS]
    assert keys == sorted(keys) and len(set(keys)) == len(keys) > 80


def test_the_terms_come_from_the_whole_course():
    named = set(re.findall(r"notebooks/(\d\d[a-z]?)_", TEXT))
    assert named >= {"07b", *(f"{number:02}" for number in range(13))}


def test_the_words_of_the_paper_are_there():
    words = "annealed mean, confidence, decay, kernel, mask, max pool, rebalancing, receptive field"
    assert set(words.split(", ")) <= set(TERMS)
