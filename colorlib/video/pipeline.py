"""A whole film, streamed: decoder, network and encoder work at the same time, each in a thread of its own.

The network looks at a small luma, and the two chrominance planes of a film are a quarter of its size each: the large
pictures themselves are only copied. That is what makes colouring faster than showing on an ordinary computer.
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from colorlib.color.spaces import join, rgb_to_yuv
from colorlib.data.photos import as_rgb
from colorlib.errors import ColorlibError
from colorlib.files import atomic_write
from colorlib.prediction.annealing import annealed_mean
from colorlib.prediction.colorizer import Colorizer
from colorlib.prediction.upsampling import local_linear_model, paint
from colorlib.video.cuts import SceneCuts
from colorlib.video.film import BLACK, ENCODERS, WHITE, FilmWriter, Picture, open_film, pyav
from colorlib.video.motion import MotionKernel, SeedKernel
from colorlib.video.smoothing import ConfidenceKernel, Smoother, TemporalKernel, published_alpha

if TYPE_CHECKING:
    import av

T = TypeVar("T")
CHROMA_STEPS = torch.tensor([224 / (2 * 0.436), 224 / (2 * 0.615)])[:, None, None]  # from U, V to Cb, Cr


SMOOTHERS: dict[str, Callable[[float, float], Smoother]] = {
    "kernel": TemporalKernel,
    "exponential": lambda alpha, window: TemporalKernel(alpha, inf),
    "published": lambda alpha, window: TemporalKernel(published_alpha(alpha), inf),
    "confidence": ConfidenceKernel,
    "motion": MotionKernel,
    "seeds": SeedKernel,
}


class VideoColorizer:
    """Colours a film frame by frame, remembering what a smoother needs of the past.

    ``method`` names one of `SMOOTHERS`; ``window=0`` colours each frame by itself, whatever the method. With ``cuts``
    a new scene starts afresh.

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
        if method not in SMOOTHERS:
            raise ColorlibError(f"there is no way of smoothing called {method!r}; there are {', '.join(SMOOTHERS)}")
        self.colorizer = colorizer
        self.temperature = colorizer.temperature if temperature is None else temperature
        if not 0 <= self.temperature < inf:
            raise ColorlibError(f"the temperature must be a number of 0 or more, got {self.temperature}")
        paper = TemporalKernel(alpha, window)  # also checks both numbers, whatever the method
        self.smoother: Smoother = SMOOTHERS[method](alpha, window) if window > 0 else paper
        self.cuts = cuts
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
        cut = self.cut_detector is not None and self.cut_detector(luma)
        self.cuts_found += cut
        if cut or luma.shape != self._shape:
            self.smoother.reset()
            self._shape = luma.shape
        luma = luma.to(self.colorizer.device)
        smoothed = self.smoother(self.colorizer.probabilities(luma), luma)
        return annealed_mean(smoothed.log(), self.colorizer.bins.colors, self.temperature).cpu()

    def colorize(self, image: Any) -> np.ndarray:
        """The next frame, any image that `Colorizer.colorize` takes, in colour: uint8 (H, W, 3) at its own size."""
        rgb = as_rgb(image)
        luma = self.colorizer.frame_of(rgb)
        return paint(rgb, luma, self.chroma(luma))


@dataclass
class Report:
    """What became of a film: how many pictures were coloured and scene cuts seen, and in words what went wrong."""

    pictures: int
    cuts: int
    problems: list[str]


def colorize_film(
    source: str | Path,
    target: str | Path,
    video: VideoColorizer,
    side_by_side: bool = False,
    quality: int = 18,
    progress: bool | None = True,
) -> Report:
    """Colour a film file. The new file appears under its name when it is complete, or not at all.

    Args:
        source: any film that FFmpeg reads; colours that it already has are ignored.
        target: ends in .mp4, .m4v, .mov, .mkv or .webm; an existing file is replaced.
        video: the network and the way of smoothing; it forgets what it has seen before.
        side_by_side: the gray film at the left, the coloured one at the right.
        quality: the encoder's constant rate factor, 0 (best, largest) to 51; at 18 hardly any loss can be seen.
        progress: show a bar with the time left; None: only on a terminal.

    Raises:
        ColorlibError: if the film cannot be read or the new one cannot be written.
    """
    source, target = Path(source), Path(target)
    _check_target(source, target, quality)
    video.reset()
    pictures = 0
    hidden = None if progress is None else not progress
    try:
        with atomic_write(target) as partial, open_film(source) as film:
            writer = FilmWriter(partial, film, quality)
            # The decoder runs ahead of the network, and the network of the encoder, by a few pictures.
            painted = ahead(paint_all(ahead(iter(film)), video, side_by_side))
            bar = tqdm(total=film.length, desc=source.name, unit=" pictures", disable=hidden)
            with writer.container, bar, closing(painted):
                for item in painted:
                    writer.write(item)
                    if isinstance(item, Picture):
                        pictures += 1
                        bar.update()
                if not pictures:
                    raise ColorlibError(f"{source} holds no picture that can be decoded")
                writer.finish()
            problems = _problems(film.damaged, film.video.frames, pictures, writer)
    except (pyav().error.FFmpegError, OSError) as error:
        raise ColorlibError(f"cannot write {target}: {error}") from error
    return Report(pictures, video.cuts_found, problems)


def paint_all(
    items: "Generator[Picture | av.Packet[Any]]", video: VideoColorizer, side_by_side: bool
) -> "Generator[Picture | av.Packet[Any]]":
    """Colour the pictures of a stream; what is not a picture passes through."""
    with closing(items):
        for item in items:
            yield paint_picture(item, video, side_by_side) if isinstance(item, Picture) else item


def paint_picture(picture: Picture, video: VideoColorizer, side_by_side: bool = False) -> Picture:
    """Colour one picture. An odd side gains a repeated pixel, because chrominance has one value for 2 x 2 pixels."""
    plane = np.pad(picture.luma, [(0, side % 2) for side in picture.luma.shape], mode="edge")
    luma = small_luma(plane, video.colorizer.frame)
    chroma = chroma_planes(plane, luma, video.chroma(luma))
    if side_by_side:
        plane = np.concatenate([plane, plane], axis=1)
        chroma = np.concatenate([np.full_like(chroma, 128), chroma], axis=2)
    return Picture(plane, picture.pts, chroma)


def small_luma(plane: np.ndarray, longest: int) -> Tensor:
    """The luma (h, w) in [0, 1] that the network sees of a plane (H, W): at most ``longest`` a side, by Lanczos."""
    height, width = plane.shape
    scale = min(1.0, longest / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return to_unit(torch.from_numpy(np.array(Image.fromarray(plane).resize(size, Image.Resampling.LANCZOS))))


def chroma_planes(plane: np.ndarray, luma: Tensor, chroma: Tensor) -> np.ndarray:
    """Chrominance (2, h, w) predicted on a small luma (h, w), at half the size of a plane (H, W) of even sides.

    Returns Cb and Cr, uint8 (2, H/2, W/2). As in `paint`, colour borders follow the film's own edges.
    """
    half = F.avg_pool2d(to_unit(torch.from_numpy(plane))[None], 2)
    lines = torch.cat(local_linear_model(luma, chroma))
    slope, offset = F.interpolate(lines[None], half.shape[-2:], mode="bilinear")[0].split(2)
    shown = rgb_to_yuv(join(half[0], slope * half + offset))[1:]  # join tones down what the luma cannot show
    return (128 + CHROMA_STEPS * shown).round().to(torch.uint8).numpy()


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
        raise ColorlibError(f"{target} must end in {', '.join(ENCODERS)}: these are the films that colorlib writes")
    if target.is_dir() or not target.parent.is_dir():
        raise ColorlibError(f"cannot write {target}: {'it is' if target.is_dir() else 'there is no such'} folder")
    if target.exists() and source.exists() and target.samefile(source):
        raise ColorlibError(f"{target} is the film itself: give the coloured one another name")
    if not 0 <= quality <= 51:
        raise ColorlibError(f"the quality must be between 0 (best) and 51, got {quality}")


def _problems(damaged: int, announced: int, pictures: int, writer: FilmWriter) -> list[str]:
    problems = [f"left out: {what}, which {writer.video.container.format.name} cannot hold" for what in writer.left_out]
    if damaged:
        problems.append(f"{damaged} damaged pieces were left out")
    if announced > pictures + damaged:
        problems.append(f"the film ends early: {pictures} of {announced} pictures")
    return problems
