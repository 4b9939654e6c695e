"""The site that `make book` makes: built once, without a network, and then looked at in a browser.

Needs the extra `book`; where that is not installed the tests are skipped, except where CI says that they have to run.
"""

import functools
import html
import importlib.util
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from lab_in_browser import chromium, new_page
from playwright.sync_api import Page

import colorlib
from colorlib.files import PROJECT

pytestmark = pytest.mark.slow
STEMS = sorted(path.stem for path in (PROJECT / "notebooks").glob("*.ipynb"))
WIDTHS = (1400, 400)  # pixels: a laptop, a telephone
# Any connection fails at once, so that a build that fetches something fails, too.
OFFLINE = """
import runpy, socket, sys
def refuse(*_): raise OSError("the site is to be built without a network")
socket.socket.connect = socket.getaddrinfo = refuse
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site's pages. Sphinx's warnings, such as a link that leads nowhere, are errors."""
    missing = [name for name in ("sphinx", "myst_nb", "sphinx_book_theme") if importlib.util.find_spec(name) is None]
    if missing:
        if os.environ.get("CI"):
            pytest.fail(f"CI is set, so the site has to be built, but {missing} are missing: install .[dev]")
        pytest.skip("needs the extra book: pip install -e .[book]")
    out = tmp_path_factory.mktemp("book")
    command = [sys.executable, "-c", OFFLINE, str(PROJECT / "docs" / "book.py"), "--out", str(out)]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    }
    result = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-4000:]
    return out / "html"


class Links(HTMLParser):
    """Where a page's links and pictures lead, and the places on it that links can name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.fetched: set[str] = set()
        self.anchors: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.targets.add(values["href"])
        elif address := values.get("src") or (values.get("href") if tag == "link" else None):
            self.fetched.add(address)


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Links]:
    paths = [path for path in site.rglob("*.html") if "_static" not in path.parts]  # the theme keeps templates there
    return {path: Links(path.read_text(encoding="utf-8")) for path in paths}


def test_all_is_there(pages, site):
    names = {path.relative_to(site).as_posix() for path in pages}
    assert {f"notebooks/{stem}.html" for stem in STEMS} <= names
    assert {f"library/{room}.html" for room in colorlib.ROOMS if room != "cli"} <= names
    assert {"index.html", "gallery.html", "library/command_line.html", "docs/files.html", "search.html"} <= names


def test_every_link_within_the_site_leads_somewhere(pages):
    for page, links in pages.items():
        for address in links.targets | links.fetched:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc or address.startswith("data:"):
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            assert target.exists(), f"{page.name}: {address}"
            if target in pages and parts.fragment:
                assert unquote(parts.fragment) in pages[target].anchors, f"{page.name}: {address}"


def test_nothing_is_fetched_from_elsewhere(pages):
    for page, links in pages.items():
        far = {address for address in links.fetched if urlsplit(address).netloc or address.startswith("http")}
        assert not far, f"{page.name} needs a network for {far}"


def test_no_page_tells_where_it_was_made(pages):
    assert not [page.name for page in pages if str(PROJECT) in page.read_text(encoding="utf-8")]


def pictures(text: str) -> list[str]:
    return re.findall(r'src="(data:image/[^"]+)"', text)


@pytest.mark.parametrize("stem", STEMS)
def test_a_notebook_s_page_shows_the_committed_outputs(stem, site):
    """Every picture, byte for byte: the notebooks were not run again."""
    cells = nbformat.read(PROJECT / "notebooks" / f"{stem}.ipynb", as_version=4).cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    committed = [p for output in outputs for p in pictures(output.get("data", {}).get("text/html", ""))]
    assert committed
    assert pictures((site / "notebooks" / f"{stem}.html").read_text(encoding="utf-8")) == committed


def test_the_page_of_the_command_line_has_every_command_and_setting(site):
    text = (site / "library" / "command_line.html").read_text(encoding="utf-8")
    for words in ("colorlib data prepare folder", "--keep-gray", "colorlib workbook", "max_steps"):
        assert words in text


def test_the_library_s_pages_show_every_public_name(site):
    for room in colorlib.ROOMS:
        if room != "cli":
            text = html.unescape((site / "library" / f"{room}.html").read_text(encoding="utf-8"))
            public = getattr(colorlib, room).__all__
            assert public and not [name for name in public if f'id="colorlib.{room}.{name}"' not in text]


def test_the_gallery_has_every_figure_with_its_description(pages, site):
    text = (site / "gallery.html").read_text(encoding="utf-8")
    figures = {path.name for path in (PROJECT / "figures").iterdir() if path.suffix in (".png", ".jpg")}
    shown = re.findall(r'<img alt="([^"]{30,})" src="_images/([^"]+)"', text)
    assert {file for _, file in shown} == figures


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """The site on a server of its own, as a teacher would serve it to a class."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def browser(address: str) -> Iterator[tuple[Page, list[str]]]:
    """An empty page, and what went wrong in it so far: errors on the console, failures, requests to other machines."""
    troubles: list[str] = []
    with chromium() as window, new_page(window) as page:
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("requestfailed", lambda request: troubles.append(f"failed: {request.url}"))
        page.on(
            "response", lambda reply: troubles.append(f"{reply.status}: {reply.url}") if reply.status >= 400 else None
        )
        own = (address, "data:", "blob:")
        page.on("request", lambda sent: troubles.append(f"far: {sent.url}") if not sent.url.startswith(own) else None)
        yield page, troubles


def test_every_page_loads_without_an_error_and_fits_its_window(browser, address, pages, site):
    page, troubles = browser
    texts = [path.relative_to(site).as_posix() for path in pages if "_modules" not in path.parts]
    widths = list(WIDTHS)
    for name in texts:
        page.goto(f"{address}/{name}", wait_until="load")
        assert page.locator("h1").first.inner_text()
        for width in widths:
            page.set_viewport_size({"width": width, "height": 1000})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} at {width} pixels"
        widths.reverse()  # a page is laid out anew for each change of the window: the next begins as this one ended
        assert troubles == [], name


def test_search_finds_temperature(browser, address):
    page, troubles = browser
    page.goto(f"{address}/search.html?q=temperature")
    results = page.locator("#search-results li")
    results.first.wait_for()
    found = [entry.get_attribute("href") for entry in page.locator("#search-results li a").all()]
    assert any(str(link).startswith("notebooks/06_temperature.html") for link in found)
    page.wait_for_load_state("networkidle")  # the results quote the pages they are from
    page.goto(f"{address}/search.html?q=quixotic")
    page.get_by_text("did not match any documents").wait_for()
    assert page.locator("#search-results li").count() == 0
    assert troubles == []


def test_the_page_of_notebook_06_shows_its_figures(browser, address):
    page, troubles = browser
    page.goto(f"{address}/notebooks/06_temperature.html")
    sizes = page.evaluate(
        "[...document.querySelectorAll('.cell_output img')].map(i => [i.naturalWidth, i.clientWidth])"
    )
    metadata = nbformat.read(PROJECT / "notebooks" / "06_temperature.ipynb", as_version=4).metadata
    assert len(sizes) >= len(metadata.colorlib.figures) > 3
    assert all(natural > 100 and shown > 100 for natural, shown in sizes)
    assert page.locator("math").count() > 5 and troubles == []
