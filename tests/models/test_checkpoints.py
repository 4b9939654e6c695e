"""Checkpoints: what is written comes back, and nothing else gets in."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from colorlib import ColorlibError
from colorlib.color import ColorBins
from colorlib.models import MODELS, build, bundled_checkpoints, find_checkpoint, load_checkpoint, save_checkpoint
from colorlib.prediction import Colorizer


def rewrite(path: Path, drop: str = "", tensors: dict | None = None, **changes: str) -> Path:
    """The same file with its metadata or its tensors replaced."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() | changes
    metadata.pop(drop, None)
    save_file(load_file(path) if tensors is None else tensors, path, metadata)
    return path


def refusal(path: Path) -> str:
    """The sentence with which a file is refused; it names the file."""
    with pytest.raises(ColorlibError) as caught:
        load_checkpoint(path)
    assert path.name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", MODELS)
def test_round_trip(name, tmp_path, kmeans_bins):
    torch.manual_seed(0)
    model = build(name, 32)
    model(torch.rand(2, 1, 64, 64))  # moves the running means of batch norm, which are no parameters
    record = {"temperature": 0.4, "input_size": 96, "training": {"λ": [0.5, None, True]}, "metrics": {}}
    save_checkpoint(tmp_path / "deep" / "er" / "net.safetensors", model, kmeans_bins, record)
    loaded, bins, back = load_checkpoint(tmp_path / "deep" / "er" / "net.safetensors")
    assert type(loaded) is type(model) and not loaded.training
    assert back == record
    assert torch.equal(bins.colors, kmeans_bins.colors) and torch.equal(bins.frequency, kmeans_bins.frequency)
    for key, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key
    luma = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded(luma), model.eval()(luma))
    assert [path.name for path in (tmp_path / "deep" / "er").iterdir()] == ["net.safetensors"]


def test_paper_bins_survive_too(tmp_path, opinionated_network, grid_bins):
    model = build("FlatNet", len(grid_bins))
    save_checkpoint(tmp_path / "net.safetensors", model, grid_bins, {})
    _, bins, _ = load_checkpoint(str(tmp_path / "net.safetensors"))
    chroma = torch.rand(2, 50, 50) - 0.5
    assert torch.equal(bins.encode(chroma), grid_bins.encode(chroma))


def test_channels_last_networks_can_be_saved(tmp_path, tiny_bins):
    model = build("ColorUNet", 8).to(memory_format=torch.channels_last)
    save_checkpoint(tmp_path / "net.safetensors", model, tiny_bins, {})
    for key, value in load_checkpoint(tmp_path / "net.safetensors")[0].state_dict().items():
        assert torch.equal(value, model.state_dict()[key])


def test_saving_again_replaces_the_file(tiny_checkpoint, opinionated_network, tiny_bins):
    save_checkpoint(tiny_checkpoint, opinionated_network, tiny_bins, {"input_size": 32})
    assert load_checkpoint(tiny_checkpoint)[2] == {"input_size": 32}


def test_only_our_networks_are_saved(tmp_path, tiny_bins):
    class ColorUNet(nn.Module):
        """A stranger by a known name."""

    for stranger in (nn.Conv2d(1, 1, 1), ColorUNet()):
        with pytest.raises(ColorlibError, match="not one of colorlib's networks"):
            save_checkpoint(tmp_path / "net.safetensors", stranger, tiny_bins, {})
    assert list(tmp_path.iterdir()) == []


def test_a_network_for_another_number_of_bins_is_not_saved(tmp_path, tiny_bins):
    """Found when writing, not by the person who opens the file."""
    with pytest.raises(ColorlibError, match="bins"):
        save_checkpoint(tmp_path / "net.safetensors", build("ColorUNet", 9), tiny_bins, {})


def test_a_folder_that_cannot_be_written_is_named(tmp_path, opinionated_network, tiny_bins):
    (tmp_path / "file").touch()
    with pytest.raises(ColorlibError, match="net.safetensors"):
        save_checkpoint(tmp_path / "file" / "net.safetensors", opinionated_network, tiny_bins, {})


# --- files that are not what they should be ----------------------------------------------------------------------


def test_missing_file(tmp_path):
    assert "does not exist" in refusal(tmp_path / "none.safetensors")
    assert "does not exist" in refusal(tmp_path)


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 100, 3000, -1, -1000])
def test_truncated_file(tiny_checkpoint, kept):
    data = tiny_checkpoint.read_bytes()
    tiny_checkpoint.write_bytes(data[:kept])
    assert "truncated" in refusal(tiny_checkpoint)


@pytest.mark.parametrize("content", [b"\x00" * 100, b"\xff" * 100, b"PK\x03\x04" + b"\0" * 60, b"hello " * 50])
def test_other_files(tmp_path, content):
    (tmp_path / "net.safetensors").write_bytes(content)
    assert "not a safetensors file" in refusal(tmp_path / "net.safetensors")


def test_a_pickle_is_never_opened(tmp_path):
    """A pickle runs code when it is loaded. Renamed to .safetensors, it must be refused, not run."""
    trap = tmp_path / "sprung"

    class Trap:
        def __reduce__(self):
            return (Path.touch, (trap,))

    (tmp_path / "plain.safetensors").write_bytes(pickle.dumps(Trap()))
    torch.save({"weights": Trap()}, tmp_path / "torch.safetensors")
    for name in ("plain", "torch"):
        assert "not a safetensors file" in refusal(tmp_path / f"{name}.safetensors")
    assert not trap.exists()
    pickle.loads((tmp_path / "plain.safetensors").read_bytes())
    assert trap.exists()  # the trap does work


def test_foreign_safetensors(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    assert "not written by colorlib" in refusal(path)
    save_file({"weight": torch.zeros(3)}, path, {"format": "pt"})
    assert "'pt'" in refusal(path)


@pytest.mark.parametrize(
    "change",
    [
        {"drop": "bins"},
        {"drop": "model"},
        {"drop": "record"},
        {"model": "ResNet50"},
        {"model": "Bottleneck"},
        {"model": ""},
        {"bins": "{}"},
        {"bins": "["},
        {"record": "{"},
        {"record": "[1, 2]"},
        {"record": "null"},
    ],
    ids=str,
)
def test_tampered_metadata(tiny_checkpoint, change):
    assert "does not hold what it says" in refusal(rewrite(tiny_checkpoint, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"colors": [[0.0, 0.0]] * 7},
        {"colors": [[0.0, 0.0]] * 9, "frequency": [1 / 9] * 9},
        {"colors": [[float("nan"), 0.0]] * 8},
        {"frequency": 1.0},
        {"frequency": [0.0] * 8},
        {"method": "grid", "grid": 10, "cells": [[99, 99]] * 8},
    ],
    ids=str,
)
def test_tampered_bins(tiny_checkpoint, change):
    with safe_open(tiny_checkpoint, framework="pt") as file:
        bins = json.loads(file.metadata()["bins"])
    assert "does not hold what it says" in refusal(rewrite(tiny_checkpoint, bins=json.dumps(bins | change)))


def test_wrong_tensors(tiny_checkpoint):
    good = load_file(tiny_checkpoint)
    key = "down1.0.0.weight"
    wrong_sets = [
        {k: v for k, v in good.items() if k != key},  # one missing
        good | {"extra": torch.zeros(2)},  # one too many
        good | {key: torch.zeros(1, 2, 3)},  # another shape
        {},
    ]
    for tensors in wrong_sets:
        assert "does not hold what it says" in refusal(rewrite(tiny_checkpoint, tensors=tensors))


@pytest.mark.parametrize(
    "record",
    [
        {"temperature": "hot"},
        {"temperature": -1},
        {"temperature": None},
        {"input_size": 0},
        {"input_size": "big"},
        {"input_size": 2.5},
        {"zoom": "1.1"},
        {"zoom": None},
        {"zoom": 0.5},
        {"zoom": 1.1},  # of a network that pads
    ],
    ids=str,
)
def test_a_record_that_cannot_be_used_is_refused_on_loading(tiny_checkpoint, record):
    """Not minutes later, in the middle of colouring, and not with a traceback."""
    with pytest.raises(ColorlibError, match="temperature|input_size|zoom"):
        Colorizer.load(rewrite(tiny_checkpoint, record=json.dumps(record)))


# --- names -------------------------------------------------------------------------------------------------------


def test_find_checkpoint(tiny_checkpoint, monkeypatch):
    assert (
        find_checkpoint(tiny_checkpoint) == tiny_checkpoint and find_checkpoint(str(tiny_checkpoint)) == tiny_checkpoint
    )
    monkeypatch.setattr("colorlib.models.checkpoints.WEIGHTS", tiny_checkpoint.parent)
    assert bundled_checkpoints() == {"tiny": tiny_checkpoint}
    assert find_checkpoint("tiny") == tiny_checkpoint
    with pytest.raises(ColorlibError, match="'huge'.*tiny"):
        find_checkpoint("huge")
    monkeypatch.setattr("colorlib.models.checkpoints.WEIGHTS", tiny_checkpoint.parent / "none")
    with pytest.raises(ColorlibError, match="none bundled"):
        find_checkpoint("tiny")


def test_every_bundled_checkpoint_can_be_loaded():
    for name, path in bundled_checkpoints().items():
        model, bins, record = load_checkpoint(path)
        outputs = 2 if record.get("output") == "chroma" else len(bins)
        with torch.no_grad():
            side = 32 if name == "liteunet" else 64  # it answers at half size
            assert model(torch.zeros(1, 1, 64, 64)).shape == (1, outputs, side, side), name
        assert record["training"] and record["metrics"] and 0 < record["temperature"] <= 1, name


def test_half_precision_halves_the_file_and_changes_next_to_nothing(tmp_path):
    torch.manual_seed(0)
    model, colors = build("ColorUNet").eval(), torch.rand(32, 2, dtype=torch.float64) - 0.5
    bins = ColorBins(colors, torch.full((32,), 1 / 32, dtype=torch.float64), "kmeans")
    for name, half in (("whole", False), ("half", True)):
        save_checkpoint(tmp_path / name, model, bins, {}, half=half)
    assert (tmp_path / "half").stat().st_size < 0.55 * (tmp_path / "whole").stat().st_size
    again = load_checkpoint(tmp_path / "half")[0]
    assert all(value.dtype == model.state_dict()[key].dtype for key, value in again.state_dict().items())
    luma = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(again(luma), model(luma), atol=2e-3, rtol=0)
