"""Smoothing that looks ahead, against a plain double loop, and what must hold for any film."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from colorlib import ColorlibError
from colorlib.prediction import Colorizer, annealed_mean
from colorlib.video import COOLER, Lookahead, StillKernel, VideoColorizer, average_of, counted


def smoothed(film: Tensor, lumas: Tensor, **settings: float) -> Tensor:
    """All frames of one scene (t, n, h, w), smoothed."""
    steady = Lookahead(**settings)
    ready = [average for frame, luma in zip(film, lumas, strict=True) for average in steady.push(frame, luma)]
    return torch.stack(ready + steady.flush())


def random_film(frames: int, seed: int = 0, size: int = 5) -> Tensor:
    return torch.rand(frames, 4, size, size, generator=torch.Generator().manual_seed(seed)).softmax(1)


def gray(frames: int, size: int = 5) -> Tensor:
    return torch.full((frames, size, size), 0.5)


def test_nothing_moves_then_both_sides_weigh_alike() -> None:
    """Every frame within reach weighs e^(-α |k| / patience), written down as a double loop."""
    film = random_film(30)
    ours = smoothed(film, gray(30), alpha=0.5, ahead=40, patience=5)
    for t in range(30):
        weights = torch.tensor([math.exp(-0.5 / 5 * abs(t - k)) for k in range(30)])
        expected = torch.einsum("t,tnhw->nhw", weights / weights.sum(), film)
        torch.testing.assert_close(ours[t], expected, atol=5e-4, rtol=0)  # frames that wait are kept in half precision


@settings(max_examples=30, deadline=None)
@given(frames=st.integers(1, 40), ahead=st.integers(0, 12), block=st.integers(1, 9))
def test_every_frame_comes_out_once_in_order_and_knows_what_it_may(frames: int, ahead: int, block: int) -> None:
    """No frame is lost, whatever the reach; the last ``ahead`` are seen, and none beyond ``ahead + block``."""
    film, steady = random_film(frames), Lookahead(ahead=ahead, block=block)
    shown = []
    for t, frame in enumerate(film):
        shown += steady.push(frame, gray(1)[0])
        assert t + 1 - len(shown) < ahead + block  # no more than that wait
        assert not shown or t + 1 - len(shown) >= ahead
    shown += steady.flush()
    assert len(shown) == frames
    for average in shown:
        torch.testing.assert_close(average.sum(0), torch.ones(5, 5), atol=2e-3, rtol=0)
        assert float(average.min()) >= 0
    again = film.clone()
    again[-1] = film[-1].flip(0)
    other = smoothed(again, gray(frames), ahead=ahead, block=block)
    unaware = max(frames - ahead - block, 0)
    torch.testing.assert_close(other[:unaware], torch.stack(shown)[:unaware])


def test_without_looking_ahead_it_is_the_still_kernel() -> None:
    film, kernel = random_film(20), StillKernel(alpha=0.2, patience=30)
    past = torch.stack([kernel(frame, luma) for frame, luma in zip(film, gray(20), strict=True)])
    torch.testing.assert_close(smoothed(film, gray(20), ahead=0, block=1), past, atol=5e-4, rtol=0)


def test_constant_films_stay_as_they_are() -> None:
    still = random_film(1).expand(25, 4, 5, 5)
    torch.testing.assert_close(smoothed(still, gray(25), ahead=6), still, atol=5e-4, rtol=1e-3)


def test_what_comes_in_another_place_has_no_say() -> None:
    """A pixel that becomes bright after ten frames: neither half of the film has the other's probabilities."""
    film, lumas = torch.zeros(20, 2, 8, 8), gray(20, 8)
    film[:10, 0], film[10:, 1] = 1, 1
    lumas[10:] += 0.45
    ours = smoothed(film, lumas)
    assert float(ours[9, 1].max()) < 0.05 and float(ours[10, 0].max()) < 0.05


def test_it_is_steadier_than_the_past_alone() -> None:
    """On a still film of pure noise, most of all where it begins, which the past alone cannot average."""
    film, kernel = random_film(60), StillKernel(alpha=0.2, patience=30)
    past = torch.stack([kernel(frame, luma) for frame, luma in zip(film, gray(60), strict=True)])
    both = smoothed(film, gray(60))
    jumps = [(average[1:] - average[:-1]).abs().mean((1, 2, 3)) for average in (past, both)]
    assert jumps[1].mean() < 0.5 * jumps[0].mean() and jumps[1][:5].mean() < 0.1 * jumps[0][:5].mean()


def test_a_sum_and_its_average() -> None:
    frame = counted(random_film(1)[0], gray(1)[0])
    assert frame.shape == (6, 5, 5) and (frame[-1] == 1).all()
    torch.testing.assert_close(average_of(3 * frame), random_film(1)[0])


def test_a_film_is_colored_scene_by_scene(colorizer: Colorizer) -> None:
    """A cut: what comes after it has no say before it, and each scene is what it would be alone."""
    seeded = torch.Generator().manual_seed(1)
    scenes = [torch.rand(40, 48, generator=seeded) for _ in range(2)]
    lumas = [scene + 0.01 * torch.rand(40, 48, generator=seeded) for scene in scenes for _ in range(6)]
    video = VideoColorizer(colorizer, method="steady")
    whole = list(video.chromas(lumas))
    assert len(whole) == 12 and video.cuts_found == 1
    apart = [
        chroma for part in (lumas[:6], lumas[6:]) for chroma in VideoColorizer(colorizer, method="steady").chromas(part)
    ]
    torch.testing.assert_close(whole, apart)
    probabilities = torch.stack([colorizer.probabilities(luma) for luma in lumas[:6]])
    expected = smoothed(probabilities, torch.stack(lumas[:6]))[2]
    cooler = COOLER * video.temperature
    torch.testing.assert_close(whole[2], annealed_mean(expected.log(), colorizer.bins.colors, cooler))


def test_other_ways_give_the_same_frame_by_frame_and_as_a_film(colorizer: Colorizer) -> None:
    lumas = [torch.rand(24, 32, generator=torch.Generator().manual_seed(i)) for i in range(5)]
    one_by_one, film = VideoColorizer(colorizer), VideoColorizer(colorizer)
    torch.testing.assert_close(list(film.chromas(lumas)), [one_by_one.chroma(luma) for luma in lumas])


def test_one_frame_at_a_time_it_says_what_to_do(colorizer: Colorizer) -> None:
    with pytest.raises(ColorlibError, match="chromas"):
        VideoColorizer(colorizer, method="steady").chroma(torch.rand(24, 32))
    assert VideoColorizer(colorizer, method="steady", window=0).chroma(torch.rand(24, 32)).shape == (2, 24, 32)
