"""Every relative link in the texts and notebooks leads to a file that is there, and to a heading that it has."""

import functools
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

from colorlib.files import PROJECT

PLANNED: set[Path] = set()  # notebooks that others already lead on to, not written yet
FOLDERS = [".", "docs", "notebooks", "data", "data/*", "experiments", "benchmarks"]
PAGES = sorted(p for folder in FOLDERS for kind in ("md", "ipynb") for p in PROJECT.glob(f"{folder}/*.{kind}"))


@functools.cache
def text_of(page: Path) -> str:
    """The Markdown of a page, without its code."""
    if page.suffix == ".ipynb":
        cells = nbformat.read(page, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    else:
        text = page.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```|^ {4}.*?$", "", text, flags=re.M | re.S)


def links_of(text: str) -> list[str]:
    """Where links and pictures lead, in Markdown and in HTML."""
    found = re.findall(r"\]\(<?([^()\s<>]+)>?\)", text) + re.findall(r'(?:href|src)="([^"]+)"', text)
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors_of(page: Path) -> set[str]:
    """The names of its headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_every_link_leads_somewhere(page):
    for link in links_of(text_of(page)):
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists() or target in PLANNED, f"no file for {link}"
        if anchor and target.suffix in (".md", ".ipynb"):
            assert anchor in anchors_of(target), f"no heading for {link}"


def test_links_are_found():
    text = 'a [b](c.md#d) ![e](f.png) <a href="g.ipynb">h</a> [i](https://j.org) [k](mailto:l) `m`'
    assert links_of(text) == ["c.md#d", "f.png", "g.ipynb"]
    assert len(PAGES) > 20 and sum(len(links_of(text_of(page))) for page in PAGES) > 60


@pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="not a git checkout")
def test_links_lead_to_what_is_committed():
    listed = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    committed = {(PROJECT / name).resolve() for name in listed.splitlines()}
    committed |= {parent for path in committed for parent in path.parents}
    for page in PAGES:
        if page in committed:
            targets = {(page.parent / unquote(link.split("#")[0])).resolve() for link in links_of(text_of(page))}
            assert targets <= committed | PLANNED, page.name
