"""The analysis panels in a real JupyterLab in a real browser: slider, keyboard, choice and buttons, and their speed."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import torch

import colorlib
from colorlib import widgets
from colorlib.forced_choice import read_answers
from colorlib.photos import write_photo
from colorlib.workbook import NOTEBOOKS, PROJECT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync"
FEW = {"photo_count": 4, "calibration_count": 4, "test_trials": 2, "visible_seconds": 0.0}
MINUTE = 60_000  # milliseconds; a busy machine is slow, and no reason to fail
PICTURE = ".jupyter-widgets img"

pytestmark = [pytest.mark.slow]
in_browser = pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="needs Chromium")


def shortened(number: str) -> nbformat.NotebookNode:
    """A notebook of the course without outputs, with few photos."""
    notebook = nbformat.read(next(NOTEBOOKS.glob(f"{number}_*.ipynb")), 4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if "parameters" in cell.metadata.get("tags", []):
            names = {line.split(" = ")[0] for line in cell.source.splitlines()}
            cell.source += "".join(f"\n{name} = {value}" for name, value in FEW.items() if name in names)
            cell.source += '\nanswers_file = "answers.csv"'
    return notebook


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A JupyterLab with a folder of its own: its address up to the name of a notebook, and the folder."""
    folder = tmp_path_factory.mktemp("lab")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Off-screen cells are left out of the page unless all are asked for; nor should it ask which kernel to take.
    settings = folder / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none", "autoStartDefaultKernel": true}')
    options = [f"--port={port}", "--IdentityProvider.token=x", f"--ServerApp.root_dir={folder}"]
    quiet = ["--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    paths = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": paths, "COLORLIB_FIGURES": str(folder / "figures")}
    environment["JUPYTERLAB_SETTINGS_DIR"] = str(folder / "settings")
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", *options, *quiet]
    with open(folder / "lab.log", "w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=2)
                break
            except OSError:
                assert server.poll() is None, (folder / "lab.log").read_text()
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/lab/tree/{{name}}?token=x", folder
    finally:
        server.terminate()
        server.wait(60)


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())
        yield chromium
        chromium.close()


def run_in_browser(browser, lab, number: str):
    """A page with a notebook of which all cells have run."""
    address, folder = lab
    name = f"lesson{number}.ipynb"
    nbformat.write(shortened(number), folder / name)
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.goto(address.format(name=name), timeout=2 * MINUTE)
    page.get_by_text("(ipykernel) | Idle").wait_for(timeout=2 * MINUTE)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_selector(PICTURE, timeout=4 * MINUTE)
    return page


def changes(page, action) -> tuple[str, str]:
    """Do something and wait for another picture; its alternative text before and after."""
    picture = page.locator(PICTURE).first
    alt, source = picture.get_attribute("alt"), picture.get_attribute("src")
    action()
    script = f"old => document.querySelector('{PICTURE}').src != old"
    page.wait_for_function(script, arg=source, timeout=MINUTE)
    page.wait_for_function(f"() => document.querySelector('{PICTURE}').naturalWidth > 100", timeout=MINUTE)
    return alt, picture.get_attribute("alt")


def drag(page, handle) -> None:
    box = handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 25, box["y"] + box["height"] / 2, steps=3)
    page.mouse.up()


@in_browser
def test_temperature_and_a_pixel(browser, lab):
    page = run_in_browser(browser, lab, "06")
    handles = page.locator(".noUi-handle")
    handles.first.scroll_into_view_if_needed()
    before, after = changes(page, lambda: drag(page, handles.first))
    temperatures = [float(alt.split("temperature ")[1].split(",")[0]) for alt in (before, after)]
    assert temperatures[0] < temperatures[1]
    handles.nth(1).focus()
    before, after = changes(page, lambda: handles.nth(1).press("ArrowRight"))  # another pixel, by keyboard
    places = [int(alt.split(" % from the left")[0].split()[-1]) for alt in (before, after)]
    assert places[1] == places[0] + 1
    page.close()


@in_browser
def test_the_careful_painter(browser, lab, tmp_path, synthetic_photo):
    page = run_in_browser(browser, lab, "07")
    handle = page.locator(".noUi-handle").first
    handle.scroll_into_view_if_needed()
    handle.focus()
    before, after = changes(page, lambda: handle.press("ArrowRight"))
    photo = before.split(":")[0]
    covered = [float(alt.split(": ")[1].split("%")[0]) for alt in (before, after)]
    assert after.startswith(photo) and covered[1] <= covered[0]
    before, after = changes(page, lambda: [handle.press("Home"), handle.press("ArrowRight")])
    assert float(after.split(": ")[1].split("%")[0]) > covered[1]
    select = page.locator(".jupyter-widgets select").first
    before, after = changes(page, lambda: select.select_option(index=1))
    assert after.split(":")[0] == select.locator("option").all_inner_texts()[1] != photo
    write_photo(tmp_path / "my holiday.png", synthetic_photo)

    def upload() -> None:
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="or your own photo").click()
        chooser.value.set_files(tmp_path / "my holiday.png")

    before, after = changes(page, upload)
    assert after.startswith("my holiday.png: ")
    page.close()


@in_browser
def test_two_knobs_and_the_human_test(browser, lab):
    page = run_in_browser(browser, lab, "08")
    handles = page.locator(".noUi-handle")
    handles.first.scroll_into_view_if_needed()
    for i, word in ((0, "λ = "), (1, "T = ")):
        before, after = changes(page, lambda i=i: drag(page, handles.nth(i)))
        values = [float(alt.split(word)[1].split()[0].rstrip(",")) for alt in (before, after)]
        assert values[1] > values[0]
    select = page.locator(".jupyter-widgets select").first
    before, after = changes(page, lambda: select.select_option(index=1))
    assert before.split(":")[0] != after.split(":")[0]

    start = page.get_by_role("button", name="Start", exact=True)
    start.scroll_into_view_if_needed(timeout=2 * MINUTE)
    start.focus()
    page.keyboard.press("Space")
    pair = page.get_by_alt_text("picture of pair")
    page.wait_for_function("() => document.querySelectorAll('img[alt*=\"picture of pair 1\"]').length == 2")
    assert pair.count() == 2
    page.get_by_role("button", name="Left is real").focus()
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelectorAll('img[alt*=\"picture of pair 2\"]').length == 2")
    page.keyboard.press("Tab")  # from the left button to the right one
    page.keyboard.press("Space")
    page.get_by_text("Thank you!").wait_for(timeout=MINUTE)
    answers = read_answers(lab[1] / "answers.csv")
    assert [answer.chosen_side for answer in answers] == ["left", "right"]
    page.close()


@pytest.mark.parametrize("number", ["07", "08"])
def test_a_repaint_takes_less_than_a_tenth_of_a_second(number, monkeypatch, tmp_path):
    """In the time of one processor core, for frames of 256 pixels: the panel follows the hand."""
    monkeypatch.setenv("COLORLIB_FIGURES", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    load, make_panel, panels = colorlib.load, widgets.panel, []

    def load_large(*arguments):
        colorizer = load(*arguments)
        colorizer.frame = 256
        return colorizer

    def watched_panel(*arguments, **controls):
        panels.append(make_panel(*arguments, **controls))
        return panels[-1]

    monkeypatch.setattr(colorlib, "load", load_large)
    monkeypatch.setattr(widgets, "panel", watched_panel)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        namespace: dict = {}
        for cell in shortened(number).cells:
            if cell.cell_type == "code":
                exec(cell.source, namespace)
        sliders = [control for panel in panels for control in panel.children if hasattr(control, "step")]
        assert len(panels) == 1 and sliders
        for slider in sliders:
            times = []
            for _ in range(5):
                before, start = panels[0].children[-1].value, time.process_time()
                slider.value *= 0.9
                times.append(time.process_time() - start)
                assert panels[0].children[-1].value != before
            assert sorted(times)[2] < 0.1
    finally:
        torch.set_num_threads(threads)
