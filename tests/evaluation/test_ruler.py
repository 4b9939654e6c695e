"""The same ruler for every model, and a forecast that costs nothing beside each of them."""

import pytest
import torch

from colorlib.color import chroma_of, luma_of
from colorlib.data import bundled, count_chroma, fit, load_padded, read_photo, to_tensor
from colorlib.evaluation import Baselines, area_under_accuracy, measure, ruler
from colorlib.models import build
from colorlib.prediction import Colorizer


@pytest.fixture
def baselines() -> Baselines:
    return Baselines(torch.tensor([0.05, -0.02]), torch.zeros(32, 2))


def test_the_ruler_is_that_of_the_bundled_training_photos():
    """The shares of the stored bins are those counted on the photos."""
    counted = ruler().with_frequency(count_chroma(load_padded([photo.path for photo in bundled("train")], 64)[0]))
    assert len(ruler()) == 32 and torch.allclose(ruler().frequency, counted.frequency, atol=2e-3)


def test_rebalanced_auc_does_not_depend_on_the_models_own_bins(real_paths, tiny_bins, kmeans_bins, baselines):
    scores = []
    for bins in (tiny_bins, kmeans_bins):
        colorizer = Colorizer(build("ColorUNet", len(bins)), bins, input_size=48)
        scores.append(measure(colorizer, real_paths[:2], baselines, size=64).rows)
    for name in ("gray", "mean_color", "luma_mean"):
        assert [row["auc_rebalanced"] for row in scores[0][name]] == [row["auc_rebalanced"] for row in scores[1][name]]
    truth = to_tensor(fit(read_photo(real_paths[0]), 64))
    nearest = torch.cdist(chroma_of(truth).flatten(1).T.double(), ruler().colors.double()).argmin(1)
    weights = (1 / ruler().frequency)[nearest].reshape(truth.shape[1:])
    by_hand = area_under_accuracy(luma_of(truth).expand(3, -1, -1), truth, weights)
    assert scores[0]["gray"][0]["auc_rebalanced"] == pytest.approx(by_hand, abs=0.02)


def test_the_constant_forecast_is_measured_like_a_network(real_paths, kmeans_bins, baselines):
    colorizer = Colorizer(build("ColorUNet", len(kmeans_bins)), kmeans_bins, input_size=48)
    result = measure(colorizer, real_paths[:2], baselines, temperature=1.0, size=64)
    truth = to_tensor(fit(fit(read_photo(real_paths[0]), 64), colorizer.input_size))
    target, shares = kmeans_bins.encode(chroma_of(truth)), kmeans_bins.frequency
    row = result.rows["constant"][0]
    assert row["nll"] == pytest.approx(-float(shares.clamp(min=1e-6).log()[target].mean()), rel=1e-4)
    assert row["bin_accuracy"] == pytest.approx(float((target == shares.argmax()).double().mean()))
    assert row["stain_area"] == 0 < result.rows["truth"][0]["stain_area"]
    assert {"ece", "aurc"} <= result.summary()["constant"].keys()
