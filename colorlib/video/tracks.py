"""What a film holds beside its pictures: sound, subtitles, chapters, fonts, the cover, the time code.

All of it goes into the new file as it is. Sound and texts that such a file cannot hold are encoded anew; what can be
kept in no way is named.
"""

import heapq
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from colorlib.video.clock import Growing
from colorlib.video.film import Film, is_cover, open_film, url_of

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
SOUND = {"webm": ("libopus", 64_000)}  # the encoder, and its bits per second and channel; elsewhere AAC
TEXTS = {"mp4": "mov_text", "mov": "mov_text", "webm": "webvtt"}  # how subtitles are written that are no pictures
NOT_OURS = {"major_brand", "minor_version", "compatible_brands", "encoder"}  # notes about the old file, not the film
# Likewise, and not true of the new one.
OLD_TRACK = {"handler_name", "vendor_id", "encoder", "duration", "rotate", "alpha_mode"}
MOST_CHANNELS = 8
PRIMING = 0.05  # seconds of sound before its beginning that decoders need; a trimmed clip may hide more


class Track:
    """A stream of the old file on its way into the new one, packet by packet, bit by bit the same."""

    def __init__(self, stream: Any, out: av.container.OutputContainer):
        self.out: Any = out.add_stream_from_template(stream, opaque=True)
        self.base: Fraction = stream.time_base

    def packets(self, packet: Any) -> Iterator[Any]:
        """The packets of the new file that follow from the next one of the old; None: its end."""
        early = packet is not None and packet.is_discard and packet.pts is not None
        if packet is not None and not (early and packet.pts * self.base < -PRIMING):
            yield packet


class SoundTrack(Track):
    """Sound that is decoded, and encoded in a way that the new file can hold."""

    def __init__(self, stream: Any, out: av.container.OutputContainer):
        encoder, bits = SOUND.get(out.format.name, ("aac", 96_000))
        old, opus = stream.codec_context, encoder == "libopus"
        layout = old.layout if 0 < old.layout.nb_channels <= MOST_CHANNELS else av.AudioLayout("stereo")
        rate = 48_000 if opus or not 8_000 <= old.rate <= 96_000 else old.rate
        try:
            self._open(out, encoder, rate, layout.name, bits * layout.nb_channels)
        except (av.error.FFmpegError, ValueError):  # a layout that this encoder does not know
            self._open(out, encoder, rate, "stereo", bits * 2)
        self.decoder = old

    def _open(self, out: av.container.OutputContainer, encoder: str, rate: int, layout: str, bits: int) -> None:
        with av.open(io.BytesIO(), "w", format=out.format.name) as trial:  # what fails must not leave a stream in `out`
            trial.add_stream(encoder, rate=rate, layout=layout, bit_rate=bits)
            trial.start_encoding()
        self.out = out.add_stream(encoder, rate=rate, layout=layout, bit_rate=bits)
        self.out.codec_context.open()
        context: Any = self.out.codec_context
        self.resampler = av.AudioResampler(context.format, context.layout, context.rate, context.frame_size or None)

    def packets(self, packet: Any) -> Iterator[Any]:
        sounds = []
        with suppress(av.error.EOFError):
            sounds = self.decoder.decode(packet)
        for sound in [*sounds, *([None] if packet is None else [])]:
            for resampled in self.resampler.resample(sound):
                yield from self.out.codec_context.encode(resampled)
        if packet is None:
            yield from self.out.codec_context.encode(None)


class TextTrack(Track):
    """Subtitles of text that are decoded, and encoded in a way that the new file can hold."""

    def __init__(self, stream: Any, out: av.container.OutputContainer):
        self.decoder: Any = stream.codec_context
        self.out = out.add_stream(TEXTS[out.format.name])
        self.out.codec_context.subtitle_header = self.decoder.subtitle_header

    def packets(self, packet: Any) -> Iterator[Any]:
        words = self.decoder.decode2(packet) if packet is not None else None
        if words is None or not len(words):
            return
        new = self.out.codec_context.encode_subtitle(words)
        new.time_base, new.pts, new.dts, new.duration = packet.time_base, packet.pts, packet.pts, packet.duration
        yield new


@dataclass
class Tracks:
    """The streams of an open film that go into a new file; ``left_out`` names the others, ``notes`` what changed."""

    film: Film
    out: av.container.OutputContainer
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tracks: dict[int, Track] = field(default_factory=dict)
    dropped: int = 0
    mended: int = 0

    def __post_init__(self) -> None:
        for stream in self.film.container.streams:
            if stream.index != self.film.video.index:
                self._add(stream)
        self._add_chapters()

    def _add(self, stream: Any) -> None:
        """Copy a stream, or encode it anew, or say that it is left out."""
        format, name = self.out.format.name, name_of(stream)
        if stream.type == "attachment":
            if format == "matroska":
                font = stream.metadata
                self.out.add_attachment(font.get("filename", "attachment"), stream.mimetype or "", stream.data)
            else:
                self.left_out.append(f"attachment ({stream.metadata.get('filename', 'without a name')})")
            return
        if stream.type == "data" and written_anew(stream, self.film):
            return
        kind = next((kind for kind in (Track, SoundTrack, TextTrack) if suits(kind, stream, format)), None)
        if kind is None:
            self.left_out.append(name)
            return
        track = self.tracks[stream.index] = kind(stream, self.out)
        if kind is not Track:
            self.notes.append(f"{name} was encoded anew as {track.out.codec_context.name}")
        track.out.metadata.update(track_notes(stream))
        track.out.disposition = stream.disposition

    def _add_chapters(self) -> None:
        start = self.film.clock.offsets[0]
        moved: list[Any] = []
        for chapter in self.film.container.chapters():
            ticks = round(start / float(chapter["time_base"] or 1))
            times = {end: max(0, chapter[end] + ticks) for end in ("start", "end")}
            moved.append({**chapter, **times})
        if moved and self.out.format.name == "webm":
            self.left_out.append(f"{len(moved)} chapters")
        elif moved:
            self.out.set_chapters(moved)

    def packets(self) -> Iterator[tuple[float, Any]]:
        """The packets of all of them for the new file, each with its time in seconds."""
        growing = {index: Growing[Any](1) for index in self.tracks}
        for packet in self.film.packets():
            if packet is None:
                break
            if packet.stream.index in self.tracks:
                yield from self._packets(packet.stream.index, packet, growing)
        for index in self.tracks:
            yield from self._packets(index, None, growing)
            yield from self._timed(index, growing[index].flush())
        self.mended = sum(times.mended for times in growing.values())

    def _packets(self, index: int, packet: Any, growing: dict[int, Growing[Any]]) -> Iterator[tuple[float, Any]]:
        """What follows from a packet; one that cannot be decoded is counted."""
        try:
            for new in self.tracks[index].packets(packet):
                yield from self._timed(index, growing[index].push(new.dts if new.dts is not None else new.pts, new))
        except (av.error.FFmpegError, ValueError):
            self.dropped += 1

    def _timed(self, index: int, timed: Iterable[tuple[int, Any]]) -> Iterator[tuple[float, Any]]:
        for dts, packet in timed:
            packet.dts, packet.pts = dts, max(dts, dts if packet.pts is None else packet.pts)
            packet.stream = self.tracks[index].out
            yield float(dts * packet.time_base), packet


def assemble(source: Path, pieces: Iterable[tuple[int, Path]], time_base: Fraction, target: Path) -> list[str]:
    """Join coloured pieces, each with its beginning in units of ``time_base``, and all that a film holds beside.

    Returns:
        in words, what of the film could not be kept, or not as it was.
    """
    pieces = list(pieces)
    format = CONTAINERS[target.suffix.lower()]
    options = {} if format in ("matroska", "webm") else {"movflags": "+faststart"}  # the index first
    with open_film(source) as film, av.open(url_of(target), "w", format=format, options=options) as out:
        with av.open(url_of(pieces[0][1])) as first:
            video: Any = out.add_stream_from_template(first.streams.video[0], framerate=film.rate)
            video.time_base = time_base
        tracks = Tracks(film, out)
        about = track_notes(film.video)
        if not can_count(out.format.name, about, film.rate):
            tracks.left_out.append("time code")
            about = {key: text for key, text in about.items() if key.lower() != "timecode"}
        video.metadata.update(about)
        notes = {key: text for key, text in film.container.metadata.items() if key not in NOT_OURS}
        out.metadata.update(notes | {"comment": "colours predicted by colorlib"})
        packets = heapq.merge(_pictures(pieces, time_base, video), tracks.packets(), key=lambda timed: timed[0])
        for _, packet in packets:
            try:
                out.mux(packet)
            except av.error.FFmpegError:
                if packet.stream.index == video.index:
                    raise
                tracks.dropped += 1
    return problems_of(tracks)


def problems_of(tracks: Tracks) -> list[str]:
    """In words, what of a film's other streams could not be kept, or not as it was."""
    problems = [f"left out: {what}, which {tracks.out.format.name} cannot hold" for what in tracks.left_out]
    problems += tracks.notes
    if tracks.dropped:
        problems.append(f"{tracks.dropped} damaged pieces of sound or subtitles were left out")
    if tracks.mended:
        problems.append(f"{tracks.mended} wrong times of sound or subtitles were mended")
    return problems


def _pictures(pieces: Iterable[tuple[int, Path]], time_base: Fraction, video: Any) -> Iterator[tuple[float, Any]]:
    """The packets of the pieces in a row. Decoding times grow across the seams, where pieces overlap by some ticks."""
    last: int | None = None
    for start, path in pieces:
        with av.open(url_of(path)) as piece:
            packet: Any
            for packet in piece.demux(video=0):
                if not packet.size:
                    continue
                pts, dts = (round(ticks * packet.time_base / time_base) + start for ticks in (packet.pts, packet.dts))
                last = dts if last is None else max(dts, last + 1)
                packet.duration = round((packet.duration or 0) * packet.time_base / time_base)
                packet.time_base, packet.pts, packet.dts, packet.stream = time_base, pts, last, video
                yield float(last * time_base), packet


def name_of(stream: Any) -> str:
    """A stream in words: its kind, and how it is coded.

    >>> with open_film("data/video/stream.mp4") as film:
    ...     [name_of(stream) for stream in film.container.streams]
    ['video (h264)', 'audio (aac)']
    """
    codec = stream.codec_context.name if stream.codec_context else stream.metadata.get("handler_name") or "unknown"
    return f"{'cover' if is_cover(stream) else stream.type} ({codec})"


def track_notes(stream: Any) -> dict[str, str]:
    """What a file notes about a stream, such as its language, its title and its time code."""
    return {key: text for key, text in stream.metadata.items() if key.lower().split("-")[0] not in OLD_TRACK}


def written_anew(stream: Any, film: Film) -> bool:
    """Whether a data stream need not be copied: the new file's own chapters or time code say the same."""
    handler = stream.metadata.get("handler_name", "")
    timecode = "timecode" in stream.metadata and "timecode" in film.video.metadata
    return (
        timecode or bool(film.container.chapters()) and any(word in handler for word in ("hapter", "Text", "Subtitle"))
    )


def suits(kind: type[Track], stream: Any, format: str) -> bool:
    """Whether a stream can go into files of a format in this way."""
    if kind is Track:
        return stream.codec_context is not None and can_hold(format, stream)
    if stream.codec_context is None:
        return False
    if kind is SoundTrack:
        return stream.type == "audio"
    if stream.type != "subtitle" or format not in TEXTS:
        return False
    with suppress(av.error.FFmpegError):
        stream.codec_context.open(strict=False)
    return stream.codec_context.subtitle_header is not None  # pictures of texts have none


def can_count(format: str, notes: dict[str, str], rate: Fraction) -> bool:
    """Whether a track of pictures can have the time code in its notes, if there is one: some rates have none."""
    if format not in ("mp4", "mov") or "timecode" not in {key.lower() for key in notes}:
        return True

    def add(trial: av.container.OutputContainer) -> None:
        video: Any = trial.add_stream("mpeg4", rate=rate)
        video.width, video.height, video.pix_fmt = 16, 16, "yuv420p"
        video.metadata.update(notes)

    return can_begin(format, add)


def can_hold(format: str, stream: Any) -> bool:
    """Whether files of a format can hold a stream as it is."""
    if format == "mp4" and stream.codec_context.name.startswith("pcm"):
        return False  # allowed on paper, but FFmpeg fails only when it is too late, and hardly any player knows it
    return can_begin(format, lambda trial: trial.add_stream_from_template(stream, opaque=True))


def can_begin(format: str, add: Callable[[av.container.OutputContainer], Any]) -> bool:
    """Whether a file of a format can begin with what ``add`` puts in: tried in memory, as no list tells for sure."""
    try:
        with av.open(io.BytesIO(), "w", format=format) as trial:
            add(trial)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError):
        return False
    return True
