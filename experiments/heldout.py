"""Is a checkpoint better than another, and than gray, on photos that neither has seen?

    python -m experiments.heldout --photos FOLDER                          # the default network against gray
    python -m experiments.heldout --photos FOLDER --model new.safetensors --against old.safetensors --most 120

Every photo is coloured at 256 pixels a side by each network at three temperatures: its best, of the highest mean PSNR
here; its own, the record's; and the truth's, at which its pictures are as colourful as the photos. Best and truth's are
chosen on these very photos, which flatters both networks alike, and against gray a little. Instead of a folder a cache
made by `colorlib data prepare` will do: its validation photos, at the size they have there.

Differences are over the same photos, each with its 95 % interval and verdict. heldout.csv has a row for each photo,
network and temperature, heldout.md the tables.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

import colorlib
from colorlib.cli.shared import guarded, positive
from colorlib.color import chroma_of, luma_of, merge_luma_chroma
from colorlib.data import fit, read_photo, to_tensor
from colorlib.errors import ColorlibError
from colorlib.evaluation import (
    METRICS,
    TEMPERATURES,
    area_under_accuracy,
    bootstrap,
    chroma_by_temperature,
    colorfulness,
    photo_verdict,
    psnr,
    rarity,
)
from colorlib.files import write_rows, write_text
from colorlib.prediction import Colorizer, upsample_and_merge
from experiments.scores import held_out, thinned

SIDE = 256  # pixels a side at which photos are measured
JUDGED = ("psnr", "auc_rebalanced", "colorfulness")
CHOICES = ("best", "own", "truth's")


@dataclass(frozen=True)
class Scores:
    """What was measured of one network: float64 (temperatures, photos, `JUDGED`)."""

    temperatures: tuple[float, ...]
    own: float
    values: np.ndarray

    def chosen(self, truth: float) -> dict[str, float]:
        """The temperature of each of `CHOICES`; ``truth`` is the photos' own mean colourfulness."""
        psnrs, _, colors = self.values.mean(axis=1).T
        best, as_colorful = int(psnrs.argmax()), int(np.abs(colors - truth).argmin())
        return dict(zip(CHOICES, (self.temperatures[best], self.own, self.temperatures[as_colorful]), strict=True))

    def at(self, temperature: float) -> np.ndarray:
        """The scores (photos, `JUDGED`) at one of the temperatures."""
        return self.values[self.temperatures.index(temperature)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.heldout", description="One checkpoint and another.")
    parser.add_argument("--photos", metavar="FOLDER", type=Path, required=True, help="held-out photos, or a cache")
    parser.add_argument("--model", metavar="MODEL", help="a checkpoint, by name or path (default: the library's own)")
    parser.add_argument("--against", metavar="MODEL", help="another one (default: gray alone)")
    parser.add_argument("--most", metavar="N", type=positive, default=10_000, help="at most so many photos, evenly")
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=Path("runs/heldout"), help="where the tables go")
    args = parser.parse_args()
    networks = {"model": colorlib.load(args.model)} | ({"against": colorlib.load(args.against)} if args.against else {})
    with tempfile.TemporaryDirectory() as scratch:
        paths = list(thinned(held_out(args.photos, Path(scratch)), args.most))
        if not paths:
            raise ColorlibError(f"{args.photos}: no photos there")
        found = {name: measure_network(colorizer, paths) for name, colorizer in networks.items()}
        gray, truth = measure_gray(paths)
    args.out.mkdir(parents=True, exist_ok=True)
    rows = table(found, paths)
    write_rows(args.out / "heldout.csv", list(rows[0]), rows)
    names = {"model": args.model or "the default network", "against": args.against or "", "gray": "gray"}
    lines = report(found, gray, truth, names)
    write_text(args.out / "heldout.md", "\n".join(lines) + "\n")
    print("\n".join(lines))


def measure_network(colorizer: Colorizer, paths: Sequence[Path], factors: Sequence[float] = (1.0,)) -> Scores:
    """Every photo recoloured at every temperature, from one run of the network.

    A network of regression has none: its chrominance is multiplied by each of ``factors`` instead, 1 among them.
    """
    own = colorizer.temperature
    temperatures = tuple(factors) if colorizer.is_regression else tuple(sorted({*TEMPERATURES, own}))
    values = np.zeros((len(temperatures), len(paths), len(JUDGED)))
    for column, path in enumerate(tqdm(paths, desc="colouring", unit="photo", disable=None)):
        rgb = fit(read_photo(path), SIDE)
        truth, luma = to_tensor(rgb), colorizer.input_luma(rgb)
        answers = chroma_by_temperature(colorizer, luma, temperatures)
        if colorizer.is_regression:
            answers = (factor * chroma for chroma in answers for factor in factors)
        for row, chroma in enumerate(answers):
            values[row, column] = scores_of(to_tensor(upsample_and_merge(rgb, luma, chroma)), truth)
    return Scores(temperatures, own, values)


def measure_gray(paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """The scores of the photos without colour, (photos, `JUDGED`), and how colourful the photos are, (photos,)."""
    truths = [to_tensor(fit(read_photo(path), SIDE)) for path in paths]
    gray = [merge_luma_chroma(luma_of(truth), torch.zeros_like(chroma_of(truth))) for truth in truths]
    scores = [scores_of(picture, truth) for picture, truth in zip(gray, truths, strict=True)]
    return np.array(scores), np.array([colorfulness(truth) for truth in truths])


def scores_of(picture: torch.Tensor, truth: torch.Tensor) -> tuple[float, float, float]:
    """The `JUDGED` scores of a picture (3, H, W)."""
    return psnr(picture, truth), area_under_accuracy(picture, truth, rarity(truth)), colorfulness(picture)


def table(found: dict[str, Scores], paths: Sequence[Path]) -> list[dict[str, Any]]:
    """A row for each network, temperature and photo."""
    return [
        {"network": name, "temperature": temperature, "photo": path.name}
        | {metric: round(float(value), 4) for metric, value in zip(JUDGED, values, strict=True)}
        for name, scores in found.items()
        for temperature in scores.temperatures
        for path, values in zip(paths, scores.at(temperature), strict=True)
    ]


def report(found: dict[str, Scores], gray: np.ndarray, truth: np.ndarray, names: dict[str, str]) -> list[str]:
    """Means with 95 % intervals, and what the model has more of than the others, over the same photos."""
    chosen = {name: scores.chosen(float(truth.mean())) for name, scores in found.items()}
    heads = " | ".join(METRICS[metric] for metric in JUDGED)
    lines = [f"# {names['model']} on {len(gray)} held-out photos\n", f"| | T | {heads} |", "|---|---:|---:|---:|---:|"]
    for name, scores in found.items():
        for choice, temperature in chosen[name].items():
            cells = [f"{bootstrap(column):.2f}" for column in scores.at(temperature).T]
            lines.append(f"| {names[name]}, {choice} | {temperature:g} | {' | '.join(cells)} |")
    lines.append(f"| gray | | {' | '.join(f'{bootstrap(column):.2f}' for column in gray.T)} |")
    lines.append(f"| truth | | – | – | {bootstrap(truth):.2f} |")
    others = [name for name in found if name != "model"] + ["gray"]
    comparisons = 2 * len(CHOICES) * len(others)
    lines += [f"\n| is it more than …? | at | {METRICS['psnr']} | {METRICS['auc_rebalanced']} |", "|---|---|---|---|"]
    for other in others:
        for choice in CHOICES:
            mine = found["model"].at(chosen["model"][choice])
            theirs = gray if other == "gray" else found[other].at(chosen[other][choice])
            verdicts = [photo_verdict(mine[:, i], theirs[:, i], comparisons=comparisons) for i in range(2)]
            lines.append(f"| {names[other]} | {choice} | {verdicts[0]:.2f} | {verdicts[1]:.2f} |")
    return lines


if __name__ == "__main__":
    sys.exit(guarded(main))
