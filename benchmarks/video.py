"""How fast is a film coloured, where does the time go, and does the work stay the same for long films and long windows?

Films are made on the spot from a bundled photo. "Alone" is a stage by itself, per picture; in a film the stages run at
the same time, in threads. The goal was to keep up with a film of 24 pictures per second at 360p on two cores.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import ParamSpec, TypeVar

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor

import colorlib
from benchmarks import Row, race, row_of
from colorlib.data import bundled, read_photo
from colorlib.prediction import Colorizer, annealed_mean
from colorlib.video import (
    ENCODERS,
    SMOOTHERS,
    Film,
    FilmWriter,
    Picture,
    Smoother,
    TemporalKernel,
    VideoColorizer,
    chroma_planes,
    colorize_film,
    open_film,
    paint_all,
    small_luma,
)

SIZES = {"360p": (640, 360), "720p": (1280, 720)}
GOAL = 24  # pictures per second, at 360p
P = ParamSpec("P")
T = TypeVar("T")
NETWORK = "network, kernel and annealed mean"


def measure() -> list[Row]:
    colorizer = colorlib.load(device="cuda" if torch.cuda.is_available() else "cpu")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, size in SIZES.items():
            source = make_film(Path(folder) / f"{name}.mp4", size, 72)
            rows += whole_film(name, source, colorizer)
            rows += stages(name, source, colorizer)
        rows += smoothers(colorizer)
        rows += windows()
        rows += long_film(make_film(Path(folder) / "long.mp4", (64, 48), 10_000), colorizer)
    return rows


def make_film(path: Path, size: tuple[int, int], pictures: int) -> Path:
    """A camera that wanders over a photo."""
    photo = Image.fromarray(read_photo(bundled("validation", "landscape")[0].path))
    large = np.asarray(photo.resize((size[0] + 64, size[1] + 64), Image.Resampling.BICUBIC))
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=24, options={"preset": "veryfast"})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        for i in range(pictures):
            x, y = round(32 + 32 * np.sin(i / 20)), round(32 + 32 * np.cos(i / 31))
            crop = np.ascontiguousarray(large[y : y + size[1], x : x + size[0]])
            container.mux(video.encode(av.VideoFrame.from_ndarray(crop, format="rgb24")))
        container.mux(video.encode(None))
    return path


def whole_film(name: str, source: Path, colorizer: Colorizer) -> list[Row]:
    """Seconds per picture from file to file, by the paper's kernel and by what the shell does unless told otherwise."""
    seconds: dict[str, list[float]] = {"kernel": [], "steady": []}
    for _ in range(3):
        for method, times in seconds.items():
            video = VideoColorizer(colorizer, method=method)
            begin = time.perf_counter()
            report = colorize_film(source, source.with_name("new.mp4"), video, progress=False)
            times.append((time.perf_counter() - begin) / report.pictures)
    rows = []
    for method, times in seconds.items():
        row = row_of(f"{name}: a picture of a film, all in all ({method})", times[1:], seconds["kernel"][1:])
        row.note = f"{1 / row.median:.1f} pictures per second"
        if name == "360p":
            row.note += f"; {'at least' if 1 / row.median >= GOAL else 'LESS than'} the {GOAL} of the goal"
        rows.append(row)
    return rows


def stages(name: str, source: Path, colorizer: Colorizer) -> list[Row]:
    """Seconds per picture of each stage alone, and its share of their sum."""
    video = VideoColorizer(colorizer)
    with open_film(source) as film:
        decoding, pictures = timed(iter(film))
        parts: dict[str, list[float]] = {"decode": decoding, "shrink": [], NETWORK: [], "enlarge": []}
        painted = []
        for picture in pictures:
            luma = clocked(parts["shrink"], small_luma, picture.luma, colorizer.input_size)
            chroma = clocked(parts[NETWORK], video.chroma, luma)
            planes = clocked(parts["enlarge"], chroma_planes, picture.luma, luma, chroma)
            painted.append(Picture(picture.luma, picture.pts, planes))
        parts["encode"] = encoding(film, painted, source)
    total = sum(sum(seconds) for seconds in parts.values())
    return [
        row_of(f"{name}: {part}, alone", seconds, note=f"{sum(seconds) / total:.0%} of the sum")
        for part, seconds in parts.items()
    ]


def timed(pictures: Iterator[Picture]) -> tuple[list[float], list[Picture]]:
    """All pictures of a stream, and how long each took to come."""
    seconds: list[float] = []
    result: list[Picture] = []
    while True:
        begin = time.perf_counter()
        try:
            result.append(next(pictures))
        except StopIteration:
            return seconds, result
        seconds.append(time.perf_counter() - begin)


def clocked(seconds: list[float], function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """A function's result; how long it took goes to ``seconds``."""
    begin = time.perf_counter()
    result = function(*args, **kwargs)
    seconds.append(time.perf_counter() - begin)
    return result


def encoding(film: Film, painted: list[Picture], source: Path) -> list[float]:
    """Seconds per picture of the encoder; it works in batches, so only the mean means something."""
    writer = FilmWriter(source.with_name("encoded.mp4"), film, ENCODERS[".mp4"], 18)
    begin = time.perf_counter()
    for picture in painted:
        writer.write(picture)
    writer.finish()
    return [(time.perf_counter() - begin) / len(painted)] * len(painted)


def smoothers(colorizer: Colorizer) -> list[Row]:
    """One frame of 160 x 90 with each way of smoothing, on top of network and annealed mean."""
    film = [small_luma(np.roll(plane(), i, axis=1), colorizer.input_size) for i in range(30)]
    probabilities = [colorizer.probabilities(luma).cpu() for luma in film]

    def step(smoother: Smoother, frames: Iterator[tuple[Tensor, Tensor]]) -> object:
        return smoother(*next(frames))

    contestants: dict[str, Callable[[], object]] = {
        f"smoothing a frame: {name}": partial(step, make(0.2, 20), cycle(zip(probabilities, film, strict=True)))
        for name, make in SMOOTHERS.items()
    }
    contestants["for scale: the annealed mean"] = lambda: annealed_mean(probabilities[0], colorizer.bins.colors, 0.4)
    return race(contestants)


def plane() -> np.ndarray:
    """A luma plane of 640 x 360."""
    photo = Image.fromarray(read_photo(bundled("validation", "landscape")[0].path)).convert("L")
    return np.asarray(photo.resize((640, 360))) // 2 + 60


def windows() -> list[Row]:
    """The kernel's cost per frame as its window grows, beside the direct sum; maps of 32 x 40 x 24."""
    frame = torch.rand(32, 24, 40)
    contestants: dict[str, Callable[[], object]] = {}
    for window in (1, 10, 100, 1000):
        kernel = TemporalKernel(0.001, window)  # so little decay that all frames matter

        def frames_in_a_row(kernel: TemporalKernel = kernel) -> None:
            for _ in range(300):
                kernel(frame)

        contestants[f"300 frames, window {window}"] = frames_in_a_row
    past, weights = torch.rand(101, 32, 24, 40), torch.rand(101)

    def direct() -> None:
        for _ in range(300):
            torch.einsum("t,tnhw->nhw", weights, past)

    contestants["300 frames, direct sum, window 100"] = direct
    return race(contestants, rounds=3)


def long_film(source: Path, colorizer: Colorizer) -> list[Row]:
    """10,000 pictures: how much memory the second half needs beyond the first."""
    video, peaks, seconds = VideoColorizer(colorizer), [], []
    with open_film(source) as film:
        begin = time.perf_counter()
        for i, _ in enumerate(paint_all(iter(film), video, False), 1):
            if i % 1000 == 0:
                peaks.append(peak_memory())
                seconds.append((time.perf_counter() - begin) / 1000)
                begin = time.perf_counter()
    note = f"peak memory {peaks[0]:.0f} MB after 1,000 pictures, {peaks[-1]:.0f} MB after {1000 * len(peaks):,}"
    return [row_of("a picture of 64 x 48 in a film of 10,000", seconds, note=note)]


def peak_memory() -> float:
    """The most memory this process has had so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
