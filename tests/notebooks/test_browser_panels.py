"""Every panel of the course in a real JupyterLab: sliders, lists, keyboard, a click on a photo, an upload, buttons.

Only the cells that a panel needs are run, with few photos. A slow machine makes these tests slow, but not fail.
"""

import ast
import re
import symtable
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
from lab_in_browser import IDLE, MINUTE, after, chromium, drag, jupyterlab, new_page, open_notebook
from playwright.sync_api import Locator, Page, TimeoutError

from colorlib.course import NOTEBOOKS
from colorlib.course.plots import GAP
from colorlib.data import write_photo
from colorlib.files import PROJECT, read_rows
from colorlib.prediction import Hint, format_hints, read_hints

BROKEN = """
import numpy as np
from colorlib.course import panel, slider

panel(
    lambda dead, fails: np.full((200, 200, 3), 9 // fails, np.uint8),
    "a square",
    dead=slider("changes nothing", 1, 0, 9, 1),
    fails=slider("fails at 0", 1, 0, 9, 1),
)"""
ANSWERS = "answers.csv"
PANELS: dict[str, dict[str, object]] = {  # every notebook with a panel, and parameters that make it quick
    "00_start_here": {"temperatures": [1.0]},
    "01_color_bins": {"side": 80},
    "02_weight_maps": {"input_size": 80},
    "03_dataset": {},
    "04_colorunet": {"max_steps": 1},
    "05_training": {},
    "06_temperature": {"photo_count": 4},
    "07_confidence_maps": {"photo_count": 4},
    "08_color_histograms": {"photo_count": 4, "test_trials": 2, "visible_seconds": 0.0, "answers_file": ANSWERS},
    "09_data_augmentation": {"photo_count": 4},
    "10_dataset_variety": {},
    "11_video_smoothing": {"frames": 8, "clip_frames": 8},
    "12_seeds_and_hints": {"photo_count": 2},
    "13_paper_vs_code": {"photo_count": 2},
}
OWN = {
    "00_start_here",
    "02_weight_maps",
    "04_colorunet",
    "06_temperature",
    "07_confidence_maps",
    "08_color_histograms",
    "12_seeds_and_hints",
}  # own tests
MAKERS = ("panel", "hint_panel", "trial_panel")  # the functions that make one
BARS = GAP + 110  # below the photos of notebook 06
PANEL = ".colorlib-panel"
CONTROLS = ", ".join(f"{PANEL} {kind}" for kind in ("select", ".noUi-handle", ".widget-upload"))
COMPLAINT = ":is([data-mime-type='application/vnd.jupyter.error'], [data-mime-type='application/vnd.jupyter.stderr'])"
FAILURE = f".jp-OutputArea {COMPLAINT}:has-text('Traceback')"
ERRORS = (
    f".jp-OutputArea {COMPLAINT}, .jp-OutputArea [role=alert]"  # an alert elsewhere is JupyterLab's, about its news
)


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


def makes_a_panel(source: str) -> bool:
    calls = tuple(f"{maker}(" for maker in MAKERS)
    return any(ast.unparse(statement).startswith(calls) for statement in ast.parse(source).body)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def whole(stem: str) -> nbformat.NotebookNode:
    """A notebook as a student opens it."""
    cells = code_cells(NOTEBOOKS / f"{stem}.ipynb")
    for cell in cells:
        cell.outputs, cell.execution_count = [], None
    return notebook_of(cells)


def notebook_of(cells: list[nbformat.NotebookNode]) -> nbformat.NotebookNode:
    """With a kernel, or JupyterLab would ask for one."""
    return nbformat.v4.new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    )


def shortened(stem: str) -> nbformat.NotebookNode:
    """The cells that make panels, those that define what they use, and so on up to the parameters, set to be quick."""
    cells = code_cells(NOTEBOOKS / f"{stem}.ipynb")
    kept: list[nbformat.NotebookNode] = []
    wanted: set[str] = set()
    for cell in reversed(cells):
        sets, needs = variables(cell.source)
        always = cell is cells[0] or "start_notebook(" in cell.source
        if always or makes_a_panel(cell.source) or sets & wanted:
            wanted = wanted - sets | needs
            cell.outputs, cell.execution_count = [], None
            kept.insert(0, cell)
    kept[0].source += "".join(f"\n{name} = {value!r}" for name, value in PANELS[stem].items())
    return notebook_of(kept)


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[tuple[Path, Page]]:
    """One JupyterLab for all tests here: its folder, and the page in which it is open."""
    folder = tmp_path_factory.mktemp("lab") / "notebooks"
    folder.mkdir()
    for beside in ("data", "experiments"):
        (folder.parent / beside).symlink_to(PROJECT / beside)
    with jupyterlab(folder) as address, chromium() as browser, new_page(browser) as page:
        page.goto(address, timeout=3 * MINUTE)
        page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)", timeout=3 * MINUTE)
        yield folder, page


def run_in(lab: tuple[Path, Page], stem: str, content: nbformat.NotebookNode, fresh: bool) -> Page:
    """A page with a notebook of that name, all of its cells run, its panel in view."""
    folder, page = lab
    nbformat.write(content, folder / f"{stem}.ipynb")
    open_notebook(page, f"{stem}.ipynb", fresh)
    idle = page.get_by_text(IDLE)
    idle.wait_for(timeout=3 * MINUTE)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.locator(f"{PANEL} img, {FAILURE}").first.wait_for(state="attached", timeout=10 * MINUTE)
    idle.wait_for(timeout=5 * MINUTE)
    assert errors(page) == []
    return page


@pytest.fixture
def opened(request, lab) -> Page:
    """A page with the shortened notebook of the test's parameter, run, its panel in view."""
    return run_in(lab, request.param, shortened(request.param), fresh=False)


def notebook(*stems: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("opened", stems, indirect=True)


def errors(page: Page) -> list[str]:
    """What cells and panels complain of; a bar of progress is no complaint."""
    return [text for text in page.locator(ERRORS).all_inner_texts() if "%|" not in text]


def picture(page: Page) -> Locator:
    return page.locator(f"{PANEL} img")


def natural_size(page: Page) -> list[int]:
    """Width and height of the picture in its own pixels."""
    return picture(page).evaluate("image => [image.naturalWidth, image.naturalHeight]")


def press(page: Page, handle: int, key: str) -> Callable[[], None]:
    """Press a key on the slider of that number."""
    return lambda: page.locator(".noUi-handle").nth(handle).press(key)


def choose_file(page: Page, path: Path) -> Callable[[], None]:
    def action() -> None:
        with page.expect_file_chooser() as chooser:
            page.locator(f"{PANEL} .widget-upload").click()
        chooser.value.set_files(path)

    return action


def choose_from_list(page: Page, number: int, which: int = 0) -> Callable[[], object]:
    return lambda: page.locator(f"{PANEL} select").nth(which).select_option(index=number)


def change(page: Page, control: Locator, photo: Path) -> Callable[[], object]:
    """A list's next entry, the other end of a slider, a file for an upload."""

    def action() -> object:
        control.scroll_into_view_if_needed()
        match control.evaluate("control => control.tagName"):
            case "SELECT":
                return control.select_option(
                    index=control.evaluate("list => (list.selectedIndex + 1) % list.options.length")
                )
            case "BUTTON":
                return choose_file(page, photo)()
        at_the_start = control.get_attribute("aria-valuenow") == control.get_attribute("aria-valuemin")
        return control.press("End" if at_the_start else "Home")

    return action


def move_every_control(page: Page, stem: str, photo: Path) -> None:
    """Change each control of a panel, from top to bottom: none is missing, and each changes the picture."""
    written = [ast.walk(ast.parse(cell.source)) for cell in code_cells(NOTEBOOKS / f"{stem}.ipynb")]
    calls = [node for nodes in written for node in nodes if isinstance(node, ast.Call)]
    (named,) = (len(call.keywords) for call in calls if ast.unparse(call.func) == "panel")
    controls = page.locator(CONTROLS)
    assert controls.count() == named
    cut = "labels => labels.filter(label => label.scrollWidth > label.clientWidth).map(label => label.textContent)"
    assert page.locator(f"{PANEL} .widget-label").evaluate_all(cut) == []
    for place in range(named):
        after(page, change(page, controls.nth(place), photo))
    assert errors(page) == []


def number(text: str, before: str = "", behind: str = "") -> float:
    """The number between two words of an alternative text."""
    found = re.search(rf"{before}([\d.]*\d){behind}", text)
    assert found, text
    return float(found[1])


def place_of(alt: str) -> tuple[float, float]:
    """The pixel that an alternative text of notebook 04 or 06 names, in percent from the left and from the top."""
    return number(alt, behind=" % from the left"), number(alt, behind=" % from the top")


@pytest.fixture
def own_photo(synthetic_photo: np.ndarray, tmp_path: Path) -> Path:
    write_photo(tmp_path / "my holiday.png", synthetic_photo)
    return tmp_path / "my holiday.png"


def test_every_notebook_with_a_panel_is_in_the_table():
    with_panel = {
        path.stem for path in NOTEBOOKS.glob("*.ipynb") if any(makes_a_panel(c.source) for c in code_cells(path))
    }
    assert with_panel == PANELS.keys()
    for stem, parameters in PANELS.items():
        first = code_cells(NOTEBOOKS / f"{stem}.ipynb")[0]
        assert parameters.keys() <= variables(first.source)[0], f"{stem} has no such parameter"


@pytest.mark.slow
def test_a_panel_broken_on_purpose_is_noticed(lab, own_photo, monkeypatch):
    cells = [nbformat.v4.new_code_cell(source) for source in ("1 / 0", "print('never reached')")]
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run_in(lab, "error", notebook_of(cells), fresh=False)
    page = run_in(lab, "broken", notebook_of([nbformat.v4.new_code_cell(BROKEN)]), fresh=False)
    dead, fails = (page.locator(CONTROLS).nth(place) for place in range(2))
    monkeypatch.setattr("lab_in_browser.MINUTE", 5_000)  # long enough for nothing to happen
    with pytest.raises(TimeoutError):
        after(page, change(page, dead, own_photo))
    assert errors(page) == []
    with pytest.raises(TimeoutError):
        after(page, change(page, fails, own_photo))
    page.locator(ERRORS).first.wait_for()
    (told,) = errors(page)
    assert told.startswith("ZeroDivisionError")


@pytest.mark.slow
@pytest.mark.parametrize(("opened", "stem"), [(stem, stem) for stem in PANELS if stem not in OWN], indirect=["opened"])
def test_every_control_moves_the_picture(opened, stem, own_photo):
    move_every_control(opened, stem, own_photo)


@pytest.mark.slow
def test_a_whole_notebook_and_lambda_by_mouse_keyboard_and_list(lab, own_photo):
    page = run_in(lab, "02_weight_maps", whole("02_weight_maps"), fresh=True)
    page.get_by_text("lambda_for: not started yet").wait_for()  # the last cell has run, too
    assert page.locator(".noUi-handle").count() == 1
    before, now = after(page, drag(page, 0, 60))
    assert number(now, "λ = ") > 1.5 * number(before, "λ = ")
    assert number(before, "λ = ") == pytest.approx(0.05, rel=0.01)
    before, now = after(page, press(page, 0, "ArrowLeft"))
    assert number(now, "λ = ") < number(before, "λ = ")
    bins = page.locator(f"{PANEL} select")
    before, now = after(page, lambda: bins.select_option("k-means [ours]"))
    assert "authors' code" in before and "k-means [ours]" in now
    move_every_control(page, "02_weight_maps", own_photo)


@pytest.mark.slow
def test_a_whole_notebook_and_your_own_photo(lab, own_photo, synthetic_photo, tmp_path):
    page = run_in(lab, "00_start_here", whole("00_start_here"), fresh=True)
    before, now = after(page, choose_file(page, own_photo))
    assert before.startswith("an example") and now.startswith("your photo")
    assert natural_size(page)[0] == 2 * synthetic_photo.shape[1]  # gray and coloured, side by side

    grain = np.random.default_rng(0).integers(0, 256, (2100, 2000, 3), np.uint8)  # which no PNG makes smaller
    write_photo(tmp_path / "large.png", grain)
    assert (tmp_path / "large.png").stat().st_size > 12_000_000
    before, now = after(page, choose_file(page, tmp_path / "large.png"))
    assert now.startswith("your photo")
    move_every_control(page, "00_start_here", own_photo)

    (tmp_path / "notes.jpg").write_text("not a picture")
    choose_file(page, tmp_path / "notes.jpg")()
    page.get_by_role("alert").get_by_text("notes.jpg is not a photo").wait_for()


@pytest.mark.slow
@notebook("04_colorunet")
def test_what_a_unit_sees(opened, own_photo):
    before, now = after(opened, choose_from_list(opened, 1, which=1))  # another cell of the network
    assert "output of output," in before and "output of output," not in now
    width, height = natural_size(opened)
    box = picture(opened).bounding_box()
    assert box
    zoom, photo = box["width"] / width, width - 8 - height  # the enlarged part on the right is a square
    target = {"x": zoom * 0.25 * photo, "y": zoom * 0.7 * height}
    before, now = after(opened, lambda: picture(opened).click(position=target))
    assert place_of(before) == (50, 50) and place_of(now) == pytest.approx((25, 70), abs=1)
    move_every_control(opened, "04_colorunet", own_photo)


@pytest.mark.slow
@notebook("06_temperature")
def test_temperature_a_pixel_and_your_own_photo(opened, synthetic_photo, own_photo):
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

    before, now = after(opened, choose_file(opened, own_photo))
    assert now.startswith("my holiday.png, coloured by") and place_of(now) == place_of(before)
    assert natural_size(opened) == [2 * synthetic_photo.shape[1] + GAP, synthetic_photo.shape[0] + BARS]
    before, now = after(opened, choose_from_list(opened, 1))  # the upload is put away
    assert not now.startswith("my holiday")
    move_every_control(opened, "06_temperature", own_photo)


@pytest.mark.slow
@notebook("07_confidence_maps")
def test_the_careful_painter(opened, own_photo):
    before, now = after(opened, press(opened, 0, "Home"))
    assert number(now, behind="% of") == 100
    before, now = after(opened, drag(opened, 0, 40))
    assert number(now, behind="% of") < 100
    before, now = after(opened, choose_from_list(opened, 1))
    assert now.split(":")[0] != before.split(":")[0]
    before, now = after(opened, choose_file(opened, own_photo))
    assert now.startswith("my holiday.png: ")
    move_every_control(opened, "07_confidence_maps", own_photo)


@pytest.mark.slow
@notebook("08_color_histograms")
def test_two_knobs_and_the_human_test_by_keyboard(opened, lab, own_photo):
    before, now = after(opened, drag(opened, 0, -60))
    assert number(now, "λ = ") < number(before, "λ = ") and number(now, "T = ") == number(before, "T = ")
    before, now = after(opened, press(opened, 1, "ArrowRight"))
    assert number(now, "T = ") > number(before, "T = ")
    before, now = after(opened, choose_from_list(opened, 1))
    assert now.split(":")[0] != before.split(":")[0]
    move_every_control(opened, "08_color_histograms", own_photo)

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
    answers = read_rows(lab[0] / ANSWERS)
    assert [answer["chosen_side"] for answer in answers] == ["left", "right"]
    assert len({answer["photo"] for answer in answers}) == 2


@pytest.mark.slow
@notebook("12_seeds_and_hints")
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

    likeliest = opened.locator(PANEL).locator("xpath=..").locator("button[title*='probability']").first
    share = str(likeliest.text_content())
    assert now.endswith(f"with {share}")  # the first swatch is what the alternative text names
    before, now = after(opened, likeliest.click)
    assert hints(now) == 1
    before, now = after(opened, press(opened, 0, "ArrowRight"))
    assert hints(now) == 1 and place_of(now)[0] == place_of(before)[0] + 1
    before, now = after(opened, press(opened, 1, "ArrowUp"))
    assert place_of(now)[1] == place_of(before)[1] + 1

    def use_any() -> None:
        button("Use this colour").focus()
        opened.keyboard.press("Space")

    def type_hint() -> None:
        text = opened.locator(f"{PANEL} textarea")
        text.fill(format_hints([Hint(0.5, 0.5, (0.2, -0.1))]))
        text.press("Tab")

    opened.locator("input[type=color]").fill("#2050d0")
    before, now = after(opened, use_any)
    assert hints(now) == 2
    button("Save").click()
    opened.get_by_role("status").get_by_text("saved to").wait_for()
    saved = read_hints(lab[0] / "hints.json")
    assert [hint.x for hint in saved] == pytest.approx([0.3, 0.31], abs=0.02)

    before, now = after(opened, button("Undo").click)
    assert hints(now) == 1
    before, now = after(opened, type_hint)
    assert hints(now) == 1  # another one
    before, now = after(opened, button("Load").click)
    assert hints(now) == 2
    (lab[0] / "hints.json").write_text('{"hints": [{"x": 7}]}')
    button("Load").click()
    opened.get_by_role("alert").get_by_text("hints.json: not hints").wait_for()  # and the hints stay as they are
    assert hints(str(picture(opened).get_attribute("alt"))) == 2
