"""What one step of training is made of: a batch drawn from the seed and the step's number alone (paper §3, §4.1).

Nothing here remembers anything, so a run that was killed draws the very same batches when it goes on, and several
processes draw them together without a word.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from colorlib.color.bins import ColorBins
from colorlib.color.spaces import luma_of, unit_rgb
from colorlib.data.augment import (
    add_noise,
    random_blur,
    random_crops,
    random_flips,
    random_levels,
    random_resized_crops,
    random_shape,
    random_tone,
    random_zoom,
)
from colorlib.data.datasets import PaddedPhotos
from colorlib.data.sevenfold import VARIANTS, sevenfold_batch
from colorlib.models.networks import MODELS
from colorlib.training.config import ZOOM_STEP, TrainingConfig

SEVENFOLD = {"paper": "paper", "paper-dark": "dark", "paper-filled": "filled"}  # augmentations, and what they are there


def draw_batch(photos: PaddedPhotos, step: int, config: TrainingConfig) -> tuple[Tensor, Tensor]:
    """The batch of one step: crops (B, H, W, 3) uint8 and masks (B, H, W), from the seed and step alone.

    Every epoch visits each photo once (with the paper's augmentation: each of its seven variants), in an order of its
    own. Crops are squares: the side is the config's ``crop``, or that of the whole photo, with a border to the
    network's stride, where a batch has been shrunk to less. But those of ``resized-crop`` have the shape that whole
    photos have for a network which stretches them.
    """
    if config.augment in SEVENFOLD:
        items = batch_indices(step, len(VARIANTS) * len(photos), config).to(photos.sizes.device)
        _, rgb, mask = sevenfold_batch(photos, items, config.seed, mode=SEVENFOLD[config.augment])
        return rgb, mask
    batch = photos.take(batch_indices(step, len(photos), config).to(photos.sizes.device))
    generator = generator_for(config.seed, 2, step)
    if config.augment == "none":
        return random_crops(batch.rgb, batch.sizes, config.crop, generator)
    stride = MODELS[config.model].stride
    if config.augment == "resized-crop":
        shape = random_shape(batch.rgb.shape[1], config.min_size, ZOOM_STEP, stride, generator)
        rgb = random_resized_crops(batch.rgb, batch.sizes, shape, generator)
        return random_flips(rgb, torch.ones(rgb.shape[:3], dtype=torch.bool, device=rgb.device), generator)
    rgb, sizes = random_zoom(batch.rgb, batch.sizes, config.min_size, ZOOM_STEP, generator)
    side = min(config.crop, -(-rgb.shape[1] // stride) * stride)
    rgb = F.pad(rgb, (0, 0, 0, max(0, side - rgb.shape[2]), 0, max(0, side - rgb.shape[1])))
    crops, mask = random_crops(rgb, sizes, side, generator)
    return random_flips(crops, mask, generator)


def batch_indices(step: int, count: int, config: TrainingConfig) -> Tensor:
    """Which of ``count`` items the batch of a step is made of: int64 (B,)."""
    first, last = step * config.batch_size // count, ((step + 1) * config.batch_size - 1) // count  # epochs
    order = torch.cat([shuffled(count, config.seed, epoch) for epoch in range(first, last + 1)])
    start = step * config.batch_size - first * count
    return order[start : start + config.batch_size]


@lru_cache(maxsize=4)
def shuffled(count: int, seed: int, epoch: int) -> Tensor:
    """The order in which an epoch visits its items: int64 (count,)."""
    return torch.randperm(count, generator=generator_for(seed, 1, epoch))


def degrade_luma(luma: Tensor, step: int, config: TrainingConfig) -> Tensor:
    """The luma (B, 1, H, W) of one step, degraded at random as cameras and age do: tone, levels, blur, noise."""
    if config.augment not in ("zoom-crop", "resized-crop"):
        return luma
    generator = generator_for(config.seed, 3, step)
    luma = random_tone(luma, config.gamma_jitter, generator)
    if config.levels_jitter:  # what is drawn after it must not depend on it where it is off
        luma = random_levels(luma, config.levels_jitter, generator)
    luma = random_blur(luma, config.blur_probability, generator)
    return add_noise(luma, config.noise_std, generator)


def forward(network: Callable[[Tensor], Tensor], luma: Tensor, precision: str = "auto") -> Tensor:
    """The network's output in float32; ``precision`` is what it is computed in, see `TrainingConfig`.

    The weights themselves, their gradients and batch norm's statistics are float32 either way.
    """
    has_it = luma.is_cuda and torch.cuda.get_device_capability(luma.device) >= (8, 0)  # since Ampere
    fast = precision == "bfloat16" or (precision == "auto" and has_it)
    with torch.autocast(luma.device.type, torch.bfloat16, enabled=fast):
        output: Tensor = network(luma.contiguous(memory_format=torch.channels_last))
    return output.float()


def at_output_size(output: Tensor, rgb: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """What a smaller output (B, n, h, w) is to answer: the photos (B, H, W, 3) uint8 and masks averaged to its size.

    A place belongs to the photo if all its pixels do.
    """
    times = rgb.shape[1] // output.shape[-2]
    if times == 1:
        return rgb, mask
    small = F.avg_pool2d(rgb.movedim(-1, 1).float(), times).round().to(torch.uint8).movedim(1, -1)
    return small.contiguous(), F.avg_pool2d(mask[:, None].float(), times)[:, 0] == 1


def luma_of_photos(photos: Tensor) -> Tensor:
    """What the network sees of uint8 photos (B, H, W, 3): their luma (B, 1, H, W)."""
    return luma_of(unit_rgb(photos)).unsqueeze(1)


def encode_batch(photos: Tensor, bins: ColorBins) -> tuple[Tensor, Tensor]:
    """uint8 photos (B, H, W, 3) as what the network sees and must answer: luma (B, 1, H, W), bins (B, H, W)."""
    return luma_of_photos(photos), bins.encode_rgb(photos)


def generator_for(seed: int, purpose: int, number: int) -> torch.Generator:
    """A random stream of its own for each purpose and step: no stream depends on what was drawn before."""
    period, place = divmod(number, 1_000_003)  # beyond it, the next purpose's streams would begin
    return torch.Generator().manual_seed((seed * 4 + purpose) * 1_000_003 + place + (period << 44))
