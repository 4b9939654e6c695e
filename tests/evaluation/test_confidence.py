"""Confidence and calibration against plain loops, SciPy, and networks whose honesty is known by construction."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from colorlib.evaluation import (
    aurc,
    auroc,
    calibration_error,
    distance_to_edge,
    fit_temperature,
    margin,
    mean_by_band,
    reliability_table,
    risk_coverage,
    sample_pixels,
    top_ratio,
    top_score,
)
from colorlib.training import adjust_logits


def random_logits(n: int = 32, seed: int = 0, scale: float = 3.0) -> torch.Tensor:
    return scale * torch.randn(n, 9, 11, generator=torch.Generator().manual_seed(seed))


def graded(size: int = 400, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Confidences in the middle of a thousand levels, with ties, and errors that are larger where it is small."""
    generator = torch.Generator().manual_seed(seed)
    confidence = (torch.randint(0, 300, (size,), generator=generator) * 3 + 0.5) / 1000
    error = (40 * (1 - confidence) * torch.rand(size, generator=generator)).double()
    return confidence, error


# --- two numbers per pixel ---------------------------------------------------------------------------------------


def test_top_score_and_ratio_against_sorted_probabilities():
    logits = random_logits().double()
    ordered = np.sort(torch.softmax(logits, 0).numpy(), axis=0)
    np.testing.assert_allclose(top_score(logits), ordered[-1], rtol=1e-12)
    np.testing.assert_allclose(top_ratio(logits), ordered[-1] / ordered[-2], rtol=1e-9)
    np.testing.assert_allclose(margin(logits), 1 - ordered[-2] / ordered[-1], rtol=1e-9)


def test_the_ratio_survives_where_probabilities_round_away():
    logits = torch.tensor([60.0, 0.0, -40.0]).reshape(3, 1, 1)
    assert logits.softmax(0)[1].item() < 1e-25  # rounds to 0 in what is shown, and soon in float32
    assert top_ratio(logits).item() == pytest.approx(np.exp(60.0), rel=1e-5)
    assert margin(1000 * logits).item() == 1.0
    assert top_ratio(torch.zeros(4, 2, 2)).unique().tolist() == [1.0]


# --- the table, and what is read off it --------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(0, 1000))
def test_the_table_loses_nothing(levels, seed):
    confidence, error = graded(97, seed)
    table = reliability_table(confidence, error, levels)
    assert table.shape == (levels, 3)
    expected = [1, float(confidence.double().mean()), float(error.mean())]
    np.testing.assert_allclose(table.sum(0), expected, rtol=1e-6)


def test_the_ends_of_the_scale_are_in_the_table():
    table = reliability_table(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0]), 4)
    assert table[:, 0].tolist() == [0.5, 0, 0, 0.5] and table[0, 2] == 0.5


def test_calibration_error_against_a_loop():
    generator = torch.Generator().manual_seed(1)
    sure, right = torch.rand(999, generator=generator), torch.rand(999, generator=generator) < 0.3
    expected, edges = 0.0, np.linspace(0, 1, 16)
    for low, high in zip(edges, edges[1:]):
        inside = ((sure >= low) & (sure < high)).numpy()
        if inside.any():
            gap = abs(right.numpy()[inside].mean() - sure.numpy()[inside].mean())
            expected += inside.mean() * gap
    assert calibration_error(reliability_table(sure, right)) == pytest.approx(expected, abs=1e-6)


def test_calibration_error_of_an_honest_and_a_boastful_forecaster():
    generator = torch.Generator().manual_seed(2)
    sure = 0.2 + 0.6 * torch.rand(200_000, generator=generator)
    right = torch.rand(200_000, generator=generator) < sure
    assert calibration_error(reliability_table(sure, right)) < 0.01
    assert calibration_error(reliability_table(sure + 0.2, right)) == pytest.approx(0.2, abs=0.01)


def test_auroc_against_the_mann_whitney_statistic():
    confidence, error = graded()
    wrong = error > 12
    u = stats.mannwhitneyu(confidence[~wrong], confidence[wrong]).statistic
    expected = u / (int(wrong.sum()) * int((~wrong).sum()))
    assert 0.55 < expected < 0.95
    assert auroc(reliability_table(confidence, wrong, 1000)) == pytest.approx(expected, abs=1e-12)


def test_auroc_where_there_is_nothing_to_tell():
    confidence, _ = graded()
    assert np.isnan(auroc(reliability_table(confidence, torch.zeros(400), 100)))
    assert np.isnan(auroc(reliability_table(confidence, torch.ones(400), 100)))
    assert auroc(reliability_table(torch.full((400,), 0.4), confidence > 0.5, 100)) == pytest.approx(0.5)


def test_risk_coverage_against_sorting():
    confidence = (torch.randperm(200, generator=torch.Generator().manual_seed(0)) * 5 + 0.5) / 1000
    error = torch.rand(200, generator=torch.Generator().manual_seed(1)).double()
    coverage, risk = risk_coverage(reliability_table(confidence, error, 1000))
    surest_first = error[confidence.argsort(descending=True)].numpy()
    np.testing.assert_allclose(coverage, np.arange(1, 201) / 200, rtol=1e-9)
    np.testing.assert_allclose(risk, surest_first.cumsum() / np.arange(1, 201), rtol=1e-9)
    assert risk[-1] == pytest.approx(float(error.mean()))


def test_area_under_risk_ranks_orders():
    confidence, error = graded(2000)
    best = aurc(reliability_table(1 - error / 50, error, 1000))
    ours = aurc(reliability_table(confidence, error, 1000))
    worst = aurc(reliability_table(error / 50, error, 1000))
    blind = aurc(reliability_table(torch.full((2000,), 0.5), error, 1000))
    assert best < ours < blind < worst
    assert blind == pytest.approx(float(error.mean()))


def test_four_pixels_worked_out_by_hand():
    sure, right = torch.tensor([0.95, 0.85, 0.35, 0.15]), torch.tensor([1.0, 0.0, 1.0, 0.0])
    # The surer two claim 1.8 and reach 1, the others claim 0.5 and reach 1: (0.8 + 0.5) / 4.
    assert calibration_error(reliability_table(sure, right, 2)) == pytest.approx(0.325)
    # Of the pairs of a wrong and a right pixel, only 0.85 (wrong) and 0.35 (right) are in the wrong order.
    assert auroc(reliability_table(sure, 1 - right, 10)) == pytest.approx(3 / 4)
    # Errors 1, 5, 2, 8, surest first: mean risk 1, 3, 8/3, 4 at a quarter, a half, three quarters and all.
    table = reliability_table(sure, torch.tensor([1.0, 5.0, 2.0, 8.0]), 10)
    np.testing.assert_allclose(risk_coverage(table)[1], [1, 3, 8 / 3, 4])
    assert aurc(table) == pytest.approx((1 + (1 + 3) / 2 + (3 + 8 / 3) / 2 + (8 / 3 + 4) / 2) / 4)


# --- making confidence honest ------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_is_found_again(temperature):
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(40_000, 8, generator=generator)
    target = torch.multinomial((logits / temperature).softmax(1), 1, generator=generator)[:, 0]
    fitted = fit_temperature(logits, target)
    assert fitted == pytest.approx(temperature, rel=0.03)
    sure, right = (logits / fitted).softmax(1).max(1).values, logits.argmax(1) == target
    assert calibration_error(reliability_table(sure, right)) < 0.015


def test_weighted_cross_entropy_leads_where_change_rebalancing_says():
    """Minimise the loss of the training for one pixel of known distribution: the answer is weight x probability."""
    truth, weights = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.5, 1.0, 4.0])
    logits = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=200, tolerance_grad=1e-10)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = -(truth * weights * logits.log_softmax(0)).sum()
        value.backward()
        return value

    optimizer.step(loss)
    trained = logits.detach().reshape(3, 1, 1)
    assert not torch.allclose(trained.softmax(0).flatten(), truth, atol=0.05)
    undone = adjust_logits(trained, weights, torch.ones(3))
    torch.testing.assert_close(undone.softmax(0).flatten(), truth, atol=1e-3, rtol=0)


def test_changing_the_weights_there_and_back_changes_nothing():
    logits = random_logits(5)
    first, second = torch.tensor([0.1, 1, 2, 3, 4]), torch.tensor([5, 0.3, 1, 1, 0.2])
    there = adjust_logits(logits, first, second)
    assert not torch.allclose(there, logits, atol=0.1)
    torch.testing.assert_close(adjust_logits(there, second, first), logits, atol=1e-5, rtol=0)


def test_sampled_pixels_keep_their_logits():
    logits = random_logits(4)
    target = torch.arange(99).reshape(9, 11)
    some, where = sample_pixels(logits, target, 50, seed=3)
    assert some.shape == (50, 4) and len(where.unique()) > 20
    assert torch.equal(some, logits.flatten(1).T[where])
    assert torch.equal(sample_pixels(logits, target, 50, seed=3)[1], where)
    assert not torch.equal(sample_pixels(logits, target, 50, seed=4)[1], where)


# --- edges -------------------------------------------------------------------------------------------------------


def test_distance_to_a_straight_edge():
    luma = torch.zeros(30, 40)
    luma[:, 20:] = 1
    distance = distance_to_edge(luma)[15]
    place = torch.arange(40)
    expected = torch.minimum((place - 19).abs(), (place - 20).abs())  # the last dark and the first bright column
    assert torch.equal(distance, expected.float())


def test_a_flat_picture_has_no_edge():
    assert torch.isinf(distance_to_edge(torch.full((8, 9), 0.5))).all()


def test_bands_of_distance():
    values, distance = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0]), torch.tensor([0.0, 1.0, 1.9, 2.0, float("inf")])
    assert mean_by_band(values, distance, [1.0, 2.0]) == [1.0, 3.0, 12.0]
    assert np.isnan(mean_by_band(values, distance, [1.0, 2.0, 100.0, 1000.0])[3])
