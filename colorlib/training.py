"""Training: one clear loop from photos to a checkpoint (paper §4.1).

A run is described by a `TrainingConfig`, writes into its own folder, and can be killed at any moment:
`train(config, resume=True)` goes on from the last saved step exactly as if it had never stopped, because
every batch is drawn from the seed and the step number alone.
"""

import csv
import hashlib
import json
import math
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm.auto import tqdm

from colorlib.augment import add_noise, random_blur, random_crops, random_flips, random_tone, random_zoom
from colorlib.bins import ColorBins
from colorlib.cache import Cache
from colorlib.checkpoints import find_checkpoint, load_checkpoint, save_checkpoint
from colorlib.color import luma_of
from colorlib.datasets import Frames, bundled, count_chroma, load_frames
from colorlib.errors import ColorlibError
from colorlib.losses import rebalanced_cross_entropy
from colorlib.models import MODELS, build, find_device
from colorlib.photos import find_photos

STRIDE = 8  # the networks halve the picture three times
RANGES = {  # of the settings that are numbers: least and greatest
    "n": (1, 32_767),
    "lam": (0, 1),
    "smallest": (STRIDE, math.inf),
    "crop": (STRIDE, math.inf),
    "batch": (1, math.inf),
    "steps": (1, math.inf),
    "warmup": (0, math.inf),
    "noise": (0, 1),
    "soften": (0, 1),
    "tone": (0, 10),
    "validate_every": (1, math.inf),
    "save_minutes": (0, math.inf),
}


@dataclass
class TrainingConfig:
    """Everything that decides the outcome of a run. Unknown keys are refused."""

    out: str = "runs/quick"  # folder of the run: history.csv, model.safetensors, state
    start: str = ""  # a checkpoint to go on from, its bins included: a second step, or your own photos
    model: str = "ColorUNet"  # a name in colorlib.models.MODELS
    photos: list[str] = field(default_factory=list)  # folders besides the bundled photos; twice named counts twice
    n: int = 32  # colour bins
    bins: str = "kmeans"  # how they are chosen: kmeans (ours) or grid (paper)
    lam: float = 0.5  # λ of the rebalancing: 1 treats all bins alike
    frame: int = 128  # photos are shrunk so that their longer side is this long
    smallest: int = 64  # each batch is shrunk further, to a random side between this and frame
    crop: int = 96  # side of the random squares that are trained on
    batch: int = 16  # squares per step
    steps: int = 600  # optimiser steps
    learning_rate: float = 2e-3  # Adam's, at its highest
    warmup: int = 50  # steps of linear rise to it; then half a cosine down to 0
    noise: float = 0.02  # largest standard deviation of noise on the luma
    soften: float = 0.5  # share of batches whose luma is blurred
    tone: float = 0.3  # largest change of the luma's contrast curve, as a power of e
    seed: int = 0  # of weights, order and augmentation
    validate_every: int = 200  # steps between validations
    save_minutes: float = 2.0  # minutes between saved states
    device: str = "auto"  # cpu, cuda, or auto

    def __post_init__(self) -> None:
        for name, (least, greatest) in RANGES.items():
            if not least <= getattr(self, name) <= greatest:
                limits = f"at least {least}" if greatest == math.inf else f"from {least} to {greatest}"
                raise ColorlibError(f"{name} must be {limits}, got {getattr(self, name)}")
        if self.model not in MODELS:
            raise ColorlibError(f"unknown network {self.model!r}; known: {', '.join(MODELS)}")
        if self.bins not in ("kmeans", "grid"):
            raise ColorlibError(f"bins must be kmeans or grid, got {self.bins!r}")
        find_device(self.device)
        if not 0 < self.learning_rate < math.inf:
            raise ColorlibError(f"learning_rate must be above 0, got {self.learning_rate}")
        if not all(isinstance(folder, str) for folder in self.photos):
            raise ColorlibError(f"photos must be a list of folders, got {self.photos}")
        if max(self.crop, self.smallest) > self.frame:
            raise ColorlibError(f"crop and smallest must not be larger than frame ({self.frame})")
        if self.frame % STRIDE or self.smallest % STRIDE or self.crop % STRIDE:
            raise ColorlibError(f"frame, smallest and crop must be multiples of {STRIDE}, which the networks need")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainingConfig":
        """A config from plain values; a key that does not exist or has the wrong type is an error."""
        known = {f.name: f.type for f in fields(cls)}
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise ColorlibError(f"unknown setting {name!r}; known: {', '.join(known)}")
            default = getattr(cls(), name)
            if isinstance(default, float) and not isinstance(value, bool):
                with suppress(TypeError, ValueError):  # YAML takes 2 for a whole number and 1e-3 for text
                    value = float(value)
            if type(value) is not type(default):
                raise ColorlibError(f"{name} must be a {type(default).__name__}, got {value!r}")
            checked[name] = value
        return cls(**checked)

    @classmethod
    def from_yaml(cls, path: str | Path, /, **overrides: Any) -> "TrainingConfig":
        """A config from a YAML file, with single settings replaced by keyword."""
        try:
            values = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ColorlibError(f"cannot read the configuration {path}: {error}") from error
        if not isinstance(values, dict):
            raise ColorlibError(f"the configuration {path} must be a list of 'setting: value' lines")
        return cls.from_dict({**values, **overrides})


def learning_rate_at(step: int, config: TrainingConfig) -> float:
    """The learning rate of a step: linear warm-up, then half a cosine down to zero.

    >>> config = TrainingConfig(steps=100, warmup=10, learning_rate=1.0)
    >>> [round(learning_rate_at(step, config), 2) for step in (0, 9, 55, 99)]
    [0.1, 1.0, 0.5, 0.0]
    """
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * (1 + math.cos(math.pi * progress)) / 2


def batch_of(frames: Frames, step: int, config: TrainingConfig) -> tuple[Tensor, Tensor]:
    """The batch of one step: crops (B, side, side, 3) uint8 and masks, from the seed and step alone.

    Every epoch visits each photo once, in an order of its own. The side is the config's ``crop``, or that of the
    whole frame where a batch has been shrunk to less.
    """
    order = torch.arange(step * config.batch, (step + 1) * config.batch)
    epochs = (order // len(frames)).tolist()
    shuffled = {e: torch.randperm(len(frames), generator=_generator(config.seed, 1, e)) for e in set(epochs)}
    index = torch.stack([shuffled[e][i] for e, i in zip(epochs, (order % len(frames)).tolist())])
    generator = _generator(config.seed, 2, step)
    index = index.to(frames.sizes.device)
    batch = frames.take(index)
    rgb, sizes = random_zoom(batch.rgb, batch.sizes, config.smallest, STRIDE, generator)
    crops, mask = random_crops(rgb, sizes, min(config.crop, rgb.shape[1]), generator)
    return random_flips(crops, mask, generator)


def disturb(luma: Tensor, step: int, config: TrainingConfig) -> Tensor:
    """What a camera or a century may have done to the luma (B, 1, H, W) of one step: tone, blur, noise."""
    generator = _generator(config.seed, 3, step)
    luma = random_tone(luma, config.tone, generator)
    luma = random_blur(luma, config.soften, generator)
    return add_noise(luma, config.noise, generator)


def encode_batch(frames: Tensor, bins: ColorBins) -> tuple[Tensor, Tensor]:
    """uint8 frames (B, H, W, 3) as what the network sees and must answer: luma (B, 1, H, W), bins (B, H, W)."""
    rgb = frames.movedim(-1, 1).float() / 255
    return luma_of(rgb).unsqueeze(1), bins.encode_rgb(frames)


@torch.no_grad()
def validate(model: nn.Module, frames: Frames, bins: ColorBins, weights: Tensor) -> dict[str, float]:
    """Loss and bin accuracy on whole frames, each photo's pixels counting alike."""
    was_training = model.training
    model.eval()
    loss = correct = pixels = 0.0
    for batch in frames.batches(16):
        mask = batch.mask()
        luma, target = encode_batch(batch.rgb, bins)
        logits = model(luma)
        loss += float(rebalanced_cross_entropy(logits, target, weights, mask) * mask.sum())
        correct += float(((logits.argmax(1) == target) & mask).sum())
        pixels += float(mask.sum())
    model.train(was_training)
    return {"loss": loss / pixels, "accuracy": correct / pixels}


def train(config: TrainingConfig, resume: bool = False) -> Path:
    """Run the training a config describes; returns the path of the checkpoint it wrote.

    Interrupt it whenever you like: with ``resume`` it continues the very same run.

    Raises:
        ColorlibError: if the photos or the config cannot be used, or the loss stops being a number.
    """
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    device = find_device(config.device)
    training, validation, used = load_photos(config)
    training, validation = training.to(device), validation.to(device)
    model, bins, before = starting_point(config, training)
    weights = bins.weights(config.lam).to(device)
    model = model.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    photos = hashlib.sha256(bins.to_json().encode() + training.sizes.cpu().numpy().tobytes()).hexdigest()
    state = RunState(out, config, photos)
    first = state.load(model, optimizer) if resume else state.start()

    progress = tqdm(range(first, config.steps), initial=first, total=config.steps, desc=f"training {config.model}")
    saved = time.monotonic()
    losses: list[Tensor] = []
    for step in progress:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, config)
        crops, mask = batch_of(training, step, config)
        luma, target = encode_batch(crops, bins)
        logits = model(disturb(luma, step, config).contiguous(memory_format=torch.channels_last))
        loss = rebalanced_cross_entropy(logits, target, weights, mask)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())

        last = step + 1 == config.steps
        if (step + 1) % config.validate_every == 0 or last:
            row = {"step": step + 1, "train_loss": float(torch.stack(losses).mean())}
            losses = []
            if not math.isfinite(row["train_loss"]):
                raise ColorlibError(f"the loss is no longer a number at step {step + 1}: lower learning_rate")
            row |= {f"validation_{k}": v for k, v in validate(model, validation, bins, weights).items()}
            state.log(row)
            progress.set_postfix({k: f"{v:.3f}" for k, v in row.items() if k != "step"})
            if last or time.monotonic() - saved > config.save_minutes * 60:
                state.save(step + 1, model, optimizer)
                record = {"frame": config.frame, "training": training_record(config, used, state.history(), before)}
                save_checkpoint(out / "model.safetensors", model, bins, record)
                saved = time.monotonic()
    return out / "model.safetensors"


def starting_point(config: TrainingConfig, training: Frames) -> tuple[nn.Module, ColorBins, dict[str, Any]]:
    """The network and bins that a run begins with, and the record of the training they have had already.

    Raises:
        ColorlibError: if ``start`` names a checkpoint of another network or number of bins.
    """
    if not config.start:
        torch.manual_seed(config.seed)
        bins = ColorBins.from_histogram(count_chroma(training), config.n, config.bins, seed=config.seed)
        return build(config.model, config.n), bins, {}
    model, bins, record = load_checkpoint(find_checkpoint(config.start))
    if type(model).__name__ != config.model or len(bins) != config.n:
        found, wanted = f"{type(model).__name__} with {len(bins)} bins", f"{config.model} with {config.n}"
        raise ColorlibError(f"{config.start} holds a {found}, but the configuration asks for {wanted}")
    return model, bins, record.get("training", {})


def training_record(
    config: TrainingConfig, photos: dict[str, int], history: list[dict[str, float]], before: dict[str, Any]
) -> dict[str, Any]:
    """What a checkpoint says of its own training; a run that went on from another continues that one's history.

    Folders are named without the path to them.
    """
    settings = asdict(config) | {"photos": [Path(folder).name for folder in config.photos]}
    settings |= {"start": Path(config.start).name}
    del settings["out"]
    past = before.get("history", [])
    steps = past[-1]["step"] if past else 0
    history = past + [row | {"step": row["step"] + steps} for row in history]
    earlier = [*before.get("before", []), {k: before[k] for k in ("config", "photos")}] if before else []
    return {"config": settings, "photos": photos, "history": history, "before": earlier}


def load_photos(config: TrainingConfig) -> tuple[Frames, Frames, dict[str, int]]:
    """The training frames (bundled and the config's folders), the bundled validation frames, and counts."""
    if any((Path(folder) / "cache.json").exists() for folder in config.photos):
        return load_cache(config)
    paths = [photo.path for photo in bundled("train")]
    held_back = {photo.path.resolve() for photo in bundled("validation")}  # even if their folder is named
    counts = {"bundled": len(paths)}
    for folder in config.photos:
        found = [path for path in find_photos(folder) if path.resolve() not in held_back]
        counts[Path(folder).name] = counts.get(Path(folder).name, 0) + len(found)
        paths += found
    training, left_out = load_frames(paths, config.frame, drop_gray=True)
    validation, _ = load_frames([photo.path for photo in bundled("validation")], config.frame)
    return training, validation, counts | {"left out": len(left_out), "used": len(set(paths) - set(left_out))}


def load_cache(config: TrainingConfig) -> tuple[Frames, Frames, dict[str, int]]:
    """The same from a cache made by `colorlib data prepare`, whose own validation photos are used."""
    if len(config.photos) > 1:
        raise ColorlibError(f"a cache trains alone: name one cache and no other folder, got {', '.join(config.photos)}")
    cache = Cache(config.photos[0])
    if cache.size != config.frame:
        raise ColorlibError(f"{cache.folder} holds frames of {cache.size} pixels, frame says {config.frame}: set it so")
    training = cache.frames("train")
    counts = {cache.folder.name: len(cache.entries), "used": len(training)}
    return training, cache.frames("validation"), counts | {"left out": len(cache.entries) - len(training)}


class RunState:
    """What a run keeps on disk to survive being killed: weights, optimiser and step in one safetensors file.

    The history is a CSV that is cut back to the saved step on resuming, so that no step is logged twice.
    """

    def __init__(self, out: Path, config: TrainingConfig, photos: str):
        self.state, self.csv, self.config = out / "state.safetensors", out / "history.csv", config
        self.photos = photos  # a fingerprint of what is trained on: other photos would give other bins

    def settings(self) -> dict[str, Any]:
        """The settings that decide what is learnt: not where it is kept, computed or how often it is saved."""
        return {k: v for k, v in asdict(self.config).items() if k not in ("out", "device", "save_minutes")}

    def start(self) -> int:
        self.state.unlink(missing_ok=True)
        self.csv.unlink(missing_ok=True)
        return 0

    def save(self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        tensors = {f"model.{k}": v.contiguous() for k, v in model.state_dict().items()}
        for index, values in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": torch.as_tensor(v).contiguous() for k, v in values.items()}
        partial = self.state.with_name("state.partial")
        save_file(tensors, partial, {"step": str(step), "settings": json.dumps(self.settings()), "photos": self.photos})
        partial.replace(self.state)

    def load(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
        if not self.state.exists():
            return self.start()
        try:
            with safe_open(self.state, framework="pt") as file:
                metadata = file.metadata()
            tensors = load_file(self.state)
        except (SafetensorError, OSError) as error:
            raise ColorlibError(f"{self.state} is damaged; start again without resuming: {error}") from error
        if json.loads(metadata.get("settings", "null")) != self.settings():
            raise ColorlibError(f"{self.state} belongs to a run with other settings: choose another 'out'")
        if metadata["photos"] != self.photos:
            raise ColorlibError(f"the training photos are not those that {self.state} was trained on: start again")
        model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
        values: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, index, name = key.split(".")
                values.setdefault(int(index), {})[name] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": values})
        step = int(metadata["step"])
        rows = [row for row in self.history() if row["step"] <= step]
        self.csv.unlink(missing_ok=True)
        for row in rows:
            self.log(row)
        return step

    def log(self, row: dict[str, float]) -> None:
        new = not self.csv.exists()
        with open(self.csv, "a", newline="") as file:
            writer = csv.DictWriter(file, row.keys())
            if new:
                writer.writeheader()
            writer.writerow(row)

    def history(self) -> list[dict[str, float]]:
        if not self.csv.exists():
            return []
        with open(self.csv, newline="") as file:
            rows = [row for row in csv.DictReader(file) if None not in row.values()]  # a line may have been cut short
        return [{k: int(v) if k == "step" else float(v) for k, v in row.items()} for row in rows]


def _generator(seed: int, purpose: int, number: int) -> torch.Generator:
    """A random stream of its own for each purpose and step: no stream depends on what was drawn before."""
    return torch.Generator().manual_seed((seed * 4 + purpose) * 1_000_003 + number)
