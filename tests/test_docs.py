"""Every example in a docstring is run: what the documentation shows is what happens."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest
import torch

import colorlib
from colorlib.models import bundled_checkpoints
from colorlib.prediction import DEFAULT_MODEL

PROJECT = colorlib.__path__[0] + "/.."
MODULES = ["colorlib", *(module.name for module in pkgutil.walk_packages(colorlib.__path__, "colorlib."))]


def examples_of(module_name: str) -> list[doctest.DocTest]:
    """The docstrings with examples of a module, found anew by importing it."""
    if module_name == "colorlib.__main__":
        return []
    module = importlib.import_module(module_name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    known = {"np": np, "torch": torch, **vars(module)}
    return [test for test in finder.find(module, module_name, globs=known) if test.examples]


def needs_bundled_model(test: doctest.DocTest) -> bool:
    return any("load()" in example.source for example in test.examples)


ALL = [test for module in MODULES for test in examples_of(module)]


def run(test: doctest.DocTest) -> None:
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    result = runner.run(test, out=report.append)
    assert result.attempted > 0 and result.failed == 0, "".join(report)


@pytest.mark.parametrize("test", ALL, ids=lambda test: test.name)
def test_example(test, monkeypatch, request):
    if needs_bundled_model(test) and DEFAULT_MODEL not in bundled_checkpoints():
        pytest.skip("the bundled model is not here yet")
    if test.name.startswith("colorlib.prediction.export"):
        request.getfixturevalue("onnx_packages")
    monkeypatch.chdir(PROJECT)
    run(test)


def test_the_examples_are_found():
    """Or all of the above would pass by testing nothing."""
    names = {test.name for test in ALL}
    assert len(names) >= 25
    assert {"colorlib", "colorlib.color.spaces.merge_luma_chroma", "colorlib.color.bins.ColorBins"} <= names
    assert "colorlib.models.networks.ColorUNet" in names


def test_a_wrong_example_would_be_noticed():
    with pytest.raises(AssertionError, match="Expected"):
        run(doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0))
