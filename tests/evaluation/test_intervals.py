"""Intervals against SciPy and formulas by hand; verdicts against how often they are wrong."""

import json
import math

import numpy as np
import pytest
import torch
from scipy import stats

from colorlib import ColorlibError
from colorlib.evaluation import (
    CANNOT_TELL,
    LESS,
    MORE,
    Interval,
    bootstrap,
    group_verdict,
    jackknife,
    jensen_shannon,
    photo_verdict,
    seed_verdict,
    student,
    wilson_interval,
)


def test_bootstrap_against_efrons_formula():
    """BCa worked out here by hand: percentiles moved by the bias z0 and the acceleration a of the jackknife."""
    data = np.random.default_rng(1).exponential(5, 30)
    means = np.random.default_rng(7).choice(data, (40_000, 30)).mean(1)
    z0 = stats.norm.ppf((means < data.mean()).mean())
    without = (data.sum() - data) / 29
    gaps = without.mean() - without
    a = (gaps**3).sum() / (6 * (gaps**2).sum() ** 1.5)
    levels = [stats.norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z))) for z in stats.norm.ppf([0.025, 0.975])]
    low, high = np.quantile(means, levels)
    ours = bootstrap(data)
    assert ours.mean == pytest.approx(data.mean())
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.05 * (high - low))
    plain = np.quantile(means, [0.025, 0.975])
    assert ours.high - plain[1] > 0.02 * (high - low)  # the skew moves it to the right


@pytest.mark.parametrize(
    "values", [[0, 1], [0, 0, 0, 1], [0] * 52 + [1], [0, 1e-300], [1e9, 1e9 + 1, 1e9], [1, 1 + 1e-15], [3, 3, 3]]
)
def test_bootstrap_of_awkward_numbers(values):
    mean, low, high = bootstrap(values)
    assert min(values) <= low <= mean <= high <= max(values)


def test_bootstrap_is_reproducible_and_says_when_it_has_nothing():
    values = [1.0, 2.3, 5.9, 9.7, 11.4, 20.8]
    assert bootstrap(values) == bootstrap(torch.tensor(values, dtype=torch.float64)) != bootstrap(values, seed=1)
    assert bootstrap([3.0]) == (3.0, -math.inf, math.inf)
    assert json.dumps(bootstrap([3.0]).to_json()) == '{"mean": 3.0, "low": null, "high": null}'
    with pytest.raises(ColorlibError, match="photo"):
        bootstrap([])


def test_an_interval_is_a_tuple_with_names_that_a_format_reaches():
    interval = Interval(0.25, -0.5, 1.0)
    assert f"{interval:+.1f}" == "+0.2 [-0.5, +1.0]" and interval.low == interval[1] == -0.5
    assert interval.to_json() == {"mean": 0.25, "low": -0.5, "high": 1.0}


def test_students_interval_against_scipy():
    values = np.random.default_rng(0).normal(3, 2, 5)
    assert student(values)[1:] == pytest.approx(stats.ttest_1samp(values, 0).confidence_interval(0.95))


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (10, 10), (5, 10), (32, 100), (1, 1), (0, 1)])
def test_wilson_interval_against_its_formula(successes, trials):
    """The ends are where |p - share| = z √(p (1 - p) / n): the roots of a quadratic."""
    share, z2 = successes / trials, stats.norm.ppf(0.975) ** 2
    roots = np.sort(np.roots([1 + z2 / trials, -(2 * share + z2 / trials), share**2]).real)
    assert wilson_interval(successes, trials) == pytest.approx((share, *roots), abs=1e-7)


def test_jackknife_of_a_mean_is_students_interval():
    values = np.random.default_rng(0).normal(3, 2, 25)
    low, high = stats.t.interval(0.95, 24, values.mean(), stats.sem(values))
    assert jackknife(values[:, None], lambda mean: float(mean[0])) == pytest.approx((values.mean(), low, high))


def test_jackknife_removes_bias_and_its_interval_holds_the_truth():
    """Photos of few colours make two equal populations look different; the bootstrap would believe that."""
    rng = np.random.default_rng(0)
    p, q = np.array([0.5, 0.3, 0.15, 0.05]), np.array([0.3, 0.3, 0.2, 0.2])
    truth = jensen_shannon(p, q)
    plain, corrected, held = [], [], 0
    for _ in range(200):
        photos = np.stack([rng.dirichlet(2 * p, 20), rng.dirichlet(2 * q, 20)], axis=1)
        plain.append(jensen_shannon(*photos.mean(0)))
        result = jackknife(photos, lambda mean: jensen_shannon(*mean), least=0)
        corrected.append(result.mean)
        held += result.low <= truth <= result.high
    bias, left = np.mean(plain) - truth, np.mean(corrected) - truth
    assert bias > 0.02 and abs(left) < bias / 3
    assert held >= 180  # of 200


def test_jackknife_of_one_photo_and_of_a_bounded_statistic():
    assert jackknife([[4.0]], lambda mean: float(mean[0])) == (4.0, -math.inf, math.inf)
    assert jackknife([[4.0]], lambda mean: float(mean[0]), least=0).low == 0
    assert jackknife([[0.1], [0.0], [0.4]], lambda mean: float(mean[0]), least=0).low == 0


# --- verdicts ----------------------------------------------------------------------------------------------------


def test_verdicts_of_photos():
    ones, others = np.arange(12.0), np.arange(12.0) + np.linspace(0.1, 0.5, 12)
    less = photo_verdict(ones, others)
    assert less.word == LESS and less.votes == 12 and less.difference.mean == pytest.approx(-0.3)
    assert photo_verdict(others, ones).word == MORE
    assert photo_verdict(others - ones, 0.2).word == MORE and photo_verdict(others - ones, 0.29).word == CANNOT_TELL
    assert less.excluded == -less.difference.low > 0.3


def test_verdicts_of_groups():
    """Against Welch's interval, which needs no drawing; and the order of the photos must not matter."""
    rng = np.random.default_rng(0)
    ones, others = rng.normal(0.5, 2, 400), rng.normal(0, 1, 900)
    verdict = group_verdict(ones, others)
    expected = stats.ttest_ind(ones, others, equal_var=False).confidence_interval()
    assert verdict.difference.mean == pytest.approx(ones.mean() - others.mean())
    assert verdict.difference[1:] == pytest.approx([expected.low, expected.high], abs=0.03)
    assert verdict.word == MORE and verdict.votes == 1300 and group_verdict(others, ones).word == LESS
    assert group_verdict(ones - 0.5, others).word == CANNOT_TELL
    shuffled = group_verdict(rng.permutation(ones), others)
    assert shuffled.difference[1:] == pytest.approx(verdict.difference[1:], abs=0.03)
    with pytest.raises(ColorlibError, match="needs two photos or more to be compared, and one has 1"):
        group_verdict([1.0], others)


def test_a_verdict_says_what_it_rests_on():
    unclear = photo_verdict([0.1, -0.2, 0.3, 0.1, -0.2], comparisons=4, over="shots")
    assert str(unclear).startswith("cannot tell: ") and "over 5 shots" in str(unclear)
    assert f"beyond ±{unclear.excluded:.3g} excluded, one of 4 comparisons" in str(unclear)
    assert "excluded" not in str(photo_verdict([1.0, 2.0, 1.5]))


@pytest.mark.parametrize("photos", [3, 6, 12, 53])
def test_between_equals_a_verdict_is_rarely_wrong(photos):
    """Of comparisons of equals about 5 % are expected to be called different; a dozen photos give a little more."""
    rng = np.random.default_rng(photos)
    wrong = sum(photo_verdict(rng.normal(size=photos)).word != CANNOT_TELL for _ in range(400)) / 400
    assert wrong < 0.1


def test_verdict_of_a_statistic_of_all_photos():
    rng = np.random.default_rng(0)
    tables = np.stack([rng.dirichlet([8, 2], 20), rng.dirichlet([2, 8], 20)], axis=1)
    apart = photo_verdict(tables, 0.1, statistic=lambda mean: jensen_shannon(*mean))
    assert apart.word == MORE and apart.difference.mean == pytest.approx(
        jensen_shannon(*tables.mean(0)) - 0.1, abs=0.02
    )


def test_verdicts_of_seeds_need_three_of_one_sign_and_an_interval():
    assert seed_verdict([1.0, 1.1, 0.9]).word == MORE and seed_verdict([-1.0, -1.1, -0.9]).word == LESS
    assert seed_verdict([1.0, 1.1]).word == seed_verdict([1.0]).word == CANNOT_TELL  # too few
    assert seed_verdict([0.1, 1.0, 3.0]).word == CANNOT_TELL  # of one sign, but too different from each other
    many = [1.0, 1.1, 0.9, 1.0, 1.1, 1.0, -0.01]
    assert student(many).low > 0 and seed_verdict(many).word == CANNOT_TELL  # an interval, but not of one sign
    assert seed_verdict([1.0]).excluded == math.inf


def test_a_row_per_seed_is_its_mean_over_photos():
    rng = np.random.default_rng(0)
    ones, others = rng.normal(1, 1, (3, 40)), rng.normal(0, 1, (3, 40))
    assert seed_verdict(ones, others) == seed_verdict((ones - others).mean(1))


@pytest.mark.parametrize("judge", [photo_verdict, seed_verdict])
def test_what_cannot_be_compared(judge):
    with pytest.raises(ColorlibError, match="the same"):
        judge([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ColorlibError, match="there are no"):
        judge([])
    with pytest.raises(ColorlibError, match="comparisons"):
        judge([1.0, 2.0, 3.0], comparisons=0)
