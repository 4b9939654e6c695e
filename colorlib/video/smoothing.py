"""Stable colour over time (paper §4.3): smoothing the predictions of successive frames, one frame at a time.

A network that looks at each frame alone changes its mind from frame to frame, and colours flicker. The paper averages
the probabilities of past frames with a decaying weight before they become a colour: `TemporalKernel`. The other
smoothers are variants to compare it with. All are called alike, ``smoother(probabilities, luma)``: see `SMOOTHERS`.
"""

from math import exp, expm1, inf, isfinite, log, log1p
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from colorlib.errors import ColorlibError
from colorlib.prediction.annealing import annealed_mean

SINGLE_PRECISION = 2.0**-24  # the relative size of what float32 rounds away


def frames_until_forgotten(alpha: float) -> float:
    """After how many frames a weight that fades by e^(-α) per frame vanishes beside 1 in single precision.

    >>> round(frames_until_forgotten(0.2))
    83
    """
    return -log(SINGLE_PRECISION) / alpha if alpha else inf


class Smoother(Protocol):
    """What all smoothers have in common; a new scene calls `reset`.

    ``memory`` is how many past frames still change the next one: whoever goes on in the middle has to show them again.
    """

    memory: float

    def __call__(self, probabilities: Tensor, luma: Tensor) -> Tensor:
        """The probabilities (n, h, w) of the next frame and its luma (h, w) -> smoothed probabilities (n, h, w)."""

    def reset(self) -> None:
        """Forget the past."""


class TemporalKernel(Smoother):
    """The paper's kernel: p̂_t = Σ_{i=0..T} e^(-αi) p_{t-i}, divided by the sum of its weights to be a probability.

    ``alpha`` is α, ``window`` is T in frames: 0 is frame by frame, `math.inf` never cuts the tail off. While there
    are fewer frames than that, only the weights of those there are count.

    **Cost.** With b = e^(-α), the sum S_t follows from the one before by adding a frame and taking one away:
    S_t = b S_{t-1} + p_t - b^(T+1) p_{t-T-1}: the same work for every T. What leaves must be remembered, so
    memory is T+1 maps, whatever the length of the film. No exact method needs fewer: every one of those
    frames still changes some future sum. Only where b^(T+1) vanishes beside 1 in single precision
    (T > 16.6/α: 83 frames for α = 0.2) is nothing left to take away, and one map is enough.

    **Exactness.** Adding and taking away round differently, and for α = 0 those errors would pile up for ever. So a
    second sum starts from nothing every T+1 frames; when it is T+1 frames old it is S_t by additions alone, and
    replaces it: no error outlives 2T+1 frames.

    >>> kernel = TemporalKernel(alpha=0.5, window=1)
    >>> first, second = kernel(torch.ones(1, 1, 1)).item(), kernel(torch.zeros(1, 1, 1)).item()
    >>> first, round(second, 4)  # 1, then e^-0.5 / (1 + e^-0.5)
    (1.0, 0.3775)

    Raises:
        ColorlibError: if ``alpha`` is below 0, ``window`` is no whole number, neither has an end, or a frame of another
            size comes.
    """

    def __init__(self, alpha: float = 0.2, window: float = 20):
        if not (isfinite(alpha) and alpha >= 0):
            raise ColorlibError(f"alpha, the decay per frame, must be a number of 0 or more, got {alpha}")
        if not (window == inf or (window >= 0 and window == int(window))):
            raise ColorlibError(f"the window must be a whole number of past frames, 0 or more, got {window}")
        if alpha == 0 and window == inf:
            raise ColorlibError("without decay (alpha 0) the window must be finite: all frames would weigh the same")
        self.alpha = alpha
        self.window = window
        self.decay = exp(-alpha)
        self.leaving_weight = exp(-alpha * (window + 1)) if alpha else 1.0
        self.keeps_frames = self.leaving_weight > SINGLE_PRECISION
        self.memory = min(window, frames_until_forgotten(alpha))
        self.reset()

    def reset(self) -> None:
        self._count = 0
        self._state: tuple[Tensor, Tensor] | None = None
        self._past = torch.empty(0)

    def weights(self) -> Tensor:
        """The normalised weights (T+1,) of this frame and those before it; an infinite window is cut at 1e-7."""
        length = self.window + 1 if self.window < inf else 1 + log(1e7) / self.alpha
        weights = torch.exp(-self.alpha * torch.arange(int(length), dtype=torch.float64))
        return weights / weights.sum()

    def __call__(self, probabilities: Tensor, luma: Tensor | None = None) -> Tensor:
        """The next frame's probabilities (n, h, w) -> the smoothed ones, in a new tensor. The luma is not needed."""
        if self.window == 0:
            return probabilities.clone()
        total = self.weighted_sum(probabilities)
        frames = min(self._count, self.window + 1)
        weight = expm1(-self.alpha * frames) / expm1(-self.alpha) if self.alpha else frames  # of all these together
        return total / weight

    def weighted_sum(self, frame: Tensor) -> Tensor:
        """Take in the next frame, numbers of 0 or more in any shape that stays, and return S_t until the next call."""
        if self._state is None:
            self._state = torch.zeros_like(frame), torch.zeros_like(frame)
            if self.keeps_frames:
                try:
                    self._past = frame.new_zeros((int(self.window) + 1, *frame.shape))
                except (MemoryError, RuntimeError) as error:
                    raise ColorlibError(
                        f"there is no memory for a window of {self.window:g} frames: choose a shorter one"
                    ) from error
        if frame.shape != self._state[0].shape:
            shapes = f"{tuple(frame.shape)} after one of {tuple(self._state[0].shape)}"
            raise ColorlibError(f"a kernel got a frame of shape {shapes}: call reset() where the size changes")
        total, fresh = self._state
        total.mul_(self.decay).add_(frame)
        if self.keeps_frames:
            fresh.mul_(self.decay).add_(frame)
            oldest = self._past[self._count % len(self._past)]
            total.sub_(oldest, alpha=self.leaving_weight).clamp_(min=0)
            oldest.copy_(frame)
        self._count += 1
        if self.keeps_frames and self._count % len(self._past) == 0:
            self._state = fresh, total.zero_()
        return self._state[0]


class StillKernel(Smoother):
    """The paper's kernel with a longer memory where nothing moves, and a shorter one where much does [ours].

    S_t = b · S_{t-1} + p_t, divided by the sum of its weights, with a decay b of each pixel's own. While its luma (over
    3 x 3 pixels: grain is no motion) is within 0.02 of its own average so far, the past fades ``patience`` times slower
    than in the kernel, b = e^(-α/patience). Where it differs by more, by d, something moved: the past then weighs no
    more than in the kernel, and b = e^(-α - (d/0.2)²). A slow fade soon leaves its average, and does not pass for
    stillness. One map is kept; the window is endless.

    >>> kernel, gray = StillKernel(alpha=0.5), torch.full((1, 1), 0.5)
    >>> _, still = kernel(torch.ones(1, 1, 1), gray), kernel(torch.zeros(1, 1, 1), gray)
    >>> round(still.item(), 4)  # e^-0.05 / (1 + e^-0.05)
    0.4875
    >>> kernel(torch.zeros(1, 1, 1), gray + 0.5).item() < 0.01  # something else is there now
    True
    """

    def __init__(self, alpha: float = 0.2, window: float = inf, patience: float = 10):
        self.still_decay, self.decay = exp(-alpha / patience), exp(-alpha)
        self.most = -1 / expm1(-alpha) if alpha else inf  # the sum of the kernel's weights
        self.memory = frames_until_forgotten(alpha / patience)
        self.reset()

    def reset(self) -> None:
        self.total: Tensor | None = None

    def __call__(self, probabilities: Tensor, luma: Tensor) -> Tensor:
        return average_of(self.weighted_sum(counted(probabilities, luma)))

    def weighted_sum(self, frame: Tensor) -> Tensor:
        """Take in the next frame as `counted` makes it (n + 2, h, w), and return S_t of the same shape."""
        if self.total is None:
            self.total = frame
        else:
            *_, average, weight = self.total
            change = (frame[-2] - average / weight).abs()
            moved = self.decay * (self.most / weight).clamp(max=1) * torch.exp(-((change / 0.2) ** 2))
            self.total = torch.where(change < 0.02, self.still_decay, moved) * self.total + frame
        return self.total


def counted(probabilities: Tensor, luma: Tensor) -> Tensor:
    """Probabilities (n, h, w), the luma (h, w) over 3 x 3 pixels and a 1: (n + 2, h, w), to be summed alike."""
    blurred = F.avg_pool2d(luma[None], 3, stride=1, padding=1, count_include_pad=False)
    return torch.cat([probabilities, blurred, torch.ones_like(blurred)])


def average_of(total: Tensor) -> Tensor:
    """A weighted sum of frames as `counted` makes them (n + 2, h, w) -> their average probabilities (n, h, w)."""
    return total[:-2] / total[-1]


def published_alpha(alpha: float) -> float:
    """The α that the authors' published code has in effect when it is given ``alpha``.

    It computes s_t = (e^(-α) s_{t-1} + p_t) / (1 + e^(-α)): an endless exponential average, but of the decay
    e^(-α) / (1 + e^(-α)) per frame instead of e^(-α).

    >>> round(published_alpha(0.2), 2)
    0.8
    """
    return alpha + log1p(exp(-alpha))


class ConfidenceKernel(Smoother):
    """The paper's kernel with each pixel of each frame weighted by its confidence, the probability of its top bin.

    An unsure frame then has little say in the average. Probabilities sum to 1, so the sum of weighted ones over the
    bins is the sum of the weights.
    """

    def __init__(self, alpha: float = 0.2, window: float = 20):
        self.kernel = TemporalKernel(alpha, window)
        self.memory = self.kernel.memory

    def reset(self) -> None:
        self.kernel.reset()

    def __call__(self, probabilities: Tensor, luma: Tensor) -> Tensor:
        confidence = probabilities.amax(0, keepdim=True)
        weighted = self.kernel.weighted_sum(probabilities * confidence)
        return weighted / weighted.sum(0, keepdim=True)


class ColorKernel(TemporalKernel):
    """The paper's kernel on colours instead of probabilities, to compare with: it is given chrominance (2, h, w).

    Where the network wavers between two colours, it shows what lies between them.

    >>> kernel = ColorKernel(alpha=0.0, window=1)
    >>> blue, red = torch.tensor([0.4, -0.1])[:, None, None], torch.tensor([-0.1, 0.5])[:, None, None]
    >>> _, mixed = kernel(blue), kernel(red)
    >>> [round(float(value), 2) for value in mixed.flatten()]
    [0.15, 0.2]
    """

    def __call__(self, probabilities: Tensor, luma: Tensor | None = None) -> Tensor:
        """The next frame's colours (2, h, w), each above -1 -> the smoothed ones, a new tensor."""
        return super().__call__(probabilities + 1) - 1  # sums of numbers below 0 are not kept


def smooth_colors(
    smoother: Smoother | None, probabilities: Tensor, luma: Tensor, colors: Tensor, temperature: float
) -> Tensor:
    """The next frame's probabilities (n, h, w) and luma (h, w) -> its steady chrominance (2, h, w).

    A smoother (None: none) comes before the annealed mean, which makes colours of probabilities; `ColorKernel` after.
    """
    if isinstance(smoother, ColorKernel):
        return smoother(annealed_mean(probabilities.log(), colors, temperature), luma)
    steady = probabilities if smoother is None else smoother(probabilities, luma)
    return annealed_mean(steady.log(), colors, temperature)
