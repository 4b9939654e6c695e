"""The palette of a reference photo: the same network, told which colours there are (beyond the paper, after §5).

A person often knows more about a photo than its luma tells: it was autumn; it was the meadow of that other photo. A
`Palette` holds the share of each bin in such a photo, and shifts the network's logits towards it:

    logits + strength · log(wanted / expected)

``expected`` is the share of each bin that the network itself predicts on this photo, its mean probability; ``wanted``
are the reference's shares. This is logit adjustment [Menon et al. 2021], as for another λ (`adjust_logits`). But there
the old shares are the training set's, and here they must not be: the network has already seen from the luma what kind
of photo this is, and a reference of the same kind would say it twice. So a reference whose shares are those predicted
anyway changes nothing.

No bin is ever ruled out: a share `FLOOR` of ``wanted`` is what is expected. A photo that has no green takes at most
that much away from green: it multiplies its probability by FLOOR ** strength, not by 0.
"""

from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from colorlib.color.bins import ColorBins
from colorlib.color.spaces import chroma_of
from colorlib.data.photos import as_rgb, fit, to_tensor
from colorlib.errors import ColorlibError

FLOOR = 0.1  # of what is expected, at strength 1, stays of a colour that the reference lacks
STRENGTH = 0.5  # the default: what the network expects and what the reference has count alike
LOOKED_AT = 256  # pixels a side at which a reference's colours are counted
GRAY = 0.01  # a photo whose chrominance nowhere leaves ± this has no colour to give


def shift_towards(logits: Tensor, shares: Tensor, strength: float = STRENGTH) -> Tensor:
    """Logits (..., n, H, W) whose mean probability over a photo is nearer to the shares (n,) of a reference.

    ``strength`` 0 changes nothing. At 1 the odds of two bins are multiplied, everywhere alike, by the reference's odds
    of them over the network's own mean odds. The mean is each photo's own in a batch.

    >>> even = torch.zeros(2, 1, 1)
    >>> shift_towards(even, torch.tensor([0.9, 0.1]), strength=1).softmax(0).flatten().round(decimals=2).tolist()
    [0.8600000143051147, 0.14000000059604645]
    """
    expected = logits.softmax(-3).mean((-2, -1), keepdim=True).clamp(min=torch.finfo(logits.dtype).tiny)
    wanted = shares.to(logits)[:, None, None]
    return logits + strength * ((1 - FLOOR) * wanted / expected + FLOOR).log()


@dataclass(frozen=True)
class Palette:
    """The shares (n,) of a reference photo's pixels in the bins, sum 1, and how strongly to go by them.

    >>> import numpy as np
    >>> from colorlib.color import UVHistogram
    >>> photo = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    >>> bins = ColorBins.from_histogram(UVHistogram().add_rgb(torch.from_numpy(photo)[None]), n=4)
    >>> Palette.of(photo, bins).shares.shape
    torch.Size([4])

    Raises:
        ColorlibError: if the strength is not a number of 0 or more.
    """

    shares: Tensor
    strength: float = STRENGTH

    def __post_init__(self) -> None:
        if not isinstance(self.strength, Real) or not 0 <= self.strength < float("inf"):
            raise ColorlibError(f"the strength of a palette must be a number of 0 or more, got {self.strength!r}")

    @classmethod
    def of(cls, image: Any, bins: ColorBins, strength: float = STRENGTH) -> "Palette":
        """The palette of an image, as `Colorizer.colorize` takes one.

        Raises:
            ColorlibError: if it cannot be read, or has no colour to give.
        """
        name = image if isinstance(image, str | Path) else "the reference"
        chroma = chroma_of(to_tensor(fit(as_rgb(image), LOOKED_AT)))
        if chroma.abs().max() < GRAY:
            raise ColorlibError(f"{name} is gray all over: a palette is taken from a photo that has colours")
        counts = torch.bincount(bins.encode(chroma).flatten(), minlength=len(bins)).double()
        return cls(counts / counts.sum(), strength)

    def shift(self, logits: Tensor) -> Tensor:
        """Logits (..., n, H, W) shifted towards the palette: `shift_towards`."""
        return shift_towards(logits, self.shares, self.strength)
