"""Exercises that check themselves.

`check("name", your_function)` prints one friendly line and never raises, so that a notebook with exercises still
open runs to its end. Each exercise is one function below: it tries the student's answer on small inputs and edge
cases, next to the library, and raises `WrongAnswerError` with what was expected and what came.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from colorlib.color.bins import ColorBins
from colorlib.color.spaces import luma_of, unit_rgb
from colorlib.data.datasets import PaddedPhotos
from colorlib.errors import ColorlibError
from colorlib.evaluation.confidence import auroc, calibration_error, fit_temperature, reliability_table
from colorlib.evaluation.intervals import student, wilson_interval
from colorlib.evaluation.metrics import jensen_shannon
from colorlib.prediction.annealing import annealed_mean
from colorlib.prediction.propagation import choose_seeds
from colorlib.training.losses import adjust_logits, rebalanced_cross_entropy
from colorlib.video.motion import warp
from colorlib.video.smoothing import TemporalKernel, published_alpha


class NotStartedError(Exception):
    """The answer is still the stub: it returns None or ``...``."""


class WrongAnswerError(Exception):
    """The answer is not right; the message says what was expected and what came."""


EXERCISES: dict[str, Callable[[Any], None]] = {}


def check(name: str, answer: Any) -> None:
    """Try an answer to an exercise and print the verdict.

    >>> check("luma", lambda rgb: ...)
    … luma: not started yet. Replace the `...` with your own code and run the cell again.
    """
    right, message = verdict(name, answer)
    print({None: "…", False: "✘", True: "✔"}[right], f"{name}: {message}")


def verdict(name: str, answer: Any) -> tuple[bool | None, str]:
    """Whether an answer is right, and why: (True, …), (False, …) or, for an untouched stub, (None, …)."""
    if name not in EXERCISES:
        raise ColorlibError(f"there is no exercise {name!r}; there are {', '.join(EXERCISES)}")
    try:
        EXERCISES[name](_watched(answer))
    except NotStartedError:
        return None, "not started yet. Replace the `...` with your own code and run the cell again."
    except WrongAnswerError as wrong:
        return False, f"not yet. {wrong}"
    except Exception as error:  # whatever the student's code raises is part of the answer
        return False, f"not yet. Your code stopped with {type(error).__name__}: {' '.join(str(error).split())}"
    return True, "right, well done!"


def exercise(name: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register a check: a function of the student's answer that raises `WrongAnswerError`, or returns."""

    def register(function: Callable[[Any], None]) -> Callable[[Any], None]:
        if name in EXERCISES:
            raise ValueError(f"two exercises are named {name!r}")
        EXERCISES[name] = function
        return function

    return register


def expect(got: Any, expected: Any, when: str, tolerance: float = 1e-5) -> None:
    """Compare an answer with the right one: numbers, or tensors by shape and value.

    Raises:
        WrongAnswerError: for example "With λ = 1 I expected [1.0, 1.0], and got [0.5, 0.5]".
    """
    if not isinstance(expected, Tensor):
        got = plain_number(got)
        if not isinstance(got, (int, float)) or isinstance(got, bool) or not abs(got - expected) <= tolerance:
            raise WrongAnswerError(f"{when} {_both(expected, got)}.")
        return
    got = torch.from_numpy(got) if isinstance(got, np.ndarray) and got.dtype.kind in "fiub" else got
    if not isinstance(got, Tensor):
        raise WrongAnswerError(f"{when} I expected a tensor of shape {tuple(expected.shape)}, and got {_short(got)}.")
    if got.shape != expected.shape:
        raise WrongAnswerError(f"{when} I expected the shape {tuple(expected.shape)}, and got {tuple(got.shape)}.")
    if not torch.allclose(got.double(), expected.double(), rtol=tolerance, atol=tolerance):
        raise WrongAnswerError(f"{when} {_both(expected, got)}.")


def plain_number(value: Any) -> Any:
    """A number as Python has it, whether it came as a NumPy scalar or as an array or tensor of one number.

    >>> plain_number(np.float32(0.5)), plain_number(torch.tensor([2])), plain_number("a text")
    (0.5, 2, 'a text')
    """
    if isinstance(value, (Tensor, np.ndarray, np.generic)) and math.prod(value.shape) == 1:
        return value.item()
    return value


def pair_of_numbers(got: Any, what: str) -> list[Any]:
    """Two numbers, whether they came as a tuple, a list, an array or a tensor.

    >>> pair_of_numbers(torch.tensor([0.25, 0.5]), "low and high")
    [0.25, 0.5]
    """
    pair = got.tolist() if isinstance(got, (np.ndarray, Tensor)) else got
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise WrongAnswerError(f"I expected two numbers, {what}, and got {_short(got)}.")
    return list(pair)


def _watched(answer: Any) -> Any:
    """The answer, with an untouched stub noticed wherever the check meets it."""
    if answer is None or answer is ...:
        raise NotStartedError
    if not callable(answer):
        return answer

    def call(*arguments: Any) -> Any:
        try:
            result = answer(*arguments)
        except NotImplementedError:
            raise NotStartedError from None
        if result is None or result is ...:
            raise NotStartedError
        return result

    return call


def _both(expected: Any, got: Any) -> str:
    """What was expected and what came; where they look alike, also how far they are apart."""
    said = f"I expected {_short(expected)}, and got {_short(got)}"
    if _short(expected) == _short(got):
        right, mine = (torch.as_tensor(value).double().flatten() for value in (expected, got))
        if torch.as_tensor(expected).is_floating_point():
            said += f", which differs by {float((mine - right).abs().max()):.1g}, more than rounding"
        else:
            place = int((mine - right).abs().argmax())
            said += f"; at place {place} I expected {right[place]:.9g}, and got {mine[place]:.9g}"
    return said


def _short(value: Any) -> str:
    """A value in a few words; long tensors by their first numbers."""
    if isinstance(value, Tensor):
        numbers = [round(number, 4) for number in value.flatten()[:6].tolist()]
        return f"[{', '.join(map(str, numbers))}{', …' if value.numel() > 6 else ''}]"
    if isinstance(value, float):
        return f"{value:.5g}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:60] + "…"


# Notebook 00


@exercise("luma")
def _luma(luma: Callable[[Tensor], Tensor]) -> None:
    """luma(rgb): RGB (3, H, W) in [0, 1] -> its luma (H, W)."""
    expect(luma(torch.ones(3, 1, 2)), torch.ones(1, 2), "For white")
    for name, color in {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}.items():
        rgb = torch.tensor(color).float().reshape(3, 1, 1)
        expect(luma(rgb), luma_of(rgb), f"For pure {name}")
    rgb = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0))
    expect(luma(rgb), luma_of(rgb), "For a small picture of random colours")


@exercise("measure_psnr")
def _measure_psnr(measure_psnr: Callable[[np.ndarray, np.ndarray], float]) -> None:
    """measure_psnr(picture, truth): two different uint8 pictures (H, W, 3) -> their PSNR in dB."""
    flat = np.full((2, 3, 3), 100, np.uint8)
    expect(measure_psnr(flat + np.uint8(10), flat), 10 * math.log10(255**2 / 100), "For pictures of 110 and 100", 1e-3)
    expect(measure_psnr(flat, flat + np.uint8(10)), 10 * math.log10(255**2 / 100), "For pictures of 100 and 110", 1e-3)
    expect(measure_psnr(0 * flat, flat * 0 + np.uint8(255)), 0.0, "For black and white", 1e-3)
    one, other = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    right = 10 * math.log10(255**2 / float(((one.astype(float) - other) ** 2).mean()))
    expect(measure_psnr(one, other), right, "For two pictures of noise", 1e-3)


@exercise("share_closer")
def _share_closer(share_closer: Callable[[list[float], list[float]], float]) -> None:
    """share_closer(ones, others): PSNR by photo, twice -> the share of the photos on which the first is larger."""
    for ones, others, right in (
        ([20.0, 21.0, 22.0, 10.0], [19.0, 20.0, 21.0, 30.0], 0.75),
        ([20.0, 25.0], [20.0, 20.0], 0.5),
        ([20.0], [20.0], 0.0),
        ([3.0, 1.0, 2.0, 5.0, 4.0], [1.0, 2.0, 3.0, 4.0, 5.0], 0.4),
    ):
        expect(share_closer(list(ones), list(others)), right, f"For {ones} and {others}")


# Notebook 01


@exercise("nearest_bin")
def _nearest_bin(nearest_bin: Callable[[Tensor, Tensor], Tensor]) -> None:
    """nearest_bin(points, colors): points (k, 2) and colours (n, 2) of the UV plane -> index (k,) of the closest."""
    exact = torch.float64  # prints as typed
    colors = torch.tensor([[0.0, 0.0], [0.2, 0.1], [-0.1, 0.3]], dtype=exact)
    expect(nearest_bin(colors, colors), torch.arange(3), "For points that are the bins' own colours")
    points = torch.tensor([[0.01, -0.02], [0.4, 0.5], [-0.4, 0.2], [0.11, 0.06]], dtype=exact)
    expect(nearest_bin(points, colors), torch.tensor([0, 1, 2, 1]), f"For points {points.tolist()}")
    expect(nearest_bin(points[:1], colors[1:2]), torch.tensor([0]), "For a single point and a single bin")
    generator = torch.Generator().manual_seed(1)
    points, colors = torch.rand(200, 2, generator=generator) - 0.5, torch.rand(32, 2, generator=generator) - 0.5
    expect(nearest_bin(points, colors), _bins(colors).encode(points.T[:, None])[0], "For 200 random points, 32 bins,")


@exercise("with_gray")
def _with_gray(with_gray: Callable[[Tensor], Tensor]) -> None:
    """with_gray(colors): colours (n, 2) of bins -> the same in a new tensor, the one closest to gray at (0, 0)."""
    for typed, closest in (
        ([[0.2, 0.1], [0.02, -0.03], [-0.1, 0.3]], 1),
        ([[0.01, -0.15], [-0.15, 0.01], [0.1, 0.09]], 2),
        ([[-0.05, 0.0]], 0),
    ):
        colors = torch.tensor(typed, dtype=torch.float64)  # as the bins' own colours are
        right, given = colors.clone(), colors.clone()
        right[closest] = 0
        expect(with_gray(given), right, f"For the colours {typed}")
        if not torch.equal(given, colors):
            raise WrongAnswerError("I expected a new tensor, but the colours that I gave you were changed.")


@exercise("smallest_n")
def _smallest_n(smallest_n: Callable[[dict[int, list[float]], float, float], int]) -> None:
    """smallest_n(scores, level, share): lists of PSNR by number of bins -> the smallest number that is good enough."""
    scores = {32: [30.0, 34.0, 36.0, 40.0], 8: [26.0, 29.0, 30.0, 39.0], 16: [28.0, 31.0, 33.0, 38.0]}
    cases = [(30, 0.5, 8), (30, 0.75, 16), (30, 1.0, 32), (35, 0.5, 32), (31.5, 0.75, 32), (41, 0.5, 0)]
    for level, share, right in cases:
        got = smallest_n(dict(scores), level, share)
        expect(got, right, f"For the scores {scores}, the level {level} and a share of {share}")


@exercise("bin_frequencies")
def _bin_frequencies(bin_frequencies: Callable[[Tensor, int], Tensor]) -> None:
    """bin_frequencies(index, n): bins of any shape -> the share (n,) of pixels in each bin."""
    index = torch.tensor([[0, 1, 1], [2, 1, 0]])
    expect(bin_frequencies(index, 3), torch.tensor([2, 3, 1]) / 6, f"For the bins {index.tolist()} and n = 3")
    expect(bin_frequencies(index, 5), torch.tensor([2, 3, 1, 0, 0]) / 6, "For the same pixels and n = 5")
    expect(bin_frequencies(torch.zeros(4, 4).long(), 1), torch.ones(1), "For a picture in the only bin")


# Notebook 02


@exercise("weights")
def _weights(weights: Callable[[Tensor, float], Tensor]) -> None:
    """weights(frequency, lam): frequencies (n,) -> rebalancing weights (n,) with expected value 1."""
    frequency = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    for lam in (1.0, 0.0, 0.5, 0.05):
        right = _bins(torch.zeros(3, 2), frequency).weights(lam)
        expect(weights(frequency, lam), right, f"For frequencies {frequency.tolist()} and λ = {lam}")
    rare = torch.tensor([0.75, 0.25, 0.0], dtype=torch.float64)
    expect(weights(rare, 0.5), _bins(torch.zeros(3, 2), rare).weights(0.5), "With a bin that never occurs and λ = 0.5")


@exercise("lambda_for")
def _lambda_for(lambda_for: Callable[[Tensor, float], float]) -> None:
    """lambda_for(frequency, orders): the λ at which the weights span that many powers of ten."""
    frequency = torch.tensor([0.9, 0.09, 0.009, 0.001], dtype=torch.float64)
    for orders in (0.0, 1.0, 2.0):
        lam = lambda_for(frequency, orders)
        expect(lam, _lambda_at(frequency, orders), f"For frequencies {frequency.tolist()} and {orders:g} orders", 1e-4)


def _lambda_at(frequency: Tensor, orders: float) -> float:
    """Solve (1-λ)·max + λ/n = ratio · ((1-λ)·min + λ/n), which is linear in λ."""
    ratio = 10**orders
    excess = float(frequency.max() - ratio * frequency.min())
    return excess / (excess + (ratio - 1) / len(frequency))


def _bins(colors: Tensor, frequency: Tensor | None = None) -> ColorBins:
    """Bins of given colours, by nearest distance, to compare answers with."""
    frequency = torch.full((len(colors),), 1 / len(colors)) if frequency is None else frequency
    return ColorBins(colors.double(), frequency.double(), "kmeans")


# Notebook 03


@exercise("frame_mask")
def _frame_mask(frame_mask: Callable[[Tensor, int], Tensor]) -> None:
    """frame_mask(sizes, side): height and width (N, 2) of photos -> mask (N, side, side), true where they are."""
    sizes = torch.tensor([[2, 3], [1, 4], [4, 4], [4, 1]])
    for side in (4, 6):
        right = PaddedPhotos(torch.zeros(4, side, side, 3, dtype=torch.uint8), sizes).mask()
        mask = frame_mask(sizes, side)
        expect(mask, right, f"For sizes {sizes.tolist()} and squares of {side} x {side}")
        if mask.dtype != torch.bool:
            raise WrongAnswerError(f"I expected truth values, torch.bool, and got {mask.dtype}.")


@exercise("training_items")
def _training_items(training_items: Callable[[Tensor, int], Tensor]) -> None:
    """training_items(validation, photos): the photos that validate, of so many -> the items that may train."""
    everything = torch.arange(35)
    for validation in ([], [0], [4], [1, 3], [3, 0, 4]):
        chosen = torch.tensor(validation, dtype=torch.int64)
        right = torch.tensor([item for item in everything.tolist() if item // 7 not in validation])
        expect(training_items(chosen, 5), right, f"When photos {validation} of 5 validate")
    expect(training_items(torch.tensor([0]), 1), everything[:0], "When the only photo validates")


@exercise("drifted")
def _drifted(drifted: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """drifted(luma, colors, mask): inputs (B, 1, S, S), targets (B, S, S, 3), masks -> (B,) where they disagree."""
    generator = torch.Generator().manual_seed(0)
    colors = torch.randint(0, 256, (4, 32, 32, 3), generator=generator, dtype=torch.uint8)
    truth = luma_of(unit_rgb(colors))[:, None]
    everywhere = torch.ones(4, 32, 32, dtype=torch.bool)
    noise = 0.0173 * torch.randn(truth.shape, generator=generator)
    mirrored = truth.clone()
    mirrored[1] = truth[1].flip(-1)
    corner = torch.zeros(4, 32, 32, dtype=torch.bool)
    corner[:, :6, :6] = True
    outside = torch.where(corner[:, None], truth, 1 - truth)
    small = torch.where(corner[:, None], mirrored, truth)
    small[1, 0, :6, :6] = truth[1, 0, :6, :6].flip(-1)
    second = [False, True, False, False]
    for when, luma, mask, right in (
        ("If every input is its target's luma", truth, everywhere, [False] * 4),
        ("If noise of σ = 0.0173 was added to the inputs", truth + noise, everywhere, [False] * 4),
        ("If the second input is mirrored and its target is not", mirrored + noise, everywhere, second),
        ("If input and target differ in the padding only", outside, corner, [False] * 4),
        ("If the second of four small photos in large squares is mirrored", small, corner, second),
    ):
        expect(drifted(luma, colors, mask), torch.tensor(right), when)


# Notebook 04


@exercise("receptive_field")
def _receptive_field(answer: Callable[[list[tuple[int, int]]], int]) -> None:
    """receptive_field(layers): pairs (kernel, stride), first to last -> how many pixels across a unit sees."""
    group = [(3, 1), (3, 1), (2, 2)]
    cases = {"no layer at all": ([], 1), "one 3 x 3 convolution": ([(3, 1)], 3), "three of them": ([(3, 1)] * 3, 7)}
    cases |= {"two of them and a max pooling": (group, 6), "that three times": (3 * group, 36)}
    cases["a 7 x 7 convolution of stride 2 and a 3 x 3 one"] = ([(7, 2), (3, 2)], 11)
    for name, (layers, right) in cases.items():
        expect(answer(list(layers)), right, f"For {name}")


@exercise("upsample_line")
def _upsample_line(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """upsample_line(values, kernel): (n,) and (3,) -> (2n,), a transposed convolution of stride 2."""
    one, kernel = torch.tensor([1.0]), torch.tensor([1.0, 2.0, 3.0])
    expect(answer(one, kernel), torch.tensor([2.0, 3.0]), "For the values [1] and the kernel [1, 2, 3]")
    expect(answer(torch.tensor([1.0, 10.0]), kernel), torch.tensor([2.0, 13.0, 20.0, 30.0]), "For the values [1, 10]")
    generator = torch.Generator().manual_seed(0)
    values, kernel = torch.randn(7, generator=generator), torch.randn(3, generator=generator)
    layer = nn.ConvTranspose1d(1, 1, 3, stride=2, padding=1, output_padding=1, bias=False)
    layer.weight.data = kernel[None, None]
    expect(answer(values, kernel), layer(values[None, None])[0, 0].detach(), "For 7 random values and a random kernel")


@exercise("encoder_design")
def _encoder_design(answer: Callable[[], list[tuple[int, int, int, int]]]) -> None:
    """encoder_design(): convolutions (channels in, out, kernel, stride) that see far for little."""
    layers = answer()
    if not isinstance(layers, (list, tuple)) or not layers or any(len(layer) != 4 for layer in layers):
        raise WrongAnswerError(f"I expected a list of (channels in, out, kernel, stride), and got {_short(layers)}.")
    seen, step, side, parameters, cost, channels = 1, 1, 256, 0, 0, 1
    for number, (given, wide, kernel, stride) in enumerate(layers, 1):
        if given != channels:
            raise WrongAnswerError(f"Layer {number} is given {channels} channels, and expected {given}.")
        if side % stride:
            raise WrongAnswerError(f"I expected layer {number} to divide its {side} pixels, and got {stride}.")
        seen, step, side, channels = seen + (kernel - 1) * step, step * stride, side // stride, wide
        parameters += kernel**2 * given * wide + wide
        cost += kernel**2 * given * wide * side**2
    if seen < 128:
        raise WrongAnswerError(f"I expected a network that sees 128 pixels or more; yours sees {seen}.")
    if parameters > 150_000:
        raise WrongAnswerError(f"I expected at most 150,000 parameters; yours has {parameters:,}.")
    if cost > 1e8:
        raise WrongAnswerError(f"I expected at most 0.1 G multiply-adds; yours does {cost / 1e9:.2f} G.")


# Notebook 05


@exercise("best_constant_loss")
def _best_constant_loss(answer: Callable[[Tensor, Tensor], float]) -> None:
    """best_constant_loss(frequency, weights): (n,) and (n,) -> the least mean loss of one answer for all pixels."""
    even = torch.full((4,), 0.25).double()
    expect(answer(even, torch.ones(4).double()), math.log(4), "For four bins of one frequency and one weight")
    frequency = torch.tensor([0.7, 0.2, 0.1]).double()
    inverse = 1 / (3 * frequency)
    expect(answer(frequency, inverse), math.log(3), "For weights that make all bins count alike")
    for weights in (
        torch.ones(3).double(),
        torch.tensor([0.5, 1.75, 3.0]).double(),
        torch.tensor([2.0, 4.0, 8.0]).double(),
    ):
        wp = frequency * weights
        right = -float((wp * (wp / wp.sum()).log()).sum())
        expect(answer(frequency, weights), right, f"For frequencies {_short(frequency)} and weights {_short(weights)}")
    never = torch.tensor([0.5, 0.5, 0.0]).double()
    expect(answer(never, torch.ones(3).double()), math.log(2), "With a bin that never occurs")


@exercise("mended_step")
def _mended_step(answer: Callable[..., float]) -> None:
    """mended_step(network, optimizer, luma, target, weights, mask): one step of training -> the loss before it."""
    generator = torch.Generator().manual_seed(0)
    luma, target = torch.rand(2, 1, 6, 6, generator=generator), torch.randint(5, (2, 6, 6), generator=generator)
    weights, mask = torch.tensor([0.2, 0.5, 1.0, 2.0, 5.0]), torch.rand(2, 6, 6, generator=generator) < 0.7

    def tiny() -> tuple[nn.Module, torch.optim.Optimizer]:
        network = nn.Conv2d(1, 5, 3, padding=1)
        for parameter in network.parameters():
            start = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
            parameter.data.copy_(start)
        return network, torch.optim.SGD(network.parameters(), lr=0.1)

    (mine, mine_optimizer), (right, right_optimizer) = tiny(), tiny()
    for count in ("first", "second", "third"):
        loss = rebalanced_cross_entropy(right(luma), target, weights, mask)
        right_optimizer.zero_grad()
        loss.backward()
        right_optimizer.step()
        expect(
            answer(mine, mine_optimizer, luma, target, weights, mask),
            loss.item(),
            f"For the loss of the {count} step",
            1e-4,
        )
        for name, parameter in mine.named_parameters():
            expect(parameter.data, right.get_parameter(name).data, f"For the {name} after the {count} step", 1e-4)


@exercise("stop_at")
def _stop_at(stop_at: Callable[[list[dict[str, float]], int], int]) -> None:
    """stop_at(history, patience): rows with step and validation_loss -> the step whose network is kept."""

    def history(*losses: float) -> list[dict[str, float]]:
        return [{"step": 50 * (i + 1), "train_loss": 3 - i / 10, "validation_loss": v} for i, v in enumerate(losses)]

    bumpy = history(3.0, 2.8, 2.9, 2.7, 2.9, 2.95, 2.5, 3.0)
    for patience, right in ((1, 100), (2, 200), (3, 350)):
        expect(
            stop_at(bumpy, patience), right, f"For losses 3.0, 2.8, 2.9, 2.7, 2.9, 2.95, 2.5, 3.0, patience {patience}"
        )
    expect(stop_at(history(3.2, 3.0, 2.8), 2), 150, "For a run that still improves")
    expect(stop_at(history(2.5, 2.5, 2.5), 2), 50, "For equal losses (the earlier step costs less)")
    expect(stop_at(history(3.1), 1), 50, "For a history of one row")


# Notebook 06


@exercise("annealed_pixel")
def _annealed_pixel(annealed_pixel: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """annealed_pixel(z, colors, temperature): probabilities (n,) and colours (n, 2) -> annealed mean (2,)."""
    z, colors = torch.tensor([0.5, 0.3, 0.2, 0.0]), torch.tensor([[0.2, 0.0], [0.0, 0.2], [-0.2, 0.1], [0.4, 0.4]])
    for temperature in (1.0, 0.38, 3.0, 0.01, 0.001):
        right = annealed_mean(z.log().reshape(4, 1, 1), colors, temperature).flatten()
        expect(annealed_pixel(z, colors, temperature), right, f"For z = {_short(z)} and T = {temperature:g}")
    sure = torch.tensor([0.0, 1.0])
    expect(annealed_pixel(sure, colors[:2], 0.38), colors[1], "For z = [0, 1] and T = 0.38")
    many = torch.linspace(-0.4, 0.4, 64).reshape(32, 2)
    for kind in (torch.float32, torch.float64):  # 32 ** -1000 is 0 in 64 bits, too
        flat = torch.full((32,), 1 / 32, dtype=kind)
        expect(annealed_pixel(flat, many.to(kind), 0.001), many.mean(0), f"For 32 equal bins, T = 0.001 and {kind}")


@exercise("honest_gain")
def _honest_gain(honest_gain: Callable[[Tensor], float]) -> None:
    """honest_gain(gains): (photos, temperatures) -> mean gain at temperatures chosen on the other half."""
    split = torch.tensor([[1.0, 0.0], [0.0, 3.0], [1.0, 0.0], [0.0, 3.0]])
    expect(honest_gain(split), 0.0, "Where what is best for even rows is worst for odd ones")
    uneven = torch.tensor([[0.0, 1.0], [5.0, 0.0], [0.0, 1.0], [5.0, 0.0], [9.0, 1.0]])  # mean and median disagree
    expect(honest_gain(uneven), 3.8, "For five photos, three of them in even rows, and one temperature best for all")
    noise = torch.randn(31, 12, generator=torch.Generator().manual_seed(3)).double()
    half = noise[0::2], noise[1::2]
    read = [other[:, one.mean(0).argmax()] for one, other in (half, half[::-1])]
    expect(honest_gain(noise), float(torch.cat(read).mean()), "For gains that are nothing but chance")


@exercise("annealed_map")
def _annealed_map(annealed_map: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """annealed_map(logits, colors, temperatures): (n, H, W), (n, 2), (H, W) -> chrominance (2, H, W)."""
    generator = torch.Generator().manual_seed(0)
    logits, colors = 9 * torch.randn(5, 3, 4, generator=generator), torch.rand(5, 2, generator=generator) - 0.5
    for temperature in (1.0, 0.38, 0.001):
        right = annealed_mean(logits, colors, temperature)
        expect(
            annealed_map(logits, colors, torch.full((3, 4), temperature)), right, f"With T = {temperature:g} everywhere"
        )
    steps = torch.logspace(-2, 1, 12).reshape(3, 4)
    pixels = [
        annealed_mean(logits[:, i // 4, i % 4].reshape(5, 1, 1), colors, float(steps.flatten()[i])) for i in range(12)
    ]
    expect(
        annealed_map(logits, colors, steps),
        torch.cat(pixels, 2).reshape(2, 3, 4),
        "With a T for each pixel, 0.01 to 10,",
    )


# Notebook 07


@exercise("auroc_by_pairs")
def _auroc_by_pairs(answer: Callable[[Tensor, Tensor], float]) -> None:
    """auroc_by_pairs(sure_wrong, sure_right): confidences (j,) and (k,) -> how often the wrong one is less sure."""
    low, high = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.8, 0.9])
    expect(answer(low, high), 1.0, "Where every wrong pixel is less sure than every right one")
    expect(answer(high, low), 0.0, "Where every wrong pixel is surer")
    expect(answer(torch.full((3,), 0.5), torch.full((2,), 0.5)), 0.5, "Where all are equally sure")
    expect(answer(torch.tensor([0.1, 0.6]), torch.tensor([0.5, 0.6])), 0.625, "For [0.1, 0.6] and [0.5, 0.6]")
    sure = torch.arange(40) / 40
    wrong = (torch.arange(40) * 7 % 11 < 4).double()
    expected = auroc(reliability_table(sure + 0.01, wrong, 1000))
    expect(answer(sure[wrong == 1], sure[wrong == 0]), expected, "For 40 pixels of different confidence")


@exercise("expected_error")
def _expected_error(answer: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """expected_error(logits, colors, temperature): (n, H, W), (n, 2), T -> the distance to be expected (H, W)."""
    two, apart = torch.zeros(2, 1, 1), torch.tensor([[0.3, 0.0], [-0.3, 0.0]])
    expect(answer(two, apart, 1.0), torch.full((1, 1), 0.3), "For a tie between (0.3, 0) and (-0.3, 0)")
    sure = torch.tensor([50.0, 0.0]).reshape(2, 1, 1)
    expect(answer(sure, apart, 1.0), torch.zeros(1, 1), "For a pixel that is entirely sure")
    generator = torch.Generator().manual_seed(0)
    logits, colors = 2 * torch.randn(5, 3, 4, generator=generator), torch.rand(5, 2, generator=generator) - 0.5
    for temperature in (1.0, 0.3):
        painted = annealed_mean(logits, colors, temperature)
        right = sum(
            z * (c[:, None, None] - painted).norm(dim=0) for z, c in zip(logits.softmax(0), colors, strict=True)
        )
        expect(answer(logits, colors, temperature), right, f"For 12 random pixels and T = {temperature:g}")


@exercise("honest_expected_error")
def _honest_expected_error(answer: Callable[[Tensor, Tensor, Tensor, float], Tensor]) -> None:
    """honest_expected_error(logits, weights, colors, temperature): (H, W), z without rebalancing, painted with it."""
    two, apart = torch.zeros(2, 1, 1), torch.tensor([[0.3, 0.0], [-0.3, 0.0]])
    sure = torch.tensor([3.0, 0.0]).reshape(2, 1, 1)  # painted near the first colour
    generator = torch.Generator().manual_seed(0)
    logits, colors = 2 * torch.randn(5, 3, 4, generator=generator), torch.rand(5, 2, generator=generator) - 0.5
    weights = torch.tensor([0.2, 8.0, 1.0, 30.0, 0.7])
    for given, w, c, temperature, when in (
        (two, torch.ones(2), apart, 1.0, "For a tie between two bins of equal weight"),
        (two, torch.tensor([7.0, 7.0]), apart, 1.0, "For two bins that both weigh 7"),
        (sure, torch.tensor([20.0, 1.0]), apart, 0.1, "For a sure bin whose weight is 20 times the other's"),
        (logits, weights, colors, 1.0, "For 12 random pixels and T = 1"),
        (logits, weights, colors, 0.3, "For 12 random pixels and T = 0.3"),
    ):
        painted = annealed_mean(given, c, temperature)
        z = adjust_logits(given, w, torch.ones(len(w))).softmax(0)
        right = sum(p * (color[:, None, None] - painted).norm(dim=0) for p, color in zip(z, c, strict=True))
        expect(answer(given, w, c, temperature), right, when)


# Notebook 07b


@exercise("ece_of")
def _ece_of(answer: Callable[[Tensor, Tensor, Tensor], float]) -> None:
    """ece_of(share, confidence, accuracy): of each level, (levels,) -> the expected calibration error."""
    half, level = torch.tensor([0.5, 0.5]), torch.tensor([0.3, 0.9])
    expect(answer(half, level, level), 0.0, "Where every level keeps what it promises")
    said = "For two levels of half the pixels, confidence [0.3, 0.9], accuracy [0.4, 0.8],"
    expect(answer(half, level, torch.tensor([0.4, 0.8])), 0.1, said)
    said = "For levels of 90 % and 10 % of the pixels, confidence [0.3, 0.9], accuracy [0.3, 0.4],"
    expect(answer(torch.tensor([0.9, 0.1]), level, torch.tensor([0.3, 0.4])), 0.05, said)
    generator = torch.Generator().manual_seed(0)
    sure = torch.rand(4000, generator=generator)
    table = reliability_table(sure, torch.rand(4000, generator=generator) < sure**2)
    share, confidence, accuracy = table[:, 0], table[:, 1] / table[:, 0], table[:, 2] / table[:, 0]
    expect(answer(share, confidence, accuracy), calibration_error(table), "For 4000 pixels in 15 levels")


@exercise("calibrate")
def _calibrate(answer: Callable[[Tensor, Tensor], float]) -> None:
    """calibrate(logits, target): (k, n) and true bins (k,) -> the T by which to divide the logits, to 2 %."""
    generator = torch.Generator().manual_seed(0)
    for right in (0.3, 1.0, 4.0):
        logits = 2 * torch.randn(2000, 6, generator=generator)
        target = logits.softmax(1).multinomial(1, generator=generator)[:, 0]
        fitted = fit_temperature(right * logits, target)
        expect(answer(right * logits, target), fitted, f"For logits {right:g} times too large", 0.02 * fitted)


@exercise("nats_saved")
def _nats_saved(answer: Callable[[list[tuple[Tensor, Tensor]]], Any]) -> None:
    """nats_saved(photos): (logits (k, n), target (k,)) of each -> what its own T_cal saves against the others' one."""
    generator = torch.Generator().manual_seed(0)
    photos = []
    for scale, count in ((0.4, 300), (1.0, 900), (3.0, 300)):
        logits = 2 * torch.randn(count, 5, generator=generator)
        photos.append((scale * logits, logits.softmax(1).multinomial(1, generator=generator)[:, 0]))
    for some in (photos, photos[:2]):
        right = []
        for i, (logits, target) in enumerate(some):
            rest = [torch.cat(parts) for parts in zip(*(some[:i] + some[i + 1 :]), strict=True)]
            shared, own = (logits.double() / fit_temperature(*pair) for pair in (rest, (logits, target)))
            costs = [float(nn.functional.cross_entropy(scaled, target)) for scaled in (shared, own)]
            right.append(costs[0] - costs[1])
        got = answer(list(some))
        if not isinstance(got, (list, tuple, np.ndarray, Tensor)) or len(got) != len(some):
            raise WrongAnswerError(
                f"I expected a list of {len(some)} numbers, one for each photo, and got {_short(got)}."
            )
        for i, (mine, expected) in enumerate(zip(got, right, strict=True)):
            expect(mine, expected, f"For photo {i + 1} of {len(some)}", 0.002)


# Notebook 08


@exercise("jensen_shannon_distance")
def _jensen_shannon_distance(answer: Callable[[Tensor, Tensor], float]) -> None:
    """jensen_shannon_distance(p, q): two histograms (n,) that sum to 1 -> their Jensen–Shannon distance, in [0, 1]."""
    p, q = torch.tensor([0.5, 0.25, 0.25, 0.0]).double(), torch.tensor([0.25, 0.25, 0.0, 0.5]).double()
    one, other = torch.tensor([1.0, 0.0]).double(), torch.tensor([0.0, 1.0]).double()
    expect(answer(p[:3], p[:3]), 0.0, "For a histogram and itself")
    expect(answer(one, other), 1.0, "For two histograms with no bin in common")
    expect(answer(p, q), jensen_shannon(p, q), f"For {p.tolist()} and {q.tolist()}")
    expect(answer(q, p), jensen_shannon(p, q), "For the same two the other way round")


@exercise("find_knobs")
def _find_knobs(answer: Callable[[Callable[[float, float], tuple[float, float]], tuple[float, float]], Any]) -> None:
    """find_knobs(measure, target): (λ, T) at which the share of rare colours and the colourfulness match the target."""

    def palette(lam: float, temperature: float) -> tuple[float, float]:
        """Rare colours for boldness in λ and in T; vividness mostly for T, as a network's own are."""
        boldness = -math.log10(lam)
        return 0.15 * boldness / (1 + 3 * temperature), 20 + 15 * boldness + 25 / (1 + temperature)

    for right in ((0.05, 0.3), (0.5, 0.1), (0.02, 0.9), (0.03, 0.1)):
        target = palette(*right)
        lam, temperature = (float(value) for value in pair_of_numbers(answer(palette, target), "(λ, T)"))
        if not (0.01 <= lam <= 1 and 0.05 <= temperature <= 1):
            raise WrongAnswerError(
                f"I expected λ in [0.01, 1] and T in [0.05, 1], and got {lam:.3g} and {temperature:.3g}."
            )
        rare, vivid = palette(lam, temperature)
        if not (abs(rare - target[0]) <= 0.02 and abs(vivid - target[1]) <= 2):
            there = f"{rare:.3f} and {vivid:.1f} at λ = {lam:.3g}, T = {temperature:.3g}"
            raise WrongAnswerError(
                f"For the target {target[0]:.3f} and {target[1]:.1f} I expected to come close, and got {there}."
            )


@exercise("answers_needed")
def _answers_needed(answer: Callable[[float], int]) -> None:
    """answers_needed(rate): the smallest n whose round(rate · n) fooled have a Wilson interval below one half."""
    for rate in (0.3, 0.1, 0.4, 0.45, 0.0):
        n = 1
        while wilson_interval(round(rate * n), n).high >= 0.5:
            n += 1
        expect(answer(rate), n, f"For a rate of {rate:g}", 0)


# Notebook 09


@exercise("paired_epochs")
def _paired_epochs(answer: Callable[[int, int, int, int], tuple[float, float]]) -> None:
    """paired_epochs(steps, batch, photos, copies): the epochs of the same steps, with augmentation and without."""
    for steps, batch, photos, copies in ((7, 10, 10, 7), (7400, 64, 13469, 7), (100, 8, 84, 1), (1, 1, 3, 2)):
        got = pair_of_numbers(answer(steps, batch, photos, copies), "with and without augmentation")
        when = f"{steps} steps of {batch}, {photos} photos and {copies} copies of each"
        expect(got[0], steps * batch / (photos * copies), f"With augmentation, for {when},")
        expect(got[1], steps * batch / photos, f"Without augmentation, for {when},")


@exercise("mirrored_mean")
def _mirrored_mean(answer: Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]) -> None:
    """mirrored_mean(predict, luma): a function luma (H, W) -> maps (n, H, W), and a luma -> maps steady in mirrors."""

    def follows_luma(luma: Tensor) -> Tensor:
        return torch.stack([luma, 1 - luma])

    def follows_place(luma: Tensor) -> Tensor:
        return torch.arange(luma.shape[1]).expand(1, *luma.shape).double()

    def looks_around(luma: Tensor) -> Tensor:
        return torch.stack([luma.roll(1, dims=-1), luma**2, luma.roll(1, dims=0)])

    luma = torch.rand(3, 4, generator=torch.Generator().manual_seed(0)).double()
    expect(answer(follows_luma, luma), follows_luma(luma), "For maps that follow the luma alone, and are steady,")
    middle = torch.full((1, 3, 4), 1.5).double()
    expect(answer(follows_place, luma), middle, "For the number of the column in a photo 4 pixels wide")
    right = (looks_around(luma) + looks_around(luma.flip(-1)).flip(-1)) / 2
    expect(answer(looks_around, luma), right, "For maps that follow the neighbours on the left and above")
    expect(answer(looks_around, luma.flip(-1)), right.flip(-1), "For the same and the mirrored luma")


@exercise("paired_interval")
def _paired_interval(answer: Callable[[Tensor, Tensor, Tensor], Any]) -> None:
    """paired_interval(ones, others, draws): scores (photos,) twice, photos drawn (k, photos) -> (low, high)."""
    generator = torch.Generator().manual_seed(0)
    others = 10 * torch.rand(12, generator=generator).double()
    draws = torch.randint(12, (400, 12), generator=generator)
    cases = {"If one is better by exactly 0.5 on every photo": others + 0.5}
    cases["For differences that vary a little"] = others + 0.3 * torch.rand(12, generator=generator)
    for when, ones in cases.items():
        ends = pair_of_numbers(answer(ones, others, draws), "the low and the high end")
        means = (ones - others)[draws].mean(1)
        for name, end, quantile in zip(("low", "high"), ends, (0.025, 0.975), strict=True):
            expect(end, float(means.quantile(quantile)), f"{when} and the {name} end", 1e-4)


# Notebook 10


@exercise("sureness_needed")
def _sureness_needed(answer: Callable[[float, float], float]) -> None:
    """sureness_needed(kept, temperature): of two opposite colours the probability that keeps so much saturation."""
    expect(answer(0.0, 1.0), 0.5, "To keep nothing at T = 1")
    expect(answer(0.5, 1.0), 0.75, "To keep a half at T = 1")
    for kept, temperature in ((0.5, 0.4), (0.9, 0.1), (0.8, 2.0)):
        right = 1 / (1 + ((1 - kept) / (1 + kept)) ** temperature)
        expect(answer(kept, temperature), right, f"To keep {kept:.0%} at T = {temperature:g}")


@exercise("match_vividness")
def _match_vividness(answer: Callable[[Callable[[float], float], float], float]) -> None:
    """match_vividness(vividness, target): a function of T and a number -> the T in [0.05, 2] that comes closest."""

    def falling(temperature: float) -> float:
        return 40 * math.exp(-float(temperature))

    def peaked(temperature: float) -> float:
        return 30 * math.exp(-((math.log(float(temperature) / 0.35) / 0.2) ** 2))

    for name, vividness, target in (
        ("a falling vividness", falling, 20.0),
        ("a falling vividness", falling, 33.0),
        ("a vividness with a peak at T = 0.35", peaked, 20.0),
        ("a vividness that is always too low", falling, 60.0),
        ("a vividness that is always too high", falling, 1.0),
    ):
        best = min(abs(vividness(t) - target) for t in np.geomspace(0.05, 2, 2000))
        got = plain_number(answer(vividness, target))
        if not isinstance(got, (int, float)) or isinstance(got, bool) or not 0.05 - 1e-6 <= got <= 2 + 1e-6:
            raise WrongAnswerError(f"For {name} I expected a temperature from 0.05 to 2, and got {_short(got)}.")
        if abs(vividness(got) - target) > best + 2:
            raise WrongAnswerError(
                f"For {name} and a target of {target:g} I expected to miss by {best + 2:.2f} at most; "
                f"T = {got:.3g} misses by {abs(vividness(got) - target):.2f}."
            )


@exercise("seeds_needed")
def _seeds_needed(answer: Callable[[float, float], int]) -> None:
    """seeds_needed(spread, effect): the smallest n from 3 up whose interval reaches no farther than the effect."""
    expect(answer(1.0, 100.0), 3, "For an effect that is huge beside the spread")
    for spread, effect in ((1.0, 1.0), (6.5, 11.5), (2.0, 1.0), (0.3, 0.1)):
        n = 3
        while stats.t.ppf(0.975, n - 1) * spread / math.sqrt(n) > effect:
            n += 1
        expect(answer(spread, effect), n, f"For a spread of {spread} and an effect of {effect}")


# Notebook 11


@exercise("frames_to_forget")
def _frames_to_forget(answer: Callable[[float, float], int]) -> None:
    """frames_to_forget(alpha, share): frames until all older ones together have that share of the weight or less."""
    expect(answer(1.0, 1.0), 0, "If the past may keep all the weight")
    expect(answer(math.log(2), 0.25), 2, "If the weight halves with each frame and a quarter may be left")
    for alpha, share in ((0.2, 0.1), (0.2, 0.5), (0.05, 0.01)):
        expect(answer(alpha, share), math.ceil(math.log(1 / share) / alpha), f"For α = {alpha} and a share of {share}")


@exercise("motion_step")
def _motion_step(answer: Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]) -> None:
    """motion_step(previous, now, flow, seen, share): (n, h, w) twice, (2, h, w), (h, w), a share -> (n, h, w)."""
    generator = torch.Generator().manual_seed(0)
    previous, now = (torch.rand(3, 4, 5, generator=generator).softmax(0) for _ in range(2))
    still, everywhere = torch.zeros(2, 4, 5), torch.ones(4, 5)
    expect(answer(previous, now, still, everywhere, 0.0), now, "Where the past has a share of 0")
    expect(answer(previous, now, still, everywhere, 0.75), 0.75 * previous + 0.25 * now, "Where nothing moves")
    flow = torch.stack([torch.ones(4, 5), torch.zeros(4, 5)])
    seen = (torch.arange(5) < 4).float().expand(4, 5)
    right = 0.5 * seen * warp(previous, flow) + (1 - 0.5 * seen) * now
    expect(
        answer(previous, now, flow, seen, 0.5),
        right,
        "If every pixel was one to the right, and the last column unseen,",
    )
    expect(answer(previous, now, flow, 0 * seen, 0.5), now, "Where nothing was in view before")


@exercise("my_smoother")
def _my_smoother(answer: Callable[[Tensor], Tensor]) -> None:
    """my_smoother(past): predictions (t, n) of a pixel, the newest last -> (n,), with little swing and little lag."""
    steady = torch.tensor([0.7, 0.2, 0.1]).expand(30, 3)
    expect(answer(steady), steady[0], "For a pixel that does not change")
    expect(answer(steady[:1]), steady[0], "For the first frame of a film")
    turns = torch.eye(2).repeat(20, 1)
    mixed = [answer(turns[: t + 1]) for t in (37, 38, 39)]
    expect(mixed[0].sum(), 1.0, "For the sum of the probabilities")
    kernel = TemporalKernel(0.2, 20)
    left = float((kernel.weights() * torch.tensor([1.0, -1.0]).double().repeat(11)[:21]).sum().abs())
    swing = max(float((b - a).abs().max()) for a, b in pairwise(mixed))
    if not swing <= left / 2:
        raise WrongAnswerError(
            f"Of a pixel that is blue and green in turn I expected a swing of {left / 2:.3f} at most, got {swing:.3f}."
        )
    cut = torch.cat([torch.eye(2)[:1].expand(30, 2), torch.eye(2)[1:].expand(6, 2)])
    old = float(answer(cut)[0])
    if not old <= 0.1:
        raise WrongAnswerError(
            f"Six frames after a cut I expected a tenth of the old scene or less, and got {old:.2f}."
        )


# Notebook 12


@exercise("affinity")
def _affinity(answer: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """affinity(one, other, sigma): two lumas and σ -> exp(-(one - other)² / 2σ²)."""
    equal = torch.tensor([0.3, 0.7])
    expect(answer(equal, equal, 0.1), torch.ones(2), "For equal lumas")
    apart = torch.tensor([0.4, 0.6])
    expect(answer(apart, torch.tensor([0.6, 0.4]), 0.2), torch.full((2,), math.exp(-0.5)), "For lumas σ apart")
    one, other = torch.tensor([0.5, 0.2, 0.9]), torch.tensor([0.6, 0.5, 0.85])
    for sigma in (0.1, 0.3):
        right = torch.exp(-((one - other) ** 2) / (2 * sigma**2))
        expect(answer(one, other, sigma), right, f"For lumas {_short(one)} and {_short(other)} and σ = {sigma}")


@exercise("relaxed")
def _relaxed(answer: Callable[[Tensor, Tensor, float, float], Tensor]) -> None:
    """relaxed(neighbours, w, given, firmness): the value that makes a pixel's part of the sum smallest."""
    neighbours, w = torch.tensor([1.0, 2.0, 3.0, 6.0]), torch.tensor([0.5, 1.0, 0.5, 0.0])
    expect(answer(neighbours, torch.ones(4), 9.0, 0.0), 3.0, "For equal affinities and nothing given")
    expect(answer(neighbours, w, 9.0, 0.0), 2.0, f"For affinities {_short(w)} and nothing given")
    expect(answer(neighbours, w, 9.0, 2.0), 5.5, "With 9 given and a firmness of 2")
    expect(answer(neighbours, w, 9.0, 1e9), 9.0, "With 9 given very firmly", 1e-4)


@exercise("surest")
def _surest(answer: Callable[[Tensor, float], Tensor]) -> None:
    """surest(confidence, coverage): (H, W) and a share -> the mask (H, W) of so many of the surest, at least one."""
    confidence = torch.rand(6, 10, generator=torch.Generator().manual_seed(0)) ** 3
    for coverage in (0.1, 0.5, 1.0, 0.001, 0.28, 0.27):  # of 60 pixels 16.8 are 17, and 16.2 are 16
        mask = answer(confidence, coverage)
        expect(mask, choose_seeds(confidence, coverage), f"For 60 random confidences and a coverage of {coverage}")
        if mask.dtype not in (torch.bool, np.bool_):
            raise WrongAnswerError(f"I expected truth values, torch.bool, and got {mask.dtype}.")


# Notebook 13


@exercise("cell_middle")
def _cell_middle(answer: Callable[[int, int, float], float]) -> None:
    """cell_middle(index, grid, limit): the middle of the index-th of ``grid`` equal cells from -limit to limit."""
    expect(answer(0, 1, 0.5), 0.0, "For a single cell")
    expect(answer(0, 2, 0.4), -0.2, "For the first of two cells from -0.4 to 0.4")
    for index, grid, limit in ((9, 10, 0.45), (4, 10, 0.45), (5, 11, 0.65), (2, 5, 1.0)):
        right = ((index + 0.5) / grid * 2 - 1) * limit
        expect(answer(index, grid, limit), right, f"For cell {index} of {grid} between -{limit} and {limit}")


@exercise("alpha_in_effect")
def _alpha_in_effect(answer: Callable[[float], float]) -> None:
    """alpha_in_effect(alpha): the decay per frame of s = (e^(-α) s + p) / (1 + e^(-α)), as the α of an average."""
    expect(answer(0.0), math.log(2), "Without decay, where past and present weigh the same,")
    for alpha in (0.2, 1.0, 3.0):
        expect(answer(alpha), published_alpha(alpha), f"For α = {alpha}")


@exercise("excluded")
def _excluded(answer: Callable[[list[float]], float]) -> None:
    """excluded(differences): one difference per seed -> the size beyond which Student's 95 % interval excludes it."""
    expect(answer([-1.0, 0.0, 1.0]), 4.303 / math.sqrt(3), "For differences of -1, 0 and 1", 1e-3)
    for differences in ([0.3, 0.5, 0.4], [-0.2, 0.1, -0.4], [-2.0, -1.0, -3.0, 0.5]):
        interval = student(differences)
        right = max(abs(interval.low), abs(interval.high))
        expect(answer(differences), right, f"For differences of {differences}", 1e-3)
