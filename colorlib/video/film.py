"""Film files in: any common container is read as a stream of lumas, one picture at a time.

Only a film's luma is read, and written back as it was; its colours are what we make. A long film needs no more memory
than a short one.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from colorlib.errors import ColorlibError
from colorlib.video.clock import Clock, Growing
from colorlib.video.frames import BT601, SEE_THROUGH, ColorStandard, LumaReader

# Files that hold their own pictures and sound. Not among them: playlists and scripts (HLS, DASH, concat, SDP …), which
# name other files to be read, and formats that take any text or photo for a film.
FORMATS = (
    "matroska,webm,mov,mp4,avi,mpegts,mpegtsraw,mpeg,mpegvideo,asf,asf_o,flv,live_flv,kux,ogg,dv,mxf,rm,nut,wtv,gxf,lxf,"
    "ivf,obu,av1,h261,h263,h264,hevc,vvc,m4v,vc1,dirac,cavsvideo,mjpeg,mjpeg_2000,yuv4mpegpipe,gif,apng,swf,nuv,nsv,"
    "roq,smk,bink,flic,amv,film_cpk,ty,pva,psxstr,mv,mm,vivo,wc3movie,idcin,iv8,c93,bethsoftvid,avs,r3d,paf,4xm"
)
GAP = 10.0  # seconds without a packet after which a broadcast's clock is thought to have jumped


@dataclass
class Picture:
    """One picture of a film, upright.

    ``luma`` (H, W) is uint8, 16 black to 235 white; ``chroma`` (2, H/2, W/2) is uint8, Cb and Cr with 128 for none, or
    None as long as nobody has made any. ``pts`` is when it is shown, in units of the film's time base; ``standard``
    says how players make colours of it.
    """

    luma: np.ndarray
    pts: int
    chroma: np.ndarray | None = None
    standard: ColorStandard = BT601


@dataclass
class Film:
    """An open film. Iterating gives its pictures; what was wrong with it is counted on the way."""

    path: Path
    container: av.container.InputContainer
    video: av.VideoStream
    clock: Clock = field(default_factory=Clock)
    reader: LumaReader = field(default_factory=LumaReader)
    damaged: int = 0
    seen: int = 0  # packets of pictures, whether shown or not
    mended: int = 0

    @property
    def time_base(self) -> Fraction:
        """The unit of its pictures' times, in seconds."""
        return self.video.time_base or Fraction(1, 1000)

    @property
    def rate(self) -> Fraction:
        """Pictures per second, on average."""
        rates = (self.video.average_rate, self.video.guessed_rate)
        return next((rate for rate in rates if rate and 0 < rate <= 1000), Fraction(25))

    @property
    def length(self) -> int | None:
        """How many pictures the file claims to hold, or None where it does not say."""
        if self.video.frames > 0:
            return self.video.frames
        duration = self.container.duration or 0  # microseconds
        return round(duration / 1_000_000 * self.rate) if duration > 0 else None

    @property
    def aspect(self) -> Fraction | None:
        """The width of a pixel of the upright picture, in heights, where the file says it."""
        aspect = self.video.sample_aspect_ratio if self.reader.stretch == 1 else None
        return 1 / aspect if aspect and self.reader.quarter_turns % 2 else aspect or None

    def make_pixels_square(self) -> None:
        """Widen pictures whose pixels are oblong, for files that cannot say so."""
        aspect = self.video.sample_aspect_ratio
        if aspect and aspect != 1 and 0.1 < aspect < 10:
            self.reader.stretch = aspect
            self.reader.notes["its pixels are oblong, which such a file cannot say: the pictures were widened"] = None

    def __iter__(self) -> Generator[Picture]:
        times = Growing[np.ndarray](round(1 / self.rate / self.time_base))
        for stamp, luma, base in self._lumas():
            pts = None if stamp is None else round(stamp * base / self.time_base)
            yield from self._pictures(times.push(pts, luma))
        yield from self._pictures(times.flush())
        self.mended += times.mended

    def _pictures(self, timed: Iterator[tuple[int, np.ndarray]]) -> Iterator[Picture]:
        for pts, luma in timed:
            yield Picture(luma, pts, standard=self.reader.standard)

    def _lumas(self) -> Iterator[tuple[int | None, np.ndarray, Fraction]]:
        """The decoded lumas. What is damaged is counted and left out, as a player would."""
        for packet in self.packets():
            if packet is not None and packet.stream.index != self.video.index:
                continue
            try:
                for frame in self.video.decode(packet):
                    frame.time_base = self.time_base  # the last frames of a decoder bear another
                    yield from self.reader.read(frame)
            except (av.error.FFmpegError, MemoryError):
                self.damaged += 1
        yield from self.reader.flush()

    def packets(self) -> Iterator[Any]:
        """What the file holds, all streams on one clock; at the end None: the decoder still has frames then."""
        try:
            for packet in _demuxed(self.container):
                if packet.stream.index == self.video.index and packet.dts is not None:
                    self.seen += 1
                if packet.size:  # an empty one would tell a decoder that the film is over
                    self.clock.mend(packet)
                    yield packet
        except av.error.FFmpegError:
            self.damaged += 1
        yield None


@contextmanager
def open_film(path: str | Path) -> Generator[Film]:
    """Open a film for reading. It can make no other file be opened, and nothing be fetched.

    Raises:
        ColorlibError: naming the file, if it is missing, no film, or holds no moving pictures.
    """
    path = Path(path)
    if path.is_dir():
        raise ColorlibError(f"{path} is a folder, not a film")
    try:
        container = av.open(url_of(path), options=SAFE, metadata_errors="replace")
    except FileNotFoundError as error:
        raise ColorlibError(f"{path} does not exist") from error
    except PermissionError as error:
        raise ColorlibError(f"{path} may not be read: permission denied") from error
    except (av.error.FFmpegError, OSError, ValueError, MemoryError) as error:
        raise ColorlibError(
            f"{path} is not a film that can be read, or its beginning or index is lost (playlists are not followed)"
        ) from error
    with container:
        videos = [stream for stream in container.streams.video if not is_cover(stream)]
        if not videos:
            raise ColorlibError(f"{path} holds no moving pictures")
        video = videos[0]
        if video.codec_context is None:
            raise ColorlibError(f"{path} holds pictures of a kind that FFmpeg cannot decode")
        video.thread_type = "AUTO"
        start = max(0.0, (container.start_time or 0) / 1_000_000)
        discontinuous: Any = av.format.Flags.ts_discont
        jumpy = container.format.flags & discontinuous.value
        film = Film(path, container, video, Clock(start, GAP if jumpy else float("inf")))
        if "1" in (video.metadata.get("alpha_mode"), video.metadata.get("ALPHA_MODE")):  # of WebM, beside the pictures
            film.reader.notes[SEE_THROUGH] = None
        yield film


def _demuxed(container: Any) -> Iterator[Any]:
    """A film's packets. After the last one PyAV may trip over a stream that a damaged film began in the middle."""
    with suppress(IndexError):
        yield from container.demux()


SAFE = {"protocol_whitelist": "file", "format_whitelist": FORMATS}


def url_of(path: Path) -> str:
    """A file's name as FFmpeg takes it: never as a protocol's, whatever characters it holds."""
    return f"file:{path}"


def is_cover(stream: Any) -> bool:
    """Whether a stream of pictures is the film's cover, a single picture."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)
