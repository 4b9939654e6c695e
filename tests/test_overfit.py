"""Seen photos against new ones: measured alike, and only on what the network was trained on."""

import sys

import numpy as np
import pytest
import torch

from colorlib import ColorlibError
from colorlib.color import chroma_of, luma_of
from colorlib.data import Cache, folder_sources, prepare, write_photo
from colorlib.files import read_rows
from colorlib.models import build
from colorlib.prediction import Colorizer
from colorlib.training import TrainingConfig, train
from experiments import overfit


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Cache:
    """24 photos of noise about a gray of their own, each with one of four tints by lot, half of them to learn from.

    Which gray has which tint can only be learnt by heart.
    """
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    tints = np.array([(60, 0, -60), (-60, 0, 60), (0, 60, -60), (60, -60, 0)])
    for i, tint in enumerate(tints[rng.permutation(24) % 4]):
        gray = rng.integers(66 + 5 * i, 70 + 5 * i, (24, 32 if i % 2 else 20, 1))
        write_photo(folder / f"{i:02}.png", np.clip(gray + tint, 0, 255).astype(np.uint8))
    return prepare(folder_sources(folder), tmp_path_factory.mktemp("cache") / "c", 32, train=12, validation=12)


def by_hand(colorizer: Colorizer, cache: Cache, split: str) -> list[float]:
    """The loss of each photo of a split, one at a time, by the formula."""
    photos, losses = cache.photos(split), []
    for rgb, (height, width) in zip(photos.rgb, photos.sizes.tolist()):
        photo = rgb.movedim(-1, 0).double() / 255
        with torch.no_grad():
            z = colorizer.model.eval()(luma_of(photo.float())[None, None])[0].double().softmax(0)
        target = colorizer.bins.encode(chroma_of(photo))
        weights = colorizer.bins.weights(colorizer.lam).double()
        each = -weights[target] * z.gather(0, target[None])[0].log()
        losses.append(float(each[:height, :width].mean()))
    return losses


def test_a_network_that_learned_by_heart_is_found_out(cache, tmp_path, monkeypatch, capsys):
    settings = {"crop": 32, "min_size": 32, "augment": "none", "num_bins": 4, "batch_size": 6, "max_steps": 200}
    settings |= {"image_size": 32, "photos": [str(cache.folder)], "validate_every": 200, "learning_rate": 0.005}
    path = train(TrainingConfig(out_dir=str(tmp_path / "run"), **settings, device="cpu"))
    arguments = ["--cache", cache.folder, "--model", path, "--out", tmp_path]
    monkeypatch.setattr(sys, "argv", ["overfit", *map(str, arguments)])
    for _ in range(2):  # a second look replaces the first
        overfit.main()
    (row,) = read_rows(tmp_path / "overfit.csv")
    assert row["network"] == "run" and overfit.name_of("colorunet-paper") == "colorunet-paper"
    colorizer = Colorizer.load(path)
    new, seen = by_hand(colorizer, cache, "validation"), by_hand(colorizer, cache, "train")
    assert float(row["loss_new"]) == pytest.approx(np.mean(new), abs=2e-3)
    drawn = overfit.photo_losses(colorizer, overfit.draw(cache.photos("train"), 12))
    assert all(np.abs(np.array(seen) - loss).min() < 2e-3 for loss in drawn)
    assert float(row["loss_seen"]) == pytest.approx(drawn.mean(), abs=1e-4)
    assert row["verdict"] == "more" and 0 < float(row["low"]) < float(row["difference"]) < float(row["high"])
    table = (tmp_path / "overfit.md").read_text()
    assert "12, 32 px" in table and f"{float(row['difference']):+.3f} [" in table
    assert "more" in capsys.readouterr().out


def recorded(size: int = 32, used: int = 12, **more: object) -> Colorizer:
    training = {"config": {"image_size": size, "lam": 0.5}, "photos": {"used": used}, "history": [{"step": 1}]}
    record = {"training": training | more.pop("training", {})} | more
    outputs = 2 if more.get("output") == "chroma" else 32
    return Colorizer(build("ColorUNet", outputs), overfit.colorlib.load("colorunet").bins, record=record)


@pytest.mark.parametrize(("size", "used"), [(64, 12), (32, 13)])
def test_a_network_trained_on_something_else_is_refused(cache, size, used):
    with pytest.raises(ColorlibError, match=rf"{used} photos of {size} pixels, and .* has 12 of 32.*: name the cache"):
        overfit.compare(recorded(size, used), cache)


def test_what_cannot_be_compared_is_refused_before_it_is_measured(cache, monkeypatch):
    monkeypatch.setattr(overfit, "photo_losses", None)
    for colorizer in (recorded(training={"history": []}), recorded(training={"config": {}})):
        with pytest.raises(ColorlibError, match="does not say what it was trained on"):
            overfit.compare(colorizer, cache)
    with pytest.raises(ColorlibError, match="by L2 regression"):
        overfit.compare(recorded(output="chroma"), cache)
