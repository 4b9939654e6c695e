"""`make book`: the executed notebooks, the library's pages, a gallery and the texts as one static site with search.

The pages are laid out under build/book/pages as they lie in the project, so that links among them stay right; those
that are made from something else (start page, gallery, library) are written there too. Then Sphinx takes over, with
warnings as errors. Neither needs a network, and no notebook runs.
"""

import argparse
import ast
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from sphinx.cmd.build import build_main

import colorlib
from colorlib.cli import build_parser
from colorlib.training import describe_settings

DOCS = Path(__file__).parent
PROJECT = DOCS.parent
ROOMS = [room for room in colorlib.ROOMS if room != "cli"]
PAGES = "MODEL_CARD.md CONTRIBUTING.md docs/*.md data/README.md data/*/ATTRIBUTION.md experiments/*.md".split()
PAGES += "benchmarks/results.md notebooks/*.ipynb".split()
FILES = "LICENSE CITATION.cff experiments/held_out.txt figures/* docs/_static/*".split()  # shown, or linked to
LONGEST_VALUE = 80  # characters of a constant that is worth showing
CONTENTS = {
    "The course": ["notebooks/*"],
    "To look up": ["gallery", "docs/glossary", "docs/files", "docs/teaching"],
    "The library": ["library/index", *[f"library/{room}" for room in ROOMS], "library/command_line"],
    "How good, how fast": [
        "MODEL_CARD",
        "experiments/scores",
        "experiments/ablations",
        "experiments/overfit",
        "experiments/twin",
        "experiments/inputs",
        "experiments/refine",
        "experiments/palette",
        "experiments/films",
        "benchmarks/results",
    ],
    "The project": ["CONTRIBUTING", "data/README", "data/*/ATTRIBUTION"],
}


def write(path: Path, text: str) -> None:
    """Write what has changed: Sphinx reads again what is newer than its last run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def lay_out(pages: Path) -> None:
    """Copy what the site is made of, and remove what an earlier site was made of."""
    wanted = {source.relative_to(PROJECT) for pattern in PAGES + FILES for source in PROJECT.glob(pattern)}
    generated: dict[str, str] = {"index.md": start_page(), "gallery.md": gallery(), **library()}
    for old in [path for path in pages.rglob("*") if path.is_file()]:
        if old.relative_to(pages) not in wanted and old.relative_to(pages).as_posix() not in generated:
            old.unlink()
    for path in wanted:
        target = pages / path
        if path.suffix == ".ipynb":
            write(target, for_the_site((PROJECT / path).read_text(encoding="utf-8")))
        elif not target.exists() or target.stat().st_mtime != (PROJECT / path).stat().st_mtime:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / path, target)
    for name, text in generated.items():
        write(pages / name, text)


def for_the_site(notebook: str) -> str:
    """A notebook's text whose links in HTML lead to pages, and with no link to a notebook that is not written yet."""

    def if_it_exists(link: re.Match[str]) -> str:
        return link[0] if (PROJECT / "notebooks" / link[2]).exists() else link[1]

    notebook = re.sub(r"\[([^\[\]]+)\]\((\d\d[a-z]?_\w+\.ipynb)\)", if_it_exists, notebook)
    return re.sub(r'(<a href=\\"\d\d[a-z]?_\w+)\.ipynb', r"\1.html", notebook)


def start_page() -> str:
    """The README, and the contents of all."""
    readme = (PROJECT / "README.md").read_text(encoding="utf-8").replace("](figures/)", "](gallery.md)")
    toctree = "```{{toctree}}\n:hidden:\n:glob:\n:caption: {}\n\n{}\n```\n"
    return "\n".join([readme, *[toctree.format(title, "\n".join(names)) for title, names in CONTENTS.items()]])


def title_of(notebook: str) -> str:
    cells = json.loads((PROJECT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    return "".join(cells[0]["source"]).splitlines()[0].removeprefix("# ")


def gallery() -> str:
    """All figures, notebook by notebook, each with its alternative text as caption and a way to where it is drawn."""
    manifest = json.loads((PROJECT / "figures" / "manifest.json").read_text(encoding="utf-8"))
    lines = ["# Gallery", "", "Every figure of the course. A click leads to the notebook that draws it."]
    for notebook in sorted({entry["notebook"] for entry in manifest.values()}):
        lines += ["", f"## {title_of(notebook)}", "", "::::{container} gallery"]
        for name, entry in manifest.items():
            if entry["notebook"] == notebook and not entry["file"].endswith(".mp4"):
                lines += [f":::{{figure}} figures/{entry['file']}", f":alt: {entry['alt']}"]
                lines += [f":target: notebooks/{notebook}.html", "", f"`{name}` {entry['alt']}", ":::"]
        lines.append("::::")
    return "\n".join(lines) + "\n"


def names_by_module(room: str) -> dict[str, list[str]]:
    """What each module of a room makes public, in reading order: the table in the room's ``__init__``."""
    tree = ast.parse(Path(str(import_module(f"colorlib.{room}").__file__)).read_text(encoding="utf-8"))
    tables = [
        node.args[1] for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "lazily"
    ]
    return {module: names.split() for module, names in ast.literal_eval(tables[0]).items()}


def library() -> dict[str, str]:
    """A page for each room, in reading order, one for what colorlib itself offers, and one for the shell."""
    pages = {"library/index.rst": page("colorlib", ["load", "ColorlibError"])}
    for room in ROOMS:
        text = page(f"colorlib.{room}", [])
        for module, names in names_by_module(room).items():
            text += heading(module, "-") + f".. automodule:: colorlib.{room}.{module}\n   :no-index:\n\n"
            text += "".join(documented(f"colorlib.{room}", name) for name in names)
        pages[f"library/{room}.rst"] = text
    return {**pages, "library/command_line.md": command_line()}


def heading(title: str, line: str) -> str:
    return f"{title}\n{line * len(title)}\n\n"


def page(module: str, names: list[str]) -> str:
    text = heading(module, "=") + f".. automodule:: {module}\n\n"
    return text + "".join(documented(module, name) for name in names)


def documented(module: str, name: str) -> str:
    """The directive that shows a function, a class with its methods, or a constant."""
    thing = getattr(import_module(module), name)
    if isinstance(thing, type):
        kind = "autoexception" if issubclass(thing, Exception) else "autoclass"
        return f".. {kind}:: {module}.{name}\n   :members:\n\n"
    if callable(thing):
        return f".. autofunction:: {module}.{name}\n\n"
    short = repr(thing) if len(repr(thing)) <= LONGEST_VALUE and "\n" not in repr(thing) else None
    value = f"   :value: {short}\n" if short and " at 0x" not in short and str(PROJECT) not in short else ""
    return f".. py:data:: {name}\n   :module: {module}\n   :type: {type(thing).__name__}\n{value}\n"


def commands_of(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """A command, and all below it, by what one types."""
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, command in action.choices.items():
                yield from commands_of(command, f"{name} {word}")


def command_line() -> str:
    """What ``--help`` prints, of the whole and of each command."""
    os.environ["COLUMNS"] = "100"
    parser = build_parser()
    shown = {name: command.format_help() for name, command in commands_of(parser, "colorlib")}
    shown["colorlib train"] += "\n" + describe_settings()  # as its --help does
    blocks = [f"## {name}\n\n```text\n{text.rstrip()}\n```\n" for name, text in shown.items()]
    return "\n".join(["# The command line\n", *blocks])


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the site, offline; warnings are errors.")
    parser.add_argument("--out", type=Path, default=PROJECT / "build" / "book", help="default: build/book")
    out: Path = parser.parse_args().out
    lay_out(out / "pages")
    options = ["-b", "html", "-c", str(DOCS), "-d", str(out / "doctrees"), "-W", "--keep-going", "-q"]
    code: int = build_main([*options, str(out / "pages"), str(out / "html")])
    if code == 0:
        print(f"open {out / 'html' / 'index.html'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
