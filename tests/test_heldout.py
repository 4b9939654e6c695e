"""One checkpoint against another on held-out photos: what is chosen, and that differences are paired."""

import runpy
import sys

import numpy as np
import pytest

from colorlib.data import fit, read_photo, to_tensor
from colorlib.evaluation import bootstrap, psnr
from colorlib.files import read_rows
from colorlib.models import build, save_checkpoint
from experiments import heldout


def test_temperatures_are_chosen_by_psnr_by_the_record_and_by_colour():
    values = np.zeros((3, 2, 3))
    values[:, :, 0] = [[20, 22], [24, 26], [23, 25]]
    values[:, :, 2] = [[50, 60], [30, 40], [5, 9]]
    scores = heldout.Scores((0.1, 0.5, 1.0), 1.0, values)
    assert scores.chosen(truth=52) == {"best": 0.5, "own": 1.0, "truth's": 0.1}
    assert scores.at(0.5)[:, 0].tolist() == [24, 26]


def test_two_checkpoints_and_gray_in_one_table(
    tmp_path, opinionated_network, tiny_bins, real_paths, monkeypatch, capsys
):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for path in real_paths[:3]:
        (photos / path.name).symlink_to(path)
    one, other = tmp_path / "one.safetensors", tmp_path / "l2.safetensors"
    save_checkpoint(one, opinionated_network, tiny_bins, {"temperature": 0.37, "input_size": 64})
    save_checkpoint(other, build("ColorUNet", 2), tiny_bins, {"output": "chroma", "input_size": 64})
    arguments = ["--photos", photos, "--model", one, "--against", other, "--out", out]
    monkeypatch.setattr(sys, "argv", ["heldout", *map(str, arguments)])
    heldout.main()
    rows = read_rows(out / "heldout.csv")
    mine = [row for row in rows if row["network"] == "model" and row["temperature"] == "0.37"]
    assert {row["photo"] for row in mine} == {path.name for path in real_paths[:3]}
    assert {row["temperature"] for row in rows if row["network"] == "against"} == {"1.0"}

    truth = {path.name: fit(read_photo(path), 256) for path in real_paths[:3]}
    colorizer = heldout.colorlib.load(one)
    expected = {name: psnr(to_tensor(colorizer.colorize(rgb)), to_tensor(rgb)) for name, rgb in truth.items()}
    assert {row["photo"]: float(row["psnr"]) for row in mine} == pytest.approx(expected, abs=1e-3)
    theirs = {row["photo"]: float(row["psnr"]) for row in rows if row["network"] == "against"}
    report = (out / "heldout.md").read_text()
    assert capsys.readouterr().out.strip() == report.strip()
    difference = np.mean([expected[name] - theirs[name] for name in truth])
    line = next(line for line in report.splitlines() if line.startswith(f"| {other} | own |"))
    assert f"{difference:+.2f} [" in line and "one of 12 comparisons" in line
    assert f"| {one}, own | 0.37 | {bootstrap(list(expected.values())):.2f} |" in report
    assert report.count("| gray |") == 4


def test_a_folder_without_photos_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["heldout", "--photos", str(tmp_path), "--out", str(tmp_path / "out")])
    with pytest.raises(heldout.ColorlibError, match="no photos"):
        heldout.main()
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
def test_in_the_shell_an_error_is_one_sentence_and_not_success(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["heldout", "--photos", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("experiments.heldout", run_name="__main__")  # as `python -m` does
    told = capsys.readouterr().err
    assert stop.value.code == 1 and told.count("\n") == 1
    assert told.startswith("colorlib: error:") and "nowhere" in told
