"""The numbers on each device against the CPU's in double precision."""

from copy import deepcopy

import pytest
import torch

from colorlib.color import ColorBins, chroma_of, luma_of, merge_luma_chroma
from colorlib.models import MODELS, build
from colorlib.prediction import annealed_mean
from colorlib.training import Objective


def random_photos(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def test_color_spaces(device):
    rgb = random_photos(2, 3, 20, 24).double() / 255
    there = rgb.float().to(device)
    for function in (luma_of, chroma_of):
        torch.testing.assert_close(function(there).cpu().double(), function(rgb), rtol=0, atol=1e-6)
    back = merge_luma_chroma(luma_of(there[0]), chroma_of(there[0]))
    torch.testing.assert_close(back.cpu().double(), rgb[0], rtol=0, atol=2e-6)


def test_nearest_bins(device, kmeans_bins: ColorBins):
    chroma = chroma_of(random_photos(3, 40, 40).double() / 255)
    index = kmeans_bins.encode(chroma.float().to(device)).cpu()
    distance = (chroma[:, None] - kmeans_bins.colors.double().T[:, :, None, None]).norm(dim=0)
    found = distance.gather(0, index[None])[0]
    torch.testing.assert_close(found, distance.amin(0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("temperature", [0.1, 0.4, 1.0, 3.0])
def test_annealed_mean(device, kmeans_bins: ColorBins, temperature):
    logits = 5 * torch.randn(32, 16, 16, generator=torch.Generator().manual_seed(1)).double()
    weights = (logits / temperature).softmax(0)
    expected = torch.einsum("nhw,nc->chw", weights, kmeans_bins.colors.double())
    found = annealed_mean(logits.float().to(device), kmeans_bins.colors.to(device), temperature)
    torch.testing.assert_close(found.cpu().double(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["cross_entropy", "soft"])
def test_losses_and_their_gradients(device, kmeans_bins: ColorBins, name):
    rgb, mask = random_photos(2, 16, 16, 3), torch.ones(2, 16, 16, dtype=torch.bool)
    mask[1, 10:] = False
    logits = torch.randn(2, 32, 16, 16, generator=torch.Generator().manual_seed(2))
    results = []
    for where, precision in ((torch.device("cpu"), torch.float64), (device, torch.float32)):
        mine = logits.to(where, precision, copy=True).requires_grad_()
        objective = Objective(name, kmeans_bins, 0.5, where)
        objective.weights = objective.weights.to(precision)
        loss = objective(mine, rgb.to(where), mask.to(where))
        loss.backward()
        results.append((loss.detach().cpu().double(), mine.grad.cpu().double()))
    torch.testing.assert_close(results[1], results[0], rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("name", list(MODELS))
def test_networks(device, name):
    torch.manual_seed(0)
    network = build(name, 8).eval()
    luma = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = deepcopy(network).double()(luma.double())
        found = network.to(device)(luma.to(device)).cpu().double()
    assert expected.std() > 0
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-3 * float(expected.abs().max()))
