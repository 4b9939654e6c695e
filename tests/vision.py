"""How colours look to eyes that lack one kind of cone: to see whether a figure's marks can be told apart by everybody.

Machado, Oliveira & Fernandes (2009), "A physiologically-based model for simulation of color vision deficiency", for
eyes that lack a cone altogether. Their matrices are for linear light.
"""

from itertools import combinations

import torch
from torch import Tensor

from colorlib.color.spaces import mix_channels, rgb_to_lab, to_linear

DEFICIENCIES = {
    "protanopia": torch.tensor(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ).double(),
    "deuteranopia": torch.tensor(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ).double(),
    "tritanopia": torch.tensor(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ).double(),
}


def as_seen_with(deficiency: str, rgb: Tensor) -> Tensor:
    """RGB in [0, 1], shape (..., 3, H, W), as it looks with one of `DEFICIENCIES`; gray stays gray.

    >>> gray = torch.full((3, 1, 1), 0.5)
    >>> torch.allclose(as_seen_with("protanopia", gray), gray, atol=1e-5)
    True
    """
    seen = mix_channels(to_linear(rgb), DEFICIENCIES[deficiency]).clamp(0, 1)
    return torch.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)


def hardest_pair(colors: dict[str, tuple[float, float, float]]) -> tuple[float, str, str, str]:
    """The two of some named RGB colours that are hardest to tell apart, for whichever eyes find it hardest.

    Returns their distance in CIELAB (2 can just be seen side by side), their names, and the deficiency, or "" for full
    colour vision.

    >>> distance, *pair = hardest_pair({"red": (0.8, 0.3, 0.0), "green": (0.4, 0.5, 0.0), "blue": (0.0, 0.0, 1.0)})
    >>> pair
    ['red', 'green', 'deuteranopia']
    """
    rgb = torch.tensor(list(colors.values()), dtype=torch.float64).T[:, :, None]
    found = []
    for eyes in ("", *DEFICIENCIES):
        lab = rgb_to_lab(as_seen_with(eyes, rgb) if eyes else rgb)[..., 0].T
        names = combinations(zip(colors, lab, strict=True), 2)
        found += [(float((here - there).norm()), one, other, eyes) for (one, here), (other, there) in names]
    return min(found)
