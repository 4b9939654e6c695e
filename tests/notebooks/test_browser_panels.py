"""The panels of the analysis notebooks in a real JupyterLab: slider, keyboard, a click on a photo, an upload, buttons.

Only the cells that a panel needs are run, with few photos. A slow machine makes these tests slow, but not fail.
"""

import ast
import re
import symtable
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from lab_in_browser import MINUTE, after, browser_page, drag, jupyterlab
from playwright.sync_api import Locator, Page

from colorlib.course import NOTEBOOKS
from colorlib.course.plots import GAP
from colorlib.data import write_photo
from colorlib.files import read_rows
from colorlib.prediction import read_hints

pytestmark = pytest.mark.slow
BARS = GAP + 110  # below the photos of notebook 06


def scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from scopes(child)


def variables(source: str) -> tuple[set[str], set[str]]:
    """The notebook's variables that a cell sets, and those that it needs from cells above."""
    top = symtable.symtable(source, "cell", "exec")
    sets = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    reads = {s.get_name() for scope in scopes(top) for s in scope.get_symbols() if s.is_referenced() and s.is_global()}
    reads |= {symbol.get_name() for symbol in top.get_symbols() if symbol.is_referenced()}
    return sets, reads - sets


def shortened(stem: str, *panels: str, **parameters: object) -> nbformat.NotebookNode:
    """The cells that call ``panels``, those that define what they use, and so on up to the parameters."""
    notebook = nbformat.read(NOTEBOOKS / f"{stem}.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    calls = tuple(f"{panel}(" for panel in panels)
    kept: list[nbformat.NotebookNode] = []
    wanted: set[str] = set()
    for number, cell in reversed(list(enumerate(cells))):
        sets, needs = variables(cell.source)
        is_panel = any(ast.unparse(statement).startswith(calls) for statement in ast.parse(cell.source).body)
        if number < 2 or is_panel or sets & wanted:
            wanted = wanted - sets | needs
            cell.outputs, cell.execution_count = [], None
            kept.insert(0, cell)
    kept[0].source += "".join(f"\n{name} = {value!r}" for name, value in parameters.items())
    notebook.cells = kept
    return notebook


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[tuple[Path, str]]:
    """One JupyterLab for all tests here: its folder, and its address up to the name of a notebook."""
    folder = tmp_path_factory.mktemp("lab")
    with jupyterlab(folder) as address:
        yield folder, address


@pytest.fixture
def opened(request, lab) -> Iterator[Page]:
    """A page with the shortened notebook of the test's parameter, run, its panel in view."""
    folder, address = lab
    stem, panels, parameters = request.param
    nbformat.write(shortened(stem, *panels, **parameters), folder / f"{stem}.ipynb")
    with browser_page() as page:
        # A workspace of its own: JupyterLab would open the notebooks of earlier tests again, with their panels.
        own = address.replace("/lab/tree/", f"/lab/workspaces/{stem}/tree/")
        page.goto(own.format(name=f"{stem}.ipynb"), timeout=3 * MINUTE)
        idle = page.get_by_text("(ipykernel) | Idle")
        idle.wait_for(timeout=3 * MINUTE)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        picture(page).wait_for(state="attached", timeout=5 * MINUTE)
        idle.wait_for(timeout=5 * MINUTE)
        yield page


def notebook(stem: str, *panels: str, **parameters: object) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("opened", [(stem, panels, parameters)], ids=[stem], indirect=True)


def picture(page: Page) -> Locator:
    return page.locator(".colorlib-panel img")


def natural_size(page: Page) -> list[int]:
    """Width and height of the picture in its own pixels."""
    return picture(page).evaluate("image => [image.naturalWidth, image.naturalHeight]")


def press(page: Page, handle: int, key: str) -> Callable[[], None]:
    """Press a key on the slider of that number."""
    return lambda: page.locator(".noUi-handle").nth(handle).press(key)


def choose_file(page: Page, path: Path) -> Callable[[], None]:
    def action() -> None:
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="or your own photo").click()
        chooser.value.set_files(path)

    return action


def choose_from_list(page: Page, number: int, which: int = 0) -> Callable[[], object]:
    return lambda: page.locator(".colorlib-panel select").nth(which).select_option(index=number)


def number(text: str, before: str = "", behind: str = "") -> float:
    """The number between two words of an alternative text."""
    found = re.search(rf"{before}([\d.]*\d){behind}", text)
    assert found, text
    return float(found[1])


def place_of(alt: str) -> tuple[float, float]:
    """The pixel that an alternative text of notebook 04 or 06 names, in percent from the left and from the top."""
    return number(alt, behind=" % from the left"), number(alt, behind=" % from the top")


@notebook("04_colorunet", "panel", max_steps=1)
def test_what_a_unit_sees(opened):
    before, now = after(opened, choose_from_list(opened, 1, which=1))  # another cell of the network
    assert "output" in before and "output" not in now
    width, height = natural_size(opened)
    box = picture(opened).bounding_box()
    assert box
    zoom, photo = box["width"] / width, width - 8 - height  # the enlarged part on the right is a square
    target = {"x": zoom * 0.25 * photo, "y": zoom * 0.7 * height}
    before, now = after(opened, lambda: picture(opened).click(position=target))
    assert place_of(before) == (50, 50) and place_of(now) == pytest.approx((25, 70), abs=1)


@notebook("06_temperature", "panel", photo_count=4, examples=[])
def test_temperature_a_pixel_and_your_own_photo(opened, synthetic_photo, tmp_path):
    before, now = after(opened, drag(opened, 0, 25))
    assert number(now, "temperature ") > 1.1 * number(before, "temperature ")

    before, now = after(opened, press(opened, 1, "ArrowRight"))
    left, top = place_of(before)  # the panel opens at the pixel that the text speaks of
    assert place_of(now) == (left + 1, top)
    before, now = after(opened, press(opened, 2, "ArrowUp"))
    assert place_of(now) == (left + 1, top + 1)

    width, height = natural_size(opened)
    box = picture(opened).bounding_box()
    assert box
    zoom, photo = box["width"] / width, (width - GAP) / 2
    target = {"x": zoom * (photo + GAP + 0.25 * photo), "y": zoom * 0.3 * (height - BARS)}  # in the truth, on the right
    before, now = after(opened, lambda: picture(opened).click(position=target))
    assert place_of(now) == pytest.approx((25, 30), abs=1)

    write_photo(tmp_path / "my holiday.png", synthetic_photo)
    before, now = after(opened, choose_file(opened, tmp_path / "my holiday.png"))
    assert now.startswith("my holiday.png, coloured by") and place_of(now) == place_of(before)
    assert natural_size(opened) == [2 * synthetic_photo.shape[1] + GAP, synthetic_photo.shape[0] + BARS]
    before, now = after(opened, choose_from_list(opened, 1))  # the upload is put away
    assert not now.startswith("my holiday")


@notebook("07_confidence_maps", "panel", photo_count=4)
def test_the_careful_painter(opened, synthetic_photo, tmp_path):
    before, now = after(opened, press(opened, 0, "Home"))
    assert number(now, behind="% of") == 100
    before, now = after(opened, drag(opened, 0, 40))
    assert number(now, behind="% of") < 100
    before, now = after(opened, choose_from_list(opened, 1))
    assert now.split(":")[0] != before.split(":")[0]
    write_photo(tmp_path / "my holiday.png", synthetic_photo)
    before, now = after(opened, choose_file(opened, tmp_path / "my holiday.png"))
    assert now.startswith("my holiday.png: ")


@notebook(
    "08_color_histograms",
    "panel",
    "trial_panel",
    photo_count=4,
    test_trials=2,
    visible_seconds=0.0,
    answers_file="answers.csv",
)
def test_two_knobs_and_the_human_test_by_keyboard(opened, lab):
    before, now = after(opened, drag(opened, 0, -60))
    assert number(now, "λ = ") < number(before, "λ = ") and number(now, "T = ") == number(before, "T = ")
    before, now = after(opened, press(opened, 1, "ArrowRight"))
    assert number(now, "T = ") > number(before, "T = ")
    before, now = after(opened, choose_from_list(opened, 1))
    assert now.split(":")[0] != before.split(":")[0]

    def pair(number: int) -> None:
        for side in ("left", "right"):
            opened.get_by_alt_text(f"the {side} picture of pair {number}").wait_for()

    opened.get_by_role("button", name="Start", exact=True).focus()
    opened.keyboard.press("Space")
    pair(1)
    opened.get_by_role("button", name="Left is real").focus()
    opened.keyboard.press("Space")
    pair(2)
    opened.keyboard.press("Tab")  # from the left button to the right one
    opened.keyboard.press("Space")
    opened.get_by_text("Thank you!").wait_for()
    answers = read_rows(lab[0] / "answers.csv")
    assert [answer["chosen_side"] for answer in answers] == ["left", "right"]
    assert len({answer["photo"] for answer in answers}) == 2


@notebook("12_seeds_and_hints", "hint_panel", photo_count=2)
def test_hints_by_mouse_and_keyboard_undone_saved_and_loaded(opened, lab):
    def button(name: str) -> Locator:
        return opened.get_by_role("button", name=name, exact=True)

    def hints(alt: str) -> int:
        return int(number(alt, behind=" hints"))

    box = picture(opened).bounding_box()
    assert box
    target = {"x": 0.3 * box["width"], "y": 0.6 * box["height"]}
    before, now = after(opened, lambda: picture(opened).click(position=target))
    assert hints(now) == 0 and place_of(now) == pytest.approx((30, 60), abs=1)

    likeliest = opened.locator(".colorlib-panel").locator("xpath=..").locator("button[title*='probability']").first
    share = str(likeliest.text_content())
    assert now.endswith(f"with {share}")  # the first swatch is what the alternative text names
    before, now = after(opened, likeliest.click)
    assert hints(now) == 1
    before, now = after(opened, press(opened, 0, "ArrowRight"))
    assert hints(now) == 1 and place_of(now)[0] == place_of(before)[0] + 1

    def use_any() -> None:
        button("Use this colour").focus()
        opened.keyboard.press("Space")

    before, now = after(opened, use_any)
    assert hints(now) == 2
    button("Save").click()
    opened.get_by_role("status").get_by_text("saved to").wait_for()
    saved = read_hints(lab[0] / "hints.json")
    assert [hint.x for hint in saved] == pytest.approx([0.3, 0.31], abs=0.02)

    before, now = after(opened, button("Undo").click)
    assert hints(now) == 1
    before, now = after(opened, button("Load").click)
    assert hints(now) == 2
    (lab[0] / "hints.json").write_text('{"hints": [{"x": 7}]}')
    button("Load").click()
    opened.get_by_role("alert").get_by_text("hints.json: not hints").wait_for()  # and the hints stay as they are
    assert hints(str(picture(opened).get_attribute("alt"))) == 2
