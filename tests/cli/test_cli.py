"""The shell interface, run for real as a process where that matters: what people type, get, and are told."""

import argparse
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

import colorlib
from colorlib import cli
from colorlib.cli.models import format_card
from colorlib.cli.shared import INTERRUPTED, guarded, make_folder
from colorlib.cli.train import parse_settings
from colorlib.color import ColorBins, luma_of
from colorlib.data import count_chroma, find_photos, load_padded, read_photo, to_tensor
from colorlib.models import ColorUNet, build, bundled_checkpoints, count_parameters, model_card, save_checkpoint
from colorlib.training import TrainingConfig

PROJECT = Path(__file__).parents[2]
VALIDATION_PHOTO = PROJECT / "data" / "landscapes" / "scratch-village.jpg"
SCORE = {"mean": 20.5, "low": 20.25, "high": 20.75}
METRICS = {
    "model": {"psnr": SCORE, "colorfulness": SCORE, "bin_accuracy": SCORE},
    "gray": {"psnr": SCORE, "colorfulness": SCORE},
    "truth": {"psnr": SCORE, "colorfulness": SCORE},
}
BASELINES = {"mean_color": [0.0, 0.0], "luma_mean": [[0.0, 0.0]] * 32}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "colorlib", *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])}


def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run colorlib in this process, which has imported PyTorch already; see `run_process`."""
    out, errors = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with chdir(cwd or Path()), redirect_stdout(out), redirect_stderr(errors):
        code = cli.main([str(argument) for argument in arguments])
    texts = []
    for stream in (out, errors):
        stream.seek(0)
        texts.append(stream.read())
    return subprocess.CompletedProcess(arguments, code, *texts)


def run_process(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run colorlib to its end. Whatever goes wrong, a user never sees a traceback."""
    result = subprocess.run(
        command(*arguments), cwd=cwd, env=environment(), capture_output=True, text=True, errors="replace", timeout=300
    )
    assert "Traceback" not in result.stderr, result.stderr
    return result


def errors_of(result: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in result.stderr.splitlines() if line.startswith("colorlib: error:")]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, opinionated_network: ColorUNet, tiny_bins: ColorBins) -> Path:
    """A small untrained network: enough to test everything but the beauty of its colours."""
    record = {
        "input_size": 64,
        "temperature": 0.5,
        "training": {"photos": {"used": 1234}},
        "metrics": METRICS,
        "baselines": BASELINES,
    }
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_checkpoint(path, opinionated_network, tiny_bins, record)
    return path


@pytest.fixture
def bare_checkpoint(tmp_path: Path, tiny_bins: ColorBins) -> Path:
    """A network of somebody who recorded nothing about it."""
    path = tmp_path / "bare.safetensors"
    save_checkpoint(path, build("FlatNet", len(tiny_bins)), tiny_bins, {})
    return path


def scene(width: int = 60, height: int = 40) -> Image.Image:
    """A little RGB picture with edges, ramps and colour."""
    y, x = np.ogrid[:height, :width]  # a row and a column, so that a large picture takes no time
    channels = np.empty((height, width, 3), np.uint8)
    channels[..., 0], channels[..., 1] = x * 255 // max(1, width - 1), y * 255 // max(1, height - 1)
    channels[..., 2] = (x // 8 % 2 ^ y // 8 % 2) * 200
    return Image.fromarray(channels)


def rotated_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: rotate by 90 degrees to see it upright
    return exif


def write_good_photos(folder: Path) -> dict[str, str]:
    """Photos that must all be coloured: the name of each, and the name of its result."""
    sixteen_bits = Image.fromarray(np.asarray(scene().convert("L")).astype(np.uint16) * 257)
    scene(1, 1).save(folder / "one pixel.png")
    scene(1, 50).save(folder / "one-column.png")
    scene().convert("L").save(folder / "gray.png")
    scene().convert("RGBA").save(folder / "transparent.png")
    sixteen_bits.save(folder / "sixteen-bits.png")
    sixteen_bits.save(folder / "archive.tiff")
    scene().convert("CMYK").save(folder / "print.jpg")
    scene().save(folder / "rotated.jpg", exif=rotated_exif())
    scene().convert("1").save(folder / "black-white.bmp")
    scene().save(folder / "été à Zürich – 東京.webp")
    scene().save(folder / "UPPER.JPG")
    scene().save(folder / "palette.gif")
    scene().save(folder / "portable.ppm")
    names = {path.name: path.name for path in folder.iterdir()}
    return names | {"palette.gif": "palette.png", "portable.ppm": "portable.png"}


def write_bad_photos(folder: Path) -> list[str]:
    """Files that must be refused, each with one sentence that names it."""
    (folder / "notes.jpg").write_text("These are notes, not a photo.\n")
    (folder / "empty.png").write_bytes(b"")
    scene(300, 200).save(folder / "cut.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:2000])
    return ["notes.jpg", "empty.png", "cut.jpg"]


class Album:
    """A folder of good and bad photos, coloured once in one run together with a file that does not exist."""

    def __init__(self, folder: Path, checkpoint: Path):
        self.photos, self.out = folder / "my photos", folder / "coloured photos"
        self.photos.mkdir()
        self.good, self.bad = write_good_photos(self.photos), write_bad_photos(self.photos)
        self.missing = folder / "missing.jpg"
        self.result = run_process(
            "colorize", self.photos, self.missing, "--out", self.out, "--confidence", "--model", checkpoint
        )


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Album:
    return Album(tmp_path_factory.mktemp("album"), checkpoint)


GOOD = ["one pixel.png", "one-column.png", "gray.png", "transparent.png", "sixteen-bits.png", "archive.tiff"]
GOOD += ["print.jpg", "rotated.jpg", "black-white.bmp", "été à Zürich – 東京.webp", "UPPER.JPG", "palette.gif"]
GOOD += ["portable.ppm"]


@pytest.mark.parametrize("name", GOOD)
def test_every_kind_of_photo_is_colored_at_its_own_size_with_its_own_luma(album: Album, name: str) -> None:
    before = read_photo(album.photos / name)
    with Image.open(album.out / album.good[name]) as written:
        assert written.mode == "RGB"
        after = np.asarray(ImageOps.exif_transpose(written))
    assert after.shape == before.shape
    # Twice 8-bit rounding and, in JPEG and WebP, compression. A wrong or rotated picture is far above it.
    difference = (luma_of(to_tensor(after)) - luma_of(to_tensor(before))).abs().mean() * 255
    assert difference < 2


def test_each_good_photo_was_tried_and_nothing_else_was_written(album: Album) -> None:
    assert sorted(album.good) == sorted(GOOD)
    maps = {f"{Path(name).stem}_confidence.png" for name in album.good}
    assert {path.name for path in album.out.iterdir()} == set(album.good.values()) | maps


def test_an_upright_photo_comes_from_a_rotated_one(album: Album) -> None:
    with Image.open(album.photos / "rotated.jpg") as lying, Image.open(album.out / "rotated.jpg") as upright:
        assert lying.size == (60, 40)
        assert upright.size == (40, 60)


def test_bad_photos_are_named_in_one_sentence_each_and_the_others_go_on(album: Album) -> None:
    assert album.result.returncode == 1
    lines = errors_of(album.result)
    for name in [*album.bad, album.missing.name]:
        assert len([line for line in lines if name in line]) == 1, lines
    assert len(lines) == len(album.bad) + 1
    total = len(GOOD) + len(album.bad) + 1
    assert f"coloured {len(GOOD)} of {total} photos" in album.result.stdout


def test_a_confidence_map_is_the_top_probability_at_the_size_of_the_photo(album: Album, checkpoint: Path) -> None:
    colorizer = colorlib.load(checkpoint)
    rgb = read_photo(album.photos / "gray.png")
    with Image.open(album.out / "gray_confidence.png") as written:
        assert written.mode == "L"
        values = np.asarray(written) / 255
    # This photo is smaller than the network's input, so nothing is resized and the values must be equal.
    expected = colorizer.probabilities(luma_of(to_tensor(rgb))).amax(0).numpy()
    assert values.shape == rgb.shape[:2]
    assert np.abs(values - expected).max() < 1 / 255
    with Image.open(album.out / "rotated_confidence.png") as rotated:
        assert rotated.size == (40, 60)


def test_a_second_run_replaces_its_results_and_does_not_color_them(tmp_path: Path, checkpoint: Path) -> None:
    scene().save(tmp_path / "a.png")
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_text("an older result")
    for _ in range(2):  # the second time, out/a.png lies in the input folder
        result = run("colorize", tmp_path, tmp_path / "a.png", "--out", out, "--model", checkpoint)
        assert result.returncode == 0, result.stderr
        assert "coloured 1 of 1 photo into" in result.stdout
    assert read_photo(out / "a.png").shape == (40, 60, 3)
    assert [path.name for path in out.iterdir()] == ["a.png"]


def test_the_temperature_changes_the_picture(tmp_path: Path, checkpoint: Path) -> None:
    scene().save(tmp_path / "a.png")
    for temperature in ("0", "1"):
        result = run("colorize", "a.png", "--out", temperature, "--model", checkpoint, "--temperature", temperature,
                     cwd=tmp_path)  # fmt: skip
        assert result.returncode == 0, result.stderr
        expected = colorlib.load(checkpoint).colorize(tmp_path / "a.png", float(temperature))
        assert np.array_equal(read_photo(tmp_path / temperature / "a.png"), expected)
    assert not np.array_equal(read_photo(tmp_path / "0" / "a.png"), read_photo(tmp_path / "1" / "a.png"))


@pytest.mark.parametrize("out", ["photos", "photos/../photos", "link"])
def test_an_input_is_never_overwritten(tmp_path: Path, checkpoint: Path, out: str) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    scene().save(tmp_path / "photos" / "a.png")
    before = (tmp_path / "photos" / "a.png").read_bytes()
    result = run("colorize", "photos", "--out", out, "--model", checkpoint, cwd=tmp_path)
    assert result.returncode == 1
    (line,) = errors_of(result)
    assert "would overwrite" in line
    assert (tmp_path / "photos" / "a.png").read_bytes() == before


def test_a_folder_without_photos_is_an_error(tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run("colorize", "empty", "--out", "out", "--model", checkpoint, cwd=tmp_path)
    assert result.returncode == 1
    assert errors_of(result) == ["colorlib: error: empty holds no photos"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_not_text_is_colored_and_can_be_printed(tmp_path: Path, checkpoint: Path) -> None:
    scene().save(tmp_path / "a.png")
    good, bad = (tmp_path / os.fsdecode(name) for name in (b"caf\xe9.png", b"bad \xe9.png"))
    (tmp_path / "a.png").rename(good)
    bad.write_text("no photo")
    result = run_process("colorize", good, bad, "--out", tmp_path / "out", "--model", checkpoint)
    assert result.returncode == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == [good.name]
    assert len(errors_of(result)) == 1


def test_an_unknown_model_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    scene().save(tmp_path / "a.png")
    result = run("colorize", "a.png", "--out", "out", "--model", "colourunet", cwd=tmp_path)
    assert result.returncode == 1
    (line,) = errors_of(result)
    assert "'colourunet'" in line
    assert all(name in line for name in bundled_checkpoints())


def test_a_damaged_model_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    scene().save(tmp_path / "a.png")
    (tmp_path / "cut.safetensors").write_bytes(checkpoint.read_bytes()[:1000])
    result = run("colorize", "a.png", "--out", "out", "--model", "cut.safetensors", cwd=tmp_path)
    assert result.returncode == 1
    (line,) = errors_of(result)
    assert "cut.safetensors" in line


def test_a_device_that_is_not_there_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    scene().save(tmp_path / "a.png")
    result = run("colorize", "a.png", "--out", "out", "--model", checkpoint, "--device", "abacus", cwd=tmp_path)
    assert result.returncode == 1
    (line,) = errors_of(result)
    assert "'abacus'" in line


def test_an_output_folder_that_cannot_be_written_is_said_once(tmp_path: Path, checkpoint: Path) -> None:
    scene().save(tmp_path / "a.png")
    scene().save(tmp_path / "b.png")
    (tmp_path / "file").write_text("not a folder")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    outs = ["file", "file/below"] + ["closed"] * (os.access(closed, os.W_OK) is False)  # root may write anywhere
    for out in outs:
        result = run("colorize", "a.png", "b.png", "--out", out, "--model", checkpoint, cwd=tmp_path)
        assert result.returncode == 1
        (line,) = errors_of(result)
        assert out in line


def test_a_closed_folder_is_noticed_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # so that root sees it too
    with pytest.raises(colorlib.ColorlibError, match="permission denied"):
        make_folder(tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ["colorize", "a.png"],  # no --out
        ["colorize", "--out", "out"],  # no photo
        ["colorize", "a.png", "--out", "out", "--temperature", "hot"],
        ["colorize", "a.png", "--out", "out", "--temperature", "-1"],
        ["colorize", "a.png", "--out", "out", "--temperature", "nan"],
        ["colorize", "a.png", "--out", "out", "--temperature", "inf"],
        ["bins", "folder", "--out", "bins.json", "--n", "0"],
        ["bins", "folder", "--out", "bins.json", "--method", "guess"],
        ["workbook", "--profile", "slow"],
        ["workbook", "--jobs", "0"],
        ["paint"],
        [],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert "error:" in capsys.readouterr().err


def commands() -> list[str]:
    """All that there are, so that none can be forgotten."""
    actions = cli.build_parser()._actions
    return list(next(action for action in actions if isinstance(action, argparse._SubParsersAction)).choices)


@pytest.mark.parametrize("name", commands())
def test_every_command_explains_itself_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([name, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    examples = text.split("examples:\n")[1].split("\n\n")[0].splitlines()
    assert len(examples) >= 2
    assert all(line.startswith(f"  colorlib {name}") for line in examples)


def test_the_module_and_its_version() -> None:
    assert run_process("--version").stdout == f"colorlib {colorlib.__version__}\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_ctrl_c_keeps_the_finished_photos_whole_and_counts_them(tmp_path: Path, checkpoint: Path) -> None:
    scene(1200, 900).save(tmp_path / "0.png", compress_level=1)
    for index in range(1, 40):
        shutil.copy(tmp_path / "0.png", tmp_path / f"{index}.png")
    out = tmp_path / "out"
    process = subprocess.Popen(
        command("colorize", tmp_path, "--out", out, "--model", checkpoint),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job's children ignore it
    )
    deadline = time.monotonic() + 120
    while len(list(out.glob("[0-9]*.png"))) < 3:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert "Traceback" not in stderr
    finished = list(out.iterdir())
    assert 3 <= len(finished) < 40
    assert re.search(rf"coloured {len(finished)} of 40 photos", stdout)
    for path in finished:
        assert read_photo(path).shape == (900, 1200, 3)


@pytest.mark.slow
def test_forty_megapixels_keep_their_size_in_modest_memory(tmp_path: Path, checkpoint: Path) -> None:
    width, height = 8000, 5000
    scene(width, height).save(tmp_path / "large.jpg")
    process = subprocess.Popen(
        command("colorize", tmp_path / "large.jpg", "--out", tmp_path / "out", "--model", checkpoint, "--confidence"),
        env=environment(),
    )
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, peak_memory(process.pid))
        time.sleep(0.02)
    assert process.returncode == 0
    for name in ("large.jpg", "large_confidence.png"):
        with Image.open(tmp_path / "out" / name) as written:
            assert written.size == (width, height)
    assert peak < 2000


def peak_memory(pid: int) -> float:
    """The most memory a process has held so far, in MB; 0 where the system does not tell."""
    try:
        return int(re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[0]) / 1024
    except (OSError, IndexError):
        return 0.0


def test_models_lists_what_is_bundled() -> None:
    result = run("models", "--json")
    assert result.returncode == 0
    cards = json.loads(result.stdout)
    assert list(cards) == list(bundled_checkpoints())
    text = run("models").stdout
    for name, path in bundled_checkpoints().items():
        assert cards[name]["bytes"] == path.stat().st_size
        assert f"{name}: " in text


def test_a_model_card_shows_what_was_recorded(checkpoint: Path) -> None:
    card = model_card(checkpoint)
    text = format_card("tiny", card)
    assert card["parameters"] == count_parameters(ColorUNet(8))
    assert f"{card['parameters']:,}" in text
    assert "1,234" in text
    assert "tiny: ColorUNet with 8 kmeans bins" in text
    rows = {line.split("  ")[2]: line for line in text.splitlines() if line.startswith("    ")}
    assert rows["PSNR (dB)"].count("20.5 [20.25, 20.75]") == 3
    assert rows["bin accuracy"].count("20.5 [20.25, 20.75]") == 1  # only a classifier has bins


def test_a_model_card_admits_what_was_not_recorded(bare_checkpoint: Path) -> None:
    text = format_card("bare", model_card(bare_checkpoint))
    assert text.count("not recorded") == 3


@pytest.mark.skipif(sys.platform == "win32", reason="pipes close differently on Windows")
def test_too_little_memory_is_one_sentence_and_other_errors_of_pytorch_are_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """More addresses than any machine has; PyTorch and NumPy refuse in words of their own."""
    for allocate in (torch.empty, np.empty):
        assert guarded(lambda make=allocate: make(2**55) is None) == 1
        complaint = capsys.readouterr().err
        assert complaint.startswith("colorlib: error: there is not enough memory") and complaint.count("\n") == 1
    with pytest.raises(RuntimeError, match="must match"):
        guarded(lambda: torch.ones(2) + torch.ones(3))


def test_a_reader_that_leaves_early_is_no_error() -> None:
    process = subprocess.Popen(
        command("models"), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 0


def test_bins_are_those_that_training_would_choose_and_bad_photos_are_reported(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    scene().save(photos / "a.png")
    scene(512, 320).save(photos / "large.png")
    (photos / "bad.png").write_text("no photo")
    result = run("bins", photos, "--out", tmp_path / "new" / "bins.json", "--n", 6)
    assert result.returncode == 1
    (line,) = errors_of(result)
    assert "bad.png" in line
    assert "6 kmeans bins from 43,360 pixels of 2 photos" in result.stdout
    chosen = ColorBins.load(tmp_path / "new" / "bins.json")
    expected = ColorBins.from_histogram(count_chroma(load_padded(find_photos(photos), 256)[0]), 6)
    assert torch.equal(chosen.colors, expected.colors)
    assert torch.equal(chosen.frequency, expected.frequency)


def test_too_few_colors_for_the_bins_is_one_sentence(tmp_path: Path) -> None:
    scene(1, 1).save(tmp_path / "a.png")
    result = run("bins", tmp_path, "--out", tmp_path / "bins.json")
    assert result.returncode == 1
    (line,) = errors_of(result)
    assert "32 bins" in line
    assert not (tmp_path / "bins.json").exists()


def test_evaluate_compares_with_every_baseline(tmp_path: Path, checkpoint: Path) -> None:
    scores = tmp_path / "new" / "scores.json"
    result = run("evaluate", VALIDATION_PHOTO, "--json", scores, "--model", checkpoint, "--temperature", "1")
    assert result.returncode == 0, result.stderr
    values = json.loads(scores.read_text())
    expected = {"model": str(checkpoint), "photos": 1, "temperature": 1.0}
    assert {key: values["run"][key] for key in expected} == expected
    for name in ("model", "gray", "mean_color", "luma_mean", "truth"):
        assert set(values[name]["psnr"]) == {"mean", "low", "high"}
    assert values["gray"]["colorfulness"]["mean"] < 1 < values["truth"]["colorfulness"]["mean"]
    assert f"{values['gray']['psnr']['mean']:.4g} [" in result.stdout
    assert set(METRICS["model"]) <= set(values["model"])


def test_a_photo_that_is_named_twice_has_one_vote(tmp_path: Path, checkpoint: Path) -> None:
    album = tmp_path / "album"
    album.mkdir()
    scene().save(album / "a.png")
    out = tmp_path / "out.json"
    result = run("evaluate", album, album / "a.png", "--model", checkpoint, "--json", out)
    assert result.returncode == 0 and json.loads(out.read_text())["run"]["photos"] == 1, result.stderr
    assert "of 1 photos" in run("bins", album, tmp_path / "album", "--n", "2", "--out", out).stdout


def test_no_photo_is_written_over_by_numbers(tmp_path: Path, checkpoint: Path) -> None:
    """As would happen with --json *.jpg, which the shell makes a list of."""
    photo = tmp_path / "a.png"
    scene().save(photo)
    before = photo.read_bytes()
    for arguments in (["evaluate", photo, "--model", checkpoint, "--json"], ["bins", tmp_path, "--out"]):
        result = run(*arguments, photo)
        (line,) = errors_of(result)
        assert result.returncode == 1 and "a.png has the name of a photo" in line
    assert photo.read_bytes() == before


def test_evaluate_says_what_is_missing(tmp_path: Path, checkpoint: Path, bare_checkpoint: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments, expected in [
        ([VALIDATION_PHOTO, "--model", bare_checkpoint, "--json", tmp_path / "new" / "scores.json"], "baselines"),
        ([tmp_path / "empty", "--model", checkpoint], "no photos"),
        ([VALIDATION_PHOTO, "--model", checkpoint, "--json", tmp_path], "is a folder"),
    ]:
        result = run("evaluate", *arguments)
        assert result.returncode == 1
        (line,) = errors_of(result)
        assert expected in line
    assert not (tmp_path / "new").exists()


QUICK = PROJECT / "configs" / "quick.yaml"
TINY_RUN = [
    "max_steps=2",
    "batch_size=2",
    "num_bins=4",
    "image_size=32",
    "min_size=32",
    "crop=32",
    "validate_every=1",
    "checkpoint_minutes=0.0",
]


def test_train_makes_a_model_that_colors_and_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = {split: colorlib.data.bundled(split)[:3] for split in ("train", "validation")}
    monkeypatch.setattr("colorlib.training.photos.bundled", few.get)  # on all of them it takes minutes
    settings = ["--set", *TINY_RUN, f"out_dir={tmp_path / 'run'}"]
    assert cli.main(["train", str(QUICK), *settings]) == 0
    model = tmp_path / "run" / "model.safetensors"
    assert str(model) in capsys.readouterr().out
    history = (tmp_path / "run" / "history.csv").read_text()
    assert cli.main(["train", str(QUICK), "--resume", *settings]) == 0
    assert (tmp_path / "run" / "history.csv").read_text() == history  # it was finished: nothing is trained twice
    assert cli.main(["train", str(QUICK), *settings, "lam=0.9"]) == 1
    assert "other settings (lam)" in capsys.readouterr().err
    scene().save(tmp_path / "a.png")
    assert cli.main(["colorize", str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), "--model", str(model)]) == 0


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("stepz=2", "'stepz'"),
        ("path=2", "'path'"),
        ("max_steps=many", "max_steps must be a whole number"),
        ("learning_rate=-1", "learning_rate"),
        ("photos=[1]", "photos"),
        ("steps", "setting=value"),
        ("max_steps=[", "'max_steps=['"),
        ("model=ResNet", "'ResNet'"),
        ("compile=no", "compile must be one of auto, always, never; got False"),
        ("photos=[~/nowhere at all]", "~/nowhere at all is not a folder"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    tmp_path: Path, setting: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", str(QUICK), "--set", *TINY_RUN, f"out_dir={tmp_path}", setting]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("colorlib")]
    assert expected in line


def test_settings_are_yaml_and_numbers_may_be_written_as_scientists_do() -> None:
    values = parse_settings(["max_steps=100", "photos=[sea side, lakes]", "learning_rate=1e-3", "out_dir=a=b"])
    config = TrainingConfig.from_yaml(QUICK, **values)
    assert (config.max_steps, config.photos, config.learning_rate) == (100, ["sea side", "lakes"], 0.001)
    assert config.out_dir == "a=b"


@pytest.mark.parametrize("name", ["none.yaml", "photo.yaml"])
def test_a_configuration_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scene().save(tmp_path / "photo.yaml", format="JPEG")
    assert cli.main(["train", str(tmp_path / name)]) == 1
    assert name in capsys.readouterr().err


def test_workbook_passes_on_what_was_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from colorlib.course import workbook

    calls = []
    monkeypatch.setattr(workbook, "run_workbook", lambda *args, **options: calls.append((args, options)))
    assert cli.main(["workbook"]) == 0
    assert cli.main(["workbook", "--profile", "full", "--only", "01", "06", "--refresh", "--jobs", "2"]) == 0
    assert calls == [
        (("quick", None), {"refresh": False, "jobs": 1}),
        (("full", ["01", "06"]), {"refresh": True, "jobs": 2}),
    ]

    def fail(*args: object, **options: object) -> None:
        raise colorlib.ColorlibError("06_temperature failed in cell 4")

    monkeypatch.setattr(workbook, "run_workbook", fail)
    assert cli.main(["workbook"]) == 1
    assert capsys.readouterr().err == "colorlib: error: 06_temperature failed in cell 4\n"


def test_the_default_model_colors_a_validation_photo(tmp_path: Path) -> None:
    result = run("colorize", VALIDATION_PHOTO, "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    colored = to_tensor(read_photo(tmp_path / VALIDATION_PHOTO.name))
    assert colored.shape == to_tensor(read_photo(VALIDATION_PHOTO)).shape
    assert colorlib.color.chroma_of(colored).norm(dim=0).mean() > 0.02  # visibly not gray
