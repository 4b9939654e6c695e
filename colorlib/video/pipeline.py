"""A whole film, streamed: decoder, network and encoder work at the same time, each in a thread of its own.

The network looks at a small luma, and the two chrominance planes of a film are a quarter of its size each: the large
pictures themselves are only copied. That is what makes colouring faster than showing on an ordinary computer.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from math import ceil, inf
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any, NamedTuple, TypeVar

import av
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm

from colorlib.color.spaces import merge_luma_chroma
from colorlib.data.photos import as_rgb, fit
from colorlib.errors import ColorlibError
from colorlib.prediction.annealing import require_temperature
from colorlib.prediction.colorizer import Colorizer
from colorlib.prediction.hints import GuidedColorizer
from colorlib.prediction.upsampling import guided_filter_coefficients, upsample_and_merge
from colorlib.video.cuts import SceneCuts
from colorlib.video.encoder import ENCODERS
from colorlib.video.film import Film, Picture, open_film
from colorlib.video.frames import BLACK, BT601, WHITE, ColorStandard
from colorlib.video.lookahead import Lookahead, steady_color
from colorlib.video.motion import MotionKernel, SeedKernel
from colorlib.video.pieces import SECONDS, Pieces, keeping
from colorlib.video.smoothing import (
    ColorKernel,
    ConfidenceKernel,
    Smoother,
    StillKernel,
    TemporalKernel,
    published_alpha,
    smooth_colors,
)
from colorlib.video.tracks import assemble

T = TypeVar("T")


SMOOTHERS: dict[str, Callable[[float, float], Smoother]] = {
    "kernel": TemporalKernel,
    "exponential": lambda alpha, window: TemporalKernel(alpha, inf),
    "still": StillKernel,
    "published": lambda alpha, window: TemporalKernel(published_alpha(alpha), inf),
    "confidence": ConfidenceKernel,
    "motion": MotionKernel,
    "seeds": SeedKernel,
    "colors": ColorKernel,
}
METHODS: dict[str, Callable[[float, float], Smoother | Lookahead]] = SMOOTHERS | {
    "steady": lambda alpha, window: Lookahead(alpha),
}


class VideoColorizer:
    """Colours a film frame by frame, remembering what a smoother needs of the past.

    ``method`` names one of `METHODS`; ``window=0`` colours each frame by itself, whatever the method. With ``cuts``
    a new scene starts afresh. The method ``"steady"`` looks ahead, so it wants the whole film: `chromas`.

    >>> import colorlib
    >>> video = VideoColorizer(colorlib.load())
    >>> [video.colorize(np.full((40, 60), gray, np.uint8)).shape for gray in (100, 101)]
    [(40, 60, 3), (40, 60, 3)]
    """

    def __init__(
        self,
        colorizer: Colorizer,
        alpha: float = 0.2,
        window: float = 20,
        method: str = "kernel",
        temperature: float | None = None,
        cuts: bool = True,
    ):
        if method not in METHODS:
            raise ColorlibError(f"there is no way of smoothing called {method!r}; there are {', '.join(METHODS)}")
        if isinstance(colorizer, GuidedColorizer) and (colorizer.hints or colorizer.refined):
            raise ColorlibError(
                "hints, and colours that spread from sure pixels, are for photos: a film takes a palette only"
            )
        self.colorizer = colorizer
        self.temperature = require_temperature(colorizer.temperature if temperature is None else temperature)
        paper = TemporalKernel(alpha, window)  # also checks both numbers, whatever the method
        self.smoother = METHODS[method](alpha, window) if window > 0 else paper
        self.cuts = cuts
        # Plain numbers, which a file can keep; 20 and 20.0 are one window.
        self.settings = {"alpha": float(alpha), "window": str(float(window)), "method": method, "cuts": bool(cuts)}
        self.settings |= {"temperature": self.temperature, "model": fingerprint(colorizer)}
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new film begins."""
        self.smoother.reset()
        self.cut_detector = SceneCuts() if self.cuts else None
        self.cuts_found = 0
        self._shape: torch.Size | None = None

    @torch.inference_mode()
    def chroma(self, luma: Tensor) -> Tensor:
        """The next frame's luma (h, w) in [0, 1] -> its smoothed chrominance (2, h, w) on the CPU."""
        if isinstance(self.smoother, Lookahead):
            raise ColorlibError("the method 'steady' looks ahead: give it all frames, VideoColorizer.chromas(lumas)")
        if self._begins_scene(luma):
            self.smoother.reset()
        luma = luma.to(self.colorizer.device)
        probabilities, colors = self.colorizer.probabilities(luma), self.colorizer.bins.colors
        return smooth_colors(self.smoother, probabilities, luma, colors, self.temperature).cpu()

    @torch.inference_mode()
    def chromas(self, lumas: Iterable[Tensor]) -> Iterator[Tensor]:
        """The smoothed chrominance (2, h, w) of each luma (h, w) of a film, in turn."""
        if not isinstance(self.smoother, Lookahead):
            yield from map(self.chroma, lumas)
            return
        for luma in lumas:
            if self._begins_scene(luma):
                yield from map(self._color, self.smoother.flush())
            luma = luma.to(self.colorizer.device)
            yield from map(self._color, self.smoother.push(self.colorizer.probabilities(luma), luma))
        yield from map(self._color, self.smoother.flush())

    def _begins_scene(self, luma: Tensor) -> bool:
        """Whether the next frame has nothing to do with the last one: a cut, or another size."""
        cut = self.cut_detector is not None and self.cut_detector(luma)
        self.cuts_found += cut
        resized, self._shape = luma.shape != self._shape, luma.shape
        return cut or resized

    def _color(self, average: Tensor) -> Tensor:
        return steady_color(average, self.colorizer.bins.colors, self.temperature).cpu()

    def colorize(self, image: Any) -> np.ndarray:
        """The next frame, any image that `Colorizer.colorize` takes, in colour: uint8 (H, W, 3) at its own size."""
        rgb = as_rgb(image)
        luma = self.colorizer.input_luma(rgb)
        return upsample_and_merge(rgb, luma, self.chroma(luma))


@dataclass
class Report:
    """What became of a film: how many pictures were coloured and scene cuts seen, and in words what went wrong.

    Cuts are None where an interrupted run was gone on with: nobody counted those before.
    """

    pictures: int
    cuts: int | None
    problems: list[str]


def colorize_film(
    source: str | Path,
    target: str | Path,
    video: VideoColorizer,
    side_by_side: bool = False,
    quality: int = 18,
    progress: bool | None = True,
    resume: bool | None = None,
) -> Report:
    """Colour a film file. The new file appears under its name when it is complete, or not at all.

    What an interrupted run has finished is kept in a hidden folder beside the new file (see `pieces`).

    Args:
        source: any film that FFmpeg reads; colours that it already has are ignored.
        target: ends in .mp4, .m4v, .mov, .mkv or .webm; an existing file is replaced.
        video: the network and the way of smoothing; it forgets what it has seen before.
        side_by_side: the gray film at the left, the coloured one at the right.
        quality: the encoder's constant rate factor, 0 (best, largest) to 51; at 18 hardly any loss can be seen.
        progress: show a bar with the time left; None: only on a terminal.
        resume: go on with what an interrupted run has kept (True), or begin anew (False).

    Raises:
        ColorlibError: if the film cannot be read or the new one cannot be written, or if an interrupted run has kept
            something and ``resume`` does not say what to do with it.
    """
    source, target = Path(source), Path(target)
    _check_target(source, target, quality)
    video.reset()
    try:
        with (
            open_film(source) as film,
            keeping(target, _job(source, target, video, side_by_side, quality), resume) as kept,
        ):
            from_its_start = kept.end is None
            _color_pictures(film, video, kept, target, side_by_side, quality, progress)
            whole = kept.folder / f"whole{target.suffix}"
            problems = _problems(film, kept) + assemble(source, kept.files, film.time_base, whole)
            report = Report(kept.pictures, video.cuts_found if from_its_start else None, problems)
            whole.replace(target)
    except (av.error.FFmpegError, OSError) as error:
        raise ColorlibError(f"cannot write {target}: {error}") from error
    return report


def _color_pictures(
    film: Film,
    video: VideoColorizer,
    kept: Pieces,
    target: Path,
    side_by_side: bool,
    quality: int,
    progress: bool | None,
) -> None:
    """Colour the pictures that no kept piece has. The decoder runs ahead of the network, and it of the encoder."""
    begin = kept.end
    if target.suffix.lower() == ".webm":
        film.make_pixels_square()
    hidden = None if progress is None else not progress
    bar = tqdm(total=film.length, initial=kept.pictures, desc=film.path.name, unit=" pictures", disable=hidden)
    painted = ahead(paint_all(ahead(_from(film, video, begin)), video, side_by_side))
    with bar, closing(painted):
        new = (picture for picture in painted if begin is None or picture.pts > begin)
        for _ in kept.write(new, film, target, quality):
            bar.update()
    if not kept.done:
        raise ColorlibError(f"{film.path} holds no picture that can be decoded")


def _from(film: Film, video: VideoColorizer, end: int | None) -> Generator[Picture]:
    """The pictures after the last one that is kept, and before them those that the smoother needs to see again."""
    again = min(ceil(video.smoother.memory / film.rate), SECONDS) if video.smoother.memory < inf else SECONDS
    for picture in film:
        if end is None or picture.pts > end - again / film.time_base:
            yield picture


def paint_all(pictures: Generator[Picture], video: VideoColorizer, side_by_side: bool) -> Generator[Picture]:
    """Colour the pictures of a film. As many of them wait as the smoother looks ahead."""
    waiting: deque[Prepared] = deque()

    def lumas() -> Iterator[Tensor]:
        for picture in pictures:
            waiting.append(prepared(picture, video.colorizer.input_size))
            yield waiting[-1].luma

    with closing(pictures):
        for chroma in video.chromas(lumas()):
            yield paint_picture(waiting.popleft(), chroma, side_by_side)


class Prepared(NamedTuple):
    """A picture, its plane (H, W) of even sides, and the small luma (h, w) that the network sees of it."""

    picture: Picture
    plane: np.ndarray
    luma: Tensor


def prepared(picture: Picture, longest: int) -> Prepared:
    """A picture made ready. An odd side gains a repeated pixel, because chrominance has one value for 2 x 2 pixels."""
    missing = [(0, side % 2) for side in picture.luma.shape]
    plane = np.pad(picture.luma, missing, mode="edge") if (0, 1) in missing else np.ascontiguousarray(picture.luma)
    return Prepared(picture, plane, small_luma(plane, longest))


def paint_picture(ready: Prepared, chroma: Tensor, side_by_side: bool = False) -> Picture:
    """Give a picture its colours, predicted as chrominance (2, h, w) of its small luma."""
    picture, plane, luma = ready
    planes = chroma_planes(plane, luma, chroma, picture.standard)
    if side_by_side:
        plane = np.concatenate([plane, plane], axis=1)
        planes = np.concatenate([np.full_like(planes, 128), planes], axis=2)
    return Picture(plane, picture.pts, planes, picture.standard)


def small_luma(plane: np.ndarray, longest: int) -> Tensor:
    """The luma (h, w) in [0, 1] that the network sees of a plane (H, W): at most ``longest`` a side, by Lanczos."""
    return to_unit(torch.from_numpy(np.array(fit(plane, longest))))


def chroma_planes(plane: np.ndarray, luma: Tensor, chroma: Tensor, standard: ColorStandard = BT601) -> np.ndarray:
    """Chrominance (2, h, w) predicted on a small luma (h, w), at half the size of a plane (H, W) of even sides.

    Returns Cb and Cr of a colour standard, uint8 (2, H/2, W/2). As in `upsample_and_merge`, colour borders follow the
    film's own edges.
    """
    half = F.avg_pool2d(to_unit(torch.from_numpy(plane))[None], 2)
    lines = torch.cat(guided_filter_coefficients(luma, chroma))
    slope, offset = F.interpolate(lines[None], half.shape[-2:], mode="bilinear")[0].split(2)
    shown = merge_luma_chroma(half[0], slope * half + offset)  # which tones down what the luma cannot show
    red, green, blue = shown
    brightness = standard.red * red + (1 - standard.red - standard.blue) * green + standard.blue * blue
    cb = (blue - brightness) / (2 - 2 * standard.blue)
    cr = (red - brightness) / (2 - 2 * standard.red)
    return (128 + 224 * torch.stack([cb, cr])).round().to(torch.uint8).numpy()


def to_unit(plane: Tensor) -> Tensor:
    """A film's luma, 16 to 235, as float in [0, 1]."""
    return ((plane.float() - BLACK) / (WHITE - BLACK)).clamp(0, 1)


def ahead(items: Iterable[T], most: int = 8) -> Generator[T]:
    """The same items, produced in a thread of its own that runs at most ``most`` of them ahead.

    An exception comes out where its item would have; closing the generator ends the thread.

    >>> list(ahead(range(3)))
    [0, 1, 2]
    """
    ready: Queue[tuple[str, Any]] = Queue(most)
    wanted = Event()
    wanted.set()

    def produce() -> None:
        try:
            for item in items:
                ready.put(("item", item))
                if not wanted.is_set():
                    break
            ready.put(("end", None))
        except BaseException as error:
            ready.put(("error", error))
        finally:
            if isinstance(items, Generator):
                items.close()

    thread = Thread(target=produce, daemon=True)
    thread.start()
    try:
        while True:
            kind, value = ready.get()
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value
    finally:
        wanted.clear()
        while thread.is_alive():  # it may be waiting for room
            with suppress(Empty):
                ready.get(timeout=0.02)


def place_for(source: Path, out: Path) -> Path:
    """The coloured film's file: ``out`` itself or, where that is a folder, the film's own name in it.

    >>> place_for(Path("old.avi"), Path("new.mkv")).name
    'new.mkv'
    """
    if not out.is_dir():
        return out
    return out / (source.name if source.suffix.lower() in ENCODERS else source.stem + ".mp4")


def _check_target(source: Path, target: Path, quality: int) -> None:
    if target.suffix.lower() not in ENCODERS:
        raise ColorlibError(
            f"{target} must end in {', '.join(ENCODERS)}, the films that colorlib writes, or be a folder that is there"
        )
    if target.is_dir() or not target.parent.is_dir():
        raise ColorlibError(f"cannot write {target}: {'it is' if target.is_dir() else 'there is no such'} folder")
    if target.exists() and source.exists() and target.samefile(source):
        raise ColorlibError(f"{target} is the film itself: give the coloured one another name")
    if not 0 <= quality <= 51:
        raise ColorlibError(f"the quality must be between 0 (best) and 51, got {quality}")


def fingerprint(colorizer: Colorizer) -> str:
    """A short text that is another one for another network, other bins or another palette."""
    digest = hashlib.sha256(colorizer.bins.colors.cpu().numpy().tobytes())
    for tensor in colorizer.model.state_dict().values():
        digest.update(tensor.cpu().numpy().tobytes())
    if isinstance(colorizer, GuidedColorizer) and colorizer.reference:
        digest.update(colorizer.reference.shares.cpu().numpy().tobytes() + str(colorizer.reference.strength).encode())
    return f"{digest.hexdigest()[:16]} at {colorizer.input_size} by {colorizer.zoom}"


def _job(source: Path, target: Path, video: VideoColorizer, side_by_side: bool, quality: int) -> dict[str, Any]:
    """All that decides what the coloured pictures are."""
    about = source.stat()
    film = {"film": [source.name.encode("utf-8", "replace").decode(), about.st_size, about.st_mtime_ns]}
    kind = {"kind of film": ENCODERS[target.suffix.lower()][0], "side-by-side": bool(side_by_side)}
    kind |= {"quality": int(quality)}
    return film | kind | video.settings


def _problems(film: Film, kept: Pieces) -> list[str]:
    """In words, what was wrong with the pictures of a film."""
    problems = list(film.reader.notes)
    if film.clock.jumps:
        problems.append(f"the clock jumps {film.clock.jumps} times: what follows was moved to where the film was")
    if film.mended:
        problems.append(f"{film.mended} pictures had a time that was wrong: it was mended")
    if film.damaged:
        problems.append(f"{film.damaged} damaged pieces were left out")
    if film.video.frames > film.seen:
        problems.append(f"the film ends early: {film.seen} of {film.video.frames} pictures")
    return problems
