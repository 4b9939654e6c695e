"""What only a browser can prove: panels appear, and move under a mouse, under a keyboard and with an uploaded file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from lab_in_browser import MINUTE, PICTURE, after, browser_page, copy_without_outputs, drag, jupyterlab, run_all_cells
from PIL import Image
from playwright.sync_api import Page

from colorlib.course import NOTEBOOKS

pytestmark = pytest.mark.slow


@pytest.fixture
def opened(request, tmp_path: Path) -> Iterator[Page]:
    """A page with the notebook named in the test's parameter, all of its cells run, its panel in view."""
    with browser_page() as page, jupyterlab(tmp_path) as address:
        notebook = copy_without_outputs(NOTEBOOKS / f"{request.param}.ipynb", tmp_path)
        run_all_cells(page, address.format(name=notebook.name))
        yield page


def value_of(alt: str, name: str) -> float:
    return float(alt.split(f"{name} = ")[1].split(",")[0])


@pytest.mark.parametrize("opened", ["02_weight_maps"], indirect=True)
def test_lambda_follows_mouse_keyboard_and_list(opened):
    assert opened.locator(".noUi-handle").count() == 1
    before, now = after(opened, drag(opened, 0, 60))
    assert value_of(now, "λ") > 1.5 * value_of(before, "λ")
    assert value_of(before, "λ") == pytest.approx(0.05, rel=0.01)
    opened.locator(".noUi-handle").focus()
    before, now = after(opened, lambda: opened.keyboard.press("ArrowLeft"))
    assert value_of(now, "λ") < value_of(before, "λ")
    before, now = after(opened, lambda: opened.locator(".jupyter-widgets select").select_option("k-means [ours]"))
    assert "authors' code" in before and "k-means [ours]" in now
    opened.get_by_text("lambda_for: not started yet").wait_for(timeout=5 * MINUTE)  # the last cell has run, too


@pytest.mark.parametrize("opened", ["00_start_here"], indirect=True)
def test_your_own_photo(opened, tmp_path):
    photo = np.zeros((120, 200, 3), np.uint8)
    photo[:60], photo[60:] = 200, 90
    Image.fromarray(photo).save(tmp_path / "mine.png")
    (tmp_path / "notes.jpg").write_text("not a picture")

    def choose(name: str) -> None:
        with opened.expect_file_chooser() as chooser:
            opened.get_by_role("button", name="choose a photo").click()
        chooser.value.set_files(tmp_path / name)

    before, now = after(opened, lambda: choose("mine.png"))
    assert before.startswith("an example") and now.startswith("your photo")
    size = opened.evaluate(f"[document.querySelector('{PICTURE}').naturalWidth]")
    assert size == [400]  # gray and coloured, side by side

    grain = np.random.default_rng(0).integers(0, 256, (2100, 2000, 3), np.uint8)  # which no PNG makes smaller
    Image.fromarray(grain).save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size > 12_000_000
    before, now = after(opened, lambda: choose("large.png"))
    assert now.startswith("your photo")

    choose("notes.jpg")
    opened.get_by_role("alert").get_by_text("notes.jpg is not a photo").wait_for()
