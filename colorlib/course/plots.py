"""The plots that several lessons share. Each draws into the axes it is given, or returns a Figure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps, font_manager
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from PIL import Image, ImageDraw, ImageFont
from skimage.color import rgb2lab

from colorlib.color.bins import ColorBins
from colorlib.color.spaces import U_LIMIT, V_LIMIT, chroma_of, merge_luma_chroma
from colorlib.course.figures import PALETTE
from colorlib.data.photos import to_uint8
from colorlib.evaluation.intervals import Interval, bootstrap
from colorlib.evaluation.metrics import bin_histogram


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
    margin = 0.1 + 0.095 * max(len(line) for text in row_titles for line in text.split("\n")) if row_titles else 0.0
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
    handles, names = ax.get_legend_handles_labels()
    once = dict(zip(names, handles))  # each kind of layer was drawn many times
    ax.legend(once.values(), once.keys(), loc="upper center", ncols=len(once), bbox_to_anchor=(0.5, 1.02))
    ax.set(xlim=(-0.1, x + 0.1), ylim=(-0.69, 0.68))
    ax.set_axis_off()


def plot_intervals(
    ax: Axes, summaries: dict[str, Interval], label: str = "", colors: dict[str, str] | None = None
) -> None:
    """A dot with its 95 % interval for each name, top to bottom, in the colour that ``colors`` has for it, or blue."""
    for place, (name, summary) in enumerate(summaries.items()):
        color = (colors or {}).get(name, PALETTE[0])
        ax.plot([summary.low, summary.high], [place, place], color=color, linewidth=1.5)
        ax.plot(summary.mean, place, "o", color=color, markersize=5)
    ax.set_yticks(range(len(summaries)), list(summaries))
    ax.set_ylim(len(summaries) - 0.5, -0.5)  # so that none lies on the frame
    ax.grid(axis="x", alpha=0.3)
    ax.set_xlabel(label)


def plot_filters(weights: dict[str, torch.Tensor]) -> tuple[Figure, dict[str, torch.Tensor]]:
    """Temporal kernels: the weights (k,) of the last frames, and how much of each frequency they let through.

    Returns the figure and, by name, ``|H(f)|`` at 201 frequencies from 0 to 0.5 swings per frame.
    """
    frequency = torch.linspace(0, 0.5, 201, dtype=torch.float64)
    figure = Figure(figsize=(8, 3.3))
    left, right = figure.subplots(1, 2)
    responses = {}
    for (name, values), color, style in zip(weights.items(), PALETTE, ("-", "--", "-.", ":")):
        waves = torch.exp(-2j * np.pi * frequency[:, None] * torch.arange(len(values)))
        responses[name] = (waves * values.double()).sum(1).abs()
        left.plot(values[:31], style, color=color, label=name)
        right.plot(frequency, responses[name], style, color=color)
    left.set(xlabel="frames ago, k", ylabel="weight", title="what it remembers")
    right.set(xlabel="swings per frame, f", ylabel="|H(f)|", ylim=(0, 1.02), title="what gets through")
    left.legend(fontsize=8)
    return figure, responses


def plot_band(ax: Axes, x: Sequence[float], table: np.ndarray, color: str, label: str, style: str = "o-") -> None:
    """The mean over photos of a table (photos, len(x)) as a line, and its 95 % interval (bootstrap) as a band."""
    summaries = [bootstrap(column) for column in table.T]
    mean, low, high = np.array(summaries).T
    ax.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
    ax.plot(x, mean, style, color=color, markersize=3.5, label=label)


def plot_frontier(
    ax: Axes,
    curves: dict[str, tuple[np.ndarray, np.ndarray]],
    settings: Sequence[float],
    points: dict[str, tuple[float, float]],
) -> None:
    """What two measures can be had together: a curve for each name, along which a setting runs, and single points.

    ``curves`` holds (x, y) of as many numbers as there are ``settings``; each setting is written beside the first
    curve, where there is room. Names of curves and points are labels, for the legend.
    """
    markers = iter("sD^vP")
    for color, style, (name, (x, y)) in zip(PALETTE, ("o-", "s--", "^:", "v-."), curves.items(), strict=False):
        ax.plot(x, y, style, color=color, markersize=4, label=name)
    x, y = next(iter(curves.values()))
    width, height = np.ptp(x) or 1.0, np.ptp(y) or 1.0
    written: list[np.ndarray] = []
    for place, setting in zip(np.stack([x / width, y / height], 1), settings, strict=True):
        if all(np.linalg.norm(place - other) > 0.1 for other in written):
            spot = place * [width, height]
            text = ax.annotate(f"{setting:g}", spot, (6, 4), textcoords="offset points", fontsize=8, color=PALETTE[0])
            text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])  # readable over another curve
            written.append(place)
    for name, point in points.items():
        ax.plot(*point, next(markers), color="0.35", markersize=8, label=name)


HUES = {"red": 20, "orange": 60, "yellow": 100, "green": 140, "turquoise": 195, "blue": 265, "purple": 320}
# Mean hues of CIELAB in degrees; orange-brown earth lies near 60, sky near 265.


def color_word(rgb: np.ndarray) -> str:
    """The word for a colour (3,) or for the mean of a picture (H, W, 3), uint8: "gray" or the nearest of HUES.

    >>> color_word(np.array([30, 120, 220], np.uint8)), color_word(np.full((2, 2, 3), 90, np.uint8))
    ('blue', 'gray')
    """
    mean = rgb.reshape(-1, 3).mean(0, dtype=np.float64) / 255
    a, b = rgb2lab(mean.reshape(1, 1, 3))[0, 0, 1:]
    if np.hypot(a, b) < 6:
        return "gray"
    hue = np.degrees(np.arctan2(b, a)) % 360
    return min(HUES, key=lambda word: min(abs(hue - HUES[word]), 360 - abs(hue - HUES[word])))


def ringed(rgb: np.ndarray, across: float, down: float, radius: int = 8) -> np.ndarray:
    """A photo (H, W, 3) uint8 with a white ring, rimmed black, at a place: shares 0 … 1 of its width and height."""
    image = Image.fromarray(rgb)
    x, y = across * (image.width - 1), down * (image.height - 1)
    draw = ImageDraw.Draw(image)
    draw.circle((x, y), radius, outline="black", width=radius // 2)  # inside, the photo's own colour shows
    draw.circle((x, y), radius - 1, outline="white", width=radius // 4)
    return np.asarray(image)


GAP = 6  # pixels between the pictures of a board


def side_by_side(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of one height, (H, W, 3) uint8, in a row with white gaps between them.

    >>> side_by_side([np.zeros((2, 10, 3), np.uint8)] * 3).shape
    (2, 42, 3)
    """
    gap = np.full((pictures[0].shape[0], GAP, 3), 255, np.uint8)
    return np.hstack([part for picture in pictures for part in (gap, picture)][1:])


def board_of_bins(
    pictures: Sequence[np.ndarray], bins: ColorBins, shares: Any, before: Any, color: np.ndarray, height: int = 110
) -> np.ndarray:
    """Pictures side by side above the probabilities of one of their pixels, uint8 (H, W, 3).

    A bar for each bin's share (n,), in the bin's colour, a dark tick where it was ``before`` (n,), and at the right a
    square of the ``color`` (3,) uint8 that comes of it.
    """
    row = side_by_side(pictures)
    width = max(len(bins), row.shape[1] - height)
    shares, before = np.asarray(shares, float), np.asarray(before, float)
    which = np.arange(width) * len(bins) // width  # the bin of each column of pixels
    scale = (height - 6) / max(shares.max(), before.max())
    level = np.arange(height, 0, -1)[:, None]
    colors = (255 * bin_colors(bins)).astype(np.uint8)
    strip = np.where((level <= scale * shares[which])[..., None], colors[which], np.uint8(255))
    strip[np.abs(level - scale * before[which]) < 1] = 40
    square = np.broadcast_to(np.asarray(color, np.uint8), (height, height, 3))
    below = np.hstack([strip, square])[:, : row.shape[1]]
    return np.vstack([row, np.full((GAP, row.shape[1], 3), 255, np.uint8), below])


def plot_influence(figure: Figure, maps: dict[str, np.ndarray], marked: dict[str, int]) -> None:
    """Maps (H, W) of input pixels' influence on the middle one, on a logarithmic scale, with a square of a given side.

    Each map is relative to its own largest value; the squares' sides, in pixels, are ``marked``.
    """
    axes = np.atleast_1d(figure.subplots(1, len(maps)))
    for ax, (name, seen) in zip(axes, maps.items(), strict=True):
        values = np.asarray(seen)
        half = values.shape[0] / 2
        heat = np.log10(np.clip(values / values.max(), 1e-4, None))
        image = ax.imshow(heat, cmap="magma", vmin=-4, vmax=0, extent=(-half, half, half, -half))
        side = marked[name]
        ax.add_patch(Rectangle((-side / 2, -side / 2), side, side, fill=False, edgecolor=PALETTE[5], linewidth=1.3))
        ax.set(xticks=[-34, 0, 34], yticks=[-34, 0, 34])
        ax.set_title(f"{name}\n90 % within {side} px", fontsize=9)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, ticks=[-4, -2, 0], label="influence, of the map's largest")
    bar.ax.set_yticklabels(["≤ 0.01 %", "1 %", "100 %"])


def plot_seeds(ax: Axes, parts: dict[str, dict[str, Sequence[float]]], label: str) -> None:
    """A dot for each training: ``parts`` holds for each part the numbers of each contestant."""
    width = 0.6 / len(parts)
    for k, (part, contestants) in enumerate(parts.items()):
        for place, numbers in enumerate(contestants.values()):
            x = place + width * (k - (len(parts) - 1) / 2)
            ax.plot([x] * len(numbers), numbers, "os^Dv"[k], color=PALETTE[k], alpha=0.8, label=None if place else part)
    ax.axhline(0, color="0.4", linewidth=0.8)
    names = list(next(iter(parts.values())))
    ax.set_xticks(range(len(names)), names)
    ax.set_ylabel(label)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def bounds_of(seen: torch.Tensor) -> list[int]:
    """Top, bottom, left and right of the pixels of (H, W) that are not 0; of all pixels if none is.

    >>> bounds_of(torch.eye(5)[1:3])
    [0, 1, 1, 2]
    """
    lines = [line.nonzero().flatten() for line in (seen.any(1), seen.any(0))]
    whole = [[0, side - 1] for side in seen.shape]
    return [int(end) for line, all_ in zip(lines, whole) for end in ((line[0], line[-1]) if len(line) else all_)]


def influence_board(luma: torch.Tensor, seen: torch.Tensor, zoom: int) -> Image.Image:
    """A gray photo (H, W) with the pixels that a unit sees, (H, W), in a warm colour; beside it what it sees, enlarged.

    ``zoom`` is how many pixels of the picture stand for each of the photo's.
    """
    heat = (seen / seen.max().clamp(min=1e-12)).sqrt()  # roots, so that the far pixels can be seen
    warm = torch.tensor([0.84, 0.37, 0.0])[:, None, None]
    picture = Image.fromarray(to_uint8(luma * (1 - heat) + warm * heat))
    top, bottom, left, right = bounds_of(seen)
    part = picture.crop((left, top, right + 1, bottom + 1))
    large = picture.resize((zoom * picture.width, zoom * picture.height), Image.Resampling.NEAREST)
    square = (zoom * left, zoom * top, zoom * (right + 1) - 1, zoom * (bottom + 1) - 1)
    ImageDraw.Draw(large).rectangle(square, outline="white", width=2)
    board = Image.new("RGB", (large.width + 8 + large.height, large.height), "white")
    board.paste(large)
    board.paste(part.resize((large.height, large.height), Image.Resampling.NEAREST), (large.width + 8, 0))
    return board


def plot_confidence(figure: Figure, rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str]) -> None:
    """The paper's Figure 7: a row for each photo, with two pictures (H, W, 3) and maps (H, W) of score and ratio.

    Light is sure. Each kind of map has one scale for all photos, up to its 99th percentile; the square root of its
    range, so that one sure sky does not leave everything else black.
    """
    heights = [row[0].shape[0] / row[0].shape[1] for row in rows]
    axes = figure.subplots(len(rows), 4, height_ratios=heights, squeeze=False)
    for column, low in ((2, None), (3, 1.0)):
        values = np.concatenate([row[column].ravel() for row in rows])
        scale = PowerNorm(0.5, values.min() if low is None else low, max(np.quantile(values, 0.99), (low or 0) + 1e-3))
        for ax, row in zip(axes[:, column], rows, strict=True):
            image = ax.imshow(row[column], cmap="inferno", norm=scale)
        below = axes[-1, column].inset_axes((0.05, -0.16, 0.9, 0.06))  # of its own: beside a stolen strip rows shift
        figure.colorbar(image, cax=below, orientation="horizontal", extend="max")
    for line, row in zip(axes, rows, strict=True):
        for ax, picture in zip(line[:2], row[:2], strict=True):
            ax.imshow(picture)
        for ax in line:
            ax.set_axis_off()
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, loc="center", fontsize=10)


def captioned(picture: np.ndarray, text: str, width: int) -> Image.Image:
    """A picture (H, W, 3) uint8 at a width in pixels, with a line of text below it."""
    image = Image.fromarray(picture)
    image = image.resize((width, round(width * image.height / image.width)))
    board = Image.new("RGB", (width, image.height + 24), "white")
    board.paste(image)
    font = ImageFont.load_default(size=13)
    ImageDraw.Draw(board).text((4, image.height + 4), text, fill="black", font=font)
    return board


def draw_figure9(bins: ColorBins, shares: dict[str, np.ndarray], title: str) -> Figure:
    """The paper's Figure 9: truth beside first choices, truth beside the finished picture, and the training set.

    ``shares`` holds histograms (n,) by the names "truth", "first choice" and "picture". Bars are in order of colour,
    gray first, on a square-root scale that keeps rare bins visible.
    """
    order = order_by_hue(bins)
    ordered = ColorBins(bins.colors[order], bins.frequency[order], bins.method)
    figure = Figure(figsize=(10, 6.6))
    axes = figure.subplots(3, 1, sharex=True)
    for ax, row in zip(axes, ("first choice", "picture")):
        pair_of_bars(ax, ordered, shares["truth"][order], shares[row][order])
        ax.set(xlabel="", title=f"truth (filled), {row} (hatched)")
    bar_of_bins(axes[2], ordered, ordered.frequency)
    axes[2].set(title="all photos of the training set", xlabel="bin, in order of colour")
    top = max(shares["truth"].max(), shares["first choice"].max(), shares["picture"].max(), float(bins.frequency.max()))
    for ax in axes:
        ax.set_yscale("function", functions=(np.sqrt, np.square))
        ax.set_yticks([0.01, 0.05, 0.1, 0.2, 0.4])
        ax.set(ylim=(0, 1.1 * top), ylabel="share of pixels")
    axes[2].set_xticks(range(0, len(bins), 4))
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def plot_lambda_sweep(
    lams: Sequence[float], sweep: dict[str, list[dict[str, np.ndarray]]], own: dict[str, float], true_vivid: float
) -> Figure:
    """What λ, changed after training, does to the first choices, the picture, its colourfulness and its PSNR.

    ``sweep`` has a row for each λ by network; a row has a number for each photo by the name of what was measured.
    ``own`` is the λ with which each network answers, marked with a ring.
    """
    keys = ("rare in the first choice", "rare in the picture", "colourfulness", "PSNR (dB)")
    figure = Figure(figsize=(11, 3.4))
    for ax, key in zip(figure.subplots(1, len(keys)), keys):
        for (name, rows), color, style in zip(sweep.items(), PALETTE, ("o-", "s--")):
            plot_band(ax, lams, np.stack([row[key] for row in rows], 1), color, name, style)
            if own[name] in lams:
                mean = rows[list(lams).index(own[name])][key].mean()
                ax.plot(own[name], mean, "o", color=color, markersize=11, fillstyle="none")
            if key.startswith("rare"):  # counted in the network's own bins
                ax.axhline(rows[0]["rare in the truth"].mean(), color=color, linestyle=":", linewidth=1)
        if key == "colourfulness":
            ax.axhline(true_vivid, color="black", linestyle=":", linewidth=1)
        ax.set_xscale("log")
        ax.set_xticks([0.01, 0.1, 1], labels=["0.01", "0.1", "1"])
        ax.set(title=key, xlabel="λ, set after training")
    figure.axes[0].annotate(
        "dotted: truth\nring: its own λ", (0.97, 0.97), xycoords="axes fraction", ha="right", va="top"
    )
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


def board_of_histograms(pictures: Sequence[torch.Tensor], bins: ColorBins, width: int = 384) -> np.ndarray:
    """Pictures (3, H, W) of one shape side by side, each above its histogram over the bins: uint8 (H, W, 3).

    Histograms stand in order of colour, on a square-root scale up to 50 %.

    >>> bins = ColorBins(torch.rand(4, 2).double() - 0.5, torch.full((4,), 0.25).double(), "kmeans")
    >>> board_of_histograms([torch.rand(3, 20, 40)] * 2, bins, width=80).shape
    (134, 168, 3)
    """
    order = order_by_hue(bins)
    swatches = (bin_colors(bins)[order] * 255).round().astype(np.uint8)
    columns = []
    for picture in pictures:
        image = Image.fromarray(to_uint8(picture))
        image = image.resize((width, width * image.height // image.width))
        shares = bin_histogram(chroma_of(picture), bins).numpy()[order]
        which = np.arange(width) * len(bins) // width  # the bin of each column of pixels
        level = np.arange(90, 0, -1)[:, None] / 90
        bars = np.where(
            (level <= np.sqrt(np.minimum(shares / 0.5, 1))[which])[..., None], swatches[which], np.uint8(255)
        )
        columns.append(np.vstack([np.asarray(image), np.full((4, width, 3), 255, np.uint8), bars]))
    gap = np.full((columns[0].shape[0], 8, 3), 255, np.uint8)
    return np.hstack([part for column in columns for part in (gap, column)][1:])
