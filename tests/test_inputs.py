"""The measurement of padding and stretching: what is starred is how a network is used, and its row is its own score."""

import numpy as np
import pytest

import colorlib
from colorlib.data import bundled, fit, read_photo, to_tensor
from colorlib.evaluation import psnr
from experiments import inputs


@pytest.mark.parametrize("name", ["liteunet", "colorunet"])
def test_the_starred_row_is_the_network_as_it_is_used(name: str) -> None:
    photos = [fit(read_photo(photo.path), 120) for photo in bundled("validation")[:3]]
    lines = inputs.rows(name, colorlib.load(name), photos)
    (starred,) = [line for line in lines if " * |" in line]
    assert f"| {'stretched, larger' if name == 'liteunet' else 'repeated'} * |" in starred
    own = np.mean([psnr(to_tensor(colorlib.load(name).colorize(rgb)), to_tensor(rgb)) for rgb in photos])
    assert f"| {own:.2f} [" in starred


def test_stretching_reaches_the_network_and_is_undone() -> None:
    photos = [fit(read_photo(bundled("validation")[0].path), 250)]
    colorizer = colorlib.load()
    found = {inputs.measure(colorizer, photos, *way)[0, 0] for way in inputs.WAYS.values()}
    assert len(found) == 3 and colorizer.model.stretched and colorizer.zoom == colorizer.record["zoom"]
