"""Augmentation on whole batches, on the device (paper §3.2): random crops, horizontal flips, noise; the sevenfold set.

Frames and masks are moved together, so an input and its target can never drift apart: both are computed
from the same augmented RGB. Noise is the exception, and is added to the luma that the network sees only:
the colours to predict stay clean.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from colorlib.color import luma_of
from colorlib.datasets import Frames
from colorlib.errors import ColorlibError

# The paper's set is "dilated sevenfold" by flips, noise and crops. How many of each, the three variances of the noise
# and the share of a crop are those of the code that its authors published.
VARIANTS = ("original", "flip", "noise 1", "noise 2", "noise 3", "crop 1", "crop 2")
NOISE_VARIANCES = (1e-4, 2e-4, 3e-4)  # of RGB values in [0, 1]
CROP_SHARE = 0.7  # of the photo's height and width


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
    # Noise is as large as the batch, so it is drawn where the batch is, by a generator that this one seeds.
    local = torch.Generator(luma.device).manual_seed(int(torch.randint(2**62, (), generator=generator)))
    noise = torch.randn(luma.shape, generator=local, device=luma.device)
    return (luma + noise * deviation.to(luma.device)).clamp(0, 1)


def random_zoom(
    frames: Tensor, sizes: Tensor, smallest: int, step: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Shrink a whole batch of uint8 frames (B, S, S, 3) to one random side between ``smallest`` and S.

    The side is a multiple of ``step``. Returns the frames and the new sizes (B, 2) of the photos in them. A network
    trained at one scale knows the textures of that scale only; and a small frame lets its receptive field span a scene.
    """
    full = frames.shape[1]
    choices = (full - smallest) // step + 1
    side = full - step * int(torch.randint(choices, (), generator=generator))
    if side == full:
        return frames, sizes
    shrunk = F.interpolate(frames.movedim(-1, 1).float(), side, mode="bilinear", antialias=True, align_corners=False)
    # The filter reaches full / side pixels far: a pixel belongs to the photo if it does not reach into the padding.
    unmixed = ((2 * sizes + 1) * side - full).div(2 * full, rounding_mode="floor").clamp(min=1)
    return shrunk.round().to(torch.uint8).movedim(1, -1), torch.where(sizes == full, side, unmixed)


def random_tone(luma: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Bend the contrast curve of each luma (B, 1, H, W): luma ** γ with log γ uniform within ±``strength``.

    Films and papers differ in their tone curves; the colours to predict do not.
    """
    exponent = ((torch.rand(len(luma), 1, 1, 1, generator=generator) * 2 - 1) * strength).exp()
    return luma.clamp(0, 1) ** exponent.to(luma.device)


def random_blur(luma: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Blur a whole batch of luma (B, 1, H, W) with the given probability, by shrinking it up to twofold and back."""
    blur, amount = torch.rand(2, generator=generator).tolist()
    if blur >= probability:
        return luma
    height, width = luma.shape[-2:]
    small = max(1, round(height * (1 - amount / 2))), max(1, round(width * (1 - amount / 2)))
    shrunk = F.interpolate(luma, small, mode="bilinear", antialias=True, align_corners=False)
    return F.interpolate(shrunk, (height, width), mode="bilinear", align_corners=False)


def sevenfold(frames: Frames, items: Tensor, seed: int = 0, mode: str = "clean") -> tuple[Tensor, Tensor, Tensor]:
    """Items of the paper's sevenfold set: item 7·k + v is variant v (see `VARIANTS`) of photo k.

    An item depends on the photos, the seed and its number, not on the batch that it is asked for in.

    Args:
        frames: the photos, N of them.
        items: (B,) numbers from 0 to 7N - 1.
        seed: of the crops and the noise.
        mode: "clean" adds noise to the luma that the network sees, and asks for the clean colours; "paper" does what
            the paper says, adding noise "to the image", so that the colours to predict are noisy too.

    Returns:
        luma (B, 1, S, S) in [0, 1], colours to predict (B, S, S, 3) uint8, and mask (B, S, S), true where the photo is.
    """
    if mode not in ("clean", "paper"):
        raise ColorlibError(f"unknown mode of augmentation {mode!r}: use 'clean' or 'paper'")
    photo, variant = items // len(VARIANTS), items % len(VARIANTS)
    batch = frames.take(photo)
    device = batch.rgb.device
    photo, variant = photo.to(device), variant.to(device)
    rgb, mask = _cut_and_flip(batch, photo, variant, seed)

    deviation = torch.tensor([0, 0, *(v**0.5 for v in NOISE_VARIANCES), 0, 0], device=device)[variant]
    pixel = torch.arange(rgb[0].numel(), device=device).reshape(rgb.shape[1:])
    key = [part[:, None, None, None] for part in (photo, variant)]
    image = rgb.float() / 255
    if mode == "paper":
        noisy = image + normal(seed, *key, pixel) * deviation[:, None, None, None]
        rgb = (noisy * 255).round().clamp(0, 255).to(torch.uint8) * mask[..., None]
        return luma_of(rgb.movedim(-1, 1).float() / 255).unsqueeze(1), rgb, mask
    noise = normal(seed, *key, pixel[None, ..., 0]) * deviation[:, None, None, None]
    luma = luma_of(image.movedim(-1, 1)).unsqueeze(1)
    return (luma + noise).clamp(0, 1) * mask.unsqueeze(1), rgb, mask


def _cut_and_flip(batch: Frames, photo: Tensor, variant: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """The part of each photo that its variant shows, at the top left of its frame, and the mask of it."""
    crop = (variant >= VARIANTS.index("crop 1"))[:, None]
    part = torch.where(crop, (batch.sizes * CROP_SHARE).round().long().clamp(min=1), batch.sizes)  # (B, 2)
    place = uniform(seed, photo[:, None], variant[:, None], torch.arange(2, device=photo.device))
    corner = (place * (batch.sizes - part + 1)).floor().long()  # zero where the part is the whole photo

    steps = torch.arange(batch.rgb.shape[1], device=photo.device)
    flip = (variant == VARIANTS.index("flip"))[:, None]
    columns = torch.where(flip, part[:, 1:] - 1 - steps, steps)  # (B, S): where each column comes from
    mask = (steps < part[:, :1])[:, :, None] & (steps < part[:, 1:])[:, None, :]
    rows = (corner[:, :1] + steps).clamp(max=len(steps) - 1)
    columns = (corner[:, 1:] + columns).clamp(0, len(steps) - 1)
    index = torch.arange(len(photo), device=photo.device)[:, None, None]
    return batch.rgb[index, rows[:, :, None], columns[:, None, :]] * mask[..., None], mask


def normal(seed: int, *keys: Tensor) -> Tensor:
    """Standard normal numbers, each a function of the seed and its own integer keys (by Box and Muller's method)."""
    bits = _hash(seed, *keys)
    first, second = _shift(bits, 40), bits & 0xFFFFFF  # 24 bits each, all that a float32 holds
    return (-2 * ((first + 1).float() / 2**24).log()).sqrt() * (second.float() * (2 * math.pi / 2**24)).cos()


def uniform(seed: int, *keys: Tensor) -> Tensor:
    """Numbers in [0, 1), each a function of the seed and its own integer keys, which broadcast.

    A generator's numbers depend on all that were drawn before. These do not, so that an item is the same in any batch.

    >>> bool((uniform(1, torch.arange(5))[3] == uniform(1, torch.tensor(3))).all())
    True
    """
    return _shift(_hash(seed, *keys), 40).float() / 2**24


def _hash(*keys: int | Tensor) -> Tensor:
    """64 well mixed bits for each combination of keys: the steps of SplitMix64 (Steele et al. 2014), key by key."""
    bits = torch.tensor(0)
    for key in keys:
        bits = bits + key - 0x61C8864680B583EB
        bits = (bits ^ _shift(bits, 30)) * -0x40A7B892E31B1A47
        bits = (bits ^ _shift(bits, 27)) * -0x6B2FB644ECCEEE15
        bits = bits ^ _shift(bits, 31)
    return bits


def _shift(bits: Tensor, places: int) -> Tensor:
    """Shift 64 bits to the right, zeros coming in (``>>`` alone would repeat the sign)."""
    return (bits >> places) & ((1 << (64 - places)) - 1)
