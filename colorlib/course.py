"""Exercises that check themselves.

`check("name", your_function)` prints one friendly line and never raises, so that a notebook with exercises still
open runs to its end. Each exercise is one function below: it tries the student's answer on small inputs and edge
cases, next to the library, and raises `WrongAnswerError` with what was expected and what came.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from colorlib.bins import ColorBins
from colorlib.color import luma_of
from colorlib.errors import ColorlibError


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
        return False, f"not yet. Your code stopped with {type(error).__name__}: {error}"
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
        got = got.item() if isinstance(got, Tensor) and got.numel() == 1 else got
        if not isinstance(got, (int, float)) or isinstance(got, bool) or not abs(got - expected) <= tolerance:
            raise WrongAnswerError(f"{when} I expected {_short(expected)}, and got {_short(got)}.")
        return
    if not isinstance(got, Tensor):
        raise WrongAnswerError(f"{when} I expected a tensor of shape {tuple(expected.shape)}, and got {_short(got)}.")
    if got.shape != expected.shape:
        raise WrongAnswerError(f"{when} I expected the shape {tuple(expected.shape)}, and got {tuple(got.shape)}.")
    if not torch.allclose(got.double(), expected.double(), rtol=tolerance, atol=tolerance):
        raise WrongAnswerError(f"{when} I expected {_short(expected)}, and got {_short(got)}.")


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


def _short(value: Any) -> str:
    """A value in a few words; long tensors by their first numbers."""
    if isinstance(value, Tensor):
        numbers = [round(number, 4) for number in value.flatten()[:6].tolist()]
        return f"[{', '.join(map(str, numbers))}{', …' if value.numel() > 6 else ''}]"
    if isinstance(value, float):
        return f"{value:.5g}"
    text = repr(value)
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


# Notebook 01


@exercise("nearest_bin")
def _nearest_bin(nearest_bin: Callable[[Tensor, Tensor], Tensor]) -> None:
    """nearest_bin(points, colors): points (k, 2) and colours (n, 2) of the UV plane -> index (k,) of the closest."""
    colors = torch.tensor([[0.0, 0.0], [0.2, 0.1], [-0.1, 0.3]])
    expect(nearest_bin(colors, colors), torch.arange(3), "For points that are the bins' own colours")
    points = torch.tensor([[0.01, -0.02], [0.4, 0.5], [-0.4, 0.2], [0.11, 0.06]])
    expect(nearest_bin(points, colors), torch.tensor([0, 1, 2, 1]), f"For points {points.tolist()}")
    expect(nearest_bin(points[:1], colors[1:2]), torch.tensor([0]), "For a single point and a single bin")
    generator = torch.Generator().manual_seed(1)
    points, colors = torch.rand(200, 2, generator=generator) - 0.5, torch.rand(32, 2, generator=generator) - 0.5
    expect(nearest_bin(points, colors), _bins(colors).encode(points.T[:, None])[0], "For 200 random points, 32 bins,")


@exercise("decode")
def _decode(decode: Callable[[Tensor, Tensor], Tensor]) -> None:
    """decode(index, colors): bins (H, W) and colours (n, 2) -> chrominance (2, H, W)."""
    colors = torch.tensor([[0.0, 0.0], [0.2, 0.1], [-0.1, 0.3]])
    index = torch.tensor([[0, 1, 2], [2, 2, 0]])
    expect(decode(index, colors), _bins(colors).decode(index), f"For the bins {index.tolist()}")
    expect(decode(index[:1, :1], colors), torch.zeros(2, 1, 1), "For a single pixel of the first, neutral bin")


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


@exercise("orders_of_magnitude")
def _orders_of_magnitude(orders_of_magnitude: Callable[[Tensor], float]) -> None:
    """orders_of_magnitude(values): positive numbers (n,) -> how many powers of ten they span."""
    expect(orders_of_magnitude(torch.tensor([1.0, 100.0])), 2.0, "For 1 and 100")
    expect(orders_of_magnitude(torch.tensor([0.5, 0.5, 0.5])), 0.0, "For equal numbers")
    expect(orders_of_magnitude(torch.tensor([3.0, 0.001, 10.0, 0.2])), 4.0, "For 3, 0.001, 10 and 0.2", 1e-4)


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
