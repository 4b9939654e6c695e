"""Photographs by the thousand: the bundled set, and frames decoded once on all cores (paper §3.1)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from colorlib.color.bins import UVHistogram
from colorlib.color.spaces import RGB_TO_YUV
from colorlib.data.photos import fit, fit_frame, read_photo
from colorlib.errors import ColorlibError
from colorlib.files import PROJECT, read_rows
from colorlib.parallel import all_reduce_sum, in_parallel, rank_and_world_size

NEAR_GRAY = 0.016  # mean length of the chrominance; below it a photo teaches nothing about colour


@dataclass(frozen=True)
class Photo:
    """One bundled photo: where it is and what its manifest says."""

    path: Path
    kind: str
    split: str
    licence: str
    author: str


def has_bundled() -> bool:
    """Whether the bundled photos are there: in a clone of the project they are, beside an installed colorlib not."""
    return (PROJECT / "data" / "landscapes" / "manifest.csv").is_file()


def bundled(split: str | None = None, kind: str | None = None) -> list[Photo]:
    """The bundled photos, optionally only of one split (train, validation) or kind (landscape, nature).

    The split was drawn once, by photo, and is stored in the manifest; validation photos never train.
    """
    folder = PROJECT / "data" / "landscapes"
    try:
        rows = read_rows(folder / "manifest.csv")
    except OSError as error:
        raise ColorlibError(f"the bundled photos are missing at {folder}: work in a clone of the project") from error
    photos = [Photo(folder / r["file"], r["kind"], r["split"], r["licence"], r["author"]) for r in rows]
    return [p for p in photos if split in (None, p.split) and kind in (None, p.kind)]


class PaddedPhotos:
    """Photos decoded into equal frames, the form that training reads.

    ``rgb`` (N, S, S, 3) uint8 with each photo at the top left, ``sizes`` (N, 2) int64 with its height and width. A part
    of a large file is used without copying it by giving all the file's frames as ``rgb``, and in ``rows`` (N,) which of
    them the photos are. Then `take` and `batches` read no more than they must.

    >>> sizes, rows = torch.tensor([[8, 6], [4, 8]]), torch.tensor([1, 3])
    >>> frames = PaddedPhotos(torch.zeros(5, 8, 8, 3, dtype=torch.uint8), sizes, rows)
    >>> len(frames), frames.rgb.shape, frames.mask().sum(dim=(1, 2)).tolist()
    (2, torch.Size([2, 8, 8, 3]), [48, 32])
    """

    def __init__(self, rgb: Tensor, sizes: Tensor, rows: Tensor | None = None):
        self.sizes = sizes
        self._pixels, self._rows = rgb, rows

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def rgb(self) -> Tensor:
        """All frames; where only some rows of a file are used, this reads them into memory."""
        return self._pixels if self._rows is None else self._pixels.index_select(0, self._rows)

    def take(self, index: Tensor | slice) -> "PaddedPhotos":
        """Some of the photos, by number."""
        if self._rows is None:
            return PaddedPhotos(self._pixels[index], self.sizes[index])
        return PaddedPhotos(self._pixels.index_select(0, self._rows[index]), self.sizes[index])

    def batches(self, size: int) -> Iterator["PaddedPhotos"]:
        """All photos in order, ``size`` at a time."""
        for start in range(0, len(self), size):
            yield self.take(slice(start, start + size))

    def mask(self) -> Tensor:
        """(N, S, S), true where the photos are."""
        steps = torch.arange(self._pixels.shape[1], device=self.sizes.device)
        height, width = self.sizes[:, :1, None], self.sizes[:, 1:, None]
        return (steps[None, :, None] < height) & (steps[None, None, :] < width)

    def to(self, device: str | torch.device) -> "PaddedPhotos":
        """The same photos in a device's memory; on the CPU, frames that lie in a file stay there."""
        device = torch.device(device)
        if device == self.sizes.device:
            return self
        if self._rows is None:
            return PaddedPhotos(self._pixels.to(device), self.sizes.to(device))
        rgb = torch.empty(len(self), *self._pixels.shape[1:], dtype=torch.uint8, device=device)
        for place, batch in zip(rgb.split(256), self.batches(256), strict=True):
            place.copy_(batch.rgb)
        return PaddedPhotos(rgb, self.sizes.to(device))


def load_padded(
    paths: Sequence[Path], size: int = 256, drop_gray: bool = False
) -> tuple[PaddedPhotos, dict[Path, str]]:
    """Decode photos on all cores into frames of ``size``; also returns what was left out, and why.

    Unreadable photos are left out, and with ``drop_gray`` photos that are nearly gray.

    Raises:
        ColorlibError: if no photo at all could be used.
    """

    def decode(path: Path) -> np.ndarray | str:
        photo = decode_photo(path, size)
        return "nearly gray" if drop_gray and not isinstance(photo, str) and mean_chroma(photo) < NEAR_GRAY else photo

    rgb = np.zeros((len(paths), size, size, 3), np.uint8)
    sizes: list[tuple[int, int]] = []
    left_out: dict[Path, str] = {}
    photos = tqdm(in_parallel(decode, paths), total=len(paths), desc="decoding photos", unit="photo")
    for path, photo in zip(paths, photos, strict=True):
        if isinstance(photo, str):
            left_out[path] = photo
        else:
            rgb[len(sizes)], _ = fit_frame(photo, size)
            sizes.append(photo.shape[:2])
    if not sizes:
        reason = next(iter(left_out.values()), "there are none")
        raise ColorlibError(f"none of the {len(paths)} photos could be used; the first: {reason}")
    return PaddedPhotos(torch.from_numpy(rgb[: len(sizes)]), torch.tensor(sizes)), left_out


def decode_photo(path: Path, size: int) -> np.ndarray | str:
    """A photo as uint8 RGB of at most ``size`` pixels a side, shrunk by Lanczos' filter; or why it cannot be read."""
    try:
        return fit(read_photo(path), size)
    except ColorlibError as error:
        return str(error)
    except Exception as error:  # a damaged file can make a decoder stumble in any way; the other photos go on
        return f"{path} is damaged and cannot be read: {error!r}"


def mean_chroma(rgb: np.ndarray) -> float:
    """The mean of √(U² + V²) over the pixels of a uint8 photo (H, W, 3): 0 for gray, at most 0.66.

    >>> mean_chroma(np.full((4, 4, 3), 128, np.uint8))
    0.0
    """
    green = rgb[..., 1].astype(np.float32)
    red, blue = rgb[..., 0] - green, rgb[..., 2] - green  # all that counts: U and V of (g, g, g) are 0
    u, v = (from_red * red + from_blue * blue for from_red, _, from_blue in RGB_TO_YUV[1:].tolist())
    return float(np.sqrt(u * u + v * v).mean()) / 255


def count_chroma(photos: PaddedPhotos) -> UVHistogram:
    """The histogram of all chrominances in the photos, padding left out.

    When several processes have joined under torchrun, each counts its share of the photos and all get the sum: the
    same numbers, to the last pixel, as one process alone. Then every process must call this.
    """
    rank, ranks = rank_and_world_size()
    histogram = UVHistogram()
    for start in range(64 * rank, len(photos), 64 * ranks):
        batch = photos.take(slice(start, start + 64))
        histogram.add_rgb(batch.rgb, batch.mask())
    histogram.counts = all_reduce_sum(histogram.counts)
    return histogram
