"""The measurement of palettes: which photo refers to which, and the rule by which the option is kept."""

import numpy as np
import pytest
import torch

from colorlib.data import bundled
from experiments import palette


def test_references_are_other_photos_but_for_the_photo_itself():
    photos = bundled("validation")[:8]
    shares = list(torch.rand(8, 4, generator=torch.Generator().manual_seed(0)).softmax(1))
    shares[5] = shares[2]  # the closest there can be
    for seed in range(5):
        chosen = palette.references(2, photos, shares, np.random.default_rng(seed))
        assert chosen["itself"] == 2 and chosen["picked"] == 5
        assert 2 not in (chosen["same kind"], chosen["random"])
        assert photos[chosen["same kind"]].kind == photos[2].kind


@pytest.mark.parametrize(
    ("same", "picked", "kept"),
    [(0.2, 0.0, True), (0.0, 0.7, True), (0.0, 0.3, False), (-0.2, -0.7, False)],
)
def test_the_rule(same, picked, kept):
    """Made-up gains, the same for each of twenty photos but for a little: kept by the one or the other, or not."""
    gains = {"none": 0.0, "itself": 5.0, "random": 5.0, "same kind": same, "picked": picked}
    rows = [
        {"reference": name, "prior": palette.OWN, "strength": 0.5 * (name != "none"), "temperature": 0.4}
        | {"psnr": 20 + number + gain + 0.01 * (number % 2) * (name != "none") - 0.005 * (name != "none")}
        for name, gain in gains.items()
        for number in range(20)
    ]
    assert f"is {'kept' if kept else 'not kept'} as" in palette.verdict(rows, 0.4)[-1]
