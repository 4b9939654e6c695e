"""Figures with a memory: shown with an alternative text, kept as a file, recorded with their numbers.

A notebook calls `start_notebook` once and `show` for each figure.
"""

import base64
import html
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import torch
from cycler import cycler
from filelock import FileLock
from IPython.display import HTML, display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from colorlib.errors import ColorlibError
from colorlib.evaluation.intervals import Interval
from colorlib.files import atomic_write, figures_folder
from colorlib.video.encoder import encode_clip

# Okabe & Ito's colours: told apart with any kind of colour vision.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
STYLE = {
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "figure.constrained_layout.use": True,
    "figure.dpi": 150,
    "figure.figsize": (8, 4),
    "font.size": 10,
    "image.cmap": "viridis",
    "legend.frameon": False,
}
ENCODING: dict[str, dict[str, Any]] = {  # how each format is written
    "png": {"format": "PNG", "optimize": True},
    "jpeg": {"format": "JPEG", "quality": 70, "subsampling": 0, "optimize": True},  # colours at full size
    "webp": {"format": "WebP", "quality": 72, "method": 6},
    "lossless webp": {"format": "WebP", "lossless": True, "method": 4},
}
PALETTE_FORMATS = {"png", "lossless webp"}  # formats for plots


@dataclass
class Notebook:
    """Which notebook is drawing, and with which parameters."""

    notebook: str
    parameters: dict[str, Any]
    figure: str | None = None  # the one shown last
    places: dict[str, int] = field(default_factory=dict)  # of the figures, counted from 1
    notes: dict[str, list[Any]] = field(default_factory=dict)  # for the next figure, from before the first


_lesson: Notebook | None = None


def start_notebook(notebook: str, **parameters: Any) -> None:
    """Start a notebook: one style for all of its figures, its name and parameters for the manifest.

    >>> start_notebook("01_color_bins", n=32)
    """
    global _lesson
    matplotlib.style.use(STYLE)
    _lesson = Notebook(notebook, parameters)


def show(
    figure: "Figure | Image.Image | np.ndarray",
    name: str,
    alt: str,
    numbers: Any = None,
    photographs: bool = False,
) -> None:
    """Display a figure with its number and caption, write it to the figures folder and record it in the manifest there.

    Args:
        figure: a matplotlib Figure, a Pillow image, or a uint8 array (H, W, 3).
        name: names the file and the entry in the manifest, such as "fig01a_color_map".
        alt: what a reader who cannot see the picture should know: its kind, its axes, its message. It begins with
            what the figure is, which is its caption, too.
        numbers: the plotted numbers (lists, dicts, arrays, tensors), so that two runs can be compared by number.
        photographs: write a JPEG (quality 70), right for photographs, instead of a PNG, right for plots. The
            notebook itself holds a WebP, which is smaller: of a plot the same pixels, of photographs nearly so.

    Raises:
        ColorlibError: without `start_notebook`, or without an alternative text.
    """
    file = f"{name}.{'jpg' if photographs else 'png'}"
    entry = _begin_entry("figure", name, file, alt)
    # A Figure at its size in inches, of which CSS has 96 pixels; an image at its own.
    width = round(96 * float(figure.get_figwidth())) if isinstance(figure, Figure) else None
    data = encode_image(figure, "jpeg" if photographs else "png")
    _write(file, data)
    _record(name, {**entry, "numbers": numbers})
    picture = image_tag(encode_image(figure, "webp" if photographs else "lossless webp"), alt, width)
    display(HTML(_with_caption(picture, name, alt)))


def annotate(kind: str, note: dict[str, Any]) -> None:
    """Add a note, such as a claim, to what the manifest says of the figure shown last, or of the first one to come.

    Raises:
        ColorlibError: without `start_notebook`.
    """
    if _lesson is None:
        raise ColorlibError("call colorlib.course.start_notebook(notebook, …) before claiming anything")
    if _lesson.figure is None:
        _add(_lesson.notes.setdefault(kind, []), note)
        return
    with _manifest() as manifest:
        _add(manifest[_lesson.figure].setdefault(kind, []), _plain(note))


def _add(notes: list[Any], note: Any) -> None:
    """A cell that runs again says the same again."""
    if note not in notes:
        notes.append(note)


def encode_image(picture: "Figure | Image.Image | np.ndarray", format: str) -> bytes:
    """A picture as PNG, JPEG or WebP bytes, see ENCODING; the same picture always gives the same bytes.

    A Figure as PNG or lossless WebP has at most 256 colours: the difference cannot be seen in a plot, and the file is
    a third as large.
    """
    if isinstance(picture, Figure):
        canvas = FigureCanvasAgg(picture)
        canvas.draw()
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        if format in PALETTE_FORMATS:
            image = image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    else:
        image = (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).convert("RGB")
    data = io.BytesIO()
    image.save(data, **ENCODING[format])
    return data.getvalue()


def image_tag(data: bytes, alt: str, width: int | None = None) -> str:
    """HTML that carries a picture and its alternative text: unlike other outputs it keeps both in every export.

    >>> image_tag(b"", "a red square", 20)
    '<img alt="a red square" width="20" style="max-width:100%;height:auto" src="data:image/jpeg;base64,">'
    """
    kind = "png" if data.startswith(b"\x89PNG") else "webp" if data.startswith(b"RIFF") else "jpeg"
    size = f' width="{width}"' if width else ""
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return f'<img alt="{html.escape(alt)}"{size} style="max-width:100%;height:auto" src="{source}">'


def caption_of(alt: str) -> str:
    """The beginning of an alternative text, which says what the figure is; its findings and numbers follow there.

    >>> caption_of("Bars: the share of each colour in the photos, most frequent first; gray 31 %, blue 12 %.")
    'Bars: the share of each colour in the photos, most frequent first.'
    """
    beginning = re.match(r".{43,}?(?=[.:;] |\.$)", alt, re.S)  # long enough to say more than "Two rows."
    return (beginning[0] if beginning else alt.removesuffix(".")) + "."


def _with_caption(picture: str, name: str, alt: str) -> str:
    """HTML of a picture above its caption, such as "Figure 07.1 · …": the first figure of notebook 07.

    A figure that is shown again keeps its number. A screen reader speaks the number only, after the alternative text.
    """
    assert _lesson is not None
    place = _lesson.places.setdefault(name, len(_lesson.places) + 1)
    number = f"Figure {_lesson.notebook.split('_')[0]}.{place}"
    caption = f'{number}<span aria-hidden="true"> · {html.escape(caption_of(alt))}</span>'
    return f'<figure style="margin:0">{picture}<figcaption>{caption}</figcaption></figure>'


def _begin_entry(kind: str, name: str, file: str, alt: str) -> dict[str, Any]:
    """What the manifest says of a figure or clip, numbers left out; or why it cannot be shown."""
    if _lesson is None:
        raise ColorlibError(f"call colorlib.course.start_notebook(notebook, …) before showing a {kind}")
    if not alt.strip():
        raise ColorlibError(f"the {kind} {name!r} needs an alternative text that says what it shows")
    return {"file": file, "alt": alt, "notebook": _lesson.notebook, "parameters": _lesson.parameters}


def _write(file: str, data: bytes) -> None:
    """Write into the figures folder, whole or not at all."""
    folder = figures_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / file) as partial:
        partial.write_bytes(data)


def _record(name: str, entry: dict[str, Any]) -> None:
    """Put an entry into manifest.json, with the notes that wait for it."""
    assert _lesson is not None
    with _manifest() as manifest:
        manifest[name] = _plain(entry | _lesson.notes)
    _lesson.figure, _lesson.notes = name, {}


@contextmanager
def _manifest() -> Iterator[dict[str, Any]]:
    """The manifest, to be changed: read, and written afterwards; locked, as notebooks may run at the same time."""
    path = figures_folder() / "manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(".manifest.partial.lock")):
        manifest = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        yield manifest
        lines = [json.dumps({name: manifest[name]}, ensure_ascii=False)[1:-1] for name in sorted(manifest)]
        _write(path.name, ("{\n" + ",\n".join(lines) + "\n}\n").encode())  # a line for each figure


def _plain(value: Any) -> Any:
    """Arrays, tensors and numbers as JSON has them, floats with six digits: beyond those, machines differ."""
    if isinstance(value, Interval):
        return _plain(value._asdict())
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic, torch.Tensor)):
        return _plain(value.tolist())
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else str(value)
    return value


def show_clip(
    frames: np.ndarray, name: str, alt: str, rate: int = 12, numbers: Any = None, width: int | None = None
) -> None:
    """Display a short film, uint8 (t, H, W, 3), that plays where it stands; write and record it as `show` does.

    ``width`` is how wide it is shown, in CSS pixels. The film is H.264, which every browser plays; exports that drop
    films keep the alternative text.
    """
    entry = _begin_entry("clip", name, f"{name}.mp4", alt)
    data = encode_clip(frames, rate)
    _write(f"{name}.mp4", data)
    _record(name, {**entry, "numbers": numbers})
    source = f"data:video/mp4;base64,{base64.b64encode(data).decode()}"
    label = html.escape(alt)
    look = f'controls loop muted playsinline width="{width or frames.shape[2]}" style="max-width:100%;height:auto"'
    clip = f'<video {look} aria-label="{label}" src="{source}">{label}</video>'
    display(HTML(_with_caption(clip, name, alt)))


def differences(before: Path, after: Path, tolerance: float = 0.02) -> list[str]:
    """Which figures' numbers changed between two manifests, by more than ``tolerance`` of the largest beside them.

    The unit is the list that a number stands in, so that a bar of nearly nothing may change freely beside a tall one.
    Only figures in both manifests are compared. `make figures` and ``git diff --stat figures/`` show which pictures
    changed; this says which changed what they say.
    """
    old, new = (json.loads(Path(path).read_text(encoding="utf-8")) for path in (before, after))
    return [name for name in old if name in new and _differ(old[name]["numbers"], new[name]["numbers"], tolerance)]


def _differ(old: Any, new: Any, tolerance: float) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() != new.keys() or any(_differ(old[key], new[key], tolerance) for key in old)
    if isinstance(old, list) and isinstance(new, list) and any(isinstance(part, list | dict) for part in old):
        return len(old) != len(new) or any(_differ(*pair, tolerance) for pair in zip(old, new, strict=True))
    numbers = [np.ravel(np.asarray(value)) for value in (old, new)]
    if numbers[0].shape != numbers[1].shape or any(part.dtype.kind not in "if" for part in numbers):
        return bool(old != new)
    scale = np.abs(numbers[0]).max(initial=0)
    return bool((np.abs(numbers[0] - numbers[1]) > tolerance * scale + 1e-9).any())
