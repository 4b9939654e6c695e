"""From a decoded frame of any kind to an upright luma of 8 bits, and the colours that players will make of it.

What a frame needs (other pixel formats, more bits, another range, interlacing, HDR) is done by FFmpeg's own filters; a
plain one passes untouched.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

import av
import av.filter
import numpy as np

BLACK, WHITE = 16, 235  # of a film's luma; its chrominance has 128 for gray and spans 16 to 240
DIRECT = {"yuv420p", "yuv422p", "yuv444p", "nv12"}  # pixel formats whose first plane is such a luma
HDR = {16: "PQ", 18: "HLG"}  # transfer functions of films with a high dynamic range, by FFmpeg's numbers
SEE_THROUGH = "parts of the film are transparent: they are written opaque, with what lies beneath"
SMALL = 4  # pixels a side: less FFmpeg does not deinterlace


class ColorStandard(NamedTuple):
    """How players make colours of a film: the weights of red and blue in its luma, FFmpeg's numbers for its tags."""

    red: float
    blue: float
    matrix: int
    primaries: int
    transfer: int


BT601 = ColorStandard(0.299, 0.114, 6, 6, 6)  # standard definition, and the paper's YUV
PAL = ColorStandard(0.299, 0.114, 5, 5, 6)  # the same with the primaries of European television
BT709 = ColorStandard(0.2126, 0.0722, 1, 1, 1)  # high definition
STANDARDS = {standard.matrix: standard for standard in (BT601, PAL, BT709)}
MATRIX_NAMES = {1: "bt709", 5: "bt470bg", 6: "smpte170m"}


def standard_of(frame: av.VideoFrame) -> ColorStandard:
    """The standard that a frame's tags name, or else the one that players assume: BT.709 for HD, BT.601 below.

    Frames in a standard that is none of ours (BT.2020, HDR) become BT.709.
    """
    known = STANDARDS.get(frame.colorspace)
    if frame.color_trc in HDR:
        return BT709
    if known is None:
        size = sorted((frame.width, frame.height))
        if not (frame.colorspace == 2 or is_rgb(frame)) or size[1] > 1024 or size[0] > 576:
            return BT709
        return PAL if frame.height == 576 else BT601
    said = {"primaries": frame.color_primaries, "transfer": frame.color_trc}
    return known._replace(**{name: number for name, number in said.items() if number not in (0, 2)})


def is_rgb(frame: av.VideoFrame) -> bool:
    """Whether a frame has red, green and blue (or a palette of them) instead of luma and chrominance."""
    return frame.format.is_rgb or frame.format.has_palette


@dataclass
class LumaReader:
    """Makes upright 8-bit lumas of decoded frames, all of the first one's size; ``notes`` says what was changed.

    Interlaced frames are deinterlaced, HDR is mapped to SDR with reference white to white. ``stretch`` widens them.
    """

    standard: ColorStandard = BT601
    stretch: Fraction = Fraction(1)
    quarter_turns: int = 0
    notes: dict[str, None] = field(default_factory=dict)
    first: tuple[int, int] | None = None  # the first frame's size, and that of all lumas before they are turned
    size: tuple[int, int] | None = None
    interlaced: bool = False
    _kind: tuple[object, ...] = ()
    _graph: av.filter.Graph | None = None

    def read(self, frame: av.VideoFrame) -> Iterator[tuple[int | None, np.ndarray, Fraction]]:
        """The next decoded frame -> (time, luma (H, W) uint8, unit of the time) of the frames that are ready."""
        if self.size is None:
            self.size = max(1, round(frame.width * self.stretch)), frame.height
            self.first = frame.width, frame.height
            self.standard = standard_of(frame)
            self.quarter_turns = round(frame.rotation / 90) % 4
        self.interlaced |= frame.interlaced_frame and min(self.size) >= SMALL
        kind = self._needs(frame)
        if kind != self._kind:
            yield from self.flush()
            self._kind, self._graph = kind, self._make_graph(frame) if kind else None
        if self._graph is None:
            yield self._result(frame)
            return
        self._graph.vpush(frame)
        yield from self._pull()

    def flush(self) -> Iterator[tuple[int | None, np.ndarray, Fraction]]:
        """The frames that a filter still holds back."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._pull()
        self._graph, self._kind = None, ()

    def _needs(self, frame: av.VideoFrame) -> tuple[object, ...]:
        """What decides how a frame is filtered; empty if it needs nothing."""
        hdr = HDR.get(frame.color_trc)
        same = frame.colorspace in (2, *STANDARDS) and not hdr
        plain = frame.format.name in DIRECT and frame.color_range != 2 and same
        if plain and not self.interlaced and (frame.width, frame.height) == self.size:
            return ()
        if self.interlaced:
            self.notes["the film is interlaced: it was deinterlaced, one picture of each two fields"] = None
        if hdr:
            self.notes[
                f"the film is HDR ({hdr}): it is written as SDR, and what is brighter than its reference white is white"
            ] = None
        if (frame.width, frame.height) != self.first:
            self.notes["the film changes its size: all pictures were given the size of the first"] = None
        bits = max((component.bits for component in frame.format.components), default=8)
        alpha = any(component.is_alpha for component in frame.format.components)
        if alpha and SEE_THROUGH not in self.notes and frame.to_ndarray(format="rgba")[..., 3].min() < 255:
            self.notes[SEE_THROUGH] = None
        if bits > 8 and not hdr:
            self.notes[f"the film has {bits} bits a pixel: it is written with 8"] = None
        return frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range, hdr, self.interlaced

    def _make_graph(self, frame: av.VideoFrame) -> av.filter.Graph:
        """FFmpeg's filters for frames like this one."""
        assert self.size is not None
        graph = av.filter.Graph()
        base = frame.time_base or Fraction(1, 1000)
        nodes = [
            graph.add(
                "buffer",
                f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base={base}:"
                f"colorspace={int(frame.colorspace)}:range={int(frame.color_range)}",
            )
        ]
        if self.interlaced:
            nodes.append(graph.add("bwdif", "mode=send_frame:deint=interlaced"))
        name = MATRIX_NAMES[self.standard.matrix]
        scale = f"{self.size[0]}:{self.size[1]}:out_color_matrix={name}:out_range=tv"
        if frame.color_trc in HDR or frame.colorspace in (9, 10):
            scale += ":out_primaries=bt709:out_transfer=bt709"
        elif not is_rgb(frame) and frame.colorspace in (2, *STANDARDS):  # the luma stays as it is
            scale += f":in_color_matrix={name}"
        nodes += [graph.add("scale", scale), graph.add("format", "yuv420p"), graph.add("buffersink")]
        graph.link_nodes(*nodes).configure()
        return graph

    def _pull(self) -> Iterator[tuple[int | None, np.ndarray, Fraction]]:
        assert self._graph is not None
        while True:
            try:
                yield self._result(self._graph.vpull())
            except (av.error.BlockingIOError, av.error.EOFError):
                return

    def _result(self, frame: av.VideoFrame) -> tuple[int | None, np.ndarray, Fraction]:
        plane = frame.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        upright = np.rot90(rows[:, : plane.width], self.quarter_turns)
        return frame.pts, upright, frame.time_base or Fraction(1, 1000)
