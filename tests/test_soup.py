"""The mean of trained networks' weights is what plain arithmetic says, and networks that differ have none."""

from pathlib import Path

import numpy as np
import pytest
import torch

from colorlib import ColorlibError
from colorlib.color import ColorBins
from colorlib.models import build, load_checkpoint, save_checkpoint
from colorlib.prediction import Colorizer
from colorlib.training import adjust_output_bias
from experiments import soup


@pytest.fixture
def three(tmp_path: Path, tiny_bins: ColorBins) -> list[Path]:
    paths = [tmp_path / f"{name}.safetensors" for name in "abc"]
    for seed, path in enumerate(paths):
        torch.manual_seed(seed)
        save_checkpoint(path, build("ColorUNet", len(tiny_bins)), tiny_bins, {"seed": seed, "lam_inference": 0.5})
    return paths


def test_each_weight_is_the_weighed_mean(three: list[Path]) -> None:
    model, _, record = soup.average(three, [1, 2, 1])
    states = [load_checkpoint(path)[0].state_dict() for path in three]
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            expected = 0.25 * states[0][name] + 0.5 * states[1][name] + 0.25 * states[2][name]
            torch.testing.assert_close(value, expected)
    assert record == {"seed": 0, "lam_inference": 0.5, "mean_of": {"a": 0.25, "b": 0.5, "c": 0.25}}


def test_the_mean_of_one_network_is_itself(three: list[Path]) -> None:
    model, _, _ = soup.average(three[:1] * 2, [0.3, 0.7])
    for name, value in load_checkpoint(three[0])[0].state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value)


def test_trainings_are_told_apart_by_their_folders(three: list[Path], tmp_path: Path) -> None:
    """`train` calls every checkpoint model.safetensors."""
    paths = [tmp_path / name / "model.safetensors" for name in ("one", "other")]
    for path, old in zip(paths, three, strict=False):
        path.parent.mkdir()
        old.rename(path)
    assert soup.average(paths, [1, 3])[2]["mean_of"] == {"one": 0.25, "other": 0.75}


def test_networks_that_differ_have_no_mean(three: list[Path], tmp_path: Path, tiny_bins: ColorBins) -> None:
    flat, regression = tmp_path / "flat.safetensors", tmp_path / "l2.safetensors"
    save_checkpoint(flat, build("FlatNet", len(tiny_bins)), tiny_bins, {})
    save_checkpoint(regression, build("ColorUNet", 2), tiny_bins, {"output": "chroma"})
    for other in (flat, regression):
        with pytest.raises(ColorlibError, match=f"{other.name} has other layers or bins than"):
            soup.average([three[0], other], [1, 1])


def test_networks_of_another_lambda_are_brought_to_the_firsts(tmp_path: Path, tiny_bins: ColorBins) -> None:
    """A network and itself, made to answer with another λ, have the network as their mean."""
    torch.manual_seed(0)
    model = build("ColorUNet", len(tiny_bins))
    one, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    save_checkpoint(one, model, tiny_bins, {"training": {"config": {"lam": 0.5}}})
    adjust_output_bias(0.1, model, tiny_bins, trained_with=0.5)
    save_checkpoint(other, model, tiny_bins, {"training": {"config": {"lam": 0.5}}, "lam_inference": 0.1})
    mean, _, record = soup.average([one, other], [1, 1])
    before = load_checkpoint(one)[0].state_dict()
    assert any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())
    for name, value in before.items():
        torch.testing.assert_close(mean.state_dict()[name], value)
    assert "lam_inference" not in record


@pytest.mark.parametrize("shares", [[1], [1, 0], [1, -1], [1, 1, 1]])
def test_shares_that_make_no_mean(three: list[Path], shares: list[float]) -> None:
    with pytest.raises(ColorlibError, match="share above 0"):
        soup.average(three[:2], shares)


def test_the_command_writes_the_mean(three: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "mean.safetensors"
    monkeypatch.setattr("sys.argv", ["soup", *map(str, three), "--out", str(out), "--shares", "1", "2", "1"])
    soup.main()
    written, expected = load_checkpoint(out)[0].state_dict(), soup.average(three, [1, 2, 1])[0].state_dict()
    for name, value in written.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-4)  # half precision


def test_the_best_lambda_is_judged_where_its_pictures_are_lively(
    three: list[Path], real_photos: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The highest PSNR of all does not count where no temperature makes the pictures lively."""
    merits = {0.2: (True, 23.0), 0.5: (False, 25.0), 0.7: (True, 22.0)}
    monkeypatch.setattr(soup, "measured", lambda name, colorizer, photos: merits[colorizer.lam])
    model, bins, record = load_checkpoint(three[0])
    found, _, chosen = soup.with_best_lam(model, bins, record, list(merits), real_photos[:1])
    assert chosen["lam_inference"] == 0.2 and Colorizer(found, bins, record=chosen).lam == 0.2
    alone = load_checkpoint(three[0])[0]
    adjust_output_bias(0.2, alone, bins, trained_with=Colorizer(alone, bins, record=record).lam)
    for name, value in found.state_dict().items():
        torch.testing.assert_close(value, alone.state_dict()[name])


def test_the_command_lets_the_mean_answer_with_another_lambda(
    three: list[Path], tmp_path: Path, real_paths: list[Path], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / real_paths[0].name).symlink_to(real_paths[0])
    out = tmp_path / "mean.safetensors"
    words = ["soup", *map(str, three), "--out", str(out), "--photos", str(tmp_path / "photos"), "--lams", "0.1", "0.9"]
    monkeypatch.setattr("sys.argv", words)
    soup.main()
    told = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in told] == [path.name for path in [*three, out]] + ["λ = 0.1", "λ = 0.9"]
    assert load_checkpoint(out)[2]["lam_inference"] in (0.1, 0.9)
    monkeypatch.setattr("sys.argv", [word for word in words if word not in ("--photos", str(tmp_path / "photos"))])
    with pytest.raises(SystemExit):
        soup.main()


def test_the_mean_sees_photos_as_large_as_it_is_told(tmp_path: Path, tiny_bins: ColorBins, monkeypatch) -> None:
    for name in ("LiteUNet", "ColorUNet"):  # the second pads, and cannot see larger
        save_checkpoint(tmp_path / f"{name}.safetensors", build(name, len(tiny_bins)), tiny_bins, {})
    out = tmp_path / "mean.safetensors"
    words = ["--out", str(out), "--zoom", "1.2"]
    monkeypatch.setattr("sys.argv", ["soup", str(tmp_path / "ColorUNet.safetensors"), *words])
    with pytest.raises(ColorlibError, match="zoom"):
        soup.main()
    assert not out.exists()
    monkeypatch.setattr("sys.argv", ["soup", str(tmp_path / "LiteUNet.safetensors"), *words])
    soup.main()
    assert Colorizer.load(out).zoom == 1.2
