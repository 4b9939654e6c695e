"""Training: settings, batches, learning, and a run that is killed and goes on as if nothing had happened."""

import csv
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from colorlib import ColorlibError, cli
from colorlib.color import ColorBins, chroma_of, luma_of
from colorlib.data import PaddedPhotos, Photo, bundled, read_photo, sevenfold_batch, write_photo
from colorlib.models import MODELS, build, load_checkpoint, save_checkpoint
from colorlib.prediction import Colorizer
from colorlib.training import (
    Interruption,
    Objective,
    Teacher,
    TrainingConfig,
    adjust_logits,
    adjust_output_bias,
    batch_indices,
    choose_rate,
    degrade_luma,
    distillation,
    draw_batch,
    encode_batch,
    find_teacher,
    fingerprint,
    forward,
    generator_for,
    learning_rate_at,
    load_photos,
    local_loss,
    loop,
    luma_of_photos,
    rebalanced_cross_entropy,
    starting_point,
    sweep_learning_rates,
    train,
    validate,
)
from colorlib.training import photos as training_photos

# --- settings ----------------------------------------------------------------------------------------------------


def test_settings_from_yaml(tmp_path):
    (tmp_path / "run.yaml").write_text("model: FlatNet\nlam: 1\nphotos: [a, b]\nmax_steps: 7\n")
    config = TrainingConfig.from_yaml(tmp_path / "run.yaml", max_steps=9)
    assert (config.model, config.lam, config.photos, config.max_steps) == ("FlatNet", 1.0, ["a", "b"], 9)
    assert isinstance(config.lam, float)
    (tmp_path / "empty.yaml").touch()
    assert TrainingConfig.from_yaml(tmp_path / "empty.yaml") == TrainingConfig()


def test_a_learning_rate_as_people_write_it(tmp_path):
    """YAML reads 2e-3, without a point, as text; that is how everybody writes a learning rate."""
    (tmp_path / "run.yaml").write_text("learning_rate: 2e-3\n")
    assert TrainingConfig.from_yaml(tmp_path / "run.yaml").learning_rate == 0.002


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learnig_rate": 0.1}, "'learnig_rate'.*learning_rate"),
        ({"max_steps": "many"}, "max_steps must be a"),
        ({"max_steps": 1.5}, "max_steps must be a"),
        ({"max_steps": True}, "max_steps must be a"),
        ({"max_steps": None}, "max_steps must be a"),
        ({"lam": "half"}, "lam must be a number from 0 to 1; got 'half'"),
        ({"lam": True}, "lam must be a"),
        ({"photos": "folder"}, "photos must be a"),
        ({"photos": [1, 2]}, "photos"),
        ({"max_steps": 0}, "max_steps must be a whole number, at least 1; got 0"),
        ({"batch_size": -4}, "batch_size must be a whole number, at least 1; got -4"),
        ({"num_bins": 0}, "num_bins must be"),
        ({"crop": 192, "image_size": 160}, "crop"),
        ({"min_size": 192, "image_size": 160}, "min_size"),
        ({"min_size": 0}, "min_size"),
        ({"crop": 60}, "multiple"),
        ({"image_size": 150}, "multiple"),
        ({"lam": 1.5}, "lam must be a number from 0 to 1; got 1.5"),
        ({"lam_inference": 1.5}, "lam_inference"),
        ({"color_weight": 10, "loss": "l2"}, "color_weight goes with a loss over bins"),
        ({"lam_inference": 0.2, "loss": "l2"}, "lam_inference goes with the loss cross_entropy"),
        ({"bins": "teacher"}, "name its checkpoint, as in teacher=liteunet"),
        ({"teacher": "liteunet", "loss": "l2"}, "a teacher goes with a loss over bins"),
        ({"teacher_weight": 1.5}, "teacher_weight must be a number from 0 to 1; got 1.5"),
        ({"teacher_temperature": 0}, "teacher_temperature must be a number from"),
        ({"lam": math.nan}, "lam"),
        ({"bins": "median"}, "bins"),
        ({"norm": "layer"}, "norm must be one of batch, affine"),
        ({"norm": "affine", "model": "FlatNet"}, "norm affine goes with the model ColorUNet; got FlatNet"),
        ({"loss_mean": "median"}, "loss_mean must be one of photo, everything"),
        ({"model": "ResNet"}, "ResNet"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": math.inf}, "learning_rate"),
        ({"warmup": -5}, "warmup"),
        ({"noise_std": -0.1}, "noise_std"),
        ({"gamma_jitter": -0.1}, "gamma_jitter"),
        ({"blur_probability": 1.5}, "blur_probability"),
        ({"checkpoint_minutes": -1.0}, "checkpoint_minutes"),
        ({"device": "abacus"}, "device"),
        ({"loss": "l1"}, "loss must be one of cross_entropy, soft, l2"),
        ({"augment": "all"}, "augment"),
        ({"schedule": "linear"}, "schedule"),
        ({"compile": True}, "compile"),
        ({"seed": 20_260_131_093_000}, "seed must be"),
        ({"seed": -1}, "seed must be"),
        ({"lr_decay": 1.5}, "lr_decay"),
        ({"lr_decay_at": -0.5}, "lr_decay_at"),
        ({"validation_photos": [3]}, "validation_photos"),
    ],
    ids=str,
)
def test_impossible_settings_are_refused_before_any_work(settings, message):
    with pytest.raises(ColorlibError, match=message):
        TrainingConfig.from_dict(settings)


@pytest.mark.parametrize("settings", [{"augment": "paper", "image_size": 64}, {"augment": "none", "crop": 32}], ids=str)
def test_settings_of_another_augmentation_are_no_obstacle(settings):
    """Only zoom-crop and none cut squares, and only zoom-crop and resized-crop shrink a batch."""
    config = TrainingConfig.from_dict({"image_size": 32} | settings)
    assert config.crop > config.image_size or config.min_size > config.image_size


@pytest.mark.parametrize("setting", fields(TrainingConfig), ids=lambda setting: setting.name)
def test_both_ends_of_every_range_are_taken_and_nothing_beyond(setting):
    ends = {"least": setting.metadata["least"], "greatest": setting.metadata["greatest"]}
    step = {"least": -1, "greatest": 1}
    together = {"image_size": 32_768} if setting.name in ("crop", "min_size") else {}  # they may not be larger than it
    for end, value in ends.items():
        if math.isfinite(value):
            beyond = value + step[end] * (1 if setting.type is int else 1e-3)
            with pytest.raises(ColorlibError, match=f"{setting.name} must be .*got {beyond}"):
                TrainingConfig(**together | {setting.name: beyond})
            if setting.name not in ("crop", "min_size", "image_size"):  # whose steps have a test of their own
                assert getattr(TrainingConfig(**{setting.name: value}), setting.name) == value
    for choice in setting.metadata["choices"]:
        assert getattr(TrainingConfig(**{setting.name: choice}), setting.name) == choice


def test_the_settings_that_the_shell_prints_are_the_defaults_with_words_and_values(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["train", "--settings"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert TrainingConfig.from_dict(yaml.safe_load(text)) == TrainingConfig()
    assert list(yaml.safe_load(text)) == [setting.name for setting in fields(TrainingConfig)]
    assert "# λ of the rebalancing: 1 treats all bins alike\nlam: 0.5  # a number from 0 to 1\n" in text
    assert "schedule: cosine  # one of cosine, two-step, constant\n" in text
    assert all(setting.metadata["words"] in text for setting in fields(TrainingConfig))
    with pytest.raises(SystemExit) as end:
        cli.main(["train", "--help"])
    assert end.value.code == 0 and capsys.readouterr().out.endswith(text)


def test_every_network_can_be_named_in_the_settings():
    model = next(setting for setting in fields(TrainingConfig) if setting.name == "model")
    assert set(model.metadata["choices"]) == set(MODELS)


def test_unreadable_settings_are_refused(tmp_path):
    (tmp_path / "list.yaml").write_text("- a\n- b\n")
    (tmp_path / "broken.yaml").write_text("steps: [1, 2\n")
    (tmp_path / "binary.yaml").write_bytes(bytes(range(128, 256)))
    for name in ("list.yaml", "broken.yaml", "binary.yaml", "missing.yaml", "."):
        with pytest.raises(ColorlibError, match="configuration"):
            TrainingConfig.from_yaml(tmp_path / name)


def test_learning_rate_rises_and_falls():
    config = TrainingConfig(max_steps=1000, warmup=100, learning_rate=0.01)
    rates = [learning_rate_at(step, config) for step in range(1000)]
    assert max(rates) == 0.01 and min(rates) > 0
    np.testing.assert_allclose(rates[:100], 0.01 * np.arange(1, 101) / 100)
    assert (np.diff(rates[:100]) > 0).all() and (np.diff(rates[101:]) < 0).all()
    assert rates[550] == pytest.approx(0.005) and rates[-1] < 1e-7
    assert learning_rate_at(0, TrainingConfig(max_steps=1, warmup=0, learning_rate=0.01)) == 0.01
    assert 0 < learning_rate_at(4, TrainingConfig(max_steps=5, warmup=50, learning_rate=0.01)) < 0.01


def test_two_steps_as_in_the_paper():
    config = TrainingConfig(
        max_steps=90, warmup=0, learning_rate=0.01, schedule="two-step", lr_decay=0.2, lr_decay_at=2 / 3
    )
    rates = [learning_rate_at(step, config) for step in range(90)]
    assert rates == [0.01] * 60 + [0.002] * 30
    constant = TrainingConfig(max_steps=90, warmup=2, learning_rate=0.01, schedule="constant")
    assert [learning_rate_at(step, constant) for step in range(90)] == [0.005] + [0.01] * 89


# --- batches -----------------------------------------------------------------------------------------------------


@pytest.fixture
def numbered() -> PaddedPhotos:
    """Ten frames of 24 pixels, each filled with its own number; some photos are smaller than the frame."""
    rgb = torch.arange(10, dtype=torch.uint8)[:, None, None, None].expand(10, 24, 24, 3).clone()
    return PaddedPhotos(rgb, torch.tensor([[24, 24], [24, 12], [12, 24], [8, 8], [20, 20]] * 2))


def test_every_purpose_and_step_has_a_stream_of_its_own():
    steps = (0, 1, 1_000_002, 1_000_003, 1_000_004, 3_000_009)
    seeds = {
        generator_for(seed, purpose, step).initial_seed() for seed in (0, 1) for purpose in range(4) for step in steps
    }
    assert len(seeds) == 2 * 4 * len(steps)


def config_for(batch: int, seed: int = 0) -> TrainingConfig:
    return TrainingConfig(batch_size=batch, crop=16, min_size=24, image_size=24, seed=seed)


def numbers_in(frames: PaddedPhotos, step: int, config: TrainingConfig) -> list[int]:
    return draw_batch(frames, step, config)[0][:, 0, 0, 0].tolist()


@pytest.mark.parametrize("batch", [1, 3, 5, 10, 16, 25])
def test_every_epoch_shows_every_photo_once(numbered, batch):
    config = config_for(batch, seed=5)
    steps = math.ceil(40 / batch)
    order = [number for step in range(steps) for number in numbers_in(numbered, step, config)]
    epochs = [order[i : i + 10] for i in range(0, 40, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4  # in an order of its own


def test_batches_depend_on_seed_and_step_alone(numbered):
    varied = PaddedPhotos(torch.randint(256, numbered.rgb.shape, dtype=torch.uint8), numbered.sizes)
    config = config_for(4, seed=1)
    first = [draw_batch(varied, step, config) for step in range(8)]
    torch.rand(1000)  # what else is drawn makes no difference, nor the order of asking
    again = {step: draw_batch(varied, step, config) for step in reversed(range(8))}
    for step, (crops, mask) in enumerate(first):
        assert torch.equal(again[step][0], crops) and torch.equal(again[step][1], mask)
    assert len({crops.numpy().tobytes() for crops, _ in first}) == 8
    other = draw_batch(varied, 0, config_for(4, seed=2))
    assert not torch.equal(other[0], first[0][0])


def test_masks_cover_exactly_the_photo(numbered):
    marked = numbered.rgb.clone()
    inside = numbered.mask()
    marked[inside] = 200
    marked[~inside] = 0
    for step in range(20):
        crops, mask = draw_batch(PaddedPhotos(marked, numbered.sizes), step, config_for(4))
        assert crops.shape == (4, 16, 16, 3) and ((crops[..., 0] == 200) == mask).all()
        assert (mask.sum((1, 2)) >= 64).all()


@pytest.mark.parametrize("batch", [4, 16, 25])
def test_an_epoch_of_the_papers_set_shows_each_of_seven_variants_once(numbered, batch):
    config = config_for(batch)
    config.augment = "paper"
    steps = range(math.ceil(140 / batch))
    order = torch.cat([batch_indices(step, 70, config) for step in steps]).tolist()
    assert sorted(order[:70]) == sorted(order[70:140]) == list(range(70)) and order[:70] != order[70:140]
    for step in steps:
        rgb, mask = draw_batch(numbered, step, config)
        _, expected, inside = sevenfold_batch(numbered, batch_indices(step, 70, config), config.seed, "paper")
        assert rgb.shape == (batch, 24, 24, 3) and torch.equal(rgb, expected) and torch.equal(mask, inside)


@pytest.mark.parametrize("augment", ["paper", "none"])
def test_only_our_augmentation_disturbs_the_luma(augment):
    luma = torch.rand(2, 1, 16, 16)
    config = TrainingConfig(noise_std=0.5, blur_probability=1.0, gamma_jitter=1.0)
    assert not torch.equal(degrade_luma(luma, 3, config), luma)
    assert torch.equal(degrade_luma(luma, 3, replace(config, augment=augment)), luma)


def test_without_augmentation_frames_come_as_they_are(numbered):
    varied = PaddedPhotos(torch.randint(256, numbered.rgb.shape, dtype=torch.uint8), numbered.sizes)
    config = replace(config_for(10), crop=24, augment="none")
    crops, mask = draw_batch(varied, 0, config)
    items = batch_indices(0, 10, config)
    assert torch.equal(crops, varied.rgb[items]) and torch.equal(mask, varied.mask()[items])


def test_the_order_of_an_epoch_is_drawn_once(monkeypatch):
    draws = []
    draw = torch.randperm
    monkeypatch.setattr(torch, "randperm", lambda *a, **k: draws.append(a) or draw(*a, **k))
    config = config_for(4, seed=987)
    for step in range(10):
        batch_indices(step, 20, config)
    assert len(draws) == 2  # for forty items out of twenty


def test_batches_come_at_several_scales():
    """Shrunk to any multiple of 8 from the smallest side to the frame, and cropped to at most the crop."""
    frames = PaddedPhotos(torch.randint(256, (6, 64, 64, 3), dtype=torch.uint8), torch.full((6, 2), 64))
    config = TrainingConfig(batch_size=2, crop=48, min_size=32, image_size=64)
    sides = [draw_batch(frames, step, config)[0].shape[1:3] for step in range(60)]
    assert {tuple(side) for side in sides} == {(32, 32), (40, 40), (48, 48)}
    assert torch.equal(draw_batch(frames, 7, config)[0], draw_batch(frames, 7, config)[0])


def test_resized_crops_come_in_the_shapes_that_a_stretched_network_is_given():
    frames = PaddedPhotos(torch.randint(256, (6, 64, 64, 3), dtype=torch.uint8), torch.full((6, 2), 64))
    config = TrainingConfig(
        model="LiteUNet", batch_size=2, crop=64, min_size=32, image_size=64, augment="resized-crop", noise_std=0.5
    )
    batches = [draw_batch(frames, step, config) for step in range(60)]
    assert {tuple(rgb.shape[1:3]) for rgb, _ in batches} == {(32, 32), (32, 64), (64, 32), (64, 64)}
    assert all(mask.all() and mask.shape == rgb.shape[:3] for rgb, mask in batches)
    assert replace(config, crop=96).crop == 96  # larger than any photo, but not used
    assert torch.equal(draw_batch(frames, 7, config)[0], batches[7][0])
    luma = torch.rand(2, 1, 16, 16)
    assert not torch.equal(degrade_luma(luma, 3, config), luma)


def test_what_the_network_sees_and_must_answer(kmeans_bins, synthetic_photo):
    frames = torch.from_numpy(synthetic_photo.copy())[None].expand(2, -1, -1, -1)
    luma, target = encode_batch(frames, kmeans_bins)
    rgb = frames.movedim(-1, 1).float() / 255
    assert luma.shape == (2, 1, 96, 144) and target.shape == (2, 96, 144) and target.dtype == torch.int64
    torch.testing.assert_close(luma[:, 0], luma_of(rgb))
    same = target == kmeans_bins.encode(chroma_of(rgb))
    assert same.double().mean() > 0.999  # all but colours within rounding of a border


def test_validation_counts_every_pixel_once(kmeans_bins, numbered):
    torch.manual_seed(0)
    frames = PaddedPhotos(torch.randint(256, (20, 24, 24, 3), dtype=torch.uint8), numbered.sizes.repeat(2, 1))
    model, weights = build("ColorUNet"), kmeans_bins.weights(0.5)
    scores = validate(model, frames, Objective("cross_entropy", kmeans_bins))
    assert model.training
    luma, target = encode_batch(frames.rgb, kmeans_bins)
    with torch.no_grad():
        logits = model.eval()(luma)
    mask = frames.mask()
    assert scores["validation_loss"] == pytest.approx(
        float(rebalanced_cross_entropy(logits, target, weights, mask)), rel=1e-4
    )
    assert scores["validation_accuracy"] == pytest.approx(
        float((logits.argmax(1) == target)[mask].double().mean()), abs=1e-3
    )


# --- whole runs --------------------------------------------------------------------------------------------------

SMALL = {
    "num_bins": 4,
    "image_size": 32,
    "min_size": 24,
    "crop": 16,
    "batch_size": 4,
    "max_steps": 120,
    "warmup": 10,
    "learning_rate": 0.01,
    "validate_every": 6,
    "checkpoint_minutes": 60.0,
    "noise_std": 0.02,
    "device": "cpu",
}


@pytest.fixture
def tiny_world(tmp_path: Path, synthetic_photo: np.ndarray) -> Path:
    """A folder with twelve small landscapes to train on and four to validate on: sky above, grass below."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("validation", 4)):
        for i in range(count):
            photo = np.roll(synthetic_photo, int(rng.integers(-12, 12)), axis=0)[16:80:2, : 40 + 4 * i : 2]
            write_photo_in(tmp_path / split / f"{i:02}.png", photo)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(SMALL))
    return tmp_path


def write_photo_in(path: Path, photo: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    write_photo(path, np.ascontiguousarray(photo))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run is kept from which several tests go on."""
    return tmp_path_factory.mktemp("kept")


def trained_once(run: Path, kept: Path, training: Callable[[], object]) -> None:
    """The folder of a run: the first test trains it, and each later one gets a copy."""
    if (kept / run.name).exists():
        shutil.copytree(kept / run.name, run)
    else:
        training()
        shutil.copytree(run, kept / run.name)


def photos_of(world: Path, split: str) -> list[Photo]:
    return [Photo(path, "landscape", split, "CC0", "nobody") for path in sorted((world / split).glob("*.png"))]


def encode_directly(bins: ColorBins, rgb: torch.Tensor) -> torch.Tensor:
    """`ColorBins.encode_rgb` without its table of all colours, whose making takes longer than these tiny runs."""
    return bins.encode(chroma_of(rgb.movedim(-1, -3).double() / 255))


@pytest.fixture
def in_tiny_world(tiny_world, monkeypatch):
    """The tiny world's photos take the place of the bundled ones; without TensorBoard, whose import takes seconds."""
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.setattr(training_photos, "bundled", lambda split: photos_of(tiny_world, split))
    monkeypatch.setattr(ColorBins, "encode_rgb", encode_directly)
    return tiny_world


def history(out: Path) -> list[dict[str, str]]:
    if not (out / "history.csv").exists():
        return []
    with open(out / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_the_switches_between_paper_and_code_reach_the_training(in_tiny_world):
    """Each leaves its mark on what is trained, and a loss divided by 32 is no other loss to Adam but for padding."""
    run = partial(TrainingConfig.from_yaml, in_tiny_world / "config.yaml", max_steps=6)
    path = train(run(out_dir=str(in_tiny_world / "affine"), norm="affine", bins="odd-grid", augment="paper-dark"))
    model, bins, record = load_checkpoint(path)
    assert model.arguments == {"norm": "affine"} and bins.grid == 11
    assert record["training"]["config"]["augment"] == "paper-dark"
    with pytest.raises(ColorlibError, match="was trained with norm affine: set norm so, got batch"):
        train(run(out_dir=str(in_tiny_world / "next"), init_from=str(path)))
    losses = {}
    for mean in ("photo", "everything"):
        train(run(out_dir=str(in_tiny_world / mean), loss_mean=mean, validate_every=1))
        losses[mean] = [float(row["train_loss"]) for row in history(in_tiny_world / mean)]
    assert 0 < losses["everything"][0] <= losses["photo"][0] / 4 + 1e-6  # 4 bins, and the padding


def test_a_network_learns_sky_and_grass(in_tiny_world):
    out = in_tiny_world / "run"
    path = train(TrainingConfig.from_yaml(in_tiny_world / "config.yaml", out_dir=str(out), max_steps=90))
    rows = history(out)
    assert [int(row["step"]) for row in rows] == list(range(6, 91, 6))
    assert float(rows[-1]["train_loss"]) < 0.4 * float(rows[0]["train_loss"])
    assert float(rows[-1]["validation_loss"]) < 0.6 * float(rows[0]["validation_loss"])
    assert float(rows[-1]["validation_accuracy"]) > 0.8

    model, bins, record = load_checkpoint(path)
    assert len(bins) == 4 and record["input_size"] == 32
    settings = record["training"]["config"]
    assert settings["lam"] == 0.5 and settings["seed"] == 0 and settings["max_steps"] == 90
    assert [row["step"] for row in record["training"]["history"]] == list(range(6, 91, 6))
    assert str(in_tiny_world) not in str(record)  # nobody's folders are published with a model
    luma = luma_of(torch.rand(3, 32, 32))
    assert Colorizer.load(path).probabilities(luma).shape == (4, 32, 32)


def test_a_regression_learns_too_and_gives_colors_only(in_tiny_world):
    settings = {"out_dir": str(in_tiny_world / "run"), "max_steps": 60, "loss": "l2"}
    path = train(TrainingConfig.from_yaml(in_tiny_world / "config.yaml", **settings))
    rows = history(path.parent)
    assert float(rows[-1]["validation_loss"]) < 0.3 * float(rows[0]["validation_loss"])
    model, bins, record = load_checkpoint(path)
    assert record["output"] == "chroma" and len(bins) == 4
    colorizer = Colorizer.load(path)
    photo = read_photo(photos_of(in_tiny_world, "validation")[0].path)
    luma = colorizer.input_luma(photo)[:, :16]
    with torch.no_grad():
        direct = model(luma[None, None])[0]
    torch.testing.assert_close(colorizer.chroma(luma), direct)
    assert colorizer.temperature == 1 and colorizer.colorize(photo).shape == photo.shape
    assert np.array_equal(colorizer.colorize(photo), colorizer.colorize(photo, 1.0))
    for question in (lambda: colorizer.colorize(photo, 0.5), lambda: colorizer.probabilities(luma)):
        with pytest.raises(ColorlibError, match="L2 regression"):
            question()


def test_soft_targets_are_learnt_as_well(in_tiny_world):
    settings = {"out_dir": str(in_tiny_world / "run"), "max_steps": 60, "loss": "soft"}
    rows = history(train(TrainingConfig.from_yaml(in_tiny_world / "config.yaml", **settings)).parent)
    assert float(rows[-1]["train_loss"]) < 0.6 * float(rows[0]["train_loss"])
    assert float(rows[-1]["validation_accuracy"]) > 0.7


def test_a_classifier_does_not_go_on_as_a_regression(in_tiny_world):
    config = TrainingConfig.from_yaml(in_tiny_world / "config.yaml", out_dir=str(in_tiny_world / "run"), max_steps=2)
    start = str(train(config))
    for values in ({"loss": "l2"}, {"num_bins": 5}, {"model": "FlatNet"}):
        with pytest.raises(ColorlibError, match="model.safetensors"):
            train(replace(config, init_from=start, out_dir=str(in_tiny_world / "next"), **values))


def test_a_bolder_answer_is_taken_back_before_training_goes_on(in_tiny_world):
    """A network made to answer with another λ starts from what it had learnt."""
    config = TrainingConfig.from_yaml(in_tiny_world / "config.yaml", out_dir=str(in_tiny_world / "run"), max_steps=2)
    learnt, bins, record = load_checkpoint(train(config))
    shifted = deepcopy(learnt)
    adjust_output_bias(0.1, shifted, bins, trained_with=config.lam)
    path = in_tiny_world / "bolder.safetensors"
    save_checkpoint(path, shifted, bins, record | {"lam_inference": 0.1})
    frames = load_photos(config)[0]
    start = starting_point(replace(config, init_from=str(path)), frames)[0].state_dict()
    for name, value in learnt.state_dict().items():
        torch.testing.assert_close(start[name], value, atol=1e-6, rtol=0)
    assert any(not torch.equal(value, start[name]) for name, value in shifted.state_dict().items())


def test_short_runs_tell_learning_rates_apart(in_tiny_world):
    config = TrainingConfig.from_yaml(in_tiny_world / "config.yaml", schedule="cosine", warmup=10)
    curves = sweep_learning_rates(config, rates=(1e-6, 0.01, 1e9), steps=12)
    assert {rate: len(losses) for rate, losses in curves.items()} == {1e-6: 12, 0.01: 12, 1e9: 12}
    assert len({losses[0] for losses in curves.values()}) == 1  # the same start and the same batch
    assert choose_rate(curves) == 0.01
    assert sweep_learning_rates(config, rates=(0.01,), steps=12)[0.01] == curves[0.01]


def test_short_runs_too_want_a_batch_that_can_be_shared(in_tiny_world, monkeypatch):
    monkeypatch.setattr("colorlib.parallel.rank_and_world_size", lambda: (0, 3))
    config = TrainingConfig.from_yaml(in_tiny_world / "config.yaml", batch_size=4)
    with pytest.raises(ColorlibError, match="batch of 4 cannot be shared by 3 processes"):
        sweep_learning_rates(config, rates=(0.01,), steps=1)


def test_the_shell_only_tries_learning_rates(in_tiny_world, monkeypatch, capsys):
    curves = {0.002: [3.5, 3.0, 2.5], 0.02: [3.5, 9.0, 7.0]}
    monkeypatch.setattr(loop, "sweep_learning_rates", lambda config: curves)
    out = in_tiny_world / "run"
    assert cli.main(["train", str(in_tiny_world / "config.yaml"), "--choose-rate", "--set", f"out_dir={out}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and "0.002" in lines[0] and "lowest" in lines[0] and "lowest" not in lines[1]
    assert not out.exists()


def test_the_same_settings_give_the_same_network(in_tiny_world):
    config = TrainingConfig.from_yaml(in_tiny_world / "config.yaml", max_steps=8)
    results = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.rand(17)  # the state of the global generator must not matter
        config.out_dir, config.seed = str(in_tiny_world / name), seed
        results.append(load_file(train(config)))
    assert all(torch.equal(results[0][key], results[1][key]) for key in results[0])
    assert not all(torch.equal(results[0][key], results[2][key]) for key in results[0])


def test_half_the_digits_learn_the_same(in_tiny_world):
    """In bfloat16 a network begins as in float32, but for rounding, and learns as well; its weights stay float32."""
    ends = {}
    for precision in ("float32", "bfloat16"):
        out = in_tiny_world / precision
        run = {"out_dir": str(out), "max_steps": 90, "precision": precision}
        weights = load_file(train(TrainingConfig.from_yaml(in_tiny_world / "config.yaml", **run)))
        state = load_file(out / "state.safetensors")
        kept = [value.dtype for name, value in state.items() if name.startswith("model.") and value.is_floating_point()]
        assert set(kept) == {torch.float32}
        losses = [float(row["train_loss"]) for row in history(out)]
        assert losses[-1] < 0.4 * losses[0] and float(history(out)[-1]["validation_accuracy"]) > 0.8
        ends[precision] = (weights, losses[0])
    (exact, first), (rounded, first_rounded) = ends.values()
    assert any(not torch.equal(exact[name], rounded[name]) for name in exact)  # it was rounded
    assert abs(first - first_rounded) < 0.02 * first


def test_what_a_network_is_computed_in():
    torch.manual_seed(0)
    network, luma = build("ColorUNet", 4).eval(), torch.rand(2, 1, 32, 32)
    exact, rounded = forward(network, luma, "float32"), forward(network, luma, "bfloat16")
    assert exact.dtype == rounded.dtype == torch.float32
    assert torch.equal(exact, network(luma)) and torch.equal(exact, forward(network, luma))  # auto, on a CPU
    assert not torch.equal(exact, rounded) and torch.equal(rounded, rounded.bfloat16().float())
    assert (exact - rounded).abs().max() < 0.1 * exact.abs().max()
    rounded.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.dtype == torch.float32 for weight in network.parameters())


def test_a_loss_that_explodes_is_reported(in_tiny_world):
    config = TrainingConfig.from_yaml(in_tiny_world / "config.yaml", out_dir=str(in_tiny_world / "run"))
    config.learning_rate = 1e30
    with pytest.raises(ColorlibError, match="no longer a number.*learning_rate"):
        train(config)


SCRIPT = """
import sys
from pathlib import Path
sys.modules["tensorboard"] = None
import torch
from colorlib.training import TrainingConfig, photos, train
from colorlib.color import ColorBins, UVHistogram
from colorlib.color import chroma_of
from colorlib.data import Photo

def bundled(split):
    return [Photo(path, "landscape", split, "CC0", "nobody") for path in sorted((world / split).glob("*.png"))]

def chroma(rgb):
    return chroma_of(rgb.movedim(-1, -3).double() / 255)

if __name__ == "__main__":
    world, out = Path(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    photos.bundled = bundled  # and no tables of all colours, whose making takes longer than these tiny runs
    ColorBins.encode_rgb = lambda bins, rgb: bins.encode(chroma(rgb))
    UVHistogram.add_rgb = lambda histogram, rgb, mask: histogram.add(chroma(rgb), mask)
    config = TrainingConfig.from_yaml(world / "config.yaml", out_dir=out, max_steps=60, checkpoint_minutes=0.0)
    train(config)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_killed_run_goes_on_as_if_it_had_never_stopped(in_tiny_world):
    """SIGKILL twice, at any step, and resume: history and weights equal those of an undisturbed run, bit by bit."""
    world, disturbed, undisturbed = in_tiny_world, in_tiny_world / "disturbed", in_tiny_world / "undisturbed"
    (world / "script.py").write_text(SCRIPT)

    def start() -> subprocess.Popen:
        command = [sys.executable, str(world / "script.py"), str(world), str(disturbed)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    for rows in (2, 5):
        with start() as process:
            while len(history(disturbed)) < rows and process.poll() is None:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            assert process.wait(60) == -signal.SIGKILL, process.stderr.read()
        assert rows <= len(history(disturbed)) < 10

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums of floats depend on how they are split
    try:
        for out in (disturbed, undisturbed):
            train(TrainingConfig.from_yaml(world / "config.yaml", out_dir=str(out), max_steps=60))
    finally:
        torch.set_num_threads(threads)
    assert history(disturbed) == history(undisturbed) and len(history(undisturbed)) == 10
    ours, theirs = load_file(disturbed / "model.safetensors"), load_file(undisturbed / "model.safetensors")
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert not list(disturbed.glob("*partial*"))


def press_ctrl_c_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person loses patience while the batch of a step is being drawn."""

    def batch_or_signal(frames, number, settings):
        if number == step:
            signal.raise_signal(signal.SIGINT)
        return draw_batch(frames, number, settings)

    monkeypatch.setattr(loop, "draw_batch", batch_or_signal)


def interrupt(config: TrainingConfig, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train until somebody presses Ctrl-C at a step."""
    with monkeypatch.context() as patch:
        press_ctrl_c_at(step, patch)
        with pytest.raises(KeyboardInterrupt):
            train(config)


@pytest.fixture
def half_done(in_tiny_world, kept, monkeypatch) -> TrainingConfig:
    """A run of 24 steps that was interrupted in its fourteenth, between two validations."""
    config = TrainingConfig.from_yaml(in_tiny_world / "config.yaml", out_dir=str(in_tiny_world / "run"), max_steps=24)
    trained_once(in_tiny_world / "run", kept, lambda: interrupt(config, 13, monkeypatch))
    assert [int(row["step"]) for row in history(Path(config.out_dir))] == [6, 12]
    return config


def test_ctrl_c_loses_nothing(half_done, in_tiny_world):
    """The step under way is finished and saved, and the losses since the last row of the history with it."""
    with safe_open(Path(half_done.out_dir) / "state.safetensors", framework="pt") as file:
        assert file.metadata()["step"] == "14" and len(file.get_tensor("losses")) == 2
    assert load_checkpoint(Path(half_done.out_dir) / "model.safetensors")[2]["training"]["history"][-1]["step"] == 12
    resumed = train(half_done)
    half_done.out_dir = str(in_tiny_world / "undisturbed")
    undisturbed = train(half_done)
    assert history(resumed.parent) == history(undisturbed.parent) and len(history(undisturbed.parent)) == 4
    ours, theirs = load_file(resumed), load_file(undisturbed)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_run_that_turns_to_nan_keeps_what_it_had(in_tiny_world, monkeypatch):
    """Nothing that is no number is saved, and the run can go on from before."""
    config = TrainingConfig.from_yaml(in_tiny_world / "config.yaml", out_dir=str(in_tiny_world / "run"), max_steps=24)
    config.checkpoint_minutes = 0.0
    with monkeypatch.context() as patch:
        patch.setattr(loop, "degrade_luma", lambda luma, step, config: luma * math.nan if step == 14 else luma)
        with pytest.raises(ColorlibError, match=r"at step 15.*model\.safetensors is from before"):
            train(config)
    with safe_open(in_tiny_world / "run" / "state.safetensors", framework="pt") as file:
        assert file.metadata()["step"] == "14"
    kept = load_file(in_tiny_world / "run" / "model.safetensors")
    assert all(value.isfinite().all() for value in kept.values())
    train(config)
    assert [int(row["step"]) for row in history(in_tiny_world / "run")] == [6, 12, 18, 24]


@pytest.mark.parametrize("shares", ["2", "3"])
def test_batch_norm_on_cpus_depends_on_the_number_of_processes(half_done, shares):
    """A run begun by several processes that normalised their shares apart is not continued by one."""
    state = Path(half_done.out_dir) / "state.safetensors"
    with safe_open(state, framework="pt") as file:
        metadata = file.metadata()
    save_file(load_file(state), state, metadata | {"batch_norm_groups": shares})
    with pytest.raises(ColorlibError, match=f"by {shares} processes, not 1"):
        train(half_done)


def test_the_history_is_never_half_written(half_done, monkeypatch):
    """It is replaced as a whole: a run that dies in the middle of writing leaves the rows that were there."""
    before = (Path(half_done.out_dir) / "history.csv").read_text()

    def die(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(csv.DictWriter, "writerows", die)
        with pytest.raises(KeyboardInterrupt):
            train(half_done)
    assert (Path(half_done.out_dir) / "history.csv").read_text() == before
    train(half_done)
    assert [int(row["step"]) for row in history(Path(half_done.out_dir))] == [6, 12, 18, 24]


@pytest.mark.slow
def test_curves_for_tensorboard(in_tiny_world, monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorboard")
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = TrainingConfig.from_yaml(in_tiny_world / "config.yaml", out_dir=str(in_tiny_world / "run"), max_steps=12)
    train(config)
    curves = accumulator.EventAccumulator(str(in_tiny_world / "run" / "colorlib-curves")).Reload()
    assert curves.Tags()["scalars"] == ["train/loss", "validation/loss", "validation/accuracy"]
    expected = [float(row["validation_loss"]) for row in history(in_tiny_world / "run")]
    points = curves.Scalars("validation/loss")
    assert [point.step for point in points] == [6, 12]
    np.testing.assert_allclose([point.value for point in points], expected, rtol=1e-6)


def test_resuming_a_finished_run_changes_nothing(half_done):
    path = train(half_done)
    before = load_file(path), history(Path(half_done.out_dir))
    assert train(half_done) == path
    assert history(Path(half_done.out_dir)) == before[1]
    assert all(torch.equal(value, before[0][key]) for key, value in load_file(path).items())


def test_only_restart_discards_a_run_and_only_what_is_its_own(half_done):
    out = Path(half_done.out_dir)
    (out / "tensorboard" / "other").mkdir(parents=True)
    (out / "colorlib-curves").mkdir(exist_ok=True)
    for name in ("tensorboard/other/events.out.tfevents.1", "colorlib-curves/notes.txt", "history-of-mine.csv"):
        (out / name).write_text("mine")
    (out / "colorlib-curves" / "events.out.tfevents.9").write_text("of the run")
    half_done.seed = 5
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(ColorlibError, match=r"other settings \(seed\).*--restart"):
        train(half_done)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    train(half_done, restart=True)
    assert [int(row["step"]) for row in history(out)] == [6, 12, 18, 24]
    assert load_checkpoint(out / "model.safetensors")[2]["training"]["config"]["seed"] == 5
    assert all(path.read_text() == "mine" for path in before if before[path] == b"mine")
    assert not (out / "colorlib-curves" / "events.out.tfevents.9").exists()


@pytest.mark.parametrize("name", ["history.csv", "model.safetensors"])
def test_files_of_others_are_not_replaced(in_tiny_world, name):
    """A folder of somebody else's, named as out_dir by mistake."""
    (in_tiny_world / "mine").mkdir()
    (in_tiny_world / "mine" / name).write_text("years of work")
    config = TrainingConfig.from_yaml(in_tiny_world / "config.yaml", out_dir=str(in_tiny_world / "mine"), max_steps=2)
    with pytest.raises(ColorlibError, match=f"{name} is of another run.*out_dir"):
        train(config)
    assert (in_tiny_world / "mine" / name).read_text() == "years of work"
    assert [path.name for path in (in_tiny_world / "mine").iterdir()] == [name]


def test_other_photos_of_the_same_sizes_are_noticed(numbered, kmeans_bins):
    """Where the bins are given, sizes alone could not tell one set of photos from another."""
    other = PaddedPhotos(numbered.rgb.clone(), numbered.sizes)
    assert fingerprint(numbered, kmeans_bins) == fingerprint(other, kmeans_bins)
    other.rgb[-1] += 1
    assert fingerprint(numbered, kmeans_bins) != fingerprint(other, kmeans_bins)


def test_bins_come_from_a_file(in_tiny_world, tiny_bins):
    """`colorlib bins --out FILE` writes what a training reads; how frequent they are says its own photos."""
    tiny_bins.save(in_tiny_world / "bins.json")
    settings = {"bins": str(in_tiny_world / "bins.json"), "out_dir": str(in_tiny_world / "run"), "max_steps": 2}
    with pytest.raises(ColorlibError, match="holds 8 bins: set num_bins"):
        train(TrainingConfig.from_yaml(in_tiny_world / "config.yaml", **settings))
    config = TrainingConfig.from_yaml(in_tiny_world / "config.yaml", **settings, num_bins=8)
    _, bins, record = load_checkpoint(train(config))
    assert torch.equal(bins.colors, tiny_bins.colors) and not torch.equal(bins.frequency, tiny_bins.frequency)
    assert record["training"]["config"]["bins"] == "bins.json"


def test_a_state_older_than_a_setting_goes_on(half_done):
    """A run that was begun before there were teachers has none: that is no other setting."""
    path = Path(half_done.out_dir) / "state.safetensors"
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    settings = json.loads(metadata["settings"])
    assert settings.pop("teacher") == ""
    save_file(load_file(path), path, metadata | {"settings": json.dumps(settings)})
    half_done.lam = 0.9
    with pytest.raises(ColorlibError, match=r"other settings \(lam\)"):
        train(half_done)
    half_done.lam = TrainingConfig().lam
    train(half_done)
    assert len(history(Path(half_done.out_dir))) == 4


# --- a teacher ---------------------------------------------------------------------------------------------------


@pytest.fixture
def taught(in_tiny_world, kept) -> TrainingConfig:
    """A run of 24 steps whose teacher is of another network, with an output of half the size."""
    config = TrainingConfig.from_yaml(in_tiny_world / "config.yaml", out_dir=str(in_tiny_world / "run"), max_steps=24)
    school = in_tiny_world / "teacher"
    lesson = replace(config, model="LiteUNet", image_size=32, crop=32, max_steps=40, lam=0.2, out_dir=str(school))
    trained_once(school, kept, lambda: train(lesson))
    teacher = str(school / "model.safetensors")
    return replace(config, teacher=teacher, bins="teacher", teacher_weight=0.7, teacher_temperature=2.0)


def test_a_student_comes_closer_to_its_teacher_which_stays_as_it_is(taught):
    """KL on photos that nobody trained on, before and after; only the student learns."""
    before = Path(taught.teacher).read_bytes()
    teacher = Teacher(taught.teacher, taught.lam)
    frames, unseen, _ = load_photos(taught)
    luma, mask = luma_of_photos(unseen.rgb), unseen.mask()
    answers = teacher(luma, mask.shape[1:])
    fresh = starting_point(taught, frames)[0].eval()
    student, bins, record = load_checkpoint(train(replace(taught, max_steps=60)))
    assert torch.equal(bins.colors, teacher.bins.colors)
    assert record["training"]["config"]["teacher"] == "model.safetensors"
    with torch.no_grad():
        apart = [float(distillation(network(luma), answers, mask=mask)) for network in (fresh, student)]
    assert apart[1] < 0.7 * apart[0]  # 0.5 or so: how much exactly depends on how a processor rounds
    assert Path(taught.teacher).read_bytes() == before


def test_a_step_s_loss_is_the_photos_and_the_teachers_share_and_moves_the_student_alone(taught):
    frames = load_photos(taught)[0]
    student, bins, _ = starting_point(taught, frames)
    teacher, objective = find_teacher(taught, bins), Objective("cross_entropy", bins)
    kept = deepcopy(teacher.network.state_dict())
    rgb, mask = draw_batch(frames, 0, taught)
    luma = luma_of_photos(rgb)
    loss = local_loss(student.train(), objective, luma, rgb, mask, teacher)
    loss.backward()
    with torch.no_grad():
        output = student(luma)
        apart = distillation(output, teacher(luma, mask.shape[1:]), 2.0, mask)
        expected = 0.3 * objective(output, rgb, mask) + 0.7 * apart
    assert float(loss.detach()) == pytest.approx(float(expected), rel=1e-5)
    assert all(weight.grad is not None for weight in student.parameters())
    assert not teacher.network.training and not any(w.requires_grad for w in teacher.network.parameters())
    assert all(torch.equal(value, kept[name]) for name, value in teacher.network.state_dict().items())


def test_a_teacher_answers_with_the_students_rebalancing(taught):
    """It was trained with λ = 0.2: its scores are moved by the logarithm of the weights' ratio."""
    network, bins, _ = load_checkpoint(taught.teacher)
    luma = torch.rand(2, 1, 32, 64)
    with torch.no_grad():
        small = adjust_logits(network(luma), bins.weights(0.2), bins.weights(0.5))
    expected = torch.nn.functional.interpolate(small, scale_factor=2, mode="bilinear")
    teacher = Teacher(taught.teacher, 0.5)
    torch.testing.assert_close(teacher(luma, (32, 64)), expected, atol=1e-4, rtol=1e-4)
    whole, part = teacher(torch.nn.functional.pad(luma, (0, 0, 0, 32)), (64, 64)), teacher(luma, (16, 32))
    torch.testing.assert_close(part, torch.nn.functional.avg_pool2d(expected, 2), atol=1e-4, rtol=1e-4)
    narrow = luma[:, :, :, :40]  # stretched to the stride, as where it colours photos
    torch.testing.assert_close(teacher(narrow, (32, 40)), Colorizer(teacher.network, bins).logits(narrow[:, 0]))
    assert not torch.allclose(
        teacher(narrow, (32, 40)), teacher(torch.nn.functional.pad(narrow, (0, 24)), (32, 64))[..., :40]
    )
    assert whole.shape == (2, 4, 64, 64)


def test_without_a_share_the_teacher_gives_its_bins_only(taught):
    alone = train(replace(taught, teacher_weight=0.0, max_steps=3))
    bins = Path(taught.out_dir).parent / "bins.json"
    load_checkpoint(taught.teacher)[1].save(bins)
    same = train(replace(taught, teacher="", bins=str(bins), max_steps=3, out_dir=f"{taught.out_dir}-2"))
    ours, theirs = load_file(alone), load_file(same)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_an_interrupted_student_goes_on_as_if_it_had_never_stopped(taught, monkeypatch):
    interrupt(taught, 13, monkeypatch)
    moved = Path(taught.teacher).rename(Path(taught.out_dir).parent / "moved.safetensors")
    resumed = train(replace(taught, teacher=str(moved)))
    undisturbed = train(replace(taught, teacher=str(moved), out_dir=f"{taught.out_dir}-2"))
    assert history(resumed.parent) == history(undisturbed.parent) and len(history(resumed.parent)) == 4
    ours, theirs = load_file(resumed), load_file(undisturbed)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_run_does_not_go_on_under_another_teacher(taught, monkeypatch):
    interrupt(taught, 3, monkeypatch)
    network, bins, record = load_checkpoint(taught.teacher)
    save_checkpoint(taught.teacher, network, bins, record | {"temperature": 0.5})
    with pytest.raises(ColorlibError, match=r"other settings \(teacher\)"):
        train(taught)


def test_teachers_that_cannot_teach_are_refused(taught, in_tiny_world):
    nowhere = replace(taught, teacher=str(in_tiny_world / "nobody.safetensors"))
    with pytest.raises(ColorlibError, match="no model .*nobody.safetensors"):
        train(nowhere)
    with pytest.raises(ColorlibError, match="other colour bins than this run: set bins=teacher"):
        train(replace(taught, bins="grid"))
    with pytest.raises(ColorlibError, match="holds 4 bins: set num_bins so"):
        train(replace(taught, num_bins=5))
    painter = train(replace(taught, teacher="", bins="kmeans", loss="l2", max_steps=1, out_dir=f"{taught.out_dir}-l2"))
    with pytest.raises(ColorlibError, match="gives colours and no probabilities"):
        train(replace(taught, teacher=str(painter)))
    tensors = load_file(taught.teacher)
    with safe_open(taught.teacher, framework="pt") as file:
        metadata = file.metadata()
    save_file(tensors, taught.teacher, metadata | {"model": "ResNet"})
    with pytest.raises(ColorlibError, match=r"model.safetensors does not hold what it says .*ResNet"):
        train(taught)


def test_what_is_ignored_stays_ignored():
    """A script's background commands are started with Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            signal.raise_signal(signal.SIGINT)
            assert not interruption.requested
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_without_the_bundled_photos_a_training_wants_its_own(monkeypatch, in_tiny_world):
    """An installed colorlib, outside a clone."""
    monkeypatch.setattr("colorlib.training.photos.has_bundled", lambda: False)
    config = TrainingConfig.from_yaml(in_tiny_world / "config.yaml", max_steps=2)
    with pytest.raises(ColorlibError, match="set photos, validation_photos"):
        load_photos(config)


def test_weights_are_drawn_from_the_seed_and_leave_the_caller_s_random_numbers_alone(in_tiny_world):
    config = TrainingConfig.from_yaml(in_tiny_world / "config.yaml")
    frames = load_photos(config)[0]
    before = torch.get_rng_state()
    first, again = (starting_point(config, frames)[0].state_dict() for _ in range(2))
    other = starting_point(replace(config, seed=config.seed + 1), frames)[0].state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_resuming_from_nothing_is_starting(in_tiny_world):
    config = TrainingConfig.from_yaml(in_tiny_world / "config.yaml", out_dir=str(in_tiny_world / "new"), max_steps=6)
    train(config)
    assert [int(row["step"]) for row in history(in_tiny_world / "new")] == [6]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 7},
        {"lam": 0.9},
        {"num_bins": 5},
        {"batch_size": 3},
        {"model": "FlatNet"},
        {"loss": "soft"},
        {"augment": "none"},
        {"precision": "bfloat16"},
    ],
    ids=str,
)
def test_a_run_with_other_settings_is_not_continued(half_done, change):
    for name, value in change.items():
        setattr(half_done, name, value)
    with pytest.raises(ColorlibError, match="other settings"):
        train(half_done)


def test_a_run_may_be_moved_and_continued_elsewhere(half_done):
    """Where it is stored, on which device and how often it saves do not belong to what is learnt."""
    moved = Path(half_done.out_dir).rename(Path(half_done.out_dir).with_name("moved"))
    half_done.out_dir, half_done.checkpoint_minutes, half_done.device, half_done.compile = (
        str(moved),
        5.0,
        "auto",
        "never",
    )
    train(half_done)
    assert [int(row["step"]) for row in history(moved)] == [6, 12, 18, 24]


@pytest.mark.parametrize("content", [b"", b"garbage" * 100], ids=["empty", "garbage"])
def test_a_damaged_state_is_reported(half_done, content):
    (Path(half_done.out_dir) / "state.safetensors").write_bytes(content)
    with pytest.raises(ColorlibError, match="state.safetensors"):
        train(half_done)


def test_steps_after_the_saved_one_are_not_logged_twice(half_done):
    """Validated and logged, but killed before the state was saved: the resumed run does these steps again."""
    with open(Path(half_done.out_dir) / "history.csv", "a") as file:
        file.write("18,9.0,9.0,0.0\n")
    train(half_done)
    rows = history(Path(half_done.out_dir))
    assert [int(row["step"]) for row in rows] == [6, 12, 18, 24]
    assert float(rows[2]["train_loss"]) != 9


@pytest.mark.parametrize("half", ["18,0.3", "18,0.3,0.4,"])
def test_a_line_cut_short_in_the_history_is_no_obstacle(half_done, half):
    """A computer that loses power may leave half a line."""
    with open(Path(half_done.out_dir) / "history.csv", "a") as file:
        file.write(half)
    train(half_done)
    assert [int(row["step"]) for row in history(Path(half_done.out_dir))] == [6, 12, 18, 24]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace(",", ";"),
        lambda text: text.replace("step", "Schritt", 1),
        lambda text: text.replace("\n", ",7\n").replace(",7", ",mine", 1),
        lambda text: text.replace("6,", "six,", 1),
        lambda text: text + '"' + "9" * 140_000,
    ],
    ids=["byte order mark", "semicolons", "renamed", "a column added", "a word", "a stray quote"],
)
def test_a_history_that_a_spreadsheet_has_saved_is_one_sentence(half_done, spoil):
    file = Path(half_done.out_dir) / "history.csv"
    file.write_text(spoil(file.read_text()))
    before = file.read_bytes()
    with pytest.raises(ColorlibError, match=r"history\.csv is damaged or was saved otherwise"):
        train(half_done)
    assert file.read_bytes() == before


def test_photos_that_changed_in_the_meantime_are_noticed(half_done, in_tiny_world):
    """Other photos would give other bins, and the network's answers another meaning, without a word."""
    for path in sorted((in_tiny_world / "train").glob("*.png"))[:6]:
        path.unlink()
    with pytest.raises(ColorlibError, match="photos"):
        train(half_done)


# --- photos ------------------------------------------------------------------------------------------------------


def test_own_folders_are_added_to_the_bundled_photos(in_tiny_world, tmp_path, synthetic_photo):
    for folder in ("a/photos", "b/photos"):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(3):
            write_photo(tmp_path / folder / f"{i}.png", np.roll(synthetic_photo, 7 * i + len(folder[0]), 1))
    (tmp_path / "a/photos/broken.jpg").touch()
    write_photo(tmp_path / "a/photos/gray.png", np.full((20, 20, 3), 99, np.uint8))
    config = TrainingConfig(
        photos=[str(tmp_path / "a/photos"), str(tmp_path / "b/photos")], image_size=32, min_size=32, crop=16
    )
    frames, validation, counts = load_photos(config)
    assert len(frames) == 12 + 3 + 3 and len(validation) == 4
    assert counts == {"bundled": 12, "photos": 5 + 3, "left out": 2, "used": 18}


def test_photos_are_counted_by_category_and_held_out_by_folder(in_tiny_world, tmp_path, synthetic_photo):
    for i, category in enumerate(["sea", "sea", "sky", "sea/calm"]):
        (tmp_path / "more" / category).mkdir(parents=True, exist_ok=True)
        write_photo(tmp_path / "more" / category / f"{i}.png", np.roll(synthetic_photo, 7 * i, 1))
    folder = str(tmp_path / "more")
    config = TrainingConfig(photos=[folder], image_size=32, min_size=32, crop=16)
    _, _, counts = load_photos(config)
    assert counts == {"bundled": 12, "more": 4, "more/sea": 3, "more/sky": 1, "left out": 0, "used": 16}
    config.validation_photos = [f"{folder}/sky"]
    frames, validation, counts = load_photos(config)
    assert counts == {"bundled": 12, "more": 3, "more/sea": 3, "left out": 0, "used": 15}
    assert len(frames) == 15 and len(validation) == 4 + 1
    trained_on = {frame.numpy().tobytes() for frame in frames.rgb}
    assert not trained_on & {frame.numpy().tobytes() for frame in validation.rgb}


def test_validation_photos_never_train_even_if_their_folder_is_named():
    folder = bundled()[0].path.parent
    frames, validation, _ = load_photos(TrainingConfig(photos=[str(folder)], image_size=32, min_size=32, crop=16))
    trained_on = {frame.numpy().tobytes() for frame in frames.rgb}
    assert not trained_on & {frame.numpy().tobytes() for frame in validation.rgb}


def test_a_folder_that_is_not_there(in_tiny_world):
    with pytest.raises(ColorlibError, match="nowhere"):
        load_photos(TrainingConfig(photos=[str(in_tiny_world / "nowhere")], image_size=32, min_size=32, crop=16))


@pytest.mark.parametrize("lam", [0.01, 0.5, 1.0])
def test_weights_of_bins_reach_the_loss(kmeans_bins, lam):
    """A network that knows nothing loses w[bin] · log n on a photo of one colour."""
    photo, mask = torch.full((1, 8, 8, 3), 200, dtype=torch.uint8), torch.ones(1, 8, 8, dtype=torch.bool)
    photo[..., 2] = 90
    weight = float(kmeans_bins.weights(lam)[kmeans_bins.encode_rgb(photo)[0, 0, 0]])
    loss = Objective("cross_entropy", kmeans_bins, lam)(torch.zeros(1, 32, 8, 8), photo, mask)
    assert float(loss) == pytest.approx(weight * math.log(32), rel=1e-5)
