"""Small films of the kinds that people really have, made on the spot with PyAV and NumPy: nothing is downloaded.

Each function of `KINDS` writes one film into a folder and returns its path. All show a bright bar that wanders over a
gray ramp; those with sound hum at 440 Hz.
"""

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

RATE = 24
SOUND_RATE = 48_000
WIDTH, HEIGHT = 96, 64


def pictures(count: int, width: int = WIDTH, height: int = HEIGHT) -> Iterator[np.ndarray]:
    """Frames (H, W, 3) uint8: a bar that wanders over a ramp."""
    ramp = np.linspace(40, 200, width, dtype=np.uint8)[None, :, None].repeat(height, 0).repeat(3, 2)
    for i in range(count):
        frame = ramp.copy()
        frame[:, 3 * i % (width - 8) :][:, :8] = 230
        yield frame


def write(
    path: Path,
    codec: str = "libx264",
    sound: str | None = None,
    count: int = 48,
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    times: list[int] | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    aspect: Fraction | None = None,
    rotation: int = 0,
    colors: tuple[int, int, int] | None = None,
    before: Callable[[Any], None] | None = None,
    interlaced: bool = False,
    format: str | None = None,
) -> Path:
    """A film file. ``times`` are those that the packets get; ``colors`` are matrix, primaries and transfer."""
    with av.open(f"file:{path}", "w", format=format, options=container_options or {}) as out:
        video = out.add_stream(codec, rate=RATE, options=options or {})
        context = video.codec_context
        context.width, context.height, context.pix_fmt, context.time_base = *size, pixels, Fraction(1, RATE)
        if aspect:
            context.sample_aspect_ratio = aspect
        if colors:
            context.colorspace, context.color_primaries, context.color_trc = colors
            context.color_range = 1
        if rotation:
            video.set_display_rotation(rotation)
        audio = out.add_stream(sound, rate=SOUND_RATE, layout="stereo") if sound else None
        resampler: av.AudioResampler | None = None
        if before:
            before(out)
        if audio is not None:
            audio.codec_context.open()
        for i, picture in enumerate(pictures(count, *size)):
            if interlaced and i % 2:  # the lower field shows the next moment
                picture[1::2] = np.roll(picture, 9, axis=1)[1::2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = i, Fraction(1, RATE)
            for packet in video.encode(frame):
                if times:
                    packet.pts = packet.dts = times[i]
                out.mux(packet)
            if audio is not None:
                resampler = resampler or av.AudioResampler(
                    audio.format, audio.layout, SOUND_RATE, audio.codec_context.frame_size or None
                )
                out.mux([packet for part in resampler.resample(_hum(i)) for packet in audio.encode(part)])
        out.mux(video.encode(None))
        if audio is not None and resampler is not None:
            for part in [*resampler.resample(None), None]:
                out.mux(audio.encode(part))
    return path


def _hum(i: int) -> av.AudioFrame:
    """The sound of one frame."""
    length = SOUND_RATE // RATE
    wave = 8000 * np.sin(2 * np.pi * 440 * np.arange(i * length, (i + 1) * length) / SOUND_RATE)
    sample = av.AudioFrame.from_ndarray(wave.astype(np.int16).repeat(2)[None], format="s16", layout="stereo")
    sample.rate, sample.pts, sample.time_base = SOUND_RATE, i * length, Fraction(1, SOUND_RATE)
    return sample


def tape(folder: Path) -> Path:
    """A capture with PCM sound, which .mp4 and .webm cannot hold."""
    return write(folder / "tape.avi", "mjpeg", "pcm_s16le", pixels="yuvj420p")


def camera(folder: Path) -> Path:
    """A camera's .mov with AAC, which .webm cannot hold."""
    return write(folder / "camera.mov", sound="aac")


def broadcast(folder: Path) -> Path:
    """A recording whose clock has run for eleven hours."""
    return write(folder / "broadcast.ts", "mpeg2video", "mp2", container_options={"output_ts_offset": "40000"})


def joined(folder: Path) -> Path:
    """Two recordings end to end: the clock starts again in the middle."""
    whole = write(folder / "part.ts", "mpeg2video", "mp2")
    path = folder / "joined.ts"
    path.write_bytes(whole.read_bytes() * 2)
    whole.unlink()
    return path


def joined_silent(folder: Path) -> Path:
    """The same without sound."""
    whole = write(folder / "part.ts", "mpeg2video")
    path = folder / "joined_silent.ts"
    path.write_bytes(whole.read_bytes() * 2)
    whole.unlink()
    return path


def jump(folder: Path) -> Path:
    """Two recordings end to end, the second an hour later by its clock."""
    path = folder / "jump.ts"
    data = b""
    for offset in ("0", "3600"):
        part = write(folder / "part.ts", "mpeg2video", "mp2", container_options={"output_ts_offset": offset})
        data += part.read_bytes()
        part.unlink()
    path.write_bytes(data)
    return path


def repeated(folder: Path) -> Path:
    """Frames whose times repeat."""
    times = [i - (i in (7, 8, 20)) for i in range(48)]
    return write(folder / "repeated.mkv", "mjpeg", pixels="yuvj420p", times=times)


def trimmed(folder: Path) -> Path:
    """A clip cut without encoding: an edit list hides what lies before its beginning."""
    whole = write(folder / "whole.mp4", sound="aac", options={"g": "100", "bf": "0"})
    path = folder / "trimmed.mp4"
    with av.open(str(whole)) as source, av.open(str(path), "w") as out:
        copies = {stream.index: out.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.size:
                ticks = round(Fraction(7, 10) / packet.time_base)
                packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    whole.unlink()
    return path


def interlaced(folder: Path) -> Path:
    """A capture of which each frame holds two fields."""
    options = {"flags": "+ildct+ilme", "b": "2M"}
    return write(folder / "interlaced.mpg", "mpeg2video", options=options, interlaced=True)


def equipped(folder: Path) -> Path:
    """Chapters, a font, a time code, a language, and a title."""

    def add(out: Any) -> None:
        out.add_attachment("letters.ttf", "font/ttf", b"no real font")
        base = Fraction(1, 1000)
        out.set_chapters(
            [
                {"id": 1, "start": 0, "end": 900, "time_base": base, "metadata": {"title": "The sea"}},
                {"id": 2, "start": 900, "end": 2000, "time_base": base, "metadata": {"title": "The hills"}},
            ]
        )
        out.metadata["title"] = "A holiday"
        out.streams.video[0].metadata["timecode"] = "01:02:03:04"
        out.streams.audio[0].metadata["language"] = "gle"

    return write(folder / "equipped.mkv", sound="aac", before=add)


def hlg(folder: Path) -> Path:
    """A phone's HDR film: hybrid log-gamma, BT.2020, ten bits."""
    path = folder / "hlg.mp4"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx265", rate=RATE, options={"x265-params": "log-level=none"})
        context = video.codec_context
        context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p10le"
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 9, 9, 18, 1
        for _ in range(6):
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p10le")
            for plane, value in zip(frame.planes, (720, 512, 512)):  # reference white
                plane.update(np.full(plane.buffer_size // 2, value, np.uint16).tobytes())
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return path


def high_definition(folder: Path) -> Path:
    """An HD film without colour tags, as most are."""
    return write(folder / "hd.mp4", count=3, size=(1280, 720), options={"preset": "ultrafast"})


def tagged(folder: Path) -> Path:
    """A small film whose tags say BT.709."""
    return write(folder / "tagged.mp4", colors=(1, 1, 1))


def on_its_side(folder: Path) -> Path:
    """A phone held upright, its pixels oblong."""
    return write(folder / "side.mov", rotation=90, aspect=Fraction(16, 11))


def odd_name(folder: Path) -> Path:
    """A name with what shells, URLs and FFmpeg's patterns give a meaning to."""
    return write(folder / "concat:a|b %03d 'q\" \u6f22\n.mp4")


def old_encoding(folder: Path) -> Path:
    """A name in an encoding of the last century."""
    return write(folder / os.fsdecode(b"caf\xe9.mp4"))


def playlist(folder: Path) -> Path:
    """A script that makes FFmpeg read another film, under a film's name."""
    write(folder / "private.mp4", count=6)
    path = folder / "playlist.mp4"
    path.write_text("ffconcat version 1.0\nfile private.mp4\n")
    return path


def hls(folder: Path) -> Path:
    """A list of pieces, as web players have them."""
    piece = write(folder / "piece.ts", "mpeg2video", count=6)
    path = folder / "list.m3u8"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{piece}\n#EXT-X-ENDLIST\n")
    return path


def cover(folder: Path) -> Path:
    """A film with a cover, and a second film within it."""
    plain = write(folder / "plain.mp4", sound="aac")
    path = folder / "cover.mp4"
    with av.open(str(plain)) as source, av.open(str(path), "w") as out:
        pairs = [(stream, out.add_stream_from_template(stream)) for stream in source.streams]
        pairs += [(source.streams.video[0], out.add_stream_from_template(source.streams.video[0]))]
        picture = out.add_stream("mjpeg", rate=1)
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        picture.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(next(pictures(1)), format="rgb24").reformat(format="yuvj420p")
        out.mux([*picture.encode(frame), *picture.encode(None)])
        for old, new in pairs:
            source.seek(0)
            for packet in source.demux(old):
                if packet.size:
                    packet.stream = new
                    out.mux(packet)
    plain.unlink()
    return path


def growing(folder: Path) -> Path:
    """A recording whose size changes half-way."""
    data = b""
    for size in ((WIDTH, HEIGHT), (WIDTH // 2, HEIGHT // 2)):
        part = write(folder / "part.ts", "mpeg2video", size=size, count=24)
        data += part.read_bytes()
        part.unlink()
    path = folder / "sizes.ts"
    path.write_bytes(data)
    return path


KINDS = {
    function.__name__: function
    for function in (
        [tape, camera, broadcast, joined, joined_silent, jump, repeated, trimmed, interlaced, equipped, hlg]
        + [high_definition, tagged, on_its_side, odd_name, old_encoding, playlist, hls, cover, growing]
    )
}
