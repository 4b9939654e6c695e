"""A real JupyterLab in a real, headless Chromium, for the tests that want to see a panel move."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, sync_playwright

from colorlib.files import PROJECT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = """--no-sandbox --disable-gpu --disable-quic --no-first-run
--disable-background-networking --disable-component-update --disable-sync""".split()
PICTURE = ".jupyter-widgets img"
IDLE = "(ipykernel) | Idle"  # in JupyterLab's status bar
MINUTE = 60_000  # milliseconds; on a busy machine things take their time, and that is no failure


@contextmanager
def chromium() -> Iterator[BrowserContext]:
    """A browser. Without Chromium the test is skipped, except where CI says that it has to run."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("CI is set, so the browser tests have to run, but there is no chromium: install it")
        pytest.skip("needs chromium, which is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser.new_context(viewport={"width": 1400, "height": 1000})
        browser.close()


@contextmanager
def new_page(browser: BrowserContext) -> Iterator[Page]:
    """An empty page."""
    page = browser.new_page()
    page.set_default_timeout(MINUTE)
    try:
        yield page
    finally:
        page.close()


def options_of_make_lab() -> list[str]:
    """What `make lab` gives to JupyterLab beside the notebook."""
    (line,) = re.findall(r"jupyter lab .*", (PROJECT / "Makefile").read_text(encoding="utf-8"))
    return [word for word in shlex.split(line) if word.startswith("--")]


@contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """A JupyterLab for a folder; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = [
        f"--port={port}",
        f"--ServerApp.root_dir={folder}",
        "--IdentityProvider.token=test",
        *options_of_make_lab(),
    ]
    quiet = ["--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    quiet += ["--LabApp.expose_app_in_browser=True"]  # for `open_notebook`
    # Settings and sessions of whoever runs the tests stay out of it.
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTERLAB_SETTINGS_DIR", "COLORLIB_FIGURES")
    own = {name: str(folder / name.lower()) for name in folders}
    # By default only the cells in view are drawn, and a test could not find the others.
    settings = folder / "jupyterlab_settings_dir" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}')
    paths = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", *options, *quiet]
    with open(folder / "server.log", "w") as log:
        server = subprocess.Popen(command, env=os.environ | own | {"PYTHONPATH": paths}, stdout=log, stderr=log)
    try:
        for _ in range(1200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=2)
                break
            except OSError:
                assert server.poll() is None, (folder / "server.log").read_text()
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/lab?token=test"
    finally:
        server.terminate()
        server.wait(60)


# A kernel that is idle is handed on: a new one would first import PyTorch, Matplotlib and colorlib again.
OPEN = """async ([path, fresh, forget]) => {
    const {shell, commands, serviceManager} = window.jupyterapp;
    for (const shown of [...shell.widgets("main")]) {
        const before = shown.sessionContext?.session;
        const {model, kernel} = before ?? {};
        const keep = !fresh && kernel?.status === "idle";
        if (before && !keep) await shown.sessionContext.shutdown();
        shown.dispose();
        if (keep) {
            const session = serviceManager.sessions.connectTo({model});
            await session.setPath(path);
            await session.kernel.requestExecute({code: forget}).done;
            session.dispose();
        }
    }
    const notebook = await commands.execute("docmanager:open", {path, factory: "Notebook"});
    await notebook.context.ready;
}"""
FORGET = """%reset -f
from ipywidgets import Widget
from matplotlib import pyplot
Widget.close_all()
pyplot.close("all")
del Widget, pyplot"""


def open_notebook(page: Page, name: str, fresh: bool) -> None:
    """Show a notebook in an open JupyterLab, and nothing else; its kernel is ``fresh`` or that of the one before."""
    page.evaluate(OPEN, [name, fresh, FORGET])


def after(page: Page, action: Callable[[], object]) -> tuple[str, str]:
    """The panel's alternative text before an action, and after the picture has changed and come to rest."""
    picture = page.locator(PICTURE)
    alt, source = picture.get_attribute("alt"), picture.get_attribute("src")
    action()
    changed = f"old => ![undefined, old].includes(document.querySelector('{PICTURE}')?.src)"
    page.wait_for_function(changed, arg=source, timeout=MINUTE)
    while source != (source := picture.get_attribute("src")):
        page.wait_for_timeout(300)  # a slider that moves sends several values
        page.get_by_text(IDLE).wait_for(timeout=MINUTE)
    assert page.evaluate(f"document.querySelector('{PICTURE}').naturalWidth") > 100  # a picture, not a broken one
    return str(alt), str(picture.get_attribute("alt"))


def drag(page: Page, handle: int, pixels: int) -> Callable[[], None]:
    """Pull the slider of that number so far to the right."""

    def action() -> None:
        knob = page.locator(".noUi-handle").nth(handle)
        knob.scroll_into_view_if_needed()
        box = knob.bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + pixels, y, steps=5)
        page.mouse.up()

    return action
