"""Answers that look right and are not: each check of `colorlib.course` has to tell them apart from right ones."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

# Notebook 00


def plain_mean(rgb: Tensor) -> Tensor:
    return rgb.mean(dim=0)


def luma_with_a_channel(rgb: Tensor) -> Tensor:
    return (rgb * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=0, keepdim=True)


def luma_of_bgr(rgb: Tensor) -> Tensor:
    return 0.114 * rgb[0] + 0.587 * rgb[1] + 0.299 * rgb[2]


def modern_luma(rgb: Tensor) -> Tensor:
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


# Notebook 01


def farthest_bin(points: Tensor, colors: Tensor) -> Tensor:
    return torch.cdist(points, colors).argmax(dim=1)


def nearest_point(points: Tensor, colors: Tensor) -> Tensor:
    return torch.cdist(points, colors).argmin(dim=0)


def nearest_by_one_channel(points: Tensor, colors: Tensor) -> Tensor:
    return (points[:, None, 0] - colors[:, 0]).abs().argmin(dim=1)


def nearest_by_largest_difference(points: Tensor, colors: Tensor) -> Tensor:
    return (points[:, None] - colors).abs().amax(dim=-1).argmin(dim=1)


def distances(points: Tensor, colors: Tensor) -> Tensor:
    return torch.cdist(points, colors).amin(dim=1)


def channels_last(index: Tensor, colors: Tensor) -> Tensor:
    return colors[index]


def transposed(index: Tensor, colors: Tensor) -> Tensor:
    return colors[index].permute(2, 1, 0)


def channels_swapped(index: Tensor, colors: Tensor) -> Tensor:
    return colors[index].movedim(-1, 0).flip(0)


def counts(index: Tensor, n: int) -> Tensor:
    return torch.bincount(index.flatten(), minlength=n)


def without_empty_bins(index: Tensor, n: int) -> Tensor:
    return torch.bincount(index.flatten()) / index.numel()


def always_equal(index: Tensor, n: int) -> Tensor:
    return torch.ones(n) / n


# Notebook 02


def not_scaled(frequency: Tensor, lam: float) -> Tensor:
    return 1 / ((1 - lam) * frequency + lam / len(frequency))


def scaled_to_mean_one(frequency: Tensor, lam: float) -> Tensor:
    weights = not_scaled(frequency, lam)
    return weights / weights.mean()


def lambda_swapped(frequency: Tensor, lam: float) -> Tensor:
    weights = not_scaled(frequency, 1 - lam)
    return weights / (frequency * weights).sum()


def without_n(frequency: Tensor, lam: float) -> Tensor:
    weights = 1 / ((1 - lam) * frequency + lam)
    return weights / (frequency * weights).sum()


def natural_logarithm(values: Tensor) -> float:
    return float((values.max() / values.min()).log())


def first_to_last(values: Tensor) -> float:
    return abs(float((values[0] / values[-1]).log10()))


def ratio_itself(values: Tensor) -> float:
    return float(values.max() / values.min())


def without_n_in_lambda(frequency: Tensor, orders: float) -> float:
    excess = float(frequency.max() - 10**orders * frequency.min())
    return excess / (excess + 10**orders - 1)


def lambda_of_one_order(frequency: Tensor, orders: float) -> float:
    excess = float(frequency.max() - 10 * frequency.min())
    return excess / (excess + 9 / len(frequency))


def one_minus_lambda(frequency: Tensor, orders: float) -> float:
    ratio = 10**orders
    excess = float(frequency.max() - ratio * frequency.min())
    return 1 - excess / (excess + (ratio - 1) / len(frequency))


WRONG_ANSWERS: dict[str, list[Callable[..., Any]]] = {
    "luma": [plain_mean, luma_with_a_channel, luma_of_bgr, modern_luma],
    "nearest_bin": [farthest_bin, nearest_point, nearest_by_one_channel, nearest_by_largest_difference, distances],
    "decode": [channels_last, transposed, channels_swapped],
    "bin_frequencies": [counts, without_empty_bins, always_equal],
    "weights": [not_scaled, scaled_to_mean_one, lambda_swapped, without_n],
    "orders_of_magnitude": [natural_logarithm, first_to_last, ratio_itself],
    "lambda_for": [without_n_in_lambda, lambda_of_one_order, one_minus_lambda],
}


def broken(*arguments: Any) -> Any:
    raise IndexError("index 32 is out of bounds")


# Whatever an exercise asks for, these are not it.
NEVER_RIGHT: list[Any] = [
    broken,
    lambda *arguments: "a text",
    lambda *arguments: torch.full((3,), float("nan")),
    lambda *arguments: float("nan"),
    lambda *arguments: arguments,
    "a text",
    -123.456,
]
