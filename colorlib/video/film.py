"""Film files in and out: any common container is read as a stream of lumas, and H.264 or VP9 is written.

Only a film's luma is read, and written back as it was; its colours are what we make. Sound and subtitles are copied.
Pictures pass through one at a time, so a long film needs no more memory than a short one.
"""

import io
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from colorlib.errors import ColorlibError

if TYPE_CHECKING:
    import av

H264 = "libx264", {"preset": "veryfast"}
VP9 = "libvpx-vp9", {"b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"}
ENCODERS = {".mp4": H264, ".m4v": H264, ".mov": H264, ".mkv": H264, ".webm": VP9}
BLACK, WHITE = 16, 235  # of a film's luma; its chrominance has 128 for gray and spans 16 to 240
DIRECT = {"yuv420p", "yuv422p", "yuv444p", "nv12"}  # pixel formats whose first plane is such a luma
NOT_OURS = {"major_brand", "minor_version", "compatible_brands", "encoder"}  # notes about the old file, not the film


@dataclass
class Picture:
    """One picture of a film, upright.

    ``luma`` (H, W) is uint8, 16 black to 235 white; ``chroma`` (2, H/2, W/2) is uint8, Cb and Cr with 128 for none, or
    None as long as nobody has made any. ``pts`` is when it is shown, in units of the film's time base.
    """

    luma: np.ndarray
    pts: int
    chroma: np.ndarray | None = None


@dataclass
class Film:
    """An open film. Iterating gives its pictures and, as they come, the packets of sound and subtitles to be copied."""

    path: Path
    container: "av.container.InputContainer"
    video: "av.VideoStream"
    copied: list[Any] = field(default_factory=list)
    damaged: int = 0

    @property
    def time_base(self) -> Fraction:
        return self.video.time_base or Fraction(1, 1000)

    @property
    def rate(self) -> Fraction:
        """Pictures per second, on average."""
        return self.video.average_rate or self.video.guessed_rate or Fraction(25)

    @property
    def length(self) -> int | None:
        """How many pictures the file claims to hold, or None where it does not say."""
        if self.video.frames:
            return self.video.frames
        return round(self.container.duration / 1_000_000 * self.rate) if self.container.duration else None

    def __iter__(self) -> "Iterator[Picture | av.Packet[Any]]":
        packets = pyav().Packet
        last: int | None = None
        step = max(1, round(1 / self.rate / self.time_base))
        for frame in self._decoded():
            if isinstance(frame, packets):
                yield frame
                continue
            pts = frame.pts if frame.pts is not None else 0 if last is None else last + step
            last = pts if last is None else max(pts, last + 1)  # players need times that grow
            yield Picture(luma_plane(frame), last)

    def _decoded(self) -> Iterator[Any]:
        """Decoded frames and packets to copy. What is damaged is counted and left out, as a player would."""
        for packet in self._packets():
            if packet is not None and packet.stream.index != self.video.index:
                yield packet
                continue
            try:
                yield from self.video.decode(packet)
            except pyav().error.FFmpegError:
                self.damaged += 1

    def _packets(self) -> Iterator[Any]:
        """What the file holds, and at the end None: the decoder still has frames then."""
        try:
            for packet in self.container.demux([self.video, *self.copied]):
                if packet.size and (packet.dts is not None or packet.stream.index == self.video.index):
                    yield packet
        except pyav().error.FFmpegError:
            self.damaged += 1
        yield None


@contextmanager
def open_film(path: str | Path) -> "Generator[Film]":
    """Open a film for reading.

    Raises:
        ColorlibError: naming the file, if it is missing, no film, or holds no moving pictures; or without PyAV.
    """
    av = pyav()
    path = Path(path)
    if path.is_dir():
        raise ColorlibError(f"{path} is a folder, not a film")
    try:
        container = av.open(str(path), metadata_errors="replace")
    except FileNotFoundError as error:
        raise ColorlibError(f"{path} does not exist") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise ColorlibError(f"{path} is not a film that can be read, or its beginning or index is lost") from error
    with container:
        covers = av.stream.Disposition.attached_pic
        videos = [stream for stream in container.streams.video if not stream.disposition & covers]
        if not videos:
            raise ColorlibError(f"{path} holds no moving pictures")
        videos[0].thread_type = "AUTO"
        yield Film(path, container, videos[0])


def luma_plane(frame: "av.VideoFrame") -> np.ndarray:
    """The luma of a decoded frame, uint8 (H, W), 16 black to 235 white, turned upright."""
    if frame.format.name not in DIRECT or frame.color_range == 2:  # RGB, ten bits, 0 to 255: FFmpeg converts
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU601", dst_color_range="MPEG")
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return np.rot90(rows[:, : plane.width], round(frame.rotation / 90))


class FilmWriter:
    """Encodes pictures and copies the sound and subtitles of a film into a new file.

    ``left_out`` names the streams that a file of this kind cannot hold.
    """

    def __init__(self, path: Path, film: Film, quality: int):
        encoder, options = ENCODERS[path.suffix.lower()]
        self.film = film
        index_first = {} if path.suffix.lower() in (".mkv", ".webm") else {"movflags": "+faststart"}
        self.container = pyav().open(str(path), "w", options=index_first)
        self.video = self.container.add_stream(encoder, rate=film.rate, options=options | {"crf": str(quality)})
        self.copies: dict[int, Any] = {}
        self.left_out: list[str] = []
        self.early: list[Any] = []
        self.begun = False
        for stream in film.container.streams:
            if stream.type in ("audio", "subtitle"):
                self._copy(stream)
        film.copied = [film.container.streams[index] for index in self.copies]
        notes = {key: text for key, text in film.container.metadata.items() if key not in NOT_OURS}
        self.container.metadata.update(notes | {"comment": "colours predicted by colorlib"})

    def write(self, item: "Picture | av.Packet[Any]") -> None:
        """Encode a coloured picture, or copy a packet of another stream."""
        if isinstance(item, Picture):
            self._encode(item)
        elif self.begun:
            item.stream = self.copies[item.stream.index]
            self.container.mux(item)
        else:  # the file's header needs the size of the first picture
            self.early.append(item)

    def finish(self) -> None:
        """Write what the encoder still holds back, and the file's index."""
        self.container.mux(self.video.encode(None))
        self.container.close()

    def _encode(self, picture: Picture) -> None:
        assert picture.chroma is not None
        height, width = picture.luma.shape
        planes = np.concatenate([picture.luma.reshape(-1), picture.chroma.reshape(-1)]).reshape(height * 3 // 2, width)
        frame = pyav().VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = picture.pts, self.film.time_base
        if not self.begun:
            self._begin(width, height)
        self.container.mux(self.video.encode(frame))

    def _copy(self, stream: Any) -> None:
        if stream.codec_context is None or not can_hold(self.container.format.name, stream):
            self.left_out.append(f"{stream.type} ({stream.codec_context.name if stream.codec_context else 'unknown'})")
            return
        copy = self.container.add_stream_from_template(stream, opaque=True)
        copy.metadata.update(stream.metadata)
        copy.disposition = stream.disposition
        self.copies[stream.index] = copy

    def _begin(self, width: int, height: int) -> None:
        """Tell the encoder the size, the clock, and that the colours are those of BT.601, the paper's YUV."""
        self.begun = True
        context = self.video.codec_context
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base = self.film.time_base
        context.colorspace, context.color_range = 6, 1
        if self.film.video.sample_aspect_ratio:  # pixels that are not square
            context.sample_aspect_ratio = self.film.video.sample_aspect_ratio
        for packet in self.early:
            self.write(packet)


def can_hold(format: str, stream: Any) -> bool:
    """Whether files of a format can hold a stream as it is: tried in memory, because no list tells for sure."""
    av = pyav()
    if format == "mp4" and stream.codec_context.name.startswith("pcm"):
        return False  # allowed on paper, but FFmpeg fails only when it is too late, and hardly any player knows it
    try:
        with av.open(io.BytesIO(), "w", format=format) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError):
        return False
    return True


def encode_clip(frames: np.ndarray, rate: int = 12) -> bytes:
    """A short film, uint8 RGB (t, H, W, 3), as an H.264 file in memory; equal films give equal bytes."""
    av = pyav()
    height, width = (side - side % 2 for side in frames.shape[1:3])
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=rate, options={"crf": "23", "preset": "slow", "threads": "1"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="rgb24")
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
    return data.getvalue()


def pyav() -> Any:
    """PyAV, which brings FFmpeg; an optional extra of colorlib."""
    try:
        import av
    except ImportError as error:
        raise ColorlibError("films need PyAV: install it with  pip install 'colorlib[video]'") from error
    return av
