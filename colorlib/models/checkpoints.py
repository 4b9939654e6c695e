"""A trained network in one file: weights, colour bins and the record of how it came to be.

The format is safetensors: plain numbers and text, so that opening a stranger's file can never run code.
The record is free JSON; colorlib uses these keys of it: ``temperature``, ``temperatures``, ``input_size`` and ``zoom``
(defaults at prediction, and what they were ``chosen_on``), ``training`` (data, configuration, history),
``lam_inference`` (the λ it answers with, where that is not the one it was trained with), ``baselines``, ``metrics``
(measured on ``metrics_photos`` photos never trained on), ``licence``, and ``output``: "chroma" where the network was
trained by regression and gives U and V instead of a score for each bin.
"""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from colorlib.color.bins import ColorBins
from colorlib.errors import ColorlibError
from colorlib.files import atomic_write
from colorlib.models.networks import MODELS, build, count_parameters

FORMAT = "colorlib-1"
WEIGHTS = Path(__file__).parents[1] / "weights"


def save_checkpoint(
    path: str | Path, model: nn.Module, bins: ColorBins, record: dict[str, Any], half: bool = False
) -> None:
    """Write a network, its bins and its record; the file appears whole or not at all.

    With ``half`` the weights are rounded to float16, which halves the file; reading makes them float32 again.

    Raises:
        ColorlibError: if the network is none of `MODELS` or was built for another number of bins, or the file cannot be
            written.
    """
    name = type(model).__name__
    if MODELS.get(name) is not type(model):
        raise ColorlibError(f"{name} is not one of colorlib's networks ({', '.join(MODELS)}): name its class in MODELS")
    outputs, arguments = _outputs(bins, record), getattr(model, "arguments", {})
    fresh = build(name, outputs, **arguments).state_dict()
    if {key: value.shape for key, value in model.state_dict().items()} != {k: v.shape for k, v in fresh.items()}:
        raise ColorlibError(f"this {name} was built for another number of bins than the {outputs} given")
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    if half:
        tensors = {key: value.half() if value.is_floating_point() else value for key, value in tensors.items()}
    metadata = {"format": FORMAT, "model": name, "bins": bins.to_json(), "record": json.dumps(record)}
    metadata["arguments"] = json.dumps(arguments)
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as partial:
            save_file(tensors, partial, metadata)
            partial.chmod(0o644)  # safetensors writes files that only their owner can read
    except (OSError, SafetensorError) as error:
        raise ColorlibError(f"cannot write {path}: {error}") from error


def load_checkpoint(path: str | Path) -> tuple[nn.Module, ColorBins, dict[str, Any]]:
    """Read what `save_checkpoint` wrote: the network in evaluation mode, its bins and its record.

    Raises:
        ColorlibError: if the file is missing, truncated, made by other software, or its weights do not
            fit the network it names.
    """
    path = Path(path)
    if not path.is_file():
        raise ColorlibError(f"{path} does not exist")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ColorlibError(f"{path} is not a safetensors file, or it is truncated: {error}") from error
    if metadata.get("format") != FORMAT:
        raise ColorlibError(f"{path} was not written by colorlib (format {metadata.get('format')!r}, not {FORMAT!r})")
    try:
        bins = ColorBins.from_json(metadata["bins"])
        record = json.loads(metadata["record"])
        if not isinstance(record, dict):
            raise ColorlibError("its record is not a table of names and values")
        arguments = json.loads(metadata.get("arguments", "{}"))
        model = build(metadata["model"], _outputs(bins, record), **arguments)
        model.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, RecursionError, ColorlibError) as error:
        raise ColorlibError(f"{path} does not hold what it says it holds: {error}") from error
    return model.eval(), bins, record


def answering_lam(record: dict[str, Any]) -> float | None:
    """λ of the rebalancing with which a checkpoint answers, by its record (paper §2.1); None where that is silent.

    >>> answering_lam({"training": {"config": {"lam": 0.5}}}), answering_lam({"lam_inference": 0.2}), answering_lam({})
    (0.5, 0.2, None)
    """
    lam: float | None = record.get("lam_inference", record.get("training", {}).get("config", {}).get("lam"))
    return lam


def _outputs(bins: ColorBins, record: dict[str, Any]) -> int:
    """How many numbers per pixel a network gives."""
    return 2 if record.get("output") == "chroma" else len(bins)


def bundled_checkpoints() -> dict[str, Path]:
    """The checkpoints that come with colorlib, by name."""
    return {path.stem: path for path in sorted(WEIGHTS.glob("*.safetensors"))}


def find_checkpoint(name_or_path: str | Path) -> Path:
    """The file of a bundled checkpoint's name, or the path itself.

    Raises:
        ColorlibError: if it is neither; the message lists the bundled names.
    """
    bundled = bundled_checkpoints()
    if str(name_or_path) in bundled:
        return bundled[str(name_or_path)]
    if Path(name_or_path).is_file():
        return Path(name_or_path)
    known = ", ".join(bundled) or "none bundled"
    raise ColorlibError(f"no model {str(name_or_path)!r}: give a path, or one of {known}")


def list_models() -> dict[str, dict[str, Any]]:
    """What there is to know of each bundled checkpoint, by name; None where its record does not say.

    >>> list_models()["colorunet"]["parameters"]
    130432
    """
    return {name: model_card(path) for name, path in bundled_checkpoints().items()}


def model_card(path: str | Path) -> dict[str, Any]:
    """What there is to know of a checkpoint; None where its record does not say."""
    model, bins, record = load_checkpoint(path)
    return {
        "network": type(model).__name__,
        "bins": len(bins),
        "bins_chosen_by": bins.method,
        "parameters": count_parameters(model),
        "bytes": Path(path).stat().st_size,
        "training_photos": record.get("training", {}).get("photos", {}).get("used"),
        "temperature": record.get("temperature"),
        "metrics": record.get("metrics"),
    }
