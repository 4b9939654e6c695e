"""How sure the network is of each pixel, and whether to believe it (paper §4.2.2, Figure 7).

A classifier says how sure it is: the probability of its likeliest bin, or how far that is ahead of the second. Whether
that is worth anything is a question of counting. All of the answers below come from one small table per photo
(`reliability_table`): its pixels sorted into levels of confidence, and what happened in each level. The mean of
such tables over photos gives every photo one vote, however many photos there are.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage, optimize
from skimage.feature import canny
from torch import Tensor

LEVELS = 15  # of a reliability diagram; finer levels hold too few pixels to judge


def top_score(logits: Tensor) -> Tensor:
    """The probability of the likeliest bin, (H, W) in [1/n, 1], of logits (n, H, W).

    >>> top_score(torch.zeros(4, 1, 1)).item()
    0.25
    """
    return logits.softmax(-3).amax(-3)


def top_ratio(logits: Tensor) -> Tensor:
    """How many times likelier the first bin is than the second, (H, W) from 1 up, of logits (n, H, W).

    Taken from the logits, whose difference survives where both probabilities round to 0 or 1.

    >>> round(top_ratio(torch.tensor([0.0, 2.0, 1.0]).reshape(3, 1, 1)).item(), 3)  # e
    2.718
    """
    first, second = logits.topk(2, dim=-3).values.unbind(-3)
    return (first - second).exp()


def margin(logits: Tensor) -> Tensor:
    """The same ratio as a confidence in [0, 1]: 0 where the first two bins tie, 1 where the second is hopeless."""
    return 1 - 1 / top_ratio(logits)


# Was it right to be sure? One table for every question.


def reliability_table(confidence: Tensor, outcome: Tensor, levels: int = LEVELS) -> Tensor:
    """Sort pixels into equal levels of confidence over [0, 1]: a table (levels, 3), float64.

    Its columns are the share of pixels in the level, and their confidence and outcome, each summed and divided by the
    number of all pixels. ``confidence`` and ``outcome`` have the same shape; the outcome is 1 or 0 for right or wrong,
    or an error in any unit.

    >>> reliability_table(torch.tensor([0.25, 0.75, 0.75, 0.75]), torch.tensor([0.0, 1.0, 1.0, 0.0]), 2).tolist()
    [[0.25, 0.0625, 0.0], [0.75, 0.5625, 0.5]]
    """
    confidence, outcome = confidence.flatten().double(), outcome.flatten().double()
    level = (confidence * levels).long().clamp(0, levels - 1)
    columns = torch.stack([torch.ones_like(confidence), confidence, outcome], dim=1)
    table = torch.zeros(levels, 3, dtype=torch.float64, device=confidence.device).index_add_(0, level, columns)
    return table.cpu() / len(confidence)


def calibration_error(table: Tensor | np.ndarray) -> float:
    """Expected calibration error (ECE): how far confidence is from accuracy, over the levels' share of pixels.

    ``table`` (levels, 3) with outcome 1 for right and 0 for wrong. 0: of the pixels it calls 70 % sure, 70 % are right.

    >>> table = torch.tensor([[0.5, 0.2, 0.2], [0.5, 0.4, 0.3]])  # the surer half claims 80 %, and is right in 60 %
    >>> round(calibration_error(table), 6)
    0.1
    """
    return float(abs(table[:, 1] - table[:, 2]).sum())


def risk_coverage(table: Tensor | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The curve of a careful painter who colours only the surest pixels: coverage and risk, one point per level.

    Coverage is the share of pixels coloured, risk their mean outcome (here an error). From the surest level down to
    everything; levels without pixels are left out.
    """
    share, outcome = np.asarray(table)[::-1, 0], np.asarray(table)[::-1, 2]
    filled = share > 0
    coverage = share[filled].cumsum()
    return coverage, outcome[filled].cumsum() / coverage


def aurc(table: Tensor | np.ndarray) -> float:
    """Mean risk over all coverages (AURC). A confidence that knows nothing scores the mean error; less is better."""
    coverage, risk = risk_coverage(table)
    # Below the first point, only the surest level is coloured: its risk is all there is to know.
    return float(np.trapezoid(np.r_[risk[:1], risk], np.r_[0, coverage]) / coverage[-1])


def auroc(table: Tensor | np.ndarray) -> float:
    """How often a wrong pixel is less sure than a right one, both drawn at random; ties count half.

    ``table`` (levels, 3) with outcome 1 for *wrong*. 0.5: confidence knows nothing of errors; 1: it tells them all.
    NaN where all pixels are right or all are wrong. Pixels of one level tie, so take many levels (1000).

    >>> auroc(reliability_table(torch.tensor([0.1, 0.2, 0.8, 0.9]), torch.tensor([1.0, 0.0, 1.0, 0.0]), 100))
    0.75
    """
    share, _, wrong = np.asarray(table, float).T
    right = share - wrong
    surer = right[::-1].cumsum()[::-1] - right  # right pixels of higher levels
    pairs = wrong.sum() * right.sum()
    return float((wrong * (surer + right / 2)).sum() / pairs) if pairs > 1e-15 else float("nan")


# Making confidence honest.


def fit_temperature(logits: Tensor, target: Tensor) -> float:
    """Temperature scaling (Guo et al. 2017): the T whose softmax(logits / T) explains the true bins best.

    ``logits`` (k, n) of k pixels and their bins ``target`` (k,). One number cannot reorder the bins: the colours of the
    first choice stay, only how sure it is changes. This T is about honesty; the T of the annealed mean is about taste.

    >>> logits = torch.tensor([[3.0, 0.0]] * 4)  # 95 % sure of the first bin,
    >>> round(fit_temperature(logits, torch.tensor([0, 0, 0, 1])), 4)  # and right in 3 of 4
    2.7307
    """
    exact = logits.double()  # in float32 the loss is too grainy to find its lowest point

    def loss(log_temperature: float) -> float:
        return float(F.cross_entropy(exact / np.exp(log_temperature), target))

    best = optimize.minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(best.x))


def sample_pixels(logits: Tensor, target: Tensor, count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """``count`` random pixels, drawn with replacement, of logits (n, H, W) and bins (H, W): (count, n) and (count,)."""
    generator = torch.Generator().manual_seed(seed)
    pick = torch.randint(target.numel(), (count,), generator=generator).to(target.device)
    return logits.flatten(1)[:, pick].T, target.flatten()[pick]


# Where is it unsure?


def distance_to_edge(luma: Tensor, sigma: float = 1.5) -> Tensor:
    """Distance (H, W) in pixels from each pixel of a luma (H, W) to the nearest edge, infinite where there is none.

    Edges are found by Canny's method after a Gaussian blur of standard deviation ``sigma`` pixels.
    """
    edges = canny(luma.cpu().numpy().astype(np.float64), sigma=sigma)
    if not edges.any():
        return torch.full(luma.shape, float("inf"))
    return torch.from_numpy(cast(np.ndarray, ndimage.distance_transform_edt(~edges))).float()


def mean_by_band(values: Tensor, distance: Tensor, limits: Sequence[float]) -> list[float]:
    """The mean of ``values`` in bands of distance: below limits[0], up to limits[1], …, and beyond the last.

    NaN for a band without pixels.

    >>> mean_by_band(torch.tensor([1.0, 2.0, 6.0]), torch.tensor([0.0, 3.0, 4.0]), [1, 2])
    [1.0, nan, 4.0]
    """
    band = torch.bucketize(distance, torch.tensor(limits, dtype=distance.dtype), right=True)
    return [float(values[band == i].double().mean()) for i in range(len(limits) + 1)]
