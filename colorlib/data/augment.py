"""Augmentation on whole batches, on the device (paper §3.2): random crops, horizontal flips, noise.

Photos and masks are moved together, so an input and its target can never drift apart: both are computed
from the same augmented RGB. Noise is the exception, and is added to the luma that the network sees only:
the colours to predict stay clean.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

ASPECTS = (16 / 9, 3 / 2, 4 / 3, 1.0, 3 / 4)  # width by height, as cameras and people cut their pictures


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


def random_shape(largest: int, smallest: int, step: int, stride: int, generator: torch.Generator) -> tuple[int, int]:
    """Height and width of a picture as a stretched network is given it: each a multiple of ``stride``.

    The longer side is drawn between ``smallest`` and ``largest``, in steps of ``step``, the aspect from `ASPECTS`; then
    both sides are rounded up.

    >>> random_shape(160, 160, 8, 32, torch.Generator().manual_seed(0))
    (160, 128)
    """
    aspect = ASPECTS[int(torch.randint(len(ASPECTS), (), generator=generator))]
    longer = largest - step * int(torch.randint((largest - smallest) // step + 1, (), generator=generator))
    sides = longer / max(1.0, aspect), longer * min(1.0, aspect)
    height, width = (stride * math.ceil(side / stride) for side in sides)
    return height, width


def random_resized_crops(photos: Tensor, sizes: Tensor, shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """A random box of each padded photo, stretched to one shape, so that none of it is padding.

    A box has the shape's aspect within a fifth (e^0.2), and 45 to 100 % of the area of the largest such box.

    Args:
        photos: (B, S, S, 3) uint8, each photo at the top left of its square.
        sizes: (B, 2), height and width of each photo.
        shape: height and width of the result.

    Returns:
        (B, height, width, 3) uint8.
    """
    draws = torch.rand(len(photos), 4, generator=generator).tolist()
    crops = []
    for photo, (height, width), (stretch, share, down, across) in zip(photos, sizes.tolist(), draws, strict=True):
        aspect = shape[1] / shape[0] * math.exp(0.2 * (2 * stretch - 1))
        tallest = min(height, width / aspect) * math.sqrt(0.45 + 0.55 * share)
        rows, columns = (max(1, round(side)) for side in (tallest, tallest * aspect))
        top, left = int(down * (height - rows + 1)), int(across * (width - columns + 1))
        box = photo[top : top + rows, left : left + columns].movedim(-1, 0)[None].float()
        crops.append(F.interpolate(box, shape, mode="bilinear", antialias=True, align_corners=False))
    return torch.cat(crops).round().to(torch.uint8).movedim(1, -1)


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
