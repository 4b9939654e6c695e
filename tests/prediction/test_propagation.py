"""Colours that spread: the exact answer against a dense solver, its properties, and inputs with nothing to go by."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from colorlib import ColorlibError
from colorlib.color import chroma_of, luma_of, merge_luma_chroma
from colorlib.data import fit, to_tensor
from colorlib.prediction import (
    GuidedColorizer,
    Seeds,
    affinities,
    choose_seeds,
    laplacian,
    propagate,
    refine,
    spread_fast,
)

SPREADERS = [propagate, spread_fast]


def random_case(height: int, width: int, seed: int, share: float = 0.2):
    generator = torch.Generator().manual_seed(seed)
    luma, values = (torch.rand(*shape, generator=generator) for shape in ((height, width), (2, height, width)))
    weight = torch.where(torch.rand(height, width, generator=generator) < share, 5.0, 0.0)
    weight.view(-1)[0] = 5.0
    return luma, values - 0.5, weight


def dense_answer(luma, values, weight):
    """Each pixel is the weighted mean of its neighbours and of what is given there, written out with loops."""
    right, down = affinities(luma)
    height, width = luma.shape
    matrix = np.diag(weight.double().flatten().numpy())
    for i in range(height):
        for j in range(width):
            for down_by, right_by, w in ((0, 1, right), (1, 0, down)):
                if i + down_by < height and j + right_by < width:
                    one, other = i * width + j, (i + down_by) * width + j + right_by
                    value = float(w[i, j])
                    matrix[[one, other], [one, other]] += value
                    matrix[[one, other], [other, one]] -= value
    known = (values * weight).double().flatten(1).numpy()
    return torch.from_numpy(np.linalg.solve(matrix, known.T).T.reshape(values.shape))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (7, 1), (6, 5), (30, 41)])
def test_the_answer_is_the_dense_solver_s(height, width):
    luma, values, weight = random_case(height, width, seed=height)
    expected = dense_answer(luma, values, weight)
    torch.testing.assert_close(propagate(luma, values, weight).double(), expected, atol=1e-3, rtol=0)


def test_rows_of_the_laplacian_sum_to_zero_and_it_is_symmetric():
    matrix = laplacian(torch.rand(9, 8))
    assert abs(matrix.sum(axis=1)).max() < 1e-12 and abs(matrix - matrix.T).max() < 1e-12


@pytest.mark.parametrize("spread", SPREADERS)
@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_colors_stay_between_those_given(spread, height, width, seed):
    luma, values, weight = random_case(height, width, seed)
    answer = spread(luma, values, weight)
    given_values = values[:, weight > 0]
    assert answer.shape == values.shape and answer.isfinite().all()
    assert (answer.amin((1, 2)) >= given_values.amin(1) - 1e-5).all()
    assert (answer.amax((1, 2)) <= given_values.amax(1) + 1e-5).all()


@pytest.mark.parametrize("spread", SPREADERS)
def test_one_seed_colors_everything(spread):
    luma, values, _ = random_case(20, 33, seed=1)
    weight = torch.zeros(20, 33)
    weight[7, 8] = 1.0
    answer = spread(luma, values, weight)
    torch.testing.assert_close(answer, values[:, 7, 8][:, None, None].expand_as(answer), atol=1e-4, rtol=0)


@pytest.mark.parametrize("spread", SPREADERS)
def test_colors_stop_at_an_edge(spread):
    """Two areas, one seed in each: the border of the colours is the luma's, although one seed is close to it."""
    luma = torch.full((20, 40), 0.3)
    luma[:, 25:] = 0.8
    weight, values = torch.zeros(20, 40), torch.zeros(2, 20, 40)
    weight[10, 3] = weight[10, 27] = 100.0
    values[:, 10, 3], values[:, 10, 27] = torch.tensor([0.2, 0.0]), torch.tensor([-0.2, 0.1])
    answer = spread(luma, values, weight)
    assert float(answer[0, :, :25].min()) > 0.15 and float(answer[0, :, 25:].max()) < -0.15


@pytest.mark.parametrize("spread", SPREADERS)
def test_constant_luma_spreads_evenly(spread):
    luma = torch.full((9, 30), 0.5)
    weight, values = torch.zeros(9, 30), torch.zeros(1, 9, 30)
    weight[:, 0] = weight[:, -1] = 100.0
    values[0, :, -1] = 1.0
    answer = spread(luma, values, weight)[0]
    assert (answer.diff(dim=1) >= -1e-4).all()  # from 0 on the left to 1 on the right
    assert float(answer[:, 15].mean()) == pytest.approx(0.5, abs=0.05)
    torch.testing.assert_close(answer, answer[:1].expand_as(answer), atol=1e-3, rtol=0)


@pytest.mark.parametrize("spread", SPREADERS)
def test_nothing_given_is_refused(spread):
    with pytest.raises(ColorlibError, match="no seed"):
        spread(torch.rand(5, 6), torch.zeros(2, 5, 6), torch.zeros(5, 6))


def test_everything_given_firmly_stays():
    luma, values, _ = random_case(12, 12, seed=3)
    torch.testing.assert_close(propagate(luma, values, torch.full((12, 12), 1e6)), values, atol=1e-4, rtol=0)


def test_a_few_true_seeds_bring_the_photo_back_better_than_without_luma(real_photos):
    """What Levin et al. found: the luma knows where colours end. Against the same seeds on a blank picture."""
    gains = []
    for photo in real_photos[:6]:
        truth = to_tensor(photo)
        luma, chroma = luma_of(truth), chroma_of(truth)
        weight = 100.0 * (torch.rand(luma.shape, generator=torch.Generator().manual_seed(0)) < 0.02)
        with_luma, blind = (propagate(y, chroma, weight) for y in (luma, torch.full_like(luma, 0.5)))
        gains.append(float((blind - chroma).square().mean() / (with_luma - chroma).square().mean()))
    assert np.mean(gains) > 1.1


# Seeds


def test_seeds_are_the_surest_and_as_many_as_asked():
    confidence = torch.rand(20, 30, generator=torch.Generator().manual_seed(0))
    mask = choose_seeds(confidence, coverage=0.1)
    assert mask.sum() == 60 and confidence[mask].min() >= confidence[~mask].max()
    assert choose_seeds(confidence, 1.0).all()
    assert choose_seeds(confidence, 1e-9).sum() == 1


def test_equal_confidence_gives_as_many_seeds():
    assert choose_seeds(torch.ones(10, 10), 0.3).sum() == 30


@pytest.mark.parametrize("coverage", [0.0, 1.1])
def test_impossible_seeds_are_refused(coverage):
    with pytest.raises(ColorlibError, match="of seeds must be"):
        choose_seeds(torch.rand(4, 4), coverage)


@pytest.mark.parametrize("fast", [False, True])
def test_a_stain_of_little_confidence_goes(fast):
    """A patch of another colour in a calm area, of which the network is not sure, takes the colour around it."""
    luma, chroma, confidence = torch.full((40, 40), 0.5), torch.full((2, 40, 40), 0.1), torch.full((40, 40), 0.9)
    chroma[:, 18:22, 18:22], confidence[18:22, 18:22] = -0.2, 0.2
    refined = refine(luma, chroma, confidence, Seeds(coverage=0.8), fast)
    assert float((refined - 0.1).abs().max()) < 0.03


# Photos


SHAPES = [(1, 1), (1, 50), (50, 1), (3, 2), (97, 61)]


@pytest.mark.parametrize("spread", SPREADERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_colors_spread_over_any_size(spread, shape):
    luma, chroma = torch.rand(shape), torch.rand(2, *shape)
    result = spread(luma, chroma, torch.ones(shape))
    assert result.shape == chroma.shape
    assert chroma.min() - 1e-5 <= result.min() and result.max() <= chroma.max() + 1e-5


@pytest.mark.parametrize("shape", SHAPES)
def test_any_size_keeps_its_luma(colorizer, shape):
    photo = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    result = GuidedColorizer(colorizer, refined=True).colorize(photo)
    assert result.shape == (*shape, 3) and result.dtype == np.uint8
    assert abs(luma_of(to_tensor(result)) * 255 - torch.from_numpy(photo)).max() <= 1.01


def test_a_large_photo_is_solved_small(colorizer, real_paths, monkeypatch):
    from PIL import Image

    from colorlib.prediction import propagation

    seen = []
    monkeypatch.setattr(propagation, "laplacian", lambda luma: seen.append(luma.shape) or laplacian(luma))
    photo = np.asarray(Image.open(real_paths[0]).convert("RGB").resize((1500, 700)))
    assert GuidedColorizer(colorizer, refined=True).colorize(photo).shape == (700, 1500, 3)
    assert max(max(shape) for shape in seen) == propagation.SOLVED_AT


def test_a_constant_picture_and_a_regression(colorizer, tmp_path):
    flat = np.full((30, 40), 77, np.uint8)
    assert GuidedColorizer(colorizer, refined=True).colorize(flat).shape == (30, 40, 3)
    import colorlib

    with pytest.raises(ColorlibError, match="regression"):
        GuidedColorizer(colorlib.load("colorunet-l2"), refined=True).colorize(flat)


def test_refined_equals_the_parts_put_together(colorizer, real_photos):
    """`GuidedColorizer` on a photo of the network's own size is `refine` and `merge_luma_chroma`, nothing more."""
    from colorlib.prediction import annealed_mean

    photo = fit(real_photos[0], colorizer.input_size)
    luma = luma_of(to_tensor(photo))
    logits = colorizer.logits(luma)
    chroma = refine(luma, annealed_mean(logits, colorizer.bins.colors, 0.5), logits.softmax(0).amax(0))
    expected = (merge_luma_chroma(luma, chroma) * 255).round().byte().movedim(0, -1).numpy()
    difference = abs(GuidedColorizer(colorizer, refined=True).colorize(photo, 0.5).astype(int) - expected)
    assert difference.max() <= 1
