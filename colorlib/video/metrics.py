"""How steady, how late and how colourful coloured film is: the numbers the paper's §4.3 lacks.

Films here are tensors with time first: RGB (t, 3, h, w) in [0, 1], chrominance (t, 2, h, w), luma (t, h, w).
"""

from collections.abc import Sequence
from itertools import pairwise
from math import exp, log, nan

import torch
import torch.nn.functional as F
from scipy.spatial import distance
from torch import Tensor

from colorlib.color.spaces import chroma_of, merge_luma_chroma
from colorlib.evaluation.intervals import Interval, photo_verdict
from colorlib.evaluation.metrics import colorfulness
from colorlib.prediction.colorizer import Colorizer
from colorlib.video.lookahead import Lookahead, steady_color
from colorlib.video.motion import warp
from colorlib.video.pipeline import METHODS
from colorlib.video.shots import Shot
from colorlib.video.smoothing import Smoother, smooth_colors


def color_distribution_consistency(rgb: Tensor) -> float:
    """CDC (Liu et al. 2021): how much the colour histograms change over 1, 2 and 4 frames; lower is steadier.

    The Jensen–Shannon divergence (nats) of the 256-level histograms of each channel, averaged over channels, frames and
    the three distances. Gray or frozen film scores well, so it is always shown beside the truth's own.

    >>> color_distribution_consistency(torch.rand(1, 3, 8, 8).expand(6, 3, 8, 8))
    0.0
    """
    if len(rgb) < 5:
        raise ValueError(f"frames 4 apart are compared: 5 or more are needed, got {len(rgb)}")
    levels = (rgb * 255).round().long().flatten(2)  # (t, 3, pixels)
    counts = torch.zeros(*levels.shape[:2], 256, dtype=torch.float64)
    histogram = counts.scatter_add_(2, levels, torch.ones_like(levels, dtype=torch.float64)) / levels.shape[2]
    # SciPy's is the distance, the root of the divergence.
    divergences = [distance.jensenshannon(histogram[d:], histogram[:-d], axis=-1) ** 2 for d in (1, 2, 4)]
    return float(sum(divergence.mean() for divergence in divergences) / 3)


def warp_error(film: Tensor, flow: Tensor, seen: Tensor) -> float:
    """Lai et al.'s (2018) warp error: the mean squared change of a film (t, c, h, w) along its motion.

    ``flow`` (t-1, 2, h, w) points back in time, ``seen`` (t-1, h, w) weighs pixels; both come from the gray film, never
    from its colours. On chrominance, because the luma is the same whatever the colouring.
    """
    errors = [
        float((seen_here * (now - warp(before, f)).square().sum(0)).sum() / seen_here.sum().clamp(min=1))
        for (before, now), f, seen_here in zip(pairwise(film), flow, seen, strict=True)
    ]
    return sum(errors) / len(errors)


def flicker(chroma: Tensor, still: Tensor) -> float:
    """How far the chrominance (t, 2, h, w) of still pixels jumps from one frame to the next, on average.

    ``still`` (t-1, h, w) is true where nothing moved, as `still_pixels` finds it. NaN where no pixel ever stood still.
    """
    jumps = (chroma[1:] - chroma[:-1]).norm(dim=1)
    return float(jumps[still].mean())


def still_pixels(shot: Shot) -> Tensor:
    """Where nothing moves in a shot, (t-1, h, w): the motion is under a tenth of a pixel and the luma stays."""
    blurred = F.avg_pool2d(shot.truth.mean(1), 3, stride=1, padding=1, count_include_pad=False)
    unchanged = (blurred[1:] - blurred[:-1]).abs() < 0.01
    return (shot.flow.norm(dim=1) < 0.1) & unchanged


def lag(smoothed: Tensor, alone: Tensor, change: int) -> int:
    """How many frames after a change the smoothed colour arrives: until nine tenths of the jump are done.

    ``smoothed`` and ``alone`` (t, 2, h, w) are the chrominance with smoothing and frame by frame; ``change`` is the
    first frame of the new scene. 0 is none; if it never arrives, the number of frames there are.
    """
    jump = (alone[change] - alone[change - 1]).norm(dim=0).mean()
    wrong = (smoothed[change:] - alone[change:]).norm(dim=1).mean((1, 2))
    arrived = (wrong <= 0.1 * jump).nonzero()
    return int(arrived[0]) if len(arrived) else len(wrong)


def predictions(colorizer: Colorizer, luma: Tensor) -> Tensor:
    """The probabilities (t, n, h, w) of each frame of a film's luma (t, h, w) by itself."""
    return torch.stack([colorizer.probabilities(frame).cpu() for frame in luma])


def smoothed_chroma(
    probabilities: Tensor, luma: Tensor, smoother: Smoother | Lookahead | None, colors: Tensor, temperature: float
) -> Tensor:
    """The chrominance (t, 2, h, w) of a scene after smoothing (None: frame by frame) and the annealed mean."""
    frames = zip(probabilities, luma, strict=True)
    if isinstance(smoother, Lookahead):
        steady = [average for p, y in frames for average in smoother.push(p, y)] + smoother.flush()
        return torch.stack([steady_color(average, colors, temperature) for average in steady])
    return torch.stack([smooth_colors(smoother, p, y, colors, temperature) for p, y in frames])


def score_shot(
    shot: Shot,
    colorizer: Colorizer,
    methods: Sequence[str] = tuple(METHODS),
    alpha: float = 0.2,
    window: float = 20,
    temperature: float | None = None,
) -> dict[str, dict[str, float]]:
    """All metrics of one shot, by method, with ``"truth"`` and ``"frame by frame"`` beside them."""
    temperature = colorizer.temperature if temperature is None else temperature
    probabilities = predictions(colorizer, shot.luma)
    films = {"truth": chroma_of(shot.truth)}
    for name in ("frame by frame", *methods):
        smoother = METHODS[name](alpha, window) if name in METHODS else None
        films[name] = smoothed_chroma(probabilities, shot.luma, smoother, colorizer.bins.colors, temperature)
    return {name: score(shot, chroma) for name, chroma in films.items()}


def score(shot: Shot, chroma: Tensor) -> dict[str, float]:
    """The metrics of one coloured film (t, 2, h, w); grain is left out of the luma, so that only colours are judged."""
    rgb = torch.stack([merge_luma_chroma(y, uv) for y, uv in zip(shot.luma, chroma, strict=True)])
    return {
        "flicker": flicker(chroma, still_pixels(shot)),
        "warp_error": warp_error(chroma, shot.flow, shot.seen),
        "cdc": color_distribution_consistency(rgb),
        "colorfulness": sum(colorfulness(frame) for frame in rgb) / len(rgb),
        "error": float((chroma - chroma_of(shot.truth)).norm(dim=1).mean()),
    }


def summarize_shots(rows: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, Interval]]:
    """The scores of several shots, by method and metric: mean and 95 % interval over the shots that have the metric.

    The interval is that of a verdict: Student's, for shots are few; of a metric that no shot has, it is no number.
    """
    table: dict[str, dict[str, Interval]] = {}
    for method in rows[0]:
        values = {metric: [row[method][metric] for row in rows] for metric in rows[0][method]}
        found = {metric: [value for value in column if value == value] for metric, column in values.items()}
        table[method] = {
            metric: photo_verdict(column or [nan], over="shots").difference for metric, column in found.items()
        }
    return table


def times_steadier(rows: Sequence[dict[str, dict[str, float]]], method: str, metric: str) -> Interval:
    """How many times smaller a metric is with a method than frame by frame.

    The geometric mean over the shots that have the metric, and its 95 % interval, that of a verdict on the logarithms.
    """
    pairs = [(row["frame by frame"][metric], row[method][metric]) for row in rows]
    ratios = [log(plain / steady) for plain, steady in pairs if plain > 0 and steady > 0]
    return Interval(*map(exp, photo_verdict(ratios, over="shots").difference))
