"""The paper's augmented set (§3.2): "dilated sevenfold" by flips, noise and crops, each item a function of its number.

Photos and masks are moved together, so that an input and its target can never drift apart.
"""

import math

import torch
from torch import Tensor

from colorlib.color.spaces import luma_of, unit_rgb
from colorlib.data.datasets import PaddedPhotos
from colorlib.errors import ColorlibError

# The paper's set is "dilated sevenfold" by flips, noise and crops. How many of each, the three variances of the noise
# and the share of a crop are those of the code that its authors published.
VARIANTS = ("original", "flip", "noise 1", "noise 2", "noise 3", "crop 1", "crop 2")
NOISE_VARIANCES = (1e-4, 2e-4, 3e-4)  # of RGB values in [0, 1]
CROP_SHARE = 0.7  # of the photo's height and width
MODES = ("clean", "paper", "dark", "filled")


def sevenfold_batch(
    photos: PaddedPhotos, items: Tensor, seed: int = 0, mode: str = "clean"
) -> tuple[Tensor, Tensor, Tensor]:
    """Items of the paper's sevenfold set: item 7·k + v is variant v (see `VARIANTS`) of photo k.

    An item depends on the photos, the seed and its number, not on the batch that it is asked for in.

    Args:
        photos: the photos, N of them.
        items: (B,) numbers from 0 to 7N - 1.
        seed: of the crops and the noise.
        mode: "clean" adds noise to the luma that the network sees, and asks for the clean colours; "paper" does what
            the paper says, adding noise "to the image", so that the colours to predict are noisy too; "dark" divides
            the noisy photos by 255 once too often, as the published code does [authors' code]: three of the seven
            variants are black, and their true colour is gray; "filled" is "paper" but for the crops, which it enlarges
            to their photo's size (each pixel the nearest of the crop), where paper and code leave black around them.

    Returns:
        luma (B, 1, S, S) in [0, 1], colours to predict (B, S, S, 3) uint8, and mask (B, S, S), true where the photo is.
    """
    if mode not in MODES:
        raise ColorlibError(f"unknown mode of augmentation {mode!r}: use one of {', '.join(MODES)}")
    photo, variant = items // len(VARIANTS), items % len(VARIANTS)
    batch = photos.take(photo)
    device = batch.rgb.device
    photo, variant = photo.to(device), variant.to(device)
    rgb, mask = _cut_and_flip(batch, photo, variant, seed, enlarge=mode == "filled")

    deviation = torch.tensor([0, 0, *(v**0.5 for v in NOISE_VARIANCES), 0, 0], device=device)[variant]
    pixel = torch.arange(rgb[0].numel(), device=device).reshape(rgb.shape[1:])
    key = [part[:, None, None, None] for part in (photo, variant)]
    image = rgb.float() / 255
    if mode != "clean":
        noisy = image + normal(seed, *key, pixel) * deviation[:, None, None, None]
        if mode == "dark":
            noisy = torch.where(deviation[:, None, None, None] > 0, noisy.clamp(0, 1) / 255, noisy)
        rgb = (noisy * 255).round().clamp(0, 255).to(torch.uint8) * mask[..., None]
        return luma_of(unit_rgb(rgb)).unsqueeze(1), rgb, mask
    noise = normal(seed, *key, pixel[None, ..., 0]) * deviation[:, None, None, None]
    luma = luma_of(image.movedim(-1, 1)).unsqueeze(1)
    return (luma + noise).clamp(0, 1) * mask.unsqueeze(1), rgb, mask


def _cut_and_flip(
    batch: PaddedPhotos, photo: Tensor, variant: Tensor, seed: int, enlarge: bool = False
) -> tuple[Tensor, Tensor]:
    """The part of each photo that its variant shows, at the top left of its square, and the mask of it.

    With ``enlarge`` the part is shown as large as the photo.
    """
    crop = (variant >= VARIANTS.index("crop 1"))[:, None]
    part = torch.where(crop, (batch.sizes * CROP_SHARE).round().long().clamp(min=1), batch.sizes)  # (B, 2)
    place = uniform(seed, photo[:, None], variant[:, None], torch.arange(2, device=photo.device))
    corner = (place * (batch.sizes - part + 1)).floor().long()  # zero where the part is the whole photo

    steps = torch.arange(batch.rgb.shape[1], device=photo.device)
    flip = (variant == VARIANTS.index("flip"))[:, None]
    shown = batch.sizes if enlarge else part
    mask = (steps < shown[:, :1])[:, :, None] & (steps < shown[:, 1:])[:, None, :]
    down, across = ((2 * steps + 1) * part[:, i : i + 1] // (2 * shown[:, i : i + 1]) for i in (0, 1))  # (B, S)
    columns = torch.where(flip, part[:, 1:] - 1 - across, across)  # (B, S): where each column comes from
    rows = (corner[:, :1] + down).clamp(max=len(steps) - 1)
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
