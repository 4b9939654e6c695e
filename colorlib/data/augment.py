"""Augmentation on whole batches, on the device (paper §3.2): random crops, horizontal flips, noise; the sevenfold set.

Photos and masks are moved together, so an input and its target can never drift apart: both are computed
from the same augmented RGB. Noise is the exception, and is added to the luma that the network sees only:
the colours to predict stay clean.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def random_crops(photos: Tensor, sizes: Tensor, crop: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One random square of each padded photo, within the photo where the photo is large enough.

    Args:
        photos: (B, S, S, 3) uint8, each photo at the top left of its square.
        sizes: (B, 2), height and width of each photo.
        crop: side of the square, at most S.

    Returns:
        crops (B, crop, crop, 3) uint8 and masks (B, crop, crop), true where the photo is.
    """
    if crop > photos.shape[1]:
        raise ValueError(f"cannot crop {crop} pixels out of photos of {photos.shape[1]}")
    steps = torch.arange(crop, device=photos.device)
    places = torch.rand(len(photos), 2, generator=generator).to(photos.device)
    corner = (places * (sizes - crop + 1).clamp(min=1)).floor().long()
    rows, columns = corner[:, :1] + steps, corner[:, 1:] + steps  # (B, crop) each
    batch = torch.arange(len(photos), device=photos.device)[:, None, None]
    crops = photos[batch, rows[:, :, None], columns[:, None, :]]
    mask = (rows < sizes[:, :1])[:, :, None] & (columns < sizes[:, 1:])[:, None, :]
    return crops, mask


def random_flips(photos: Tensor, mask: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mirror each photo (B, H, W, 3) and its mask (B, H, W) left to right with probability one half."""
    flip = (torch.rand(len(photos), generator=generator) < 0.5).to(photos.device)
    photos = torch.where(flip[:, None, None, None], photos.flip(2), photos)
    mask = torch.where(flip[:, None, None], mask.flip(2), mask)
    return photos, mask


def add_noise(luma: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise to luma (B, 1, H, W), of a standard deviation drawn up to ``strength`` per photo."""
    deviation = torch.rand(len(luma), 1, 1, 1, generator=generator) * strength
    # Noise is as large as the batch, so it is drawn where the batch is, by a generator that this one seeds.
    local = torch.Generator(luma.device).manual_seed(int(torch.randint(2**62, (), generator=generator)))
    noise = torch.randn(luma.shape, generator=local, device=luma.device)
    return (luma + noise * deviation.to(luma.device)).clamp(0, 1)


def random_zoom(
    photos: Tensor, sizes: Tensor, min_size: int, step: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Shrink a whole batch of uint8 photos (B, S, S, 3) to one random side between ``min_size`` and S.

    The side is a multiple of ``step``. Returns the photos and the new sizes (B, 2) of the photos in them. A network
    trained at one scale knows the textures of that scale only; in a small picture its receptive field spans a scene.
    """
    full = photos.shape[1]
    choices = (full - min_size) // step + 1
    side = full - step * int(torch.randint(choices, (), generator=generator))
    if side == full:
        return photos, sizes
    shrunk = F.interpolate(photos.movedim(-1, 1).float(), side, mode="bilinear", antialias=True, align_corners=False)
    # The filter reaches full / side pixels far: a pixel belongs to the photo if it does not reach into the padding.
    unmixed = ((2 * sizes + 1) * side - full).div(2 * full, rounding_mode="floor").clamp(min=1)
    return shrunk.round().to(torch.uint8).movedim(1, -1), torch.where(sizes == full, side, unmixed)


def random_tone(luma: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Bend the contrast curve of each luma (B, 1, H, W): luma ** γ with log γ uniform within ±``strength``.

    Films and papers differ in their tone curves; the colours to predict do not.
    """
    exponent = ((torch.rand(len(luma), 1, 1, 1, generator=generator) * 2 - 1) * strength).exp()
    return luma.clamp(0, 1) ** exponent.to(luma.device)


def random_levels(luma: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Move black and white of each luma (B, 1, H, W) by up to ``strength`` each: faded prints, overexposed skies."""
    moved = ((torch.rand(2, len(luma), 1, 1, 1, generator=generator) * 2 - 1) * strength).to(luma.device)
    black, white = moved[0], 1 + moved[1]
    return (black + luma * (white - black)).clamp(0, 1)


def random_blur(luma: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Blur a whole batch of luma (B, 1, H, W) with the given probability, by shrinking it up to twofold and back."""
    blur, amount = torch.rand(2, generator=generator).tolist()
    if blur >= probability:
        return luma
    height, width = luma.shape[-2:]
    small = max(1, round(height * (1 - amount / 2))), max(1, round(width * (1 - amount / 2)))
    shrunk = F.interpolate(luma, small, mode="bilinear", antialias=True, align_corners=False)
    return F.interpolate(shrunk, (height, width), mode="bilinear", align_corners=False)
