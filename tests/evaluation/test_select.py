"""What is chosen for a fresh checkpoint is what a plain search finds, on photos that were held out."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from colorlib.color import chroma_of, luma_of
from colorlib.data import fit, load_padded, read_photo, to_tensor
from colorlib.evaluation import (
    INPUT_SIZES,
    TEMPERATURES,
    ZOOMS,
    Baselines,
    Frontier,
    best_input_size,
    best_zoom,
    colorfulness,
    finalize_checkpoint,
    measure,
    measure_frontier,
    psnr,
    select,
    stain_area,
    to_json,
)
from colorlib.models import build, load_checkpoint, save_checkpoint
from colorlib.prediction import Colorizer
from colorlib.training import TrainingConfig


@pytest.fixture(scope="module")
def photos(real_paths):
    return [fit(read_photo(path), 96) for path in real_paths[:3]]


def frontier(psnrs: list[float], colors: list[float]) -> Frontier:
    """From PSNRs and colours by temperature; the truth's colour is 40, and nothing has stains."""
    return Frontier((0.5, 1.0, 2.0), np.array(psnrs), np.array(colors), 40.0, np.zeros(3), 0.0)


def test_the_frontier_is_what_a_plain_search_finds(colorizer, photos):
    tried = (0.3, 1.0, 3.0)
    found = measure_frontier(colorizer, photos, temperatures=tried)
    truths = [to_tensor(photo) for photo in photos]
    for column, temperature in enumerate(tried):
        pictures = [to_tensor(colorizer.colorize(photo, temperature)) for photo in photos]
        assert found.psnr[column] == pytest.approx(np.mean(list(map(psnr, pictures, truths))), abs=1e-6)
        assert found.colorfulness[column] == pytest.approx(np.mean(list(map(colorfulness, pictures))), abs=1e-4)
    assert found.truth == pytest.approx(np.mean(list(map(colorfulness, truths))))


def test_the_frontier_s_stains_are_those_of_what_is_painted(opinionated_network, tiny_bins, photos):
    colorizer = Colorizer(opinionated_network, tiny_bins, 1.0, 64)
    found = measure_frontier(colorizer, photos, temperatures=(0.0, 1.0))
    seen = [to_tensor(fit(photo, 64)) for photo in photos]
    first = [stain_area(colorizer.logits(luma_of(truth)).argmax(0)) for truth in seen]
    mean = [stain_area(tiny_bins.encode(colorizer.chroma(luma_of(truth), 1.0))) for truth in seen]
    assert found.stains.tolist() == pytest.approx([np.mean(first), np.mean(mean)]) and max(first) > 0
    assert found.truth_stains == pytest.approx(np.mean([stain_area(tiny_bins.encode(chroma_of(t))) for t in seen]))


def test_the_three_temperatures():
    assert frontier([23.0, 24.0, 23.95], [38, 30, 20]).faithful() == 2.0  # the most careful within 0.1 dB of the best
    assert frontier([23.0, 24.0, 23.0], [38, 30, 20]).faithful() == 1.0
    assert frontier([23.0, 24.0, 23.0], [44, 39, 20]).vivid() == 1.0
    assert frontier([23.0, 23.5, 24.0], [41, 35, 20]).lively() == 1.0  # the best PSNR with 85 % of the colour
    assert frontier([23.0, 23.5, 24.0], [41, 33, 20]).lively() == 0.5
    assert frontier([23.0, 23.5, 24.0], [10, 15, 12]).lively() == 1.0  # none has: the most colourful


def test_best_input_size_is_the_smallest_that_costs_little(colorizer, photos):
    means = {}
    for size in (64, 80, 96):  # no photo is larger
        looking = Colorizer(colorizer.model, colorizer.bins, 1.0, size)
        means[size] = np.mean([psnr(to_tensor(looking.colorize(p)), to_tensor(p)) for p in photos])
    assert best_input_size(colorizer, photos, allowed_loss=0) == max(means, key=means.get)
    allowed = (max(means.values()) - min(means.values())) / 2
    close = [size for size in means if means[size] >= max(means.values()) - allowed]
    assert best_input_size(colorizer, photos, allowed_loss=allowed) == min(close)


def test_best_zoom_is_the_one_of_the_highest_psnr(opinionated_network, tiny_bins, photos):
    torch.manual_seed(1)
    model = build("LiteUNet", n=len(tiny_bins)).eval()
    looking = [Colorizer(model, tiny_bins, 1.0, 96, record={"zoom": zoom}) for zoom in ZOOMS]
    means = [np.mean([psnr(to_tensor(one.colorize(p)), to_tensor(p)) for p in photos]) for one in looking]
    assert means[0] != means[1] and best_zoom(looking[0], photos) == ZOOMS[int(np.argmax(means))]
    assert best_zoom(Colorizer(opinionated_network, tiny_bins, 1.0, 96), photos) == 1


def test_photos_smaller_than_any_input_size_are_no_error(colorizer):
    assert best_input_size(colorizer, [np.full((20, 30, 3), 99, np.uint8)]) == min(INPUT_SIZES)


def test_held_out_photos_are_chosen_on_where_there_are_any(real_paths, tmp_path, monkeypatch):
    frames = load_padded(real_paths[:4], 48)[0]
    (tmp_path / "cache.json").write_text("{}")
    chosen, where = select.photos_to_choose_on(TrainingConfig(photos=[str(tmp_path)]), frames)
    assert where == "held-out photos" and len(chosen) == 4 and max(chosen[0].shape) == 48
    monkeypatch.setattr(select, "MOST_TO_CHOOSE_ON", 2)
    assert len(select.photos_to_choose_on(TrainingConfig(photos=[str(tmp_path)]), frames)[0]) == 2
    chosen, where = select.photos_to_choose_on(TrainingConfig(), frames)
    assert where == "bundled training photos" and max(max(rgb.shape[:2]) for rgb in chosen) == 256
    larger = select.photos_to_choose_on(TrainingConfig(image_size=320), frames)[0]  # so that 320 can be chosen, too
    assert max(max(rgb.shape[:2]) for rgb in larger) == 320


def test_a_damaged_photo_among_those_held_out_is_left_out(real_paths, tmp_path, monkeypatch):
    """The training has left it out, too: it must not fail when all is done."""
    monkeypatch.setattr(select, "bundled_here", lambda split: [SimpleNamespace(path=p) for p in real_paths[:2]])
    (tmp_path / "bad.jpg").write_text("not a photo")
    config = TrainingConfig(validation_photos=[str(tmp_path)])
    chosen, where = select.photos_to_choose_on(config, load_padded(real_paths[:1], 48)[0])
    assert len(chosen) == 2 and where == "bundled training photos"
    (tmp_path / "good.jpg").write_bytes(real_paths[3].read_bytes())
    chosen, where = select.photos_to_choose_on(config, load_padded(real_paths[:1], 48)[0])
    assert len(chosen) == 1 and where == "held-out photos"


def test_certify_completes_a_checkpoint(tmp_path, opinionated_network, tiny_bins, real_paths, monkeypatch):
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, opinionated_network, tiny_bins, {"training": {"seed": 3}})
    frames = load_padded(real_paths[:4], 48)[0]
    monkeypatch.setattr(select, "load_photos", lambda config: (frames, frames, {}))
    photos = {"train": [SimpleNamespace(path=p) for p in real_paths[:2]]}
    photos["validation"] = [SimpleNamespace(path=p) for p in real_paths[4:7]]
    monkeypatch.setattr(select, "bundled_here", photos.get)
    finalize_checkpoint(path, TrainingConfig())
    model, bins, record = load_checkpoint(path)
    assert record["training"] == {"seed": 3} and record["input_size"] in INPUT_SIZES
    assert record["temperature"] in TEMPERATURES and record["metrics_photos"] == 3
    assert set(record["temperatures"]) == {"faithful", "vivid"}
    assert set(record["temperatures"].values()) <= set(TEMPERATURES)
    assert len(record["baselines"]["luma_mean"]) == 32
    again = to_json(measure(Colorizer.load(path), real_paths[4:7], Baselines.from_dict(record["baselines"])).summary())
    assert again["model"]["psnr"] == record["metrics"]["model"]["psnr"]
    assert again["luma_mean"]["psnr"] == record["metrics"]["luma_mean"]["psnr"]
    for key, value in opinionated_network.state_dict().items():
        assert torch.equal(model.state_dict()[key], value) and torch.equal(bins.colors, tiny_bins.colors)


def test_certify_changes_lambda_once(tmp_path, opinionated_network, tiny_bins, real_paths, monkeypatch):
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, opinionated_network, tiny_bins, {})
    frames = load_padded(real_paths[:2], 48)[0]
    monkeypatch.setattr(select, "load_photos", lambda config: (frames, frames, {}))
    monkeypatch.setattr(select, "bundled_here", lambda split: [SimpleNamespace(path=p) for p in real_paths[:1]])
    luma = torch.rand(1, 1, 16, 16)
    shift = (tiny_bins.weights(0.1) / tiny_bins.weights(0.5)).log().view(-1, 1, 1)
    for _ in range(2):  # a file that has been certified is not shifted again
        assert finalize_checkpoint(path, TrainingConfig(lam=0.5, lam_inference=0.1))["lam_inference"] == 0.1
        model, _, record = load_checkpoint(path)
        torch.testing.assert_close(model.eval()(luma), opinionated_network(luma) + shift, atol=1e-4, rtol=1e-4)
    assert record["lam_inference"] == 0.1


def test_a_regression_is_measured_and_certified_like_a_classifier(tmp_path, tiny_bins, real_paths, monkeypatch):
    torch.manual_seed(0)
    path = tmp_path / "l2.safetensors"
    save_checkpoint(path, build("ColorUNet", 2), tiny_bins, {"output": "chroma", "training": {}})
    monkeypatch.setattr(select, "bundled_here", lambda split: [SimpleNamespace(path=p) for p in real_paths[:2]])
    frames = load_padded(real_paths[:2], 48)[0]
    monkeypatch.setattr(select, "load_photos", lambda config: (frames, frames, {}))
    record = finalize_checkpoint(path, TrainingConfig(loss="l2"))
    scores = record["metrics"]["model"]
    assert record["temperature"] == 1 and "temperatures" not in record
    assert {"psnr", "bin_accuracy", "jensen_shannon"} <= set(scores) and not {"nll", "ece", "aurc"} & set(scores)
    colorizer = Colorizer.load(path)
    truth = to_tensor(fit(fit(read_photo(real_paths[0]), 256), colorizer.input_size))
    guess = tiny_bins.encode(colorizer.chroma(luma_of(truth)))
    right = float((guess == tiny_bins.encode(chroma_of(truth))).double().mean())
    rows = measure(colorizer, real_paths[:1], Baselines.from_dict(record["baselines"])).rows
    assert rows["model"][0]["bin_accuracy"] == pytest.approx(right)
