"""Training: one clear loop from photos to a checkpoint (paper §4.1).

A run is described by a `TrainingConfig`, writes into its own folder, and can be killed at any moment:
`train(config, resume=True)` goes on from the last saved step exactly as if it had never stopped, because
every batch is drawn from the seed and the step number alone.
"""

import csv
import json
import math
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm.auto import tqdm

from colorlib.augment import add_noise, random_crops, random_flips
from colorlib.bins import ColorBins
from colorlib.checkpoints import save_checkpoint
from colorlib.color import chroma_of, luma_of
from colorlib.datasets import Frames, bundled, count_chroma, find_photos, load_frames
from colorlib.errors import ColorlibError
from colorlib.losses import rebalanced_cross_entropy
from colorlib.models import build


@dataclass
class TrainingConfig:
    """Everything that decides the outcome of a run. Unknown keys are refused."""

    out: str = "runs/quick"  # folder of the run: history.csv, model.safetensors, state
    model: str = "ColorUNet"  # a name in colorlib.models.MODELS
    photos: list[str] = field(default_factory=list)  # folders besides the bundled photos; twice named counts twice
    n: int = 32  # colour bins
    bins: str = "kmeans"  # how they are chosen: kmeans (ours) or grid (paper)
    lam: float = 0.5  # λ of the rebalancing: 1 treats all bins alike
    frame: int = 160  # photos are shrunk so that their longer side is this long
    crop: int = 128  # side of the random squares that are trained on
    batch: int = 16  # squares per step
    steps: int = 600  # optimiser steps
    learning_rate: float = 2e-3  # Adam's, at its highest
    warmup: int = 50  # steps of linear rise to it; then half a cosine down to 0
    noise: float = 0.02  # largest standard deviation of noise on the luma
    seed: int = 0  # of weights, order and augmentation
    validate_every: int = 200  # steps between validations
    save_minutes: float = 2.0  # minutes between saved states
    device: str = "auto"  # cpu, cuda, or auto

    def __post_init__(self) -> None:
        for name in ("n", "frame", "crop", "batch", "steps", "validate_every"):
            if getattr(self, name) < 1:
                raise ColorlibError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.crop > self.frame:
            raise ColorlibError(f"crop ({self.crop}) must not be larger than frame ({self.frame})")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainingConfig":
        """A config from plain values; a key that does not exist or has the wrong type is an error."""
        known = {f.name: f.type for f in fields(cls)}
        for name, value in values.items():
            if name not in known:
                raise ColorlibError(f"unknown setting {name!r}; known: {', '.join(known)}")
            default = getattr(cls(), name)
            if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
                values = {**values, name: float(value)}
            elif type(value) is not type(default):
                raise ColorlibError(f"{name} must be a {type(default).__name__}, got {value!r}")
        return cls(**values)

    @classmethod
    def from_yaml(cls, path: str | Path, **overrides: Any) -> "TrainingConfig":
        """A config from a YAML file, with single settings replaced by keyword."""
        try:
            values = yaml.safe_load(Path(path).read_text()) or {}
        except (OSError, yaml.YAMLError) as error:
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
    """The batch of one step: crops (B, crop, crop, 3) uint8 and masks, from the seed and step alone.

    Every epoch visits each photo once, in an order of its own.
    """
    order = torch.arange(step * config.batch, (step + 1) * config.batch)
    epochs = (order // len(frames)).tolist()
    shuffled = {e: torch.randperm(len(frames), generator=_generator(config.seed, 1, e)) for e in set(epochs)}
    index = torch.stack([shuffled[e][i] for e, i in zip(epochs, (order % len(frames)).tolist())])
    generator = _generator(config.seed, 2, step)
    index = index.to(frames.rgb.device)
    crops, mask = random_crops(frames.rgb[index], frames.sizes[index], config.crop, generator)
    return random_flips(crops, mask, generator)


def encode_batch(frames: Tensor, bins: ColorBins) -> tuple[Tensor, Tensor]:
    """uint8 frames (B, H, W, 3) as what the network sees and must answer: luma (B, 1, H, W), bins (B, H, W)."""
    rgb = frames.movedim(-1, 1).float() / 255
    return luma_of(rgb).unsqueeze(1), bins.encode(chroma_of(rgb))


@torch.no_grad()
def validate(model: nn.Module, frames: Frames, bins: ColorBins, weights: Tensor) -> dict[str, float]:
    """Loss and bin accuracy on whole frames, each photo's pixels counting alike."""
    model.eval()
    loss = correct = pixels = 0.0
    for rgb, mask in zip(frames.rgb.split(16), frames.mask().split(16)):
        luma, target = encode_batch(rgb, bins)
        logits = model(luma)
        loss += float(rebalanced_cross_entropy(logits, target, weights, mask) * mask.sum())
        correct += float(((logits.argmax(1) == target) & mask).sum())
        pixels += float(mask.sum())
    model.train()
    return {"loss": loss / pixels, "accuracy": correct / pixels}


def train(config: TrainingConfig, resume: bool = False) -> Path:
    """Run the training a config describes; returns the path of the checkpoint it wrote.

    Interrupt it whenever you like: with ``resume`` it continues the very same run.

    Raises:
        ColorlibError: if the photos or the config cannot be used, or the loss stops being a number.
    """
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    device = torch.device(config.device if config.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu")
    training, validation, used = load_photos(config)
    training, validation = training.to(device), validation.to(device)
    bins = ColorBins.from_histogram(count_chroma(training), config.n, config.bins, seed=config.seed)
    weights = bins.weights(config.lam).to(device)

    torch.manual_seed(config.seed)
    model = build(config.model, config.n).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    state = RunState(out, config)
    first = state.load(model, optimizer) if resume else state.start()

    progress = tqdm(range(first, config.steps), initial=first, total=config.steps, desc=f"training {config.model}")
    saved = time.monotonic()
    losses: list[Tensor] = []
    for step in progress:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, config)
        crops, mask = batch_of(training, step, config)
        luma, target = encode_batch(crops, bins)
        luma = add_noise(luma, config.noise, _generator(config.seed, 3, step))
        loss = rebalanced_cross_entropy(model(luma), target, weights, mask)
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
                record = {"frame": config.frame, "training": training_record(config, used, state.history())}
                save_checkpoint(out / "model.safetensors", model, bins, record)
                saved = time.monotonic()
    return out / "model.safetensors"


def training_record(config: TrainingConfig, photos: dict[str, int], history: list[dict[str, float]]) -> dict[str, Any]:
    """What a checkpoint says of its own training. Folders are named without the path to them."""
    settings = asdict(config) | {"photos": [Path(folder).name for folder in config.photos]}
    del settings["out"]
    return {"config": settings, "photos": photos, "history": history}


def load_photos(config: TrainingConfig) -> tuple[Frames, Frames, dict[str, int]]:
    """The training frames (bundled and the config's folders), the bundled validation frames, and counts."""
    paths = [photo.path for photo in bundled("train")]
    counts = {"bundled": len(paths)}
    for folder in config.photos:
        found = find_photos(folder)
        counts[Path(folder).name] = counts.get(Path(folder).name, 0) + len(found)
        paths += found
    training, left_out = load_frames(paths, config.frame, drop_gray=True)
    validation, _ = load_frames([photo.path for photo in bundled("validation")], config.frame)
    return training, validation, counts | {"left out": len(left_out), "used": len(training)}


class RunState:
    """What a run keeps on disk to survive being killed: weights, optimiser and step in one safetensors file.

    The history is a CSV that is cut back to the saved step on resuming, so that no step is logged twice.
    """

    def __init__(self, out: Path, config: TrainingConfig):
        self.state, self.csv, self.config = out / "state.safetensors", out / "history.csv", config

    def start(self) -> int:
        self.state.unlink(missing_ok=True)
        self.csv.unlink(missing_ok=True)
        return 0

    def save(self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        tensors = {f"model.{k}": v.contiguous() for k, v in model.state_dict().items()}
        for index, values in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": torch.as_tensor(v).contiguous() for k, v in values.items()}
        partial = self.state.with_name("state.partial")
        save_file(tensors, partial, {"step": str(step), "config": json.dumps(asdict(self.config))})
        partial.replace(self.state)

    def load(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
        if not self.state.exists():
            return self.start()
        from safetensors import safe_open

        with safe_open(self.state, framework="pt") as file:
            metadata = file.metadata()
        if json.loads(metadata["config"]) != asdict(self.config):
            raise ColorlibError(f"{self.state} belongs to a run with other settings: choose another 'out'")
        tensors = load_file(self.state)
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
            return [{k: int(v) if k == "step" else float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def _generator(seed: int, purpose: int, number: int) -> torch.Generator:
    """A random stream of its own for each purpose and step: no stream depends on what was drawn before."""
    return torch.Generator().manual_seed((seed * 4 + purpose) * 1_000_003 + number)
