"""Live panels that no exception can hide in.

`panel` ties controls to a pure function that returns a picture, and writes the picture into one HTML widget.
`ipywidgets.interact` and `Output` are not used: they swallow exceptions, so that a broken panel passes every check.
"""

import html
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import log10
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from colorlib.color.spaces import luma_of, merge_luma_chroma
from colorlib.course.figures import encode_image, image_tag
from colorlib.course.plots import ringed
from colorlib.data.photos import as_rgb, fit, read_photo, to_tensor, to_uint8
from colorlib.errors import ColorlibError
from colorlib.evaluation.forced_choice import SIDES, Answer, Trial, fooled_rate, save_answer
from colorlib.prediction.colorizer import Colorizer
from colorlib.prediction.hints import (
    Hint,
    Swatch,
    apply_hints,
    chroma_of_html,
    format_hints,
    html_of,
    palette,
    parse_hints,
    read_hints,
    write_hints,
)
from colorlib.prediction.propagation import enlarge

Picture = Figure | Image.Image | np.ndarray
Values = Mapping[str, Any]
# A click on the picture is written into a hidden text box of the panel, as a person would type it: shares of the width
# and the height. Where a page forbids such scripts nothing happens, and the other controls still work.
NOTE_CLICK = """
const box = this.querySelector('img').getBoundingClientRect();
const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
const input = this.closest('.colorlib-panel')?.querySelector('.colorlib-place input');
if (input && Math.min(x, y, 1 - x, 1 - y) >= 0) {
    input.value = x.toFixed(4) + ' ' + y.toFixed(4);
    for (const name of ['input', 'change']) input.dispatchEvent(new Event(name, {bubbles: true}));
}"""
UPLOADS = "up to 10 MB; up to 200 MB if JupyterLab was opened with <code>make lab</code>"  # as its Makefile says
LOOK = {"style": {"description_width": "16em"}, "layout": {"width": "38em", "max_width": "98%"}}


def panel(
    render: Callable[..., Picture],
    alt: str | Callable[..., str],
    click: Callable[[float, float, Values], Values] | None = None,
    **controls: ipywidgets.Widget,
) -> ipywidgets.VBox:
    """Controls above a picture that follows them.

    Args:
        render: called with the value of every control, by name; returns a uint8 array (H, W, 3), a Pillow image or
            a matplotlib Figure. The panel calls it while it is made, so a mistake in it stops the notebook there.
        alt: the picture's alternative text, or a function of the same values that gives it.
        click: what a click on the picture does: called with the place, as shares 0 … 1 of the picture's width (from the
            left) and height (from the top), and the present values by name; returns those that it changes. Not
            everybody has a mouse: what a click sets must be within reach of the controls, too.
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
    # A text box that nobody sees, and that scripts in the page can find: where the last click was.
    place = ipywidgets.Text(layout={"display": "none"}).add_class("colorlib-place") if click else None

    def values() -> dict[str, Any]:
        return {name: control.value for name, control in controls.items()}

    def refresh(change: Any = None) -> None:
        now = values()
        try:
            image = render(**now)
            # JPEG encodes several times faster than PNG, and a panel's picture is looked at once.
            data = encode_image(image, "png" if isinstance(image, Figure) else "jpeg")
            tag = image_tag(data, alt if isinstance(alt, str) else alt(**now))
            look = f'style="cursor:crosshair;width:fit-content" onclick="{html.escape(NOTE_CLICK)}"'
            picture.value = f"<div {look}>{tag}</div>" if click else tag
        except Exception as error:
            message = str(error) if isinstance(error, ColorlibError) else f"{type(error).__name__}: {error}"
            picture.value = f'<p role="alert">{html.escape(message)}</p>'
            raise

    def clicked(change: Any) -> None:
        across, down = map(float, change.new.split())
        if click:
            for name, value in click(across, down, values()).items():
                controls[name].value = value

    for control in controls.values():
        control.observe(refresh, "value")
    if place:
        place.observe(clicked, "value")
    refresh()
    rows = [
        ipywidgets.HBox([control, ipywidgets.HTML(f"<small>{UPLOADS}</small>")])
        if isinstance(control, ipywidgets.FileUpload)
        else control
        for control in controls.values()
    ]
    return ipywidgets.VBox([*rows, *([place] if place else []), picture]).add_class("colorlib-panel")


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


def upload(label: str, instead_of: ipywidgets.Widget | None = None) -> ipywidgets.FileUpload:
    """A button that takes one photo from the reader's own disk; `uploaded_photo` reads its value.

    A photo above the server's limit never arrives, and nobody is told: `panel` says beside the button what that is.

    With ``instead_of``, a list of other photos, choosing from that list puts the upload away again.
    """
    button = ipywidgets.FileUpload(accept="image/*", multiple=False, description=label, layout={"width": "16em"})
    if instead_of:
        instead_of.observe(lambda change: button.set_trait("value", ()), "value")
    return button


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


def hint_panel(colorizer: Colorizer, photo: Any, path: str | Path = "hints.json", size: int = 320) -> ipywidgets.VBox:
    """A photo that a person colours with hints: click a place, see what it could be, choose one colour or any.

    Args:
        photo: whatever `Colorizer.colorize` takes; shown at no more than ``size`` pixels a side.
        path: the file that "Save" replaces and "Load" reads, for ``colorlib colorize --hints``.

    Works by keyboard: Tab moves between the two sliders of the place, the palette and the buttons, arrow keys move a
    slider, Space presses a button. The hints are a text that can be edited, too.
    """
    small = fit(as_rgb(photo), size)
    luma, seen = luma_of(to_tensor(small)), colorizer.input_luma(small)
    logits = colorizer.logits(seen).cpu()
    own = enlarge(colorizer.chroma(seen).cpu(), luma.shape)
    x, y = (slider(f"% from the {side}", 50, 0, 100, 1, continuous=False) for side in ("left", "top"))
    text = ipywidgets.Textarea(format_hints([]), description="hints", continuous_update=False, rows=3, **LOOK)
    message = ipywidgets.HTML()

    @lru_cache(maxsize=2)
    def colored(hints: str) -> np.ndarray:
        return to_uint8(merge_luma_chroma(luma, apply_hints(luma, own, parse_hints(hints))))

    def render(x: int, y: int, hints: str) -> np.ndarray:
        picture = colored(hints)
        for hint in parse_hints(hints):
            picture = ringed(picture, hint.x, hint.y, 4)
        return ringed(picture, x / 100, y / 100)

    def alt(x: int, y: int, hints: str) -> str:
        first = palette(logits, colorizer.bins, x / 100, y / 100, 1)[0]
        count = len(parse_hints(hints))
        return (
            f"the photo coloured with {count} hints; at {x} % from the left and {y} % from the top the likeliest "
            f"colour is {html_of(first.chroma)}, with {first.probability:.0%}"
        )

    def click(across: float, down: float, _: Values) -> Values:
        return {"x": round(100 * across), "y": round(100 * down)}

    def add(chroma: tuple[float, float]) -> None:
        text.value = format_hints([*parse_hints(text.value), Hint(x.value / 100, y.value / 100, chroma)])

    def in_file(action: Callable[[], None], done: str) -> Callable[[Any], None]:
        def press(_: Any) -> None:
            try:
                action()
                message.value = f'<p role="status">{done} {html.escape(str(path))}</p>'
            except (ColorlibError, OSError) as error:
                message.value = f'<p role="alert">{html.escape(str(error))}</p>'

        return press

    swatches = [ipywidgets.Button(layout={"width": "5.5em"}) for _ in range(min(6, len(colorizer.bins)))]

    def likely() -> list[Swatch]:
        return palette(logits, colorizer.bins, x.value / 100, y.value / 100, len(swatches))

    def show_palette(_: Any = None) -> None:
        for button, swatch in zip(swatches, likely(), strict=True):
            button.description, button.style.button_color = f"{swatch.probability:.0%}", html_of(swatch.chroma)
            button.tooltip = f"the colour {html_of(swatch.chroma)}, probability {swatch.probability:.0%}"

    for number, button in enumerate(swatches):
        button.on_click(lambda _, n=number: add(likely()[n].chroma))
    any_color = ipywidgets.ColorPicker(concise=False, description="any colour", value="#c04040", **LOOK)
    actions: dict[str, Callable[[Any], None]] = {
        "Use this colour": lambda _: add(chroma_of_html(any_color.value)),
        "Undo": lambda _: text.set_trait("value", format_hints(parse_hints(text.value)[:-1])),
        "Save": in_file(lambda: write_hints(path, parse_hints(text.value)), "saved to"),
        "Load": in_file(lambda: text.set_trait("value", format_hints(read_hints(path))), "loaded from"),
    }
    buttons = [ipywidgets.Button(description=name) for name in actions]
    for button, action in zip(buttons, actions.values(), strict=True):
        button.on_click(action)
    x.observe(show_palette, "value")
    y.observe(show_palette, "value")
    show_palette()
    picture = panel(render, alt, click, x=x, y=y, hints=text)
    heading = ipywidgets.HTML("<p>What this place could be, likeliest first: press one to make it a hint.</p>")
    return ipywidgets.VBox([picture, heading, ipywidgets.HBox(swatches), any_color, ipywidgets.HBox(buttons), message])


def trial_panel(
    trials: Sequence[Trial],
    pictures: Callable[[str], tuple[np.ndarray, np.ndarray]],
    path: str | Path,
    visible_seconds: float = 1.0,
) -> ipywidgets.VBox:
    """The test as a panel: two pictures, two buttons, one answer after the other into a CSV file.

    Args:
        pictures: for a photo's name the real picture and the recoloured one, uint8 (H, W, 3) of the same size.
        path: the CSV file that answers are appended to.
        visible_seconds: how long the pictures show, as long as they need to be answered in; 0 means all the time.

    Works by keyboard: Tab moves between the buttons, Space presses one.
    """
    message, screen = ipywidgets.HTML(), ipywidgets.HTML()
    buttons = {side: ipywidgets.Button(description=f"{side.capitalize()} is real") for side in SIDES}
    start = ipywidgets.Button(description="Start", button_style="primary")
    answers: list[Answer] = []
    shown = 0.0

    def show() -> None:
        nonlocal shown
        number = len(answers)
        for button in buttons.values():
            button.disabled = number == len(trials)
        if number == len(trials):
            rate = fooled_rate(answers)
            message.value = (
                f"Thank you! You took the recoloured picture for the real one in {rate.mean:.0%} of {len(trials)} "
                f"trials (95 % interval {rate.low:.0%} to {rate.high:.0%}; 50 % would be: cannot tell)."
            )
            screen.value = ""
            return
        trial = trials[number]
        real, recolored = pictures(trial.photo)
        left, right = (real, recolored) if trial.real_side == "left" else (recolored, real)
        message.value = f"{number + 1} of {len(trials)}: which one is the real photo?"
        screen.value = _pair(left, right, visible_seconds, number)
        shown = time.monotonic()

    def answer(side: str) -> None:
        trial = trials[len(answers)]
        given = Answer(trial.photo, trial.real_side, side, round(time.monotonic() - shown, 2))
        try:
            save_answer(path, given)
        except ColorlibError as error:  # in a button's own function nobody would see it
            message.value = f'<p role="alert">{html.escape(str(error))}</p>'
            return
        answers.append(given)
        show()

    def begin(_: Any) -> None:
        start.layout.display = "none"
        show()

    for side, button in buttons.items():
        button.disabled = True
        button.on_click(lambda _, side=side: answer(side))
    start.on_click(begin)
    seconds = f"for {visible_seconds:g} s " if visible_seconds else ""
    message.value = f"Two pictures will show {seconds}side by side. Say which one is the real photo; guess if unsure."
    return ipywidgets.VBox([message, start, ipywidgets.HBox(list(buttons.values())), screen])


def _pair(left: np.ndarray, right: np.ndarray, visible_seconds: float, number: int) -> str:
    """Two pictures side by side as HTML, hidden after a while by the browser itself: no timer in Python is as exact."""
    size = min(1.0, 320 / left.shape[1])
    height, width = round(left.shape[0] * size), round(left.shape[1] * size)
    tags = []
    for name, picture in (("left", left), ("right", right)):
        data = encode_image(Image.fromarray(picture), "jpeg")
        tags.append(image_tag(data, f"the {name} picture of pair {number + 1}", width))
    hide = f"animation:colorlib-hide-{number} 0s linear {visible_seconds:g}s forwards" if visible_seconds else ""
    # Each trial names its own animation: a browser does not run one a second time.
    frames = f"<style>@keyframes colorlib-hide-{number} {{ to {{ visibility:hidden }} }}</style>" if hide else ""
    row = f"display:flex;gap:8px;min-height:{height}px;{hide}"
    return f'{frames}<div style="{html.escape(row)}">{"".join(tags)}</div>'
