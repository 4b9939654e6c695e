"""What a notebook reads from a table of an experiment is what stands in it."""

import pytest

import colorlib
from colorlib import ColorlibError
from colorlib.course import measured_row
from experiments import palette, refine

TEXT = """# Made up, 2 photos

## At temperature 0.4

Differences are from none.

| reference | strength | PSNR, dB | stains |
|---|---:|---:|---:|
| none | | 22.45 [21.29, 23.54] | 403.47 |
| picked | 0.25 | +1.08 [+0.90, +1.25] | -24.21 |
| picked | 0.5 | +2.37 [+1.91, +2.85] | -56.62 |

## Is it only calmer?

| reference | strength | PSNR, dB |
|---|---:|---:|
| picked | 0.5 | +1.21 [+0.83, +1.58] |

## The rule

* picked: more
"""


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    (tmp_path / "made_up.md").write_text(TEXT, encoding="utf-8")
    monkeypatch.setattr("colorlib.course.tables.TABLES", tmp_path)


def test_a_row_is_found_by_its_section_and_its_first_cells(made_up):
    assert measured_row("made_up", "At temperature 0.4", "picked", "0.5") == {
        "reference": "picked",
        "strength": "0.5",
        "PSNR, dB": "+2.37 [+1.91, +2.85]",
        "stains": "-56.62",
    }
    assert measured_row("made_up", "At temperature 0.4", "picked")["strength"] == "0.25"  # the first of several
    assert measured_row("made_up", "At temperature 0.4", "none")["strength"] == ""
    assert measured_row("made_up", "Is it only calmer?", "picked")["PSNR, dB"] == "+1.21 [+0.83, +1.58]"


@pytest.mark.parametrize(
    ("table", "heading", "labels", "message"),
    [
        ("nothing", "At temperature 0.4", ("none",), "nothing.md is missing"),
        ("made_up", "At temperature 2", ("none",), "no section 'At temperature 2'"),
        ("made_up", "Made up, 2 photos", ("none",), "no section"),
        ("made_up", "At temperature 0.4", ("picked", "1"), "no row 'picked | 1'"),
        ("made_up", "At temperature 0.4", ("---",), "no row"),
        ("made_up", "The rule", ("picked",), "no row"),
    ],
)
def test_what_is_not_there_is_said(made_up, table, heading, labels, message):
    with pytest.raises(ColorlibError, match=message):
        measured_row(table, heading, *labels)


def test_the_tables_of_the_project_are_those_of_the_default_network():
    """They have a section for its own temperature, and the columns and rows that the modules write."""
    own = f"{colorlib.load().temperature:g}"
    assert set(refine.METRICS.values()) < set(measured_row("refine", f"Seeds at temperature {own}", "spread exactly"))
    assert "network's gain over Levin" in measured_row("refine", "Hints: PSNR, dB", str(refine.HINTS[1]))
    for name in palette.REFERENCES:
        row = measured_row("palette", f"At temperature {own}", name, f"{palette.JUDGED_AT:g}")
        assert set(palette.METRICS.values()) < set(row)
        assert measured_row("palette", "Is it only calmer?", name)["strength"] == f"{palette.JUDGED_AT:g}"
