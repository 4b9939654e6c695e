"""The hint panel without a browser: what its buttons do to the hints, the picture and the file."""

import re

import ipywidgets
import numpy as np
import pytest

from colorlib.course import hint_panel
from colorlib.data import fit
from colorlib.prediction import chroma_of_html, palette, parse_hints, read_hints


@pytest.fixture
def panel(colorizer, synthetic_photo, tmp_path):
    return hint_panel(colorizer, synthetic_photo, tmp_path / "hints.json", size=64)


def widgets_of(box: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    return [box, *(w for child in getattr(box, "children", ()) for w in widgets_of(child))]


def button(panel, text: str) -> ipywidgets.Button:
    return next(w for w in widgets_of(panel) if isinstance(w, ipywidgets.Button) and w.description == text)


def swatches(panel) -> list[ipywidgets.Button]:
    return [w for w in widgets_of(panel) if isinstance(w, ipywidgets.Button) and w.description.endswith("%")]


def text_of(panel) -> str:
    return next(w for w in widgets_of(panel) if isinstance(w, ipywidgets.Textarea)).value


def alt_of(panel) -> str:
    return re.search('alt="([^"]*)"', panel.children[0].children[-1].value)[1]


def message_of(panel) -> str:
    return panel.children[-1].value


def test_the_palette_follows_a_click(panel, colorizer, synthetic_photo):
    logits = colorizer.logits(colorizer.input_luma(fit(synthetic_photo, 64)))
    place = next(w for w in widgets_of(panel) if "colorlib-place" in w._dom_classes)
    for x, y in ((0.5, 0.5), (0.25, 0.9)):
        place.value = f"{x:.4f} {y:.4f}"  # what the script in the page writes
        expected = [f"{swatch.probability:.0%}" for swatch in palette(logits, colorizer.bins, x, y)]
        assert [w.description for w in swatches(panel)] == expected
    assert "at 25 % from the left and 90 % from the top" in alt_of(panel)


def test_a_swatch_becomes_a_hint_and_undo_takes_it_back(panel, colorizer, synthetic_photo):
    before = panel.children[0].children[-1].value
    swatches(panel)[1].click()
    (hint,) = parse_hints(text_of(panel))
    assert (hint.x, hint.y) == (0.5, 0.5) and list(hint.chroma) in colorizer.bins.colors.tolist()
    assert "with 1 hints" in alt_of(panel)
    button(panel, "Use this colour").click()
    assert parse_hints(text_of(panel))[1].chroma == chroma_of_html("#c04040")
    for _ in range(3):  # one more than there are hints
        button(panel, "Undo").click()
    assert parse_hints(text_of(panel)) == [] and panel.children[0].children[-1].value == before


def test_hints_are_saved_and_loaded(panel, tmp_path):
    swatches(panel)[0].click()
    button(panel, "Save").click()
    saved = read_hints(tmp_path / "hints.json")
    assert saved == parse_hints(text_of(panel)) and "saved to" in message_of(panel)
    button(panel, "Undo").click()
    button(panel, "Load").click()
    assert parse_hints(text_of(panel)) == saved and "loaded from" in message_of(panel)


@pytest.mark.parametrize(("content", "message"), [(None, "cannot be read"), ("<b>", "not JSON")])
def test_a_file_that_cannot_be_loaded_is_said_and_nothing_is_lost(panel, tmp_path, content, message):
    swatches(panel)[0].click()
    if content:
        (tmp_path / "hints.json").write_text(content)
    before = text_of(panel)
    button(panel, "Load").click()
    assert 'role="alert"' in message_of(panel) and message in message_of(panel) and "<b>" not in message_of(panel)
    assert text_of(panel) == before


def test_one_pixel_has_a_panel(colorizer, tmp_path):
    panel = hint_panel(colorizer, np.full((1, 1), 100, np.uint8), tmp_path / "hints.json")
    swatches(panel)[0].click()
    assert len(parse_hints(text_of(panel))) == 1
