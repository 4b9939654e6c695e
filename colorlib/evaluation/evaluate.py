"""The numbers the paper says it lacks (§4.1): how right, how colourful, and how sure of both we are.

Every metric is computed per photo, and a summary is the mean over photos with a 95 % interval: one photo, one vote,
whatever its size. Images here are float RGB tensors (3, H, W) in [0, 1], on any device. Photos are measured one at
a time and only numbers are kept, so a hundred thousand need no more memory than ten.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from colorlib.color.bins import ColorBins
from colorlib.color.spaces import chroma_of, luma_of, merge_luma_chroma
from colorlib.data.datasets import decode_photo
from colorlib.data.photos import fit, to_tensor, to_uint8
from colorlib.errors import ColorlibError
from colorlib.evaluation.confidence import aurc, calibration_error, reliability_table, top_score
from colorlib.evaluation.intervals import Interval, bootstrap, jackknife
from colorlib.evaluation.metrics import (
    ab_distance,
    area_under_accuracy,
    bin_accuracy,
    bin_histogram,
    colorfulness,
    jensen_shannon,
    psnr,
    rarity,
    stain_area,
)
from colorlib.prediction.annealing import annealed_mean
from colorlib.prediction.colorizer import Colorizer

LUMA_LEVELS = 32
FINE_LEVELS = 100  # of confidence, where a curve is drawn


CONTENDERS = {
    "model": "model",
    "zhang": "Zhang et al.",
    "gray": "gray",
    "mean_color": "mean colour",
    "luma_mean": "per-luma mean",
    "constant": "constant forecast",
    "truth": "truth",
}
METRICS = {
    "psnr": "PSNR (dB)",
    "ab_error": "error in (a, b)",
    "auc": "AuC (%)",
    "auc_rebalanced": "rebalanced AuC (%)",
    "colorfulness": "colourfulness",
    "colorfulness_absolute": "colourfulness (absolute)",
    "bin_accuracy": "bin accuracy",
    "bin_accuracy_top5": "bin accuracy (top 5)",
    "stain_area": "share of stains",
    "nll": "NLL (nats)",
    "ece": "calibration error",
    "aurc": "area under risk–coverage",
    "delta_colorfulness": "gap in colourfulness",
    "jensen_shannon": "distance of histograms",
    "same_class": "seen as the same class",
    "same_class_top5": "the class among the first five",
    "class_probability": "probability of the class",
    "class_accuracy": "class accuracy",
}


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

    def chroma(self, name: str, luma: Tensor) -> Tensor:
        """The chrominance (2, H, W) that a baseline gives a luma (H, W)."""
        if name == "gray":
            return luma.new_zeros(2, *luma.shape)
        if name == "mean_color":
            return self.mean_color.to(luma)[:, None, None].expand(2, *luma.shape)
        if name == "luma_mean":
            return self.luma_mean.to(luma)[_luma_level(luma)].movedim(-1, 0)
        raise ValueError(f"no baseline is called {name!r}; there are {', '.join(BASELINES)}")

    def to_dict(self) -> dict[str, Any]:
        """For a checkpoint's record."""
        return {"mean_color": self.mean_color.tolist(), "luma_mean": self.luma_mean.tolist()}

    @classmethod
    def from_dict(cls, values: dict[str, Any] | None) -> "Baselines":
        """From a checkpoint's record.

        Raises:
            ColorlibError: if that has none (None), or is damaged.
        """
        if values is None:
            raise ColorlibError("this checkpoint's record holds no 'baselines' (mean colours of its training photos)")
        try:
            result = cls(torch.tensor(values["mean_color"]).float(), torch.tensor(values["luma_mean"]).float())
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ColorlibError(f"the record's baselines are damaged: {error!r}") from error
        if result.mean_color.shape != (2,) or result.luma_mean.shape != (LUMA_LEVELS, 2):
            raise ColorlibError(f"the record's baselines are damaged: need 2 and {LUMA_LEVELS} x 2 numbers")
        return result


BASELINES = ("gray", "mean_color", "luma_mean")
CONSTANT = "constant"  # forecasts the same for every pixel: how often the bins were in training


ImageMetric = Callable[[Tensor, Tensor, Path], float]  # of a prediction, the truth and the photo's path


@dataclass
class Evaluation:
    """What was measured on each photo, by contender: "model", the baselines, "truth" and any others.

    ``rows`` has one row of numbers per photo, ``tables`` the small tables whose mean over photos the remaining metrics
    are computed from. ``left_out`` says why a photo could not be read.
    """

    photos: list[Path] = field(default_factory=list)
    rows: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    tables: dict[str, list[dict[str, Tensor]]] = field(default_factory=dict)
    left_out: dict[Path, str] = field(default_factory=dict)

    def add(self, name: str, row: dict[str, float], tables: dict[str, Tensor]) -> None:
        """What a contender reached on one more photo."""
        self.rows.setdefault(name, []).append(row)
        self.tables.setdefault(name, []).append(tables)

    def summary(self) -> dict[str, dict[str, Interval]]:
        """Every metric with its interval, by contender."""
        return {
            name: {metric: bootstrap(self.column(name, metric)) for metric in rows[0]} | self._comparisons(name)
            for name, rows in self.rows.items()
        }

    def _comparisons(self, name: str) -> dict[str, Interval]:
        """What only all photos together have: the gap in colourfulness, the histograms' distance, calibration."""
        gap = bootstrap(self.column(name, "colorfulness") - self.column("truth", "colorfulness"))
        both = zip(self.tables[name], self.tables["truth"], strict=True)
        pairs = [torch.stack([t["bins"], u["bins"]]) for t, u in both]
        distance = jackknife(pairs, lambda mean: jensen_shannon(*mean), least=0)
        result = {"delta_colorfulness": _size_of(gap), "jensen_shannon": distance}
        for metric, table, statistic in (("ece", "right", calibration_error), ("aurc", "error", aurc)):
            if table in self.tables[name][0]:
                result[metric] = jackknife([tables[table] for tables in self.tables[name]], statistic, least=0)
        return result

    def column(self, name: str, metric: str) -> np.ndarray:
        """One metric of one contender, a number for each photo."""
        return np.array([row[metric] for row in self.rows[name]])


def measure(
    colorizer: Colorizer,
    paths: Sequence[Path],
    baselines: Baselines,
    temperature: float | None = None,
    size: int = 256,
    others: Mapping[str, Callable[[np.ndarray], np.ndarray]] | None = None,
    judges: Mapping[str, ImageMetric] | None = None,
) -> Evaluation:
    """Measure a model on photos, one at a time, beside what costs no network and beside any others.

    Args:
        size: photos are shrunk to at most so many pixels a side first; 256 is the paper's input size.
        others: further contenders by name: functions from a uint8 photo (H, W, 3) to its recoloured version.
        judges: further metrics by name, such as those of `colorlib.evaluation.perceptual`.

    Raises:
        ColorlibError: if none of the photos can be read.
    """
    result, bins = Evaluation(), colorizer.bins
    temperature = colorizer.temperature if temperature is None else temperature
    for path in tqdm(paths, desc="evaluating", unit="photo", leave=False, disable=None):
        rgb = decode_photo(path, size)
        if isinstance(rgb, str):
            result.left_out[path] = rgb
            continue
        truth = to_tensor(rgb).to(colorizer.device)
        score = partial(_score, truth=truth, weights=rarity(truth), path=path, judges=judges or {})
        result.photos.append(path)
        pictures = {"model": colorizer.colorize(rgb, temperature)} | {k: f(rgb) for k, f in (others or {}).items()}
        luma = luma_of(truth)
        colors = {name: baselines.chroma(name, luma) for name in BASELINES}
        colors[CONSTANT] = annealed_mean(constant_forecast(bins, luma), bins.colors, temperature)
        # All as pictures of 8 bits, as the model's are.
        pictures |= {name: to_uint8(merge_luma_chroma(luma, color)) for name, color in colors.items()}
        numbers, tables = _bin_scores(colorizer, baselines, rgb, temperature)
        for name, picture in {"truth": rgb, **pictures}.items():
            prediction = to_tensor(picture).to(truth)
            histogram = {"bins": bin_histogram(chroma_of(prediction), bins)}
            result.add(name, score(prediction) | numbers.get(name, {}), histogram | tables.get(name, {}))
    if not result.photos:
        raise ColorlibError(f"none of the photos could be read; the first: {next(iter(result.left_out.values()), '')}")
    return result


def to_json(scores: Mapping[str, Mapping[str, Interval]]) -> dict[str, dict[str, dict[str, float | None]]]:
    """The intervals of a summary as files keep them: ``{"model": {"psnr": {mean, low, high}, …}, …}``."""
    return {name: {metric: interval.to_json() for metric, interval in row.items()} for name, row in scores.items()}


def logits_and_target(colorizer: Colorizer, rgb: np.ndarray) -> tuple[Tensor, Tensor]:
    """A photo (H, W, 3) uint8 as the network sees it: its logits (n, h, w) and true bins (h, w), on its device.

    h and w are at most the network's ``input_size``.
    """
    truth = to_tensor(fit(rgb, colorizer.input_size)).to(colorizer.device)
    return colorizer.logits(luma_of(truth)), colorizer.bins.encode(chroma_of(truth))


def constant_forecast(bins: ColorBins, luma: Tensor) -> Tensor:
    """What a network that has not looked would say of a luma (H, W): logits (n, H, W), everywhere the bins' shares."""
    shares = bins.frequency.clamp(min=1e-6).to(luma)
    return shares.log()[:, None, None].expand(len(bins), *luma.shape)


def _bin_scores(
    colorizer: Colorizer, baselines: Baselines, rgb: np.ndarray, temperature: float
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, Tensor]]]:
    """What is measured of a photo in bins, on the input that the network sees: numbers and tables, by contender."""
    truth = to_tensor(fit(rgb, colorizer.input_size)).to(colorizer.device)
    luma, target = luma_of(truth), colorizer.bins.encode(chroma_of(truth))
    first = {name: colorizer.bins.encode(baselines.chroma(name, luma)) for name in BASELINES} | {"truth": target}
    forecasts = {CONSTANT: constant_forecast(colorizer.bins, luma)}
    if colorizer.is_regression:  # it has colours, but no scores of bins
        first["model"] = colorizer.bins.encode(colorizer.chroma(luma))
    else:
        forecasts["model"] = colorizer.logits(luma)
    first |= {name: logits.argmax(0) for name, logits in forecasts.items()}
    numbers = {
        name: {"bin_accuracy": float((index == target).double().mean()), "stain_area": stain_area(index)}
        for name, index in first.items()
    }
    del numbers["truth"]["bin_accuracy"]  # which says nothing
    tables = {}
    for name, logits in forecasts.items():
        numbers[name]["bin_accuracy_top5"] = bin_accuracy(logits, target, min(5, len(logits)))
        numbers[name]["nll"] = -float(logits.log_softmax(0).gather(0, target[None]).mean())
        error = ab_distance(merge_luma_chroma(luma, annealed_mean(logits, colorizer.bins.colors, temperature)), truth)
        tables[name] = {
            "right": reliability_table(top_score(logits), first[name] == target),
            "error": reliability_table(top_score(logits), error, FINE_LEVELS),
        }
    return numbers, tables


def _score(
    prediction: Tensor, truth: Tensor, weights: Tensor, path: Path, judges: Mapping[str, ImageMetric]
) -> dict[str, float]:
    return {
        "psnr": psnr(prediction, truth),
        "ab_error": float(ab_distance(prediction, truth).mean()),
        "auc": area_under_accuracy(prediction, truth),
        "auc_rebalanced": area_under_accuracy(prediction, truth, weights),
        "colorfulness": colorfulness(prediction),
        "colorfulness_absolute": colorfulness(prediction, "absolute"),
        **{name: judge(prediction, truth, path) for name, judge in judges.items()},
    }


def _size_of(gap: Interval) -> Interval:
    """The size of a signed difference; its interval starts at 0 where the difference may have either sign."""
    nearer, farther = sorted([abs(gap.low), abs(gap.high)])
    return Interval(abs(gap.mean), 0.0 if gap.low <= 0 <= gap.high else nearer, farther)


def _interval(kept: "Interval | dict[str, float | None]") -> Interval:
    """Of an interval, or of what a file keeps of it."""
    if isinstance(kept, Interval):
        return kept
    mean, low, high = (kept[name] for name in Interval._fields)
    return Interval(nan if mean is None else mean, -inf if low is None else low, inf if high is None else high)


def _luma_level(luma: Tensor) -> Tensor:
    return (luma * LUMA_LEVELS).long().clamp(0, LUMA_LEVELS - 1)


def format_metrics(scores: dict[str, Any], metrics: Iterable[str]) -> list[str]:
    """A table, line by line, of a summary, or of what a record keeps of one: metrics down, contenders across."""
    contenders = [name for name in CONTENDERS if name in scores]
    rows = [["", *(CONTENDERS[name] for name in contenders)]]
    for metric in metrics:
        cells = [scores[name].get(metric) for name in contenders]
        shown = ["–" if cell is None else f"{_interval(cell):.4g}" for cell in cells]
        rows.append([METRICS.get(metric, metric), *shown])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
