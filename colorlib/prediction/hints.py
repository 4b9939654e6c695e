"""Hints: a person says what colour a place has, and it spreads; nothing is trained again (beyond the paper, after §5).

A classifier does not only paint, it also knows what else a place could be: its distribution over bins is a `palette` to
choose from. What is chosen spreads as a *correction*: the difference between the hint and the network's own colour is
given at the place of the hint, zero is given weakly everywhere else, and `propagate` finds the rest. Close by, on the
same area, the hint's colour appears; far away, or across an edge, the network's colours change less.

Hints are kept in a JSON file, which people can write, too:

    {"format": "colorlib-hints-1",
     "hints": [{"x": 0.25, "y": 0.1, "color": "#5b8fd0"},
               {"x": 0.8, "y": 0.9, "chroma": [-0.05, 0.02]}]}

``x`` and ``y`` are the place, as shares 0 … 1 of the picture's width from the left and of its height from the top, so
that they hold for the picture at any size. Either ``color`` says the colour as in HTML, of which the chrominance
counts (the luma is the photo's own), or ``chroma`` is that chrominance itself, (U, V).
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colorlib.color.bins import ColorBins
from colorlib.color.spaces import U_LIMIT, V_LIMIT, chroma_of, luma_of, merge_luma_chroma
from colorlib.data.photos import as_rgb, fit, to_tensor
from colorlib.errors import ColorlibError
from colorlib.files import write_text
from colorlib.prediction.annealing import annealed_probabilities
from colorlib.prediction.colorizer import Colorizer
from colorlib.prediction.propagation import SOLVED_AT, enlarge, propagate, refined_chroma
from colorlib.prediction.reference import Palette
from colorlib.prediction.upsampling import upsample_and_merge

FORMAT = "colorlib-hints-1"
FIRMNESS = 100.0  # of a hint: large, so that its place gets its colour
# Of a hint on even ground, as a share of the picture's longer side; the best of 0.06 to 2 on training photos.
REACH = 2.0


@dataclass(frozen=True)
class Hint:
    """A colour at a place: ``x`` and ``y`` in [0, 1] from the left and the top, ``chroma`` the chrominance (U, V).

    >>> Hint(0.5, 0.5, (0.1, 0.0)).x
    0.5

    Raises:
        ColorlibError: if the place is outside the picture, or no photo can have that chrominance.
    """

    x: float
    y: float
    chroma: tuple[float, float]

    def __post_init__(self) -> None:
        if not (0 <= self.x <= 1 and 0 <= self.y <= 1):
            raise ColorlibError(
                f"a hint at ({self.x:g}, {self.y:g}) is outside the picture: x and y go from 0 (left, top) "
                "to 1 (right, bottom)"
            )
        if not (abs(self.chroma[0]) <= U_LIMIT and abs(self.chroma[1]) <= V_LIMIT):
            u, v = self.chroma
            raise ColorlibError(
                f"a hint's chroma ({u:g}, {v:g}) is no colour: U is at most {U_LIMIT} and V {V_LIMIT}, either sign"
            )

    def pixel(self, height: int, width: int) -> tuple[int, int]:
        """Row and column of the place in a picture of that size."""
        return min(int(self.y * height), height - 1), min(int(self.x * width), width - 1)


def chroma_of_html(color: str) -> tuple[float, float]:
    """The chrominance (U, V) of a colour written as in HTML.

    >>> chroma_of_html("#808080")
    (0.0, 0.0)
    """
    if not isinstance(color, str) or not re.fullmatch(r"#[0-9a-fA-F]{6}", color):
        raise ColorlibError(f"{color!r} is no colour: write it as in HTML, such as '#5b8fd0'")
    rgb = torch.tensor([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    u, v = chroma_of(rgb[:, None, None]).flatten().tolist()
    return u, v


def html_of(chroma: Sequence[float], luma: float = 0.6) -> str:
    """A chrominance (U, V) as a colour of that luma, written as in HTML; paler where that luma cannot show it.

    >>> html_of((0.0, 0.0), 0.5)
    '#808080'
    """
    rgb = merge_luma_chroma(torch.full((1, 1), float(luma)), torch.tensor(chroma, dtype=torch.float32)[:, None, None])
    return "#" + "".join(f"{round(255 * value):02x}" for value in rgb.flatten().tolist())


# What could it be?


@dataclass(frozen=True)
class Swatch:
    """One colour of a palette: its chrominance (U, V), and the probability that the network gives it."""

    chroma: tuple[float, float]
    probability: float


def palette(
    logits: Tensor, bins: ColorBins, x: float, y: float, count: int = 6, temperature: float = 1.0
) -> list[Swatch]:
    """The likeliest colours at a place, likeliest first: bins by the network's own probability there.

    ``logits`` (n, H, W) are the network's; ``x`` and ``y`` as in a `Hint`. ``temperature`` is the one that makes the
    probabilities honest (notebook 07b); it does not change the order.
    """
    row, column = Hint(x, y, (0.0, 0.0)).pixel(*logits.shape[1:])
    here = logits[:, row : row + 1, column : column + 1]
    index = here.flatten().argsort(descending=True, stable=True)[:count]
    probability = annealed_probabilities(here, temperature).flatten()[index].tolist()
    colors = bins.colors[index.cpu()].tolist()
    return [Swatch((u, v), p) for (u, v), p in zip(colors, probability, strict=True)]


# The hint spreads.


def apply_hints(luma: Tensor, chroma: Tensor, hints: Sequence[Hint], reach: float = REACH) -> Tensor:
    """The network's chrominance (2, H, W) on a luma (H, W), corrected by hints.

    ``reach`` is how far a hint goes on even ground, as a share of the longer side; edges stop it sooner. Hints at the
    same pixel count with their mean. Without hints nothing changes.

    >>> luma, chroma = torch.full((4, 4), 0.5), torch.zeros(2, 4, 4)
    >>> apply_hints(luma, chroma, [Hint(0.1, 0.1, (0.2, 0.0))])[0, 0, 0].round(decimals=2).item()
    0.20000000298023224
    """
    if not hints:
        return chroma
    correction, count = torch.zeros_like(chroma), torch.zeros_like(luma)
    for hint in hints:
        row, column = hint.pixel(*luma.shape)
        correction[:, row, column] += torch.tensor(hint.chroma).to(chroma) - chroma[:, row, column]
        count[row, column] += 1
    correction = correction / count.clamp(min=1)
    # On even ground a correction that is held to zero with the weight d fades over 1 / √d pixels.
    doubt = (reach * max(luma.shape)) ** -2
    return chroma + propagate(luma, correction, FIRMNESS * count + doubt)


class GuidedColorizer(Colorizer):
    """A colorizer that is guided, in every photo alike, by whichever of these it is given.

    It follows ``hints``; it spreads its surest colours first if ``refined``; and its probabilities, with all that is
    made of them, lean towards the palette of a ``reference`` photo.

    >>> import colorlib
    >>> blue = GuidedColorizer(colorlib.load(), [Hint(0.5, 0.1, chroma_of_html("#3060c0"))])
    >>> blue.colorize(np.full((40, 60), 128, np.uint8))[4, 30].argmax()
    np.int64(2)

    Raises:
        ColorlibError: if there is a reference, and the network is a regression's, which has no probabilities.
    """

    def __init__(
        self,
        colorizer: Colorizer,
        hints: Sequence[Hint] = (),
        refined: bool = False,
        reference: Palette | None = None,
    ):
        self.__dict__.update(colorizer.__dict__)
        self.hints, self.refined, self.reference = list(hints), refined, reference
        if reference and self.is_regression:
            raise ColorlibError(
                "a palette weighs the bins of a classifier, and this network was trained by L2 regression: it has none"
            )

    def logits(self, luma: "np.ndarray | Tensor") -> Tensor:
        """The network's scores as `Colorizer.logits` gives them, shifted towards the reference's palette."""
        logits = super().logits(luma)
        return self.reference.shift(logits) if self.reference else logits

    def colorize(self, image: Any, temperature: float | None = None) -> np.ndarray:
        """Colour an image like `Colorizer.colorize`: uint8 (H, W, 3), at its own size, with its own luma."""
        rgb = as_rgb(image)
        if not self.hints and not self.refined:
            return super().colorize(rgb, temperature)
        luma, chroma = refined_chroma(self, rgb, temperature) if self.refined else self._enlarged(rgb, temperature)
        return upsample_and_merge(rgb, luma, apply_hints(luma, chroma, self.hints))

    def _enlarged(self, rgb: np.ndarray, temperature: float | None) -> tuple[Tensor, Tensor]:
        luma = luma_of(to_tensor(fit(rgb, SOLVED_AT)))
        return luma, enlarge(self.chroma(self.input_luma(rgb), temperature).cpu(), luma.shape)


# Kept in a file.


def format_hints(hints: Sequence[Hint]) -> str:
    """Hints as the text of such a file; `parse_hints` gives the same ones back."""
    entries = [
        {"x": float(hint.x), "y": float(hint.y), "chroma": [float(value) for value in hint.chroma]} for hint in hints
    ]
    lines = ",\n  ".join(json.dumps(entry) for entry in entries)
    return f'{{"format": "{FORMAT}",\n "hints": [{lines}]}}'


def write_hints(path: str | Path, hints: Sequence[Hint]) -> None:
    """Write hints to a JSON file, whole or not at all; `read_hints` gives the same ones back."""
    write_text(path, format_hints(hints))


def read_hints(path: str | Path) -> list[Hint]:
    """The hints in a JSON file.

    Raises:
        ColorlibError: naming the file and the hint, if it is not such a file or one of its hints is wrong.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")  # Windows marks its text files so
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ColorlibError(f"the hints {path} cannot be read: {reason}") from error
    try:
        return parse_hints(text)
    except ColorlibError as error:
        raise ColorlibError(f"{path}: {error}") from error


def parse_hints(text: str) -> list[Hint]:
    """The hints in the text of such a file; see `read_hints`."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:  # also of numbers with thousands of digits
        raise ColorlibError(f"not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or not isinstance(content.get("hints"), list):
        raise ColorlibError(f'not hints: expected {{"format": "{FORMAT}", "hints": [...]}}')
    hints = []
    for number, entry in enumerate(content["hints"], 1):
        try:
            hints.append(_parse_hint(entry))
        except ColorlibError as error:
            raise ColorlibError(f"hint {number}: {error}") from error
    return hints


def _parse_hint(entry: Any) -> Hint:
    if not isinstance(entry, dict) or set(entry) not in ({"x", "y", "color"}, {"x", "y", "chroma"}):
        raise ColorlibError('expected {"x": ..., "y": ...} and either "color" or "chroma"')
    if "color" in entry:
        return Hint(_number(entry["x"]), _number(entry["y"]), chroma_of_html(entry["color"]))
    if not isinstance(entry["chroma"], list) or len(entry["chroma"]) != 2:
        raise ColorlibError('"chroma" must be a list of two numbers, U and V')
    x, y, u, v = map(_number, (entry["x"], entry["y"], *entry["chroma"]))
    return Hint(x, y, (u, v))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ColorlibError(f"expected a number, got {value!r}")
    try:
        return float(value)
    except OverflowError as error:
        raise ColorlibError("expected a number, got one beyond all bounds") from error
