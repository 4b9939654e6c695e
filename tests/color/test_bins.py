"""Histogram, bins and weights against brute force, SciPy and exact arithmetic."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.cluster.vq import kmeans2

from colorlib import ColorlibError
from colorlib.color import (
    RESOLUTION,
    U_LIMIT,
    V_LIMIT,
    ColorBins,
    UVHistogram,
    chroma_of,
    luma_of,
    merge_luma_chroma,
    weighted_kmeans,
)
from colorlib.data import to_tensor, to_uint8


def random_chroma(pixels: int, seed: int = 0) -> torch.Tensor:
    """The chrominance (2, 1, pixels) of colours drawn evenly from the RGB cube."""
    return chroma_of(torch.rand(3, 1, pixels, generator=torch.Generator().manual_seed(seed)))


def exact_cell(value: float, limit: str, count: int) -> int:
    """Which of ``count`` equal, half-open cells over [-limit, limit) holds a value: in rational arithmetic."""
    return math.floor((Fraction(value) / Fraction(limit) + 1) * count / 2)


def nearest(points: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Brute force in float64: for each point (k, 2) the index of the closest colour, of equals the first."""
    chunks = np.array_split(points.astype(np.float64), max(1, len(points) // 100_000))
    return np.concatenate([((chunk[:, None] - colors) ** 2).sum(-1).argmin(1) for chunk in chunks])


def brute_force(bins: ColorBins, chroma: torch.Tensor) -> np.ndarray:
    """The paper's words: a colour in one of the n cells belongs to it, any other to the closest bin."""
    points = chroma.flatten(1).T.numpy().astype(np.float64)
    result = nearest(points, bins.colors.numpy())
    if bins.cells is None or bins.grid is None:
        return result
    cells = np.floor((points / [U_LIMIT, V_LIMIT] + 1) * bins.grid / 2)
    for index, cell in enumerate(bins.cells.numpy()):
        result[(cells == cell).all(1)] = index
    return result


# --- the histogram -----------------------------------------------------------------------------------------------


def test_histogram_counts_like_numpy():
    chroma = random_chroma(200_000).double()
    u, v = chroma.flatten(1).numpy()
    limits = [[-U_LIMIT, U_LIMIT], [-V_LIMIT, V_LIMIT]]
    expected = np.histogram2d(u, v, bins=RESOLUTION, range=limits)[0]
    assert (UVHistogram().add(chroma).counts.numpy() == expected).all()


def test_histogram_leaves_out_what_the_mask_hides():
    chroma = torch.zeros(3, 2, 4, 4)
    chroma[:, :, 2:] = 0.3
    mask = torch.zeros(3, 4, 4, dtype=torch.bool)
    mask[:, :2] = True
    histogram = UVHistogram().add(chroma, mask)
    assert histogram.total == 24
    assert (histogram.counts == UVHistogram().add(torch.zeros(2, 4, 6)).counts).all()
    assert UVHistogram().add(chroma, torch.zeros_like(mask)).total == 0


def test_histogram_loses_no_pixel_even_out_of_range():
    assert UVHistogram().add(torch.tensor([[[-3.0, 3.0, 0.45]], [[0.65, -0.65, 3.0]]])).total == 3


@given(st.lists(arrays(np.float32, (2, 2, 3), elements=st.floats(-0.625, 0.625, width=32)), min_size=3, max_size=3))
@settings(max_examples=30)
def test_histograms_merge_in_any_order(photos):
    first, second, third = (UVHistogram().add(torch.from_numpy(photo)) for photo in photos)
    together = UVHistogram().add(torch.from_numpy(np.stack(photos)))
    assert (((first + second) + third).counts == together.counts).all()
    assert ((third + (second + first)).counts == together.counts).all()
    assert first.total == 6  # adding has not changed the parts


def test_histogram_colors_are_close_to_the_pixels():
    chroma = random_chroma(20_000)
    colors, counts = UVHistogram().add(chroma).colors()
    assert counts.sum() == 20_000 and (counts > 0).all()
    mean = (colors * counts[:, None]).sum(0) / counts.sum()
    torch.testing.assert_close(mean, chroma.flatten(1).double().mean(1), rtol=0, atol=1e-4)


# --- the nearest bin ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bins_name", ["kmeans_bins", "grid_bins"])
def test_encode_equals_brute_force_on_a_million_colors(bins_name, request):
    bins = request.getfixturevalue(bins_name)
    chroma = random_chroma(1_000_000)
    assert (bins.encode(chroma)[0].numpy() == brute_force(bins, chroma)).all()


@pytest.mark.parametrize("bins_name", ["kmeans_bins", "grid_bins"])
def test_encode_equals_brute_force_out_of_range(bins_name, request):
    bins = request.getfixturevalue(bins_name)
    generator = torch.Generator().manual_seed(1)
    chroma = 3 * torch.rand(2, 1, 100_000, generator=generator) - 1.5
    chroma[:, 0, :4] = torch.tensor([[0.0, 1e6, -1e6, 1e12], [1e9, 1e6, 0.0, -1e12]])
    assert (bins.encode(chroma)[0].numpy() == brute_force(bins, chroma)).all()


def test_encode_on_the_borders_between_bins(kmeans_bins):
    """Midpoints of all pairs of bins, and the float32 numbers around them: the closest in float64 wins."""
    colors = kmeans_bins.colors
    middle = ((colors[:, None] + colors) / 2).reshape(-1, 2).float()
    around = [torch.nextafter(middle, torch.full_like(middle, to)) for to in (-1.0, 1.0)]
    chroma = torch.cat([middle, *around]).T[:, None]
    assert (kmeans_bins.encode(chroma)[0].numpy() == brute_force(kmeans_bins, chroma)).all()


@pytest.mark.parametrize("grid", [8, 10])
def test_encode_on_the_borders_between_cells(grid):
    """The float32 numbers on each border and beside it belong to the cells that exact arithmetic says."""
    everywhere = UVHistogram(torch.ones(RESOLUTION, RESOLUTION, dtype=torch.int64))
    bins = ColorBins.from_histogram(everywhere, grid**2, "grid", grid)  # all cells: each colour is inside one
    assert bins.cells is not None
    steps = torch.arange(1, grid, dtype=torch.float64) * 2 / grid - 1
    for axis, limit in enumerate(("0.45", "0.65")):
        border = steps * float(limit)
        values = torch.cat([border, border - 6e-8, border + 6e-8]).float()  # a step of float32 is 3e-8 to 6e-8 there
        chroma = torch.full((2, 1, len(values)), 0.01)  # on no border of the other axis
        chroma[axis, 0] = values
        expected = [exact_cell(value, limit, grid) for value in values.double().tolist()]
        assert bins.cells[bins.encode(chroma)[0], axis].tolist() == expected


def test_gray_is_counted_in_the_bin_it_is_encoded_to():
    """Neutral gray lies on a corner of four cells of an even grid; counting and encoding must agree on the cell."""
    chroma = torch.full((2, 1, 104), 0.01)
    chroma[0, 0, 1:3] *= -1
    chroma[1, 0, 2:4] *= -1  # one pixel in each of the four cells around neutral …
    chroma[:, 0, 4:] = 0  # … and a hundred on the corner
    bins = ColorBins.from_histogram(UVHistogram().add(chroma), 4, "grid")
    assert float(bins.frequency[bins.encode(torch.zeros(2, 1, 1))]) == pytest.approx(101 / 104)


def test_encode_takes_any_batch_and_layout(kmeans_bins, grid_bins):
    chroma = 0.4 * torch.rand(3, 4, 2, 5, 6, generator=torch.Generator().manual_seed(0)) - 0.2
    for bins in (kmeans_bins, grid_bins):
        index = bins.encode(chroma)
        assert index.shape == (3, 4, 5, 6) and index.dtype == torch.int64
        assert (bins.encode(chroma[2, 1]) == index[2, 1]).all()
        assert (bins.encode(chroma.transpose(-1, -2)) == index.transpose(-1, -2)).all()
        assert (bins.encode(chroma.double()) == index).all()


def test_a_bin_is_encoded_to_itself(kmeans_bins, grid_bins):
    for bins in (kmeans_bins, grid_bins):
        index = torch.arange(len(bins)).reshape(1, -1)
        assert (bins.encode(bins.decode(index)) == index).all()
        assert bins.decode(index).dtype == torch.float32 and bins.decode(index).shape == (2, 1, len(bins))


@pytest.mark.parametrize("bins_name", ["kmeans_bins", "grid_bins"])
def test_photos_are_encoded_as_their_chrominance_is(bins_name, request):
    """The table of all 256³ colours says what brute force says in float64."""
    bins = request.getfixturevalue(bins_name)
    photo = torch.randint(256, (300, 1000, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    photo[0, :256] = torch.arange(256, dtype=torch.uint8)[:, None]  # and all grays
    chroma = chroma_of(photo.movedim(-1, 0).double() / 255)
    index = bins.encode_rgb(photo)
    assert index.shape == (300, 1000) and index.dtype == torch.int64
    assert (index.flatten().numpy() == brute_force(bins, chroma)).all()
    assert torch.equal(bins.encode_rgb(photo.reshape(3, 100, 1000, 3)[1]), index.reshape(3, 100, 1000)[1])
    for wrong in (photo.float(), photo.movedim(-1, 0)):
        with pytest.raises(TypeError, match="uint8 RGB"):
            bins.encode_rgb(wrong)


def test_photos_are_counted_as_their_chrominance_is():
    photo = torch.randint(256, (2, 100, 500, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mask = torch.rand(2, 100, 500, generator=torch.Generator().manual_seed(1)) > 0.5
    chroma = chroma_of(photo.movedim(-1, 1).double() / 255)
    assert torch.equal(UVHistogram().add_rgb(photo).counts, UVHistogram().add(chroma).counts)
    assert torch.equal(UVHistogram().add_rgb(photo, mask).counts, UVHistogram().add(chroma, mask).counts)


def test_single_bin_takes_everything():
    bins = ColorBins.from_histogram(UVHistogram().add(random_chroma(1000)), 1)
    assert (bins.encode(random_chroma(1000, seed=1)) == 0).all()


def test_gray_ramp_stays_gray(kmeans_bins):
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    rgb = to_tensor(ramp)
    decoded = kmeans_bins.decode(kmeans_bins.encode(chroma_of(rgb)))
    assert (decoded == 0).all()
    assert (to_uint8(merge_luma_chroma(luma_of(rgb), decoded)) == ramp).all()


@pytest.mark.parametrize("grid", [8, 9, 10, 16])
def test_all_grays_are_one_color(histogram, grid):
    """Whatever their level, precision and way in; also where neutral lies on a corner of four cells of the grid."""
    bins = ColorBins.from_histogram(histogram, 8, "grid", grid)
    ramp = torch.arange(256, dtype=torch.uint8)[:, None].expand(256, 3).reshape(16, 16, 3)
    ways = [bins.encode(chroma_of(ramp.movedim(-1, 0).to(dtype) / 255)) for dtype in (torch.float32, torch.float64)]
    ways.append(bins.encode(chroma_of(ramp[3:4, 5:6].movedim(-1, 0).float() / 255)))
    assert len(set(torch.cat([index.flatten() for index in ways]).tolist())) == 1


def test_gray_stays_gray_even_if_the_photos_had_none():
    orange = torch.tensor([-0.2, 0.3])[:, None, None] + 0.1 * random_chroma(5000)
    bins = ColorBins.from_histogram(UVHistogram().add(orange), 4)
    assert (bins.decode(bins.encode(torch.zeros(2, 1, 1))) == 0).all()


# --- choosing bins -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [8, 10, 16])
def test_grid_bins_against_plain_counting(real_photos, histogram, grid):
    """The n most frequent cells, their share of the pixels and their mean colours, counted pixel by pixel."""
    pixels = torch.cat([chroma_of(to_tensor(photo)).flatten(1) for photo in real_photos], 1).double().T.numpy()
    inside: dict[tuple[int, int], list[np.ndarray]] = {}
    for point, cell in zip(pixels, np.floor((pixels / [U_LIMIT, V_LIMIT] + 1) * grid / 2).astype(int).tolist()):
        inside.setdefault(tuple(cell), []).append(point)
    bins = ColorBins.from_histogram(histogram, 12, "grid", grid)
    assert bins.cells is not None
    chosen = [tuple(cell) for cell in bins.cells.tolist()]
    counts = [len(inside[cell]) for cell in chosen]
    assert sorted(counts, reverse=True) == sorted(map(len, inside.values()), reverse=True)[:12]
    # A pixel outside the chosen cells counts for the closest bin, so frequencies are those of encode.
    encoded = np.bincount(brute_force(bins, torch.from_numpy(pixels.T[:, None])), minlength=12) / len(pixels)
    np.testing.assert_allclose(bins.frequency.numpy(), encoded, rtol=0, atol=1e-4)
    means = np.array([np.mean(inside[cell], axis=0) for cell in chosen])
    np.testing.assert_allclose(bins.colors.numpy(), means, rtol=0, atol=1e-3)


def test_grid_bins_come_by_falling_share_of_their_cells(histogram, grid_bins):
    every_cell = ColorBins.from_histogram(histogram, 20, "grid")
    assert every_cell.cells is not None and grid_bins.cells is not None
    assert (every_cell.cells == grid_bins.cells).all()
    assert len({tuple(cell) for cell in grid_bins.cells.tolist()}) == 20


def test_kmeans_is_as_good_as_scipy(real_photos, histogram):
    """Mean squared quantisation error of the pixels, against the best of three runs of SciPy's k-means."""
    pixels = torch.cat([chroma_of(to_tensor(photo)).flatten(1) for photo in real_photos], 1).T.double()
    rng = np.random.default_rng(0)
    scipy_centres = [kmeans2(pixels.numpy(), 32, iter=50, minit="++", rng=rng)[0] for _ in range(3)]

    def error(centres: np.ndarray) -> float:
        return float(((pixels.numpy() - centres[nearest(pixels.numpy(), centres)]) ** 2).sum(1).mean())

    ours = ColorBins.from_histogram(histogram, 32).colors.numpy()
    assert error(ours) <= 1.02 * min(error(centres) for centres in scipy_centres)


def test_kmeans_centres_are_the_means_of_their_colors(histogram):
    colors, counts = histogram.colors()
    centres = weighted_kmeans(colors, counts, 16)
    index = nearest(colors.numpy(), centres.numpy())
    assert centres[0].tolist() == [0, 0]
    for k in range(1, 16):
        mean = np.average(colors.numpy()[index == k], axis=0, weights=counts.numpy()[index == k])
        np.testing.assert_allclose(centres[k].numpy(), mean, rtol=0, atol=1e-4)


def test_kmeans_finds_obvious_clusters_by_weight():
    """Three tight groups, two of them rare: three centres, and the weighted mean in each."""
    histogram = UVHistogram()
    for (u, v), times in {(0.0, 0.0): 900, (0.2, 0.2): 90, (0.2, -0.3): 8, (0.21, -0.3): 2}.items():
        histogram.add(torch.tensor([u, v])[:, None, None].expand(2, 1, times))
    bins = ColorBins.from_histogram(histogram, 3)
    cell = 2 * V_LIMIT / RESOLUTION
    np.testing.assert_allclose(bins.colors.numpy(), [[0, 0], [0.2, 0.2], [0.202, -0.3]], rtol=0, atol=cell)
    np.testing.assert_allclose(bins.frequency.numpy(), [0.9, 0.09, 0.01])


def test_kmeans_is_reproducible_and_ordered(histogram):
    first, again = (ColorBins.from_histogram(histogram, 16, seed=3) for _ in range(2))
    assert (first.colors == again.colors).all() and (first.frequency == again.frequency).all()
    assert not torch.equal(first.colors, ColorBins.from_histogram(histogram, 16, seed=4).colors)
    assert (first.frequency.diff() <= 0).all() and first.frequency.sum() == pytest.approx(1)
    assert (first.frequency > 0).all()


def test_kmeans_quantises_better_than_the_grid(histogram):
    colors, counts = histogram.colors()

    def error(method: str) -> float:
        bins = ColorBins.from_histogram(histogram, 20, method)
        chosen = bins.colors[bins.encode(colors.T[:, None])[0]]
        return float((((colors - chosen) ** 2).sum(1) * counts).sum() / counts.sum())

    assert error("kmeans") < 0.5 * error("grid")


def test_as_many_bins_as_colors():
    histogram = UVHistogram()
    places = torch.tensor([[0.0, 0.1, -0.2, 0.3], [0.0, 0.2, 0.1, -0.3]])
    histogram.add(places[:, None])
    bins = ColorBins.from_histogram(histogram, 4)
    assert sorted(bins.encode(places[:, None])[0].tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"n": 0}, "at least 1"),
        ({"n": -1}, "at least 1"),
        ({"n": 0, "method": "grid"}, "at least 1"),
        ({"n": -1, "method": "grid"}, "at least 1"),
        ({"n": 5}, "add photos"),
        ({"n": 5, "method": "grid"}, "add photos"),
        ({"n": 1, "method": "median"}, "'median'"),
        ({"n": 1, "method": "grid", "grid": 0}, "grid"),
        ({"n": 1, "method": "grid", "grid": -3}, "grid"),
    ],
)
def test_impossible_bins_are_refused(settings_, message):
    gray = UVHistogram().add(torch.zeros(2, 4, 4))
    with pytest.raises(ColorlibError, match=message):
        ColorBins.from_histogram(gray, **settings_)


def test_an_empty_histogram_is_refused():
    for method in ("kmeans", "grid"):
        with pytest.raises(ColorlibError, match="add photos"):
            ColorBins.from_histogram(UVHistogram(), 2, method)


def test_frequency_can_be_measured_elsewhere(kmeans_bins):
    other = random_chroma(50_000)
    bins = kmeans_bins.with_frequency(UVHistogram().add(other))
    expected = np.bincount(brute_force(kmeans_bins, other), minlength=32) / 50_000
    assert (bins.colors == kmeans_bins.colors).all()
    np.testing.assert_allclose(bins.frequency.numpy(), expected, rtol=0, atol=2e-3)


# --- weights -----------------------------------------------------------------------------------------------------


def bins_of_frequency(frequency: list[float]) -> ColorBins:
    shares = torch.tensor(frequency, dtype=torch.float64)
    return ColorBins(torch.rand(len(frequency), 2).double() - 0.5, shares / shares.sum(), "kmeans")


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=40), st.floats(0, 1))
def test_weights_have_the_papers_form_and_mean_one(frequency, lam):
    bins = bins_of_frequency(frequency)
    weights = bins.weights(lam)
    assert weights.dtype == torch.float32 and weights.shape == (len(frequency),)
    assert float((bins.frequency * weights).sum()) == pytest.approx(1, rel=1e-5)  # expected weight of a pixel
    by_hand = [1 / ((1 - lam) * share + lam / len(frequency)) for share in bins.frequency.tolist()]
    np.testing.assert_allclose(weights / weights[0], np.array(by_hand) / by_hand[0], rtol=1e-5)
    rarest_first = bins.frequency.argsort()
    assert (weights[rarest_first].diff() <= 1e-6 * weights.max()).all()  # rarer never weighs less


def test_limits_of_lambda(kmeans_bins):
    torch.testing.assert_close(kmeans_bins.weights(1.0), torch.ones(32))
    share = kmeans_bins.weights(0.0).double() * kmeans_bins.frequency
    torch.testing.assert_close(share, torch.full_like(share, 1 / 32), rtol=1e-6, atol=0)  # all bins count alike
    spans = [float(kmeans_bins.weights(lam).max() / kmeans_bins.weights(lam).min()) for lam in (0, 0.25, 0.5, 0.75, 1)]
    assert spans == sorted(spans, reverse=True) and spans[-1] == pytest.approx(1)


@pytest.mark.parametrize("lam", [-0.01, 1.01, -1, 5, math.nan, math.inf])
def test_lambda_outside_its_range_is_refused(kmeans_bins, lam):
    with pytest.raises(ColorlibError, match="λ must be between 0 and 1"):
        kmeans_bins.weights(lam)


def test_a_bin_that_never_occurs():
    bins = bins_of_frequency([0.5, 0.5, 0])
    with pytest.raises(ColorlibError, match="λ above 0"):
        bins.weights(0)
    assert bins.weights(0.01).isfinite().all()


# --- files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bins_name", ["kmeans_bins", "grid_bins"])
def test_saved_bins_are_the_same_bins(bins_name, request, tmp_path):
    bins = request.getfixturevalue(bins_name)
    bins.save(tmp_path / "bins.json")
    loaded = ColorBins.load(tmp_path / "bins.json")
    assert (loaded.colors == bins.colors).all() and (loaded.frequency == bins.frequency).all()
    assert (loaded.method, loaded.grid, len(loaded)) == (bins.method, bins.grid, len(bins))
    chroma = random_chroma(10_000)
    assert (loaded.encode(chroma) == bins.encode(chroma)).all()
    assert [path.name for path in tmp_path.iterdir()] == ["bins.json"]  # nothing half-written is left


GOOD = {
    "format": "colorlib-bins-1",
    "method": "grid",
    "grid": 10,
    "cells": [[5, 5], [4, 5]],
    "colors": [[0.01, 0.02], [-0.01, 0.02]],
    "frequency": [0.6, 0.4],
}


def test_the_good_example_of_the_next_test_is_good():
    assert len(ColorBins.from_json(json.dumps(GOOD))) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"colors": None},
        {"colors": "red"},
        {"colors": 0.5},
        {"colors": []},
        {"colors": [[0.1, 0.2]]},
        {"colors": [[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]]},
        {"colors": [[math.nan, 0.0], [0.0, 0.0]]},
        {"colors": [[math.inf, 0.0], [0.0, 0.0]]},
        {"frequency": 1.0},
        {"frequency": [-0.5, 1.5]},
        {"frequency": [math.nan, 1.0]},
        {"frequency": [0.0, 0.0]},
        {"frequency": [3.0, 1.0]},
        {"method": "median"},
        {"method": 3},
        {"cells": [[5, 5]]},
        {"cells": [[5, 5], [4, 10]]},
        {"cells": [[5, 5], [-1, 5]]},
        {"cells": [[5, 5], [4.5, 5]]},
        {"grid": None},
        {"grid": "ten"},
        {"grid": 0},
    ],
    ids=str,
)
def test_damaged_bins_are_refused(change):
    with pytest.raises(ColorlibError, match="colour bins"):
        ColorBins.from_json(json.dumps(GOOD | change))


@pytest.mark.parametrize("text", ["", "[]", "null", "3", "{", "{}", '{"format": "colorlib-bins-1"}', "not json"])
def test_other_texts_are_refused(text):
    with pytest.raises(ColorlibError, match="not colour bins written by colorlib"):
        ColorBins.from_json(text)


def test_other_files_are_refused_by_name(tmp_path):
    (tmp_path / "noise.json").write_bytes(bytes(range(256)))
    for name in ("missing.json", "noise.json", "."):
        with pytest.raises(ColorlibError, match="cannot read colour bins"):
            ColorBins.load(tmp_path / name)
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ColorlibError, match="other.json"):
        ColorBins.load(tmp_path / "other.json")
    with pytest.raises(ColorlibError, match="no_such_folder"):
        ColorBins.from_json(json.dumps(GOOD)).save(tmp_path / "no_such_folder" / "bins.json")


@pytest.mark.parametrize("grid", [0, 481, 10**6])
def test_a_grid_finer_than_what_was_counted_is_refused(grid):
    histogram = UVHistogram().add_rgb(torch.randint(256, (1, 8, 8, 3), dtype=torch.uint8))
    with pytest.raises(ColorlibError, match="1 to 480 cells"):
        ColorBins.from_histogram(histogram, 2, "grid", grid)
