"""Claims fail when they should, boxes say what the checkpoint says, and nobody is quoted with words of ours."""

import ast
import json
import os
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

import colorlib
from colorlib import ColorlibError
from colorlib.course import claim, claims, figures, paper_box, section_of
from colorlib.course.quotations import PAPER
from colorlib.evaluation import photo_verdict

PACKAGE = Path(colorlib.__file__).parent
PROJECT = PACKAGE.parent
NOTEBOOKS = {path.stem: nbformat.read(path, 4) for path in sorted(PROJECT.glob("notebooks/*.ipynb"))}
LONG = 4  # words; fewer are a term, not a quotation
SPOKEN = {  # five words or more in quotation marks that are nobody's: titles, labels, and what somebody might say
    "A convolutional classification approach to colorization",
    "always the most frequent bin",
    "training has taught it to look around",
    "we go on with the winner",
    "always the most common bin",
    "photos that are NOT more colourful",
    "60 % blue, 40 % green",
    "40 % blue, 60 % green",
    "how far off will my *colour* be?",
    "which one is the real photo?",
    "Neighbours of similar luma have similar colours",
}
ALT = "A square"


@pytest.fixture(autouse=True)
def shown(tmp_path, monkeypatch) -> list[str]:
    """Figures go to a folder of the test; the Markdown that would be displayed is collected."""
    monkeypatch.setenv("COLORLIB_FIGURES", str(tmp_path))
    texts: list[str] = []
    monkeypatch.setattr(figures, "display", lambda output: None)
    monkeypatch.setattr(claims, "display", lambda output: texts.append(output.data))
    figures.start_notebook("99_test")
    return texts


@pytest.fixture
def square() -> np.ndarray:
    return np.zeros((4, 4, 3), np.uint8)


def entry(folder: Path, name: str) -> dict:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))[name]


def test_a_claim_is_shown_with_its_source_and_kept_with_its_figure(tmp_path, shown, square):
    claim("It was dark before.", True)
    figures.show(square, "fig99_square", ALT)
    claim("It has **16** pixels.", square.size == 48, "authors' code")
    claim("It has **16** pixels.", np.bool_(True), "authors' code")  # the cell is run again
    assert shown[0] == "**[ours]** It was dark before." and shown[1] == "**[authors' code]** It has **16** pixels."
    assert entry(tmp_path, "fig99_square")["claims"] == [
        {"text": "It was dark before.", "source": "ours"},
        {"text": "It has **16** pixels.", "source": "authors' code"},
    ]
    figures.show(square, "fig99_other", ALT)
    assert "claims" not in entry(tmp_path, "fig99_other")


def test_a_figure_shown_again_loses_its_old_claims(tmp_path, square):
    for number in (1, 2):
        figures.show(square, "fig99_square", ALT)
        claim(f"Run {number}.", True)
    assert [note["text"] for note in entry(tmp_path, "fig99_square")["claims"]] == ["Run 2."]


@pytest.mark.parametrize("condition", [False, np.bool_(False), torch.tensor(False), np.float64(1.0) > 2])
def test_a_stale_claim_stops_the_notebook(tmp_path, shown, condition):
    with pytest.raises(ColorlibError, match=r"no longer holds.*The sea is red\."):
        claim("The sea is red.", condition)
    assert not shown


@pytest.mark.parametrize("condition", ["cannot tell", 1, None, [True], photo_verdict([1.0, 2.0])])
def test_what_is_true_whatever_it_says_is_no_condition(condition):
    with pytest.raises(ColorlibError, match="True or False"):
        claim("The sea is red.", condition)


def test_sources_are_a_closed_list():
    with pytest.raises(ColorlibError, match="Zhang 2016"):
        claim("The sea is blue.", True, "a friend")


def test_claims_need_a_notebook(monkeypatch):
    monkeypatch.setattr(figures, "_lesson", None)
    with pytest.raises(ColorlibError, match="start_notebook"):
        claim("The sea is blue.", True)


def test_a_box_says_what_the_checkpoint_says(tmp_path, shown, square):
    colorizer = colorlib.load("colorunet-paper")
    figures.show(square, "fig99_square", ALT)
    says = "Since this choice does not impair the realism of outputs"
    found = "nobody was asked."
    paper_box(colorizer, "Figure 9", paper={"T": "one"}, here={"photos shown": "53"}, says=says, found=found)
    head, _, paper, here, _, line = shown[0].splitlines()
    assert head == "| Figure 9 | network | parameters | training photos | input | training | λ | T | photos shown |"
    assert "13,469" in paper and paper.endswith("| one | – |")
    photos = colorizer.record["training"]["photos"]["used"]
    assert "| ColorUNet, 32 bins | 130,432 |" in here and f"| {photos:,} |" in here and here.endswith("| 53 |")
    assert line == f"**The paper's claim:** “{says}” [paper §4.2.2]. **Here:** {found}"
    assert entry(tmp_path, "fig99_square")["paper"][0]["here"]["photos shown"] == "53"


def test_a_box_without_a_record_says_so():
    colorizer = colorlib.load("colorunet")
    colorizer.record = {}
    setup = claims.setup_of(colorizer)
    assert setup["λ"] == setup["training photos"] == setup["training"] == "not recorded"


def test_a_box_says_with_which_lambda_a_network_answers():
    assert claims.setup_of(colorlib.load("colorunet"))["λ"] == "0.5, 0.2 when it answers"
    assert claims.setup_of(colorlib.load("liteunet"))["λ"] == "0.5"
    assert claims.setup_of(colorlib.load("colorunet-paper"))["λ"] == "0.05"


def test_a_box_holds_both_claims_to_account(square):
    colorizer = colorlib.load("colorunet")
    with pytest.raises(ColorlibError, match="does not say"):
        paper_box(colorizer, "Figure 9", says="our model is perfect", found="it is not.")
    with pytest.raises(ColorlibError, match="no longer holds"):
        paper_box(colorizer, "Figure 9", says="producing vivid images", found="vivid they are.", condition=False)
    with pytest.raises(ColorlibError, match="or neither"):
        paper_box(colorizer, "Figure 9", says="producing vivid images")


# --- quotations --------------------------------------------------------------------------------------------------


def quotations_in(text: str) -> list[tuple[str, str]]:
    """Quoted text marked with a section of the paper, as (quotation, section): `"…" (§4.1)` or `§4.1: "…"`."""
    quoted = r'["“]([^"”]+)["”]'
    after = re.findall(quoted + r"[*_.,]*\s*[(\[]([^()\[\]]*?§[\d.]*\d)", text)
    before = [(q, s) for s, q in re.findall(r"([^\s(\[]*\s?§[\d.]*\d)[,:]\s*[*_]*" + quoted, text)]
    found = [(q, source) for q, source in after + before if "Zhang" not in source]
    return [(q, "§" + source.split("§")[-1]) for q, source in found if len(q.split()) >= LONG]


def texts() -> dict[str, str]:
    """The paragraphs of all notebooks and the docstrings of the library, by where they stand."""
    found: dict[str, str] = {}
    for stem, notebook in NOTEBOOKS.items():
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type == "markdown":
                text = re.sub(r"\n[>\s]*", " ", cell.source)
                found[f"{stem}, cell {number}"] = re.sub(r"\$[^$]+\$", "[…]", text)  # formulas
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
                found[f"{path.relative_to(PACKAGE)}, {getattr(node, 'name', 'module')}"] = " ".join(text.split())
    return found


QUOTED = [(where, quote, section) for where, text in texts().items() for quote, section in quotations_in(text)]


def test_quotations_are_found():
    assert len(QUOTED) >= 5 and any(".py" in where for where, _, _ in QUOTED)
    text = (
        '*"the sea is very blue"* (§4.1), "too short" (§2), “the sea […] is green” [paper §3.2]; §1: "it is this one"'
    )
    assert quotations_in(text) == [
        ("the sea is very blue", "§4.1"),
        ("the sea […] is green", "§3.2"),
        ("it is this one", "§1"),
    ]
    assert quotations_in('"the share of pixels within t" (Zhang et al. 2016, §3.1)') == []


@pytest.mark.parametrize(("where", "quote", "section"), QUOTED)
def test_the_paper_is_quoted_word_for_word(where, quote, section):
    assert section_of(quote).startswith(section) or section.startswith(section_of(quote)), where


# Marked with a section or not: whatever a notebook puts into quotation marks is the paper's, or somebody has said above
# that it is not.


def quoted_in(markdown: str) -> list[str]:
    """What stands in quotation marks, of five words or more; programs and sample answers are left out."""
    prose = re.sub(r"```.*?```|<summary>A sample.*?</details>", " ", markdown, flags=re.S)
    for pattern, instead in ((r"`[^`\n]*`", "code"), (r"\$[^$]+\$", "[…]"), (r"\n[>\s]*", " ")):
        prose = re.sub(pattern, instead, prose)
    assert prose.count('"') % 2 == 0, f"a quotation mark has no partner in: {prose}"
    found = [straight or curly for straight, curly in re.findall(r'"([^"]+)"|“([^”]+)”', prose)]
    return [quote for quote in found if len(quote.split()) >= 5]


def nobodys(quotes: list[str]) -> list[str]:
    """Those that are neither the paper's words nor known to be spoken by nobody."""

    def known(quote: str) -> bool:
        try:
            return quote in SPOKEN or bool(section_of(quote))
        except ColorlibError:
            return False

    return [quote for quote in quotes if not known(quote)]


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_what_stands_in_quotation_marks_is_the_papers(stem):
    cells = [cell.source for cell in NOTEBOOKS[stem].cells if cell.cell_type == "markdown"]
    found = [quote for cell in cells for quote in quoted_in(cell)]
    assert nobodys(found) == [], "not in `colorlib.course.quotations`; if nobody wrote it, add it to SPOKEN"


def test_misquotations_are_found():
    """Each quotation of the notebooks, with one word changed, added or left out, is no longer the paper's."""
    cells = [cell.source for notebook in NOTEBOOKS.values() for cell in notebook.cells if cell.cell_type == "markdown"]
    true = sorted({quote for cell in cells for quote in quoted_in(cell)} - SPOKEN)
    assert len(true) >= 30
    for quote in true:
        first, second, third, *rest = quote.split(" ")
        wrong = [[first, "purple", third, *rest], [first, "purple", second, third, *rest]]
        wrong += [[first, third, *rest]] if "[…]" not in (first, second, third) else []
        for changed in map(" ".join, wrong):
            assert nobodys([changed]) == [changed]


def test_quotation_marks_are_read_in_pairs():
    text = (
        '"one “rare” two three four" and “five six seven eight nine”; "too short"; `print("a b c d e")`\n'
        '```python\nprint("one two three four five")\n```\n> "over\n> the end of a line"\n\n'
        '<details><summary>A sample report</summary>\n\n"What somebody might have written."\n\n</details>\n'
        'the $a"b$ is "a mean of $x$ and y"'
    )
    quotes = ["one “rare” two three four", "five six seven eight nine", "over the end of a line"]
    assert quoted_in(text) == [*quotes, "a mean of […] and y"]
    with pytest.raises(AssertionError, match="no partner"):
        quoted_in('he said "and went')


def test_words_left_out_and_words_put_in():
    assert section_of("The training loss was similar. […] very desaturated images") == "§4.4"
    for wrong in ("the training loss was very similar", "[…]", "", "raining loss was similar"):
        with pytest.raises(ColorlibError, match="does not say"):
            section_of(wrong)


def paper() -> Path | None:
    """The paper's text, which is not the project's to give away: COLORLIB_PAPER, or beside the clone."""
    named = [Path(os.environ["COLORLIB_PAPER"])] if "COLORLIB_PAPER" in os.environ else []
    beside = [path for parent in PROJECT.parents for path in sorted(parent.glob("shared/paper/*.md"))]
    return next(iter(named + beside), None)


@pytest.mark.skipif(paper() is None, reason="the paper's text is not here")
def test_the_list_of_quotations_is_the_papers_own_text():
    path = paper()
    assert path is not None
    text = path.read_text(encoding="utf-8").replace("\\times", "×").replace("\\alpha", "α")
    everything = claims.words(re.sub(r"<sup>.*?</sup>", "", text))
    parts = [part for quotes in PAPER.values() for quote in quotes for part in quote.split(" | ")]
    missing = [part for part in parts if f" {claims.words(part)} " not in f" {everything} "]
    assert missing == []
