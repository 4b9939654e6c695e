"""How long does a panel take to follow a slider, when the network looks at 256 × 256 pixels?

Each notebook is run up to its panel, with few photos; then its sliders are moved. From the new value to the finished
HTML: the network (where it has to look again), colours, picture, JPEG. Below 100 ms a picture seems to follow the hand.
"""

import os
import time
from contextlib import redirect_stdout
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import ipywidgets
import nbformat

import colorlib
from benchmarks import Row, row_of
from colorlib import Colorizer
from colorlib.course import NOTEBOOKS, widgets

SIDE = 256  # pixels a side
MOVES = 12  # of each slider
# Parameters that make the cells above a panel quick.
FEW: dict[str, dict[str, Any]] = {
    "04_colorunet": {"steps": 1},
    "06_temperature": {"photo_count": 4, "examples": [], "sweep": [0.1, 1.0]},
    "07_confidence_maps": {"photo_count": 4},
    "08_color_histograms": {"photo_count": 4},
}


class PanelReached(Exception):  # noqa: N818
    """The panel of a notebook is there: the cells below it need not run."""

    def __init__(self, panel: ipywidgets.VBox):
        self.panel = panel


def panel_of(stem: str) -> ipywidgets.VBox:
    """The panel of a notebook, with the bundled model looking at a large input."""
    load, make = colorlib.load, widgets.panel

    def load_large(*arguments: Any) -> Colorizer:
        colorizer = load(*arguments)
        colorizer.input_size = SIDE
        return colorizer

    def stop_here(*arguments: Any, **controls: Any) -> None:
        raise PanelReached(make(*arguments, **controls))

    cells = [cell for cell in nbformat.read(NOTEBOOKS / f"{stem}.ipynb", 4).cells if cell.cell_type == "code"]
    namespace: dict[str, Any] = {}
    try:
        with patch("colorlib.load", load_large), patch("colorlib.course.panel", stop_here):
            for cell in cells:
                exec(cell.source, namespace)
                if "parameters" in cell.metadata.get("tags", []):
                    namespace.update(FEW[stem])
    except PanelReached as reached:
        return reached.panel
    raise ValueError(f"{stem} has no panel")


def time_of_moves(panel: ipywidgets.VBox, control: Any) -> list[float]:
    """Seconds that each move of a slider takes, always to a value where it has not been: nothing is remembered."""
    here, times = control.value, []
    for i in range(MOVES):
        value = (here + 8 * (i + 1)) % (control.max + 1) if isinstance(here, int) else here * (0.97 - 0.03 * i)
        before, begin = panel.children[-1].value, time.perf_counter()
        control.value = value
        times.append(time.perf_counter() - begin)
        assert panel.children[-1].value != before, f"{control.description} changes nothing"
    return times


def measure() -> list[Row]:
    rows: list[Row] = []
    with TemporaryDirectory() as folder, patch.dict(os.environ, COLORLIB_FIGURES=folder):
        for stem in FEW:
            with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
                panel = panel_of(stem)
            rows += [
                row_of(f"{stem.split('_')[0]}: {control.description}", time_of_moves(panel, control))
                for control in panel.children
                if isinstance(control, (ipywidgets.IntSlider, ipywidgets.FloatSlider, ipywidgets.FloatLogSlider))
            ]
    return rows
