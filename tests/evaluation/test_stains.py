"""Stains and bleeding: how a picture falls apart, and where its colours change."""

import math

import pytest
import torch

from colorlib.evaluation import color_bleeding, distance_to_edge, stains


def components(index: torch.Tensor) -> int:
    """Counted by flooding one area after the other."""
    height, width = index.shape
    seen, count = set(), 0
    for start in ((i, j) for i in range(height) for j in range(width)):
        count += start not in seen
        border = [start]
        while border:
            i, j = place = border.pop()
            if place in seen:
                continue
            seen.add(place)
            for a, b in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
                if 0 <= a < height and 0 <= b < width and index[a, b] == index[i, j]:
                    border.append((a, b))
    return count


@pytest.mark.parametrize("bins", [1, 2, 5])
def test_stains_against_flooding(bins):
    index = torch.randint(bins, (17, 23), generator=torch.Generator().manual_seed(bins))
    assert stains(index) == components(index)


def test_areas_that_touch_at_a_corner_are_two():
    assert stains(torch.tensor([[0, 1], [1, 0]])) == 4


def test_colors_that_end_with_the_luma_do_not_bleed():
    luma = torch.full((40, 60), 0.2)
    luma[:, 30:] = 0.8
    distance = distance_to_edge(luma)
    chroma = torch.zeros(2, 40, 60)
    chroma[0, :, 30:] = 0.2
    assert color_bleeding(chroma, distance) == 0
    assert color_bleeding(chroma.roll(8, dims=2)[:, :, 9:], distance[:, 9:]) == pytest.approx(1)
    ramp = (torch.arange(60) / 60).expand(2, 40, 60)  # a smear over the whole width: most of it is away from the edge
    assert 0.8 < color_bleeding(ramp, distance) < 1


def test_no_color_has_no_bleeding():
    assert math.isnan(color_bleeding(torch.full((2, 5, 5), 0.1), torch.zeros(5, 5)))
