"""The settings of a training run, in one place, and the learning rate that they prescribe (paper §4.1)."""

import math
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from colorlib.errors import ColorlibError
from colorlib.models.networks import MODELS
from colorlib.parallel import find_device

ZOOM_STEP = 8  # pixels between the sides that a batch may be shrunk to
RANGES = {  # of the settings that are numbers: least and greatest
    "num_bins": (1, 32_767),
    "lam": (0, 1),
    "lam_inference": (0, 1),
    "min_size": (ZOOM_STEP, math.inf),
    "crop": (1, math.inf),
    "batch_size": (1, math.inf),
    "max_steps": (1, math.inf),
    "warmup": (0, math.inf),
    "lr_decay": (0, 1),
    "lr_decay_at": (0, 1),
    "noise_std": (0, 1),
    "blur_probability": (0, 1),
    "gamma_jitter": (0, 10),
    "validate_every": (1, math.inf),
    "checkpoint_minutes": (0, math.inf),
    "levels_jitter": (0, 0.4),
    "encoder_lr_scale": (0, 1),
    "weight_decay": (0, 1),
    "max_grad_norm": (0, math.inf),
    "ema_decay": (0, 0.9999999),
}
BIN_METHODS = {"kmeans": ("kmeans", 0), "grid": ("grid", 10), "odd-grid": ("grid", 11)}  # how, cells along an axis
CHOICES = {  # of the settings that are names
    "model": tuple(MODELS),
    "loss": ("cross_entropy", "soft", "l2"),
    "loss_mean": ("photo", "everything"),
    "norm": ("batch", "affine"),
    "augment": ("zoom-crop", "paper", "none", "paper-dark", "paper-filled"),
    "schedule": ("cosine", "two-step", "constant"),
    "compile": ("auto", "always", "never"),
}


@dataclass
class TrainingConfig:
    """Everything that decides the outcome of a run. Unknown keys are refused."""

    out_dir: str = "runs/quick"  # folder of the run: history.csv, model.safetensors, state
    init_from: str = ""  # a checkpoint to go on from, its bins included: a second step, or your own photos
    model: str = "ColorUNet"  # a name in colorlib.models.MODELS
    norm: str = "batch"  # ColorUNet: batch (norm, paper) or affine (a factor and a summand, authors' code)
    photos: list[str] = field(default_factory=list)  # folders besides the bundled photos; twice named counts twice
    validation_photos: list[str] = field(default_factory=list)  # folders held out, besides the bundled ones
    num_bins: int = 32  # colour bins
    bins: str = "kmeans"  # how they are chosen: kmeans (ours), grid (paper, 10 x 10), odd-grid (11 x 11); or a file
    loss: str = "cross_entropy"  # cross_entropy (paper), soft (the 5 nearest bins, Zhang et al.) or l2 (regression)
    loss_mean: str = "photo"  # over the photo's pixels (ours), or everything: padding and bins too (authors' code)
    lam: float = 0.5  # λ of the rebalancing: 1 treats all bins alike
    lam_inference: float | None = None  # the finished network answers as if trained with this λ (null: with its own)
    image_size: int = 128  # photos are shrunk so that their longer side is this long
    # zoom-crop (ours), none (crops as they are), or the paper's sevenfold set in whole frames: paper, paper-dark (its
    # noisy photos black, as in the authors' code) or paper-filled (its crops enlarged, where the paper leaves black)
    augment: str = "zoom-crop"
    min_size: int = 64  # zoom-crop: each batch is shrunk further, to a random side between this and image_size
    crop: int = 96  # zoom-crop and none: side of the random squares that are trained on; image_size takes whole photos
    noise_std: float = 0.02  # zoom-crop: largest standard deviation of noise on the luma
    blur_probability: float = 0.5  # zoom-crop: share of batches whose luma is blurred
    gamma_jitter: float = 0.3  # zoom-crop: largest change of the luma's contrast curve, as a power of e
    levels_jitter: float = 0.0  # zoom-crop: largest shift of the luma's black and white points
    pretrained: bool = False  # LiteUNet: start the encoder from what it learnt on ImageNet
    encoder_lr_scale: float = 1.0  # LiteUNet: the encoder's learning rate, as a share of the decoder's
    weight_decay: float = 0.0  # AdamW's; 0 makes it the paper's Adam
    max_grad_norm: float = 0.0  # larger gradients are scaled down to this norm (0: never)
    ema_decay: float = 0.0  # what is kept is a running average of the weights, with this decay (0: the last weights)
    batch_size: int = 16  # squares per step, of all processes together
    max_steps: int = 600  # optimiser steps
    learning_rate: float = 2e-3  # Adam's, at its highest
    warmup: int = 50  # steps of linear rise to it
    schedule: str = "cosine"  # then: cosine (half of one, down to 0), two-step (paper) or constant
    lr_decay: float = 0.1  # two-step: the second step's learning rate, as a share of the first's
    lr_decay_at: float = 0.5  # two-step: where the second step begins, as a share of all steps
    seed: int = 0  # of weights, order and augmentation
    validate_every: int = 200  # steps between validations
    checkpoint_minutes: float = 2.0  # minutes between saved states
    device: str = "auto"  # cpu, cuda, or auto
    compile: str = "auto"  # torch.compile: auto (on a GPU only), always or never

    def __post_init__(self) -> None:
        for name, (least, greatest) in RANGES.items():
            if getattr(self, name) is not None and not least <= getattr(self, name) <= greatest:
                limits = f"at least {least}" if greatest == math.inf else f"from {least} to {greatest}"
                raise ColorlibError(f"{name} must be {limits}, got {getattr(self, name)}")
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise ColorlibError(f"{name} must be one of {', '.join(known)}; got {getattr(self, name)!r}")
        if self.bins not in BIN_METHODS and not Path(self.bins).is_file():
            methods = ", ".join(BIN_METHODS)
            raise ColorlibError(f"bins must be {methods}, or a file written by `colorlib bins`; got {self.bins!r}")
        if self.norm != "batch" and self.model != "ColorUNet":
            raise ColorlibError(f"norm {self.norm} goes with the model ColorUNet; got {self.model}")
        if self.pretrained and self.model != "LiteUNet":
            raise ColorlibError(f"pretrained goes with the model LiteUNet, which has such an encoder; got {self.model}")
        if find_device(self.device).type == "mps":
            raise ColorlibError("training on Apple GPUs (mps), which lack float64, is not supported: set device=cpu")
        if self.lam_inference is not None and self.loss != "cross_entropy":
            raise ColorlibError(
                f"lam_inference goes with the loss cross_entropy, whose best answer is known; got {self.loss}"
            )
        if not 0 < self.learning_rate < math.inf:
            raise ColorlibError(f"learning_rate must be above 0, got {self.learning_rate}")
        for name in ("photos", "validation_photos"):
            if not all(isinstance(folder, str) for folder in getattr(self, name)):
                raise ColorlibError(f"{name} must be a list of folders, got {getattr(self, name)}")
        if max(self.crop, self.min_size) > self.image_size:
            raise ColorlibError(f"crop and min_size must not be larger than image_size ({self.image_size})")
        stride = MODELS[self.model].stride
        if self.image_size % stride or self.crop % stride:
            raise ColorlibError(f"image_size and crop must be multiples of {stride}, which {self.model} needs")
        if self.image_size % ZOOM_STEP or self.min_size % ZOOM_STEP:
            raise ColorlibError(f"image_size and min_size must be multiples of {ZOOM_STEP}")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainingConfig":
        """A config from plain values; a key that does not exist or has the wrong type is an error."""
        known = {f.name: f.type for f in fields(cls)}
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise ColorlibError(f"unknown setting {name!r}; known: {', '.join(known)}")
            default = getattr(cls(), name)
            if isinstance(default, float | None) and not isinstance(value, bool):
                with suppress(TypeError, ValueError):  # YAML takes 2 for a whole number and 1e-3 for text
                    value = float(value)
            if type(value) is not type(default) and not (default is None and isinstance(value, float)):
                kind = "float" if default is None else type(default).__name__
                raise ColorlibError(f"{name} must be a {kind}, got {value!r}")
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
    """The learning rate of a step: a linear warm-up to its height, then what the schedule says.

    * cosine (ours): half a cosine down to zero;
    * two-step (paper §4.1: "trained in 2 steps, with a learning rate decay between the 2 steps"): the height until
      ``lr_decay_at`` of the steps, then ``lr_decay`` times that. The paper gives neither number, nor does its code;
    * constant.

    >>> config = TrainingConfig(max_steps=100, warmup=10, learning_rate=1.0)
    >>> [round(learning_rate_at(step, config), 2) for step in (0, 9, 55, 99)]
    [0.1, 1.0, 0.5, 0.0]
    >>> config = TrainingConfig(max_steps=100, warmup=0, learning_rate=1.0, schedule="two-step")
    >>> [learning_rate_at(step, config) for step in (0, 49, 50, 99)]
    [1.0, 1.0, 0.1, 0.1]
    """
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    if config.schedule == "two-step":
        return config.learning_rate * (config.lr_decay if step >= config.lr_decay_at * config.max_steps else 1)
    if config.schedule == "constant":
        return config.learning_rate
    progress = (step - config.warmup) / max(1, config.max_steps - config.warmup)
    return config.learning_rate * (1 + math.cos(math.pi * progress)) / 2
