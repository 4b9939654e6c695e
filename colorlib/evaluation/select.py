"""What a fresh checkpoint still needs: the size it looks at photos at, its temperatures, its baselines and scores."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from tqdm.auto import tqdm

from colorlib.color.spaces import luma_of
from colorlib.data.datasets import bundled
from colorlib.data.finding import find_photos
from colorlib.data.photos import fit, read_photo, to_tensor
from colorlib.evaluation.evaluate import Baselines, evaluate_photos
from colorlib.evaluation.metrics import colorfulness, psnr
from colorlib.models.checkpoints import load_checkpoint, save_checkpoint
from colorlib.prediction.annealing import annealed_mean
from colorlib.prediction.colorizer import Colorizer
from colorlib.prediction.upsampling import upsample_and_merge
from colorlib.training.config import TrainingConfig
from colorlib.training.losses import adjust_output_bias
from colorlib.training.photos import load_photos

INPUT_SIZES = (64, 80, 96, 112, 128, 160, 192)  # the sizes at which a network may look at a photo
TEMPERATURES = [round(0.1 + 0.05 * i, 2) for i in range(19)] + [1.25, 1.5, 1.75, 2.0, 2.5, 3.0]
MOST_TO_CHOOSE_ON = 120  # photos are enough to choose a size and temperatures on


def best_input_size(colorizer: Colorizer, paths: Sequence[Path], allowed_loss: float = 0.1) -> int:
    """The largest of `INPUT_SIZES` whose mean PSNR at temperature 1 is within ``allowed_loss`` dB of the best one's.

    A small picture lets the network see more of the scene at once, a large one more of its detail.
    """
    means = [_mean_psnr(colorizer, paths, size, [1.0])[0] for size in INPUT_SIZES]
    return max(size for size, mean in zip(INPUT_SIZES, means) if mean >= max(means) - allowed_loss)


def best_temperature(colorizer: Colorizer, paths: Sequence[Path], allowed_loss: float = 0.3) -> float:
    """The lowest, most vivid, temperature up to 1 whose mean PSNR is within ``allowed_loss`` dB of the best."""
    temperatures = [t for t in TEMPERATURES if t <= 1]
    means = _mean_psnr(colorizer, paths, colorizer.input_size, temperatures)
    return next(t for t, mean in zip(temperatures, means) if mean >= max(means) - allowed_loss)


def faithful_temperature(colorizer: Colorizer, paths: Sequence[Path], allowed_loss: float = 0.1) -> float:
    """The highest, most careful, of `TEMPERATURES` whose mean PSNR is within ``allowed_loss`` dB of the best.

    PSNR changes little about its height; where it makes no difference on these photos, others are served by more care.
    """
    means = _mean_psnr(colorizer, paths, colorizer.input_size, TEMPERATURES)
    return max(t for t, mean in zip(TEMPERATURES, means) if mean >= max(means) - allowed_loss)


def vivid_temperature(colorizer: Colorizer, paths: Sequence[Path]) -> float:
    """The temperature, of `TEMPERATURES`, whose mean colourfulness is closest to that of the photos themselves."""
    means = _means(colorizer, paths, colorizer.input_size, TEMPERATURES, lambda picture, truth: colorfulness(picture))
    truth = np.mean([colorfulness(to_tensor(fit(read_photo(path), 256))) for path in paths])
    return TEMPERATURES[int(np.argmin(np.abs(means - truth)))]


def _mean_psnr(colorizer: Colorizer, paths: Sequence[Path], size: int, temperatures: Sequence[float]) -> np.ndarray:
    return _means(colorizer, paths, size, temperatures, psnr)


def _means(
    colorizer: Colorizer,
    paths: Sequence[Path],
    size: int,
    temperatures: Sequence[float],
    score: Callable[[Tensor, Tensor], float],
) -> np.ndarray:
    """The mean score over photos of at most 256 pixels a side at each temperature; the network runs once a photo."""
    totals = np.zeros(len(temperatures))
    for path in tqdm(paths, desc=f"looking at {size} pixels", leave=False):
        rgb = fit(read_photo(path), 256)
        luma = luma_of(to_tensor(fit(rgb, size)))
        if colorizer.is_regression:  # the same colours at any temperature
            picture = to_tensor(upsample_and_merge(rgb, luma, colorizer.chroma(luma).cpu()))
            totals += score(picture, to_tensor(rgb))
            continue
        logits = colorizer.logits(luma)
        for i, temperature in enumerate(temperatures):
            chroma = annealed_mean(logits, colorizer.bins.colors, temperature).cpu()
            totals[i] += score(to_tensor(upsample_and_merge(rgb, luma, chroma)), to_tensor(rgb))
    return totals / len(paths)


def finalize_checkpoint(path: Path, config: TrainingConfig) -> dict[str, Any]:
    """Complete a fresh checkpoint with what it needs to be used and trusted; returns the record it now holds.

    The baselines come from the photos of its training. Its size and temperatures are chosen on the config's
    ``validation_photos``, or on the bundled training photos where there are none; its scores are those on the bundled
    validation photos, which none of these has seen. ``temperature`` is the one to use without a wish of one's own,
    ``temperatures`` has those for a wish: "faithful" and "vivid". Where the config has another λ for the answer than
    for the training, the network is made to answer with it first, and ``lam_inference`` says so.
    """
    model, bins, record = load_checkpoint(path)
    if config.lam_inference is not None:
        adjust_output_bias(config.lam_inference, model, bins, record.get("lam_inference", config.lam))
        record |= {"lam_inference": config.lam_inference}
    colorizer = Colorizer(model, bins, device=config.device, record=record)
    training, _, _ = load_photos(config)
    batches = ((batch.rgb.movedim(-1, 1).float() / 255, batch.mask()) for batch in training.batches(64))
    baselines = Baselines.measure(batches)
    held_out = [photo for folder in config.validation_photos for photo in find_photos(folder)]
    chosen_on = held_out or [photo.path for photo in bundled("train")]
    chosen_on = chosen_on[:: -(-len(chosen_on) // MOST_TO_CHOOSE_ON)]
    scored_on = [photo.path for photo in bundled("validation")]
    colorizer.input_size = best_input_size(colorizer, chosen_on)
    if not colorizer.is_regression:
        colorizer.temperature = best_temperature(colorizer, chosen_on)
        faithful, vivid = faithful_temperature(colorizer, chosen_on), vivid_temperature(colorizer, chosen_on)
        record |= {"temperatures": {"faithful": faithful, "vivid": vivid}}
    record |= {
        "input_size": colorizer.input_size,
        "temperature": colorizer.temperature,
        "baselines": baselines.to_dict(),
    }
    record |= {"metrics": evaluate_photos(colorizer, scored_on, baselines), "metrics_photos": len(scored_on)}
    save_checkpoint(path, model, bins, record)
    return record
