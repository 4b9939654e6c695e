"""What makes a cell hard to follow or to run twice: length, a second definition, a name that changes its kind."""

import ast
import functools

import nbformat
import pytest
from nbformat import NotebookNode

from colorlib.course import NOTEBOOKS

LINES = 25  # of code; blank lines and the first comment for nbval do not count
STEMS = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
KINDS = {
    **{ast.List: "list", ast.ListComp: "list", ast.Dict: "dict", ast.DictComp: "dict", ast.Set: "set"},
    **{ast.SetComp: "set", ast.Tuple: "tuple", ast.JoinedStr: "str", ast.Lambda: "function"},
    **{ast.FunctionDef: "function", ast.ClassDef: "class"},
}


@functools.cache
def code_cells(stem: str) -> list[NotebookNode]:
    notebook = nbformat.read(NOTEBOOKS / f"{stem}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def length(source: str) -> int:
    lines = source.removeprefix("# NBVAL_CHECK_OUTPUT\n").splitlines()
    return sum(bool(line.strip()) for line in lines)


def bound(tree: ast.Module) -> list[tuple[str, str]]:
    """Names that a cell's top level binds to something whose kind can be seen, as (name, kind)."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.append((node.name, KINDS[type(node)]))
        elif isinstance(node, ast.Assign):
            value = node.value
            kind = type(value.value).__name__ if isinstance(value, ast.Constant) else KINDS.get(type(value))
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            found += [(name, kind) for name in names if kind and kind not in ("NoneType", "ellipsis")]
    return found


def two_kinds(sources: list[str]) -> dict[str, set[str]]:
    kinds: dict[str, set[str]] = {}
    for source in sources:
        for name, kind in bound(ast.parse(source)):
            kinds.setdefault(name, set()).add(kind)
    return {name: found for name, found in kinds.items() if len(found) > 1 and name != "_"}


def defined_twice(sources: list[str]) -> list[str]:
    nodes = [node for source in sources for node in ast.parse(source).body]
    names = [node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name != "_"]
    return sorted({name for name in names if names.count(name) > 1})


def test_the_rules_find_what_they_look_for():
    assert length("# NBVAL_CHECK_OUTPUT\na = 1\n\nb = 2") == 2
    assert two_kinds(["a = [1]\nb = 1", "a = {}\nb = 2\nc = ..."]) == {"a": {"list", "dict"}}
    assert two_kinds(["def f():\n    x = []", "f = 'text'\nx = 1"]) == {"f": {"function", "str"}}
    assert defined_twice(["def f(): ...", "class g: ...\ndef f(): ...\ndef h():\n    def g(): ..."]) == ["f"]


@pytest.mark.parametrize("stem", STEMS)
def test_no_function_is_defined_twice(stem):
    assert defined_twice([cell.source for cell in code_cells(stem)]) == []


@pytest.mark.parametrize("stem", STEMS)
def test_no_name_is_bound_to_two_kinds(stem):
    assert two_kinds([cell.source for cell in code_cells(stem)]) == {}


@pytest.mark.parametrize("stem", STEMS)
def test_cells_fit_on_a_screen(stem):
    found = [(n, cell.source.splitlines()[0]) for cell in code_cells(stem) if (n := length(cell.source)) > LINES]
    assert found == []
