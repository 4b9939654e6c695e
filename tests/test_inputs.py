"""The measurement of kernels and edges: what is starred is how a network is used, and its row is its own score."""

import numpy as np
import pytest

import colorlib
from colorlib.data import bundled, fit, read_photo, to_tensor
from colorlib.evaluation import psnr
from experiments import inputs


@pytest.mark.parametrize("name", ["liteunet", "colorunet"])
def test_the_starred_row_is_the_network_as_it_is_used(name: str) -> None:
    photos = [fit(read_photo(photo.path), 120) for photo in bundled("validation")[:3]]
    lines = inputs.table(name, colorlib.load(name), photos)
    (starred,) = [line for line in lines if " * |" in line]
    colorizer = colorlib.load(name)
    assert colorizer.kernel in starred
    own = np.mean([psnr(to_tensor(colorizer.colorize(rgb)), to_tensor(rgb)) for rgb in photos])
    assert f"| {own:.2f} |" in starred


def test_kernels_and_edges_reach_the_network() -> None:
    photos = [fit(read_photo(bundled("validation")[0].path), 250)]
    colorizer = colorlib.load()
    found = {key: inputs.measure(colorizer, photos, *key)[0, 0] for key in [("lanczos", False), ("bilinear", True)]}
    assert found["lanczos", False] != found["bilinear", True]
