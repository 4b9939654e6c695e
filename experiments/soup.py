"""The mean of trained networks' weights: ``python -m experiments.soup ONE OTHER … --out MEAN.safetensors``.

Networks that went on from the same weights, each in its own way, often lie in one valley of the loss: the mean of their
weights can be better than each of them, at the cost of one (Wortsman et al. 2022, "Model soups"). The bundled default
is such a mean (MODEL_CARD.md). ``--shares 0.3 0.7`` weighs them; ``--photos FOLDER`` measures each of them, and the
mean, on photos that none of them was trained on.

The mean takes bins and record from the first, and answers with its λ: the others are brought to it before. The record
says of what it is the mean, and with ``--zoom 1.1`` how many times as large it sees photos (`Colorizer`).
``--lams 0.2 0.5 0.7`` tries other λ on the photos, and lets the mean answer with that of the highest PSNR among those
whose pictures have 85 % of the photos' colour (`Frontier.lively`).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from colorlib.cli.shared import guarded
from colorlib.color import ColorBins
from colorlib.data import find_photos, fit, read_photo
from colorlib.errors import ColorlibError
from colorlib.evaluation import AS_COLORFUL, measure_frontier
from colorlib.models import answering_lam, find_checkpoint, load_checkpoint, save_checkpoint
from colorlib.prediction import Colorizer
from colorlib.training import adjust_output_bias
from experiments.overfit import name_of

SIZE = 256


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.soup", description="Average trained networks.")
    parser.add_argument("checkpoints", metavar="NAME|PATH", nargs="+", help="bundled networks or checkpoints")
    parser.add_argument("--out", metavar="PATH", required=True, type=Path, help="the file of the mean")
    parser.add_argument(
        "--shares", metavar="X", nargs="+", type=float, help="of each, in the same order (default: equal)"
    )
    parser.add_argument(
        "--zoom", metavar="X", type=float, help="how many times as large it sees photos (default: the first's)"
    )
    parser.add_argument("--photos", metavar="FOLDER", type=Path, help="photos to measure them all on")
    parser.add_argument("--lams", metavar="X", nargs="+", type=float, help="λ to choose from on these photos")
    args = parser.parse_args()
    if args.lams and not args.photos:
        parser.error("a λ is chosen on photos: name a folder of some with --photos")
    photos = [fit(read_photo(path), SIZE) for path in find_photos(args.photos)] if args.photos else []
    if args.photos and not photos:
        raise ColorlibError(f"{args.photos}: no photos there")
    paths = [find_checkpoint(checkpoint) for checkpoint in args.checkpoints]
    model, bins, record = average(paths, args.shares or [1.0] * len(paths))
    mean = model, bins, record | ({} if args.zoom is None else {"zoom": args.zoom})
    Colorizer(model, bins, record=mean[2])  # whether it can see so
    save_checkpoint(args.out, *mean, half=True)
    if args.photos:
        for path in [*paths, args.out]:
            measured(path.name, Colorizer.load(path), photos)
        if args.lams:
            save_checkpoint(args.out, *with_best_lam(*mean, args.lams, photos), half=True)


def measured(name: str, colorizer: Colorizer, photos: Sequence[np.ndarray]) -> tuple[bool, float]:
    """Whether some temperature makes a network's pictures lively, and their PSNR there; both are printed."""
    found = measure_frontier(colorizer, photos)
    column = found.temperatures.index(found.lively())
    color, score = found.colorfulness[column], float(found.psnr[column])
    print(
        f"{name}: {found.psnr.max():.2f} dB at best; {score:.2f} at T = {found.lively():g}, colourfulness {color:.1f}"
    )
    return bool(color >= AS_COLORFUL * found.truth), score


def with_best_lam(
    model: nn.Module, bins: ColorBins, record: dict[str, Any], lams: Sequence[float], photos: Sequence[np.ndarray]
) -> tuple[nn.Module, ColorBins, dict[str, Any]]:
    """The network, answering with the λ whose pictures are best where they are lively, its bins and its record."""
    merits = {}
    for lam in lams:
        adjust_output_bias(lam, model, bins, trained_with=Colorizer(model, bins, record=record).lam)
        record = record | {"lam_inference": lam}
        merits[lam] = measured(f"λ = {lam:g}", Colorizer(model, bins, record=record), photos)
    best = max(merits, key=lambda lam: merits[lam])
    adjust_output_bias(best, model, bins, trained_with=lams[-1])
    return model, bins, record | {"lam_inference": best}


def average(paths: Sequence[Path], shares: Sequence[float]) -> tuple[nn.Module, ColorBins, dict[str, Any]]:
    """The mean of checkpoints, weighed by ``shares`` (any positive numbers): network, bins and record.

    Raises:
        ColorlibError: if they are not of one kind, with the same bins, or if there are not as many shares.
    """
    if len(shares) != len(paths) or min(shares) <= 0:
        raise ColorlibError(f"each of the {len(paths)} networks needs a share above 0, got {list(shares)}")
    loaded = [load_checkpoint(path) for path in paths]
    model, bins, record = loaded[0]
    lam = answering_lam(record)
    for path, (other, other_bins, other_record) in zip(paths, loaded, strict=True):
        same_layers = _shapes(other) == _shapes(model)
        if not same_layers or not torch.equal(other_bins.colors, bins.colors):
            raise ColorlibError(f"{path} has other layers or bins than {paths[0]}: their weights have no mean")
        theirs = answering_lam(other_record)
        if lam is not None and theirs is not None and lam != theirs:
            adjust_output_bias(lam, other, bins, trained_with=theirs)
    states = [other.state_dict() for other, _, _ in loaded]
    mean = {
        name: sum(share * state[name] for share, state in zip(shares, states, strict=True)) / sum(shares)
        if value.is_floating_point()
        else value
        for name, value in states[0].items()
    }
    model.load_state_dict(mean)
    parts: dict[str, float] = {}
    for path, share in zip(paths, shares, strict=True):
        parts[name_of(path)] = parts.get(name_of(path), 0) + share / sum(shares)
    return model, bins, record | {"mean_of": parts}


def _shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in model.state_dict().items()}


if __name__ == "__main__":
    sys.exit(guarded(main))
