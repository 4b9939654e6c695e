"""From photos to a claim: every number with an interval, one photo, one vote."""

from collections.abc import Callable, Sequence
from math import sqrt

import numpy as np
from scipy import stats
from torch import Tensor

from colorlib.errors import ColorlibError

# From photos to a claim: every number with an interval.


def bootstrap(values: Sequence[float], samples: int = 2000, seed: int = 0) -> dict[str, float]:
    """The mean of one number per photo, and the 95 % interval of that mean over photos drawn with replacement.

    >>> bootstrap([1.0, 1.0, 1.0])
    {'mean': 1.0, 'low': 1.0, 'high': 1.0}
    """
    data = np.asarray(values, float)
    if data.size == 0:
        raise ColorlibError("there is no photo to take a mean over")
    generator = np.random.default_rng(seed)
    # A hundred samples at a time: all picks at once would need gigabytes for a large set.
    sizes = [min(100, samples - done) for done in range(0, samples, 100)]
    means = [data[generator.integers(len(data), size=(size, len(data)))].mean(axis=1) for size in sizes]
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return {"mean": float(data.mean()), "low": float(low), "high": float(high)}


def jackknife(
    tables: "Sequence[Tensor] | np.ndarray", statistic: Callable[[np.ndarray], float], least: float = -np.inf
) -> dict[str, float]:
    """A statistic of the *mean* of one table per photo, such as a distance of histograms, and its 95 % interval.

    Such a statistic is biased: two histograms of a few photos differ more than those of many, and photos drawn with
    replacement are fewer still, so that a bootstrap interval may lie wholly above the truth. Leaving out one photo at a
    time (Quenouille, Tukey) measures bias and spread alike; ``mean`` is the statistic with its bias removed. ``least``
    is the smallest value that the statistic can have.

    >>> result = jackknife(np.array([[1.0], [2.0], [6.0]]), lambda mean: float(mean[0]))
    >>> result["mean"], round(result["high"], 2)  # a plain mean: Student's t interval
    (3.0, 9.57)
    """
    data = np.stack([np.asarray(table, float) for table in tables])
    n, total = len(data), data.sum(axis=0)
    value = statistic(total / n)
    if n == 1:
        return {"mean": value, "low": value, "high": value}
    without = np.array([statistic((total - one) / (n - 1)) for one in data])
    estimate = n * value - (n - 1) * without.mean()
    error = stats.t.ppf(0.975, n - 1) * np.sqrt((n - 1) * without.var())
    ends = {"mean": estimate, "low": estimate - error, "high": estimate + error}
    return {name: max(float(end), least) for name, end in ends.items()}


def is_above(claim: dict[str, float], above: float = 0.0) -> str:
    """Whether a number is above a limit, as far as its interval tells: "yes", "no" or "not clear".

    >>> is_above({"mean": 0.2, "low": -0.1, "high": 0.5}), is_above({"mean": 0.2, "low": 0.1, "high": 0.3})
    ('not clear', 'yes')
    """
    return "yes" if claim["low"] > above else "no" if claim["high"] < above else "not clear"


def wilson_interval(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's (1927) 95 % interval of a share: unlike p ± 1.96 √(p(1-p)/n) it stays in [0, 1] and works for 0 of n.

    It takes the trials for independent; a person's answers, or one photo's, are alike, so many of each are needed.

    >>> [round(end, 3) for end in wilson_interval(0, 10)]
    [0.0, 0.278]
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ColorlibError(f"a share needs 0 to n successes of at least one trial, got {successes} of {trials}")
    share, extra = successes / trials, z**2 / trials
    centre = (share + extra / 2) / (1 + extra)
    half = z * sqrt(share * (1 - share) / trials + extra / (4 * trials)) / (1 + extra)
    return max(0.0, centre - half), min(1.0, centre + half)
