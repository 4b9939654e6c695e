"""What the course's short trainings scored, asked where a notebook makes a claim that their tables test.

``experiments/ablations.py`` makes both tables, and says how the trainings in them differ.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from colorlib.errors import ColorlibError
from colorlib.evaluation.intervals import Verdict, seed_verdict
from colorlib.files import PROJECT, read_rows

TABLE = PROJECT / "experiments" / "ablations.csv"  # a row for each training
PHOTOS = PROJECT / "experiments" / "ablations_photos.csv"  # a row for each training and photo


def compare_trainings(one: str, other: str, measure: str, comparisons: int = 1, pool: int | None = None) -> Verdict:
    """Whether short trainings of one kind score more than those of another, over seeds.

    Both were trained on the same pool of photos, the largest that has both unless told, by the latest recipe of each.

    Args:
        one, other: their names in ``experiments/ablations.csv``, such as "l2" and "base".
        measure: a column there: nll, accuracy, psnr, gain, colorfulness or auc_rebalanced.
        comparisons: how many are made in the same breath.
        pool: how many photos the pool has, as in the table's column; 56 is the other that "base" has.

    Raises:
        ColorlibError: if the table has no such trainings, column or pool.

    >>> compare_trainings("base", "base", "psnr").word
    'cannot tell'
    """
    scores = [{row["seed"]: row.get(measure) for row in rows} for rows in rows_of(TABLE, (one, other), pool)]
    seeds = sorted(set(scores[0]) & set(scores[1]))
    if not seeds or not all(of_one[seed] for of_one in scores for seed in seeds):
        raise ColorlibError(f"{TABLE.name} has no {measure!r} of {one!r} and {other!r} with the same seeds")
    ones, others = ([float(of_one[seed] or 0) for seed in seeds] for of_one in scores)
    return seed_verdict(ones, others, comparisons)


def ablation_scores(experiments: Sequence[str], metrics: Sequence[str]) -> dict[str, np.ndarray]:
    """The scores (seeds, photos, metrics) of short trainings that differ in one thing, by the experiment's name.

    Rows are those of the seeds and photos that all have, in the same order, so that differences are paired; pool and
    recipe as in `compare_trainings`.

    Args:
        experiments: names as in ``experiments/ablations.md``, such as "base" and "augment-none".
        metrics: columns as in `compare_trainings`.

    Raises:
        ColorlibError: if the table lacks one of them.

    >>> ablation_scores(["base", "augment-none"], ["gain"])["base"].shape
    (3, 53, 1)
    """
    tables = []
    for rows in rows_of(PHOTOS, experiments):
        if unknown := [metric for metric in metrics if metric not in rows[0]]:
            raise ColorlibError(f"{PHOTOS.name} has no {', '.join(unknown)}")
        tables.append({(row["seed"], row["photo"]): [float(row[metric]) for metric in metrics] for row in rows})
    common = sorted(set.intersection(*map(set, tables)))
    shape = len({seed for seed, _ in common}), -1, len(metrics)
    return {
        name: np.array([table[key] for key in common]).reshape(shape)
        for name, table in zip(experiments, tables, strict=True)
    }


def rows_of(table: Path, experiments: Sequence[str], photos: int | None = None) -> list[list[dict[str, str]]]:
    """The rows of each experiment, by the latest recipe of each, of so large a pool of photos that has all of them.

    Of the largest one unless told.
    """
    if not table.exists():
        raise ColorlibError(f"{table} is missing: python -m experiments.ablations makes it")
    rows = read_rows(table)
    pools = set.intersection(*({row["pool"] for row in rows if row["experiment"] == name} for name in experiments))
    if not pools:
        raise ColorlibError(f"{table.name} has no pool of photos with all of {', '.join(experiments)}")
    if photos is not None and str(photos) not in pools:
        raise ColorlibError(f"{table.name} has no pool of {photos:,} photos with all of {', '.join(experiments)}")
    pool = max(pools, key=int) if photos is None else str(photos)
    every = [[row for row in rows if (row["experiment"], row["pool"]) == (name, pool)] for name in experiments]
    return [[row for row in mine if row["recipe"] == mine[-1]["recipe"]] for mine in every]
