"""Short films to measure with: camera moves over a large photo, whose motion is known exactly, and clips of real films.

The moves are synthetic and are called so: a real camera also blurs, shakes and sees things behind each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from colorlib.color.spaces import luma_of
from colorlib.data.photos import fit, read_photo, to_tensor
from colorlib.errors import ColorlibError
from colorlib.video.film import open_film
from colorlib.video.motion import backward_flow, inside, warp


@dataclass
class Shot:
    """A short film with its truth.

    ``truth`` (t, 3, h, w) in [0, 1] has its real colours, ``luma`` (t, h, w) is what a network sees, perhaps with
    grain, ``flow`` (t-1, 2, h, w) says where each pixel was one frame before, and ``seen`` (t-1, h, w) is 1 where it
    was in view then.
    """

    name: str
    kind: str
    truth: Tensor
    luma: Tensor
    flow: Tensor
    seen: Tensor

    def __len__(self) -> int:
        return len(self.luma)


MOVES = ("pan", "zoom", "grain")
FEWEST = 5  # frames that can be measured: their colours are compared over up to 4 (CDC)


def camera_move(photo: str | Path, kind: str, frames: int = 24, width: int = 160, seed: int = 0) -> Shot:
    """A synthetic shot of a large photo: its motion is exact by construction.

    ``pan`` moves 1.3 pixels per frame, ``zoom`` comes 0.8 % closer per frame, ``grain`` stands still under film grain
    (normal noise of 0.03, new in every frame), as old films do.
    """
    rgb = read_photo(photo)
    height = round(width * 0.625)
    boxes = list(_boxes(kind, frames, width, height, rgb.shape[1], rgb.shape[0]))
    image = Image.fromarray(rgb)
    lanczos = Image.Resampling.LANCZOS
    pictures = [
        np.asarray(image.resize((width, height), lanczos, box=(x, y, x + width * scale, y + height * scale)))
        for x, y, scale in boxes
    ]
    truth = to_tensor(np.stack(pictures))
    luma = luma_of(truth)
    if kind == "grain":
        luma = (luma + 0.03 * torch.randn(luma.shape, generator=torch.Generator().manual_seed(seed))).clamp(0, 1)
    flow = torch.stack([_exact_flow(now, before, width, height) for before, now in pairwise(boxes)])
    seen = torch.stack([inside(f) for f in flow])
    return Shot(f"{Path(photo).stem} ({kind})", kind, truth, luma, flow, seen)


def _boxes(
    kind: str, frames: int, width: int, height: int, photo_width: int, photo_height: int
) -> Iterator[tuple[float, float, float]]:
    """What the camera sees in each frame: left, top, and photo pixels per frame pixel."""
    if kind not in MOVES:
        raise ColorlibError(f"there is no camera move {kind!r}; there are {', '.join(MOVES)}")
    whole = min(photo_width / width, photo_height / height)
    for t in range(frames):
        scale = whole * (0.6 if kind == "pan" else 1.0 / 1.008**t if kind == "zoom" else 0.8)
        free_x, free_y = photo_width - scale * width, photo_height - scale * height
        left = min(1.3 * t * scale, free_x) if kind == "pan" else free_x / 2
        yield left, free_y / 2, scale


def _exact_flow(now: tuple[float, float, float], before: tuple[float, float, float], width: int, height: int) -> Tensor:
    """Through the photo: a pixel's place in it now, and the pixel that saw this place one frame before."""
    places = []
    for size, start, start_before in ((width, now[0], before[0]), (height, now[1], before[1])):
        pixel = torch.arange(size) + 0.5
        places.append((start + pixel * now[2] - start_before) / before[2] - pixel)
    right, down = places
    return torch.stack([right.expand(height, width), down[:, None].expand(height, width)])


def real_clip(path: str | Path, frames: int = 24, width: int = 160) -> Shot:
    """The first frames of a real film, upright, in its own colours; its motion is estimated from the gray film.

    Raises:
        ColorlibError: if it cannot be read, or has too few pictures to be measured.
    """
    pictures = []
    try:
        with open_film(path) as film:
            for frame in islice(film.container.decode(film.video), frames):
                upright = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
                pictures.append(fit(np.ascontiguousarray(upright), width))
    except av.error.FFmpegError as error:
        raise ColorlibError(f"{path} is damaged within its first {frames} pictures: {error}") from error
    if len(pictures) < FEWEST:
        raise ColorlibError(f"{path} gives {len(pictures)} pictures, and {FEWEST} or more are needed to measure it")
    truth = to_tensor(np.stack(pictures))
    luma = luma_of(truth)
    flow = torch.stack([backward_flow(now, before) for before, now in pairwise(luma)])
    seen = [visible(now, before, f) for (before, now), f in zip(pairwise(luma), flow, strict=True)]
    return Shot(Path(path).stem, "real", truth, luma, flow, torch.stack(seen))


def visible(luma: Tensor, previous: Tensor, flow: Tensor) -> Tensor:
    """1 where an estimated flow (2, h, w) agrees with the flow the other way (Lai et al. 2018), 0 elsewhere: (h, w)."""
    forward = warp(backward_flow(previous, luma), flow)
    mismatch = (flow + forward).square().sum(0)
    size = flow.square().sum(0) + forward.square().sum(0)
    return (mismatch <= 0.01 * size + 0.5) * inside(flow)


def joined(shots: list[Shot]) -> tuple[Tensor, list[int]]:
    """The lumas of several shots of one size cut together, (t, h, w), and where the cuts are."""
    starts = np.cumsum([len(shot) for shot in shots])[:-1]
    return torch.cat([shot.luma for shot in shots]), starts.tolist()
