"""Figures with a memory: shown with an alternative text, kept as a file, recorded with their numbers.

A notebook calls `begin` once and `show` for each figure. The rest are the plots that several lessons share.
"""

import base64
import html
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import torch
from cycler import cycler
from filelock import FileLock
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from colorlib.bins import U_LIMIT, V_LIMIT, ColorBins
from colorlib.clips import encode_clip
from colorlib.color import chroma_of, join
from colorlib.errors import ColorlibError

# Okabe & Ito's colours: told apart with any kind of colour vision.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
STYLE = {
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "figure.constrained_layout.use": True,
    "figure.dpi": 150,
    "figure.figsize": (8, 4),
    "font.size": 10,
    "image.cmap": "viridis",
    "legend.frameon": False,
}
ENCODING: dict[str, dict[str, Any]] = {  # how each format is written
    "png": {"format": "PNG", "optimize": True},
    "jpeg": {"format": "JPEG", "quality": 82, "subsampling": 0, "optimize": True},  # colours at full size
    "webp": {"format": "WebP", "quality": 80, "method": 5},
    "lossless webp": {"format": "WebP", "lossless": True, "method": 4},
}
FEW_COLOURS = {"png", "lossless webp"}  # formats for plots


@dataclass
class Lesson:
    """Which notebook is drawing, and with which parameters."""

    notebook: str
    parameters: dict[str, Any]


_lesson: Lesson | None = None


def begin(notebook: str, **parameters: Any) -> None:
    """Start a notebook: one style for all of its figures, its name and parameters for the manifest.

    >>> begin("01_color_bins", n=32)
    """
    global _lesson
    matplotlib.style.use(STYLE)
    _lesson = Lesson(notebook, parameters)


def show(
    figure: "Figure | Image.Image | np.ndarray",
    name: str,
    alt: str,
    numbers: Any = None,
    photographs: bool = False,
    width: int | None = None,
) -> None:
    """Display a figure, write it to the figures folder and record it in the manifest there.

    Args:
        figure: a matplotlib Figure, a Pillow image, or a uint8 array (H, W, 3).
        name: names the file and the entry in the manifest, such as "fig01a_color_map".
        alt: what a reader who cannot see the picture should know: its kind, its axes, its message.
        numbers: the plotted numbers (lists, dicts, arrays, tensors), so that two runs can be compared by number.
        photographs: write a JPEG (quality 82), right for photographs, instead of a PNG, right for plots. The
            notebook itself holds a WebP, which is smaller: of a plot the same pixels, of photographs nearly so.
        width: how wide it is shown, in CSS pixels; by default a Figure at its size in inches, an image at its own.

    Raises:
        ColorlibError: without `begin`, or without an alternative text.
    """
    if _lesson is None:
        raise ColorlibError("call colorlib.figures.begin(notebook, …) before showing a figure")
    if not alt.strip():
        raise ColorlibError(f"the figure {name!r} needs an alternative text that says what it shows")
    if width is None and isinstance(figure, Figure):
        width = round(96 * float(figure.get_figwidth()))  # a CSS inch has 96 pixels
    data = encode_image(figure, "jpeg" if photographs else "png")
    file = f"{name}.{'jpg' if photographs else 'png'}"
    _write(file, data)
    entry = {"file": file, "alt": alt, "notebook": _lesson.notebook, "parameters": _lesson.parameters}
    _record(name, {**entry, "numbers": numbers})
    display(HTML(image_tag(encode_image(figure, "webp" if photographs else "lossless webp"), alt, width)))


def figures_folder() -> Path:
    """Where figures are written: the environment variable COLORLIB_FIGURES, or ``figures/`` beside the package."""
    return Path(os.environ.get("COLORLIB_FIGURES") or Path(__file__).parents[1] / "figures")


def encode_image(picture: "Figure | Image.Image | np.ndarray", format: str) -> bytes:
    """A picture as PNG, JPEG or WebP bytes, see ENCODING; the same picture always gives the same bytes.

    A Figure as PNG or lossless WebP has at most 256 colours: the difference cannot be seen in a plot, and the file is
    a third as large.
    """
    if isinstance(picture, Figure):
        canvas = FigureCanvasAgg(picture)
        canvas.draw()
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        if format in FEW_COLOURS:
            image = image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    else:
        image = (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).convert("RGB")
    data = io.BytesIO()
    image.save(data, **ENCODING[format])
    return data.getvalue()


def image_tag(data: bytes, alt: str, width: int | None = None) -> str:
    """HTML that carries a picture and its alternative text: unlike other outputs it keeps both in every export.

    >>> image_tag(b"", "a red square", 20)
    '<img alt="a red square" width="20" style="max-width:100%;height:auto" src="data:image/jpeg;base64,">'
    """
    kind = "png" if data.startswith(b"\x89PNG") else "webp" if data.startswith(b"RIFF") else "jpeg"
    size = f' width="{width}"' if width else ""
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return f'<img alt="{html.escape(alt)}"{size} style="max-width:100%;height:auto" src="{source}">'


def _write(file: str, data: bytes) -> None:
    """Write into the figures folder, whole or not at all."""
    folder = figures_folder()
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{file}.{os.getpid()}.partial"
    partial.write_bytes(data)
    partial.replace(folder / file)


def _record(name: str, entry: dict[str, Any]) -> None:
    """Put an entry into manifest.json; the lock is for notebooks that run at the same time."""
    path = figures_folder() / "manifest.json"
    with FileLock(path.with_name(".manifest.partial.lock")):
        manifest = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        manifest[name] = _plain(entry)
        text = json.dumps(dict(sorted(manifest.items())), indent=1, ensure_ascii=False)
        _write(path.name, (text + "\n").encode())


def _plain(value: Any) -> Any:
    """Arrays, tensors and numbers as JSON has them, floats with six digits: beyond those, machines differ."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic, torch.Tensor)):
        return _plain(value.tolist())
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else str(value)
    return value


def wall(
    rows: Sequence[Sequence[np.ndarray]],
    column_titles: Sequence[str] | None = None,
    row_titles: Sequence[str] | None = None,
    size: float = 2.4,
) -> Figure:
    """A grid of pictures, uint8 (H, W, 3) of any proportions, without axes. ``size`` is a picture's width in inches.

    Rows may have different lengths; each is as high as its highest picture, and pictures hang from its upper edge, so
    that titles stand in line. A title may have several lines.

    >>> figure = wall([[np.zeros((30, 40, 3), np.uint8)] * 2], column_titles=["before", "after"])
    >>> [axes.get_title() for axes in figure.axes]
    ['before', 'after']
    """
    gap = 0.06
    title = 0.09 + 0.17 * max(text.count("\n") + 1 for text in column_titles) if column_titles else 0.0
    margin = 0.1 + 0.085 * max(len(line) for text in row_titles for line in text.split("\n")) if row_titles else 0.0
    columns = max(map(len, rows))
    heights = [size * max(picture.shape[0] / picture.shape[1] for picture in row) for row in rows]
    total_width = margin + columns * (size + gap) - gap
    total_height = title + sum(heights) + gap * (len(rows) - 1)
    figure = Figure(figsize=(total_width, total_height), dpi=130)
    figure.set_layout_engine("none")
    top = total_height - title
    for r, (row, height, row_title) in enumerate(zip(rows, heights, row_titles or [""] * len(rows), strict=True)):
        top -= height
        for c, picture in enumerate(row):
            left = margin + c * (size + gap)
            axes = figure.add_axes((left / total_width, top / total_height, size / total_width, height / total_height))
            axes.imshow(picture, interpolation="lanczos")
            axes.set_axis_off()
            axes.set_anchor("N")
            if column_titles and r == 0:
                axes.set_title(column_titles[c], fontsize=10, loc="center", pad=4)
        middle = (top + height / 2) / total_height
        figure.text((margin - 0.08) / total_width, middle, row_title, ha="right", va="center", fontsize=10)
        top -= gap
    return figure


def bin_colors(bins: ColorBins, luma: float = 0.6) -> np.ndarray:
    """The bins as RGB in [0, 1], shape (n, 3), all at one luma; very vivid ones are toned down to be displayable."""
    chroma = bins.colors.T.float()[:, None, :]
    return join(torch.full((1, len(bins)), luma), chroma)[:, 0].T.numpy()


def gamut() -> np.ndarray:
    """The corners (6, 2) of the hexagon that all RGB colours fill in the UV plane, in order around it."""
    red_to_magenta = [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]]
    return chroma_of(torch.tensor(red_to_magenta).double().T[:, :, None])[..., 0].T.numpy()


def bin_patches(bins: ColorBins) -> list[np.ndarray]:
    """The outline (k, 2) of each bin in the UV plane: its cell of the grid, or the colours nearest to its centre."""
    if bins.cells is not None and bins.grid is not None:
        step = np.array([2 * U_LIMIT, 2 * V_LIMIT]) / bins.grid
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
        return [(cell + corners) * step - [U_LIMIT, V_LIMIT] for cell in bins.cells.numpy()]
    centres = bins.colors.numpy()
    return [_nearest_region(centre, np.delete(centres, i, axis=0)) for i, centre in enumerate(centres)]


def _nearest_region(centre: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The part of the gamut that is closer to the centre than to the others: cut along one bisector at a time."""
    polygon = gamut()
    for other in others:
        direction = other - centre
        depth = polygon @ direction - direction @ (centre + other) / 2  # above 0: closer to the other
        corners = []
        for i in range(len(polygon)):
            j = (i + 1) % len(polygon)
            if depth[i] <= 0:
                corners.append(polygon[i])
            if (depth[i] <= 0) != (depth[j] <= 0):  # the edge crosses the bisector
                corners.append(polygon[i] + (polygon[j] - polygon[i]) * depth[i] / (depth[i] - depth[j]))
        polygon = np.array(corners).reshape(-1, 2)
    return polygon


def plot_uv_map(
    ax: Axes,
    bins: ColorBins,
    values: "Sequence[float] | np.ndarray | torch.Tensor | None" = None,
    log: bool = False,
    label: str = "",
    limits: tuple[float, float] | None = None,
    bar: bool = True,
) -> None:
    """Draw the bins as patches of the UV plane: in their own colours, or by ``values`` (n,) with a colour bar.

    ``limits`` fixes the ends of the colour scale, so that two maps can be compared and share one ``bar``.
    """
    ax.fill(*gamut().T, facecolor="none", edgecolor="0.6", linewidth=0.8, linestyle=(0, (4, 3)))
    if values is None:
        patches = PolyCollection(bin_patches(bins), facecolors=bin_colors(bins), edgecolors="white", linewidths=0.6)
    else:
        low, high = limits or (float(min(values)), float(max(values)))
        norm = LogNorm(low, high) if log else Normalize(low, high)
        patches = PolyCollection(bin_patches(bins), cmap="viridis", norm=norm, edgecolors="white", linewidths=0.6)
        patches.set_array(np.asarray(values, float))
        if bar:
            ax.figure.colorbar(patches, ax=ax, label=label, shrink=0.85)
    ax.add_collection(patches)
    ax.set(xlim=(-0.46, 0.46), ylim=(-0.66, 0.66), aspect="equal")
    ax.set(xlabel="U  (yellow – blue)", ylabel="V  (green – red)")


def bar_of_bins(ax: Axes, bins: ColorBins, values: "Sequence[float] | np.ndarray | torch.Tensor") -> None:
    """One bar for each bin, in the bin's own colour; thin outlines keep pale ones visible."""
    ax.bar(np.arange(len(bins)), np.asarray(values, float), color=bin_colors(bins), edgecolor="0.35", linewidth=0.5)
    ax.set(xlabel="bin", xlim=(-0.7, len(bins) - 0.3))


def plot_reliability(ax: Axes, table: "np.ndarray | torch.Tensor") -> None:
    """A reliability diagram of a table (levels, 3) from `colorlib.confidence`: accuracy against confidence.

    One dot per level of confidence, its area in proportion to the share of pixels; on the diagonal both agree.
    """
    share, confidence, right = np.asarray(table, float)[np.asarray(table)[:, 0] > 1e-4].T
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle=(0, (4, 3)))
    ax.plot(confidence / share, right / share, color=PALETTE[0], linewidth=1)
    ax.scatter(
        confidence / share, right / share, s=12 + 600 * share, color=PALETTE[0], alpha=0.6, linewidth=0, clip_on=False
    )
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="confidence", xticks=[0, 0.5, 1])


def order_by_hue(bins: ColorBins) -> np.ndarray:
    """The order (n,) that sorts bins by colour: the most neutral one first, then around the colour circle from red."""
    u, v = bins.colors.numpy().T
    angle = np.arctan2(u, v) % (2 * np.pi)
    angle[np.hypot(u, v).argmin()] = -1
    return angle.argsort(kind="stable")


def pair_of_bars(ax: Axes, bins: ColorBins, first: Sequence[float], second: Sequence[float]) -> None:
    """Two bars for each bin, in the bin's own colour: the first filled, the second hatched."""
    places, colors = np.arange(len(bins)), bin_colors(bins)
    for shift, values, hatch in ((-0.21, first, ""), (0.21, second, "////")):
        ax.bar(places + shift, values, width=0.42, color=colors, edgecolor="0.25", linewidth=0.5, hatch=hatch)
    ax.set(xlabel="bin", xlim=(-0.7, len(bins) - 0.3))


def show_clip(
    frames: np.ndarray, name: str, alt: str, rate: int = 12, numbers: Any = None, width: int | None = None
) -> None:
    """Display a short film, uint8 (t, H, W, 3), that plays where it stands; write and record it as `show` does.

    ``width`` is how wide it is shown, in CSS pixels. The film is H.264, which every browser plays; exports that drop
    films keep the alternative text.
    """
    if _lesson is None:
        raise ColorlibError("call colorlib.figures.begin(notebook, …) before showing a clip")
    if not alt.strip():
        raise ColorlibError(f"the clip {name!r} needs an alternative text that says what it shows")
    data = encode_clip(frames, rate)
    _write(f"{name}.mp4", data)
    entry = {"file": f"{name}.mp4", "alt": alt, "notebook": _lesson.notebook, "parameters": _lesson.parameters}
    _record(name, {**entry, "numbers": numbers})
    source = f"data:video/mp4;base64,{base64.b64encode(data).decode()}"
    label = html.escape(alt)
    look = f'controls loop muted playsinline width="{width or frames.shape[2]}" style="max-width:100%;height:auto"'
    display(HTML(f'<video {look} aria-label="{label}" src="{source}">{label}</video>'))


def time_slice(film: np.ndarray, row: int, height: int = 4) -> np.ndarray:
    """One row of a film, uint8 (t, H, W, 3), through time: uint8 (t * height, W, 3), the first frame on top.

    What stands still becomes vertical lines; flicker becomes horizontal ones.

    >>> time_slice(np.zeros((5, 9, 7, 3), np.uint8), row=3).shape
    (20, 7, 3)
    """
    return film[:, row].repeat(height, axis=0)


def plot_network(ax: Axes, layers: Sequence[Any], side: int) -> None:
    """Draw a network as a row of slabs, one for each layer: as high as its picture, as wide as its channels are many.

    Args:
        layers: in the order in which they run, each with ``cell``, ``kind`` (the name of its class), ``channels_in``,
            ``channels`` and ``side`` of its output, as notebook 04 collects them. A cell that takes in more channels
            than the one before gives is joined by a line to the earlier cell whose picture fits.
        side: of the network's input, in pixels.
    """
    looks = {
        "Conv2d": ("convolution", PALETTE[5]),
        "MaxPool2d": ("max pooling", PALETTE[1]),
        "ConvTranspose2d": ("transposed convolution", PALETTE[2]),
        "BatchNorm2d": ("batch norm", "0.75"),
    }

    def slab(left: float, channels: int, pixels: int, **look: Any) -> float:
        """One slab; returns where it ends."""
        width, height = 0.05 + channels / 250, pixels / side
        ax.add_patch(Rectangle((left, -height / 2), width, height, edgecolor="0.3", linewidth=0.6, **look))
        return left + width

    def text(where: float, height: float, words: str, **look: Any) -> None:
        ax.text(where, height, words, ha="center", va="bottom" if height > 0 else "top", **look)

    x = slab(0.0, 1, side, facecolor="white")
    text(x / 2, -0.55, f"luma\n1 × {side}²", fontsize=8)
    ends: dict[tuple[int, int], float] = {}  # (channels, side) that a cell gives, and where it stands
    for before, layer, after in zip([None, *layers], layers, [*layers[1:], None]):
        if before is None or layer.cell != before.cell:
            x += 0.3
            start, shape = x, (layer.channels_in - (before.channels if before else 1), before.side if before else side)
            if shape in ends:
                x = slab(x, *shape, facecolor="white", linestyle="--")
                top = shape[1] / side / 2
                path = [ends[shape], ends[shape], (start + x) / 2, (start + x) / 2]
                ax.plot(path, [top + 0.06, top + 0.13, top + 0.13, top + 0.06], color="0.3", linewidth=1)
                ax.plot(path[-1], top + 0.05, marker="v", color="0.3", markersize=5)
        kind, color = looks[layer.kind]
        left, x = x, slab(x, layer.channels, layer.side, facecolor=color, label=kind)
        if layer.kind != "BatchNorm2d":
            text((left + x) / 2, layer.side / side / 2, str(layer.channels), fontsize=7)
        if after is None or layer.cell != after.cell:
            text((start + x) / 2, -0.55, f"{layer.cell}\n{layer.channels} × {layer.side}²", fontsize=8)
            ends.setdefault((layer.channels, layer.side), (left + x) / 2)
    handles = dict(zip(*reversed(ax.get_legend_handles_labels())))
    ax.legend(handles.values(), handles.keys(), loc="upper center", ncols=len(handles), bbox_to_anchor=(0.5, 1.02))
    ax.set(xlim=(-0.1, x + 0.1), ylim=(-0.69, 0.68))
    ax.set_axis_off()


def plot_intervals(ax: Axes, summaries: dict[str, dict[str, float]], label: str = "") -> None:
    """A dot with its 95 % interval for each name, top to bottom, from summaries with mean, low and high."""
    for place, summary in enumerate(summaries.values()):
        ax.plot([summary["low"], summary["high"]], [place, place], color=PALETTE[0], linewidth=1.5)
        ax.plot(summary["mean"], place, "o", color=PALETTE[0], markersize=5)
    ax.set_yticks(range(len(summaries)), list(summaries))
    ax.invert_yaxis()
    ax.grid(axis="x", alpha=0.3)
    ax.set_xlabel(label)


def differences(before: Path, after: Path, tolerance: float = 0.02) -> list[str]:
    """Which figures' numbers changed between two manifests, by more than ``tolerance`` of the largest beside them.

    The unit is the list that a number stands in, so that a bar of nearly nothing may change freely beside a tall one.
    Only figures in both manifests are compared. `make figures` and ``git diff --stat figures/`` show which pictures
    changed; this says which changed what they say.
    """
    old, new = (json.loads(Path(path).read_text(encoding="utf-8")) for path in (before, after))
    return [name for name in old if name in new and _differ(old[name]["numbers"], new[name]["numbers"], tolerance)]


def _differ(old: Any, new: Any, tolerance: float) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() != new.keys() or any(_differ(old[key], new[key], tolerance) for key in old)
    if isinstance(old, list) and isinstance(new, list) and any(isinstance(part, list | dict) for part in old):
        return len(old) != len(new) or any(_differ(*pair, tolerance) for pair in zip(old, new, strict=True))
    numbers = [np.ravel(np.asarray(value)) for value in (old, new)]
    if numbers[0].shape != numbers[1].shape or any(part.dtype.kind not in "if" for part in numbers):
        return bool(old != new)
    scale = np.abs(numbers[0]).max(initial=0)
    return bool((np.abs(numbers[0] - numbers[1]) > tolerance * scale + 1e-9).any())
