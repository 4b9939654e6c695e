"""colorlib: colorization as classification, one room per lesson, one module per idea.

The rooms, in the order in which they are taught: color, data, models, training, prediction, evaluation, video; course
serves the notebooks, and cli the shell. Nothing is imported before it is used.

>>> import colorlib
>>> colorizer = colorlib.load()  # the bundled model
>>> picture = colorizer.colorize("data/landscapes/scratch-lake.jpg")  # uint8 (H, W, 3), the photo's own size
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorlib.errors import ColorlibError
from colorlib.lazy import lazily

if TYPE_CHECKING:
    from colorlib import cli, color, course, data, evaluation, models, prediction, training, video
    from colorlib.color import ColorBins, UVHistogram
    from colorlib.models import list_models
    from colorlib.prediction import Colorizer, annealed_mean

    __version__: str

ROOMS = {"color": "ColorBins UVHistogram", "data": "", "models": "list_models", "training": ""}  # what they offer here
ROOMS |= {"prediction": "annealed_mean Colorizer", "evaluation": "", "video": "", "course": "", "cli": ""}
_look_up, *_ = lazily(__name__, ROOMS)


def load(name_or_path: str | Path | None = None, device: str = "cpu") -> "Colorizer":
    """A `Colorizer` from a bundled model's name, a checkpoint's path, or (None) the default model.

    ``device`` is cpu (the default here), cuda, or auto (the shell's default): the GPU if one works.

    Raises:
        ColorlibError: if there is no such model, or the file is not a checkpoint.
    """
    from colorlib.prediction import Colorizer

    return Colorizer.load(name_or_path, device)


def __getattr__(name: str) -> Any:
    return _version() if name == "__version__" else _look_up(name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("colorlib")
    except PackageNotFoundError:  # used from a folder, not installed
        return "0+unknown"


__all__ = [
    "ColorBins",
    "Colorizer",
    "ColorlibError",
    "UVHistogram",
    "annealed_mean",
    "cli",
    "color",
    "course",
    "data",
    "evaluation",
    "list_models",
    "load",
    "models",
    "prediction",
    "training",
    "video",
]
