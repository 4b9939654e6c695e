"""The settings of a training run, in one place, and the learning rate that they prescribe (paper §4.1)."""

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, cast

import yaml

from colorlib.errors import ColorlibError

ZOOM_STEP = 8  # pixels between the sides that a batch may be shrunk to
BIN_METHODS = {"kmeans": ("kmeans", 0), "grid": ("grid", 10), "odd-grid": ("grid", 11)}  # how, cells along an axis
NETWORKS = ("FlatNet", "Bottleneck", "ColorUNet", "ContextUNet", "ContextUNetControl", "LiteUNet")
KINDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    float | None: "null or a number",
    str: "a text",
    list[str]: "a list of folders",
}


def setting(
    default: Any, words: str, least: float = -math.inf, greatest: float = math.inf, choices: Sequence[str] = ()
) -> Any:
    """A field of `TrainingConfig`: its default, what it means, and the values it takes."""
    about = {"words": words, "least": least, "greatest": greatest, "choices": choices}
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=about)
    return field(default=default, metadata=about)


@dataclass
class TrainingConfig:
    """Everything that decides the outcome of a run. `describe_settings` prints it as a file to begin with.

    Raises:
        ColorlibError: naming the setting, its value, and the values it takes.
    """

    out_dir: str = setting("runs/quick", "folder of the run: history.csv, model.safetensors, state")
    init_from: str = setting("", "a checkpoint to go on from, its bins included: a second step, or your own photos")
    model: str = setting("ColorUNet", "the network", choices=NETWORKS)
    norm: str = setting(
        "batch",
        "ColorUNet: batch (norm, paper) or affine (a factor and a summand, authors' code)",
        choices=("batch", "affine"),
    )
    photos: list[str] = setting([], "folders besides the bundled photos, or one cache; twice named counts twice")
    validation_photos: list[str] = setting([], "folders held out, besides the bundled ones")
    num_bins: int = setting(32, "colour bins", 1, 32_767)
    bins: str = setting(
        "kmeans",
        "how they are chosen: kmeans (ours), grid (paper, 10 x 10), odd-grid (11 x 11), teacher (the teacher's own); "
        "or a file of bins",
    )
    loss: str = setting(
        "cross_entropy",
        "cross_entropy (paper), soft (the 5 nearest bins, Zhang et al.) or l2 (regression)",
        choices=("cross_entropy", "soft", "l2"),
    )
    loss_mean: str = setting(
        "photo",
        "over the photo's pixels (ours), or everything: padding and bins too (authors' code)",
        choices=("photo", "everything"),
    )
    lam: float = setting(0.5, "λ of the rebalancing: 1 treats all bins alike", 0, 1)
    lam_inference: float | None = setting(
        None, "the finished network answers as if trained with this λ (null: with its own)", 0, 1
    )
    color_weight: float = setting(
        0.0,
        "how much the squared error of the mean colour (U, V) counts beside the loss; 0: not at all (paper)",
        0,
        1e4,
    )
    teacher: str = setting("", "a checkpoint whose probabilities are learnt too: distillation (Hinton et al. 2015)")
    teacher_weight: float = setting(
        0.5, "the teacher's share of the loss: 1 leaves the photos' own bins out, 0 takes nothing but its bins", 0, 1
    )
    teacher_temperature: float = setting(
        1.0, "teacher and student are softened by it in their comparison; 1: their probabilities as they are", 0.05, 100
    )
    image_size: int = setting(128, "photos are shrunk so that their longer side is this long", ZOOM_STEP)
    augment: str = setting(
        "zoom-crop",
        "zoom-crop (ours), resized-crop (ours, of boxes stretched to shapes of photos, without a border), none (crops "
        "as they are), or the paper's sevenfold set of whole photos: paper, paper-dark (its noisy photos black, "
        "authors' code) or paper-filled (its crops enlarged, where the paper leaves black)",
        choices=("zoom-crop", "resized-crop", "paper", "none", "paper-dark", "paper-filled"),
    )
    min_size: int = setting(
        64,
        "zoom-crop: each batch is shrunk to a random side between this and image_size; resized-crop: its longer side "
        "is drawn so, and rounded up to the stride",
        ZOOM_STEP,
    )
    crop: int = setting(
        96, "zoom-crop and none (no other takes it): side of the squares trained on; image_size takes whole photos", 1
    )
    noise_std: float = setting(0.02, "zoom- and resized-crop: largest standard deviation of noise on the luma", 0, 1)
    blur_probability: float = setting(0.5, "zoom- and resized-crop: share of batches whose luma is blurred", 0, 1)
    gamma_jitter: float = setting(
        0.3, "zoom- and resized-crop: largest change of the luma's contrast curve, as a power of e", 0, 10
    )
    levels_jitter: float = setting(
        0.0, "zoom- and resized-crop: largest shift of the luma's black and white points", 0, 0.4
    )
    pretrained: bool = setting(False, "LiteUNet: start the encoder from what it learnt on ImageNet")
    encoder_lr_scale: float = setting(1.0, "LiteUNet: the encoder's learning rate, as a share of the decoder's", 0, 1)
    weight_decay: float = setting(0.0, "AdamW's; 0 makes it the paper's Adam", 0, 1)
    max_grad_norm: float = setting(0.0, "larger gradients are scaled down to this norm (0: never)", 0)
    ema_decay: float = setting(
        0.0,
        "what is kept is a running average of the weights, with this decay (0: the last weights)",
        0,
        0.9999999,
    )
    batch_size: int = setting(16, "pictures per step, of all processes together", 1)
    max_steps: int = setting(600, "optimiser steps", 1)
    learning_rate: float = setting(2e-3, "Adam's, at its highest; `--choose-rate` tries several", 1e-9)
    warmup: int = setting(50, "steps of linear rise to it", 0)
    schedule: str = setting(
        "cosine",
        "then: cosine (half of one, down to 0), two-step (paper) or constant",
        choices=("cosine", "two-step", "constant"),
    )
    lr_decay: float = setting(0.1, "two-step: the second step's learning rate, as a share of the first's", 0, 1)
    lr_decay_at: float = setting(0.5, "two-step: where the second step begins, as a share of all steps", 0, 1)
    seed: int = setting(0, "of weights, order and augmentation", 0, 2**32 - 1)
    validate_every: int = setting(200, "steps between validations", 1)
    checkpoint_minutes: float = setting(2.0, "minutes between saved states", 0)
    device: str = setting("auto", "cpu, cuda, or auto")
    precision: str = setting(
        "auto",
        "what the network computes in: auto (bfloat16 on a GPU that has it, else float32), float32 or bfloat16, "
        "which pays on a CPU that has it (Linux: lscpu names avx512_bf16 or amx_bf16)",
        choices=("auto", "float32", "bfloat16"),
    )
    compile: str = setting(
        "auto", "torch.compile: auto (on a GPU only), always or never", choices=("auto", "always", "never")
    )

    def __post_init__(self) -> None:
        from colorlib.models.networks import MODELS  # here, so that the settings are listed without PyTorch
        from colorlib.parallel import find_device

        for one in fields(self):
            setattr(self, one.name, _checked(one, getattr(self, one.name)))
        if self.bins not in (*BIN_METHODS, "teacher") and not Path(self.bins).is_file():
            methods = ", ".join((*BIN_METHODS, "teacher"))
            raise ColorlibError(f"bins must be {methods}, or a file written by `colorlib bins`; got {self.bins!r}")
        if self.bins == "teacher" and not self.teacher:
            raise ColorlibError("bins=teacher are the bins of a teacher: name its checkpoint, as in teacher=liteunet")
        if self.teacher and self.loss == "l2":
            raise ColorlibError("a teacher goes with a loss over bins, which it has probabilities for; got l2")
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
        if self.color_weight and self.loss == "l2":
            raise ColorlibError("color_weight goes with a loss over bins: l2 is that error already; set color_weight=0")
        stride = MODELS[self.model].stride
        steps = {"image_size": math.lcm(stride, ZOOM_STEP), "crop": stride, "min_size": ZOOM_STEP}
        if self.augment not in ("none", "zoom-crop"):  # no other cuts squares
            del steps["crop"]
        if self.augment not in ("zoom-crop", "resized-crop"):  # no other shrinks batches
            del steps["min_size"]
        for name, step in steps.items():
            value = getattr(self, name)
            if value > self.image_size:
                raise ColorlibError(f"{name} must be at most image_size ({self.image_size}), got {value}")
            if value % step:
                raise ColorlibError(f"{name} must be a multiple of {step} with the model {self.model}, got {value}")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainingConfig":
        """A config from plain values; a key that does not exist or has the wrong type is an error."""
        known = [one.name for one in fields(cls)]
        for name in values:
            if name not in known:
                raise ColorlibError(f"unknown setting {name!r}; known: {', '.join(known)}")
        return cls(**values)

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


def describe_settings() -> str:
    """Every setting with what it means, its default and the values it takes: a configuration to begin with, in YAML.

    >>> for line in describe_settings().splitlines()[12:14]:
    ...     print(line)
    # colour bins
    num_bins: 32  # a whole number from 1 to 32,767
    """
    return "\n".join(
        f"# {one.metadata['words']}\n{one.name}: {_plain(_default(one))}  # {_values(one)}"
        for one in fields(TrainingConfig)
    )


def _checked(one: "Field[Any]", value: Any) -> Any:
    """A setting's value, as its type has it; an error if it takes no such value."""
    if one.type in (float, float | None) and not isinstance(value, bool):
        with suppress(TypeError, ValueError):  # YAML takes 2 for a whole number and 1e-3 for text
            value = float(value)
    if not _is_allowed(one, value):
        raise ColorlibError(f"{one.name} must be {_values(one)}; got {value!r}")
    return value


def _is_allowed(one: "Field[Any]", value: Any) -> bool:
    kind, about = cast(Any, one.type), one.metadata
    if kind == list[str]:
        return isinstance(value, list) and all(isinstance(folder, str) for folder in value)
    if isinstance(value, bool) != (kind is bool) or not isinstance(value, kind):  # True is an int to Python
        return False
    if isinstance(value, int | float):
        return math.isfinite(value) and bool(about["least"] <= value <= about["greatest"])
    return not about["choices"] or value in about["choices"]


def _values(one: "Field[Any]") -> str:
    """The values that a setting takes, in words."""
    least, greatest, choices = (one.metadata[key] for key in ("least", "greatest", "choices"))
    if choices:
        return f"one of {', '.join(choices)}"
    kind = KINDS[one.type]
    if greatest < math.inf:
        return f"{kind} from {least:,} to {greatest:,}"
    return kind if least == -math.inf else f"{kind}, at least {least:,}"


def _default(one: "Field[Any]") -> Any:
    return one.default if one.default_factory is MISSING else one.default_factory()


def _plain(value: Any) -> str:
    """A default as YAML has it."""
    return json.dumps(value).strip('"') or '""'


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
