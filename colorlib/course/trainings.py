"""What the course's table of short trainings says, asked where a notebook makes a claim that the table tests."""

from colorlib.errors import ColorlibError
from colorlib.evaluation.intervals import Verdict, seed_verdict
from colorlib.files import PROJECT, read_rows

TABLE = PROJECT / "experiments" / "ablations.csv"


def compare_trainings(one: str, other: str, measure: str, comparisons: int = 1) -> Verdict:
    """Whether short trainings of one kind score more than those of another, over seeds.

    The trainings are rows of ``experiments/ablations.csv``; ``experiments/ablations.py`` says how they differ.
    Both were trained on the same pool of photos, the largest that has both, and by the latest recipe of each.

    Args:
        one, other: their names there, such as "l2" and "base".
        measure: a column there: nll, accuracy, psnr, gain, colorfulness or auc_rebalanced.
        comparisons: how many are made in the same breath.

    Raises:
        ColorlibError: if the table has no such trainings or column.

    >>> compare_trainings("base", "base", "psnr").word
    'cannot tell'
    """
    rows = read_rows(TABLE)
    found = [{r["pool"] for r in rows if r["experiment"] == name} for name in (one, other)]
    pool = max(found[0] & found[1], key=int, default="")
    scores = []
    for name in (one, other):
        mine = [row for row in rows if (row["experiment"], row["pool"]) == (name, pool)]
        scores.append({row["seed"]: row.get(measure) for row in mine if row["recipe"] == mine[-1]["recipe"]})
    seeds = sorted(set(scores[0]) & set(scores[1]))
    if not seeds or not all(of_one[seed] for of_one in scores for seed in seeds):
        raise ColorlibError(f"{TABLE.name} has no {measure!r} of {one!r} and {other!r} with the same seeds")
    ones, others = ([float(of_one[seed] or 0) for seed in seeds] for of_one in scores)
    return seed_verdict(ones, others, comparisons)
