"""Live panels that no exception can hide in.

`panel` ties controls to a pure function that returns a picture, and writes the picture into one HTML widget.
`ipywidgets.interact` and `Output` are not used: they swallow exceptions, so that a broken panel passes every check.
"""

import html
import tempfile
from collections.abc import Callable, Mapping, Sequence
from math import log10
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from colorlib.errors import ColorlibError
from colorlib.figures import encode_image, image_tag
from colorlib.photos import read_photo

Picture = Figure | Image.Image | np.ndarray
LOOK = {"style": {"description_width": "12em"}, "layout": {"width": "34em", "max_width": "98%"}}


def panel(
    render: Callable[..., Picture], alt: str | Callable[..., str], **controls: ipywidgets.Widget
) -> ipywidgets.VBox:
    """Controls above a picture that follows them.

    Args:
        render: called with the value of every control, by name; returns a uint8 array (H, W, 3), a Pillow image or
            a matplotlib Figure. The panel calls it while it is made, so a mistake in it stops the notebook there.
        alt: the picture's alternative text, or a function of the same values that gives it.
        controls: widgets with a ``value``, such as `slider` and `choice`.

    Returns:
        A VBox of the controls and, as the last of its ``children``, the HTML widget with the picture.

    >>> paint = lambda red: np.full((8, 8, 3), (red, 0, 0), np.uint8)
    >>> square = panel(paint, lambda red: f"a square, red {red}", red=slider("red", 9, 0, 255, 1))
    >>> square.children[0].value = 200  # what a hand on the slider does
    >>> square.children[-1].value[:30]
    '<img alt="a square, red 200" s'
    """
    picture = ipywidgets.HTML()

    def refresh(change: Any = None) -> None:
        values = {name: control.value for name, control in controls.items()}
        try:
            picture.value = _tag(render(**values), alt if isinstance(alt, str) else alt(**values))
        except Exception as error:
            message = str(error) if isinstance(error, ColorlibError) else f"{type(error).__name__}: {error}"
            picture.value = f'<p role="alert">{html.escape(message)}</p>'
            raise

    for control in controls.values():
        control.observe(refresh, "value")
    refresh()
    return ipywidgets.VBox([*controls.values(), picture])


def slider(
    label: str, value: float, low: float, high: float, step: float, log: bool = False, continuous: bool = True
) -> ipywidgets.Widget:
    """A slider with a name and a read-out, for the mouse and the arrow keys.

    With ``log`` equal distances are equal ratios, and ``step`` counts in powers of ten. ``continuous=False``
    waits until the handle is let go: for pictures that take longer than 50 ms.
    """
    options: dict[str, Any] = {"description": label, "continuous_update": continuous, **LOOK}
    if log:
        return ipywidgets.FloatLogSlider(value=value, min=log10(low), max=log10(high), step=step, **options)
    if all(isinstance(number, int) for number in (value, low, high, step)):
        return ipywidgets.IntSlider(value=value, min=low, max=high, step=step, **options)
    digits = max(0, -int(np.floor(log10(step))))
    return ipywidgets.FloatSlider(value=value, min=low, max=high, step=step, readout_format=f".{digits}f", **options)


def choice(label: str, options: Sequence[Any] | Mapping[str, Any]) -> ipywidgets.Dropdown:
    """A drop-down list of values, or of names for values; the first is chosen."""
    items = options if isinstance(options, Mapping) else list(options)
    return ipywidgets.Dropdown(options=items, description=label, **LOOK)


def upload(label: str) -> ipywidgets.FileUpload:
    """A button that takes one photo from the reader's own disk; `uploaded_photo` reads its value."""
    return ipywidgets.FileUpload(accept="image/*", multiple=False, description=label, layout={"width": "16em"})


def uploaded_photo(value: Sequence[Mapping[str, Any]]) -> np.ndarray | None:
    """The photo in an `upload` button's value as uint8 RGB (H, W, 3), or None before one was chosen.

    Raises:
        ColorlibError: naming the file, if it is not a photo or is damaged.
    """
    if not value:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(value[0]["name"]).name
        path.write_bytes(bytes(value[0]["content"]))
        try:
            return read_photo(path)
        except ColorlibError as error:
            raise ColorlibError(str(error).replace(str(path), path.name)) from error


def _tag(picture: Picture, alt: str) -> str:
    # JPEG encodes several times faster than PNG, and a panel's picture is looked at once.
    return image_tag(encode_image(picture, "png" if isinstance(picture, Figure) else "jpeg"), alt)
