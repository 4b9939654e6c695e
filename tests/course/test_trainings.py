"""What notebooks say of the table of short trainings is what stands in it."""

import pytest

from colorlib import ColorlibError
from colorlib.course import compare_trainings
from colorlib.course.trainings import TABLE
from colorlib.evaluation import seed_verdict
from colorlib.files import read_rows


@pytest.mark.parametrize(("one", "measure"), [("l2", "psnr"), ("lam-1", "auc_rebalanced"), ("grid", "nll")])
def test_a_verdict_is_that_of_the_rows(one, measure):
    by_seed = {(row["experiment"], row["seed"]): row for row in read_rows(TABLE)}
    ones, others = ([float(by_seed[name, seed][measure]) for seed in "012"] for name in (one, "base"))
    assert compare_trainings(one, "base", measure, 3) == seed_verdict(ones, others, 3)
    there, back = compare_trainings(one, "base", measure), compare_trainings("base", one, measure)
    assert back.difference.mean == pytest.approx(-there.difference.mean)


@pytest.mark.parametrize(("one", "measure"), [("nothing", "psnr"), ("base", "beauty"), ("l2", "nll")])
def test_what_the_table_does_not_have_is_said(one, measure):
    with pytest.raises(ColorlibError, match="has no"):
        compare_trainings(one, "base", measure)
