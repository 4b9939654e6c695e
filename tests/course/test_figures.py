"""Figures: what is shown, what is written, what the manifest remembers, and whether the plots tell the truth."""

import base64
import io
import json
import re
from collections import namedtuple
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path as File

import nbformat
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.path import Path as Polygon
from nbconvert import HTMLExporter
from PIL import Image

from colorlib import ColorlibError
from colorlib.course import figures

ALT = 'A line that rises from "low" to high & beyond'


@pytest.fixture(autouse=True)
def shown(tmp_path, monkeypatch) -> list[str]:
    """Figures go to a folder of the test; the HTML that would be displayed is collected."""
    monkeypatch.setenv("COLORLIB_FIGURES", str(tmp_path))
    html: list[str] = []
    monkeypatch.setattr(figures, "display", lambda output: html.append(output.data))
    figures.begin("99_test", steps=3)
    return html


def line() -> Figure:
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([0, 1], [0, 2])
    return figure


def manifest(folder) -> dict:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def test_show_displays_writes_and_records(tmp_path, shown):
    assert figures.show(line(), name="fig99_line", alt=ALT, numbers={"y": [0, 2]}) is None
    assert manifest(tmp_path) == {
        "fig99_line": {
            "file": "fig99_line.png",
            "alt": ALT,
            "notebook": "99_test",
            "parameters": {"steps": 3},
            "numbers": {"y": [0, 2]},
        }
    }
    with Image.open(tmp_path / "fig99_line.png") as image:
        assert image.size == (3 * 150, 2 * 150)
        assert len(image.convert("RGB").getcolors()) <= 256
    assert '<img alt="A line that rises from &quot;low&quot; to high &amp; beyond"' in shown[0]
    assert 'width="288"' in shown[0]  # three inches


@pytest.mark.parametrize("template", ["lab", "classic"])
def test_alternative_text_survives_the_exports(shown, template):
    figures.show(line(), name="fig99_line", alt=ALT)
    output = nbformat.v4.new_output("display_data", {"text/html": shown[0]})
    cell = nbformat.v4.new_code_cell("show()", outputs=[output], execution_count=1)
    html, _ = HTMLExporter(template_name=template).from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    pictures = re.findall(r"<img[^>]*>", html)
    assert len(pictures) == 1 and "A line that rises" in pictures[0] and "base64" in pictures[0]
    assert "Alternative text is missing" not in html


@pytest.mark.parametrize(("photographs", "suffix"), [(True, "jpg"), (False, "png")])
def test_the_same_picture_gives_the_same_bytes(tmp_path, photographs, suffix):
    contents = []
    for _ in range(2):
        figures.show(line(), name="fig99_line", alt=ALT, photographs=photographs)
        contents.append((tmp_path / f"fig99_line.{suffix}").read_bytes())
    assert contents[0] == contents[1] and len(contents[0]) > 1000


def test_arrays_and_pillow_images_stay_exact_as_png(tmp_path, synthetic_photo):
    figures.show(synthetic_photo, name="array", alt=ALT)
    figures.show(Image.fromarray(synthetic_photo), name="pillow", alt=ALT, width=50)
    for name in ("array", "pillow"):
        with Image.open(tmp_path / f"{name}.png") as image:
            np.testing.assert_array_equal(np.asarray(image), synthetic_photo)


def test_a_plot_in_the_notebook_has_the_pixels_of_its_file(tmp_path, shown):
    figures.show(line(), name="fig99_line", alt=ALT)
    data = base64.b64decode(re.search('data:image/webp;base64,([^"]+)', shown[-1])[1])
    with Image.open(io.BytesIO(data)) as inside, Image.open(tmp_path / "fig99_line.png") as file:
        assert inside.format == "WEBP" and len(data) < (tmp_path / "fig99_line.png").stat().st_size
        np.testing.assert_array_equal(np.asarray(inside), np.asarray(file.convert("RGB")))


def test_photographs_are_small_and_close(tmp_path, real_photos):
    figures.show(real_photos[0], name="photo", alt=ALT, photographs=True)
    figures.show(real_photos[0], name="exact", alt=ALT)
    assert (tmp_path / "photo.jpg").stat().st_size < 0.6 * (tmp_path / "exact.png").stat().st_size
    with Image.open(tmp_path / "photo.jpg") as image:
        assert np.abs(np.asarray(image).astype(int) - real_photos[0]).mean() < 5


def test_a_plot_with_256_colours_looks_the_same():
    """A colour map has hundreds of colours; none may move visibly, at the ends of the scale least of all."""
    figure = Figure(figsize=(5, 4))
    figure.set_layout_engine("none")  # which would move things a little in the second drawing
    ax = figure.subplots()
    figure.colorbar(ax.imshow(np.random.default_rng(0).random((30, 30)), interpolation="nearest"))
    with Image.open(io.BytesIO(figures.encode_image(figure, "png"))) as image:
        few = np.asarray(image.convert("RGB")).astype(int)
    figure.canvas.draw()
    exact = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)
    assert np.abs(few - exact).max() <= 16
    assert (few[0, 0] == 255).all()


def test_refusals(monkeypatch):
    with pytest.raises(ColorlibError, match="needs an alternative text"):
        figures.show(line(), name="fig99_line", alt="  ")
    monkeypatch.setattr(figures, "_lesson", None)
    with pytest.raises(ColorlibError, match="begin"):
        figures.show(line(), name="fig99_line", alt=ALT)


def test_numbers_become_plain_and_finite(tmp_path):
    numbers = {
        8: torch.tensor([1 / 3, 2]),
        "array": np.array([[1, 2]]),
        "scalar": np.float32(0.1),
        "none": None,
        "infinite": float("inf"),
        "flag": True,
    }
    figures.show(line(), name="fig99_line", alt=ALT, numbers=numbers)
    assert manifest(tmp_path)["fig99_line"]["numbers"] == {
        "8": [0.333333, 2.0],
        "array": [[1, 2]],
        "scalar": 0.1,
        "none": None,
        "infinite": "inf",
        "flag": True,
    }


def test_a_figure_that_fails_leaves_the_old_one(tmp_path):
    figures.show(line(), name="fig99_line", alt=ALT, numbers=[1])
    before = (tmp_path / "fig99_line.png").read_bytes(), manifest(tmp_path)
    broken = line()
    broken.axes[0].set_title(r"$\frac{$")  # drawing this raises
    with pytest.raises(ValueError):
        figures.show(broken, name="fig99_line", alt=ALT, numbers=[2])
    assert ((tmp_path / "fig99_line.png").read_bytes(), manifest(tmp_path)) == before
    assert not list(tmp_path.glob("*.partial"))


def _record_several(first: int) -> None:
    figures.begin("99_test")
    for number in range(first, first + 10):
        figures._record(f"fig{number:02}", {"number": number})


def test_notebooks_running_together_lose_no_entry(tmp_path):
    with ProcessPoolExecutor(3) as pool:
        list(pool.map(_record_several, [0, 10, 20]))
    assert list(manifest(tmp_path)) == [f"fig{number:02}" for number in range(30)]


def test_folder_without_the_variable(monkeypatch):
    monkeypatch.delenv("COLORLIB_FIGURES")
    assert figures.figures_folder().name == "figures"


# The plots


def test_wall_keeps_proportions_and_order(real_photos):
    wide, high = real_photos[0][:40, :100], real_photos[1][:90, :60]
    figure = figures.wall([[wide, high], [wide]], ["wide", "high"], ["first", "second"], size=2)
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
    figure = figures.wall([[wide, high]], ["wide", "high"], size=2)
    FigureCanvasAgg(figure).draw()
    tops = [ax.get_images()[0].get_window_extent().y1 for ax in figure.axes]
    assert tops[0] == pytest.approx(tops[1], abs=1)


def test_a_wall_leaves_room_for_titles_of_several_lines(real_photos):
    figure = figures.wall([[real_photos[0]] * 2] * 2, ["one\ntwo", "three"], ["a\nlong title", "b"], size=2)
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
    figures.plot_network(ax, layers, 64)
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
    with pytest.raises(ValueError):
        figures.wall([[real_photos[0]]], row_titles=["one", "two"])


def test_bin_colors_are_the_bins(kmeans_bins, grid_bins):
    for bins in (kmeans_bins, grid_bins):
        colors = torch.from_numpy(figures.bin_colors(bins)).T[:, None].float()
        assert colors.min() >= 0 and colors.max() <= 1
        calm = bins.colors.norm(dim=1) < 0.2  # vivid ones do not fit the gamut at this luma
        assert torch.equal(bins.encode(figures.chroma_of(colors))[0][calm], torch.arange(len(bins))[calm])


def test_patches_of_kmeans_tile_the_gamut(kmeans_bins):
    def area(polygon):
        x, y = polygon.T
        return abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2

    patches = figures.bin_patches(kmeans_bins)
    assert sum(map(area, patches)) == pytest.approx(area(figures.gamut()), rel=1e-9)
    rgb = torch.rand(3, 1, 2000, generator=torch.Generator().manual_seed(0)).double()
    chroma = figures.chroma_of(rgb)
    index = kmeans_bins.encode(chroma)[0].numpy()
    inside = np.array([Polygon(patch).contains_points(chroma[:, 0].T.numpy()) for patch in patches])
    assert (inside.sum(axis=0) == 1).mean() > 0.999  # a point on an edge may be in two or none
    assert (inside.argmax(axis=0) == index)[inside.any(axis=0)].mean() > 0.999


def test_patches_of_the_grid_hold_their_colours(grid_bins):
    for patch, color in zip(figures.bin_patches(grid_bins), grid_bins.colors.numpy()):
        assert Polygon(patch).contains_point(color, radius=1e-9) or Polygon(patch).contains_point(color, radius=-1e-9)


def test_uv_map_in_own_colours_and_by_value(kmeans_bins):
    figure = Figure()
    own, valued, bare = figure.subplots(1, 3)
    figures.plot_uv_map(own, kmeans_bins)
    np.testing.assert_allclose(own.collections[0].get_facecolor()[:, :3], figures.bin_colors(kmeans_bins), atol=1e-6)
    figures.plot_uv_map(valued, kmeans_bins, kmeans_bins.frequency, log=True, label="share")
    figures.plot_uv_map(bare, kmeans_bins, kmeans_bins.frequency, limits=(0, 1), bar=False)
    np.testing.assert_allclose(valued.collections[0].get_array(), kmeans_bins.frequency)
    assert valued.collections[0].get_clim() == (kmeans_bins.frequency.min(), kmeans_bins.frequency.max())
    assert bare.collections[0].get_clim() == (0, 1)
    assert [ax.get_ylabel() for ax in figure.axes].count("share") == 1 and len(figure.axes) == 4  # one colour bar
    FigureCanvasAgg(figure).draw()


def test_bars_have_the_values_and_colours_of_their_bins(kmeans_bins):
    ax = Figure().subplots()
    figures.bar_of_bins(ax, kmeans_bins, kmeans_bins.frequency)
    assert [bar.get_height() for bar in ax.patches] == pytest.approx(kmeans_bins.frequency.tolist())
    colors = [bar.get_facecolor()[:3] for bar in ax.patches]
    np.testing.assert_allclose(colors, figures.bin_colors(kmeans_bins), atol=1e-6)


def test_differences_names_the_figures_whose_numbers_changed(tmp_path):
    def written(name: str, **numbers: object) -> File:
        path = tmp_path / name
        path.write_text(json.dumps({figure: {"numbers": shown} for figure, shown in numbers.items()}))
        return path

    before = written("before", same=[1.0, 2.0], close={"a": [10.0, 0.01]}, moved={"a": [1.0, 5.0]}, text="x", gone=1)
    after = written("after", same=[1.0, 2.0], close={"a": [10.1, 0.05]}, moved={"a": [1.0, 4.0]}, text="y", new=2)
    assert figures.differences(before, after) == ["moved", "text"]
    assert figures.differences(before, after, tolerance=0.001) == ["close", "moved", "text"]
    assert figures.differences(before, written("longer", same=[1.0, 2.0, 3.0])) == ["same"]
    ragged = written("ragged", table=[[1.0, 2.0], [3.0]]), written("changed", table=[[1.0, 2.0], [4.0]])
    assert figures.differences(*ragged) == ["table"] and figures.differences(ragged[0], ragged[0]) == []
    assert figures.differences(before, written("keys", moved={"b": [1.0, 5.0]})) == ["moved"]
