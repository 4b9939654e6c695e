"""Stains and bleeding: how a picture falls apart, and where its colours change."""

import math

import pytest
import torch

from colorlib.evaluation import color_bleeding, distance_to_edge, stain_area, stains


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


def test_stain_area_counts_pixels_of_small_components():
    index = torch.zeros(40, 50, dtype=torch.long)
    index[5, 5:8] = 1  # 3 of 2000 pixels: below 0.2 %
    index[20:30, 10:20] = 2  # 100 pixels
    index[35, 0] = index[36, 1] = 2  # two, which only touch at a corner
    assert stain_area(index) == pytest.approx(5 / 2000)
    assert stain_area(index, small=0.06) == pytest.approx(105 / 2000)
    assert stain_area(torch.arange(6).reshape(2, 3), small=0.5) == 1
