"""Photos that show the same picture: copies, crops of a hair's breadth, mirror images. They must not be split.

A photo that trains and its near-duplicate that validates would let a network be praised for what it remembers.
"""

from collections.abc import Iterable

import numpy as np
import torch
from PIL import Image
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from tqdm.auto import tqdm

SIDE = 24  # of the thumbnails that are compared
ALIKE = 0.98  # correlation of two thumbnails; among 16,000 landscapes pairs above it were copies, below it seldom
HELD = 16_000_000  # correlations in each of the three tables that are held at a time: 64 MB


def thumbnail(rgb: np.ndarray) -> np.ndarray:
    """What is compared of a uint8 photo (H, W, 3): float32 (576,), its luma on 24 x 24 places, of mean 0 and norm 1."""
    small = Image.fromarray(rgb).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    values = np.asarray(small, np.float32).flatten()
    values -= values.mean()
    return values / max(float(np.linalg.norm(values)), 1e-6)


def near_duplicates(thumbnails: "np.ndarray | Tensor", alike: float = ALIKE) -> list[tuple[int, int]]:
    """The pairs (i < j) of thumbnails (N, 576) that correlate above ``alike``, one of them mirrored or not.

    >>> photo = np.random.default_rng(0).integers(0, 255, (48, 72, 3), dtype=np.uint8)
    >>> other = np.random.default_rng(1).integers(0, 255, (48, 72, 3), dtype=np.uint8)
    >>> near_duplicates(np.stack([thumbnail(photo), thumbnail(other), thumbnail(photo[:, ::-1])]))
    [(0, 2)]
    """
    all_of = torch.as_tensor(thumbnails)
    mirrored = all_of.reshape(-1, SIDE, SIDE).flip(2).flatten(1)
    pairs: list[tuple[int, int]] = []
    step = max(1, HELD // max(1, len(all_of)))
    for start in tqdm(range(0, len(all_of), step), desc="looking for copies", leave=False, disable=None):
        rows = all_of[start : start + step]
        likeness = torch.maximum(rows @ all_of[start:].T, rows @ mirrored[start:].T)
        found = (likeness > alike).nonzero() + start
        pairs += [(i, j) for i, j in found.tolist() if i < j]
    return pairs


def group(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """For each of ``count`` items the first item that it is joined to by pairs, directly or through others.

    >>> group(5, [(1, 2), (2, 4)])
    [0, 1, 1, 3, 1]
    """
    ends = np.array(list(pairs), int).reshape(-1, 2)
    joined = sparse.coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, part = connected_components(joined, directed=False)
    _, first = np.unique(part, return_index=True)
    return [int(item) for item in first[part]]
