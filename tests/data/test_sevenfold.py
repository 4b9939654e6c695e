"""The sevenfold set: what each variant shows, and that an item is always and everywhere the same."""

import hashlib

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from colorlib import ColorlibError
from colorlib.color import chroma_of, luma_of
from colorlib.data import CROP_SHARE, NOISE_VARIANCES, VARIANTS, PaddedPhotos, normal, sevenfold_batch, uniform

SIZE = 40
SIZES = torch.tensor([[40, 40], [40, 27], [22, 40], [31, 20], [1, 1], [40, 2]])


@pytest.fixture
def frames() -> PaddedPhotos:
    """Photos whose every pixel says where it is: (row, column, photo), and black padding."""
    rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    rgb = torch.stack([torch.stack([rows, columns, torch.full_like(rows, k)], -1) for k in range(len(SIZES))])
    frames = PaddedPhotos(rgb.to(torch.uint8), SIZES)
    return PaddedPhotos(frames.rgb * frames.mask()[..., None], SIZES)


@pytest.fixture
def gray() -> PaddedPhotos:
    """Three photos of one gray, far from black and white, so that no noise is clipped."""
    return PaddedPhotos(
        torch.full((3, 64, 64, 3), 128, dtype=torch.uint8), torch.tensor([[64, 64], [64, 50], [40, 64]])
    )


def everything(frames: PaddedPhotos, **options) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return sevenfold_batch(frames, torch.arange(7 * len(frames)), **options)


def test_the_set_is_seven_times_as_large(frames):
    assert len(VARIANTS) == 7
    luma, rgb, mask = everything(frames)
    count = 7 * len(frames)
    assert luma.shape == (count, 1, SIZE, SIZE) and luma.dtype == torch.float32
    assert rgb.shape == (count, SIZE, SIZE, 3) and rgb.dtype == torch.uint8
    assert mask.shape == (count, SIZE, SIZE) and mask.dtype == torch.bool
    assert 0 <= luma.min() and luma.max() <= 1


@pytest.mark.parametrize("mode", ["clean", "paper"])
def test_what_each_variant_shows(frames, mode):
    _, rgb, mask = everything(frames, mode=mode)
    for k, (height, width) in enumerate(SIZES.tolist()):
        original = frames.rgb[k]
        shown = dict(zip(VARIANTS, rgb[7 * k : 7 * k + 7], strict=True))
        assert torch.equal(shown["original"], original)
        assert torch.equal(shown["flip"][:height, :width], original[:height, :width].flip(1))
        if mode == "clean":
            for variant in ("noise 1", "noise 2", "noise 3"):
                assert torch.equal(shown[variant], original)
        masks = dict(zip(VARIANTS, mask[7 * k : 7 * k + 7], strict=True))
        for variant in VARIANTS[:5]:
            assert torch.equal(masks[variant], frames.mask()[k])
        for variant in VARIANTS[5:]:
            part_height, part_width = (max(1, round(side * CROP_SHARE)) for side in (height, width))
            top, left = shown[variant][0, 0, :2].tolist()
            assert top + part_height <= height and left + part_width <= width  # within the photo
            cut = original[top : top + part_height, left : left + part_width]
            assert torch.equal(shown[variant][:part_height, :part_width], cut)
            assert masks[variant][:part_height, :part_width].all() and masks[variant].sum() == part_height * part_width
        assert (rgb[7 * k : 7 * k + 7] * ~mask[7 * k : 7 * k + 7, :, :, None] == 0).all()  # padding stays black


def test_dark_copies_are_black_and_gray(frames):
    """The authors' code divides by 255 twice: three variants of seven are black, with hardly a chrominance."""
    frames.rgb[:] = torch.randint(256, frames.rgb.shape, dtype=torch.uint8) * frames.mask()[..., None]
    luma, rgb, mask = everything(frames, mode="dark")
    paper_luma, paper_rgb, paper_mask = everything(frames, mode="paper")
    noisy = torch.tensor([name.startswith("noise") for name in VARIANTS]).repeat(len(frames))
    assert torch.equal(rgb[~noisy], paper_rgb[~noisy]) and torch.equal(luma[~noisy], paper_luma[~noisy])
    assert torch.equal(mask, paper_mask)
    assert 0 < luma[noisy].max() <= 1 / 255 + 1e-6 and paper_luma[noisy].max() > 0.5
    assert chroma_of(rgb[noisy].movedim(-1, 1).float() / 255).abs().max() < 0.003


def test_filled_crops_are_as_large_as_their_photo(frames):
    _, rgb, mask = everything(frames, mode="filled")
    _, small, small_mask = everything(frames, mode="paper")
    for k, (height, width) in enumerate(SIZES.tolist()):
        for variant in range(7):
            item, shown = 7 * k + variant, rgb[7 * k + variant]
            assert torch.equal(mask[item], frames.mask()[k])
            if variant < 5:
                assert torch.equal(shown, small[item])
                continue
            part_height, part_width = (max(1, round(side * CROP_SHARE)) for side in (height, width))
            for row, column in ((0, 0), (height // 2, width // 3), (height - 1, width - 1)):  # by plain arithmetic
                there = int((row + 0.5) * part_height / height), int((column + 0.5) * part_width / width)
                assert torch.equal(shown[row, column], small[item][there])


def test_crops_fall_anywhere(frames):
    places = set()
    for seed in range(150):
        _, rgb, _ = sevenfold_batch(frames, torch.tensor([5, 6]), seed)
        places |= {tuple(crop[0, 0, :2].tolist()) for crop in rgb}
    rows, columns = zip(*places, strict=True)
    assert set(rows) == set(columns) == set(range(40 - 28 + 1))


@pytest.mark.parametrize("mode", ["clean", "paper"])
def test_input_and_target_never_drift_apart(frames, mode):
    """Every pixel of a photo has a luma of its own: so luma, colour and mask must have come from the same place."""
    luma, rgb, mask = everything(frames, mode=mode)
    expected = luma_of(rgb.movedim(-1, 1).float() / 255)
    noisy = torch.tensor([2 <= item % 7 <= 4 for item in range(len(luma))])
    if mode == "paper":
        noisy[:] = False  # the colours have the noise too, so all of them agree
    assert torch.equal(luma[~noisy, 0], expected[~noisy])
    error = (luma[noisy, 0] - expected[noisy])[mask[noisy]]
    assert error.numel() == 0 or error.abs().max() < 6 * max(NOISE_VARIANCES) ** 0.5


def test_noise_has_the_strength_it_says(gray):
    luma, rgb, mask = everything(gray)
    for item in range(21):
        noise = luma[item, 0][mask[item]] - 128 / 255
        variance = ([0, 0, *NOISE_VARIANCES, 0, 0])[item % 7]
        assert float(noise.var()) == pytest.approx(variance, rel=0.15, abs=1e-12)
        assert abs(float(noise.mean())) < 5 * (variance / len(noise)) ** 0.5 + 1e-6
        assert (rgb[item][mask[item]] == 128).all()  # the colours to predict stay clean
    seen = [luma[item, 0, :40, :50] - 128 / 255 for item in (2, 3, 4, 9, 10, 11)]
    for i, one in enumerate(seen):  # no two items share their noise
        for other in seen[:i]:
            assert abs(np.corrcoef(one.flatten(), other.flatten())[0, 1]) < 0.1


def test_in_the_mode_of_the_paper_the_colors_are_noisy_too(gray):
    luma, rgb, mask = everything(gray, mode="paper")
    for item in range(21):
        channels = rgb[item][mask[item]].double() / 255
        variance = ([0, 0, *NOISE_VARIANCES, 0, 0])[item % 7]
        rounding = (1 / 255) ** 2 / 12 if variance else 0
        assert channels.var(dim=0).tolist() == pytest.approx([variance + rounding] * 3, rel=0.15, abs=1e-12)
        lengths = chroma_of(rgb[item].movedim(-1, 0).float() / 255).norm(dim=0)[mask[item]]
        assert (lengths.mean() > 0.002) == (variance > 0)  # gray is no longer gray
        if variance:
            assert np.abs(np.corrcoef(channels.T)[np.triu_indices(3, 1)]).max() < 0.1


def test_unknown_modes_are_refused(gray):
    with pytest.raises(ColorlibError, match="clean, paper, dark, filled"):
        everything(gray, mode="noisy")


@pytest.mark.parametrize("mode", ["clean", "paper"])
def test_an_item_is_the_same_in_any_batch(frames, mode):
    whole = everything(frames, seed=3, mode=mode)
    order = torch.randperm(42, generator=torch.Generator().manual_seed(0))
    for items in [order, order[:5], order[:1], torch.tensor([17, 17])]:
        for part, full in zip(sevenfold_batch(frames, items, 3, mode), whole, strict=True):
            assert torch.equal(part, full[items])
    torch.manual_seed(99)  # nor do other random numbers matter
    torch.rand(5)
    assert all(torch.equal(one, other) for one, other in zip(everything(frames, seed=3, mode=mode), whole, strict=True))
    other_seed = everything(frames, seed=4, mode=mode)
    assert not torch.equal(whole[0], other_seed[0])


def test_frames_of_a_file_give_the_same_items(frames):
    rows = torch.tensor([4, 0, 2])
    stored = PaddedPhotos(frames.rgb, SIZES[rows], rows)
    in_memory = PaddedPhotos(frames.rgb[rows], SIZES[rows])
    for one, other in zip(everything(stored), everything(in_memory), strict=True):
        assert torch.equal(one, other)


def test_the_set_is_the_same_on_every_machine(frames):
    """A stored digest and stored numbers: whoever runs this trains on the very same pictures."""
    _, rgb, mask = everything(frames, seed=7)
    digest = hashlib.sha256(rgb.numpy().tobytes() + mask.numpy().tobytes()).hexdigest()
    assert digest == "64c845bc9a6d83deec3342a12d4d20410721d75123fa76d6e52a3e1272a4936b"
    drawn = normal(7, torch.arange(3)[:, None], torch.arange(2))
    stored = torch.tensor([[-0.088674, -2.14536], [0.107666, -0.70079], [-0.969069, -0.007722]])
    torch.testing.assert_close(drawn, stored, rtol=0, atol=1e-5)


def test_random_bits_are_those_of_splitmix64():
    """Its published sequence for the seed 1234567 begins 6457827717110365317, 3203168211198807973."""
    golden = 0x9E3779B97F4A7C15
    for step, expected in enumerate((6457827717110365317, 3203168211198807973)):
        state = (1234567 + step * golden) % 2**64
        signed = state - 2**64 if state >= 2**63 else state
        assert float(uniform(signed)) == (expected >> 40) / 2**24


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_random_numbers_follow_their_distributions(seed):
    photo, pixel = torch.arange(200)[:, None], torch.arange(1000)
    flat = uniform(seed, photo, pixel)
    assert 0 <= flat.min() and flat.max() < 1
    assert kstest(flat.flatten().numpy(), "uniform").pvalue > 0.001
    bell = normal(seed, photo, pixel)
    assert kstest(bell.flatten().double().numpy(), "norm").pvalue > 0.001
    for numbers in (flat, bell):  # neighbours, in either direction, have nothing to do with each other
        for one, other in ((numbers[:-1], numbers[1:]), (numbers[:, :-1], numbers[:, 1:])):
            assert abs(np.corrcoef(one.flatten(), other.flatten())[0, 1]) < 0.012
    assert not torch.equal(uniform(seed, photo, pixel), uniform(seed + 1, photo, pixel))
    one, two = torch.tensor(1), torch.tensor(2)  # photo and pixel are not simply added up
    assert float(uniform(seed, one, two)) != float(uniform(seed, two, one))
