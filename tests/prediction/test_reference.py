"""The palette of a reference photo: a distribution shifted towards another, and what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from colorlib import ColorlibError
from colorlib.data import write_photo
from colorlib.prediction import Colorizer, GuidedColorizer, Palette, shift_towards

SEEDS = st.integers(0, 10_000)
STRENGTHS = st.floats(0.0, 3.0)


def made_up(seed: int, bins: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (bins, 5, 7) from vague to very sure, and the shares (bins,) of a reference that lacks some bins."""
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(bins, 5, 7, generator=random) * 10 ** (2 * torch.rand(1, generator=random))
    counts = torch.randint(0, 4, (bins,), generator=random).double()
    counts[seed % bins] += 1
    return logits, counts / counts.sum()


def mean_of(logits: torch.Tensor) -> torch.Tensor:
    return logits.softmax(0).mean((1, 2))


@settings(deadline=None)
@given(SEEDS)
def test_strength_0_changes_nothing(seed):
    logits, shares = made_up(seed)
    assert shift_towards(logits, shares, 0.0).equal(logits)


@settings(deadline=None)
@given(SEEDS, STRENGTHS)
def test_the_result_is_a_distribution(seed, strength):
    logits, shares = made_up(seed)
    shifted = shift_towards(logits, shares, strength)
    assert shifted.shape == logits.shape and shifted.isfinite().all()
    torch.testing.assert_close(shifted.softmax(0).sum(0), torch.ones(5, 7))


@settings(deadline=None)
@given(SEEDS, STRENGTHS)
def test_what_is_wanted_more_than_expected_gains(seed, strength):
    """The change of the mean prediction and the logarithm of wanted / expected never point apart: Σ change · log ≥ 0.

    It is the mean over pixels of a covariance of the log ratio under ever more of itself, which cannot be negative.
    """
    logits, shares = made_up(seed)
    logits = logits.double()
    before, after = mean_of(logits), mean_of(shift_towards(logits, shares, strength))
    ratio = (0.9 * shares + 0.1 * before) / before.clamp(min=1e-300)
    assert ((after - before) * ratio.log()).sum() >= -1e-9


def test_the_mean_of_a_vague_prediction_becomes_the_reference():
    """By hand: where all pixels are alike, strength 1 gives 0.9 of the reference and 0.1 of what was expected."""
    logits = torch.tensor([0.5, 0.3, 0.2]).log()[:, None, None].expand(3, 4, 4)
    shares = torch.tensor([0.0, 0.25, 0.75])
    expected = 0.9 * shares + 0.1 * torch.tensor([0.5, 0.3, 0.2])
    torch.testing.assert_close(mean_of(shift_towards(logits, shares, 1.0)), expected)


@settings(deadline=None)
@given(SEEDS, STRENGTHS)
def test_a_reference_that_has_what_is_expected_changes_nothing(seed, strength):
    logits, _ = made_up(seed)
    logits = logits.double()
    shifted = shift_towards(logits, mean_of(logits), strength)
    torch.testing.assert_close(shifted.softmax(0), logits.softmax(0), atol=1e-6, rtol=0)


@settings(deadline=None)
@given(SEEDS, STRENGTHS, st.permutations(range(6)))
def test_the_order_of_bins_does_not_matter(seed, strength, order):
    logits, shares = made_up(seed)
    one = shift_towards(logits, shares, strength)[order]
    torch.testing.assert_close(shift_towards(logits[order], shares[order], strength), one)


@settings(deadline=None)
@given(SEEDS, STRENGTHS)
def test_photos_of_a_batch_do_not_see_each_other(seed, strength):
    logits, shares = made_up(seed)
    batch = torch.stack([logits, made_up(seed + 1)[0]])
    torch.testing.assert_close(shift_towards(batch, shares, strength)[0], shift_towards(logits, shares, strength))


def test_a_palette_is_the_share_of_pixels_in_each_bin(tiny_bins):
    """Counted by hand: a quarter of the photo in one bin's colour, the rest in another's."""
    from colorlib.color import merge_luma_chroma

    index = torch.full((4, 4), 1)
    index[0] = 2
    photo = merge_luma_chroma(torch.full((4, 4), 0.5), tiny_bins.decode(index)).clamp(0, 1)
    found = tiny_bins.encode_rgb((photo * 255).round().byte().movedim(0, -1))
    assert found.equal(index)  # the colours are such that a screen can show
    shares = Palette.of(photo.movedim(0, -1).numpy(), tiny_bins).shares
    expected = torch.zeros(len(tiny_bins)).double()
    expected[1], expected[2] = 0.75, 0.25
    torch.testing.assert_close(shares, expected)


def test_a_gray_reference_is_refused_by_name(tiny_bins, tmp_path):
    write_photo(tmp_path / "gray.png", np.full((8, 8, 3), 99, np.uint8))
    with pytest.raises(ColorlibError, match=r"gray\.png is gray all over"):
        Palette.of(tmp_path / "gray.png", tiny_bins)
    with pytest.raises(ColorlibError, match=r"missing\.png"):
        Palette.of(tmp_path / "missing.png", tiny_bins)


@pytest.mark.parametrize("strength", [-0.1, float("nan"), float("inf")])
def test_a_strength_that_is_none_is_refused(tiny_bins, real_photos, strength):
    with pytest.raises(ColorlibError, match="strength of a palette must be a number of 0 or more"):
        Palette.of(real_photos[0], tiny_bins, strength)


def test_a_guided_colorizer_leans_towards_its_reference(colorizer, real_photos):
    """All that is made of its scores does: probabilities, and pictures, refined or not."""
    reference = Palette.of(real_photos[1], colorizer.bins, 1.0)
    guide = GuidedColorizer(colorizer, reference=reference)
    luma = colorizer.input_luma(real_photos[0])
    torch.testing.assert_close(guide.probabilities(luma), reference.shift(colorizer.logits(luma)).softmax(0))
    assert (guide.colorize(real_photos[0]) != colorizer.colorize(real_photos[0])).any()


def test_a_regression_has_no_palette(colorizer, real_photos):
    network = Colorizer(colorizer.model, colorizer.bins, record={"output": "chroma"})
    with pytest.raises(ColorlibError, match="trained by L2 regression"):
        GuidedColorizer(network, reference=Palette.of(real_photos[0], colorizer.bins))
