"""Should a picture be padded or stretched to a multiple of a network's stride?

``python -m experiments.inputs`` writes inputs.md: every bundled validation photo, at 256 pixels a side, is coloured by
each bundled network at its own temperature, twice: its sides made multiples of the network's stride by edges that
repeat the last pixels, and by stretching the picture by less than one stride.

``liteunet`` halves a picture five times: a photo of 160 x 107 pixels gets 21 rows that no photo has, and was trained on
squares that needed none. The others halve it three times at most.

One photo, one vote; differences are on the same photo, with bootstrap 95 % intervals. ``--most 8`` is a quick look.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

import colorlib
from colorlib.cli.shared import guarded, positive
from colorlib.data import bundled, fit, read_photo, to_tensor
from colorlib.evaluation import bootstrap, colorfulness, photo_verdict, psnr
from colorlib.files import write_text
from colorlib.models import bundled_checkpoints
from colorlib.prediction import Colorizer

TABLE = Path(__file__).with_suffix(".md")
SIZE = 256
EDGES = {"repeated": False, "stretched": True}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.inputs", description="Pad or stretch?")
    parser.add_argument("--most", metavar="N", type=positive, default=10_000, help="use so many photos, evenly chosen")
    args = parser.parse_args()
    paths = [photo.path for photo in bundled("validation")]
    photos = [fit(read_photo(path), SIZE) for path in paths[:: max(1, -(-len(paths) // args.most))]]
    lines = [
        f"# Padded or stretched to a multiple of the stride: {len(photos)} photos\n",
        "Means with 95 % intervals over photos; the verdict compares a network's two rows photo by photo. A star marks "
        "how the network is used. What is compared, and why, stands in `experiments/inputs.py`. Only the network "
        "of stride 32 is stretched, since up to 31 repeated pixels a side are a scene that no photo shows.\n",
        "| network | stride | input | T | edges | PSNR, dB | colourfulness | stretched against repeated |",
        "|---|---:|---:|---:|---|---:|---:|---|",
    ]
    for name in bundled_checkpoints():
        lines += rows(name, colorlib.load(name), photos)
    write_text(TABLE, "\n".join(lines) + "\n")


def rows(name: str, colorizer: Colorizer, photos: list[np.ndarray]) -> list[str]:
    """A network's two rows."""
    used = bool(colorizer.model.stretched)
    found = {edges: measure(colorizer, photos, stretched) for edges, stretched in EDGES.items()}
    verdict = photo_verdict(found["stretched"][0], found["repeated"][0], comparisons=len(bundled_checkpoints()))
    network = f"{name} | {colorizer.model.stride} | {colorizer.input_size} | {colorizer.temperature:g}"
    lines = []
    for edges, (psnrs, colors) in found.items():
        star, told = " *" if EDGES[edges] == used else "", f"{verdict:.2f}" if EDGES[edges] else ""
        lines.append(f"| {network} | {edges}{star} | {bootstrap(psnrs):.2f} | {bootstrap(colors):.1f} | {told} |")
    return lines


def measure(colorizer: Colorizer, photos: list[np.ndarray], stretched: bool) -> np.ndarray:
    """PSNR (row 0) and colourfulness (row 1) of each photo's picture."""
    used = colorizer.model.stretched
    colorizer.model.stretched = stretched
    pictures = [to_tensor(colorizer.colorize(rgb)) for rgb in tqdm(photos, leave=False, disable=None)]
    colorizer.model.stretched = used
    return np.array(
        [(psnr(picture, to_tensor(rgb)), colorfulness(picture)) for picture, rgb in zip(pictures, photos, strict=True)]
    ).T


if __name__ == "__main__":
    sys.exit(guarded(main))
