"""Figures: what is shown, what is written, and what the manifest remembers."""

import base64
import io
import json
import re
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path as File

import nbformat
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
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
    figures.start_notebook("99_test", steps=3)
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


def test_figures_are_numbered_and_captioned(shown):
    figures.start_notebook("07b_test")
    for name, alt in (
        ("one", "Bars. They fall."),
        ("two", f"{ALT} & more: 31 %; blue 12 %."),
        ("one", "Bars. They fall."),
    ):
        figures.show(line(), name, alt)
    captions = [re.sub("<.*?>", "", re.search("<figcaption>(.*)</figcaption>", page)[1]) for page in shown]
    assert captions[0] == captions[2] == "Figure 07b.1 · Bars. They fall."
    assert captions[1] == "Figure 07b.2 · A line that rises from &quot;low&quot; to high &amp; beyond &amp; more."


@pytest.mark.parametrize(
    "alt", ["Two rows", "Two rows.", "Two rows: a photo", "A photo, version 1.5 of it, at T = 0.1 and 0.2."]
)
def test_short_alternatives_are_captions_as_they_are(alt):
    assert figures.caption_of(alt) == alt.removesuffix(".") + "."


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
    figures.show(Image.fromarray(synthetic_photo), name="pillow", alt=ALT)
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


def test_a_plot_with_256_colors_looks_the_same():
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
    with pytest.raises(ColorlibError, match="start_notebook"):
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
    with pytest.raises(ValueError, match="frac"):
        figures.show(broken, name="fig99_line", alt=ALT, numbers=[2])
    assert ((tmp_path / "fig99_line.png").read_bytes(), manifest(tmp_path)) == before
    assert not list(tmp_path.glob("*.partial"))


def _record_several(first: int) -> None:
    figures.start_notebook("99_test")
    for number in range(first, first + 10):
        figures._record(f"fig{number:02}", {"number": number})


def test_notebooks_running_together_lose_no_entry(tmp_path):
    with ProcessPoolExecutor(3) as pool:
        list(pool.map(_record_several, [0, 10, 20]))
    assert list(manifest(tmp_path)) == [f"fig{number:02}" for number in range(30)]


def test_folder_without_the_variable(monkeypatch):
    monkeypatch.delenv("COLORLIB_FIGURES")
    assert figures.figures_folder().name == "figures"


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
