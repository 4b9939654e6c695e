"""A compiled training, gone through to the end: it learns what a plain one does."""

from pathlib import Path
from typing import Any

import pytest
import torch

from colorlib.models import load_checkpoint
from colorlib.training import TrainingConfig, train

TINY = {"model": "FlatNet", "num_bins": 8, "image_size": 32, "crop": 32, "min_size": 32, "batch_size": 4, "warmup": 0}


def losses(out: Path, **settings: Any) -> dict[str, list[float]]:
    config = TrainingConfig(out_dir=str(out), max_steps=4, validate_every=2, **TINY | settings)
    history = load_checkpoint(train(config))[2]["training"]["history"]
    return {key: [row[key] for row in history] for key in ("train_loss", "validation_loss")}


@pytest.mark.slow
def test_a_compiled_training_learns_what_a_plain_one_does(device, tmp_path, monkeypatch):
    """On a GPU: in bfloat16 where it has it, with Adam as one kernel."""
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda *args, compile=torch.compile: compiled.append(args) or compile(*args))
    torch._dynamo.reset()
    plain = losses(tmp_path / "plain", device="cpu", compile="never")
    assert not compiled
    fast = losses(tmp_path / "compiled", device=device.type, compile="always")
    assert len(compiled) == 1 and torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    for key in plain:
        assert fast[key] == pytest.approx(plain[key], rel=2e-3 if device.type == "cpu" else 5e-2)
