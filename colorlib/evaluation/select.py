"""What a fresh checkpoint still needs: the size it looks at photos at, its temperatures, its baselines and scores.

Everything is chosen on photos that the network has not learnt from, where such are given, else on bundled training
photos, and scored on others again. The network runs once for each photo and size; all temperatures share what it says.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from colorlib.color.spaces import chroma_of, unit_rgb
from colorlib.data.datasets import PaddedPhotos, decode_photo
from colorlib.data.finding import find_photos
from colorlib.data.photos import fit, to_tensor
from colorlib.evaluation.evaluate import Baselines, measure, to_json
from colorlib.evaluation.metrics import colorfulness, psnr, stain_area
from colorlib.models.checkpoints import load_checkpoint, save_checkpoint
from colorlib.prediction.annealing import annealed_mean
from colorlib.prediction.colorizer import Colorizer
from colorlib.prediction.upsampling import upsample_and_merge
from colorlib.training.config import TrainingConfig
from colorlib.training.losses import adjust_output_bias
from colorlib.training.photos import bundled_here, load_photos

ZOOMS = (1.0, 1.1)  # how many times larger a network that stretches its input may see it
INPUT_SIZES = (64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256, 320)  # at which a network may look at a photo
TEMPERATURES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
MOST_TO_CHOOSE_ON = 120  # photos are enough to choose an input size and temperatures on
AS_COLORFUL = 0.85  # of the photos' own colour: what the default temperature is to reach


@dataclass(frozen=True)
class Frontier:
    """The mean PSNR, colourfulness and stains of a network's pictures, by temperature.

    ``psnr``, ``colorfulness`` and ``stains`` are float64 (temperatures,); ``truth`` is the photos' own mean
    colourfulness. Between the highest PSNR and the truth's colour lies what a person may choose from. ``stains`` is the
    `stain_area` of the bins nearest to the colours, on the input that the network sees: at temperature 0 that of its
    first choice, which a higher temperature smooths. ``truth_stains`` is the photos' own.
    """

    temperatures: tuple[float, ...]
    psnr: np.ndarray
    colorfulness: np.ndarray
    truth: float
    stains: np.ndarray
    truth_stains: float

    def faithful(self) -> float:
        """The highest, most careful, temperature whose PSNR is within 0.1 dB of the best.

        PSNR changes little about its height; where it makes no difference here, other photos are served by more care.
        """
        return max(t for t, mean in zip(self.temperatures, self.psnr, strict=True) if mean >= self.psnr.max() - 0.1)

    def vivid(self) -> float:
        """The temperature at which the pictures are as colourful as the photos, as nearly as any of these can be."""
        return self.temperatures[int(np.argmin(np.abs(self.colorfulness - self.truth)))]

    def lively(self) -> float:
        """The temperature of the highest PSNR among those whose pictures have `AS_COLORFUL` of the truth's colour.

        Where no temperature makes them so colourful, the one that comes nearest.
        """
        colorful = self.colorfulness >= AS_COLORFUL * self.truth
        merit = np.where(colorful, self.psnr, -np.inf) if colorful.any() else self.colorfulness
        return self.temperatures[int(merit.argmax())]


def measure_frontier(
    colorizer: Colorizer, photos: Sequence[np.ndarray], temperatures: Sequence[float] = TEMPERATURES
) -> Frontier:
    """PSNR, colourfulness and stains of uint8 photos (H, W, 3) recoloured at several temperatures.

    A network of regression has only the temperature 1.
    """
    if colorizer.is_regression:
        temperatures = (1.0,)
    bins, sums = colorizer.bins, np.zeros((3, len(temperatures)))
    truths = []
    for rgb in tqdm(photos, desc=f"looking at {colorizer.input_size} pixels", leave=False, disable=None):
        truth, luma = to_tensor(rgb), colorizer.input_luma(rgb)
        for column, chroma in enumerate(chroma_by_temperature(colorizer, luma, temperatures)):
            picture = to_tensor(upsample_and_merge(rgb, luma, chroma.cpu()))
            sums[:, column] += psnr(picture, truth), colorfulness(picture), stain_area(bins.encode(chroma))
        seen = chroma_of(to_tensor(fit(rgb, colorizer.input_size)))
        truths.append((colorfulness(truth), stain_area(bins.encode(seen))))
    (mean_psnr, mean_color, mean_stains), (truth_color, truth_stains) = sums / len(photos), np.mean(truths, axis=0)
    return Frontier(tuple(temperatures), mean_psnr, mean_color, float(truth_color), mean_stains, float(truth_stains))


def chroma_by_temperature(
    colorizer: Colorizer, luma: Tensor, temperatures: Sequence[float] = TEMPERATURES
) -> Iterator[Tensor]:
    """The chrominance (2, h, w) of a luma (h, w) at each temperature, from one run of the network.

    A network of regression gives its one answer.
    """
    if colorizer.is_regression:
        yield colorizer.chroma(luma)
        return
    logits = colorizer.logits(luma)
    for temperature in temperatures:
        yield annealed_mean(logits, colorizer.bins.colors, temperature)


def best_input_size(colorizer: Colorizer, photos: Sequence[np.ndarray], allowed_loss: float = 0.05) -> int:
    """The smallest input size whose mean PSNR at temperature 1 is within ``allowed_loss`` dB of the best one's.

    A small input shows the network more of the scene at once, and costs less; a large one shows more detail. Sizes
    beyond that of every photo are not tried: photos are never enlarged.
    """
    largest = max(max(rgb.shape[:2]) for rgb in photos)
    tried = [size for size in INPUT_SIZES if size <= largest] or [min(INPUT_SIZES)]
    means = {}
    for size in tried:
        colorizer.input_size = size
        means[size] = float(measure_frontier(colorizer, photos, temperatures=(1.0,)).psnr.max())
    return min(size for size in tried if means[size] >= max(means.values()) - allowed_loss)


def best_zoom(colorizer: Colorizer, photos: Sequence[np.ndarray]) -> float:
    """That of `ZOOMS` whose mean PSNR at temperature 1 is the highest; 1 for a network that pads its input."""
    if not getattr(colorizer.model, "stretched", False):
        return 1.0
    means = {}
    for zoom in ZOOMS:  # as with input sizes, the colorizer keeps the last
        colorizer.zoom = zoom
        means[zoom] = float(measure_frontier(colorizer, photos, temperatures=(1.0,)).psnr.max())
    return max(ZOOMS, key=means.__getitem__)


def finalize_checkpoint(path: Path, config: TrainingConfig) -> dict[str, Any]:
    """Complete a fresh checkpoint with what it needs to be used and trusted; returns the record it now holds.

    Its input size, zoom and temperatures are chosen on the photos that its training held out: the cache's validation
    photos or the config's ``validation_photos``, and where there are none on bundled training photos, which it has
    learnt from (``chosen_on`` says which). Its scores are those on the bundled validation photos, which none of these
    is.

    ``temperature`` is the one to use without a wish of one's own, lively; ``temperatures`` has those for a wish,
    "faithful" and "vivid": see `Frontier`. Where the config has a ``lam_inference``, the network is made to answer with
    it first, and ``lam_inference`` of the record says so.
    """
    model, bins, record = load_checkpoint(path)
    if config.lam_inference is not None:
        adjust_output_bias(config.lam_inference, model, bins, record.get("lam_inference", config.lam))
        record |= {"lam_inference": config.lam_inference}
    colorizer = Colorizer(model, bins, input_size=config.image_size, device=config.device, record=record)
    training, validation, _ = load_photos(config)
    baselines = Baselines.measure((unit_rgb(b.rgb), b.mask()) for b in training.batches(64))
    photos, chosen_on = photos_to_choose_on(config, validation)
    record |= choose(colorizer, photos) | {"chosen_on": chosen_on, "baselines": baselines.to_dict()}
    colorizer.temperature = record["temperature"]
    scored_on = [photo.path for photo in bundled_here("validation")]
    if scored_on:
        scores = measure(colorizer, scored_on, baselines)
        record |= {"metrics": to_json(scores.summary()), "metrics_photos": len(scores.photos)}
    save_checkpoint(path, model, bins, record)
    return record


def choose(colorizer: Colorizer, photos: Sequence[np.ndarray]) -> dict[str, Any]:
    """``zoom``, ``input_size``, ``temperature`` and ``temperatures`` for a network, chosen on photos: `Frontier`.

    The zoom is chosen at the input size that the colorizer has: that of its training.
    """
    colorizer.zoom = best_zoom(colorizer, photos)
    colorizer.input_size = best_input_size(colorizer, photos)
    frontier = measure_frontier(colorizer, photos)
    chosen: dict[str, Any] = {
        "input_size": colorizer.input_size,
        "zoom": colorizer.zoom,
        "temperature": frontier.lively(),
    }
    if not colorizer.is_regression:
        chosen["temperatures"] = {"faithful": frontier.faithful(), "vivid": frontier.vivid()}
    return chosen


def photos_to_choose_on(config: TrainingConfig, validation: PaddedPhotos) -> tuple[list[np.ndarray], str]:
    """At most `MOST_TO_CHOOSE_ON` photos, uint8 (H, W, 3), evenly out of those held out; and where they are from."""
    cached = any((Path(folder) / "cache.json").exists() for folder in config.photos)
    if cached:
        some = validation.take(torch.arange(len(validation))[:: _every(len(validation))])
        sizes = some.sizes.tolist()
        return [rgb[:h, :w].numpy() for rgb, (h, w) in zip(some.rgb.cpu(), sizes, strict=True)], "held-out photos"
    size = max(256, config.image_size)
    if held_out := _some_of([photo for folder in config.validation_photos for photo in find_photos(folder)], size):
        return held_out, "held-out photos"
    return _some_of([photo.path for photo in bundled_here("train")], size), "bundled training photos"


def _some_of(paths: Sequence[Path], size: int) -> list[np.ndarray]:
    """Those of some photos that can be read: a training has left out the others, too."""
    decoded = (decode_photo(path, size) for path in paths[:: _every(len(paths))])
    return [rgb for rgb in decoded if not isinstance(rgb, str)]


def _every(count: int) -> int:
    return max(1, -(-count // MOST_TO_CHOOSE_ON))
