"""Following what moves: the past brought along with the pixels of a film (beyond the paper's §4.3; its §5 on seeds).

The motion is seen in the gray film itself, never in its colours, which are what is to be judged.
"""

from math import exp, inf

import numpy as np
import torch
import torch.nn.functional as F
from skimage.registration import optical_flow_ilk
from torch import Tensor

from colorlib.video.smoothing import Smoother, frames_until_forgotten


class Motion:
    """How each pixel moved since the last frame, and how far that can be trusted."""

    def __init__(self) -> None:
        self.previous: Tensor | None = None

    def __call__(self, luma: Tensor) -> tuple[Tensor, Tensor]:
        """The next luma (h, w) -> the flow (2, h, w) back to the last frame, and how far to trust it (h, w), 0 to 1.

        Trust falls where the last frame, brought along, does not look like this one (over 5 x 5 pixels: grain is no
        motion), and is 0 where a pixel came from outside the picture. The first frame, without a past, trusts nothing.
        """
        previous, self.previous = self.previous, luma
        if previous is None:
            return luma.new_zeros(2, *luma.shape), torch.zeros_like(luma)
        flow = backward_flow(luma, previous)
        difference = F.avg_pool2d(warp(previous[None], flow) - luma, 5, stride=1, padding=2, count_include_pad=False)[0]
        return flow, torch.exp(-((difference / 0.05) ** 2)) * inside(flow)


class MotionKernel(Smoother):
    """An exponential average along the motion: the past is brought along with the pixels before it is averaged.

    S_t = b · trust · warp(S_{t-1}) + p_t. Where the motion cannot be trusted, because something came into view, the
    past counts for nothing. The window is endless: one of T frames would have to bring T maps along.
    """

    def __init__(self, alpha: float = 0.2, window: float = inf):
        self.decay = exp(-alpha)
        self.memory = frames_until_forgotten(alpha)
        self.reset()

    def reset(self) -> None:
        self.motion = Motion()
        self.state: Tensor | None = None

    def __call__(self, probabilities: Tensor, luma: Tensor) -> Tensor:
        flow, trust = self.motion(luma)
        if self.state is None:
            self.state = torch.zeros_like(probabilities)
        self.state = self.decay * trust * warp(self.state, flow) + probabilities
        return self.state / self.state.sum(0, keepdim=True)


class SeedKernel(Smoother):
    """Confident pixels as seeds, carried along the motion and diffused: the paper's last paragraph (§5).

    A pixel keeps what was predicted most confidently along its path; a seed's confidence fades by e^(-α/10) per frame,
    so that a mistake can be overruled. Then every pixel is drawn towards neighbours of its own luma, the less the surer
    it is: x ← (c·seed + Σ w x_neighbour) / (c + Σ w), Levin et al.'s affinity w by luma, a few rounds.
    """

    def __init__(self, alpha: float = 0.2, window: float = inf, rounds: int = 4):
        self.decay = exp(-alpha / 10)
        self.memory = frames_until_forgotten(alpha / 10)
        self.rounds = rounds
        self.reset()

    def reset(self) -> None:
        self.motion = Motion()
        self.past: tuple[Tensor, Tensor] | None = None  # the seeds and their confidence

    def __call__(self, probabilities: Tensor, luma: Tensor) -> Tensor:
        flow, trust = self.motion(luma)
        seeds, confidence = probabilities, probabilities.amax(0)
        if self.past is not None:
            old_seeds, old_confidence = self.past
            carried = self.decay * trust * warp(old_confidence[None], flow)[0]
            older = carried > confidence
            seeds = torch.where(older, warp(old_seeds, flow), probabilities)
            confidence = torch.where(older, carried, confidence)
        self.past = seeds, confidence
        return diffuse(seeds, confidence**2, luma, self.rounds)


def diffuse(values: Tensor, confidence: Tensor, luma: Tensor, rounds: int, spread: float = 0.03) -> Tensor:
    """Draw unsure pixels of maps (n, h, w) towards neighbours of similar luma (h, w).

    ``confidence`` (h, w) is their inertia. Every result is an average of values: probabilities stay probabilities.
    """
    weights = [torch.exp(-((luma - neighbour) ** 2) / (2 * spread**2)) for neighbour in neighbours(luma[None])]
    total = confidence + sum(weights)
    result = values
    for _ in range(rounds):
        pull = sum(weight * neighbour for weight, neighbour in zip(weights, neighbours(result), strict=True))
        result = (confidence * values + pull) / total
    return result


def neighbours(maps: Tensor) -> list[Tensor]:
    """The left, right, upper and lower neighbour of every pixel of maps (n, h, w); the edge is repeated."""
    padded = F.pad(maps[None], (1, 1, 1, 1), mode="replicate")[0]
    centre = slice(1, -1)
    return [padded[:, centre, :-2], padded[:, centre, 2:], padded[:, :-2, centre], padded[:, 2:, centre]]


def backward_flow(luma: Tensor, previous: Tensor) -> Tensor:
    """Where each pixel of a luma (h, w) was in the previous one: the flow (2, h, w), (right, down) in pixels.

    Iterative Lucas–Kanade on a pyramid, from scikit-image, at half the size: four times faster and about as good.
    """
    if min(luma.shape) < 32:  # too small for a pyramid and its neighbourhoods
        return luma.new_zeros(2, *luma.shape)
    now, before = (F.avg_pool2d(image[None].cpu(), 2)[0].numpy() for image in (luma, previous))
    down, right = optical_flow_ilk(now, before, radius=7, num_warp=4)
    flow = 2 * torch.from_numpy(np.stack([right, down]))
    return F.interpolate(flow[None], luma.shape, mode="bilinear")[0].to(luma)


def warp(maps: Tensor, flow: Tensor) -> Tensor:
    """Fetch maps (n, h, w) from where the flow (2, h, w) points, bilinearly; beyond the edge the edge is repeated."""
    rows, columns = _targets(flow)
    height, width = flow.shape[-2:]
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    return F.grid_sample(maps[None], grid[None].to(maps), padding_mode="border", align_corners=False)[0]


def inside(flow: Tensor) -> Tensor:
    """1 where the flow (2, h, w) points into the picture, 0 elsewhere: (h, w)."""
    rows, columns = _targets(flow)
    height, width = flow.shape[-2:]
    within = (rows >= -0.5) & (rows <= height - 0.5) & (columns >= -0.5) & (columns <= width - 0.5)
    return within.to(flow)


def _targets(flow: Tensor) -> tuple[Tensor, Tensor]:
    """The row and the column (h, w) that each pixel's flow points at."""
    height, width = flow.shape[-2:]
    rows, columns = torch.arange(height, device=flow.device), torch.arange(width, device=flow.device)
    return rows[:, None] + flow[1], columns + flow[0]
