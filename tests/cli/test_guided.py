"""``colorize --refine`` and ``--hints``: what is asked for reaches the picture, and a wrong file stops it all."""

from pathlib import Path

import numpy as np
import pytest

from colorlib.cli import main
from colorlib.color import chroma_of
from colorlib.data import read_photo, to_tensor, write_photo
from colorlib.models import build, save_checkpoint
from colorlib.prediction import Colorizer, GuidedColorizer, Hint, write_hints


@pytest.fixture
def photo(tmp_path: Path, synthetic_photo: np.ndarray) -> Path:
    path = tmp_path / "hill.png"
    write_photo(path, synthetic_photo)
    return path


def colored(photo: Path, out: Path, checkpoint: Path, *options: str) -> np.ndarray:
    assert main(["colorize", str(photo), "--out", str(out), "--model", str(checkpoint), *options]) == 0
    return read_photo(out / photo.name)


def test_refine_spreads_the_surest_colors(photo, tmp_path, tiny_checkpoint):
    plain = colored(photo, tmp_path / "plain", tiny_checkpoint)
    refined = colored(photo, tmp_path / "refined", tiny_checkpoint, "--refine")
    expected = GuidedColorizer(Colorizer.load(tiny_checkpoint, "cpu"), refined=True).colorize(photo)
    assert abs(refined.astype(int) - expected).max() <= 1 and (refined != plain).any()


def test_hints_color_their_place(photo, tmp_path, tiny_checkpoint):
    write_hints(tmp_path / "hints.json", [Hint(0.5, 0.8, (0.15, -0.1))])
    for extra in ([], ["--refine"]):
        hints = ["--hints", str(tmp_path / "hints.json"), *extra]
        picture = to_tensor(colored(photo, tmp_path / "out", tiny_checkpoint, *hints))
        height, width = picture.shape[1:]
        there = chroma_of(picture)[:, int(0.8 * height), width // 2]
        assert there.tolist() == pytest.approx([0.15, -0.1], abs=0.02)


@pytest.mark.parametrize(
    ("text", "message"), [("{}", "not hints"), ('{"format": "colorlib-hints-1", "hints": [{}]}', "hint 1: ")]
)
def test_wrong_hints_are_refused_before_anything_is_written(photo, tmp_path, tiny_checkpoint, capsys, text, message):
    (tmp_path / "bad.json").write_text(text)
    arguments = ["--out", str(tmp_path / "out"), "--model", str(tiny_checkpoint), "--hints", str(tmp_path / "bad.json")]
    assert main(["colorize", str(photo), *arguments]) == 1
    error = capsys.readouterr().err
    assert "bad.json: " in error and message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [["--confidence"], ["--refine"], ["--temperature", "0.5"]])
def test_what_a_regression_lacks_is_said_once_before_anything_is_written(photo, tmp_path, tiny_bins, capsys, options):
    save_checkpoint(tmp_path / "l2.safetensors", build("FlatNet", 2), tiny_bins, {"output": "chroma"})
    arguments = ["--out", str(tmp_path / "out"), "--model", str(tmp_path / "l2.safetensors"), "--device", "cpu"]
    assert main(["colorize", str(photo), str(photo.parent / "*.png"), *arguments, *options]) == 1
    answer = capsys.readouterr()
    assert answer.err.count("L2 regression") == 1 and not answer.out and not (tmp_path / "out").exists()


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    """A photo that is orange all over."""
    path = tmp_path / "orange.png"
    write_photo(path, np.full((20, 30, 3), (200, 120, 40), np.uint8))
    return path


@pytest.mark.parametrize("extra", [[], ["--refine"]])
def test_a_palette_moves_the_picture_towards_its_colors(photo, reference, tmp_path, tiny_checkpoint, extra):
    wanted = chroma_of(to_tensor(read_photo(reference)))[:, 0, 0]

    def distance(*options: str) -> float:
        picture = to_tensor(colored(photo, tmp_path / "out", tiny_checkpoint, *options, *extra))
        return float((chroma_of(picture).mean((1, 2)) - wanted).norm())

    palette = ["--palette", str(reference)]
    plain, half, whole = distance(), distance(*palette), distance(*palette, "--palette-strength", "1")
    assert whole < half < plain
    assert distance(*palette, "--palette-strength", "0") == plain


def test_hints_and_a_palette_go_together(photo, reference, tmp_path, tiny_checkpoint):
    write_hints(tmp_path / "hints.json", [Hint(0.5, 0.8, (0.15, -0.1))])
    options = ["--hints", str(tmp_path / "hints.json"), "--palette", str(reference)]
    picture = to_tensor(colored(photo, tmp_path / "out", tiny_checkpoint, *options))
    height, width = picture.shape[1:]
    assert chroma_of(picture)[:, int(0.8 * height), width // 2].tolist() == pytest.approx([0.15, -0.1], abs=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--palette", "missing.jpg"], "missing.jpg"),
        (["--palette", "gray.png"], "gray.png is gray all over"),
        (["--palette", "hints.txt"], "hints.txt"),
        (["--palette-strength", "0.3"], "--palette-strength needs a --palette"),
    ],
)
def test_a_wrong_palette_is_refused_before_anything_is_written(
    photo, tmp_path, tiny_checkpoint, capsys, monkeypatch, options, message
):
    monkeypatch.chdir(tmp_path)
    write_photo(Path("gray.png"), np.full((9, 9, 3), 77, np.uint8))
    Path("hints.txt").write_text("no photo")
    assert main(["colorize", str(photo), "--out", "out", "--model", str(tiny_checkpoint), *options]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not Path("out").exists()


@pytest.mark.parametrize("value", ["-1", "1.5", "nan", "much"])
def test_a_strength_from_0_to_1(photo, reference, tmp_path, capsys, value):
    with pytest.raises(SystemExit):
        main(["colorize", str(photo), "--out", str(tmp_path), f"--palette-strength={value}"])
    assert "must be a number from 0 to 1" in capsys.readouterr().err


def test_the_palette_is_not_written_over(photo, reference, tmp_path, tiny_checkpoint, capsys):
    """The same scene often has the same name in two folders."""
    album = tmp_path / "album"
    album.mkdir()
    palette = photo.rename(album / photo.name)
    write_photo(photo, read_photo(reference))
    before = palette.read_bytes()
    arguments = ["--out", str(album), "--model", str(tiny_checkpoint), "--palette", str(album / "." / palette.name)]
    assert main(["colorize", str(photo), *arguments]) == 1
    assert "would overwrite" in capsys.readouterr().err and palette.read_bytes() == before
