"""What the course's short trainings scored, asked where a notebook makes a claim that their table tests.

``experiments/ablations.py`` makes the table, and says how the trainings in it differ.
"""

from collections.abc import Sequence

import numpy as np

from colorlib.errors import ColorlibError
from colorlib.evaluation.intervals import Verdict, seed_verdict
from colorlib.files import PROJECT, read_rows

TABLE = PROJECT / "experiments" / "ablations.csv"  # a row for each training


def compare_trainings(one: str, other: str, measure: str, comparisons: int = 1, pool: int | None = None) -> Verdict:
    """Whether short trainings of one kind score more than those of another, over seeds.

    Both were trained on the same pool of photos, the largest that has both unless told, by the latest recipe of each.

    Args:
        one, other: their names in ``experiments/ablations.csv``, such as "l2" and "base".
        measure: a column there: nll, accuracy, psnr, gain, colorfulness, colorfulness_at_1 or auc_rebalanced.
        comparisons: how many are made in the same breath.
        pool: how many photos the pool has, as in the table's column; 56 is the other that "base" has.

    Raises:
        ColorlibError: if the table has no such trainings, column or pool.

    >>> compare_trainings("base", "base", "psnr").word
    'cannot tell'
    """
    scores = ablation_scores([one, other], [measure], pool)
    return seed_verdict(scores[one][:, 0], scores[other][:, 0], comparisons)


def ablation_scores(
    experiments: Sequence[str], metrics: Sequence[str], pool: int | None = None
) -> dict[str, np.ndarray]:
    """The scores (seeds, metrics) of short trainings that differ in one thing, by the experiment's name.

    Each is a mean over the bundled validation photos. Rows are those of the seeds that all have, in the same order, so
    that differences are paired; pool and recipe as in `compare_trainings`.

    Args:
        experiments: names as in ``experiments/ablations.md``, such as "base" and "augment-none".
        metrics: columns as in `compare_trainings`.

    Raises:
        ColorlibError: if the table has no such trainings, column or pool.

    >>> ablation_scores(["base", "augment-none"], ["gain", "nll"])["base"].shape
    (5, 2)
    """
    tables = [{row["seed"]: [row.get(m) for m in metrics] for row in rows} for rows in rows_of(experiments, pool)]
    seeds = sorted(set.intersection(*map(set, tables)))
    if not seeds or not all(value for table in tables for seed in seeds for value in table[seed]):
        names = f"{', '.join(metrics)} of {', '.join(experiments)}"
        raise ColorlibError(f"{TABLE.name} has no {names} with the same seeds")
    return {
        name: np.array([[float(value or 0) for value in table[seed]] for seed in seeds])
        for name, table in zip(experiments, tables, strict=True)
    }


def rows_of(experiments: Sequence[str], photos: int | None = None) -> list[list[dict[str, str]]]:
    """The rows of each experiment, by the latest recipe of each, of so large a pool of photos that has all of them.

    Of the largest one unless told.
    """
    if not TABLE.exists():
        raise ColorlibError(f"{TABLE} is missing: python -m experiments.ablations makes it")
    rows = read_rows(TABLE)
    pools = set.intersection(*({row["pool"] for row in rows if row["experiment"] == name} for name in experiments))
    if not pools:
        raise ColorlibError(f"{TABLE.name} has no pool of photos with all of {', '.join(experiments)}")
    if photos is not None and str(photos) not in pools:
        raise ColorlibError(f"{TABLE.name} has no pool of {photos:,} photos with all of {', '.join(experiments)}")
    pool = max(pools, key=int) if photos is None else str(photos)
    every = [[row for row in rows if (row["experiment"], row["pool"]) == (name, pool)] for name in experiments]
    return [[row for row in mine if row["recipe"] == mine[-1]["recipe"]] for mine in every]
