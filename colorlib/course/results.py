"""What `experiments/` measured, for the notebooks that cite it."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from colorlib.errors import ColorlibError
from colorlib.files import PROJECT


def ablation_scores(
    experiments: Sequence[str],
    metrics: Sequence[str],
    file: str | Path = PROJECT / "experiments" / "ablations_photos.csv",
) -> dict[str, np.ndarray]:
    """The scores (seeds, photos, metrics) of small trainings that differ in one thing, by the experiment's name.

    All were trained on the same pool of photos, the largest that has all of them, and by the latest recipe of each;
    rows are those of the seeds and photos that all have, in the same order, so that differences are paired.

    Args:
        experiments: names as in `experiments/ablations.md`, such as "base" and "augment-none".
        metrics: columns of the file: nll, accuracy, psnr, gain (over gray, dB), colorfulness, auc_rebalanced.
        file: the table with a row for each experiment, seed and photo.

    Raises:
        ColorlibError: if the file lacks one of them.

    >>> ablation_scores(["base", "augment-none"], ["gain"])["base"].shape
    (3, 53, 1)
    """
    if not Path(file).exists():
        raise ColorlibError(f"{file} is missing: python -m experiments.ablations makes it")
    with Path(file).open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    pools = set.intersection(*({row["pool"] for row in rows if row["experiment"] == name} for name in experiments))
    if not pools:
        raise ColorlibError(f"{file} has no pool of photos with all of {', '.join(experiments)}")
    pool = max(pools, key=int)
    tables = {}
    for name in experiments:
        mine = [row for row in rows if (row["experiment"], row["pool"]) == (name, pool)]
        mine = [row for row in mine if row["recipe"] == mine[-1]["recipe"]]
        tables[name] = {(row["seed"], row["photo"]): [float(row[metric]) for metric in metrics] for row in mine}
    common = sorted(set.intersection(*map(set, tables.values())))
    seeds = len({seed for seed, _ in common})
    return {
        name: np.array([table[key] for key in common]).reshape(seeds, -1, len(metrics))
        for name, table in tables.items()
    }
