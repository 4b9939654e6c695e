"""The shape of the library itself: reading order, docstrings, no pickles, and one list of dependencies."""

import ast
import tomllib
from pathlib import Path

import pytest
import yaml

import colorlib

PACKAGE = Path(colorlib.__file__).parent
PROJECT = PACKAGE.parent
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))

# The order in which the course teaches the modules: a reader who has reached one has met all that it imports.
READING_ORDER = """
errors compat color bins photos datasets sources cache augment models losses checkpoints config
batches distributed runs training prediction
confidence metrics judges peers forced_choice propagation motion video clips shots streaming video_metrics
""".split()

# What serves the notebooks and the shell may use anything, and drawing may be used by anything.
OUTSIDE_THE_COURSE = {"__init__", "__main__", "cli", "course", "figures", "widgets", "workbook"}


def tree_of(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))


def modules_imported_by(module: str) -> set[str]:
    """The modules of colorlib that one of them imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(tree_of(module)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            assert node.level == 0, f"{module} has a relative import"
        found |= {name.split(".")[1] for name in names if name.startswith("colorlib.")} & set(MODULES)
    return found


def test_every_module_has_its_place_in_the_course():
    assert set(MODULES) - set(READING_ORDER) - OUTSIDE_THE_COURSE == set()


@pytest.mark.parametrize("module", [module for module in READING_ORDER if module in MODULES])
def test_no_module_imports_one_taught_later(module):
    taught_before = set(READING_ORDER[: READING_ORDER.index(module)])
    assert modules_imported_by(module) - {"figures"} <= taught_before


def test_the_reading_order_is_put_to_use():
    """The test above can fail: the imports it looks for are there."""
    assert {"batches", "bins", "losses", "models"} <= modules_imported_by("training")
    assert modules_imported_by("errors") == set()


def public_definitions(module: str) -> list[tuple[str, ast.AST]]:
    """The module itself, its public functions and classes, and their public methods."""

    def inside(node: ast.AST, prefix: str) -> list[tuple[str, ast.AST]]:
        result: list[tuple[str, ast.AST]] = []
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                if not child.name.startswith("_"):
                    result.append((f"{prefix}.{child.name}", child))
                    if isinstance(child, ast.ClassDef):
                        result += inside(child, f"{prefix}.{child.name}")
        return result

    tree = tree_of(module)
    return [(module, tree), *inside(tree, module)]


@pytest.mark.parametrize("module", [module for module in MODULES if module != "__main__"])
def test_everything_public_is_explained(module):
    """Modules, functions and classes; of methods those whose name and types do not say it all."""
    silent = []
    for name, node in public_definitions(module):
        is_method = name.count(".") == 2
        if not ast.get_docstring(node) and not is_method:  # type: ignore[arg-type]
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
    for module in set(MODULES) - OUTSIDE_THE_COURSE:
        calls = [node for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call)]
        names = [node.func.id for node in calls if isinstance(node.func, ast.Name)]
        assert "print" not in names, module


def test_pyproject_and_environment_agree():
    """environment.yml brings Python and pip, and leaves everything else to the one list in pyproject.toml."""
    pyproject, environment = PROJECT / "pyproject.toml", PROJECT / "environment.yml"
    if not pyproject.exists() or not environment.exists():
        pytest.skip("not in a clone of the project")
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    conda = yaml.safe_load(environment.read_text(encoding="utf-8"))
    assert conda["name"] == project["name"] == "colorlib"
    from_conda = [entry for entry in conda["dependencies"] if isinstance(entry, str)]
    from_pip = [entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict)]
    assert from_pip == [["-e .[dev]"]]
    assert sorted(entry.split(" ")[0].split(">")[0].split("=")[0] for entry in from_conda) == ["pip", "python"]
    python = next(entry for entry in from_conda if entry.startswith("python"))
    assert python.removeprefix("python").strip() == project["requires-python"].strip()
    assert "dev" in project["optional-dependencies"]
    assert "pytorch" not in conda.get("channels", [])  # that channel is no longer maintained
    assert {"torch==2.13.0", "torchvision==0.28.0"} <= set(project["dependencies"])
