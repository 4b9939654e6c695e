"""Has a network learned its photos by heart? What whole, undisturbed photos cost it, seen and new ones of one lot.

    python -m experiments.overfit --cache CACHE --model colorunet-paper    # a checkpoint trained on that cache

The curves of a training cannot tell: the training loss is a mean over the past, on photos that were cut, mirrored and
disturbed, and validation photos are other photos (paper, Figure 8). Here both kinds are measured alike, after training,
at the size that was trained at: all validation photos of a cache made by `colorlib data prepare`, which drew them by
lot, and as many of its training photos, drawn by lot again. overfit.csv has a row for each network, overfit.md a table.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

import colorlib
from colorlib.cli.shared import guarded, positive
from colorlib.data import Cache, PaddedPhotos
from colorlib.errors import ColorlibError
from colorlib.evaluation import group_verdict
from colorlib.files import read_rows, write_rows, write_text
from colorlib.prediction import Colorizer
from colorlib.training import at_output_size, forward, luma_of_photos

HERE = Path(__file__).parent
COLUMNS = "network photos_seen photos_new side steps loss_seen loss_new difference low high verdict".split()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.overfit", description="Seen photos against new ones.")
    parser.add_argument("--cache", metavar="CACHE", type=Path, required=True, help="what the network was trained on")
    parser.add_argument("--model", metavar="MODEL", required=True, help="a checkpoint, by name or path")
    parser.add_argument("--most", metavar="N", type=positive, default=10**9, help="at most so many photos of each kind")
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=HERE, help="where the tables are")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    row = compare(colorlib.load(args.model), Cache(args.cache), args.most)
    add_row(args.out, {"network": name_of(args.model)} | row)
    print(f"{args.out / 'overfit.md'}: new photos cost {row['difference']:+.3f} nats: {row['verdict']}")


def compare(colorizer: Colorizer, cache: Cache, most: int = 10**9) -> dict[str, Any]:
    """What seen and new photos of a cache cost a network that was trained on it, and the interval of the difference.

    Raises:
        ColorlibError: if its record names another number of photos, or another size, than the cache has, or too little.
    """
    training = colorizer.record.get("training", {})
    trained_at, used = training.get("config", {}).get("image_size"), training.get("photos", {}).get("used")
    if trained_at is None or used is None or not training.get("history"):
        raise ColorlibError("this checkpoint's record does not say what it was trained on, and how long")
    if colorizer.is_regression:
        raise ColorlibError("this network was trained by L2 regression and has no probabilities: name a classifier")
    seen, new = cache.photos("train"), cache.photos("validation")
    if (trained_at, used) != (cache.size, len(seen)):
        raise ColorlibError(
            f"the network was trained on {used} photos of {trained_at} pixels, and {cache.folder} has {len(seen)} of "
            f"{cache.size} to train on: name the cache that it was trained on"
        )
    count = min(most, len(new), len(seen))
    losses = [photo_losses(colorizer, draw(photos, count)) for photos in (seen, new)]
    found = group_verdict(losses[1], losses[0])
    return {
        "photos_seen": count,
        "photos_new": count,
        "side": cache.size,
        "steps": training["history"][-1]["step"],
        "loss_seen": losses[0].mean(),
        "loss_new": losses[1].mean(),
        "difference": found.difference.mean,
        "low": found.difference.low,
        "high": found.difference.high,
        "verdict": found.word,
    }


def name_of(model: str | Path) -> str:
    """A network's name in the table: of a training its folder's, since `train` calls each file model.safetensors."""
    path = Path(model)
    return path.resolve().parent.name if path.stem == "model" else path.stem


def draw(photos: PaddedPhotos, count: int) -> PaddedPhotos:
    """So many of some photos, by lot."""
    order = torch.randperm(len(photos), generator=torch.Generator().manual_seed(0))
    return photos.take(order[:count])


@torch.no_grad()
def photo_losses(colorizer: Colorizer, photos: PaddedPhotos) -> np.ndarray:
    """The rebalanced loss of each whole photo, a mean over its pixels: float64 (photos,), in nats."""
    model, bins = colorizer.model.eval(), colorizer.bins
    weights, losses = bins.weights(colorizer.lam), []
    for batch in tqdm(list(photos.batches(16)), desc="measuring", unit="batch"):
        output = forward(model, luma_of_photos(batch.rgb))
        rgb, mask = at_output_size(output, batch.rgb, batch.mask())
        target = bins.encode_rgb(rgb)
        surprise = torch.nn.functional.cross_entropy(output, target, weight=weights, reduction="none")
        losses.append((surprise * mask).sum((1, 2)) / mask.sum((1, 2)))
    return torch.cat(losses).double().numpy()


def add_row(out: Path, row: dict[str, object]) -> None:
    """Put a network's row into the table, in the place of an earlier one of the same name."""
    path = out / "overfit.csv"
    rows = [old for old in read_rows(path) if old["network"] != row["network"]] if path.exists() else []
    rows.append({name: f"{row[name]:.4f}" if isinstance(row[name], float) else str(row[name]) for name in COLUMNS})
    write_rows(path, COLUMNS, rows)
    write_text(out / "overfit.md", report(rows))


def report(rows: list[dict[str, str]]) -> str:
    lines = [
        "# Seen photos and new ones",
        "",
        "What whole, undisturbed photos cost a network after its training: validation photos of the set that it was",
        "trained on, and as many of its training photos, drawn by lot; the rebalanced loss in nats, the difference",
        "with its 95 % interval over photos. The docstring of `experiments/overfit.py` says how.",
        "",
        "| network | steps | photos of each kind | seen | new | new photos cost | |",
        "|---|---:|---:|---:|---:|---|---|",
    ]
    for row in rows:
        numbers = {name: float(row[name]) for name in COLUMNS[5:10]}
        lines.append(
            f"| {row['network']} | {int(row['steps']):,} | {int(row['photos_new']):,}, {row['side']} px "
            "| {loss_seen:.3f} | {loss_new:.3f} | {difference:+.3f} [{low:+.3f}, {high:+.3f}] ".format(**numbers)
            + f"| {row['verdict']} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(guarded(main))
