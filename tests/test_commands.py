"""Commands that the texts show: each is one that the shell would take, and names settings that there are."""

import dataclasses
import json
import re
import shlex
from pathlib import Path

import pytest

from colorlib.cli import build_parser
from colorlib.files import PROJECT
from colorlib.training import TrainingConfig

SETTINGS = {field.name for field in dataclasses.fields(TrainingConfig)}
TEXTS = [path for where in ("*.md", "docs/*.md", "configs/*.yaml", "notebooks/*.ipynb") for path in PROJECT.glob(where)]
LINE = re.compile(r"^(?: {4,}|# {2,})(?:\.venv/bin/)?(?:python -m )?(colorlib|experiments\.\w+) +(.+)$", re.M)
END = re.compile(r"\s{2,}[(#]|\s&&\s|\s\|\s")  # of the command: an explanation beside it, or another one


def text_of(path: Path) -> str:
    """What a person reads: of notebooks the prose."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")


def commands(text: str) -> list[tuple[str, list[str]]]:
    """The indented lines that are commands, as (program, words); after a backslash they go on in the next line."""
    found = LINE.findall(re.sub(r"\\\n\s*", "", text))
    return [(program, shlex.split(END.split(words)[0], comments=True)) for program, words in found]


def unknown_settings(words: list[str]) -> list[str]:
    """Those that follow ``--set`` and do not exist."""
    following = words[words.index("--set") + 1 :] if "--set" in words else []
    named = [word.split("=")[0] for word in following if "=" in word]
    return [name for name in named if name not in SETTINGS]


SHOWN = [(path, program, words) for path in sorted(TEXTS) for program, words in commands(text_of(path))]


@pytest.mark.parametrize(("path", "program", "words"), SHOWN, ids=lambda value: getattr(value, "name", None))
def test_a_command_that_is_shown_would_run(path: Path, program: str, words: list[str]) -> None:
    assert unknown_settings(words) == []
    if program == "colorlib" and "…" not in words:
        build_parser().parse_args(words)  # exits where it does not understand
    for word in words:
        assert not word.startswith("configs/") or (PROJECT / word).is_file()


def test_commands_are_found_and_wrong_ones_noticed() -> None:
    text = (
        "colorlib is a library.\n\n    .venv/bin/colorlib train a.yaml \\\n      --set crop=64 frame=96  # more\n"
        "#   colorlib models"
    )
    assert commands(text) == [
        ("colorlib", ["train", "a.yaml", "--set", "crop=64", "frame=96"]),
        ("colorlib", ["models"]),
    ]
    assert unknown_settings(commands(text)[0][1]) == ["frame"]
    with pytest.raises(SystemExit):
        build_parser().parse_args(["train", "a.yaml", "--frame", "96"])
    assert {path.name for path, _, _ in SHOWN} > {"README.md", "paper.yaml", "10_dataset_variety.ipynb"}
