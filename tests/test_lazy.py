"""Nothing heavy is imported before it is used, and what is used is found."""

import subprocess
import sys

import pytest

import colorlib

HEAVY = ("torch", "torchvision", "numpy", "scipy", "skimage", "matplotlib", "IPython", "ipywidgets", "papermill", "av")


def modules_after(code: str) -> set[str]:
    """Every module that a fresh Python has imported after running some code."""
    ending = "\nimport sys\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code + ending], capture_output=True, text=True, check=True)
    return set(result.stdout.splitlines()[-1].split())


def imported_by(code: str) -> set[str]:
    """Which of the heavy packages a fresh Python has imported after running some code."""
    return modules_after(code) & set(HEAVY)


@pytest.mark.parametrize(
    "code",
    [
        "import colorlib; colorlib.ColorlibError; colorlib.__version__",
        "from colorlib import color, data, models, training, prediction, evaluation, video, course, cli",
        "from colorlib.cli import build_parser; build_parser()",
        "from colorlib.files import user_data_folder; user_data_folder()",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(code):
    assert imported_by(code) == set()


def test_the_help_of_every_command_needs_no_pytorch():
    commands = "colorize", "video", "models", "export", "evaluate", "bins", "train", "workbook", "data prepare sun397"
    for command in commands:
        code = f"from colorlib.cli import main\ntry:\n main({[*command.split(), '--help']!r})\nexcept SystemExit: pass"
        assert imported_by(code) == set(), command


def test_help_loads_the_commands_and_little_else_of_python():
    code = "from colorlib.cli import main\ntry:\n main(['--help'])\nexcept SystemExit: pass"
    more = modules_after(code) - modules_after("import argparse")
    ours = {name for name in more if name.startswith("colorlib")}
    assert {name for name in ours if "cli" not in name} == {"colorlib", "colorlib.errors", "colorlib.lazy"}
    assert not more & {"importlib.metadata", "email", "logging", "inspect", "dataclasses", "json", "csv", "tqdm"}
    assert len(more - ours) < 30  # what argparse takes to format a text, typing and glob


def test_coloring_a_photo_needs_neither_torchvision_nor_jupyter():
    imported = imported_by("import colorlib; colorlib.load()")
    assert "torch" in imported and not imported & {"torchvision", "matplotlib", "IPython", "ipywidgets", "papermill"}


def test_the_library_offers_its_names_and_rooms():
    assert set(colorlib.__all__) <= set(dir(colorlib))
    assert all(hasattr(colorlib, name) for name in colorlib.__all__)
    assert colorlib.ColorBins is colorlib.color.ColorBins is colorlib.color.bins.ColorBins
    with pytest.raises(AttributeError, match="nonsense"):
        _ = colorlib.nonsense
