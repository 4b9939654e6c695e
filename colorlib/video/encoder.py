"""Coloured pictures into film files: H.264, or VP9 for the web."""

import io
from pathlib import Path
from typing import Any

import av
import numpy as np

from colorlib.video.film import Film, Picture, url_of

H264 = "libx264", {"preset": "veryfast"}
VP9 = "libvpx-vp9", {"b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"}
ENCODERS = {".mp4": H264, ".m4v": H264, ".mov": H264, ".mkv": H264, ".webm": VP9}


class FilmWriter:
    """Encodes coloured pictures into a silent .mp4 file of its own, with the pictures' times, size and colour tags.

    ``encoder`` is one of the values of `ENCODERS`; ``quality`` its constant rate factor; ``start`` is the time, in the
    film's units, that is 0 in this file.
    """

    def __init__(self, path: Path, film: Film, encoder: tuple[str, dict[str, str]], quality: int, start: int = 0):
        name, options = encoder
        self.film = film
        self.start = start
        self.container = av.open(url_of(path), "w", format="mp4")
        self.video: Any = self.container.add_stream(name, rate=film.rate, options=options | {"crf": str(quality)})
        self.begun = False

    def write(self, picture: Picture) -> None:
        """Encode a coloured picture."""
        assert picture.chroma is not None
        height, width = picture.luma.shape
        planes = np.concatenate([picture.luma.reshape(-1), picture.chroma.reshape(-1)]).reshape(height * 3 // 2, width)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = picture.pts - self.start, self.film.time_base
        if not self.begun:
            self._begin(picture)
        self.container.mux(self.video.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds back, and the file's index."""
        self.container.mux(self.video.encode(None))
        self.container.close()

    def _begin(self, picture: Picture) -> None:
        """Tell the encoder the size, the clock, the shape of a pixel, and how colours are to be made of the numbers."""
        self.begun = True
        context = self.video.codec_context
        context.height, context.width = picture.luma.shape
        context.pix_fmt = "yuv420p"
        context.time_base = self.film.time_base
        standard = picture.standard
        context.colorspace, context.color_primaries, context.color_trc = standard[2:]
        context.color_range = 1
        if self.film.aspect:
            context.sample_aspect_ratio = self.film.aspect


def encode_clip(frames: np.ndarray, rate: int = 12) -> bytes:
    """A short film, uint8 RGB (t, H, W, 3), as an H.264 file in memory; equal films give equal bytes."""
    height, width = (side - side % 2 for side in frames.shape[1:3])
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as container:
        video: Any = container.add_stream("libx264", rate=rate, options={"crf": "23", "preset": "slow", "threads": "1"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="rgb24")
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
    return data.getvalue()
