"""From logits to pictures: the annealed mean (paper §2.1, Figure 4) and colouring at full resolution."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from colorlib.color.bins import ColorBins
from colorlib.color.spaces import luma_of
from colorlib.data.photos import as_rgb, fit, to_tensor
from colorlib.errors import ColorlibError
from colorlib.models.checkpoints import answering_lam, find_checkpoint, load_checkpoint
from colorlib.models.networks import forward_at_any_size
from colorlib.parallel import find_device
from colorlib.prediction.annealing import annealed_mean, require_temperature
from colorlib.prediction.upsampling import upsample_and_merge

DEFAULT_MODEL = "liteunet"


def _require_zoom(zoom: Any, stretched: bool) -> float:
    number = isinstance(zoom, int | float) and not isinstance(zoom, bool)
    if not number or not 1 <= zoom < 10 or (zoom > 1 and not stretched):
        raise ColorlibError(f"zoom must be a number from 1 to below 10, and 1 with a network that pads; got {zoom!r}")
    return float(zoom)


class Colorizer:
    """A trained network with its bins: gives any image colour.

    ``temperature`` is the default of `colorize`; ``input_size`` is the longest side, in pixels, at which the network
    looks at a photo. ``device`` is cpu (the default here), cuda, or auto (the shell's default): the GPU if one works.
    ``record`` says how the network was trained and how it scored. Where it has a ``zoom``, from 1 up in hundredths, the
    network sees what it looks at at least so many times larger (sides are rounded up to its stride): one that was
    trained on enlarged parts of photos may know things at the size that they had there (Touvron et al. 2019, "Fixing
    the train-test resolution discrepancy"). Where its ``output`` is "chroma", the network is a regression's: it gives U
    and V themselves, so that there are no probabilities, and no temperature but 1, at which a classifier gives the mean
    colour, too.

    >>> import colorlib
    >>> colorizer = colorlib.load()
    >>> colorizer.colorize(np.full((40, 60), 128, np.uint8)).shape
    (40, 60, 3)
    """

    def __init__(
        self,
        model: nn.Module,
        bins: ColorBins,
        temperature: float = 0.38,
        input_size: int = 160,
        device: str = "cpu",
        record: dict[str, Any] | None = None,
    ):
        if not isinstance(input_size, int | np.integer) or input_size < 1:
            raise ColorlibError(f"input_size must be a whole number of pixels from 1 up, got {input_size!r}")
        self.device = find_device(device)
        # A copy: a preview in the middle of a training must not switch the caller's own batch norm, or move it.
        self.model = deepcopy(model).to(self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.bins = bins
        self.temperature = require_temperature(temperature)
        self.input_size = int(input_size)
        self.record = record or {}
        self.zoom = _require_zoom(self.record.get("zoom", 1.0), getattr(model, "stretched", False))
        self.is_regression = self.record.get("output") == "chroma"
        if self.is_regression:
            self.temperature = 1.0

    @property
    def lam(self) -> float:
        """λ of the rebalancing that its probabilities carry: `colorlib.training.adjust_output_bias` (paper §2.1)."""
        lam = answering_lam(self.record)
        if lam is None:
            raise ColorlibError("this checkpoint's record does not say with which λ it was trained")
        return float(lam)

    @classmethod
    def load(cls, name_or_path: str | Path | None = None, device: str = "cpu") -> "Colorizer":
        """A bundled model by name, a checkpoint by path, or the default model."""
        model, bins, record = load_checkpoint(find_checkpoint(name_or_path or DEFAULT_MODEL))
        return cls(model, bins, record.get("temperature", 0.38), record.get("input_size", 160), device, record)

    def logits(self, luma: "np.ndarray | Tensor") -> Tensor:
        """The network's scores (n, H, W) for a luma (H, W) in [0, 1], at the luma's own size; (B, n, H, W) for a batch.

        Gradients flow back to a luma that asks for them.

        Raises:
            ColorlibError: if the network was trained by regression and has none.
        """
        if self.is_regression:
            raise ColorlibError(
                "this network was trained by L2 regression: it gives colours only, no probabilities or confidence"
            )
        return self._output(luma)

    def chroma(self, luma: "np.ndarray | Tensor", temperature: float | None = None) -> Tensor:
        """The chrominance (2, H, W) that the network gives a luma (H, W) in [0, 1], or a batch; see `colorize`."""
        temperature = self.temperature if temperature is None else temperature
        if not self.is_regression:
            return annealed_mean(self.logits(luma), self.bins.colors, temperature)
        if temperature != 1:
            raise ColorlibError(
                f"this network was trained by L2 regression: its only temperature is 1, not {temperature}"
            )
        return self._output(luma)

    def _output(self, luma: "np.ndarray | Tensor") -> Tensor:
        """What the network gives, (n, H, W) or (2, H, W), or a batch of these."""
        if not isinstance(luma, Tensor):
            luma = np.asarray(luma)
        if luma.ndim not in (2, 3) or 0 in luma.shape:
            raise ColorlibError(f"a luma must have shape (H, W) or (B, H, W), got {tuple(luma.shape)}")
        if not (luma.is_floating_point() if isinstance(luma, Tensor) else luma.dtype.kind == "f"):
            raise ColorlibError(f"a luma must be floating-point numbers in [0, 1], got {luma.dtype}")
        if not isinstance(luma, Tensor):  # a copy: PyTorch takes neither mirrored arrays nor a foreign byte order
            luma = torch.from_numpy(np.array(luma, np.float32, order="C"))
        luma = luma.to(self.device, torch.float32)
        height, width = luma.shape[-2:]
        with torch.set_grad_enabled(torch.is_grad_enabled() and luma.requires_grad):
            output = forward_at_any_size(self.model, luma.reshape(-1, 1, height, width), self.zoom)
        return output.reshape(*luma.shape[:-2], -1, height, width)

    def probabilities(self, luma: "np.ndarray | Tensor") -> Tensor:
        """The probability (n, H, W) of each bin at each pixel of a luma (H, W) in [0, 1]; sums to 1 over bins."""
        return self.logits(luma).softmax(-3)

    def input_luma(self, image: Any) -> Tensor:
        """The luma (h, w) that the network sees of an image: shrunk to at most ``input_size`` pixels a side."""
        return luma_of(to_tensor(fit(as_rgb(image), self.input_size)))

    def colorize(self, image: Any, temperature: float | None = None) -> np.ndarray:
        """Colour an image: uint8 (H, W, 3) at its own size, with its own luma.

        ``image`` is uint8, uint16 or float in [0, 1], gray or RGB(A), a Pillow image or a path; colours it
        already has are ignored. A higher temperature gives calmer, paler colours.

        Raises:
            ColorlibError: if the image or the temperature cannot be used.
        """
        rgb = as_rgb(image)
        luma = self.input_luma(rgb)
        return upsample_and_merge(rgb, luma, self.chroma(luma, temperature).cpu())
