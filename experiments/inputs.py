"""Should a picture be padded or stretched to a multiple of a network's stride, and how large should it be seen?

``python -m experiments.inputs`` writes inputs.md: every bundled validation photo, at 256 pixels a side, is coloured by
each bundled network at its own temperature: its sides made multiples of the network's stride by edges that repeat the
last pixels, and by stretching the picture by less than one stride. With ``--photos FOLDER`` others are coloured, and
the table is printed.

``liteunet`` halves a picture five times: a photo of 160 x 107 pixels gets 21 rows that no photo has. It is stretched,
and what it is given is seen 1.1 times as large, as 192 x 128 pixels: its last training showed it parts of photos
enlarged, without an edge. The others halve a picture three times at most.

One photo, one vote; differences are on the same photo, with bootstrap 95 % intervals. ``--most 8`` is a quick look.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

import colorlib
from colorlib.cli.shared import guarded, positive
from colorlib.data import bundled, find_photos, fit, read_photo, to_tensor
from colorlib.evaluation import bootstrap, colorfulness, photo_verdict, psnr
from colorlib.files import write_text
from colorlib.models import bundled_checkpoints
from colorlib.prediction import Colorizer

TABLE = Path(__file__).with_suffix(".md")
SIZE = 256
COMPARISONS = 5  # one for each network, and one more for the default
WAYS = {"repeated": (False, 1.0), "stretched": (True, 1.0), "stretched, larger": (True, 1.1)}  # edges, zoom


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.inputs", description="Pad or stretch, how large?")
    parser.add_argument("--most", metavar="N", type=positive, default=10_000, help="use so many photos, evenly chosen")
    parser.add_argument("--photos", metavar="FOLDER", type=Path, help="photos to take instead; prints the table")
    args = parser.parse_args()
    paths = find_photos(args.photos) if args.photos else [photo.path for photo in bundled("validation")]
    photos = [fit(read_photo(path), SIZE) for path in paths[:: max(1, -(-len(paths) // args.most))]]
    lines = [
        f"# Padded or stretched to a multiple of the stride: {len(photos)} photos\n",
        "Means with 95 % intervals over photos; the verdict compares a network's row with the row above it, photo by "
        "photo. A star marks how the network is used. What is compared, and why, stands in `experiments/inputs.py`. "
        "Only the network of stride 32 is stretched, since up to 31 repeated pixels a side are a scene that no photo "
        "shows.\n",
        "| network | stride | input | T | edges | PSNR, dB | colourfulness | PSNR against the row above |",
        "|---|---:|---:|---:|---|---:|---:|---|",
    ]
    for name in bundled_checkpoints():
        lines += rows(name, colorlib.load(name), photos)
    if args.photos:
        print("\n".join(lines))
    else:
        write_text(TABLE, "\n".join(lines) + "\n")


def rows(name: str, colorizer: Colorizer, photos: list[np.ndarray]) -> list[str]:
    """A network's rows: two, or three if it is stretched in use and can be seen larger."""
    used = colorizer.model.stretched, colorizer.zoom
    ways = {edges: way for edges, way in WAYS.items() if way[1] == 1 or colorizer.model.stretched}
    found = {edges: measure(colorizer, photos, *way) for edges, way in ways.items()}
    network = f"{name} | {colorizer.model.stride} | {colorizer.input_size} | {colorizer.temperature:g}"
    lines, above = [], None
    for edges, (psnrs, colors) in found.items():
        star = " *" if ways[edges] == used else ""
        told = "" if above is None else f"{photo_verdict(psnrs, above, comparisons=COMPARISONS):.2f}"
        lines.append(f"| {network} | {edges}{star} | {bootstrap(psnrs):.2f} | {bootstrap(colors):.1f} | {told} |")
        above = psnrs
    return lines


def measure(colorizer: Colorizer, photos: list[np.ndarray], stretched: bool, zoom: float) -> np.ndarray:
    """PSNR (row 0) and colourfulness (row 1) of each photo's picture."""
    used = colorizer.model.stretched, colorizer.zoom
    colorizer.model.stretched, colorizer.zoom = stretched, zoom
    pictures = [to_tensor(colorizer.colorize(rgb)) for rgb in tqdm(photos, leave=False, disable=None)]
    colorizer.model.stretched, colorizer.zoom = used
    return np.array(
        [(psnr(picture, to_tensor(rgb)), colorfulness(picture)) for picture, rgb in zip(pictures, photos, strict=True)]
    ).T


if __name__ == "__main__":
    sys.exit(guarded(main))
