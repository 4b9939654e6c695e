"""The shape of the library itself: its rooms and their order, docstrings, and no pickles."""

import ast
import importlib
import inspect
import re
import subprocess
from pathlib import Path

import pytest

import colorlib

PACKAGE = Path(colorlib.__file__).parent
PROJECT = PACKAGE.parent

# The order in which the course teaches: a reader who has reached a module has met all that it imports.
READING_ORDER = {
    "": "errors lazy files parallel",
    "color": "spaces lookup bins",
    "data": "decoding metadata photos writing finding datasets sources duplicates cache augment sevenfold",
    "models": "encoder networks checkpoints",
    "training": "losses config photos batches teachers state loop",
    "prediction": "annealing upsampling colorizer propagation reference hints export",
    "evaluation": "metrics intervals confidence evaluate select perceptual zhang2016 forced_choice",
    "video": "smoothing lookahead motion cuts clock frames film encoder tracks pieces pipeline shots metrics",
    "course": "exercises figures quotations claims trainings tables plots widgets workbook",
    "cli": "shared colorize video models export evaluate data bins train workbook",
}
IN_ORDER = [f"{room}.{name}".lstrip(".") for room, names in READING_ORDER.items() for name in names.split()]
MODULES = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".") for path in PACKAGE.rglob("*.py")
)
TALKATIVE = ("course.", "cli.")  # what serves the notebooks and the shell may print


def tree_of(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))


def imported_by(module: str) -> set[str]:
    """What a module imports of colorlib, anywhere in it: modules, and rooms where it names no module of them."""
    found: set[str] = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            source = str(node.module)
            modules = {f"{source}.{alias.name}" for alias in node.names}
            known = {f"colorlib.{name}" for name in IN_ORDER}
            found |= modules & known or {source}
    return {name.removeprefix("colorlib.") for name in found if name.startswith("colorlib.")}


def place_of(name: str) -> int:
    """Where a module stands; a room stands where its last module does."""
    return max(place for place, module in enumerate(IN_ORDER) if module == name or module.startswith(f"{name}."))


def is_room(module: str) -> bool:
    return module.endswith("__init__") or module == "__main__"


def test_every_module_has_its_place_and_every_place_its_module():
    assert {module for module in MODULES if not is_room(module)} == set(IN_ORDER)
    rooms = {f"{room}.__init__" for room in READING_ORDER if room}
    assert {module for module in MODULES if is_room(module)} == {"__init__", "__main__", *rooms}


@pytest.mark.parametrize("module", IN_ORDER)
def test_no_module_imports_one_taught_later(module):
    assert {name for name in imported_by(module) if place_of(name) >= IN_ORDER.index(module)} == set()


def test_the_reading_order_is_put_to_use():
    """The test above can fail: the imports it looks for are there."""
    assert {"training.batches", "color.bins", "training.losses", "models.networks"} <= imported_by("training.loop")
    assert {"video", "prediction"} <= imported_by("cli.video") | imported_by("cli.shared")
    assert imported_by("errors") == set()


def test_the_map_in_the_readme_is_the_listing():
    """Folder by folder, module by module, in reading order."""
    readme = PROJECT / "README.md"
    if not readme.exists() or not (PROJECT / ".git").exists():
        pytest.skip("not in a clone of the project")
    layout = readme.read_text(encoding="utf-8").split("## Layout")[1].split("\n## ")[0]
    drawn: dict[str, list[str]] = {}
    room = ""
    for line in layout.splitlines():
        if found := re.match(r" {6}(\w+)/ ", line):
            room = found[1]
        drawn.setdefault(room, []).extend(re.findall(r"(\w+)\.py", line))
    assert drawn.pop("weights") == []
    assert {room: " ".join(modules) for room, modules in drawn.items()} == READING_ORDER
    folders = re.findall(r"^ {4}(\w+)/ ", layout, re.M)
    tracked = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    listing = {line.split("/")[0] for line in tracked.splitlines() if "/" in line and not line.startswith(".")}
    assert sorted(folders) == sorted(listing)


@pytest.mark.parametrize("room", [room for room in READING_ORDER if room not in ("", "cli")])
def test_a_room_offers_what_is_in_it(room):
    """Every name that it lists is there, and none is a module's name, which Python would put in its place."""
    package = getattr(colorlib, room)
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert not set(package.__all__) & set(READING_ORDER[room].split())
    assert set(package.__all__) | set(READING_ORDER[room].split()) == set(dir(package))
    with pytest.raises(AttributeError, match=f"colorlib.{room}"):
        _ = package.nothing_of_the_kind


def public_definitions(module: str) -> list[tuple[str, ast.AST]]:
    """The module itself, its public functions and classes, and their public methods."""

    def inside(node: ast.AST, prefix: str) -> list[tuple[str, ast.AST]]:
        result: list[tuple[str, ast.AST]] = []
        for child in ast.iter_child_nodes(node):
            definition = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if definition and not child.name.startswith("_"):
                result.append((f"{prefix}.{child.name}", child))
                if isinstance(child, ast.ClassDef):
                    result += inside(child, f"{prefix}.{child.name}")
        return result

    tree = tree_of(module)
    return [(module, tree), *inside(tree, module)]


def inherited_docstring(module: str, name: str) -> str | None:
    """What the classes from which a class has a method say of that method."""
    container, method = name.removeprefix(f"{module}.").split(".")
    return inspect.getdoc(getattr(getattr(importlib.import_module(f"colorlib.{module}"), container), method))


@pytest.mark.parametrize("module", MODULES)
def test_everything_public_is_explained(module):
    """Modules, functions, classes, and methods that do not only do what another class has promised."""
    silent = []
    for name, node in public_definitions(module):
        is_method = name.removeprefix(module).count(".") == 2
        if not (ast.get_docstring(node) or is_method and inherited_docstring(module, name)):  # type: ignore[arg-type]
            silent.append(name)
    assert silent == []


def test_nothing_is_unpickled_without_restraint():
    """A pickle runs whatever code its author wrote, and the usual ways to load weights and arrays open pickles."""
    for module in MODULES:
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.Import):
                assert not {alias.name for alias in node.names} & {"dill", "joblib", "marshal", "shelve"}, module
            if isinstance(node, ast.Attribute):
                assert ast.unparse(node) not in {"pickle.load", "pickle.loads", "yaml.load", "yaml.unsafe_load"}, module
            if isinstance(node, ast.Call):
                settings = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert settings.get("allow_pickle", "False") == "False", module
                if ast.unparse(node.func) == "torch.load":
                    assert settings.get("weights_only") == "True", module


def test_the_library_prints_nothing():
    """Results are returned; only what serves notebooks and the shell talks."""
    for module in MODULES:
        if module.startswith(TALKATIVE):
            continue
        calls = [node for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call)]
        names = [node.func.id for node in calls if isinstance(node.func, ast.Name)]
        assert "print" not in names, module
