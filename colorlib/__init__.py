"""colorlib: colorization as classification, one module per idea.

>>> import colorlib
>>> colorizer = colorlib.load()  # the bundled model
>>> picture = colorizer.colorize("data/landscapes/scratch-lake.jpg")  # uint8 (H, W, 3), the photo's own size
"""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from colorlib import compat  # first: repairs torchvision's import where it needs it  # noqa: F401
from colorlib.bins import ColorBins, UVHistogram
from colorlib.errors import ColorlibError
from colorlib.prediction import Colorizer, annealed_mean

try:
    __version__ = version("colorlib")
except PackageNotFoundError:  # used from a folder, not installed
    __version__ = "0+unknown"


def load(name_or_path: str | Path | None = None, device: str = "cpu") -> Colorizer:
    """A `Colorizer` from a bundled model's name, a checkpoint's path, or (None) the default model.

    Raises:
        ColorlibError: if there is no such model, or the file is not a checkpoint.
    """
    return Colorizer.load(name_or_path, device)


__all__ = ["ColorBins", "Colorizer", "ColorlibError", "UVHistogram", "annealed_mean", "load"]
