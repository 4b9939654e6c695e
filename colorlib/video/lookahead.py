"""Steadier than the past allows: averaging over the frames to come, too.

A smoother that only remembers has hardly anything to average when a scene begins, and lags behind ever after. A film
lies there whole: the frames that follow are as good as those before.
"""

from collections import deque

from torch import Tensor

from colorlib.prediction.annealing import annealed_mean
from colorlib.video.smoothing import StillKernel, average_of, counted

COOLER = 0.9  # of the temperature; chosen on five films, so that they keep 95 % of their colour


class Lookahead:
    """The still kernel in both directions of time [ours]: what comes is weighted like what was.

    A frame's average is the sum of `StillKernel` over the frames up to it, and of a second one that runs backwards from
    ``ahead`` frames later at the least (where the scene goes on for so long) down to it; the frame itself counts once.
    With ``patience`` 30 and α = 0.2 a still pixel's weights fade by 1/150 per frame.

    **Cost.** The second sum runs once for ``block`` frames at a time: (ahead + block) / block steps of the kernel per
    frame. ahead + block frames are kept, each with its sum: 165 MB for 56 frames of 160 x 90 and 32 bins.

    >>> import torch
    >>> steady, gray = Lookahead(ahead=2, block=1), torch.full((1, 1), 0.5)
    >>> shown = [steady.push(torch.full((1, 1, 1), p), gray) for p in (0.0, 1.0, 0.0)]
    >>> [len(frames) for frames in shown], round(float(shown[2][0]), 2)  # the first frame knows of the third
    ([0, 0, 1], 0.33)
    >>> len(steady.flush())
    2
    """

    def __init__(self, alpha: float = 0.2, ahead: int = 48, block: int = 8, patience: float = 30):
        self.ahead, self.block = ahead, block
        self.past, self.future = (StillKernel(alpha, patience=patience) for _ in range(2))
        self.memory = self.past.memory
        self.waiting: deque[tuple[Tensor, Tensor]] = deque()

    def push(self, probabilities: Tensor, luma: Tensor) -> list[Tensor]:
        """Take in a frame's probabilities (n, h, w) and luma (h, w); return the averages that are ready, or none."""
        frame = counted(probabilities, luma)
        self.waiting.append((frame.half(), self.past.weighted_sum(frame)))  # half is fine enough for one of many
        return self._finish(self.block) if len(self.waiting) == self.ahead + self.block else []

    def flush(self) -> list[Tensor]:
        """The scene is over: return the averages of all frames that still wait, and forget."""
        rest = self._finish(len(self.waiting))
        self.reset()
        return rest

    def reset(self) -> None:
        """Forget everything, also the frames that wait."""
        self.waiting.clear()
        self.past.reset()

    def _finish(self, count: int) -> list[Tensor]:
        """Average the ``count`` frames that have waited longest, with all that came after them."""
        self.future.reset()
        averages = []
        for place, (kept, before) in reversed(list(enumerate(self.waiting))):
            frame = kept.float()
            after = self.future.weighted_sum(frame)
            if place < count:
                averages.append(average_of(before + (after - frame).clamp(min=0)))
        for _ in range(count):
            self.waiting.popleft()
        return averages[::-1]


def steady_color(average: Tensor, colors: Tensor, temperature: float) -> Tensor:
    """The chrominance (2, h, w) of probabilities (n, h, w) that are an average over many frames.

    They are flatter than one frame's, and their colours paler: `COOLER` makes up for it.
    """
    return annealed_mean(average.log(), colors, COOLER * temperature)
