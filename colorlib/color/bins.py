"""Colour bins: turning chrominance into a small set of classes (paper §2.1, Figure 1).

`UVHistogram` counts the chrominance of any number of photos. `ColorBins` chooses n representative
colours from it, assigns every colour to one of them (`encode`) and gives rare ones a larger weight
in the loss (`weights`). Two choices of bins:

* ``grid``, as in the paper: split the UV plane into equal cells, keep the n most frequent ones and
  represent each by its mean colour;
* ``kmeans``, ours: n centres that minimise the quantisation error, one of them pinned to neutral
  gray so that a gray pixel stays gray.
"""

import json
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import torch
from torch import Tensor

from colorlib.color.lookup import cell_centres, cell_of, contender_tables, find_closest, for_every_chroma, look_up
from colorlib.color.spaces import U_LIMIT, V_LIMIT
from colorlib.errors import ColorlibError
from colorlib.files import write_text

RESOLUTION = 480  # a multiple of the usual grids (8, 10, 16, 20), so that no cell lies in two of a grid's


@dataclass(eq=False)
class UVHistogram:
    """How often each chrominance occurs, on a fine fixed grid over the UV plane.

    ``counts`` is an int64 tensor (480, 480), rows along U, columns along V; cells are 0.0019 by
    0.0027 wide. Histograms add: counting two folders separately and summing gives exactly the
    counts of both together.

    >>> gray, both = UVHistogram(), UVHistogram()
    >>> gray.add(torch.zeros(2, 4, 4)).total
    16
    >>> (gray + gray).total
    32
    """

    counts: Tensor = field(default_factory=lambda: torch.zeros(RESOLUTION, RESOLUTION, dtype=torch.int64))

    @property
    def total(self) -> int:
        """How many pixels have been counted."""
        return int(self.counts.sum())

    def add(self, chroma: Tensor, mask: Tensor | None = None) -> "UVHistogram":
        """Count chrominance of shape (..., 2, H, W), only where mask (..., H, W) is true; returns self."""
        u, v = chroma.double().unbind(-3)
        if mask is not None:
            u, v = u[mask], v[mask]
        return self._count(cell_of(u, v, RESOLUTION))

    def add_rgb(self, rgb: Tensor, mask: Tensor | None = None) -> "UVHistogram":
        """Count the pixels of uint8 photos (..., H, W, 3), only where mask (..., H, W) is true; returns self.

        Nothing here depends on rounding in a batch: the same photos give the same counts on any number of
        processes and any device.
        """
        return self._count(look_up(_cell_of_every_chroma(rgb.device), rgb if mask is None else rgb[mask]))

    def _count(self, cells: Tensor) -> "UVHistogram":
        counts = torch.bincount(cells.flatten(), minlength=RESOLUTION**2)
        self.counts += counts.reshape(RESOLUTION, RESOLUTION).to(self.counts.device)
        return self

    def __add__(self, other: "UVHistogram") -> "UVHistogram":
        return UVHistogram(self.counts + other.counts)

    def colors(self) -> tuple[Tensor, Tensor]:
        """The occupied cells: their centres (k, 2) and how often each occurs (k,), both float64."""
        occupied = self.counts.nonzero()
        centres = cell_centres(RESOLUTION)[occupied[:, 0] * RESOLUTION + occupied[:, 1]]
        return centres, self.counts[occupied[:, 0], occupied[:, 1]].double()


@dataclass(frozen=True, eq=False)
class ColorBins:
    """n colours in the UV plane that stand for all colours.

    ``colors`` (n, 2) are the chrominances of the bins, ``frequency`` (n,) their share of the pixels
    they were chosen on (sums to 1), both float64. For the paper's grid, ``cells`` (n, 2) are the row and column
    of each bin in a ``grid`` by ``grid`` division of the plane; for k-means it is None.

    >>> histogram = UVHistogram().add(torch.rand(2, 64, 64) * 0.4 - 0.2)
    >>> bins = ColorBins.from_histogram(histogram, n=8)
    >>> bins.encode(torch.zeros(2, 3, 5)).shape
    torch.Size([3, 5])
    >>> bins.decode(bins.encode(torch.zeros(2, 1, 1))).flatten().tolist()
    [0.0, 0.0]
    """

    colors: Tensor
    frequency: Tensor
    method: str
    grid: int | None = None
    cells: Tensor | None = None

    def __len__(self) -> int:
        return len(self.colors)

    def __repr__(self) -> str:
        return f"ColorBins(n={len(self)}, method={self.method!r})"

    @classmethod
    def from_histogram(
        cls, histogram: UVHistogram, n: int = 32, method: str = "kmeans", grid: int = 10, seed: int = 0
    ) -> "ColorBins":
        """Choose n bins. ``grid`` is the number of cells along each axis for ``method="grid"``.

        The paper does not give its grid; 10 x 10 is the division its authors published.

        Raises:
            ColorlibError: if the photos counted show too few different colours for n bins.
        """
        if method == "kmeans":
            return cls._kmeans(histogram, n, seed)
        if method == "grid":
            if not 1 <= grid <= RESOLUTION:
                raise ColorlibError(f"the grid has 1 to {RESOLUTION} cells along each axis, got {grid}")
            return cls._most_frequent_cells(histogram, n, grid)
        raise ColorlibError(f"unknown way to choose bins: {method!r}; use 'kmeans' or 'grid'")

    @classmethod
    def _most_frequent_cells(cls, histogram: UVHistogram, n: int, grid: int) -> "ColorBins":
        colors, counts = histogram.colors()
        cell = cell_of(colors[:, 0], colors[:, 1], grid)
        cell_counts = torch.zeros(grid**2, dtype=torch.float64).index_add_(0, cell, counts)
        sums = torch.zeros(grid**2, 2, dtype=torch.float64).index_add_(0, cell, colors * counts[:, None])
        kept = cell_counts.argsort(descending=True, stable=True)[:n]
        _require_colors(int((cell_counts > 0).sum()), n, f"cells of the {grid} x {grid} grid")
        means = sums[kept] / cell_counts[kept, None]
        rows_columns = torch.stack([kept // grid, kept % grid], dim=1)
        bins = cls(means, torch.ones(n).double() / n, "grid", grid, rows_columns)
        return bins.with_frequency(histogram)

    @classmethod
    def _kmeans(cls, histogram: UVHistogram, n: int, seed: int) -> "ColorBins":
        colors, counts = histogram.colors()
        _require_colors(len(colors), n, "colours")
        centres = weighted_kmeans(colors, counts, n, seed)
        bins = cls(centres, torch.ones(n).double() / n, "kmeans").with_frequency(histogram)
        order = bins.frequency.argsort(descending=True, stable=True)
        return cls(centres[order], bins.frequency[order], "kmeans")

    def with_frequency(self, histogram: UVHistogram) -> "ColorBins":
        """The same bins with their frequencies measured on another histogram."""
        colors, counts = histogram.colors()
        index = self.encode(colors.T[:, None, :])[0]
        frequency = torch.zeros(len(self), dtype=torch.float64).index_add_(0, index, counts)
        return ColorBins(self.colors, frequency / frequency.sum(), self.method, self.grid, self.cells)

    def encode(self, chroma: Tensor) -> Tensor:
        """Assign chrominance (..., 2, H, W) to bins: int64 indices (..., H, W).

        As the paper words it: a colour that falls within one of the n cells belongs to that cell;
        any other is assigned to the closest bin. K-means bins have no cells, so every colour goes
        to the closest. Exact: near a border between bins distances are compared in float64.
        """
        u, v = chroma.unbind(-3)
        nearest = find_closest(u, v, self.colors, self._tables)
        if self._bin_of_cell is None or self.grid is None:
            return nearest
        # In float64: in float32 a colour near a border could fall on its wrong side.
        inside = self._bin_of_cell.to(u.device)[cell_of(u.double(), v.double(), self.grid)]
        # A colour outside the plane's limits is in no cell, although it was clamped into one.
        inside = torch.where((u.abs() <= U_LIMIT) & (v.abs() <= V_LIMIT), inside, -1)
        return torch.where(inside >= 0, inside, nearest)

    def encode_rgb(self, rgb: Tensor) -> Tensor:
        """Assign the pixels of uint8 photos (..., H, W, 3) to bins: int64 indices (..., H, W).

        The first call encodes every chrominance that a photo can hold, in float64, into a table of 2 MB (see
        `for_every_chroma`); from then on a pixel costs one look-up. This is what training uses.

        >>> from colorlib.color import chroma_of
        >>> bins = ColorBins.from_histogram(UVHistogram().add(torch.rand(2, 64, 64) * 0.4 - 0.2), n=8)
        >>> photo = torch.randint(0, 256, (5, 7, 3), dtype=torch.uint8)
        >>> bool((bins.encode_rgb(photo) == bins.encode(chroma_of(photo.movedim(-1, 0).double() / 255))).all())
        True
        """
        if rgb.device not in self._bins_of_every_chroma:
            self._bins_of_every_chroma[rgb.device] = for_every_chroma(self.encode).to(rgb.device)
        return look_up(self._bins_of_every_chroma[rgb.device], rgb)

    def decode(self, index: Tensor) -> Tensor:
        """The chrominance (..., 2, H, W) in float32 of bin indices (..., H, W)."""
        return self.colors.float().to(index.device)[index].movedim(-1, -3)

    def weights(self, lam: float = 0.5) -> Tensor:
        """Rebalancing weights (n,) ∝ 1 / ((1-λ)·frequency + λ/n), float32 (paper §2.1, Figure 1d).

        λ = 1 weighs all bins alike, λ = 0 by inverse frequency. Scaled so that the expected weight of a
        pixel, Σ frequency·weight, is 1: the loss keeps its size whatever λ is.

        Raises:
            ColorlibError: if λ is not in [0, 1], or λ = 0 and a bin never occurs (its weight is infinite).
        """
        if not 0 <= lam <= 1:
            raise ColorlibError(f"λ must be between 0 and 1, got {lam}")
        smoothed = (1 - lam) * self.frequency + lam / len(self)
        if (smoothed <= 0).any():
            raise ColorlibError("with λ = 0 a bin that never occurs has no finite weight: use a λ above 0")
        weights = 1 / smoothed
        return (weights / (self.frequency * weights).sum()).float()

    def to_json(self) -> str:
        """All of the bins as JSON text; `from_json` gives the same numbers back."""
        return json.dumps(
            {
                "format": "colorlib-bins-1",
                "method": self.method,
                "grid": self.grid,
                "cells": None if self.cells is None else self.cells.tolist(),
                "colors": self.colors.tolist(),
                "frequency": self.frequency.tolist(),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "ColorBins":
        """The bins that `to_json` wrote."""
        try:
            record = json.loads(text)
            if record["format"] != "colorlib-bins-1":
                raise ValueError(f"format {record['format']!r} is not colorlib-bins-1")
            colors = torch.tensor(record["colors"], dtype=torch.float64)
            frequency = torch.tensor(record["frequency"], dtype=torch.float64)
            cells = None if record["cells"] is None else torch.tensor(record["cells"])
            bins = cls(colors, frequency, record["method"], record["grid"], cells)
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ColorlibError(f"these are not colour bins written by colorlib: {error}") from error
        if not bins._is_sound():
            raise ColorlibError("the colour bins are damaged: need n colours (U, V) and n frequencies that sum to 1")
        return bins

    def _is_sound(self) -> bool:
        """Whether the parts fit together, which those of a damaged or edited file need not."""
        n = self.frequency.numel()
        if n == 0 or self.frequency.shape != (n,) or self.colors.shape != (n, 2) or not self.colors.isfinite().all():
            return False
        if not (self.frequency >= 0).all() or not abs(float(self.frequency.sum()) - 1) < 1e-6:
            return False
        if self.method == "kmeans":
            return self.grid is None and self.cells is None
        if self.method != "grid" or not isinstance(self.grid, int) or self.cells is None:
            return False
        cells = self.cells
        return cells.dtype == torch.int64 and cells.shape == (n, 2) and bool(((cells >= 0) & (cells < self.grid)).all())

    def save(self, path: str | Path) -> None:
        """Write the bins as JSON, whole or not at all."""
        try:
            write_text(path, self.to_json())
        except OSError as error:
            raise ColorlibError(f"cannot write colour bins to {path}: {error}") from error

    @classmethod
    def load(cls, path: str | Path) -> "ColorBins":
        """The bins that `save` wrote."""
        try:
            return cls.from_json(Path(path).read_text())
        except (OSError, UnicodeDecodeError, ColorlibError) as error:
            raise ColorlibError(f"cannot read colour bins from {path}: {error}") from error

    @cached_property
    def _tables(self) -> tuple[Tensor, Tensor]:
        return contender_tables(self.colors)

    @cached_property
    def _bins_of_every_chroma(self) -> dict[torch.device, Tensor]:
        return {}  # filled by encode_rgb, once for each device

    @cached_property
    def _bin_of_cell(self) -> Tensor | None:
        if self.cells is None or self.grid is None:
            return None
        table = torch.full((self.grid**2,), -1)
        table[self.cells[:, 0] * self.grid + self.cells[:, 1]] = torch.arange(len(self))
        return table


def weighted_kmeans(colors: Tensor, counts: Tensor, n: int, seed: int = 0, steps: int = 200, runs: int = 4) -> Tensor:
    """n centres (n, 2) for colours (k, 2) that occur ``counts`` (k,) times; the first is neutral (0, 0).

    Lloyd's algorithm from a k-means++ start. The neutral centre is never moved. A single run can end a few per cent
    above the smallest quantisation error, so the best of several is kept.
    """
    generator = torch.Generator().manual_seed(seed)
    best, smallest = torch.zeros(n, 2, dtype=torch.float64), float("inf")
    for _ in range(runs):
        centres = _lloyd(colors, counts, _kmeans_start(colors, counts, n, generator), steps)
        error = float((torch.cdist(colors, centres).amin(dim=1) ** 2 * counts).sum())
        if error < smallest:
            best, smallest = centres, error
    return best


def _kmeans_start(colors: Tensor, counts: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """k-means++: neutral, then centres that are each likely to be far from those chosen before."""
    centres = torch.zeros(1, 2, dtype=torch.float64)
    while len(centres) < n:
        distance = torch.cdist(colors, centres).amin(dim=1) ** 2
        pick = torch.multinomial(distance * counts, 1, generator=generator)
        centres = torch.cat([centres, colors[pick]])
    return centres


def _lloyd(colors: Tensor, counts: Tensor, centres: Tensor, steps: int) -> Tensor:
    """Move each centre but the first to the mean of the colours closest to it, until nothing moves."""
    n = len(centres)
    for _ in range(steps):
        index = torch.cdist(colors, centres).argmin(dim=1)
        mass = torch.zeros(n, dtype=torch.float64).index_add_(0, index, counts)
        sums = torch.zeros(n, 2, dtype=torch.float64).index_add_(0, index, colors * counts[:, None])
        moved = torch.where(mass[:, None] > 0, sums / mass[:, None].clamp(min=1), centres)
        moved[0] = 0
        converged = torch.allclose(moved, centres, rtol=0, atol=1e-6)
        centres = moved
        if converged:
            break
    return centres


@cache
def _cell_of_every_chroma(device: torch.device) -> Tensor:
    """The cell of the histogram that each chrominance of a photo belongs to."""
    return for_every_chroma(lambda chroma: cell_of(chroma[0], chroma[1], RESOLUTION)).to(device)


def _require_colors(found: int, n: int, what: str) -> None:
    if n < 1:
        raise ColorlibError(f"the number of bins must be at least 1, got {n}")
    if found < n:
        raise ColorlibError(f"{n} bins need {n} different {what}, but these photos show only {found}: add photos")
