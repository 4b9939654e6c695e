"""From numbers to a claim: intervals, and the two verdicts that every comparison in this project goes through.

Pictures are compared over photos, `photo_verdict`: one photo, one vote. Trainings are compared over seeds,
`seed_verdict`: the same photos measured again say nothing of what another seed would have given. Both answer "more",
"less" or "cannot tell", and how large a difference the data exclude. "Cannot tell" is never "the same".
"""

from collections.abc import Callable, Sequence
from math import inf, isfinite
from typing import NamedTuple

import numpy as np
from scipy import stats
from torch import Tensor

from colorlib.errors import ColorlibError

MORE, LESS, CANNOT_TELL = "more", "less", "cannot tell"
LEAST_SEEDS = 3
FEW = 10  # fewer photos are too few to draw from: all that is drawn is alike, and the interval too short
MANY = 5000  # so many numbers leave a mean no skew that BCa could correct, and its price grows as their square

Numbers = Sequence[float] | np.ndarray | Tensor


class Interval(NamedTuple):
    """A number and the two ends of its 95 % interval, in the number's own unit.

    A format counts for all three:

    >>> f"{Interval(0.2, -0.1, 0.5):+.1f} dB"
    '+0.2 [-0.1, +0.5] dB'
    """

    mean: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        return f"{self.mean:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    def to_json(self) -> dict[str, float | None]:
        """The three by name, as files keep them; an end without limit, which JSON has no word for, is None."""
        return {name: value if isfinite(value) else None for name, value in self._asdict().items()}


class Verdict(NamedTuple):
    """What a comparison allows to say.

    word: "more", "less" or "cannot tell". difference: from what it was compared with. excluded: the size that a
    difference does not have, in either direction, as far as 95 % tell. votes, over: of how many "photos" or "seeds".
    comparisons: how many were made; of twenty between equals, one is expected to be "more" or "less".

    >>> print(Verdict(CANNOT_TELL, Interval(0.2, -0.1, 0.5), 0.5, 53, "photos", 6))
    cannot tell: +0.2 [-0.1, +0.5] over 53 photos, beyond ±0.5 excluded, one of 6 comparisons
    """

    word: str
    difference: Interval
    excluded: float
    votes: int
    over: str
    comparisons: int

    def __str__(self) -> str:
        return f"{self:.3g}"

    def __format__(self, spec: str) -> str:
        excluded = f", beyond ±{self.excluded:{spec}} excluded" if self.word == CANNOT_TELL else ""
        made = f", one of {self.comparisons} comparisons" if self.comparisons > 1 else ""
        return f"{self.word}: {self.difference:{'+' + spec.lstrip('+')}} over {self.votes} {self.over}{excluded}{made}"


def photo_verdict(
    ones: "Numbers | Sequence[Tensor]",
    others: "Numbers | float" = 0.0,
    statistic: Callable[[np.ndarray], float] | None = None,
    comparisons: int = 1,
    over: str = "photos",
) -> Verdict:
    """Whether ``ones`` are more than ``others``, number by number: one photo, one vote.

    The interval is `bootstrap`'s; of fewer than ten photos `student`'s, since there is too little to draw from.

    Args:
        ones: one number for each photo; with a ``statistic``, one table for each photo.
        others: as many numbers for the same photos in the same order, or one limit for all.
        statistic: of the mean of the tables, see `jackknife`; it is then compared with the limit ``others``.
        comparisons: how many are made in the same breath.
        over: what the votes are of, where not of photos, such as "shots".

    >>> photo_verdict([3.0, 4.0, 5.5], [1.0, 2.1, 3.4]).word, photo_verdict([3.0, 1.0], 2.0).word
    ('more', 'cannot tell')
    """
    if statistic is not None:
        limit = float(np.asarray(others))
        interval = Interval(*(end - limit for end in jackknife(ones, statistic)))
        return _verdict(interval, len(ones), over, comparisons)
    differences = _differences(ones, others, over)
    interval = bootstrap(differences) if len(differences) >= FEW else student(differences)
    return _verdict(interval, len(differences), over, comparisons)


def seed_verdict(ones: Numbers, others: "Numbers | float" = 0.0, comparisons: int = 1) -> Verdict:
    """Whether trainings give more than others, over seeds: at least three, all of one sign, and Student's interval.

    ``ones`` has a number for each seed, or a row for each seed with a number for each photo, of which the mean is
    taken; ``others`` has the same for the same seeds in the same order, or is one limit for all.

    >>> print(seed_verdict([22.4, 22.6, 22.5], [22.1, 22.2, 22.1]))
    more: +0.367 [+0.223, +0.51] over 3 seeds
    >>> print(seed_verdict([22.4, 22.6], [22.1, 22.2]))  # two seeds are too few, whatever they say
    cannot tell: +0.35 [-0.285, +0.985] over 2 seeds, beyond ±0.985 excluded
    """
    differences = _differences(ones, others, "seeds")
    differences = differences.reshape(len(differences), -1).mean(axis=1)
    interval = student(differences)
    agreed = len(differences) >= LEAST_SEEDS and abs(np.sign(differences).sum()) == len(differences)
    verdict = _verdict(interval, len(differences), "seeds", comparisons)
    return verdict if agreed else verdict._replace(word=CANNOT_TELL)


def group_verdict(ones: Numbers, others: Numbers, comparisons: int = 1) -> Verdict:
    """Whether the mean of one group of photos is more than that of a group of others, such as new photos and seen ones.

    ``ones`` and ``others`` have one number for each photo, two at least; each group is
    drawn from, with replacement, by itself.

    >>> print(group_verdict([2.0, 2.5, 2.25, 2.75], [1.0, 1.5, 1.25, 1.75, 1.0]))
    more: +1.07 [+0.7, +1.44] over 9 photos
    """
    groups = [_column(group) for group in (ones, others)]
    least = min(map(len, groups))
    if least < 2:
        raise ColorlibError(f"each group needs two photos or more to be compared, and one has {least}")
    found = stats.bootstrap(
        groups,
        lambda ones, others, axis: ones.mean(axis) - others.mean(axis),
        batch=max(1, 1_000_000 // max(map(len, groups))),
        method="percentile",
        rng=0,
    )
    low, high = found.confidence_interval
    interval = Interval(float(groups[0].mean() - groups[1].mean()), float(low), float(high))
    return _verdict(interval, sum(map(len, groups)), "photos", comparisons)


def _differences(ones: "Numbers | Sequence[Tensor]", others: "Numbers | float", what: str) -> np.ndarray:
    one, other = np.asarray(ones, float), np.asarray(others, float)
    if other.ndim and one.shape != other.shape:
        raise ColorlibError(f"a paired comparison needs the same {what} twice, got {one.shape} and {other.shape}")
    if one.ndim == 0 or len(one) == 0:
        raise ColorlibError(f"there are no {what} to compare")
    return one - other


def _verdict(difference: Interval, count: int, over: str, comparisons: int) -> Verdict:
    if comparisons < 1:
        raise ColorlibError(f"this comparison is one of the comparisons made, of which there were {comparisons}")
    word = MORE if difference.low > 0 else LESS if difference.high < 0 else CANNOT_TELL
    return Verdict(word, difference, max(abs(difference.low), abs(difference.high)), count, over, comparisons)


def bootstrap(values: Numbers, samples: int = 9999, seed: int = 0) -> Interval:
    """The mean of one number per photo, and its 95 % interval over photos drawn with replacement.

    Efron's (1987) BCa, which corrects the bias and skew that plain percentiles have with few photos. One photo says
    nothing of others: its interval is everything.

    >>> bootstrap([1.0, 1.0, 1.0]), bootstrap([2.0])
    (Interval(mean=1.0, low=1.0, high=1.0), Interval(mean=2.0, low=-inf, high=inf))
    """
    data = _column(values)
    mean = float(data.mean())
    if len(data) == 1:
        return Interval(mean, -inf, inf)
    if np.ptp(data) <= 1e-12 * np.abs(data).max():  # no more than rounding; BCa divides by it, and gives no number
        return Interval(mean, mean, mean)
    method = "BCa" if len(data) < MANY else "percentile"
    scale = float(np.ptp(data))  # so that the tiniest spread survives being cubed
    at_a_time = max(1, min(samples, 1_000_000 // len(data)))  # all picks at once would need gigabytes for a large set
    ends = stats.bootstrap(
        ((data - mean) / scale,), np.mean, n_resamples=samples, batch=at_a_time, method=method, rng=seed
    ).confidence_interval
    return Interval(mean, mean + scale * float(ends.low), mean + scale * float(ends.high))


def student(values: Numbers) -> Interval:
    """The mean of a few numbers, such as one for each seed, and Student's 95 % interval.

    >>> f"{student([1.0, 2.0, 3.0]):.2f}"
    '2.00 [-0.48, 4.48]'
    """
    data = _column(values)
    mean = float(data.mean())
    if len(data) == 1:
        return Interval(mean, -inf, inf)
    error = float(stats.t.ppf(0.975, len(data) - 1) * data.std(ddof=1) / np.sqrt(len(data)))
    return Interval(mean, mean - error, mean + error)


def jackknife(
    tables: "Sequence[Tensor] | Numbers", statistic: Callable[[np.ndarray], float], least: float = -inf
) -> Interval:
    """A statistic of the *mean* of one table per photo, such as a distance of histograms, and its 95 % interval.

    Such a statistic is biased: two histograms of a few photos differ more than those of many, and photos drawn with
    replacement are fewer still, so that a bootstrap interval may lie wholly above the truth. Leaving out one photo at a
    time (Quenouille, Tukey) measures bias and spread alike; ``mean`` is the statistic with its bias removed. ``least``
    is the smallest value that the statistic can have.

    >>> result = jackknife(np.array([[1.0], [2.0], [6.0]]), lambda mean: float(mean[0]))
    >>> result.mean, round(result.high, 2)  # a plain mean: Student's t interval
    (3.0, 9.57)
    """
    data = np.stack([np.asarray(table, float) for table in tables])
    n, total = len(data), data.sum(axis=0)
    value = statistic(total / n)
    if n == 1:
        return Interval(value, least, inf)
    without = np.array([statistic((total - one) / (n - 1)) for one in data])
    estimate = n * value - (n - 1) * without.mean()
    error = stats.t.ppf(0.975, n - 1) * np.sqrt((n - 1) * without.var())
    return Interval(*(max(float(end), least) for end in (estimate, estimate - error, estimate + error)))


def wilson_interval(successes: int, trials: int) -> Interval:
    """A share and Wilson's (1927) 95 % interval: unlike p ± 1.96 √(p(1-p)/n) it stays in [0, 1] and works for 0 of n.

    It takes the trials for independent; a person's answers, or one photo's, are alike, so many of each are needed.

    >>> f"{wilson_interval(0, 10):.3f}"
    '0.000 [0.000, 0.278]'
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ColorlibError(f"a share needs 0 to n successes of at least one trial, got {successes} of {trials}")
    ends = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    return Interval(successes / trials, float(ends.low), float(ends.high))


def _column(values: Numbers) -> np.ndarray:
    data = np.asarray(values, float)
    if data.size == 0:
        raise ColorlibError("there is no photo to take a mean over")
    return data
