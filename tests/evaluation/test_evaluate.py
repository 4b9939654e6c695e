"""Metrics against scikit-image, SciPy, plain loops and numbers worked out by hand."""

import json
import math

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab
from skimage.metrics import peak_signal_noise_ratio

from colorlib import ColorlibError
from colorlib.color import chroma_of, luma_of, merge_luma_chroma
from colorlib.data import fit, read_photo, to_tensor, to_uint8
from colorlib.evaluation import (
    BASELINES,
    METRICS,
    Baselines,
    area_under_accuracy,
    bin_accuracy,
    colorfulness,
    logits_and_target,
    measure,
    psnr,
    to_json,
)
from colorlib.models import build
from colorlib.prediction import Colorizer
from experiments import refine


def image(seed: int = 0, height: int = 30, width: int = 40) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def channels_last(rgb: torch.Tensor) -> np.ndarray:
    return rgb.movedim(0, -1).numpy()


# --- one photo ---------------------------------------------------------------------------------------------------


def test_labels_are_spelled_like_the_texts_around_them():
    """Names in code say `color`; what people read says "colour"."""
    labels = [*METRICS.values(), *refine.METRICS.values()]
    assert not [label for label in labels if "color" in label]


def test_psnr_against_scikit_image():
    for noise in (0.3, 0.01, 1e-3):
        truth = image()
        prediction = (truth + noise * image(1)).clamp(0, 1)
        expected = peak_signal_noise_ratio(channels_last(truth), channels_last(prediction), data_range=1)
        assert psnr(prediction, truth) == pytest.approx(expected, abs=1e-6)
        assert psnr(prediction.float(), truth.float()) == pytest.approx(expected, abs=1e-2)
    assert psnr(truth, truth) == 100


def colorfulness_by_hand(rgb: np.ndarray, absolute: bool) -> float:
    """Hasler & Süsstrunk's M3 of RGB in 0..255, written out."""
    red, green, blue = (rgb[:, :, i].astype(float) for i in range(3))
    rg, yb = red - green, 0.5 * (red + green) - blue
    if absolute:
        rg, yb = abs(rg), abs(yb)
    spread = math.sqrt(np.std(rg) ** 2 + np.std(yb) ** 2)
    return spread + 0.3 * math.sqrt(np.mean(rg) ** 2 + np.mean(yb) ** 2)


def test_colorfulness_against_the_formula(real_photos):
    for photo in real_photos:
        for variant in ("hasler", "absolute"):
            expected = colorfulness_by_hand(photo, variant == "absolute")
            assert colorfulness(to_tensor(photo), variant) == pytest.approx(expected, rel=1e-4)


def test_colorfulness_worked_out_by_hand():
    red = torch.zeros(3, 4, 4)
    red[0] = 1  # rg = 255, yb = 127.5 everywhere: no spread, and a mean of length 285.1
    assert colorfulness(red) == pytest.approx(0.3 * math.hypot(255, 127.5), rel=1e-6)
    red[:, :, 2:] = 0
    red[1, :, 2:] = 1  # half green: rg = ±255, yb = 127.5: spread 255, mean 127.5
    assert colorfulness(red) == pytest.approx(255 + 0.3 * 127.5, rel=1e-6)
    assert colorfulness(red, "absolute") == pytest.approx(0.3 * math.hypot(255, 127.5), rel=1e-6)
    with pytest.raises(ValueError, match="'ddcolor'"):
        colorfulness(red, "ddcolor")


@pytest.mark.parametrize("weighted", [False, True])
def test_area_under_accuracy_against_a_loop(weighted):
    truth = image(0)
    prediction = (0.3 * truth + 0.7 * image(1)).clamp(0, 1)
    prediction[:, :5] = truth[:, :5]
    weights = 0.1 + image(2)[0] if weighted else torch.ones(30, 40, dtype=torch.float64)
    difference = rgb2lab(channels_last(prediction)) - rgb2lab(channels_last(truth))
    distance = np.hypot(difference[:, :, 1], difference[:, :, 2])
    accuracy = [float(weights.numpy()[distance <= threshold + 1e-9].sum() / weights.sum()) for threshold in range(151)]
    expected = 100 * sum((a + b) / 2 for a, b in zip(accuracy[:-1], accuracy[1:], strict=True)) / 150
    assert area_under_accuracy(prediction, truth, weights if weighted else None) == pytest.approx(expected, abs=1e-6)
    assert area_under_accuracy(prediction.float(), truth.float(), weights if weighted else None) == pytest.approx(
        expected, abs=0.02
    )


def test_area_under_accuracy_beyond_the_last_threshold():
    """Pure blue and pure yellow are 231 units apart: within none of the thresholds."""
    blue, yellow = torch.zeros(3, 2, 2), torch.ones(3, 2, 2)
    blue[2], yellow[2] = 1, 0
    assert area_under_accuracy(blue, yellow) == 0
    assert area_under_accuracy(blue, blue) == 100


def test_rebalancing_counts_rare_colors_more():
    truth = torch.full((3, 10, 10), 0.5)
    truth[0, 0] = 1.0  # one red row, which the prediction misses
    prediction = torch.full((3, 10, 10), 0.5)
    weights = torch.ones(10, 10)
    weights[0] = 9  # the red is a tenth of the pixels
    assert area_under_accuracy(prediction, truth) > 90
    plain, rebalanced = (area_under_accuracy(prediction, truth, w) for w in (None, weights))
    assert rebalanced == pytest.approx(100 - (100 - plain) * 5, abs=1e-4)  # half of the weight instead of a tenth


@pytest.mark.parametrize("top", [1, 2, 5])
def test_bin_accuracy_against_a_loop(top):
    generator = torch.Generator().manual_seed(0)
    logits, target = torch.randn(5, 6, 7, generator=generator), torch.randint(5, (6, 7), generator=generator)
    hits = [
        int(target[y, x]) in sorted(range(5), key=lambda k: -float(logits[k, y, x]))[:top]
        for y in range(6)
        for x in range(7)
    ]
    assert bin_accuracy(logits, target, top) == pytest.approx(sum(hits) / 42)


# --- many photos -------------------------------------------------------------------------------------------------


@pytest.fixture
def two_photos(real_photos) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of RGB and masks."""
    batches = []
    for photo in real_photos[:2]:
        rgb = to_tensor(photo)[None]
        mask = torch.zeros(1, *photo.shape[:2], dtype=torch.bool)
        mask[:, 5:60, 3:70] = True
        batches.append((rgb, mask))
    return batches


def test_baselines_against_a_loop(two_photos):
    by_level: dict[int, list[np.ndarray]] = {}
    everything = []
    for rgb, mask in two_photos:
        luma = luma_of(rgb)[mask].numpy()
        chroma = chroma_of(rgb).movedim(1, -1)[mask].double().numpy()
        everything.append(chroma)
        for y, color in zip(luma, chroma, strict=True):
            by_level.setdefault(min(31, int(y * 32)), []).append(color)
    baselines = Baselines.measure(two_photos)
    mean = np.concatenate(everything).mean(0)
    np.testing.assert_allclose(baselines.mean_color.numpy(), mean, atol=1e-6)
    assert baselines.luma_mean.shape == (32, 2)
    for level in range(32):
        expected = np.mean(by_level[level], axis=0) if level in by_level else mean
        np.testing.assert_allclose(baselines.luma_mean[level].numpy(), expected, atol=1e-6)


def test_baselines_give_color(two_photos):
    baselines = Baselines.measure(two_photos)
    luma = torch.linspace(0, 1, 64).reshape(8, 8)
    assert (baselines.chroma("gray", luma) == 0).all()
    assert (baselines.chroma("mean_color", luma) == baselines.mean_color[:, None, None]).all()
    by_luma = baselines.chroma("luma_mean", luma)
    assert by_luma.shape == (2, 8, 8)
    assert torch.equal(by_luma[:, 0, 0], baselines.luma_mean[0])
    assert torch.equal(by_luma[:, -1, -1], baselines.luma_mean[31])
    with pytest.raises((ValueError, ColorlibError), match="'rainbow'"):
        baselines.chroma("rainbow", luma)


def test_baselines_are_stored_as_plain_numbers(two_photos):
    baselines = Baselines.measure(two_photos)
    back = Baselines.from_dict(json.loads(json.dumps(baselines.to_dict())))
    assert torch.equal(back.mean_color, baselines.mean_color) and torch.equal(back.luma_mean, baselines.luma_mean)


def test_scores_of_the_classifier_are_taken_where_it_looks(colorizer, real_paths):
    """On the frame that the network is trained for, not at the photo's size."""
    photo = fit(read_photo(real_paths[0]), 200)
    frame = to_tensor(fit(photo, colorizer.input_size))
    logits, target = colorizer.logits(luma_of(frame)), colorizer.bins.encode(chroma_of(frame))
    assert all(map(torch.equal, logits_and_target(colorizer, photo), (logits, target)))
    baselines = Baselines(torch.zeros(2), torch.zeros(32, 2))
    scores = measure(colorizer, real_paths[:1], baselines, size=200).rows["model"][0]
    nll = torch.nn.functional.cross_entropy(logits[None], target[None])
    assert scores["nll"] == pytest.approx(float(nll), rel=1e-5)
    assert scores["bin_accuracy"] == pytest.approx(float((logits.argmax(0) == target).double().mean()))
    assert scores["bin_accuracy"] <= scores["bin_accuracy_top5"] <= 1


@pytest.mark.parametrize("n", [1, 3, 8])
def test_evaluation_of_a_few_photos(n, histogram, real_paths, two_photos):
    from colorlib.color import ColorBins

    torch.manual_seed(0)
    colorizer = Colorizer(build("ColorUNet", n), ColorBins.from_histogram(histogram, n), input_size=48)
    paths = real_paths[:4]
    baselines = Baselines.measure(two_photos)
    scores = to_json(measure(colorizer, paths, baselines, temperature=0.7, size=64).summary())
    json.dumps(scores)
    assert {"truth", "model", *BASELINES} <= scores.keys()
    for name, row in scores.items():
        for metric in ("psnr", "auc", "auc_rebalanced", "colorfulness", "colorfulness_absolute"):
            summary = row[metric]
            assert summary["low"] <= summary["mean"] <= summary["high"], (name, metric)
    assert scores["truth"]["psnr"]["mean"] == 100 and scores["truth"]["auc"]["mean"] == 100
    assert scores["gray"]["colorfulness"]["mean"] == 0 < scores["truth"]["colorfulness"]["mean"]
    assert {"bin_accuracy", "bin_accuracy_top5", "nll"} <= scores["model"].keys()

    by_hand = {"model": [], "gray": [], "luma_mean": []}
    for path in paths:
        photo = fit(read_photo(path), 64)
        truth = channels_last(to_tensor(photo).double())
        luma = luma_of(to_tensor(photo))
        pictures = {
            "model": colorizer.colorize(photo, 0.7) / 255,
            "gray": to_uint8(luma.expand(3, -1, -1)) / 255,  # of 8 bits, as the model's picture
            "luma_mean": to_uint8(merge_luma_chroma(luma, baselines.chroma("luma_mean", luma))) / 255,
        }
        for name, picture in pictures.items():
            by_hand[name].append(peak_signal_noise_ratio(truth, picture, data_range=1))
    for name, values in by_hand.items():
        assert scores[name]["psnr"]["mean"] == pytest.approx(np.mean(values), abs=1e-5), name


def test_no_photos_to_evaluate_is_an_error(colorizer, two_photos, tmp_path):
    (tmp_path / "notes.jpg").write_text("not a photo")
    for paths in ([], [tmp_path / "notes.jpg"]):
        with pytest.raises(ColorlibError):
            measure(colorizer, paths, Baselines.measure(two_photos))


@pytest.mark.parametrize("values", [{}, {"mean_color": [0, 0]}, {"mean_color": "gray", "luma_mean": []}, [1]])
def test_damaged_baselines_are_one_sentence(values):
    with pytest.raises(ColorlibError, match="baselines are damaged"):
        Baselines.from_dict(values)
