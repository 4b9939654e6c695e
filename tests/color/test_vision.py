"""Colours as the colour-blind see them, against what is known of that; and the course's own palette put to it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from skimage.color import rgb2lab
from vision import DEFICIENCIES, as_seen_with, hardest_pair

from colorlib.course import PALETTE, plots

TOLD_APART = 10.0  # of CIELAB: another shade, at a glance and not side by side


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_gray_stays_gray_and_colours_stay_in_range(deficiency):
    gray = torch.linspace(0, 1, 11).expand(3, 1, 11)
    assert torch.allclose(as_seen_with(deficiency, gray), gray, atol=1e-4)
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 0.5, 1.0])] * 3).T[:, :, None]
    seen = as_seen_with(deficiency, corners)
    assert 0 <= seen.min() and seen.max() <= 1


def spread(deficiency: str, axis: str) -> float:
    """How far two equally light colours, opposite on an axis of CIELAB, look from each other."""
    red_green, yellow_blue = [(0.72, 0.36, 0.36), (0.16, 0.55, 0.36)], [(0.50, 0.46, 0.16), (0.36, 0.46, 0.80)]
    pair = torch.tensor(red_green if axis == "red-green" else yellow_blue).double().T[:, :, None]
    ab = rgb2lab(as_seen_with(deficiency, pair).permute(1, 2, 0).numpy())[:, 0, 1:]
    return float(np.linalg.norm(ab[0] - ab[1]))


def test_each_deficiency_loses_its_own_axis():
    for lost in ("protanopia", "deuteranopia"):
        assert spread(lost, "red-green") < 0.5 * spread("tritanopia", "red-green")
    assert spread("tritanopia", "yellow-blue") < 0.5 * spread("protanopia", "yellow-blue")


def test_the_hardest_pair_is_found_and_named():
    same = {"one": (0.2, 0.4, 0.6), "two": (0.9, 0.9, 0.9), "three": (0.2, 0.4, 0.6)}
    assert hardest_pair(same)[:3] == (0.0, "one", "three")
    distance, *names = hardest_pair({"white": (1.0, 1.0, 1.0), "black": (0.0, 0.0, 0.0)})
    assert distance == pytest.approx(100, abs=0.5) and names[:2] == ["white", "black"]


def test_the_test_can_fail():
    """Not every palette passes; Matplotlib's ten, for one, were not made for it."""
    tab10 = "#1f77b4 #ff7f0e #2ca02c #d62728 #9467bd #8c564b #e377c2 #7f7f7f #bcbd22 #17becf".split()
    assert hardest_pair({color: to_rgb(color) for color in tab10})[0] < TOLD_APART


def test_the_palette_can_be_told_apart():
    distance, one, other, eyes = hardest_pair({color: to_rgb(color) for color in PALETTE})
    assert distance >= TOLD_APART, f"{one} and {other} with {eyes or 'full colour vision'}: {distance:.1f}"


def marks_of(figure: Figure) -> dict[str, tuple[float, float, float]]:
    """The colour of every mark that a figure's legends name."""
    found = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            color = handle.get_color() if hasattr(handle, "get_color") else handle.get_facecolor()
            found[label] = to_rgb(color)
    return found


def test_the_marks_of_a_drawn_network_can_be_told_apart():
    kinds = ["Conv2d", "MaxPool2d", "ConvTranspose2d", "BatchNorm2d"]
    layers = [SimpleNamespace(cell=k, kind=k, channels_in=8, channels=8, side=32) for k in kinds]
    figure = Figure()
    plots.plot_network(figure.subplots(), layers, 32)
    marks = marks_of(figure)
    assert len(marks) == 4
    distance, one, other, eyes = hardest_pair(marks)
    assert distance >= TOLD_APART, f"{one} and {other} with {eyes or 'full colour vision'}: {distance:.1f}"
