"""Where a new scene begins: the past of another scene must not colour it."""

import torch.nn.functional as F
from torch import Tensor


class SceneCuts:
    """Notices that a new scene begins: a frame that suddenly does not look like the last one.

    The change is 1 minus the correlation of the two lumas, made small: brightness and contrast do not matter (a flash
    is no cut), and at 32 pixels a moving camera changes little. A cut is a change above ``threshold`` and
    ``relative_threshold`` times larger than the changes just before it: what moves fast changes much, but not suddenly.
    """

    def __init__(self, threshold: float = 0.3, relative_threshold: float = 3.0):
        self.threshold = threshold
        self.relative_threshold = relative_threshold
        self.previous: Tensor | None = None
        self.running_change = 0.0

    def __call__(self, luma: Tensor) -> bool:
        """The next luma (h, w) -> whether it begins a new scene; the first frame does not."""
        previous, self.previous = self.previous, thumbnail(luma)
        if previous is None:
            return False
        change = 1 - correlation(previous, self.previous)
        cut = change > max(self.threshold, self.relative_threshold * self.running_change)
        self.running_change = 0.0 if cut else 0.7 * self.running_change + 0.3 * change
        return cut


def thumbnail(luma: Tensor, size: int = 32) -> Tensor:
    """A luma (h, w) averaged down to at most ``size`` pixels a side."""
    scale = min(1.0, size / max(luma.shape))
    height, width = (max(1, round(side * scale)) for side in luma.shape)
    return F.adaptive_avg_pool2d(luma[None], (height, width))[0]


def correlation(a: Tensor, b: Tensor) -> float:
    """The correlation of two lumas of one shape, -1 to 1; two plain pictures (a fade to black) count as alike.

    >>> ramp = torch.linspace(0, 1, 9).reshape(3, 3)
    >>> round(correlation(ramp, 0.5 * ramp + 0.2), 2), round(correlation(ramp, 1 - ramp), 2)
    (1.0, -1.0)
    """
    if a.shape != b.shape:
        return -1.0
    a, b = a - a.mean(), b - b.mean()
    noise = 1e-4 * a.numel()  # a spread of 0.01 in luma is grain, not content
    return float(((a * b).sum() + noise) / ((a.square().sum() + noise) * (b.square().sum() + noise)).sqrt())
