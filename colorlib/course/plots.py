"""The plots that several lessons share. Each draws into the axes it is given, or returns a Figure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps, font_manager
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image, ImageDraw, ImageFont

from colorlib.color.bins import ColorBins
from colorlib.color.spaces import U_LIMIT, V_LIMIT, chroma_of, merge_luma_chroma
from colorlib.course.figures import PALETTE
from colorlib.evaluation.intervals import Interval


def image_grid(
    rows: Sequence[Sequence[np.ndarray]],
    column_titles: Sequence[str] | None = None,
    row_titles: Sequence[str] | None = None,
    size: float = 2.4,
) -> Figure:
    """A grid of pictures, uint8 (H, W, 3) of any proportions, without axes. ``size`` is a picture's width in inches.

    Rows may have different lengths; each is as high as its highest picture, and pictures hang from its upper edge, so
    that titles stand in line. A title may have several lines.

    >>> figure = image_grid([[np.zeros((30, 40, 3), np.uint8)] * 2], column_titles=["before", "after"])
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
    return merge_luma_chroma(torch.full((1, len(bins)), luma), chroma)[:, 0].T.numpy()


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
    """A reliability diagram of a table (levels, 3) from `colorlib.evaluation.confidence`: accuracy against confidence.

    One dot per level of confidence, its area in proportion to the share of pixels; on the diagonal both agree.
    """
    share, confidence, right = np.asarray(table, float)[np.asarray(table)[:, 0] > 1e-4].T
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle=(0, (4, 3)))
    ax.plot(confidence / share, right / share, color=PALETTE[0], linewidth=1)
    ax.scatter(
        confidence / share, right / share, s=12 + 600 * share, color=PALETTE[0], alpha=0.6, linewidth=0, clip_on=False
    )
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="confidence", xticks=[0, 0.5, 1])


def weight_card(bins: ColorBins, lam: float) -> Image.Image:
    """The rebalancing weights for one λ at a glance, as a picture of 720 x 300 pixels, fast enough for a slider.

    On the left the bins in the UV plane by their weight (dark is 0.1, bright is 100), on the right what each can claim
    of the pixels and of the loss, in the bins' colours, and the range of the weights (paper §2.1, Figure 1d).

    >>> bins = ColorBins(torch.tensor([[0.0, 0.0], [0.2, 0.1]]).double(), torch.tensor([0.9, 0.1]).double(), "kmeans")
    >>> weight_card(bins, 0.5).size
    (720, 300)
    """
    weight = bins.weights(lam).double()
    canvas = Image.new("RGB", (720, 300), "white")
    pen, font = ImageDraw.Draw(canvas), ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 13)
    paint = colormaps["viridis"](LogNorm(0.1, 100, clip=True)(weight.numpy()), bytes=True)
    for patch, color in zip(bin_patches(bins), paint, strict=True):
        corners = (patch * (1, -1) + (0.45, 0.65)) * 228  # from the UV plane, 0.9 x 1.3, to pixels; V points upwards
        pen.polygon([(x, y) for x, y in corners.tolist()], fill=tuple(color.tolist()), outline="white")
    swatches = (bin_colors(bins) * 255).round().astype(int).tolist()
    shares = {"share of the pixels": bins.frequency, "share of the loss": bins.frequency * weight}
    for top, (label, share) in zip((40, 120), shares.items(), strict=True):
        pen.text((230, top - 20), label, "black", font)
        ends = (230 + 480 * share.cumsum(0)).tolist()
        for left, right, color in zip([230.0, *ends], ends, swatches):
            pen.rectangle((left, top, max(left, right), top + 44), fill=tuple(color))
    low, high = float(weight.min()), float(weight.max())
    pen.text((230, 196), f"λ = {lam:.3g}", "black", font)
    span = f"{np.log10(high / low):.1f} orders of magnitude"
    pen.text((230, 220), f"weights from {low:.2f} to {high:.1f}: {span}", "black", font)
    expected = float((bins.frequency * weight).sum())
    pen.text((230, 244), f"expected weight of a pixel: {expected:.3f}", "black", font)
    return canvas


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


def plot_intervals(ax: Axes, summaries: dict[str, Interval], label: str = "") -> None:
    """A dot with its 95 % interval for each name, top to bottom, from their intervals."""
    for place, summary in enumerate(summaries.values()):
        ax.plot([summary.low, summary.high], [place, place], color=PALETTE[0], linewidth=1.5)
        ax.plot(summary.mean, place, "o", color=PALETTE[0], markersize=5)
    ax.set_yticks(range(len(summaries)), list(summaries))
    ax.invert_yaxis()
    ax.grid(axis="x", alpha=0.3)
    ax.set_xlabel(label)
