"""Panels: they follow their controls, and cannot hide an exception."""

import base64
import html
import io
import re
from datetime import UTC, datetime

import ipywidgets
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from colorlib import ColorlibError
from colorlib.course import choice, panel, slider, upload, uploaded_photo
from colorlib.files import PROJECT


def picture_of(box: ipywidgets.VBox) -> tuple[str, np.ndarray]:
    """The alternative text and the decoded picture that a panel shows."""
    shape = r'<img alt="([^"]*)".* src="data:image/\w+;base64,([^"]+)">'
    alt, data = re.fullmatch(shape, box.children[-1].value).groups()
    return alt, np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def gray_square(level: int) -> np.ndarray:
    return np.full((16, 24, 3), level, np.uint8)


def test_panel_follows_its_controls():
    box = panel(gray_square, lambda level: f"a square of {level}", level=slider("level", 10, 0, 255, 1))
    alt, picture = picture_of(box)
    assert alt == "a square of 10" and picture.shape == (16, 24, 3) and abs(picture.astype(int) - 10).max() <= 2
    box.children[0].value = 200
    alt, picture = picture_of(box)
    assert alt == "a square of 200" and abs(picture.astype(int) - 200).max() <= 2


def test_panel_passes_all_values_by_name():
    seen = []

    def render(**values):
        seen.append(values)
        return gray_square(0)

    controls = {"lam": slider("λ", 0.5, 0.0, 1.0, 0.1), "way": choice("bins", {"ours": "kmeans", "paper": "grid"})}
    box = panel(render, "a square", **controls)
    controls["way"].value = "grid"
    controls["lam"].value = 0.3
    assert seen == [{"lam": 0.5, "way": "kmeans"}, {"lam": 0.5, "way": "grid"}, {"lam": 0.3, "way": "grid"}]
    assert box.children[:-1] == tuple(controls.values())


@pytest.mark.parametrize("make", [lambda: Image.new("RGB", (24, 16)), lambda: Figure(figsize=(0.24, 0.16), dpi=100)])
def test_panel_shows_pillow_images_and_figures(make):
    _, picture = picture_of(panel(lambda level: make(), "a dark square", level=slider("level", 0, 0, 9, 1)))
    assert picture.shape[:2] == (16, 24)


def test_a_broken_render_stops_the_notebook():
    with pytest.raises(ZeroDivisionError):
        panel(lambda level: 1 // level, "never", level=slider("level", 0, 0, 9, 1))


def test_a_render_that_breaks_later_raises_and_says_so():
    def render(level):
        if level > 100:
            raise RuntimeError("level <too> high")
        return gray_square(level)

    box = panel(render, "a square", level=slider("level", 10, 0, 255, 1))
    with pytest.raises(RuntimeError):
        box.children[0].value = 101
    assert box.children[-1].value == '<p role="alert">RuntimeError: level &lt;too&gt; high</p>'
    box.children[0].value = 50
    assert picture_of(box)[0] == "a square"


def test_no_widget_that_swallows_exceptions():
    box = panel(gray_square, "a square", level=slider("level", 10, 0, 255, 1))
    assert [type(child) for child in box.children] == [ipywidgets.IntSlider, ipywidgets.HTML]


def clickable_square(**controls) -> ipywidgets.VBox:
    """A panel in which a click on the left half sets the control "level" to the height of the click in percent."""

    def click(across, down, values):
        return {"level": round(100 * down)} if across < 0.5 else {}

    return panel(gray_square, lambda level: f"a square of {level}", click, **controls)


def test_a_click_sets_the_controls():
    box = clickable_square(level=slider("level", 10, 0, 255, 1))
    place = box.children[1]
    place.value = "0.2500 0.8000"  # what the script in the page writes into the hidden box
    assert box.children[0].value == 80 and 'alt="a square of 80"' in box.children[-1].value
    place.value = "0.7500 0.1000"  # on the right-hand side nothing happens
    assert box.children[0].value == 80


def test_the_script_of_a_click_finds_its_panel_and_its_box():
    box = clickable_square(level=slider("level", 10, 0, 255, 1))
    page = box.children[-1].value
    script = html.unescape(re.search(r'onclick="([^"]*)"', page)[1])
    assert ".colorlib-panel" in script and "colorlib-panel" in box._dom_classes
    assert ".colorlib-place input" in script and "colorlib-place" in box.children[1]._dom_classes
    assert box.children[1].layout.display == "none"  # not in the way of those who use the keyboard
    still = panel(gray_square, "a square", level=slider("level", 10, 0, 255, 1))
    assert "onclick" not in still.children[-1].value


def test_sliders_have_names_readouts_and_the_right_kind():
    whole = slider("bins", 32, 2, 64, 1)
    assert isinstance(whole, ipywidgets.IntSlider) and whole.description == "bins" and whole.readout
    real = slider("λ", 0.5, 0.0, 1.0, 0.05, continuous=False)
    assert isinstance(real, ipywidgets.FloatSlider) and not real.continuous_update and real.readout_format == ".2f"
    ratio = slider("T", 0.38, 0.01, 3.0, 0.05, log=True)
    assert isinstance(ratio, ipywidgets.FloatLogSlider) and ratio.value == 0.38 and ratio.continuous_update
    ratio.value = 100.0
    assert ratio.value == pytest.approx(3.0)  # the end of the scale
    ratio.value = 0.0001
    assert ratio.value == pytest.approx(0.01)


def test_choice_takes_lists_and_names():
    assert choice("n", range(3)).value == 0
    named = choice("way", {"ours": "kmeans", "paper": "grid"})
    assert named.value == "kmeans" and named.label == "ours" and named.description == "way"


def uploaded(name: str, content: bytes) -> list[dict]:
    """What the browser sends when a file was chosen."""
    now = datetime.now(UTC)
    return [{"name": name, "type": "", "size": len(content), "content": memoryview(content), "last_modified": now}]


def test_upload_gives_the_photo(synthetic_photo):
    data = io.BytesIO()
    Image.fromarray(synthetic_photo).save(data, "PNG")
    button = upload("choose a photo")
    assert uploaded_photo(button.value) is None
    button.value = uploaded("mine.png", data.getvalue())
    np.testing.assert_array_equal(uploaded_photo(button.value), synthetic_photo)


@pytest.mark.parametrize("name", ["notes.png", "../../etc/notes.png"])
def test_upload_of_something_else_is_refused_by_name(name):
    with pytest.raises(ColorlibError, match="^notes.png is not a photo"):
        uploaded_photo(uploaded(name, b"not a picture"))


def test_a_refused_upload_is_said_in_the_panel():
    button = upload("choose a photo")
    box = panel(lambda chosen: gray_square(5) if uploaded_photo(chosen) is None else chosen, "a square", chosen=button)
    with pytest.raises(ColorlibError):
        button.value = uploaded("notes.png", b"not a picture")
    assert box.children[-1].value.startswith('<p role="alert">notes.png is not a photo')


def test_beside_an_upload_stands_how_large_a_photo_may_be():
    button = upload("choose a photo")
    box = panel(lambda chosen: gray_square(5), "a square", chosen=button)
    control, text = box.children[0].children
    assert control is button and "up to 10 MB" in text.value
    limit = re.search(r'"websocket_max_message_size": (\d+)', (PROJECT / "Makefile").read_text())
    assert limit and f"up to {int(limit[1]) // 10**6} MB" in text.value


def test_choosing_from_the_list_puts_an_upload_away():
    listed = choice("photo", ["lake", "hill"])
    button = upload("or your own photo", instead_of=listed)
    seen = []

    def render(photo, own):
        seen.append(own[0]["name"] if own else photo)
        return gray_square(9)

    panel(render, "a square", photo=listed, own=button)
    button.value = uploaded("mine.png", b"not looked at")
    listed.value = "hill"
    assert button.value == () and seen[0] == "lake" and seen[1] == "mine.png" and set(seen[2:]) == {"hill"}
