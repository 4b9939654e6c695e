"""From logits to pictures: the annealed mean (paper §2.1, Figure 4) and colouring at full resolution."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorlib.bins import ColorBins
from colorlib.checkpoints import find_checkpoint, load_checkpoint
from colorlib.color import join, luma_of
from colorlib.errors import ColorlibError
from colorlib.models import find_device
from colorlib.photos import as_rgb, fit, to_tensor, to_uint8

DEFAULT_MODEL = "colorunet-context"
STRIP = 2_000_000  # pixels coloured at a time, so that memory does not grow with the photo


def annealed_probabilities(logits: Tensor, temperature: float) -> Tensor:
    """The paper's f_T: probabilities sharpened (T < 1) or flattened (T > 1), shape as logits (..., n, H, W).

    f_T(z) = exp(log z / T) / Σ exp(log z / T). With z = softmax(logits) the normalisation of z cancels, so this
    is softmax(logits / T): no logarithm of a vanishing probability, and stable for any T > 0. T = 0 is
    the limit, all mass on the likeliest bin.

    >>> annealed_probabilities(torch.tensor([2.0, 1.0]).reshape(2, 1, 1), 0).flatten().tolist()
    [1.0, 0.0]
    """
    if not 0 <= temperature < float("inf"):
        raise ColorlibError(f"the temperature must be a number of 0 or more, got {temperature}")
    if temperature == 0:
        return F.one_hot(logits.argmax(-3), logits.shape[-3]).movedim(-1, -3).to(logits)
    # Subtracting the largest logit before dividing keeps the small differences that decide at low T.
    # And a temperature that float32 rounds to 0 would make 0 / 0 of the likeliest bin.
    return ((logits - logits.amax(-3, keepdim=True)) / max(temperature, 1e-30)).softmax(-3)


def annealed_mean(logits: Tensor, colors: Tensor, temperature: float) -> Tensor:
    """The expected chrominance (..., 2, H, W) under the annealed probabilities of logits (..., n, H, W).

    ``colors`` (n, 2) are the bins' chrominances. T = 1 averages over everything the network holds possible
    (pale, smooth); T towards 0 takes its first choice (vivid, patchy).

    >>> annealed_mean(torch.zeros(2, 1, 1), torch.tensor([[0.1, 0.2], [0.3, 0.0]]), 1.0).flatten().tolist()
    [0.20000000298023224, 0.10000000149011612]
    """
    if logits.shape[-3] != len(colors):
        raise ValueError(f"logits have {logits.shape[-3]} bins where there are {len(colors)} colours")
    probabilities = annealed_probabilities(logits, temperature)
    return torch.einsum("...nhw,nc->...chw", probabilities, colors.to(probabilities))


class Colorizer:
    """A trained network with its bins: gives any image colour.

    ``temperature`` is the default of `colorize`; ``frame`` is the longest side, in pixels, at which the network
    looks at a photo. ``record`` says how the network was trained and how it scored. Where its ``output`` is "chroma",
    the network is a regression's: it gives U and V themselves, so that there are no probabilities, and no temperature
    but 1, at which a classifier gives the mean colour, too.

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
        frame: int = 160,
        device: str = "cpu",
        record: dict[str, Any] | None = None,
    ):
        if not isinstance(frame, int) or frame < 1:
            raise ColorlibError(f"frame must be a whole number of pixels from 1 up, got {frame!r}")
        if not isinstance(temperature, int | float) or not 0 <= temperature < float("inf"):
            raise ColorlibError(f"the temperature must be a number of 0 or more, got {temperature!r}")
        self.device = find_device(device)
        self.model = model.to(self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.bins = bins
        self.temperature = temperature
        self.frame = frame
        self.record = record or {}
        self.is_regression = self.record.get("output") == "chroma"
        if self.is_regression:
            self.temperature = 1.0

    @property
    def lam(self) -> float:
        """λ of the rebalancing that its probabilities carry, see `colorlib.losses.answer_with` (paper §2.1)."""
        return float(self.record.get("lam", self.record["training"]["config"]["lam"]))

    @classmethod
    def load(cls, name_or_path: str | Path | None = None, device: str = "cpu") -> "Colorizer":
        """A bundled model by name, a checkpoint by path, or the default model."""
        model, bins, record = load_checkpoint(find_checkpoint(name_or_path or DEFAULT_MODEL))
        return cls(model, bins, record.get("temperature", 0.38), record.get("frame", 160), device, record)

    def logits(self, luma: "np.ndarray | Tensor") -> Tensor:
        """The network's scores (n, H, W) for a luma (H, W) in [0, 1], at the luma's own size.

        Raises:
            ColorlibError: if the network was trained by regression and has none.
        """
        if self.is_regression:
            raise ColorlibError(
                "this network was trained by L2 regression: it gives colours only, no probabilities or confidence"
            )
        return self._output(luma)

    def chroma(self, luma: "np.ndarray | Tensor", temperature: float | None = None) -> Tensor:
        """The chrominance (2, H, W) that the network gives a luma (H, W) in [0, 1]; see `colorize`."""
        temperature = self.temperature if temperature is None else temperature
        if not self.is_regression:
            return annealed_mean(self.logits(luma), self.bins.colors, temperature)
        if temperature != 1:
            raise ColorlibError(
                f"this network was trained by L2 regression: its only temperature is 1, not {temperature}"
            )
        return self._output(luma)

    @torch.inference_mode()
    def _output(self, luma: "np.ndarray | Tensor") -> Tensor:
        """What the network gives, (n, H, W) or (2, H, W).

        The edges are repeated up to a multiple of the network's stride, and cut off again.
        """
        luma = torch.as_tensor(luma, dtype=torch.float32, device=self.device)
        if luma.ndim != 2 or luma.numel() == 0:
            raise ColorlibError(f"a luma must have shape (H, W), got {tuple(luma.shape)}")
        height, width = luma.shape
        stride = int(self.model.stride)
        padding = (0, -width % stride, 0, -height % stride)
        padded = F.pad(luma[None, None], padding, mode="replicate")
        return self.model(padded.contiguous(memory_format=torch.channels_last))[0, :, :height, :width]

    def probabilities(self, luma: "np.ndarray | Tensor") -> Tensor:
        """The probability (n, H, W) of each bin at each pixel of a luma (H, W) in [0, 1]; sums to 1 over bins."""
        return self.logits(luma).softmax(0)

    def frame_of(self, image: Any) -> Tensor:
        """The luma (h, w) that the network sees of an image: shrunk to at most ``frame`` pixels a side."""
        return luma_of(to_tensor(fit(as_rgb(image), self.frame)))

    def colorize(self, image: Any, temperature: float | None = None) -> np.ndarray:
        """Colour an image: uint8 (H, W, 3) at its own size, with its own luma.

        ``image`` is uint8, uint16 or float in [0, 1], gray or RGB(A), a Pillow image or a path; colours it
        already has are ignored. A higher temperature gives calmer, paler colours.

        Raises:
            ColorlibError: if the image or the temperature cannot be used.
        """
        rgb = as_rgb(image)
        luma = self.frame_of(rgb)
        return paint(rgb, luma, self.chroma(luma, temperature).cpu())


def paint(rgb: np.ndarray, luma: Tensor, chroma: Tensor) -> np.ndarray:
    """Give a photo (H, W, 3) uint8 the chrominance (2, h, w) predicted on its small luma (h, w).

    The chrominance is upsampled to the photo's size along the photo's own edges and joined with its own luma.
    Works in strips, so a 40-megapixel photo needs little more memory than itself.
    """
    height, width = rgb.shape[:2]
    if chroma.shape[-2:] == (height, width):
        return to_uint8(join(luma_of(to_tensor(rgb)), chroma))
    slope, offset = local_linear_model(luma, chroma)
    small = torch.cat([slope, offset])  # (4, h, w)
    down, across = resize_matrix(luma.shape[0], height), resize_matrix(luma.shape[1], width)
    result = np.empty_like(rgb)
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        strip = slice(top, top + rows)
        slope, offset = (down[strip] @ small @ across.T).split(2)
        full = luma_of(to_tensor(rgb[strip]))
        result[strip] = to_uint8(join(full, slope * full + offset))
    return result


def local_linear_model(luma: Tensor, chroma: Tensor, radius: int = 2, smoothing: float = 1e-3) -> tuple[Tensor, Tensor]:
    """Around each pixel, the line chroma ≈ slope · luma + offset that fits its neighbourhood best.

    The guided filter of He & Sun (2015): upsampling slope and offset instead of the chrominance itself makes colour
    borders follow the edges of the full-size luma. Both results are (2, h, w).
    """

    def mean(x: Tensor) -> Tensor:
        padded = F.pad(x[None], (radius,) * 4, mode="replicate")
        return F.avg_pool2d(padded, 2 * radius + 1, stride=1)[0]

    luma = luma[None]
    variance = mean(luma**2) - mean(luma) ** 2
    covariance = mean(luma * chroma) - mean(luma) * mean(chroma)
    slope = covariance / (variance.clamp(min=0) + smoothing)
    offset = mean(chroma) - slope * mean(luma)
    return mean(slope), mean(offset)


def resize_matrix(size: int, new_size: int) -> Tensor:
    """The matrix (new_size, size) of bilinear enlargement along one axis; every row sums to 1.

    >>> resize_matrix(2, 4).tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    place = ((torch.arange(new_size) + 0.5) * size / new_size - 0.5).clamp(0, size - 1)
    below = place.floor().long().clamp(max=max(0, size - 2))
    share = (place - below)[:, None]
    matrix = torch.zeros(new_size, size)
    matrix.scatter_(1, below[:, None], 1 - share)
    if size > 1:
        matrix.scatter_(1, below[:, None] + 1, share)
    return matrix
