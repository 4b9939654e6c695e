"""Answers that look right and are not: each check of `colorlib.course` has to tell them apart from right ones."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from colorlib.evaluation import fit_temperature, jensen_shannon, wilson_interval
from colorlib.prediction import annealed_mean
from colorlib.video import warp

# Notebook 00


def plain_mean(rgb: Tensor) -> Tensor:
    return rgb.mean(dim=0)


def luma_with_a_channel(rgb: Tensor) -> Tensor:
    return (rgb * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=0, keepdim=True)


def luma_of_bgr(rgb: Tensor) -> Tensor:
    return 0.114 * rgb[0] + 0.587 * rgb[1] + 0.299 * rgb[2]


def modern_luma(rgb: Tensor) -> Tensor:
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def psnr_of_wrapped_differences(picture: np.ndarray, truth: np.ndarray) -> float:
    return 10 * math.log10(255**2 / max(((picture - truth).astype(float) ** 2).mean(), 1e-9))


def psnr_of_numbers_up_to_one(picture: np.ndarray, truth: np.ndarray) -> float:
    return -10 * math.log10(((picture.astype(float) - truth) ** 2).mean())


def psnr_with_natural_logarithm(picture: np.ndarray, truth: np.ndarray) -> float:
    return 10 * math.log(255**2 / ((picture.astype(float) - truth) ** 2).mean())


def psnr_doubled(picture: np.ndarray, truth: np.ndarray) -> float:
    return 20 * math.log10(255**2 / ((picture.astype(float) - truth) ** 2).mean())


def psnr_of_absolute_error(picture: np.ndarray, truth: np.ndarray) -> float:
    return 20 * math.log10(255 / np.abs(picture.astype(float) - truth).mean())


def ties_are_closer(ones: list[float], others: list[float]) -> float:
    return sum(one >= other for one, other in zip(ones, others)) / len(ones)


def closer_in_the_mean(ones: list[float], others: list[float]) -> float:
    return float(sum(ones) > sum(others))


def closer_in_percent(ones: list[float], others: list[float]) -> float:
    return 100 * sum(one > other for one, other in zip(ones, others)) / len(ones)


def closer_once_sorted(ones: list[float], others: list[float]) -> float:
    return sum(one > other for one, other in zip(sorted(ones), sorted(others))) / len(ones)


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


def first_becomes_gray(colors: Tensor) -> Tensor:
    return torch.cat([torch.zeros(1, 2), colors[1:]])


def gray_is_added(colors: Tensor) -> Tensor:
    return torch.cat([torch.zeros(1, 2), colors])


def grayest_in_one_channel(colors: Tensor) -> Tensor:
    repaired = colors.clone()
    repaired[colors.abs().amin(dim=1).argmin()] = 0
    return repaired


def grayest_by_signed_sum(colors: Tensor) -> Tensor:
    repaired = colors.clone()
    repaired[colors.sum(dim=1).abs().argmin()] = 0
    return repaired


def grayest_by_sum_of_amounts(colors: Tensor) -> Tensor:
    repaired = colors.clone()
    repaired[colors.abs().sum(dim=1).argmin()] = 0
    return repaired


def gray_in_place(colors: Tensor) -> Tensor:
    colors[colors.norm(dim=1).argmin()] = 0
    return colors


def first_in_the_dictionary(scores: dict[int, list[float]], level: float, share: float) -> int:
    return next((n for n in scores if sum(v >= level for v in scores[n]) >= share * len(scores[n])), 0)


def by_the_mean(scores: dict[int, list[float]], level: float, share: float) -> int:
    return next((n for n in sorted(scores) if sum(scores[n]) / len(scores[n]) >= level), 0)


def by_all_photos(scores: dict[int, list[float]], level: float, share: float) -> int:
    return next((n for n in sorted(scores) if min(scores[n]) >= level), 0)


def strictly_above(scores: dict[int, list[float]], level: float, share: float) -> int:
    return next((n for n in sorted(scores) if sum(v > level for v in scores[n]) > share * len(scores[n])), 0)


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


# Notebook 03


def rows_and_columns_swapped(sizes: Tensor, side: int) -> Tensor:
    steps = torch.arange(side)
    return (steps[:, None] < sizes[:, 1, None, None]) & (steps < sizes[:, 0, None, None])


def one_pixel_more(sizes: Tensor, side: int) -> Tensor:
    steps = torch.arange(side)
    return (steps[:, None] <= sizes[:, 0, None, None]) & (steps <= sizes[:, 1, None, None])


def either_is_enough(sizes: Tensor, side: int) -> Tensor:
    steps = torch.arange(side)
    return (steps[:, None] < sizes[:, 0, None, None]) | (steps < sizes[:, 1, None, None])


def mask_of_numbers(sizes: Tensor, side: int) -> Tensor:
    steps = torch.arange(side)
    return ((steps[:, None] < sizes[:, 0, None, None]) & (steps < sizes[:, 1, None, None])).float()


def always_a_frame_of_four(sizes: Tensor, side: int) -> Tensor:
    steps = torch.arange(4)
    return (steps[:, None] < sizes[:, 0, None, None]) & (steps < sizes[:, 1, None, None])


def items_for_photos(validation: Tensor, photos: int) -> Tensor:
    items = torch.arange(7 * photos)
    return items[~torch.isin(items, validation)]


def originals_only(validation: Tensor, photos: int) -> Tensor:
    items = torch.arange(7 * photos)
    return items[~torch.isin(items, 7 * validation)]


def items_of_validation(validation: Tensor, photos: int) -> Tensor:
    items = torch.arange(7 * photos)
    return items[torch.isin(items // 7, validation)]


def variants_for_photos(validation: Tensor, photos: int) -> Tensor:
    items = torch.arange(7 * photos)
    return items[~torch.isin(items % 7, validation)]


def photos_that_train(validation: Tensor, photos: int) -> Tensor:
    numbers = torch.arange(photos)
    return numbers[~torch.isin(numbers, validation)]


def disagreement(luma: Tensor, colors: Tensor) -> Tensor:
    """How far each pixel of the inputs (B, 1, S, S) is from the luma of its target (B, S, S, 3): (B, S, S)."""
    weights = torch.tensor([0.299, 0.587, 0.114])
    return (luma[:, 0] - (colors.float() / 255 * weights).sum(-1)).abs()


def drifted_with_padding(luma: Tensor, colors: Tensor, mask: Tensor) -> Tensor:
    return disagreement(luma, colors).mean(dim=(1, 2)) > 0.03


def drifted_over_the_frame(luma: Tensor, colors: Tensor, mask: Tensor) -> Tensor:
    return (disagreement(luma, colors) * mask).mean(dim=(1, 2)) > 0.03


def drifted_by_one_pixel(luma: Tensor, colors: Tensor, mask: Tensor) -> Tensor:
    return (disagreement(luma, colors) * mask).amax(dim=(1, 2)) > 0.05


def drifted_at_all(luma: Tensor, colors: Tensor, mask: Tensor) -> Tensor:
    return (disagreement(luma, colors) * mask).amax(dim=(1, 2)) > 0


def drifted_by_the_mean(luma: Tensor, colors: Tensor, mask: Tensor) -> Tensor:
    means = (luma[:, 0] * mask).sum((1, 2)) - ((luma[:, 0] - disagreement(luma, colors)) * mask).sum((1, 2))
    return means.sum() / mask.sum() > 0.03


def honest(luma: Tensor, colors: Tensor, mask: Tensor) -> Tensor:
    return ~((disagreement(luma, colors) * mask).sum(dim=(1, 2)) / mask.sum(dim=(1, 2)) > 0.03)


# Notebook 04


def strides_ignored(layers: list[tuple[int, int]]) -> int:
    return 1 + sum(kernel - 1 for kernel, _ in layers)


def stride_too_early(layers: list[tuple[int, int]]) -> int:
    seen, step = 1, 1
    for kernel, stride in layers:
        step *= stride
        seen += (kernel - 1) * step
    return seen


def product_of_kernels(layers: list[tuple[int, int]]) -> int:
    return math.prod(kernel for kernel, _ in layers)


def painted(values: Tensor, kernel: Tensor) -> Tensor:
    canvas = torch.zeros(2 * len(values) + 1)
    for i, value in enumerate(values):
        canvas[2 * i : 2 * i + 3] += value * kernel
    return canvas


def last_cut(values: Tensor, kernel: Tensor) -> Tensor:
    return painted(values, kernel)[:-1]


def nothing_cut(values: Tensor, kernel: Tensor) -> Tensor:
    return painted(values, kernel)


def kernel_turned_round(values: Tensor, kernel: Tensor) -> Tensor:
    return painted(values, kernel.flip(0))[1:]


def painted_over(values: Tensor, kernel: Tensor) -> Tensor:
    canvas = torch.zeros(2 * len(values) + 1)
    for i, value in enumerate(values):
        canvas[2 * i : 2 * i + 3] = value * kernel
    return canvas[1:]


def repeated(values: Tensor, kernel: Tensor) -> Tensor:
    return values.repeat_interleave(2) * kernel[1]


def the_papers_way_down() -> list[tuple[int, int, int, int]]:
    """It sees 36 pixels."""
    return [(1, 16, 3, 1), (16, 16, 3, 2), (16, 32, 3, 1), (32, 32, 3, 2), (32, 64, 3, 1), (64, 64, 3, 2)]


def broken_chain() -> list[tuple[int, int, int, int]]:
    return [(1, 16, 3, 2), (24, 32, 3, 2), (32, 48, 3, 2), (48, 48, 3, 2)] + [(48, 48, 3, 1)] * 4


def too_many_parameters() -> list[tuple[int, int, int, int]]:
    return [(1, 16, 3, 2), (16, 32, 3, 2), (32, 64, 3, 2), (64, 64, 3, 2)] + [(64, 64, 3, 1)] * 4


def too_much_work() -> list[tuple[int, int, int, int]]:
    return [(1, 16, 3, 1)] + [(16, 16, 3, 1)] * 63


def without_the_first_channel() -> list[tuple[int, int, int, int]]:
    return [(3, 16, 3, 2), (16, 24, 3, 2), (24, 32, 3, 2), (32, 48, 3, 2)] + [(48, 48, 3, 1)] * 4


# Notebook 05


def uniform_answer(frequency: Tensor, weights: Tensor) -> float:
    return math.log(len(frequency))


def unweighted_entropy(frequency: Tensor, weights: Tensor) -> float:
    return -float(torch.xlogy(frequency, frequency).sum())


def frequency_as_answer(frequency: Tensor, weights: Tensor) -> float:
    return -float(torch.xlogy(frequency * weights, frequency).sum())


def answer_not_scaled(frequency: Tensor, weights: Tensor) -> float:
    wp = frequency * weights
    return -float(torch.xlogy(wp, wp).sum())


def zero_times_infinity(frequency: Tensor, weights: Tensor) -> float:
    wp = frequency * weights
    return -float((wp * (wp / wp.sum()).log()).sum())


def step_of(weight_of: str, masked: bool, zero: bool, walk: bool = True) -> Callable[..., float]:
    """A training step with some of the mistakes that can be made in one."""

    def step(network: Any, optimizer: Any, luma: Tensor, target: Tensor, weights: Tensor, mask: Tensor) -> float:
        logits = network(luma)
        surprise = -logits.log_softmax(1).gather(1, target[:, None])[:, 0]
        weight = weights[target if weight_of == "truth" else logits.argmax(1)]
        loss = (weight * surprise)[mask].mean() if masked else (weight * surprise).mean()
        if zero:
            optimizer.zero_grad()
        loss.backward()
        if walk:
            optimizer.step()
        return loss.item()

    return step


def divided_by_weights(
    network: Any, optimizer: Any, luma: Tensor, target: Tensor, weights: Tensor, mask: Tensor
) -> float:
    loss = torch.nn.functional.cross_entropy(network(luma), target.masked_fill(~mask, -100), weights)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def lowest_of_all(history: list[dict], patience: int) -> int:
    return min(history, key=lambda row: row["validation_loss"])["step"]


def where_it_stopped(history: list[dict], patience: int) -> int:
    best, waited = history[0], 0
    for row in history[1:]:
        best, waited = (row, 0) if row["validation_loss"] < best["validation_loss"] else (best, waited + 1)
        if waited == patience:
            return row["step"]
    return history[-1]["step"]


def patience_never_renewed(history: list[dict], patience: int) -> int:
    best, waited = history[0], 0
    for row in history[1:]:
        if row["validation_loss"] < best["validation_loss"]:
            best = row
        else:
            waited += 1
        if waited == patience:
            break
    return best["step"]


def equal_is_better(history: list[dict], patience: int) -> int:
    best, waited = history[0], 0
    for row in history[1:]:
        best, waited = (row, 0) if row["validation_loss"] <= best["validation_loss"] else (best, waited + 1)
        if waited == patience:
            break
    return best["step"]


def by_training_loss(history: list[dict], patience: int) -> int:
    return min(history, key=lambda row: row["train_loss"])["step"]


# Notebook 06


def as_printed(z: Tensor, colors: Tensor, temperature: float) -> Tensor:
    powers = (z.log() / temperature).exp()
    return (powers / powers.sum()) @ colors


def power_of_temperature(z: Tensor, colors: Tensor, temperature: float) -> Tensor:
    powers = z**temperature
    return (powers / powers.sum()) @ colors


def temperature_forgotten(z: Tensor, colors: Tensor, temperature: float) -> Tensor:
    return z @ colors


def likeliest_only(z: Tensor, colors: Tensor, temperature: float) -> Tensor:
    return colors[z.argmax()]


def with_an_epsilon(z: Tensor, colors: Tensor, temperature: float) -> Tensor:
    powers = (z + 1e-8) ** (1 / temperature)
    return (powers / powers.sum()) @ colors


def as_printed_in_64_bits(z: Tensor, colors: Tensor, temperature: float) -> Tensor:
    return as_printed(z.double(), colors.double(), temperature)


def chosen_on_the_same_photos(gains: Tensor) -> float:
    return float(gains.mean(0).max())


def chosen_for_each_photo(gains: Tensor) -> float:
    return float(gains.max(1).values.mean())


def chosen_within_the_half(gains: Tensor) -> float:
    halves = gains[0::2], gains[1::2]
    return float(torch.cat([half[:, half.mean(0).argmax()] for half in halves]).mean())


def one_direction_only(gains: Tensor) -> float:
    return float(gains[1::2, gains[0::2].mean(0).argmax()].mean())


def halves_count_alike(gains: Tensor) -> float:
    even, odd = gains[0::2], gains[1::2]
    return float((odd[:, even.mean(0).argmax()].mean() + even[:, odd.mean(0).argmax()].mean()) / 2)


def chosen_by_the_median(gains):
    even, odd = gains[0::2], gains[1::2]
    notes = [odd[:, even.median(0).values.argmax()], even[:, odd.median(0).values.argmax()]]
    return float(torch.cat(notes).mean())


def mean_temperature(logits: Tensor, colors: Tensor, temperatures: Tensor) -> Tensor:
    return torch.einsum("nhw,nc->chw", (logits / temperatures.mean()).softmax(0), colors)


def probabilities_divided(logits: Tensor, colors: Tensor, temperatures: Tensor) -> Tensor:
    return torch.einsum("nhw,nc->chw", (logits.softmax(0) / temperatures).softmax(0), colors)


def multiplied_by_temperature(logits: Tensor, colors: Tensor, temperatures: Tensor) -> Tensor:
    return torch.einsum("nhw,nc->chw", (logits * temperatures).softmax(0), colors)


def unstable_map(logits: Tensor, colors: Tensor, temperatures: Tensor) -> Tensor:
    powers = (logits / temperatures).exp()
    return torch.einsum("nhw,nc->chw", powers / powers.sum(0), colors)


# Notebook 07


def share_of_more_sure(sure_wrong: Tensor, sure_right: Tensor) -> float:
    return float((sure_wrong[:, None] > sure_right).double().mean())


def ties_forgotten(sure_wrong: Tensor, sure_right: Tensor) -> float:
    return float((sure_wrong[:, None] < sure_right).double().mean())


def ties_in_full(sure_wrong: Tensor, sure_right: Tensor) -> float:
    return float((sure_wrong[:, None] <= sure_right).double().mean())


def difference_of_means(sure_wrong: Tensor, sure_right: Tensor) -> float:
    return float(sure_right.mean() - sure_wrong.mean())


def squared_distance(logits: Tensor, colors: Tensor, temperature: float) -> Tensor:
    distance = (colors[:, :, None, None] - annealed_mean(logits, colors, temperature)).square().sum(1)
    return (logits.softmax(0) * distance).sum(0)


def annealed_twice(logits: Tensor, colors: Tensor, temperature: float) -> Tensor:
    distance = (colors[:, :, None, None] - annealed_mean(logits, colors, temperature)).norm(dim=1)
    return ((logits / temperature).softmax(0) * distance).sum(0)


def from_the_first_bin(logits: Tensor, colors: Tensor, temperature: float) -> Tensor:
    first = colors[logits.argmax(0)].movedim(-1, 0)
    return (logits.softmax(0) * (colors[:, :, None, None] - first).norm(dim=1)).sum(0)


def largest_distance(logits: Tensor, colors: Tensor, temperature: float) -> Tensor:
    return (colors[:, :, None, None] - annealed_mean(logits, colors, temperature)).norm(dim=1).amax(0)


def unweighted(logits: Tensor, weights: Tensor, sign: float = -1) -> Tensor:
    return logits + sign * weights.log()[:, None, None]


def undone_in_the_picture_too(logits: Tensor, weights: Tensor, colors: Tensor, temperature: float) -> Tensor:
    z = unweighted(logits, weights)
    distance = (colors[:, :, None, None] - annealed_mean(z, colors, temperature)).norm(dim=1)
    return (z.softmax(0) * distance).sum(0)


def rebalanced_again(logits: Tensor, weights: Tensor, colors: Tensor, temperature: float) -> Tensor:
    distance = (colors[:, :, None, None] - annealed_mean(logits, colors, temperature)).norm(dim=1)
    return (unweighted(logits, weights, +1).softmax(0) * distance).sum(0)


def logits_by_weights(logits: Tensor, weights: Tensor, colors: Tensor, temperature: float) -> Tensor:
    distance = (colors[:, :, None, None] - annealed_mean(logits, colors, temperature)).norm(dim=1)
    return ((logits / weights[:, None, None]).softmax(0) * distance).sum(0)


def not_normalised_again(logits: Tensor, weights: Tensor, colors: Tensor, temperature: float) -> Tensor:
    distance = (colors[:, :, None, None] - annealed_mean(logits, colors, temperature)).norm(dim=1)
    return (logits.softmax(0) / weights[:, None, None] * distance).sum(0)


def weights_forgotten(logits: Tensor, weights: Tensor, colors: Tensor, temperature: float) -> Tensor:
    distance = (colors[:, :, None, None] - annealed_mean(logits, colors, temperature)).norm(dim=1)
    return (logits.softmax(0) * distance).sum(0)


# Notebook 07b


def levels_alike(share: Tensor, confidence: Tensor, accuracy: Tensor) -> float:
    return float((confidence - accuracy).abs().mean())


def gaps_that_cancel(share: Tensor, confidence: Tensor, accuracy: Tensor) -> float:
    return float((share * (confidence - accuracy)).sum().abs())


def gaps_squared(share: Tensor, confidence: Tensor, accuracy: Tensor) -> float:
    return float((share * (confidence - accuracy).square()).sum().sqrt())


def largest_gap(share: Tensor, confidence: Tensor, accuracy: Tensor) -> float:
    return float((confidence - accuracy).abs().max())


def tried(loss: Callable[[float], float]) -> float:
    return min(torch.logspace(-1.3, 1.3, 600).tolist(), key=loss)


def the_inverse(logits: Tensor, target: Tensor) -> float:
    return tried(lambda t: float(torch.nn.functional.cross_entropy(logits.double() * t, target)))


def smallest_tried(logits: Tensor, target: Tensor) -> float:
    return tried(lambda t: t)


def never_above_one(logits: Tensor, target: Tensor) -> float:
    return tried(lambda t: float(torch.nn.functional.cross_entropy(logits.double() / t, target)) + (t > 1) * 9)


def leave_as_it_is(logits: Tensor, target: Tensor) -> float:
    return 1.0


def nats(logits: Tensor, target: Tensor, temperature: float) -> float:
    return float(torch.nn.functional.cross_entropy(logits.double() / temperature, target))


def all_together(photos: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    logits, targets = zip(*photos, strict=True)
    return torch.cat(logits), torch.cat(targets)


def saved_against_a_fit_with_itself(photos: list[tuple[Tensor, Tensor]]) -> list[float]:
    shared = fit_temperature(*all_together(photos))
    return [nats(*photo, shared) - nats(*photo, fit_temperature(*photo)) for photo in photos]


def saved_against_no_scaling(photos: list[tuple[Tensor, Tensor]]) -> list[float]:
    return [nats(*photo, 1.0) - nats(*photo, fit_temperature(*photo)) for photo in photos]


def lost_by_its_own(photos: list[tuple[Tensor, Tensor]]) -> list[float]:
    rest = [fit_temperature(*all_together(photos[:i] + photos[i + 1 :])) for i in range(len(photos))]
    return [nats(*photo, fit_temperature(*photo)) - nats(*photo, t) for photo, t in zip(photos, rest, strict=True)]


def saved_against_the_mean_of_numbers(photos: list[tuple[Tensor, Tensor]]) -> list[float]:
    own = [fit_temperature(*photo) for photo in photos]
    rest = [float(np.mean(own[:i] + own[i + 1 :])) for i in range(len(photos))]
    return [nats(*photo, t) - nats(*photo, mine) for photo, t, mine in zip(photos, rest, own, strict=True)]


def differences_of_temperature(photos: list[tuple[Tensor, Tensor]]) -> list[float]:
    rest = [fit_temperature(*all_together(photos[:i] + photos[i + 1 :])) for i in range(len(photos))]
    return [fit_temperature(*photo) - t for photo, t in zip(photos, rest, strict=True)]


# Notebook 08


def knobs_by_rare_colors_alone(
    measure: Callable[[float, float], tuple[float, float]], target: Any
) -> tuple[float, float]:
    grid = [(lam, t) for lam in np.geomspace(0.01, 1, 25) for t in np.geomspace(0.05, 1, 25)]
    return min(grid, key=lambda knobs: abs(measure(*knobs)[0] - target[0]))


def knobs_without_units(measure: Callable[[float, float], tuple[float, float]], target: Any) -> tuple[float, float]:
    grid = [(lam, t) for lam in np.geomspace(0.01, 1, 25) for t in np.geomspace(0.05, 1, 25)]
    return min(grid, key=lambda knobs: sum(abs(a - b) for a, b in zip(measure(*knobs), target)))


def knobs_one_after_the_other(
    measure: Callable[[float, float], tuple[float, float]], target: Any
) -> tuple[float, float]:
    lam = min(np.geomspace(0.01, 1, 25), key=lambda lam: abs(measure(lam, 1.0)[0] - target[0]))
    return lam, min(np.geomspace(0.05, 1, 25), key=lambda t: abs(measure(lam, t)[1] - target[1]))


def knobs_swapped(measure: Callable[[float, float], tuple[float, float]], target: Any) -> tuple[float, float]:
    grid = [(lam, t) for lam in np.geomspace(0.01, 1, 25) for t in np.geomspace(0.05, 1, 25)]
    lam, t = min(grid, key=lambda k: sum(((a - b) / c) ** 2 for a, b, c in zip(measure(*k), target, (0.02, 2))))
    return t, lam


def knobs_at_one_temperature(
    measure: Callable[[float, float], tuple[float, float]], target: Any
) -> tuple[float, float]:
    def miss(lam: float) -> float:
        rare, vivid = measure(lam, 0.5)
        return ((rare - target[0]) / 0.02) ** 2 + ((vivid - target[1]) / 2) ** 2

    return min(np.geomspace(0.01, 1, 200), key=miss), 0.5


def answers_by_the_plain_interval(rate: float) -> int:
    n = 1
    while round(rate * n) / n + 1.96 * (round(rate * n) / n * (1 - round(rate * n) / n) / n) ** 0.5 >= 0.5:
        n += 1
    return n


def answers_by_the_low_end(rate: float) -> int:
    return next(n for n in range(1, 10_000) if wilson_interval(round(rate * n), n).low < 0.5)


def answers_for_the_mean(rate: float) -> int:
    return next(n for n in range(1, 10_000) if round(rate * n) / n < 0.5)


def one_answer_too_many(rate: float) -> int:
    return 1 + next(n for n in range(1, 10_000) if wilson_interval(round(rate * n), n).high < 0.5)


# Notebook 09


def epochs_of_one_set(steps: int, batch: int, photos: int, copies: int) -> tuple[float, float]:
    return steps * batch / photos, steps * batch / photos


def epochs_swapped(steps: int, batch: int, photos: int, copies: int) -> tuple[float, float]:
    return steps * batch / photos, steps * batch / (photos * copies)


def epochs_without_batch(steps: int, batch: int, photos: int, copies: int) -> tuple[float, float]:
    return steps / (photos * copies), steps / photos


def whole_epochs(steps: int, batch: int, photos: int, copies: int) -> tuple[float, float]:
    return steps * batch // (photos * copies), steps * batch // photos


def not_mirrored_back(predict: Callable[[Tensor], Tensor], luma: Tensor) -> Tensor:
    return (predict(luma.flip(-1)) + predict(luma)) / 2


def mirrored_upside_down(predict: Callable[[Tensor], Tensor], luma: Tensor) -> Tensor:
    return (predict(luma) + predict(luma.flip(0)).flip(1)) / 2


def only_the_mirrored(predict: Callable[[Tensor], Tensor], luma: Tensor) -> Tensor:
    return predict(luma.flip(-1)).flip(-1)


def sum_of_both(predict: Callable[[Tensor], Tensor], luma: Tensor) -> Tensor:
    return predict(luma) + predict(luma.flip(-1)).flip(-1)


def mean_luma_seen_once(predict: Callable[[Tensor], Tensor], luma: Tensor) -> Tensor:
    return predict((luma + luma.flip(-1)) / 2)


def interval_unpaired(ones: Tensor, others: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
    means = ones[draws].mean(1) - others[draws.flip(0)].mean(1)
    return means.quantile(0.025), means.quantile(0.975)


def interval_of_photos(ones: Tensor, others: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
    differences = ones - others
    return differences.quantile(0.025), differences.quantile(0.975)


def interval_of_90_percent(ones: Tensor, others: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
    means = (ones - others)[draws].mean(1)
    return means.quantile(0.05), means.quantile(0.95)


def interval_reversed(ones: Tensor, others: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
    means = (others - ones)[draws].mean(1)
    return means.quantile(0.025), means.quantile(0.975)


# Notebook 10


def sureness_without_temperature(kept: float, temperature: float) -> float:
    return (1 + kept) / 2


def sureness_of_divided_odds(kept: float, temperature: float) -> float:
    odds = ((1 + kept) / (1 - kept)) ** (1 / temperature)
    return odds / (1 + odds)


def share_kept_is_probability(kept: float, temperature: float) -> float:
    return kept


def power_of_probability(kept: float, temperature: float) -> float:
    return ((1 + kept) / 2) ** temperature


def halved_as_if_falling(vividness: Callable[[float], float], target: float) -> float:
    low, high = 0.05, 2.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if vividness(middle) > target else (low, middle)
    return low


def one_of_three_temperatures(vividness: Callable[[float], float], target: float) -> float:
    return min((0.1, 0.4, 1.0), key=lambda t: abs(vividness(t) - target))


def nearest_from_below(vividness: Callable[[float], float], target: float) -> float:
    return max((t for t in np.geomspace(0.05, 2, 60) if vividness(t) >= target), default=0.0)


def vividness_itself(vividness: Callable[[float], float], target: float) -> float:
    return vividness(min(np.geomspace(0.05, 2, 60), key=lambda t: abs(vividness(t) - target)))


def seeds_by_the_normal(spread: float, effect: float) -> int:
    return max(3, int(np.ceil((1.96 * spread / effect) ** 2)))


def seeds_with_n_degrees(spread: float, effect: float) -> int:
    return next(n for n in range(3, 10_000) if stats.t.ppf(0.975, n) * spread / n**0.5 <= effect)


def seeds_without_root(spread: float, effect: float) -> int:
    return next(n for n in range(3, 10_000) if stats.t.ppf(0.975, n - 1) * spread / n <= effect)


def seeds_from_two(spread: float, effect: float) -> int:
    return next(n for n in range(2, 10_000) if stats.t.ppf(0.975, n - 1) * spread / n**0.5 <= effect)


def seeds_of_one_side(spread: float, effect: float) -> int:
    return next(n for n in range(3, 10_000) if stats.t.ppf(0.95, n - 1) * spread / n**0.5 <= effect)


# Notebook 12


def affinity_without_square(one: Tensor, other: Tensor, sigma: float) -> Tensor:
    return torch.exp(-(one - other).abs() / (2 * sigma**2))


def affinity_without_two(one: Tensor, other: Tensor, sigma: float) -> Tensor:
    return torch.exp(-((one - other) ** 2) / sigma**2)


def affinity_with_plain_sigma(one: Tensor, other: Tensor, sigma: float) -> Tensor:
    return torch.exp(-((one - other) ** 2) / (2 * sigma))


def affinity_that_grows(one: Tensor, other: Tensor, sigma: float) -> Tensor:
    return torch.exp((one - other) ** 2 / (2 * sigma**2))


def relaxed_plain_mean(neighbours: Tensor, w: Tensor, given: float, firmness: float) -> Tensor:
    return (firmness * given + neighbours.sum()) / (firmness + len(neighbours))


def relaxed_without_given(neighbours: Tensor, w: Tensor, given: float, firmness: float) -> Tensor:
    return (w * neighbours).sum() / w.sum()


def relaxed_not_divided(neighbours: Tensor, w: Tensor, given: float, firmness: float) -> Tensor:
    return firmness * given + (w * neighbours).sum()


def relaxed_divided_by_w_alone(neighbours: Tensor, w: Tensor, given: float, firmness: float) -> Tensor:
    return (firmness * given + (w * neighbours).sum()) / w.sum()


def surest_above_a_threshold(confidence: Tensor, coverage: float) -> Tensor:
    return confidence >= coverage


def least_sure(confidence: Tensor, coverage: float) -> Tensor:
    count = max(1, round(coverage * confidence.numel()))
    return confidence <= confidence.flatten().sort().values[count - 1]


def surest_perhaps_none(confidence: Tensor, coverage: float) -> Tensor:
    mask = torch.zeros(confidence.numel(), dtype=torch.bool)
    mask[confidence.flatten().argsort(descending=True)[: round(coverage * confidence.numel())]] = True
    return mask.reshape(confidence.shape)


def surest_of_each_row(confidence: Tensor, coverage: float) -> Tensor:
    count = max(1, round(coverage * confidence.shape[1]))
    return confidence >= confidence.sort(dim=1, descending=True).values[:, count - 1 : count]


def surest_rounded_down(confidence: Tensor, coverage: float) -> Tensor:
    count = max(1, int(coverage * confidence.numel()))
    return confidence >= confidence.flatten().sort(descending=True).values[count - 1]


def surest_rounded_up(confidence: Tensor, coverage: float) -> Tensor:
    count = math.ceil(coverage * confidence.numel())
    return confidence >= confidence.flatten().sort(descending=True).values[count - 1]


def surest_as_numbers(confidence: Tensor, coverage: float) -> Tensor:
    count = max(1, round(coverage * confidence.numel()))
    return (confidence >= confidence.flatten().sort(descending=True).values[count - 1]).float()


# Notebook 11


def frames_rounded_down(alpha: float, share: float) -> int:
    return math.floor(-math.log(share) / alpha)


def frames_of_the_time_constant(alpha: float, share: float) -> int:
    return round(1 / alpha)


def frames_not_whole(alpha: float, share: float) -> float:
    return -math.log(share) / alpha


def motion_ignored(previous: Tensor, now: Tensor, flow: Tensor, seen: Tensor, share: float) -> Tensor:
    return share * previous + (1 - share) * now


def view_ignored(previous: Tensor, now: Tensor, flow: Tensor, seen: Tensor, share: float) -> Tensor:
    return share * warp(previous, flow) + (1 - share) * now


def now_is_warped(previous: Tensor, now: Tensor, flow: Tensor, seen: Tensor, share: float) -> Tensor:
    past = share * seen
    return past * previous + (1 - past) * warp(now, flow)


def unseen_fades(previous: Tensor, now: Tensor, flow: Tensor, seen: Tensor, share: float) -> Tensor:
    return share * seen * warp(previous, flow) + (1 - share) * now


def newest_frame(past: Tensor) -> Tensor:
    return past[-1]


def mean_of_everything(past: Tensor) -> Tensor:
    return past.mean(0)


def mean_of_five(past: Tensor) -> Tensor:
    return past[-5:].mean(0)


def sum_of_four(past: Tensor) -> Tensor:
    return past[-4:].sum(0)


def median_of_five(past: Tensor) -> Tensor:
    return past[-5:].median(0).values


def papers_kernel(past: Tensor) -> Tensor:
    weights = torch.exp(-0.2 * torch.arange(len(past)).flip(0))[-21:]
    return (weights[:, None] * past[-21:]).sum(0) / weights.sum()


# Notebook 13


def middle_at_the_edge(index: int, grid: int, limit: float) -> float:
    return (index / grid * 2 - 1) * limit


def middle_by_linspace(index: int, grid: int, limit: float) -> float:
    return float(np.linspace(-limit, limit, grid)[index])


def middle_of_positive(index: int, grid: int, limit: float) -> float:
    return (index + 0.5) / grid * limit


def middle_of_next(index: int, grid: int, limit: float) -> float:
    return ((index + 1.5) / grid * 2 - 1) * limit


def middle_by_floor(index: int, grid: int, limit: float) -> float:
    return ((index + 0.5) // grid * 2 - 1) * limit


def decay_not_alpha(alpha: float) -> float:
    return math.exp(-alpha) / (1 + math.exp(-alpha))


def halved_alpha(alpha: float) -> float:
    return alpha + math.log(2)


def alpha_of_newest(alpha: float) -> float:
    return math.log(1 + math.exp(-alpha))


def alpha_with_wrong_sign(alpha: float) -> float:
    return -alpha - math.log(1 + math.exp(-alpha))


def excluded_by_the_normal(differences: list[float]) -> float:
    values = np.array(differences)
    return abs(values.mean()) + 1.96 * values.std(ddof=1) / math.sqrt(len(values))


def excluded_with_population_spread(differences: list[float]) -> float:
    values = np.array(differences)
    return abs(values.mean()) + stats.t.ppf(0.975, len(values) - 1) * values.std() / math.sqrt(len(values))


def excluded_without_root(differences: list[float]) -> float:
    values = np.array(differences)
    return abs(values.mean()) + stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1)


def excluded_half_width(differences: list[float]) -> float:
    values = np.array(differences)
    return stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))


def excluded_upper_end(differences: list[float]) -> float:
    values = np.array(differences)
    return values.mean() + stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))


def excluded_mean(differences: list[float]) -> float:
    return abs(np.mean(differences))


def relative_entropy(p: Tensor, q: Tensor) -> float:
    return float((p * (p / q).log2())[p > 0].sum())


def jensen_shannon_in_nats(p: Tensor, q: Tensor) -> float:
    return jensen_shannon(p, q) * math.sqrt(math.log(2))


def jensen_shannon_without_root(p: Tensor, q: Tensor) -> float:
    return jensen_shannon(p, q) ** 2


WRONG_ANSWERS: dict[str, list[Any]] = {
    "jensen_shannon_distance": [relative_entropy, jensen_shannon_in_nats, jensen_shannon_without_root],
    "frames_to_forget": [frames_rounded_down, frames_of_the_time_constant, frames_not_whole],
    "motion_step": [motion_ignored, view_ignored, now_is_warped, unseen_fades],
    "my_smoother": [newest_frame, mean_of_everything, mean_of_five, sum_of_four, median_of_five, papers_kernel],
    "find_knobs": [
        knobs_by_rare_colors_alone,
        knobs_without_units,
        knobs_one_after_the_other,
        knobs_swapped,
        knobs_at_one_temperature,
    ],
    "answers_needed": [
        answers_by_the_plain_interval,
        answers_by_the_low_end,
        answers_for_the_mean,
        one_answer_too_many,
    ],
    "luma": [plain_mean, luma_with_a_channel, luma_of_bgr, modern_luma],
    "measure_psnr": [
        psnr_of_wrapped_differences,
        psnr_of_numbers_up_to_one,
        psnr_with_natural_logarithm,
        psnr_doubled,
        psnr_of_absolute_error,
    ],
    "share_closer": [ties_are_closer, closer_in_the_mean, closer_in_percent, closer_once_sorted],
    "nearest_bin": [farthest_bin, nearest_point, nearest_by_one_channel, nearest_by_largest_difference, distances],
    "with_gray": [
        first_becomes_gray,
        gray_is_added,
        grayest_in_one_channel,
        grayest_by_signed_sum,
        grayest_by_sum_of_amounts,
        gray_in_place,
    ],
    "smallest_n": [first_in_the_dictionary, by_the_mean, by_all_photos, strictly_above],
    "bin_frequencies": [counts, without_empty_bins, always_equal],
    "weights": [not_scaled, scaled_to_mean_one, lambda_swapped, without_n],
    "lambda_for": [without_n_in_lambda, lambda_of_one_order, one_minus_lambda],
    "frame_mask": [
        rows_and_columns_swapped,
        one_pixel_more,
        either_is_enough,
        mask_of_numbers,
        always_a_frame_of_four,
    ],
    "training_items": [
        items_for_photos,
        originals_only,
        items_of_validation,
        variants_for_photos,
        photos_that_train,
    ],
    "drifted": [
        drifted_with_padding,
        drifted_over_the_frame,
        drifted_by_one_pixel,
        drifted_at_all,
        drifted_by_the_mean,
        honest,
    ],
    "receptive_field": [strides_ignored, stride_too_early, product_of_kernels],
    "upsample_line": [last_cut, nothing_cut, kernel_turned_round, painted_over, repeated],
    "encoder_design": [
        the_papers_way_down,
        broken_chain,
        too_many_parameters,
        too_much_work,
        without_the_first_channel,
    ],
    "best_constant_loss": [
        uniform_answer,
        unweighted_entropy,
        frequency_as_answer,
        answer_not_scaled,
        zero_times_infinity,
    ],
    "mended_step": [
        step_of("guess", masked=False, zero=False),
        step_of("guess", masked=True, zero=True),
        step_of("truth", masked=False, zero=True),
        step_of("truth", masked=True, zero=False),
        step_of("truth", masked=True, zero=True, walk=False),
        divided_by_weights,
    ],
    "stop_at": [lowest_of_all, where_it_stopped, patience_never_renewed, equal_is_better, by_training_loss],
    "annealed_pixel": [
        as_printed,
        as_printed_in_64_bits,
        power_of_temperature,
        temperature_forgotten,
        likeliest_only,
        with_an_epsilon,
    ],
    "honest_gain": [
        chosen_on_the_same_photos,
        chosen_for_each_photo,
        chosen_within_the_half,
        one_direction_only,
        halves_count_alike,
        chosen_by_the_median,
    ],
    "annealed_map": [mean_temperature, probabilities_divided, multiplied_by_temperature, unstable_map],
    "auroc_by_pairs": [share_of_more_sure, ties_forgotten, ties_in_full, difference_of_means],
    "expected_error": [squared_distance, annealed_twice, from_the_first_bin, largest_distance],
    "honest_expected_error": [
        undone_in_the_picture_too,
        rebalanced_again,
        logits_by_weights,
        not_normalised_again,
        weights_forgotten,
    ],
    "ece_of": [levels_alike, gaps_that_cancel, gaps_squared, largest_gap],
    "calibrate": [the_inverse, never_above_one, leave_as_it_is, smallest_tried],
    "nats_saved": [
        saved_against_a_fit_with_itself,
        saved_against_no_scaling,
        lost_by_its_own,
        saved_against_the_mean_of_numbers,
        differences_of_temperature,
    ],
    "paired_epochs": [epochs_of_one_set, epochs_swapped, epochs_without_batch, whole_epochs],
    "mirrored_mean": [
        not_mirrored_back,
        mirrored_upside_down,
        only_the_mirrored,
        sum_of_both,
        mean_luma_seen_once,
    ],
    "paired_interval": [interval_unpaired, interval_of_photos, interval_of_90_percent, interval_reversed],
    "sureness_needed": [
        sureness_without_temperature,
        sureness_of_divided_odds,
        share_kept_is_probability,
        power_of_probability,
    ],
    "match_vividness": [halved_as_if_falling, one_of_three_temperatures, nearest_from_below, vividness_itself],
    "seeds_needed": [
        seeds_by_the_normal,
        seeds_with_n_degrees,
        seeds_without_root,
        seeds_from_two,
        seeds_of_one_side,
    ],
    "affinity": [
        affinity_without_square,
        affinity_without_two,
        affinity_with_plain_sigma,
        affinity_that_grows,
    ],
    "relaxed": [relaxed_plain_mean, relaxed_without_given, relaxed_not_divided, relaxed_divided_by_w_alone],
    "cell_middle": [middle_at_the_edge, middle_by_linspace, middle_of_positive, middle_of_next, middle_by_floor],
    "alpha_in_effect": [lambda alpha: alpha, decay_not_alpha, halved_alpha, alpha_of_newest, alpha_with_wrong_sign],
    "excluded": [
        excluded_by_the_normal,
        excluded_with_population_spread,
        excluded_without_root,
        excluded_half_width,
        excluded_upper_end,
        excluded_mean,
    ],
    "surest": [
        surest_above_a_threshold,
        least_sure,
        surest_perhaps_none,
        surest_of_each_row,
        surest_rounded_down,
        surest_rounded_up,
        surest_as_numbers,
    ],
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
