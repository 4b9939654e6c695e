"""How right and how colourful one picture is: the numbers the paper says it lacks (§4.1).

Images here are float RGB tensors (3, H, W) in [0, 1], on any device.
"""

from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.spatial import distance
from skimage.measure import label
from torch import Tensor

from colorlib.color.bins import ColorBins
from colorlib.color.spaces import chroma_of, rgb_to_lab

RULER = Path(__file__).with_name("ruler.json")


def psnr(prediction: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio of two RGB images in dB: 10 log10(1 / mean squared error).

    Equal images have an infinite ratio; it is capped at 100 dB, below the error of 8-bit rounding.

    >>> round(psnr(torch.zeros(3, 2, 2), torch.full((3, 2, 2), 0.1)), 2)
    20.0
    """
    error = float(((prediction - truth) ** 2).mean())
    return -10 * float(np.log10(max(error, 1e-10)))


def colorfulness(rgb: Tensor, variant: str = "hasler") -> float:
    """Hasler & Süsstrunk's (2003) colourfulness M3: 0 is gray, 15 slightly, 33 moderately, 59 quite colourful.

    σ(rg, yb) + 0.3 μ(rg, yb) with rg = R - G and yb = (R + G) / 2 - B on the 0..255 scale. ``variant="absolute"``
    takes ``|rg|`` and ``|yb|`` first, as some published code does; the two are not comparable.

    >>> colorfulness(torch.full((3, 4, 4), 0.5))
    0.0
    """
    red, green, blue = (rgb * 255).unbind(0)
    opponents = torch.stack([red - green, (red + green) / 2 - blue]).flatten(1)
    if variant == "absolute":
        opponents = opponents.abs()
    elif variant != "hasler":
        raise ValueError(f"variant must be 'hasler' or 'absolute', got {variant!r}")
    return float(opponents.var(dim=1, correction=0).sum().sqrt() + 0.3 * opponents.mean(dim=1).norm())


def ab_distance(prediction: Tensor, truth: Tensor) -> Tensor:
    """How wrong the colour of each pixel is, (H, W): the distance of two RGB images in the (a, b) plane of CIELAB.

    2 can just be seen; 10 is another shade, 50 another colour.
    """
    return (rgb_to_lab(prediction) - rgb_to_lab(truth))[1:].norm(dim=0)


def area_under_accuracy(prediction: Tensor, truth: Tensor, pixel_weights: Tensor | None = None) -> float:
    """Zhang et al.'s (2016, §3.1) AuC in percent: the share of pixels within t of the true (a, b), averaged over t.

    t runs over 0, 1 … 150 units of CIELAB (trapezoid rule). With ``pixel_weights`` (H, W), the inverse frequency of
    each pixel's true bin (`rarity`), this is their rebalanced AuC: rare colors count as much as frequent ones.

    >>> area_under_accuracy(torch.full((3, 4, 4), 0.5), torch.full((3, 4, 4), 0.5))
    100.0
    """
    distance = ab_distance(prediction, truth).flatten()
    weight = torch.ones_like(distance) if pixel_weights is None else pixel_weights.flatten()
    first_threshold = distance.ceil().long().clamp(max=151)  # the first whole t that the pixel is within
    within = torch.zeros(152, dtype=torch.float64).index_add_(0, first_threshold.cpu(), weight.double().cpu())
    curve = within.cumsum(0)[:151] / weight.double().sum().cpu()
    return 100 * float(torch.trapezoid(curve)) / 150


def stains(index: Tensor) -> int:
    """How many areas of one bin a picture falls into: connected components of the bins (H, W), by edges.

    A speckled picture has many more than the truth; gray has one.

    >>> stains(torch.tensor([[0, 0, 1], [0, 2, 1], [0, 2, 0]]))
    4
    """
    return int(label(index.cpu().numpy(), background=-1, connectivity=1).max())


def color_bleeding(chroma: Tensor, distance: Tensor, margin: float = 2.0) -> float:
    """The share of all change of colour that is away from edges: 0 if colours change only where the luma does.

    ``chroma`` (2, H, W); ``distance`` (H, W) to the nearest edge of the luma in pixels (`distance_to_edge`), away being
    more than ``margin``. A colour that runs over its border changes there. The truth's own is above 0: real surfaces
    have shades. NaN where no colour changes at all.

    >>> chroma = torch.tensor([[[0.0, 0.1, 0.1, 0.1, 0.0]]]).expand(2, 1, 5)
    >>> round(color_bleeding(chroma, torch.tensor([[1.0, 0.0, 1.0, 2.0, 3.0]]), margin=1.0), 3)
    0.5
    """
    change = F.pad(chroma.diff(dim=-1).norm(dim=0), (0, 1)) + F.pad(chroma.diff(dim=-2).norm(dim=0), (0, 0, 0, 1))
    total = float(change.sum())
    return float(change[distance > margin].sum()) / total if total > 0 else float("nan")


def stain_area(index: Tensor, small: float = 0.002) -> float:
    """The share of a picture that is stains: areas of one bin, in bins (H, W), smaller than ``small`` of the picture.

    Of a network's first choice it tells how much of the picture is speckle; the truth's own is above 0.

    >>> index = torch.zeros(30, 30, dtype=torch.long)
    >>> index[3, 3] = 1
    >>> round(stain_area(index) * 900)
    1
    """
    areas = np.bincount(label(index.cpu().numpy(), background=-1, connectivity=1).ravel())
    return float(areas[areas < small * index.numel()].sum() / index.numel())


@cache
def ruler() -> ColorBins:
    """The bins that weigh the pixels of every rebalanced AuC: of the bundled training photos, at 64 pixels a side.

    Stored with the library, so that all models, whatever bins they have, are measured with the same weights.
    """
    return ColorBins.load(RULER)


def rarity(truth: Tensor) -> Tensor:
    """How rare the true color of each pixel is, (H, W): one over the share of its bin of `ruler`."""
    bins = ruler()
    return (1 / bins.frequency.clamp(min=1e-6)).float().to(truth.device)[bins.encode(chroma_of(truth))]


def bin_accuracy(logits: Tensor, target: Tensor, top: int = 1) -> float:
    """Share of pixels whose true bin (H, W) is among the ``top`` highest of logits (n, H, W)."""
    best = logits.topk(top, dim=0).indices
    return float((best == target).any(dim=0).double().mean())


def bin_histogram(chroma: Tensor, bins: ColorBins) -> Tensor:
    """The share (n,) of a chrominance's pixels (2, H, W) in each bin, float64, sums to 1 (paper §4.2.2, Figure 9)."""
    counts = torch.bincount(bins.encode(chroma).flatten(), minlength=len(bins)).cpu().double()
    return counts / counts.sum()


def jensen_shannon(p: "Tensor | np.ndarray", q: "Tensor | np.ndarray") -> float:
    """The Jensen–Shannon distance of two histograms: 0 if they are equal, 1 if they have no bin in common.

    The root of the mean of KL(p‖m) and KL(q‖m) in bits, with m half-way between p and q.

    >>> jensen_shannon(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]))
    1.0
    """
    return float(distance.jensenshannon(np.asarray(p, float), np.asarray(q, float), base=2))
