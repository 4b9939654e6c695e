"""A trained network for programs without PyTorch: one file in the open format ONNX, with all that its use needs.

The ten lines that colour a photo with it, for `onnxruntime` in Python; other languages need the same steps::

    properties = session.get_modelmeta().custom_metadata_map
    photo = Image.open("old.jpg").convert("RGB")
    photo.thumbnail([int(properties["input_size"])] * 2)  # the network's longest side
    gray = np.asarray(photo, np.float32) / 255 @ np.float32([[0.299], [0.587], [0.114]])  # (h, w, 1)
    (chroma,) = session.run(["chroma"], {"luma": gray[None, None, :, :, 0]})  # (1, 2, h, w): U and V
    color = chroma[0].transpose(1, 2, 0) @ np.float32(json.loads(properties["chroma_to_rgb"])).T  # (h, w, 3)
    room = np.where(color > 0, 1 - gray, gray)  # how far each of R, G and B can move from gray
    scale = (room / np.abs(color).clip(1e-12)).min(axis=2, keepdims=True).clip(max=1)
    rgb = (gray + scale * color).clip(0, 1)
    Image.fromarray(np.uint8(np.round(255 * rgb))).save("coloured.png")

Before them stand ``import json, numpy as np, onnxruntime``, ``from PIL import Image`` and
``session = onnxruntime.InferenceSession("liteunet.onnx")``. The result has the size that the network looks at. For a
larger photo, enlarge ``chroma`` to its size and take its own gray; `colorlib.prediction.upsample_and_merge` shows how
colours keep to edges on the way. [ours; not in the paper]
"""

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from colorlib.color.spaces import YUV_TO_RGB
from colorlib.errors import ColorlibError
from colorlib.files import atomic_write
from colorlib.models.checkpoints import bundled_checkpoints
from colorlib.models.networks import forward_at_any_size
from colorlib.prediction.annealing import annealed_mean
from colorlib.prediction.colorizer import Colorizer

OPSET = 17  # of ONNX's operators: of 2022, so that programs of some age read the file, too
LICENCE = "MIT (colorlib); the encoder of LiteUNet began as EfficientNet-Lite0, Apache-2.0"  # of the bundled models
COLOR_SPACE = (
    "YUV of BT.601 (PAL) from R, G and B as sRGB stores them, in [0, 1]: luma is Y = 0.299 R + 0.587 G + 0.114 B, "
    "chroma is U in [-0.436, 0.436] and V in [-0.615, 0.615]; (R, G, B) = Y + chroma_to_rgb (U, V)"
)


def export_onnx(
    colorizer: Colorizer, path: str | Path, temperature: float | None = None, name: str | None = None
) -> None:
    """Write a colorizer's network as ONNX; the file appears whole or not at all.

    The graph takes ``luma`` (n, 1, h, w), float32 in [0, 1], of any n, h and w: up to a multiple of the network's
    stride, it stretches the luma, enlarged by the colorizer's zoom, or repeats its edges by itself. It gives ``chroma``
    (n, 2, h, w), U and V at the temperature (by default the colorizer's own), and ``logits`` (n, bins, h, w), as
    `Colorizer.chroma` and `Colorizer.logits` do. A network trained by regression has no logits.

    The file's metadata: ``name`` (by default the network's class), ``licence``, ``input_size`` (pixels of the longest
    side), ``temperature``, ``lambda`` (of the rebalancing), ``bins`` (their U and V), ``color_space`` in words, and
    ``chroma_to_rgb``, the matrix that makes RGB of U and V. Lists are JSON; what is not known is "not recorded".

    Raises:
        ColorlibError: if the name does not end in .onnx, its folder does not exist or cannot be written, the package
            onnx is not installed, or the network has no such temperature.

    >>> import colorlib, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "paper.onnx"
    >>> export_onnx(colorlib.load("colorunet-paper"), path)
    >>> path.stat().st_size > 100_000
    True
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise ColorlibError(f"the file of a network in ONNX ends in .onnx, and {path} does not: choose such a name")
    if not path.parent.is_dir():
        raise ColorlibError(f"the folder {path.parent} does not exist: make it, or choose another")
    try:
        import onnx
    except ImportError as error:
        raise ColorlibError("the package onnx is not installed: pip install onnx onnxruntime") from error
    graph = _Graph(colorizer, temperature).eval()
    try:
        with atomic_write(path) as partial:
            _trace(graph, partial)
            exported = onnx.load(partial)
            onnx.helper.set_model_props(exported, _metadata(graph.colorizer, name))
            onnx.checker.check_model(exported, full_check=True)
            onnx.save(exported, partial)
    except OSError as error:
        raise ColorlibError(f"cannot write {path}: {error.strerror}") from error


class _Graph(nn.Module):
    """What is exported: from the luma to the chrominance, and the logits where there are any."""

    def __init__(self, colorizer: Colorizer, temperature: float | None):
        super().__init__()
        own = colorizer.temperature if temperature is None else temperature
        if colorizer.is_regression and own != 1:
            raise ColorlibError(f"this network was trained by L2 regression: its only temperature is 1, not {own}")
        # On the CPU, wherever the original is: a file knows no device.
        self.colorizer = Colorizer(colorizer.model, colorizer.bins, own, colorizer.input_size, "cpu", colorizer.record)
        self.colorizer.zoom = colorizer.zoom
        self.network = self.colorizer.model  # a module's own, so that its numbers become the file's

    def outputs(self) -> list[str]:
        """The names of what `forward` gives."""
        return ["chroma"] if self.colorizer.is_regression else ["chroma", "logits"]

    def forward(self, luma: Tensor) -> tuple[Tensor, ...]:
        """luma (B, 1, H, W) -> chrominance (B, 2, H, W), logits (B, n, H, W)."""
        output = forward_at_any_size(self.network, luma, self.colorizer.zoom)
        if self.colorizer.is_regression:
            return (output,)
        return annealed_mean(output, self.colorizer.bins.colors, self.colorizer.temperature), output


def _trace(graph: _Graph, path: Path) -> None:
    """Write down, as ONNX, what the graph does with a luma."""
    side = 2 * int(graph.network.stride) + 1  # in need of padding, so that it is seen to be done
    axes = {tensor: {0: "n", 2: "h", 3: "w"} for tensor in ("luma", *graph.outputs())}
    with warnings.catch_warnings():
        # It warns of each comparison of sizes that it takes as settled (the networks' own checks, whose answers no size
        # changes once it is padded), and that the newer way, which needs one package more, is preferred.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (torch.rand(2, 1, side, side),),
            path,
            input_names=["luma"],
            output_names=graph.outputs(),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


def _metadata(colorizer: Colorizer, name: str | None) -> dict[str, str]:
    """What the file says of itself, beside the graph."""
    unknown: Any = "not recorded"
    try:
        lam: Any = colorizer.lam
    except ColorlibError:
        lam = unknown
    return {
        "name": (name or type(colorizer.model).__name__).encode("utf-8", "replace").decode(),  # it may be a path
        "licence": LICENCE if name in bundled_checkpoints() else colorizer.record.get("licence", unknown),
        "input_size": str(colorizer.input_size),
        "temperature": str(colorizer.temperature),
        "lambda": str(lam),
        "bins": json.dumps(colorizer.bins.colors.tolist()),
        "color_space": COLOR_SPACE,
        "chroma_to_rgb": json.dumps(YUV_TO_RGB[:, 1:].tolist()),
    }
