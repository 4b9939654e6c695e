"""The networks: size, cost, structure and how far they see, measured on the networks themselves."""

import pytest
import torch
from torch import nn

from colorlib import ColorlibError
from colorlib.models import (
    MODELS,
    Bottleneck,
    ChannelAffine,
    ColorUNet,
    Context,
    ContextUNet,
    ContextUNetControl,
    FlatNet,
    Output,
    UpConv,
    build,
    conv3,
    count_parameters,
    up3,
)


def count_macs(model: nn.Module, size: int) -> int:
    """Multiply-adds of all convolutions on one luma of size x size, counted while it runs."""
    total = 0

    def count(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
        taps = layer.kernel_size[0] * layer.kernel_size[1]
        if isinstance(layer, nn.ConvTranspose2d):  # every input value is spread over the kernel
            total += inputs[0].numel() * layer.out_channels * taps
        else:  # every output value is gathered from the kernel
            total += output.numel() * layer.in_channels * taps

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(count)
    with torch.no_grad():
        model.eval()(torch.zeros(1, 1, size, size))
    return total


def layers(module: nn.Module) -> list[str]:
    """The leaf layers in order, e.g. "conv 1-16"; ReLU is left out."""
    names = {nn.Conv2d: "conv", nn.ConvTranspose2d: "up"}
    result = []
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            result.append(f"{names[type(layer)]}{layer.kernel_size[0]} {layer.in_channels}-{layer.out_channels}")
        elif isinstance(layer, nn.MaxPool2d):
            result.append("pool")
        elif isinstance(layer, nn.BatchNorm2d):
            result.append(f"norm {layer.num_features}")
    return result


def test_color_unet_has_the_parameters_and_cost_of_the_paper_figure():
    assert count_parameters(ColorUNet()) == 130_432
    assert round(count_macs(ColorUNet(), 256) / 1e9, 2) == 1.08


def test_the_authors_code_is_larger_than_their_figure():
    """Their published code has 32 filters in the convolutions of the second UpConv cell."""
    model = ColorUNet()
    model.up2 = nn.Sequential(up3(64, 16), conv3(16, 32), conv3(32, 32), nn.BatchNorm2d(32))  # type: ignore[assignment]
    model.output = Output(32 + 16, 16, 32)
    assert count_parameters(model) == 142_016
    assert round(count_macs(model, 256) / 1e9, 2) == 1.27


def test_color_unet_is_built_as_the_figure_shows():
    model = ColorUNet()
    assert layers(model.down1) == ["conv3 1-16", "conv3 16-16", "pool", "norm 16"]
    assert layers(model.down2) == ["conv3 16-32", "conv3 32-32", "pool", "norm 32"]
    assert layers(model.down3) == ["conv3 32-64", "conv3 64-64", "pool", "norm 64"]
    assert layers(model.up1) == ["up3 64-32", "conv3 32-32", "conv3 32-32", "norm 32"]
    assert layers(model.up2) == ["up3 64-16", "conv3 16-16", "conv3 16-16", "norm 16"]
    assert layers(model.output) == ["up3 32-16", "conv3 16-16", "conv1 16-32"]


def test_every_convolution_but_the_last_is_followed_by_relu():
    leaves = [layer for layer in ColorUNet().modules() if not list(layer.children())]
    convolutions = [i for i, layer in enumerate(leaves) if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    assert len(convolutions) == 15
    assert all(isinstance(leaves[i + 1], nn.ReLU) for i in convolutions[:-1])
    assert convolutions[-1] == len(leaves) - 1


def test_the_two_connections_carry_information():
    """What the second UpConv and the output cell receive is the way up first, then the DownConv of that size."""
    model, seen = ColorUNet().eval(), {}
    for name in ("down1", "down2", "up1", "up2", "output"):
        getattr(model, name).register_forward_hook(lambda _, i, o, name=name: seen.update({name: (i[0], o)}))
    with torch.no_grad():
        model(torch.rand(1, 1, 32, 48))
    torch.testing.assert_close(seen["up2"][0], torch.cat([seen["up1"][1], seen["down2"][1]], 1), rtol=0, atol=0)
    torch.testing.assert_close(seen["output"][0], torch.cat([seen["up2"][1], seen["down1"][1]], 1), rtol=0, atol=0)
    assert seen["up2"][0].shape == (1, 64, 8, 12) and seen["output"][0].shape == (1, 32, 16, 24)


def test_without_batch_norm_in_training_a_network_does_the_same_while_it_learns():
    """The authors' code: a batch says nothing about another photo of it, and nothing is remembered."""
    torch.manual_seed(0)
    luma = torch.rand(3, 1, 16, 16)
    for norm, alone in (("batch", False), ("affine", True)):
        model = ColorUNet(norm=norm).train()
        torch.testing.assert_close(model(luma)[:1], model(luma[:1])) if alone else None
        assert torch.allclose(model(luma), model.eval()(luma), atol=1e-5) == alone
        assert count_parameters(model) == 130_432


def test_an_affine_norm_is_batch_norm_that_never_trained():
    torch.manual_seed(0)
    features, theirs, ours = torch.randn(2, 5, 3, 4), nn.BatchNorm2d(5, eps=0).eval(), ChannelAffine(5)
    for name in ("weight", "bias"):
        values = torch.randn(5)
        for layer in (theirs, ours):
            getattr(layer, name).data.copy_(values)
    torch.testing.assert_close(ours(features), theirs(features))


def test_a_network_remembers_its_norm():
    assert ColorUNet().arguments == {} and ColorUNet(norm="affine").arguments == {"norm": "affine"}
    assert isinstance(build("ColorUNet", 7, norm="affine").up2[-1], ChannelAffine)
    with pytest.raises(ColorlibError, match="norm must be one of batch, affine; got 'layer'"):
        build("ColorUNet", 7, norm="layer")


def receptive_field(model: nn.Module, row: int) -> int:
    """How many rows of the input have any influence on the output in this row (random weights, random input)."""
    luma = torch.rand(1, 1, 128, 16, dtype=torch.float64, requires_grad=True)
    model.double().eval()(luma)[0, :, row, 8].sum().backward()
    assert luma.grad is not None
    rows = (luma.grad[0, 0] != 0).any(1).nonzero().flatten()
    return int(rows[-1] - rows[0]) + 1


def test_how_far_the_networks_see():
    """ColorUNet: 76 pixels, or 68, depending on where the pixel lies relative to the 8-pixel pooling grid."""
    torch.manual_seed(0)
    assert {receptive_field(FlatNet(), row) for row in range(60, 64)} == {7}
    assert {receptive_field(ColorUNet(), row) for row in range(60, 68)} == {68, 76}
    assert {receptive_field(Bottleneck(), row) for row in range(60, 68)} == {68, 76}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 32), (96, 160)])
def test_shapes(name, height, width):
    model = build(name, 5).eval()
    smaller = 2 if name == "LiteUNet" else 1
    assert model(torch.rand(2, 1, height, width)).shape == (2, 5, height // smaller, width // smaller)
    assert 32 % model.stride == 0


@pytest.mark.parametrize("name", MODELS)
def test_wrong_input_is_refused_in_words(name):
    model = build(name)
    for shape in [(1, 3, 16, 16), (16, 16), (1, 16, 16)]:
        with pytest.raises(ValueError, match=r"luma batch \(B, 1, H, W\)"):
            model(torch.zeros(shape))
    if model.stride > 1:
        with pytest.raises(ValueError, match=f"multiples of {model.stride}"):
            model(torch.zeros(1, 1, 32, 36))


@pytest.mark.parametrize("name", MODELS)
def test_a_photo_is_colored_the_same_alone_or_in_a_batch(name):
    torch.manual_seed(0)
    model, luma = build(name).eval(), torch.rand(3, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(luma)[1:2], model(luma[1:2]), rtol=1e-4, atol=1e-5)


def test_every_parameter_learns():
    torch.manual_seed(0)
    for name in MODELS:
        model = build(name, 4)
        model(torch.rand(2, 1, 64, 64)).logsumexp(1).square().mean().backward()
        silent = [key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()]
        assert not silent, f"{name}: no gradient reaches {silent}"


def test_build_knows_its_networks():
    assert isinstance(build("ColorUNet", 7), ColorUNet)
    with pytest.raises(ColorlibError, match="'ResNet'.*ColorUNet"):
        build("ResNet")


def test_count_parameters_leaves_frozen_ones_out():
    cell = UpConv(64, 32)
    everything = count_parameters(cell)
    cell[0].requires_grad_(False)
    assert count_parameters(cell) == everything - (64 * 32 * 9 + 32)


def test_the_twin_has_the_parameters_of_the_context_and_sees_as_little_as_the_papers_network() -> None:
    torch.manual_seed(0)
    networks = {"context": ContextUNet().eval(), "twin": ContextUNetControl().eval(), "paper": ColorUNet().eval()}
    assert count_parameters(networks["context"]) == count_parameters(networks["twin"]) == 249_728
    dark, lit = torch.zeros(1, 1, 256, 256), torch.zeros(1, 1, 256, 256)
    lit[..., :8, :8] = 1  # a corner; the opposite one is 248 pixels away
    with torch.no_grad():
        changed = {k: bool((f(dark) != f(lit))[..., -8:, -8:].any()) for k, f in networks.items()}
    assert changed == {"context": True, "twin": False, "paper": False}


def test_a_context_reads_the_mean_of_the_whole_map() -> None:
    torch.manual_seed(0)
    context = Context(4, dilations=()).eval()
    features = torch.randn(2, 4, 6, 5)
    shuffled = features.flatten(2)[..., torch.randperm(30)].unflatten(2, (6, 5))
    added, added_shuffled = context(features) - features, context(shuffled) - shuffled
    torch.testing.assert_close(added, added_shuffled)
    torch.testing.assert_close(added, added[..., :1, :1].expand_as(added))
    assert not torch.allclose(added[0], added[1])
