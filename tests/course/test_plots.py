"""Whether the plots tell the truth."""

from collections import namedtuple

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.path import Path as Polygon

from colorlib.color import chroma_of
from colorlib.course import plots
from colorlib.evaluation import Interval


def test_wall_keeps_proportions_and_order(real_photos):
    wide, high = real_photos[0][:40, :100], real_photos[1][:90, :60]
    figure = plots.image_grid([[wide, high], [wide]], ["wide", "high"], ["first", "second"], size=2)
    assert [ax.get_title() for ax in figure.axes] == ["wide", "high", ""]
    assert [text.get_text() for text in figure.texts] == ["first", "second"]
    FigureCanvasAgg(figure).draw()
    for ax, picture in zip(figure.axes, [wide, high, wide]):
        np.testing.assert_array_equal(ax.get_images()[0].get_array(), picture)
        box = ax.get_images()[0].get_window_extent()  # what the picture really covers
        assert box.width / box.height == pytest.approx(picture.shape[1] / picture.shape[0], rel=0.02)
    boxes = [ax.get_position() for ax in figure.axes]
    assert boxes[0].x1 < boxes[1].x0 and boxes[2].y1 < boxes[1].y0  # side by side, one above the other
    assert max(box.x1 for box in boxes) <= 1 + 1e-9 and min(box.y0 for box in boxes) >= -1e-9


def test_titles_of_a_wall_stand_in_line(real_photos):
    wide, high = real_photos[0][:40, :100], real_photos[1][:90, :60]
    figure = plots.image_grid([[wide, high]], ["wide", "high"], size=2)
    FigureCanvasAgg(figure).draw()
    tops = [ax.get_images()[0].get_window_extent().y1 for ax in figure.axes]
    assert tops[0] == pytest.approx(tops[1], abs=1)


def test_a_wall_leaves_room_for_titles_of_several_lines(real_photos):
    figure = plots.image_grid([[real_photos[0]] * 2] * 2, ["one\ntwo", "three"], ["a\nlong title", "b"], size=2)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = canvas.get_width_height()
    titles = [ax.title for ax in figure.axes if ax.get_title()] + figure.texts
    assert len(titles) == 4
    for title in titles:
        box = title.get_window_extent()
        assert box.x0 >= -1 and box.x1 <= width + 1 and box.y0 >= -1 and box.y1 <= height + 1, title.get_text()
    left = figure.axes[0].get_images()[0].get_window_extent().x0
    assert max(text.get_window_extent().x1 for text in figure.texts) <= left


def test_a_network_is_drawn_as_it_is():
    layer = namedtuple("layer", "cell kind channels_in channels side")
    layers = [
        layer("down", "Conv2d", 1, 8, 64),
        layer("down", "MaxPool2d", 8, 8, 32),
        layer("deep", "Conv2d", 8, 16, 32),
        layer("deep", "MaxPool2d", 16, 16, 16),
        layer("up", "ConvTranspose2d", 16, 8, 32),
        layer("end", "ConvTranspose2d", 8 + 8, 4, 64),  # what came down, too
    ]
    ax = Figure().add_subplot()
    plots.plot_network(ax, layers, 64)
    heights = [patch.get_height() for patch in ax.patches]
    assert heights == pytest.approx([1, 1, 0.5, 0.5, 0.25, 0.5, 0.5, 1])  # the input, six layers, and what came down
    widths = [patch.get_width() for patch in ax.patches]
    assert widths[1] == widths[2] < widths[3] and widths[6] == pytest.approx(widths[1])
    lines = [line for line in ax.lines if len(line.get_xdata()) == 4]
    assert len(lines) == 1  # one connection, from "down" to "end"
    start, stop = lines[0].get_xdata()[[0, -1]]
    assert ax.patches[2].get_x() < start < ax.patches[3].get_x() and stop > ax.patches[5].get_x()
    words = " ".join(text.get_text() for text in ax.texts)
    assert all(word in words for word in ("luma\n1 × 64²", "down\n8 × 32²", "deep\n16 × 16²", "end\n4 × 64²"))


def test_wall_wants_a_title_for_each_row(real_photos):
    with pytest.raises(ValueError, match="argument 3 is longer"):
        plots.image_grid([[real_photos[0]]], row_titles=["one", "two"])


def test_bin_colors_are_the_bins(kmeans_bins, grid_bins):
    for bins in (kmeans_bins, grid_bins):
        colors = torch.from_numpy(plots.bin_colors(bins)).T[:, None].float()
        assert colors.min() >= 0 and colors.max() <= 1
        calm = bins.colors.norm(dim=1) < 0.2  # vivid ones do not fit the gamut at this luma
        assert torch.equal(bins.encode(chroma_of(colors))[0][calm], torch.arange(len(bins))[calm])


def test_patches_of_kmeans_tile_the_gamut(kmeans_bins):
    def area(polygon):
        x, y = polygon.T
        return abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2

    patches = plots.bin_patches(kmeans_bins)
    assert sum(map(area, patches)) == pytest.approx(area(plots.gamut()), rel=1e-9)
    rgb = torch.rand(3, 1, 2000, generator=torch.Generator().manual_seed(0)).double()
    chroma = chroma_of(rgb)
    index = kmeans_bins.encode(chroma)[0].numpy()
    inside = np.array([Polygon(patch).contains_points(chroma[:, 0].T.numpy()) for patch in patches])
    assert (inside.sum(axis=0) == 1).mean() > 0.999  # a point on an edge may be in two or none
    assert (inside.argmax(axis=0) == index)[inside.any(axis=0)].mean() > 0.999


def test_patches_of_the_grid_hold_their_colors(grid_bins):
    for patch, color in zip(plots.bin_patches(grid_bins), grid_bins.colors.numpy()):
        assert Polygon(patch).contains_point(color, radius=1e-9) or Polygon(patch).contains_point(color, radius=-1e-9)


def test_uv_map_in_own_colors_and_by_value(kmeans_bins):
    figure = Figure()
    own, valued, bare = figure.subplots(1, 3)
    plots.plot_uv_map(own, kmeans_bins)
    np.testing.assert_allclose(own.collections[0].get_facecolor()[:, :3], plots.bin_colors(kmeans_bins), atol=1e-6)
    plots.plot_uv_map(valued, kmeans_bins, kmeans_bins.frequency, log=True, label="share")
    plots.plot_uv_map(bare, kmeans_bins, kmeans_bins.frequency, limits=(0, 1), bar=False)
    np.testing.assert_allclose(valued.collections[0].get_array(), kmeans_bins.frequency)
    assert valued.collections[0].get_clim() == (kmeans_bins.frequency.min(), kmeans_bins.frequency.max())
    assert bare.collections[0].get_clim() == (0, 1)
    assert [ax.get_ylabel() for ax in figure.axes].count("share") == 1 and len(figure.axes) == 4  # one colour bar
    FigureCanvasAgg(figure).draw()


def test_bars_have_the_values_and_colors_of_their_bins(kmeans_bins):
    ax = Figure().subplots()
    plots.bar_of_bins(ax, kmeans_bins, kmeans_bins.frequency)
    assert [bar.get_height() for bar in ax.patches] == pytest.approx(kmeans_bins.frequency.tolist())
    colors = [bar.get_facecolor()[:3] for bar in ax.patches]
    np.testing.assert_allclose(colors, plots.bin_colors(kmeans_bins), atol=1e-6)


@pytest.mark.parametrize("radius", [4, 8])
def test_a_ring_shows_on_any_ground_and_leaves_the_place_itself_visible(radius):
    for ground in (0, 128, 255):
        photo = np.full((41, 61, 3), ground, np.uint8)
        ring = plots.ringed(photo, 0.5, 0.5, radius)
        assert (ring[20, 30] == ground).all() and (photo == ground).all()
        assert {0, 255} <= set(ring[20 - radius : 21 + radius, 30 - radius : 31 + radius].ravel().tolist())
        changed = np.argwhere((ring != ground).any(-1))
        assert (np.abs(changed - (20, 30)) <= radius).all()


def test_a_frontier_names_all_its_curves_and_points_once():
    ax = Figure().subplots()
    curve = np.array([0.0, 1.0, 2.0])
    plots.plot_frontier(ax, {"one": (curve, curve), "other": (curve, -curve)}, [0.1, 1, 10], {"gray": (0.0, 0.0)})
    handles, names = ax.get_legend_handles_labels()
    assert names == ["one", "other", "gray"]
    assert len({handle.get_marker() + str(handle.get_color()) for handle in handles}) == 3  # told apart in the legend
    assert [text.get_text() for text in ax.texts] == ["0.1", "1", "10"]


def test_intervals_stand_top_to_bottom_inside_the_frame_in_the_colors_asked_for():
    ax = Figure().subplots()
    plots.plot_intervals(ax, {"one": Interval(0.0, -1.0, 1.0), "two": Interval(1.0, 0.0, 2.0)}, "dB", {"two": "0.3"})
    bottom, top = ax.get_ylim()
    assert top < 0 < 1 < bottom  # the first above the second, and neither on the frame
    assert [text.get_text() for text in ax.get_yticklabels()] == ["one", "two"]
    assert [line.get_color() for line in ax.lines] == [plots.PALETTE[0]] * 2 + ["0.3"] * 2


def test_pictures_and_maps_of_confidence_stand_in_line():
    rng = np.random.default_rng(0)
    rows = [[*(np.zeros((30, 40, 3), np.uint8),) * 2, rng.random((30, 40)), 1 + rng.random((30, 40))] for _ in "ab"]
    figure = Figure(figsize=(9, 4), layout="constrained")
    plots.plot_confidence(figure, rows, ["truth", "prediction", "score", "ratio"])
    FigureCanvasAgg(figure).draw()
    boxes = [ax.get_images()[0].get_window_extent() for ax in figure.axes if ax.get_images()]
    assert len(boxes) == 8
    for line in (boxes[:4], boxes[4:]):
        assert max(box.y1 for box in line) - min(box.y1 for box in line) < 1  # pixel
