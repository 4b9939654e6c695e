"""Colours that spread from sure pixels to the others, along the luma: what the paper would have done next (§5).

Levin, Lischinski & Weiss (2004) colour a gray photo from a few strokes by one wish: *neighbours of similar luma have
similar colours*. Written as a sum of squares over pixels i and pairs of neighbours i, j it is

    Σ c_i (x_i - s_i)² + Σ w_ij (x_i - x_j)²,

with s the colours that are given, c how firmly (0: not at all), and the affinity w_ij near 1 where the lumas of i and
j agree, near 0 across an edge. The smallest sum solves a sparse linear system. The paper's idea is to let the network
give the strokes: the pixels of which it is sure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from scipy.sparse.linalg import cg
from torch import Tensor

from colorlib.color.spaces import luma_of
from colorlib.data.photos import fit, to_tensor
from colorlib.errors import ColorlibError
from colorlib.prediction.annealing import annealed_mean
from colorlib.prediction.colorizer import Colorizer

SOLVED_AT = 512  # longest side, in pixels, of what is solved exactly; larger photos follow by guided upsampling
TOLERANCE = 1e-6  # of the solver: its residual, relative to the right-hand side
COARSEST = 24  # pixels: below such a side there is no coarser picture to begin with
# Of the affinity, chosen on training photos, for the truth at a few of their pixels to give the rest of it back best.
NOISE = 0.02  # differences of luma that mean nothing: film grain, rounding
LOCAL = 0.1  # of the local variance of the luma that counts
LEAST = 1e-3  # across any edge, so that areas without a seed get a colour, too, and the system is easy to solve


@dataclass(frozen=True)
class Seeds:
    """Which pixels give their colour, and how firmly.

    The share ``coverage`` of the surest, each with the weight ``firmness`` times its confidence, relative to the surest
    of all.
    """

    coverage: float = 1.0
    firmness: float = 0.03


SEEDS = Seeds()


def affinities(luma: Tensor) -> tuple[Tensor, Tensor]:
    """How much each pixel is like its right (H, W-1) and its lower neighbour (H-1, W): from 1 down to almost 0.

    Levin et al.'s exp(-(Y_i - Y_j)² / 2σ²), where σ² grows with the local variance of the luma (H, W): a difference
    counts for more where the picture is calm. The mean of both ends' σ² makes it symmetric.

    >>> right, down = affinities(torch.tensor([[0.0, 0.0, 1.0]]))
    >>> right.shape, down.shape, bool(right[0, 0] > 0.99 > 0.5 > right[0, 1])
    (torch.Size([1, 2]), torch.Size([0, 3]), True)
    """
    values = luma.double()[None, None]
    padded = F.pad(values, (1, 1, 1, 1), mode="replicate")
    mean, mean_square = (F.avg_pool2d(power, 3, stride=1) for power in (padded, padded**2))
    variance = LOCAL * (mean_square - mean**2).clamp(min=0)[0, 0] + NOISE**2

    def between(one: tuple[slice, slice], other: tuple[slice, slice]) -> Tensor:
        y = luma.double()
        return torch.exp(-((y[one] - y[other]) ** 2) / (variance[one] + variance[other])).clamp(min=LEAST)

    everything, first, last = slice(None), slice(None, -1), slice(1, None)
    return between((everything, first), (everything, last)), between((first, everything), (last, everything))


def laplacian(luma: Tensor) -> sparse.csr_matrix:
    """The sparse matrix L (HW, HW) of the sum above: xᵀLx = Σ w_ij (x_i - x_j)² over neighbours; each row sums to 0."""
    height, width = luma.shape
    right, down = affinities(luma)
    index = np.arange(height * width).reshape(height, width)
    ends = np.concatenate([index[:, :-1].ravel(), index[:-1].ravel()])
    others = np.concatenate([index[:, 1:].ravel(), index[1:].ravel()])
    weight = torch.cat([right.flatten(), down.flatten()]).numpy()
    one_way = sparse.coo_matrix((weight, (ends, others)), shape=(index.size, index.size))
    both_ways = (one_way + one_way.T).tocsr()
    return (sparse.diags(np.asarray(both_ways.sum(axis=1)).ravel()) - both_ways).tocsr()


def propagate(luma: Tensor, values: Tensor, weight: Tensor) -> Tensor:
    """Spread values (k, H, W) given with a weight (H, W) of 0 or more along a luma (H, W): the exact answer (k, H, W).

    A weight of 0 says that nothing is given at that pixel; a large one, 100 say, that its value is to stay. The answer
    lies between the least and the greatest value given. Solved by conjugate gradients, with the answer for the picture
    at half its size, found likewise, as the first guess.

    >>> luma = torch.tensor([[0.2, 0.2, 0.9, 0.9]])  # two areas, one seed in each
    >>> weight = torch.tensor([[100.0, 0.0, 0.0, 100.0]])
    >>> propagate(luma, torch.tensor([[[0.1, 0.0, 0.0, 0.3]]]), weight).round(decimals=2).tolist()
    [[[0.10000000149011612, 0.10000000149011612, 0.30000001192092896, 0.30000001192092896]]]

    Raises:
        ColorlibError: if no pixel has any weight.
    """
    if luma.ndim != 2 or values.shape[-2:] != luma.shape or weight.shape != luma.shape:
        raise ValueError(f"sizes differ: luma {tuple(luma.shape)}, {tuple(values.shape)}, {tuple(weight.shape)}")
    if not bool((weight > 0).any()):
        raise ColorlibError("there is no seed to spread colours from: give at least one pixel a weight")
    return _solve(luma, values.double(), weight.double().clamp(min=0)).to(values)


def _solve(luma: Tensor, values: Tensor, weight: Tensor) -> Tensor:
    """`propagate` in double precision, coarse to fine."""
    shape = luma.shape
    known = values * weight
    if min(shape) > COARSEST:
        half = ((shape[0] + 1) // 2, (shape[1] + 1) // 2)
        total, small_known = _shrink(weight[None], half), _shrink(known, half)
        guess = _solve(_shrink(luma[None], half)[0], small_known / total.clamp(min=1e-30), total[0])
        start = enlarge(guess, shape)
    else:
        start = (known.sum((1, 2)) / weight.sum())[:, None, None].expand_as(values)
    matrix = laplacian(luma) + sparse.diags(weight.flatten().numpy())
    inverse_diagonal = sparse.diags(1 / matrix.diagonal().clip(1e-30))
    answers = [
        cg(matrix, b.flatten().numpy(), x.flatten().numpy(), rtol=TOLERANCE, maxiter=1000, M=inverse_diagonal)[0]
        for b, x in zip(known, start, strict=True)
    ]
    given = values[:, weight > 0]
    answer = torch.from_numpy(np.stack(answers)).reshape(values.shape)
    return answer.clamp(given.amin(1)[:, None, None], given.amax(1)[:, None, None])


def _shrink(picture: Tensor, size: tuple[int, int]) -> Tensor:
    return F.adaptive_avg_pool2d(picture[None], size)[0]


# The fast alternative: no system at all.


def spread_fast(luma: Tensor, values: Tensor, weight: Tensor, reach: float = 30.0, contrast: float = 0.07) -> Tensor:
    """The same wish as `propagate`, granted roughly in a few passes over the picture: (k, H, W).

    The domain transform's recursive filter (Gastal & Oliveira 2011): two neighbours are as far apart as their place
    *and* their luma say, ``reach`` in pixels where the luma is constant, less by ``reach / contrast`` times every
    difference of luma. Values and weights are filtered alike and divided (normalised convolution), so that pixels
    without a value take part without any. Work grows with the number of pixels, whatever is given.
    """
    if not bool((weight > 0).any()):
        raise ColorlibError("there is no seed to spread colours from: give at least one pixel a weight")
    signal = torch.cat([values * weight, weight[None]]).double()
    signal = signal + 1e-9 * torch.cat([(signal[:-1].sum((1, 2)) / signal[-1].sum()), torch.ones(1)])[:, None, None]
    y = luma.double()
    right, down = (1 + reach / contrast * y.diff(dim=dim).abs() for dim in (1, 0))
    passes = 3
    for number in range(passes):
        # Each pass is half as long as the one before; together they have the variance of one of length ``reach``.
        length = reach * 3**0.5 * 2 ** (passes - 1 - number) / (4**passes - 1) ** 0.5
        for distance, axis in ((right, 2), (down.T, 1)):
            keep = torch.exp(-(2**0.5) / length * distance)
            turned = signal if axis == 2 else signal.transpose(1, 2)
            turned = _recursive(turned.contiguous(), keep)
            signal = turned if axis == 2 else turned.transpose(1, 2)
    return (signal[:-1] / signal[-1]).to(values)


def _recursive(signal: Tensor, keep: Tensor) -> Tensor:
    """Along the last axis, a mean of all pixels whose weight decays by ``keep`` (H, W-1) from each to its neighbour."""
    columns = list(torch.cat([signal, torch.ones_like(signal[:1])]).unbind(-1))
    shares = keep.unbind(-1)
    there, back = columns.copy(), columns.copy()
    for i in range(1, len(columns)):
        there[i] = columns[i] + shares[i - 1] * there[i - 1]
    for i in range(len(columns) - 2, -1, -1):
        back[i] = columns[i] + shares[i] * back[i + 1]
    total = torch.stack(there, -1) + torch.stack(back, -1) - torch.stack(columns, -1)
    return total[:-1] / total[-1]


# Which pixels give the colours?


def choose_seeds(confidence: Tensor, coverage: float = 0.3) -> Tensor:
    """The surest pixels as a mask (H, W): the share ``coverage`` of all, in (0, 1], and at least one.

    ``confidence`` (H, W) is any number that is higher where the network is surer.

    >>> choose_seeds(torch.tensor([[0.9, 0.2], [0.5, 0.8]]), coverage=0.5).tolist()
    [[True, False], [False, True]]
    """
    if not 0 < coverage <= 1:
        raise ColorlibError(f"the coverage of seeds must be above 0 and at most 1, got {coverage}")
    order = confidence.flatten().argsort(descending=True, stable=True)
    mask = torch.zeros(confidence.numel(), dtype=torch.bool)
    mask[order[: max(1, round(coverage * confidence.numel()))]] = True
    return mask.reshape(confidence.shape)


# All together: seeds, and spread.


def refine(luma: Tensor, chroma: Tensor, confidence: Tensor, seeds: Seeds = SEEDS, fast: bool = False) -> Tensor:
    """A predicted chrominance (2, H, W) again, from its seeds, the surer the more firmly, spread along the luma (H, W).

    ``confidence`` (H, W) in [0, 1] is the probability of each pixel's likeliest bin. ``fast`` spreads by `spread_fast`.

    >>> luma, chroma = torch.full((4, 4), 0.5), torch.full((2, 4, 4), 0.1)
    >>> refine(luma, chroma, torch.rand(4, 4)).std() < 1e-4
    tensor(True)
    """
    mask = choose_seeds(confidence, seeds.coverage)
    # Even a network that is sure of nothing gives seeds: what counts is how sure it is beside its own surest.
    weight = seeds.firmness * (confidence / confidence.max().clamp(min=1e-6)) * mask
    return spread_fast(luma, chroma, weight) if fast else propagate(luma, chroma, weight)


def refined_chroma(colorizer: Colorizer, rgb: np.ndarray, temperature: float | None = None) -> tuple[Tensor, Tensor]:
    """The luma (h, w) at which a photo (H, W, 3) is solved, and its chrominance (2, h, w) by `refine` (paper §5).

    Solved at no more than `SOLVED_AT` pixels a side, so that memory stays bounded.

    Raises:
        ColorlibError: if the network was trained by regression: it does not say how sure it is.
    """
    logits = colorizer.logits(colorizer.input_luma(rgb)).cpu()
    temperature = colorizer.temperature if temperature is None else temperature
    chroma = annealed_mean(logits, colorizer.bins.colors, temperature)
    confidence = logits.softmax(0).amax(0)
    luma = luma_of(to_tensor(fit(rgb, SOLVED_AT)))
    return luma, refine(luma, enlarge(chroma, luma.shape), enlarge(confidence[None], luma.shape)[0])


def enlarge(picture: Tensor, size: Sequence[int]) -> Tensor:
    """A small picture (k, h, w) at another size (k, H, W), bilinear."""
    return F.interpolate(picture[None], size=tuple(size), mode="bilinear")[0]
