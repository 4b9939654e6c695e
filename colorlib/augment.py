"""Augmentation on whole batches, on the device (paper §3.2): random crops, horizontal flips, noise.

Frames and masks are moved together, so an input and its target can never drift apart: both are computed
from the same augmented RGB. Noise is the exception, and is added to the luma that the network sees only:
the colours to predict stay clean.
"""

import torch
from torch import Tensor


def random_crops(frames: Tensor, sizes: Tensor, crop: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One random square of each frame, within the photo where the photo is large enough.

    Args:
        frames: (B, S, S, 3) uint8, each photo at the top left of its frame.
        sizes: (B, 2), height and width of each photo.
        crop: side of the square, at most S.

    Returns:
        crops (B, crop, crop, 3) uint8 and masks (B, crop, crop), true where the photo is.
    """
    if crop > frames.shape[1]:
        raise ValueError(f"cannot crop {crop} pixels out of frames of {frames.shape[1]}")
    steps = torch.arange(crop, device=frames.device)
    places = torch.rand(len(frames), 2, generator=generator).to(frames.device)
    corner = (places * (sizes - crop + 1).clamp(min=1)).floor().long()
    rows, columns = corner[:, :1] + steps, corner[:, 1:] + steps  # (B, crop) each
    batch = torch.arange(len(frames), device=frames.device)[:, None, None]
    crops = frames[batch, rows[:, :, None], columns[:, None, :]]
    mask = (rows < sizes[:, :1])[:, :, None] & (columns < sizes[:, 1:])[:, None, :]
    return crops, mask


def random_flips(frames: Tensor, mask: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mirror each frame (B, H, W, 3) and its mask (B, H, W) left to right with probability one half."""
    flip = (torch.rand(len(frames), generator=generator) < 0.5).to(frames.device)
    frames = torch.where(flip[:, None, None, None], frames.flip(2), frames)
    mask = torch.where(flip[:, None, None], mask.flip(2), mask)
    return frames, mask


def add_noise(luma: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise to luma (B, 1, H, W), of a standard deviation drawn up to ``strength`` per photo."""
    deviation = torch.rand(len(luma), 1, 1, 1, generator=generator) * strength
    noise = torch.randn(luma.shape, generator=generator) * deviation
    return (luma + noise.to(luma.device)).clamp(0, 1)
