"""Other people's colorizers beside ours: Zhang et al.'s (2016), which the paper compares itself with (§4.1).

Their network has 247 times the parameters of the ColorUNet and its weights are not bundled. Who has the file
``colorization_release_v2-9b330a0b.pth`` that its authors publish can put it into the same tables and walls:

    colorlib evaluate album/ --zhang colorization_release_v2-9b330a0b.pth

Any other colorizer takes part as a function from a uint8 photo to a uint8 picture (``others`` of `measure`).
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from skimage.color import lab2rgb, rgb2lab
from torch import Tensor, nn

from colorlib.data.photos import as_rgb
from colorlib.errors import ColorlibError
from colorlib.evaluation.perceptual import read_weights

SIDE = 256  # pixels a side: what it was trained on


class ZhangNet(nn.Module):
    """Zhang et al.'s (2016, Figure 2) network: eight blocks, no connections between them, 313 bins of (a, b).

    Layers are named as in the published file, so that its weights fit.

    >>> sum(parameter.numel() for parameter in ZhangNet().parameters())
    32236011
    """

    def __init__(self) -> None:
        super().__init__()
        self.model1 = nn.Sequential(*_convs(1, 64, 64, last_stride=2), nn.BatchNorm2d(64))
        self.model2 = nn.Sequential(*_convs(64, 128, 128, last_stride=2), nn.BatchNorm2d(128))
        self.model3 = nn.Sequential(*_convs(128, 256, 256, 256, last_stride=2), nn.BatchNorm2d(256))
        self.model4 = nn.Sequential(*_convs(256, 512, 512, 512), nn.BatchNorm2d(512))
        self.model5 = nn.Sequential(*_convs(512, 512, 512, 512, dilation=2), nn.BatchNorm2d(512))
        self.model6 = nn.Sequential(*_convs(512, 512, 512, 512, dilation=2), nn.BatchNorm2d(512))
        self.model7 = nn.Sequential(*_convs(512, 512, 512, 512), nn.BatchNorm2d(512))
        up = nn.ConvTranspose2d(512, 256, 4, stride=2, padding=1)
        self.model8 = nn.Sequential(up, nn.ReLU(), *_convs(256, 256, 256), nn.Conv2d(256, 313, 1))
        self.model_out = nn.Conv2d(313, 2, 1, bias=False)  # the expected (a, b), in units of 110

    def forward(self, lightness: Tensor) -> Tensor:
        """Lightness L of CIELAB (B, 1, H, W) in [0, 100] -> (a, b) of shape (B, 2, H, W); H, W multiples of 8."""
        x = (lightness - 50) / 100
        for block in (self.model1, self.model2, self.model3, self.model4, self.model5, self.model6, self.model7):
            x = block(x)
        quarter = self.model_out(self.model8(x).softmax(1))
        return 110 * F.interpolate(quarter, scale_factor=4, mode="bilinear")


class ZhangColorizer:
    """Colours photos with Zhang et al.'s published weights: uint8 (H, W, 3) in, the same out."""

    def __init__(self, weights: str | Path, device: str | torch.device = "cpu"):
        """``weights`` is the published file.

        Raises:
            ColorlibError: if it is missing or holds another network.
        """
        if not Path(weights).is_file():
            raise ColorlibError(f"{weights} does not exist: give the file of weights that Zhang et al. publish")
        self.device, self.network = torch.device(device), ZhangNet().eval()
        try:
            self.network.load_state_dict(read_weights(Path(weights)))
        except RuntimeError as error:
            raise ColorlibError(f"{weights} holds another network than Zhang et al.'s of 2016") from error
        self.network.to(self.device)

    @torch.inference_mode()
    def __call__(self, image: np.ndarray) -> np.ndarray:
        lab = torch.from_numpy(rgb2lab(as_rgb(image))).float().movedim(-1, 0)[None].to(self.device)
        lightness = lab[:, :1]
        small = F.interpolate(lightness, size=(SIDE, SIDE), mode="bicubic", antialias=True).clamp(0, 100)
        ab = F.interpolate(self.network(small), size=lightness.shape[-2:], mode="bilinear")
        rgb = lab2rgb(torch.cat([lightness, ab], dim=1)[0].movedim(0, -1).cpu().double().numpy())
        return as_rgb(rgb.clip(0, 1))


def _convs(*channels: int, last_stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    """3 x 3 convolutions from channels to channels, each with ReLU; the last may halve the size."""
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise(channels)):
        stride = last_stride if i == len(channels) - 2 else 1
        layers += [nn.Conv2d(before, after, 3, stride, padding=dilation, dilation=dilation), nn.ReLU()]
    return layers
