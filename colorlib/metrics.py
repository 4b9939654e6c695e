"""The numbers the paper says it lacks (§4.1): how right, how colourful, and how sure of both we are.

Every metric is computed per photo, and a summary is the mean over photos with a bootstrap 95 % interval: one
photo, one vote, whatever its size. Images here are float RGB tensors (3, H, W) in [0, 1].
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from colorlib.bins import ColorBins
from colorlib.checkpoints import load_checkpoint, save_checkpoint
from colorlib.color import chroma_of, join, luma_of, rgb_to_lab
from colorlib.datasets import Frames
from colorlib.photos import fit, read_photo, to_tensor
from colorlib.prediction import Colorizer, annealed_mean

LUMA_LEVELS = 32


def psnr(prediction: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio of two RGB images in dB: 10 log10(1 / mean squared error).

    Equal images have an infinite ratio; it is capped at 100 dB, below the error of 8-bit rounding.

    >>> round(psnr(torch.zeros(3, 2, 2), torch.full((3, 2, 2), 0.1)), 2)
    20.0
    """
    error = float(((prediction - truth) ** 2).mean())
    return -10 * float(np.log10(max(error, 1e-10)))


def colourfulness(rgb: Tensor, variant: str = "hasler") -> float:
    """Hasler & Süsstrunk's (2003) colourfulness M3: 0 is gray, 15 slightly, 33 moderately, 59 quite colourful.

    σ(rg, yb) + 0.3 μ(rg, yb) with rg = R - G and yb = (R + G) / 2 - B on the 0..255 scale. ``variant="absolute"``
    takes |rg| and |yb| first, as some published code does; the two are not comparable.

    >>> colourfulness(torch.full((3, 4, 4), 0.5))
    0.0
    """
    red, green, blue = (rgb * 255).unbind(0)
    opponents = torch.stack([red - green, (red + green) / 2 - blue]).flatten(1)
    if variant == "absolute":
        opponents = opponents.abs()
    elif variant != "hasler":
        raise ValueError(f"variant must be 'hasler' or 'absolute', got {variant!r}")
    return float(opponents.var(dim=1, correction=0).sum().sqrt() + 0.3 * opponents.mean(dim=1).norm())


def area_under_accuracy(prediction: Tensor, truth: Tensor, pixel_weights: Tensor | None = None) -> float:
    """Zhang et al.'s (2016, §3.1) AuC in percent: the share of pixels within t of the true (a, b), averaged over t.

    t runs over 0, 1 … 150 units of CIELAB (trapezoid rule). With ``pixel_weights`` (H, W), the inverse frequency of each
    pixel's true bin, this is their rebalanced AuC, which a gray picture cannot win.

    >>> area_under_accuracy(torch.rand(3, 4, 4) * 0 + 0.5, torch.rand(3, 4, 4) * 0 + 0.5)
    100.0
    """
    distance = (rgb_to_lab(prediction) - rgb_to_lab(truth))[1:].norm(dim=0).flatten()
    weight = torch.ones_like(distance) if pixel_weights is None else pixel_weights.flatten()
    first_threshold = distance.ceil().long().clamp(max=151)  # the first whole t that the pixel is within
    within = torch.zeros(152, dtype=torch.float64).index_add_(0, first_threshold.cpu(), weight.double().cpu())
    curve = within.cumsum(0)[:151] / weight.double().sum().cpu()
    return 100 * float(torch.trapezoid(curve)) / 150


def bin_accuracy(logits: Tensor, target: Tensor, top: int = 1) -> float:
    """Share of pixels whose true bin (H, W) is among the ``top`` highest of logits (n, H, W)."""
    best = logits.topk(top, dim=0).indices
    return float((best == target).any(dim=0).double().mean())


def bootstrap(values: Sequence[float], samples: int = 2000, seed: int = 0) -> dict[str, float]:
    """The mean of one number per photo, and the 95 % interval of that mean over photos drawn with replacement.

    >>> bootstrap([1.0, 1.0, 1.0])
    {'mean': 1.0, 'low': 1.0, 'high': 1.0}
    """
    data = np.asarray(values, float)
    picks = np.random.default_rng(seed).integers(len(data), size=(samples, len(data)))
    low, high = np.percentile(data[picks].mean(axis=1), [2.5, 97.5])
    return {"mean": float(data.mean()), "low": float(low), "high": float(high)}


@dataclass
class Baselines:
    """What costs no network: one mean colour, or one mean colour per level of luma, from the training photos.

    ``mean_color`` (2,) and ``luma_mean`` (32, 2) are chrominances; both are stored with a checkpoint.
    """

    mean_color: Tensor
    luma_mean: Tensor

    @classmethod
    def measure(cls, batches: Iterable[tuple[Tensor, Tensor]]) -> "Baselines":
        """From batches of RGB (B, 3, H, W) and masks (B, H, W)."""
        sums, counts = torch.zeros(LUMA_LEVELS, 2, dtype=torch.float64), torch.zeros(LUMA_LEVELS, dtype=torch.float64)
        for rgb, mask in batches:
            level = _luma_level(luma_of(rgb)[mask])
            sums.index_add_(0, level, chroma_of(rgb).movedim(1, -1)[mask].double())
            counts += torch.bincount(level, minlength=LUMA_LEVELS)
        mean = sums.sum(0) / counts.sum()
        per_level = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], mean)
        return cls(mean.float(), per_level.float())

    def colour(self, name: str, luma: Tensor) -> Tensor:
        """The chrominance (2, H, W) that a baseline gives a luma (H, W)."""
        if name == "gray":
            return torch.zeros(2, *luma.shape)
        if name == "mean_color":
            return self.mean_color[:, None, None].expand(2, *luma.shape)
        return self.luma_mean[_luma_level(luma)].movedim(-1, 0)

    def to_dict(self) -> dict[str, Any]:
        return {"mean_color": self.mean_color.tolist(), "luma_mean": self.luma_mean.tolist()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Baselines":
        return cls(torch.tensor(values["mean_color"]), torch.tensor(values["luma_mean"]))


BASELINES = ("gray", "mean_color", "luma_mean")


def evaluate(
    colorizer: Colorizer, paths: Sequence[Path], baselines: Baselines, temperature: float | None = None, size: int = 256
) -> dict[str, dict[str, dict[str, float]]]:
    """All image metrics, by model and baseline: ``{"model": {"psnr": {mean, low, high}, …}, "gray": …}``.

    Photos are shrunk to at most ``size`` pixels a side first, the size of the paper's frame.
    """
    temperature = colorizer.temperature if temperature is None else temperature
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in ("truth", "model", *BASELINES)}
    for path in tqdm(paths, desc="evaluating", leave=False):
        rgb = fit(read_photo(path), size)
        truth = to_tensor(rgb)
        score = _scorer(truth, colorizer.bins)
        rows["truth"].append(score(truth))
        rows["model"].append(score(to_tensor(colorizer.colorize(rgb, temperature))) | model_scores(colorizer, rgb))
        for name in BASELINES:
            rows[name].append(score(join(luma_of(truth), baselines.colour(name, luma_of(truth)))))
    return {name: summarize(scores) for name, scores in rows.items()}


def summarize(rows: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """One bootstrap summary for each metric of a table with a row per photo."""
    return {metric: bootstrap([row[metric] for row in rows]) for metric in rows[0]}


def model_scores(colorizer: Colorizer, rgb: np.ndarray) -> dict[str, float]:
    """What only a classifier has, on the frame it sees: bin accuracy, negative log-likelihood (nats) of the true bins."""
    truth = to_tensor(fit(rgb, colorizer.frame))
    logits = colorizer.logits(luma_of(truth)).cpu()
    target = colorizer.bins.encode(chroma_of(truth))
    log_likelihood = logits.log_softmax(0).gather(0, target[None]).mean()
    return {
        "bin_accuracy": bin_accuracy(logits, target),
        "bin_accuracy_top5": bin_accuracy(logits, target, 5),
        "nll": -float(log_likelihood),
    }


def best_temperature(colorizer: Colorizer, frames: Frames, allowed_loss: float = 0.5) -> float:
    """The lowest, most vivid, temperature whose mean PSNR stays within ``allowed_loss`` dB of the best one's.

    Tried on a grid from 0.1 to 1. ``frames`` should be photos that are not used for the final score.
    """
    temperatures = [round(0.1 + 0.05 * i, 2) for i in range(19)]
    totals = torch.zeros(len(temperatures), dtype=torch.float64)
    for rgb, (height, width) in tqdm(zip(frames.rgb, frames.sizes.tolist()), total=len(frames), desc="temperature"):
        truth = rgb[:height, :width].movedim(-1, 0).float() / 255
        luma = luma_of(truth)
        logits = colorizer.logits(luma)
        for i, temperature in enumerate(temperatures):
            chroma = annealed_mean(logits, colorizer.bins.colors, temperature).cpu()
            totals[i] += psnr(join(luma, chroma), truth)
    means = totals / len(frames)
    return temperatures[int((means >= means.max() - allowed_loss).nonzero()[0])]


def certify(path: Path, training: Frames, tuning: Frames, validation: Sequence[Path]) -> dict[str, Any]:
    """Complete a fresh checkpoint with what it needs to be trusted: baselines, a temperature and its scores.

    The baselines come from the training frames, the temperature from the tuning frames, and the scores from the
    validation photos, which neither has seen. Returns the record that the checkpoint now holds.
    """
    model, bins, record = load_checkpoint(path)
    colorizer = Colorizer(model, bins, frame=record["frame"])
    batches = zip(training.rgb.split(64), training.mask().split(64))
    baselines = Baselines.measure((rgb.movedim(-1, 1).float() / 255, mask) for rgb, mask in batches)
    colorizer.temperature = best_temperature(colorizer, tuning)
    record |= {"temperature": colorizer.temperature, "baselines": baselines.to_dict()}
    record["metrics"] = evaluate(colorizer, validation, baselines)
    record["metrics_photos"] = len(validation)
    save_checkpoint(path, model, bins, record)
    return record


def _scorer(truth: Tensor, bins: ColorBins) -> Callable[[Tensor], dict[str, float]]:
    rarity = (1 / bins.frequency.clamp(min=1e-6)).float()[bins.encode(chroma_of(truth))]

    def score(prediction: Tensor) -> dict[str, float]:
        return {
            "psnr": psnr(prediction, truth),
            "auc": area_under_accuracy(prediction, truth),
            "auc_rebalanced": area_under_accuracy(prediction, truth, rarity),
            "colourfulness": colourfulness(prediction),
            "colourfulness_absolute": colourfulness(prediction, "absolute"),
        }

    return score


def _luma_level(luma: Tensor) -> Tensor:
    return (luma * LUMA_LEVELS).long().clamp(0, LUMA_LEVELS - 1)
