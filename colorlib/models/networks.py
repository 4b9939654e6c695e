"""The three networks of the paper's §2.2, in the order its authors tried them, and three of ours.

All take a luma (B, 1, H, W) in [0, 1] and give logits (B, n, H, W), one score per colour bin and pixel; the last,
`LiteUNet`, at half that size. H and W must be multiples of the network's ``stride``: ValueError otherwise.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorlib.errors import ColorlibError
from colorlib.models.encoder import LiteEncoder


def conv3(channels_in: int, channels_out: int) -> nn.Sequential:
    """A 3 x 3 convolution that keeps the size, and ReLU."""
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.ReLU(inplace=True))


def up3(channels_in: int, channels_out: int) -> nn.Sequential:
    """A 3 x 3 transposed convolution that doubles the size, and ReLU."""
    up = nn.ConvTranspose2d(channels_in, channels_out, 3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(up, nn.ReLU(inplace=True))


class ChannelAffine(nn.Module):
    """A learned factor and summand for each channel: what is left of a batch norm that never looks at a batch.

    The published code calls TensorFlow's batch norm without telling it that it is training; so it keeps the mean 0 and
    the variance 1 that it began with [authors' code]. The paper praises batch norm for its stability (§2.2).

    >>> ChannelAffine(3)(torch.full((1, 3, 1, 1), 7.0)).flatten().tolist()  # a fresh one changes nothing
    [7.0, 7.0, 7.0]
    """

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """features (B, C, H, W) -> features of the same shape."""
        return features * self.weight[:, None, None] + self.bias[:, None, None]


NORMS: dict[str, type[nn.Module]] = {"batch": nn.BatchNorm2d, "affine": ChannelAffine}  # paper; authors' code


class DownConv(nn.Sequential):
    """conv, conv, max pooling, batch norm: halves the size. Normalising comes last, as in the paper's figure."""

    def __init__(self, channels_in: int, channels_out: int, norm: str = "batch"):
        super().__init__(
            conv3(channels_in, channels_out),
            conv3(channels_out, channels_out),
            nn.MaxPool2d(2),
            NORMS[norm](channels_out),
        )


class UpConv(nn.Sequential):
    """transposed conv, conv, conv, batch norm: doubles the size."""

    def __init__(self, channels_in: int, channels_out: int, norm: str = "batch"):
        super().__init__(
            up3(channels_in, channels_out),
            conv3(channels_out, channels_out),
            conv3(channels_out, channels_out),
            NORMS[norm](channels_out),
        )


class Output(nn.Sequential):
    """transposed conv, conv, 1 x 1 conv to one logit per bin: "a simplified version of the UpConv cell"."""

    def __init__(self, channels_in: int, channels: int, n: int):
        super().__init__(up3(channels_in, channels), conv3(channels, channels), nn.Conv2d(channels, n, 1))


class Network(nn.Module):
    """What all of them have: the ``stride`` of which the sides must be multiples, and what else they were built with.

    A picture whose sides are not is given edges that repeat its last pixels or, where ``stretched``, is stretched until
    they are.
    """

    stride: int = 1
    stretched: bool = False
    arguments: dict[str, Any]

    def __init__(self, **arguments: Any):
        super().__init__()
        self.arguments = arguments


class FlatNet(Network):
    """Three 3 x 3 convolutions at full size: the paper's first attempt. It sees only 7 pixels across."""

    stride = 1

    def __init__(self, n: int = 32, channels: int = 64):
        super().__init__(channels=channels)
        self.layers = nn.Sequential(
            conv3(1, channels), conv3(channels, channels // 2), nn.Conv2d(channels // 2, n, 3, padding=1)
        )

    def forward(self, luma: Tensor) -> Tensor:
        """luma (B, 1, H, W) -> logits (B, n, H, W)."""
        return self.layers(_checked(luma, self.stride))


class Bottleneck(Network):
    """Six groups of layers, three down and three up, no connections between them: the second attempt."""

    stride = 8

    def __init__(self, n: int = 32):
        super().__init__()
        self.down = nn.Sequential(DownConv(1, 16), DownConv(16, 32), DownConv(32, 64))
        self.up = nn.Sequential(UpConv(64, 32), UpConv(32, 16))
        self.output = Output(16, 16, n)

    def forward(self, luma: Tensor) -> Tensor:
        """luma (B, 1, H, W) -> logits (B, n, H, W)."""
        return self.output(self.up(self.down(_checked(luma, self.stride))))


class ColorUNet(Network):
    """The paper's network, exactly its Figure 2: 130,432 parameters and 1.08 GMAC at 256 x 256 for n = 32.

    Three DownConv cells, two UpConv cells, and two connections that hand the sharper, shallower
    features to the way up; none at full size ("we set aside the last and first layers"). ``norm`` is batch (paper) or
    affine (authors' code, see `ChannelAffine`).

    >>> ColorUNet()(torch.zeros(1, 1, 64, 64)).shape
    torch.Size([1, 32, 64, 64])
    >>> sum(parameter.numel() for parameter in ColorUNet().parameters())
    130432

    Raises:
        ColorlibError: if ``norm`` is neither.
    """

    stride = 8

    def __init__(self, n: int = 32, norm: str = "batch"):
        if norm not in NORMS:
            raise ColorlibError(f"norm must be one of {', '.join(NORMS)}; got {norm!r}")
        super().__init__(**({} if norm == "batch" else {"norm": norm}))
        self.down1 = DownConv(1, 16, norm)
        self.down2 = DownConv(16, 32, norm)
        self.down3 = DownConv(32, 64, norm)
        self.up1 = UpConv(64, 32, norm)
        self.up2 = UpConv(32 + 32, 16, norm)
        self.output = Output(16 + 16, 16, n)

    def forward(self, luma: Tensor) -> Tensor:
        """luma (B, 1, H, W) -> logits (B, n, H, W)."""
        half = self.down1(_checked(luma, self.stride))  # (B, 16, H/2, W/2)
        quarter = self.down2(half)  # (B, 32, H/4, W/4)
        eighth = self.bottleneck(quarter)  # (B, 64, H/8, W/8)
        up_quarter = self.up1(eighth)  # (B, 32, H/4, W/4)
        up_half = self.up2(torch.cat([up_quarter, quarter], dim=1))  # (B, 16, H/2, W/2)
        return self.output(torch.cat([up_half, half], dim=1))

    def bottleneck(self, quarter: Tensor) -> Tensor:
        """The features at the narrowest place, (B, 64, H/8, W/8), from those at twice the size."""
        return self.down3(quarter)


def conv3_norm(channels_in: int, channels_out: int, dilation: int = 1) -> nn.Sequential:
    """A 3 x 3 convolution that keeps the size, batch norm and ReLU: today's order, not the paper's."""
    conv = nn.Conv2d(channels_in, channels_out, 3, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True))


class Context(nn.Module):
    """Lets every place of a feature map know of the whole scene: dilated convolutions, then the mean of all places.

    Each layer adds to what it is given (a residual connection, He et al. 2016), so that an untrained one does no harm.
    With dilations of 1 and ``global_pool`` false it has the same parameters and sees its neighbourhood only.
    """

    def __init__(self, channels: int, dilations: tuple[int, ...] = (1, 2, 4), global_pool: bool = True):
        super().__init__()
        self.global_pool = global_pool
        self.around = nn.ModuleList(conv3_norm(channels, channels, dilation) for dilation in dilations)
        self.scene = nn.Sequential(
            nn.Conv2d(channels, channels, 1), nn.ReLU(inplace=True), nn.Conv2d(channels, channels, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """features (B, C, H, W) -> features of the same shape."""
        for layer in self.around:
            features = features + layer(features)
        summary = features.mean((2, 3), keepdim=True) if self.global_pool else features
        return features + self.scene(summary)


class ContextUNet(ColorUNet):
    """ColorUNet with a `Context` at its narrowest place, ours: a sea and a meadow look alike from close by.

    >>> sum(parameter.numel() for parameter in ContextUNet().parameters())
    249728
    """

    def __init__(self, n: int = 32, dilations: tuple[int, ...] = (1, 2, 4), global_pool: bool = True):
        super().__init__(n)
        self.arguments = {"dilations": list(dilations), "global_pool": global_pool}
        self.context = Context(64, dilations, global_pool)

    def bottleneck(self, quarter: Tensor) -> Tensor:
        return self.context(super().bottleneck(quarter))


class ContextUNetControl(ContextUNet):
    """The ContextUNet's parameters without its context: what it is compared with, so that size alone cannot win."""

    def __init__(self, n: int = 32):
        super().__init__(n, dilations=(1, 1, 1), global_pool=False)
        self.arguments = {}


class Up(nn.Module):
    """Enlarge features twofold, set those of the way down beside them, and mix both by a 3 x 3 convolution.

    Bilinear enlargement, because the places that a transposed convolution reaches once and those that it reaches
    twice show in the picture as a checkerboard (Odena et al. 2016).
    """

    def __init__(self, channels_in: int, channels_beside: int, channels_out: int):
        super().__init__()
        self.conv = conv3_norm(channels_in + channels_beside, channels_out)

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        """x (B, C, H, W) and beside (B, D, 2H, 2W) -> (B, channels_out, 2H, 2W)."""
        larger = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.conv(torch.cat([larger, beside], dim=1))


class LiteUNet(Network):
    """Ours: a U-Net whose way down, `LiteEncoder`, can start from features of photographs; logits at half size.

    A sea and a meadow look alike from close by, and a network must know which of them it sees. At the narrowest place
    the mean of all features, through a small perceptron, tells every place of the whole scene.

    ``depth`` is how often the picture is halved: 5, or 4 for a network of 0.96 M parameters.

    >>> LiteUNet()(torch.zeros(1, 1, 64, 64)).shape
    torch.Size([1, 32, 32, 32])
    >>> sum(parameter.numel() for parameter in LiteUNet().parameters())
    1491520
    """

    stride = 32
    stretched = True  # up to 31 repeated pixels a side are a scene that no photo shows

    def __init__(self, n: int = 32, depth: int = 5):
        super().__init__(depth=depth)
        self.encoder = LiteEncoder(depth)
        self.stride = 2**depth
        widths = [112, 96, 64, 48, 32][-depth:]
        *beside, deepest = self.encoder.channels
        self.deepest = conv3_norm(deepest, widths[0])
        self.scene = nn.Sequential(
            nn.Conv2d(deepest, widths[0], 1), nn.ReLU(inplace=True), nn.Conv2d(widths[0], widths[0], 1)
        )
        self.ups = nn.ModuleList(map(Up, widths[:-1], reversed(beside), widths[1:]))
        self.output = nn.Sequential(conv3_norm(widths[-1], 32), nn.Conv2d(32, n, 1))

    def forward(self, luma: Tensor) -> Tensor:
        """luma (B, 1, H, W) -> logits (B, n, H/2, W/2)."""
        *beside, deepest = self.encoder(_checked(luma, self.stride))
        x = self.deepest(deepest) + self.scene(deepest.mean((2, 3), keepdim=True))
        for up, features in zip(self.ups, reversed(beside), strict=True):
            x = up(x, features)
        return self.output(x)


MODELS: dict[str, Any] = {  # classes of networks
    network.__name__: network for network in (FlatNet, Bottleneck, ColorUNet, ContextUNet, ContextUNetControl, LiteUNet)
}


def build(name: str, n: int = 32, **arguments: Any) -> Network:
    """A network by its name in `MODELS`, with fresh weights; ``arguments`` are its constructor's others.

    >>> type(build("ColorUNet")).__name__
    'ColorUNet'

    Raises:
        ColorlibError: if there is no such network, or it does not take these arguments.
    """
    if name not in MODELS:
        raise ColorlibError(f"unknown network {name!r}; known: {', '.join(MODELS)}")
    try:
        return MODELS[name](n, **arguments)
    except TypeError as error:
        raise ColorlibError(f"{name} cannot be built with {arguments}: {error}") from error


def count_parameters(model: nn.Module) -> int:
    """How many numbers the network learns."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def forward_at_any_size(network: Network, luma: Tensor, zoom: float = 1.0) -> Tensor:
    """A batch (B, 1, H, W) of lumas in [0, 1] through a network: (B, n, H, W).

    Sides become multiples of the network's stride: the picture is stretched, or its edges are repeated and cut off
    again, as the network asks (`Network`). A stretched one is seen at least ``zoom`` (from 1 up, in hundredths) times
    as large as it is; padding takes no notice of it. An output of another size is brought to the luma's.

    >>> forward_at_any_size(build("LiteUNet").eval(), torch.rand(2, 1, 33, 50), zoom=1.1).shape
    torch.Size([2, 32, 33, 50])
    """
    height, width = luma.shape[-2:]
    if network.stretched:
        seen = _resized(luma, *(_stretched(side, network.stride, zoom) for side in (height, width)))
        return _resized(network(seen.contiguous(memory_format=torch.channels_last)), height, width)
    padded = F.pad(luma, (0, -width % network.stride, 0, -height % network.stride), mode="replicate")
    output: Tensor = network(padded.contiguous(memory_format=torch.channels_last))
    return _resized(output, *padded.shape[-2:])[..., :height, :width]


def _stretched(side: int, stride: int, zoom: float) -> int:
    larger = (side * round(100 * zoom) + 99) // 100  # rounded up, in whole numbers, which ONNX can follow
    return larger + -larger % stride


def _resized(x: Tensor, height: int, width: int) -> Tensor:
    if x.shape[-2:] == (height, width):
        return x
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=False)


def _checked(luma: Tensor, stride: int) -> Tensor:
    if luma.ndim != 4 or luma.shape[1] != 1:
        raise ValueError(f"expected a luma batch (B, 1, H, W), got {tuple(luma.shape)}")
    if luma.shape[-2] % stride or luma.shape[-1] % stride:
        raise ValueError(f"height and width must be multiples of {stride}, got {tuple(luma.shape[-2:])}: pad first")
    return luma
