"""What notebooks say of the table of short trainings is what stands in it."""

import pytest

from colorlib import ColorlibError
from colorlib.course import compare_trainings
from colorlib.course.trainings import TABLE
from colorlib.evaluation import seed_verdict
from colorlib.files import read_rows


@pytest.mark.parametrize(("one", "measure"), [("l2", "psnr"), ("lam-1", "auc_rebalanced"), ("grid", "nll")])
def test_a_verdict_is_that_of_the_rows(one, measure):
    by_seed = {(row["experiment"], row["seed"]): row for row in read_rows(TABLE) if row["pool"] == "16057"}
    ones, others = ([float(by_seed[name, seed][measure]) for seed in "01234"] for name in (one, "base"))
    assert compare_trainings(one, "base", measure, 3) == seed_verdict(ones, others, 3)
    there, back = compare_trainings(one, "base", measure), compare_trainings("base", one, measure)
    assert back.difference.mean == pytest.approx(-there.difference.mean)


def test_trainings_on_other_photos_are_not_mixed_in(tmp_path, monkeypatch):
    """Of two pools that have both experiments the larger counts, of two recipes the later; pools are never mixed."""
    lines = ["experiment,seed,pool,recipe,psnr"]
    lines += [
        f"base,{seed},{pool},{recipe},{psnr + seed}"
        for recipe, pool, psnr in (("old", 99, 50), ("new", 99, 10), ("new", 7, 30))
        for seed in range(3)
    ]
    lines += [f"a,{seed},{pool},x,{psnr + seed}" for pool, psnr in ((99, 15), (7, 90)) for seed in range(3)]
    lines += [f"b,{seed},7,x,{31 + seed}" for seed in range(3)]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr("colorlib.course.trainings.TABLE", tmp_path / "table.csv")
    assert compare_trainings("a", "base", "psnr").difference.mean == 5
    assert compare_trainings("b", "base", "psnr").difference.mean == 1
    assert compare_trainings("a", "base", "psnr", pool=7).difference.mean == 60
    with pytest.raises(ColorlibError, match="has no pool of 99 photos"):
        compare_trainings("b", "base", "psnr", pool=99)


@pytest.mark.parametrize(("one", "measure"), [("nothing", "psnr"), ("base", "beauty"), ("l2", "nll")])
def test_what_the_table_does_not_have_is_said(one, measure):
    with pytest.raises(ColorlibError, match="has no"):
        compare_trainings(one, "base", measure)
