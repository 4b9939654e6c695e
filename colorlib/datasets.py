"""Photographs by the thousand: the bundled set, any folder, and frames decoded once into memory (paper §3.1)."""

import csv
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from colorlib.bins import UVHistogram
from colorlib.color import chroma_of
from colorlib.errors import ColorlibError
from colorlib.photos import find_photos, fit_frame, read_photo

NEAR_GRAY = 0.016  # mean length of the chrominance; below it a photo teaches nothing about colour


@dataclass(frozen=True)
class Photo:
    """One bundled photo: where it is and what its manifest says."""

    path: Path
    kind: str
    split: str
    licence: str
    author: str


def data_folder() -> Path:
    """Where data lives: the environment variable COLORLIB_DATA, or ``data/`` beside the package."""
    return Path(os.environ.get("COLORLIB_DATA") or Path(__file__).parents[1] / "data")


def bundled(split: str | None = None, kind: str | None = None) -> list[Photo]:
    """The bundled photos, optionally only of one split (train, validation) or kind (landscape, nature).

    The split was drawn once, by photo, and is stored in the manifest; validation photos never train.
    """
    folder = Path(__file__).parents[1] / "data" / "landscapes"
    try:
        with open(folder / "manifest.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ColorlibError(f"the bundled photos are missing at {folder}: work in a clone of the project") from error
    photos = [Photo(folder / r["file"], r["kind"], r["split"], r["licence"], r["author"]) for r in rows]
    return [p for p in photos if split in (None, p.split) and kind in (None, p.kind)]


@dataclass
class Frames:
    """Photos decoded into equal frames, the form that training reads.

    ``rgb`` (N, S, S, 3) uint8 with each photo at the top left, ``sizes`` (N, 2) int64 with its height and width.
    """

    rgb: Tensor
    sizes: Tensor

    def __len__(self) -> int:
        return len(self.rgb)

    def mask(self) -> Tensor:
        """(N, S, S), true where the photos are."""
        steps = torch.arange(self.rgb.shape[1], device=self.rgb.device)
        height, width = self.sizes[:, :1, None], self.sizes[:, 1:, None]
        return (steps[None, :, None] < height) & (steps[None, None, :] < width)

    def to(self, device: str | torch.device) -> "Frames":
        return Frames(self.rgb.to(device), self.sizes.to(device))


def load_frames(paths: Sequence[Path], size: int = 256, drop_gray: bool = False) -> tuple[Frames, dict[Path, str]]:
    """Decode photos on all cores into frames of ``size``; also returns what was left out, and why.

    Unreadable photos are left out, and with ``drop_gray`` photos that are nearly gray.

    Raises:
        ColorlibError: if no photo at all could be used.
    """
    frames, sizes, left_out = [], [], {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(_decode, paths, [size] * len(paths), chunksize=16)
        for path, (frame, height_width, problem) in tqdm(zip(paths, jobs), total=len(paths), desc="decoding photos"):
            if problem or (drop_gray and is_near_gray(frame[: height_width[0], : height_width[1]])):
                left_out[path] = problem or "nearly gray"
            else:
                frames.append(frame)
                sizes.append(height_width)
    if not frames:
        raise ColorlibError(f"none of the {len(paths)} photos could be used; the first: {next(iter(left_out.values()), '')}")
    return Frames(torch.from_numpy(np.stack(frames)), torch.tensor(sizes)), left_out


def is_near_gray(rgb: np.ndarray) -> bool:
    """Whether a uint8 photo (H, W, 3) has hardly any colour: its mean chrominance is shorter than 0.016."""
    chroma = chroma_of(torch.from_numpy(rgb.astype(np.float32) / 255).movedim(-1, 0))
    return float(chroma.norm(dim=0).mean()) < NEAR_GRAY


def count_chroma(frames: Frames) -> UVHistogram:
    """The histogram of all chrominances in the frames, padding left out."""
    histogram = UVHistogram()
    for rgb, mask in zip(frames.rgb.split(64), frames.mask().split(64)):
        histogram.add(chroma_of(rgb.movedim(-1, 1).float() / 255), mask)
    return histogram


def _decode(path: Path, size: int) -> tuple[np.ndarray, tuple[int, int], str]:
    try:
        frame, mask = fit_frame(read_photo(path), size)
        return frame, (int(mask.any(1).sum()), int(mask.any(0).sum())), ""
    except ColorlibError as error:
        return np.zeros((0, 0, 3), np.uint8), (0, 0), str(error)


__all__ = ["Frames", "Photo", "bundled", "count_chroma", "data_folder", "find_photos", "is_near_gray", "load_frames"]
