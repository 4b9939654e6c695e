"""How long does it take to find the closest of 32 bins for a million pixels?

`ColorBins.encode` (a table look-up, exact distances where it is in doubt) against SciPy's k-d tree and the plain
distance to every bin. The colours are those of bundled photos; all three must find the same distances.
"""

import numpy as np
import torch
from scipy.spatial import cKDTree

import colorlib
from benchmarks import Row, race
from colorlib.color import chroma_of
from colorlib.data import as_rgb, bundled, fit_frame, to_tensor

PIXELS = 1_000_000


def measure() -> list[Row]:
    bins = colorlib.load().bins
    frames = [fit_frame(as_rgb(photo.path))[0] for photo in bundled("train")[:20]]
    chroma = torch.cat([chroma_of(to_tensor(frame)).flatten(1) for frame in frames], dim=1)[:, None, :PIXELS]
    points = chroma[:, 0].T.double().numpy()
    colors = bins.colors.numpy()
    tree = cKDTree(colors)

    def by_every_distance() -> np.ndarray:
        squared = ((points[:, None] - colors) ** 2).sum(-1)
        return squared.argmin(1)

    found = [bins.encode(chroma)[0].numpy(), tree.query(points)[1], by_every_distance()]
    lengths = [np.linalg.norm(points - colors[index], axis=1) for index in found]
    assert all(np.array_equal(lengths[0], others) for others in lengths[1:]), "the three disagree"
    return race(
        {
            "ColorBins.encode": lambda: bins.encode(chroma),
            "SciPy cKDTree, one thread": lambda: tree.query(points),
            "SciPy cKDTree, all cores": lambda: tree.query(points, workers=-1),
            "distance to every bin (NumPy)": by_every_distance,
        },
        rounds=5,
    )
