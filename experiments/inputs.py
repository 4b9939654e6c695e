"""How is a photo made small for a network? ``python -m experiments.inputs`` writes inputs.md.

Every bundled validation photo, at 256 pixels a side, is coloured by each bundled network at its own temperature, four
times: shrunk to the network's input size by either kernel of `colorlib.data.fit`, and its sides made multiples of the
network's stride by edges that repeat the last pixels or by stretching the picture.

The question came up when the default's pictures were better on photos that had been blurred a little. ``colorunet``
and ``liteunet`` were trained on batches that were shrunk bilinearly, ``colorunet-paper`` on frames shrunk by Lanczos
alone; if a network asks for what it was trained on, the best kernel should differ. ``liteunet`` was trained on squares
of whole multiples of its stride: it never saw a repeated edge.

The kernel of a checkpoint is chosen on held-out photos (`colorlib.evaluation.best_input`); these photos are others.
One photo, one vote; differences are on the same photo, with bootstrap 95 % intervals. ``--most 8`` is a quick look.
"""

import argparse
import sys
from itertools import product
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

import colorlib
from colorlib.cli.shared import guarded
from colorlib.data import KERNELS, bundled, fit, read_photo, to_tensor
from colorlib.evaluation import colorfulness, photo_verdict, psnr
from colorlib.files import write_text
from colorlib.models import bundled_checkpoints
from colorlib.prediction import Colorizer

TABLE = Path(__file__).with_suffix(".md")
SIZE = 256
EDGES = {"repeated": False, "stretched": True}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.inputs", description="Measure kernels and edges.")
    parser.add_argument("--most", metavar="N", type=int, default=10_000, help="use so many photos, evenly chosen")
    args = parser.parse_args()
    paths = [photo.path for photo in bundled("validation")]
    photos = [fit(read_photo(path), SIZE) for path in paths[:: max(1, -(-len(paths) // args.most))]]
    lines = [
        f"# How a photo is made small for a network: {len(photos)} photos\n",
        "Means over photos; differences from the first row of each network, photo by photo, with 95 % intervals. What "
        "is compared, and why, stands in `experiments/inputs.py`. A star marks how the network is used.",
    ]
    for name in bundled_checkpoints():
        lines += table(name, colorlib.load(name), photos)
    write_text(TABLE, "\n".join(lines) + "\n")


def table(name: str, colorizer: Colorizer, photos: list[np.ndarray]) -> list[str]:
    """A network's four rows: kernels and edges."""
    used = colorizer.kernel, colorizer.model.stretched
    lines = [
        f"\n## {name}, input {colorizer.input_size} pixels, T = {colorizer.temperature:g}\n",
        "| kernel | edges | PSNR, dB | difference | colorfulness |\n|---|---|---:|---|---:|",
    ]
    first: np.ndarray | None = None
    for kernel, (edges, stretched) in product(KERNELS, EDGES.items()):
        found = measure(colorizer, photos, kernel, stretched)
        star = " *" if (kernel, stretched) == used else ""
        verdict = "–" if first is None else f"{photo_verdict(found[0], first, comparisons=3):.2f}"
        lines.append(f"| {kernel} | {edges}{star} | {found[0].mean():.2f} | {verdict} | {found[1].mean():.1f} |")
        first = found[0] if first is None else first
    return lines


def measure(colorizer: Colorizer, photos: list[np.ndarray], kernel: str, stretched: bool) -> np.ndarray:
    """PSNR (row 0) and colourfulness (row 1) of each photo's picture."""
    colorizer.kernel, colorizer.model.stretched = kernel, stretched
    pictures = (to_tensor(colorizer.colorize(rgb)) for rgb in photos)
    pairs = tqdm(zip(pictures, photos, strict=True), total=len(photos), desc=kernel, leave=False, disable=None)
    return np.array([(psnr(picture, to_tensor(rgb)), colorfulness(picture)) for picture, rgb in pairs]).T


if __name__ == "__main__":
    sys.exit(guarded(main))
