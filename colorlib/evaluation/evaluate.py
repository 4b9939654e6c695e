"""The numbers the paper says it lacks (§4.1): how right, how colourful, and how sure of both we are.

Every metric is computed per photo, and a summary is the mean over photos with a 95 % interval: one photo, one vote,
whatever its size. Images here are float RGB tensors (3, H, W) in [0, 1], on any device. Photos are measured one at
a time and only numbers are kept, so a hundred thousand need no more memory than ten.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from tqdm.auto import tqdm

from colorlib.bins import ColorBins
from colorlib.checkpoints import load_checkpoint, save_checkpoint
from colorlib.color import chroma_of, join, luma_of, rgb_to_lab
from colorlib.confidence import area_under_risk, calibration_error, table_by_confidence, top_score
from colorlib.datasets import bundled
from colorlib.errors import ColorlibError
from colorlib.losses import answer_with
from colorlib.photos import find_photos, fit, read_photo, to_tensor
from colorlib.prediction import Colorizer, annealed_mean, paint
from colorlib.training import TrainingConfig, load_photos

LUMA_LEVELS = 32
FINE_LEVELS = 100  # of confidence, where a curve is drawn


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


def ab_distance(prediction: Tensor, truth: Tensor) -> Tensor:
    """How wrong the colour of each pixel is, (H, W): the distance of two RGB images in the (a, b) plane of CIELAB.

    2 can just be seen; 10 is another shade, 50 another colour.
    """
    return (rgb_to_lab(prediction) - rgb_to_lab(truth))[1:].norm(dim=0)


def area_under_accuracy(prediction: Tensor, truth: Tensor, pixel_weights: Tensor | None = None) -> float:
    """Zhang et al.'s (2016, §3.1) AuC in percent: the share of pixels within t of the true (a, b), averaged over t.

    t runs over 0, 1 … 150 units of CIELAB (trapezoid rule). With ``pixel_weights`` (H, W), the inverse frequency of
    each pixel's true bin, this is their rebalanced AuC, which a gray picture cannot win.

    >>> area_under_accuracy(torch.full((3, 4, 4), 0.5), torch.full((3, 4, 4), 0.5))
    100.0
    """
    distance = ab_distance(prediction, truth).flatten()
    weight = torch.ones_like(distance) if pixel_weights is None else pixel_weights.flatten()
    first_threshold = distance.ceil().long().clamp(max=151)  # the first whole t that the pixel is within
    within = torch.zeros(152, dtype=torch.float64).index_add_(0, first_threshold.cpu(), weight.double().cpu())
    curve = within.cumsum(0)[:151] / weight.double().sum().cpu()
    return 100 * float(torch.trapezoid(curve)) / 150


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
    pair = np.stack([np.asarray(p, float), np.asarray(q, float)])
    pair = pair / pair.sum(axis=1, keepdims=True)
    ratio = np.divide(pair, pair.mean(axis=0), out=np.ones_like(pair), where=pair > 0)
    return float(np.sqrt(max(0.0, (pair * np.log2(ratio)).sum() / 2)))


# From photos to a claim: every number with an interval.


def bootstrap(values: Sequence[float], samples: int = 2000, seed: int = 0) -> dict[str, float]:
    """The mean of one number per photo, and the 95 % interval of that mean over photos drawn with replacement.

    >>> bootstrap([1.0, 1.0, 1.0])
    {'mean': 1.0, 'low': 1.0, 'high': 1.0}
    """
    data = np.asarray(values, float)
    if data.size == 0:
        raise ColorlibError("there is no photo to take a mean over")
    generator = np.random.default_rng(seed)
    # A hundred samples at a time: all picks at once would need gigabytes for a large set.
    sizes = [min(100, samples - done) for done in range(0, samples, 100)]
    means = [data[generator.integers(len(data), size=(size, len(data)))].mean(axis=1) for size in sizes]
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return {"mean": float(data.mean()), "low": float(low), "high": float(high)}


def jackknife(
    tables: "Sequence[Tensor] | np.ndarray", statistic: Callable[[np.ndarray], float], least: float = -np.inf
) -> dict[str, float]:
    """A statistic of the *mean* of one table per photo, such as a distance of histograms, and its 95 % interval.

    Such a statistic is biased: two histograms of a few photos differ more than those of many, and photos drawn with
    replacement are fewer still, so that a bootstrap interval may lie wholly above the truth. Leaving out one photo at a
    time (Quenouille, Tukey) measures bias and spread alike; ``mean`` is the statistic with its bias removed. ``least``
    is the smallest value that the statistic can have.

    >>> result = jackknife(np.array([[1.0], [2.0], [6.0]]), lambda mean: float(mean[0]))
    >>> result["mean"], round(result["high"], 2)  # a plain mean: Student's t interval
    (3.0, 9.57)
    """
    data = np.stack([np.asarray(table, float) for table in tables])
    n, total = len(data), data.sum(axis=0)
    value = statistic(total / n)
    if n == 1:
        return {"mean": value, "low": value, "high": value}
    without = np.array([statistic((total - one) / (n - 1)) for one in data])
    estimate = n * value - (n - 1) * without.mean()
    error = stats.t.ppf(0.975, n - 1) * np.sqrt((n - 1) * without.var())
    ends = {"mean": estimate, "low": estimate - error, "high": estimate + error}
    return {name: max(float(end), least) for name, end in ends.items()}


def answer(claim: dict[str, float], above: float = 0.0) -> str:
    """Whether a number is above a limit, as far as its interval tells: "yes", "no" or "not clear".

    >>> answer({"mean": 0.2, "low": -0.1, "high": 0.5}), answer({"mean": 0.2, "low": 0.1, "high": 0.3})
    ('not clear', 'yes')
    """
    return "yes" if claim["low"] > above else "no" if claim["high"] < above else "not clear"


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
            return luma.new_zeros(2, *luma.shape)
        if name == "mean_color":
            return self.mean_color.to(luma)[:, None, None].expand(2, *luma.shape)
        if name == "luma_mean":
            return self.luma_mean.to(luma)[_luma_level(luma)].movedim(-1, 0)
        raise ValueError(f"no baseline is called {name!r}; there are {', '.join(BASELINES)}")

    def to_dict(self) -> dict[str, Any]:
        return {"mean_color": self.mean_color.tolist(), "luma_mean": self.luma_mean.tolist()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Baselines":
        return cls(torch.tensor(values["mean_color"]), torch.tensor(values["luma_mean"]))


BASELINES = ("gray", "mean_color", "luma_mean")


Judge = Callable[[Tensor, Tensor, Path], float]  # of a prediction, the truth and the photo's path


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
        self.rows.setdefault(name, []).append(row)
        self.tables.setdefault(name, []).append(tables)

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Every metric with its interval, by contender."""
        return {name: summarize(self.rows[name]) | self._comparisons(name) for name in self.rows}

    def _comparisons(self, name: str) -> dict[str, dict[str, float]]:
        """What only all photos together have: the gap in colourfulness, the histograms' distance, calibration."""
        gap = bootstrap(self.column(name, "colourfulness") - self.column("truth", "colourfulness"))
        pairs = [torch.stack([t["bins"], u["bins"]]) for t, u in zip(self.tables[name], self.tables["truth"])]
        distance = jackknife(pairs, lambda mean: jensen_shannon(*mean), least=0)
        result = {"delta_colourfulness": _size_of(gap), "jensen_shannon": distance}
        for metric, table, statistic in (("ece", "right", calibration_error), ("aurc", "error", area_under_risk)):
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
    judges: Mapping[str, Judge] | None = None,
) -> Evaluation:
    """Measure a model on photos, one at a time, beside what costs no network and beside any others.

    Args:
        size: photos are shrunk to at most so many pixels a side first; 256 is the paper's frame.
        others: further contenders by name: functions from a uint8 photo (H, W, 3) to its recoloured version.
        judges: further metrics by name, such as those of `colorlib.judges`.

    Raises:
        ColorlibError: if none of the photos can be read.
    """
    result, bins = Evaluation(), colorizer.bins
    temperature = colorizer.temperature if temperature is None else temperature
    for path in tqdm(paths, desc="evaluating", unit="photo", leave=False, disable=None):
        try:
            rgb = fit(read_photo(path), size)
        except ColorlibError as error:
            result.left_out[path] = str(error)
            continue
        truth = to_tensor(rgb).to(colorizer.device)
        score = _scorer(truth, bins, path, judges or {})
        result.photos.append(path)
        result.add("truth", score(truth), {"bins": bin_histogram(chroma_of(truth), bins)})
        pictures = {"model": colorizer.colorize(rgb, temperature)} | {k: f(rgb) for k, f in (others or {}).items()}
        for name, picture in pictures.items():
            prediction = to_tensor(picture).to(truth)
            result.add(name, score(prediction), {"bins": bin_histogram(chroma_of(prediction), bins)})
        for name in BASELINES:
            prediction = join(luma_of(truth), baselines.colour(name, luma_of(truth)))
            result.add(name, score(prediction), {"bins": bin_histogram(chroma_of(prediction), bins)})
        _add_bin_scores(result, colorizer, baselines, rgb, temperature)
    if not result.photos:
        raise ColorlibError(f"none of the photos could be read; the first: {next(iter(result.left_out.values()), '')}")
    return result


def evaluate(
    colorizer: Colorizer, paths: Sequence[Path], baselines: Baselines, temperature: float | None = None, size: int = 256
) -> dict[str, dict[str, dict[str, float]]]:
    """All image metrics, by model and baseline: ``{"model": {"psnr": {mean, low, high}, …}, "gray": …}``.

    Photos are shrunk to at most ``size`` pixels a side first, the size of the paper's frame.

    Raises:
        ColorlibError: if a photo cannot be read; `measure` leaves such photos out and says so.
    """
    evaluation = measure(colorizer, paths, baselines, temperature, size)
    for problem in evaluation.left_out.values():
        raise ColorlibError(problem)
    return evaluation.summary()


def summarize(rows: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """One bootstrap summary for each metric of a table with a row per photo."""
    return {metric: bootstrap([row[metric] for row in rows]) for metric in rows[0]}


def model_scores(colorizer: Colorizer, rgb: np.ndarray) -> dict[str, float]:
    """What only a classifier has, on the frame it sees: bin accuracy, negative log-likelihood (nats) of true bins."""
    return _bin_scores(*logits_and_target(colorizer, rgb))


def logits_and_target(colorizer: Colorizer, rgb: np.ndarray) -> tuple[Tensor, Tensor]:
    """A photo (H, W, 3) uint8 as the network sees it: its logits (n, h, w) and true bins (h, w), on its device.

    h and w are at most the network's ``frame``.
    """
    truth = to_tensor(fit(rgb, colorizer.frame)).to(colorizer.device)
    return colorizer.logits(luma_of(truth)), colorizer.bins.encode(chroma_of(truth))


def _bin_scores(logits: Tensor, target: Tensor) -> dict[str, float]:
    log_likelihood = logits.log_softmax(0).gather(0, target[None]).mean()
    return {
        "bin_accuracy": bin_accuracy(logits, target),
        "bin_accuracy_top5": bin_accuracy(logits, target, min(5, len(logits))),
        "nll": -float(log_likelihood),
    }


def _add_bin_scores(
    result: Evaluation, colorizer: Colorizer, baselines: Baselines, rgb: np.ndarray, temperature: float
) -> None:
    """Complete a photo's rows and tables with what is measured in bins, on the frame that the network sees."""
    truth = to_tensor(fit(rgb, colorizer.frame)).to(colorizer.device)
    luma, target = luma_of(truth), colorizer.bins.encode(chroma_of(truth))
    colours = {name: baselines.colour(name, luma) for name in BASELINES}
    if colorizer.is_regression:  # it has colours, but no scores of bins
        colours["model"] = colorizer.chroma(luma)
    else:
        logits = colorizer.logits(luma)
        confidence = top_score(logits)
        error = ab_distance(join(luma, annealed_mean(logits, colorizer.bins.colors, temperature)), truth)
        result.rows["model"][-1].update(_bin_scores(logits, target))
        result.tables["model"][-1]["right"] = table_by_confidence(confidence, logits.argmax(0) == target)
        result.tables["model"][-1]["error"] = table_by_confidence(confidence, error, FINE_LEVELS)
    for name, colour in colours.items():
        result.rows[name][-1]["bin_accuracy"] = float((colorizer.bins.encode(colour) == target).double().mean())


FRAMES = (64, 80, 96, 112, 128, 160, 192)  # the sizes at which a network may look at a photo
TEMPERATURES = [round(0.1 + 0.05 * i, 2) for i in range(19)] + [1.25, 1.5, 1.75, 2.0, 2.5, 3.0]
MOST_TO_CHOOSE_ON = 120  # photos are enough to choose a frame and temperatures on


def best_frame(colorizer: Colorizer, paths: Sequence[Path], allowed_loss: float = 0.1) -> int:
    """The largest frame, of `FRAMES`, whose mean PSNR at temperature 1 is within ``allowed_loss`` dB of the best one's.

    A small frame lets the network see more of the scene at once, a large one more of its detail.
    """
    means = [_mean_psnr(colorizer, paths, frame, [1.0])[0] for frame in FRAMES]
    return max(frame for frame, mean in zip(FRAMES, means) if mean >= max(means) - allowed_loss)


def best_temperature(colorizer: Colorizer, paths: Sequence[Path], allowed_loss: float = 0.3) -> float:
    """The lowest, most vivid, temperature up to 1 whose mean PSNR is within ``allowed_loss`` dB of the best."""
    temperatures = [t for t in TEMPERATURES if t <= 1]
    means = _mean_psnr(colorizer, paths, colorizer.frame, temperatures)
    return next(t for t, mean in zip(temperatures, means) if mean >= max(means) - allowed_loss)


def faithful_temperature(colorizer: Colorizer, paths: Sequence[Path], allowed_loss: float = 0.1) -> float:
    """The highest, most careful, of `TEMPERATURES` whose mean PSNR is within ``allowed_loss`` dB of the best.

    PSNR changes little about its height; where it makes no difference on these photos, others are served by more care.
    """
    means = _mean_psnr(colorizer, paths, colorizer.frame, TEMPERATURES)
    return max(t for t, mean in zip(TEMPERATURES, means) if mean >= max(means) - allowed_loss)


def vivid_temperature(colorizer: Colorizer, paths: Sequence[Path]) -> float:
    """The temperature, of `TEMPERATURES`, whose mean colourfulness is closest to that of the photos themselves."""
    means = _means(colorizer, paths, colorizer.frame, TEMPERATURES, lambda picture, truth: colourfulness(picture))
    truth = np.mean([colourfulness(to_tensor(fit(read_photo(path), 256))) for path in paths])
    return TEMPERATURES[int(np.argmin(np.abs(means - truth)))]


def _mean_psnr(colorizer: Colorizer, paths: Sequence[Path], frame: int, temperatures: Sequence[float]) -> np.ndarray:
    return _means(colorizer, paths, frame, temperatures, psnr)


def _means(
    colorizer: Colorizer,
    paths: Sequence[Path],
    frame: int,
    temperatures: Sequence[float],
    score: Callable[[Tensor, Tensor], float],
) -> np.ndarray:
    """The mean score over photos of at most 256 pixels a side at each temperature; the network runs once a photo."""
    totals = np.zeros(len(temperatures))
    for path in tqdm(paths, desc=f"trying frames of {frame} pixels", leave=False):
        rgb = fit(read_photo(path), 256)
        luma = luma_of(to_tensor(fit(rgb, frame)))
        if colorizer.is_regression:  # the same colours at any temperature
            picture = to_tensor(paint(rgb, luma, colorizer.chroma(luma).cpu()))
            totals += score(picture, to_tensor(rgb))
            continue
        logits = colorizer.logits(luma)
        for i, temperature in enumerate(temperatures):
            chroma = annealed_mean(logits, colorizer.bins.colors, temperature).cpu()
            totals[i] += score(to_tensor(paint(rgb, luma, chroma)), to_tensor(rgb))
    return totals / len(paths)


def certify(path: Path, config: TrainingConfig) -> dict[str, Any]:
    """Complete a fresh checkpoint with what it needs to be used and trusted; returns the record it now holds.

    The baselines come from the photos of its training. Its frame and temperatures are chosen on the config's
    ``validation_photos``, or on the bundled training photos where there are none; its scores are those on the bundled
    validation photos, which none of these has seen. ``temperature`` is the one to use without a wish of one's own,
    ``temperatures`` has those for a wish: "faithful" and "vivid". Where the config has another λ for the answer than
    for the training, the network is made to answer with it first, and ``lam`` says so.
    """
    model, bins, record = load_checkpoint(path)
    if config.lam_answer >= 0:
        answer_with(config.lam_answer, model, bins, record.get("lam", config.lam))
        record |= {"lam": config.lam_answer}
    colorizer = Colorizer(model, bins, device=config.device, record=record)
    training, _, _ = load_photos(config)
    batches = ((batch.rgb.movedim(-1, 1).float() / 255, batch.mask()) for batch in training.batches(64))
    baselines = Baselines.measure(batches)
    held_out = [photo for folder in config.validation_photos for photo in find_photos(folder)]
    chosen_on = held_out or [photo.path for photo in bundled("train")]
    chosen_on = chosen_on[:: -(-len(chosen_on) // MOST_TO_CHOOSE_ON)]
    scored_on = [photo.path for photo in bundled("validation")]
    colorizer.frame = best_frame(colorizer, chosen_on)
    if not colorizer.is_regression:
        colorizer.temperature = best_temperature(colorizer, chosen_on)
        faithful, vivid = faithful_temperature(colorizer, chosen_on), vivid_temperature(colorizer, chosen_on)
        record |= {"temperatures": {"faithful": faithful, "vivid": vivid}}
    record |= {"frame": colorizer.frame, "temperature": colorizer.temperature, "baselines": baselines.to_dict()}
    record |= {"metrics": evaluate(colorizer, scored_on, baselines), "metrics_photos": len(scored_on)}
    save_checkpoint(path, model, bins, record)
    return record


def _scorer(truth: Tensor, bins: ColorBins, path: Path, judges: Mapping[str, Judge]) -> Callable[[Tensor], Any]:
    rarity = (1 / bins.frequency.clamp(min=1e-6)).float().to(truth.device)[bins.encode(chroma_of(truth))]

    def score(prediction: Tensor) -> dict[str, float]:
        return {
            "psnr": psnr(prediction, truth),
            "ab_error": float(ab_distance(prediction, truth).mean()),
            "auc": area_under_accuracy(prediction, truth),
            "auc_rebalanced": area_under_accuracy(prediction, truth, rarity),
            "colourfulness": colourfulness(prediction),
            "colourfulness_absolute": colourfulness(prediction, "absolute"),
            **{name: judge(prediction, truth, path) for name, judge in judges.items()},
        }

    return score


def _size_of(gap: dict[str, float]) -> dict[str, float]:
    """The size of a signed difference; its interval starts at 0 where the difference may have either sign."""
    ends = sorted([abs(gap["low"]), abs(gap["high"])])
    return {"mean": abs(gap["mean"]), "low": 0.0 if gap["low"] <= 0 <= gap["high"] else ends[0], "high": ends[1]}


def _luma_level(luma: Tensor) -> Tensor:
    return (luma * LUMA_LEVELS).long().clamp(0, LUMA_LEVELS - 1)
