"""The speed of colour bins: tables of a function for every chrominance that a photo can hold, and of the closest bin.

Nothing here changes a result. A colour is looked up instead of computed, and where a table cannot tell, the exact
distances decide.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from colorlib.color.spaces import U_LIMIT, V_LIMIT, chroma_of

TABLE_SIZE = 256  # cells along each axis of the table that finds the closest bin
PIECE = 32768  # pixels looked up at a time, so that what is in between stays in the processor's cache


def for_every_chroma(function: Callable[[Tensor], Tensor]) -> Tensor:
    """A table (511²,) of a function of chrominance, (2, H, W) to int64 (H, W), for all that uint8 photos can hold.

    A photo has 256³ colours, but chrominance does not change when gray is added: it is known from the differences
    red - green and blue - green, of which there are 511² pairs. So few fit into a processor's own memory. The pair
    (x, y) has place 511·(x + 255) + y + 255; `look_up` reads it. Computed in float64.
    """
    differences = torch.arange(-255, 256, dtype=torch.float64) / 255
    red, blue = torch.meshgrid(differences, differences, indexing="ij")
    return function(chroma_of(torch.stack([red, torch.zeros_like(red), blue]))).flatten()


def look_up(table: Tensor, rgb: Tensor) -> Tensor:
    """What a table made by `for_every_chroma` says of each pixel of uint8 photos (..., 3): int64 (...)."""
    if rgb.dtype != torch.uint8 or rgb.shape[-1] != 3:
        raise TypeError(f"expected uint8 RGB of shape (..., 3), got {rgb.dtype} of shape {tuple(rgb.shape)}")
    pixels = rgb.reshape(-1, 3)
    found = torch.empty(len(pixels), dtype=torch.int64, device=rgb.device)
    piece = PIECE if rgb.device.type == "cpu" else max(1, len(pixels))
    for part, result in zip(pixels.split(piece), found.split(piece), strict=True):
        red, green, blue = part.int().unbind(-1)
        place = torch.add(blue, red, alpha=511).sub_(green, alpha=512).add_(512 * 255)
        torch.index_select(table, 0, place, out=result)
    return found.reshape(rgb.shape[:-1])


def find_closest(u: Tensor, v: Tensor, colors: Tensor, tables: tuple[Tensor, Tensor]) -> Tensor:
    """Which of ``colors`` (n, 2) is closest to each chrominance: int64, of the shape that ``u`` and ``v`` have.

    One look-up in the `contender_tables` of the colours, then exact distances for the few in doubt.

    >>> colors, zero = torch.tensor([[0.0, 0.0], [0.2, 0.1]], dtype=torch.float64), torch.zeros(3)
    >>> find_closest(torch.tensor([0.01, 0.3, 0.2]), zero, colors, contender_tables(colors)).tolist()
    [0, 1, 1]
    """
    settled, contenders = (table.to(u.device) for table in tables)
    shape, u, v = u.shape, u.flatten(), v.flatten()
    cell = cell_of(u, v, TABLE_SIZE)
    index = settled[cell]
    doubt = (index < 0).nonzero()[:, 0]
    points = torch.stack([u[doubt], v[doubt]], dim=-1)
    index[doubt] = _closest_of(points, colors, contenders[cell[doubt]])
    outside = ((u.abs() > U_LIMIT) | (v.abs() > V_LIMIT)).nonzero()[:, 0]  # in no cell, although clamped into one
    points = torch.stack([u[outside], v[outside]], dim=-1)
    index[outside] = _closest_of(points, colors, torch.arange(len(colors), device=u.device))
    return index.reshape(shape)


def contender_tables(colors: Tensor) -> tuple[Tensor, Tensor]:
    """For each cell of a fine grid the one of ``colors`` (n, 2) closest to all of it, or -1; and those that may be.

    Shapes (cells,) and (cells, m); a cell with fewer than m contenders repeats its first.
    """
    radius = ((U_LIMIT / TABLE_SIZE) ** 2 + (V_LIMIT / TABLE_SIZE) ** 2) ** 0.5
    distance = torch.cdist(cell_centres(TABLE_SIZE), colors)
    # Within a cell a distance changes by at most the radius, so that a bin much further away cannot win.
    can_win = distance - distance.amin(dim=1, keepdim=True) <= 2.001 * radius
    first = can_win.int().argmax(dim=1, keepdim=True)
    index = torch.where(can_win, torch.arange(len(colors)), len(colors)).sort(dim=1).values
    contenders = torch.where(index < len(colors), index, first)[:, : int(can_win.sum(dim=1).max())]
    settled = torch.where(can_win.sum(dim=1) == 1, first[:, 0], -1)
    return settled, contenders.contiguous()


def _closest_of(points: Tensor, colors: Tensor, contenders: Tensor) -> Tensor:
    """Which of its contenders (k, m) each point (k, 2) is closest to, (k,); of equal ones the first. In float64."""
    contenders, colors = contenders.expand(len(points), -1), colors.to(points.device)
    index = contenders.new_empty(len(points))
    for point, rivals, result in zip(points.split(PIECE), contenders.split(PIECE), index.split(PIECE), strict=True):
        distance = (point.double()[:, None] - colors[rivals]).square().sum(-1)
        result.copy_(rivals.gather(1, distance.argmin(1, keepdim=True))[:, 0])
    return index


def cell_of(u: Tensor, v: Tensor, count: int) -> Tensor:
    """Which cell of a count x count grid over the UV plane a chrominance falls in, row by row, clamped to the plane."""
    row, column = (
        ((value / limit + 1) * (count / 2)).clamp(0, count - 1).long()  # exactly in the middle for neutral gray
        for value, limit in ((u, U_LIMIT), (v, V_LIMIT))
    )
    return row * count + column


def cell_centres(count: int) -> Tensor:
    """The centres (count², 2) of a count x count grid over the UV plane, row by row."""
    steps = (torch.arange(count, dtype=torch.float64) + 0.5) / count * 2 - 1
    u, v = torch.meshgrid(steps * U_LIMIT, steps * V_LIMIT, indexing="ij")
    return torch.stack([u.flatten(), v.flatten()], dim=1)
