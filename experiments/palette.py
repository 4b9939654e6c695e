"""What is a reference photo's palette worth? ``python -m experiments.palette`` writes palette.csv and palette.md.

palette.md is the table; palette.csv has a line for each photo and setting, and is not kept in the repository.

Every bundled validation photo, at 256 pixels a side, is coloured by the default network (or ``--model``) as it is, and
with its logits shifted towards the palette of a reference (`colorlib.prediction.Palette`), one of four:

* **itself**: the photo's own true colours, which nobody has; an upper bound.
* **picked**: of all other validation photos the one whose shares of bins are closest to the true ones (Jensen–Shannon
  distance). It stands for somebody who knows what the place looked like and looks for a photo like it.
* **same kind**: another validation photo of the same kind, landscape or nature, drawn by lot.
* **random**: any other validation photo, drawn by lot.

At several strengths, at the default temperature and at the faithful one (the highest within 0.1 dB of the best PSNR on
held-out photos).

**The rule**, written before the first run of this module: the palette becomes an option of ``colorlib colorize`` if,
at the default temperature and at strength 0.5, either a photo of the *same kind* or a *picked* one gains PSNR, with an
interval over photos above 0, and the picked one 0.5 dB or more. What *itself* gains decides nothing: an earlier,
rougher measurement at strength 1 had shown it to be large (+4.77 dB), and that another photo of the kind gains nothing
(-0.71 [-1.78, +0.33]).

A palette also makes pictures calmer, which raises PSNR by itself: a control without a reference is at T = 1, where
colourfulness is near what a palette leaves of it at the default temperature (a picked one leaves less). (This control
was added after the first run; the rule does not know of it.)

The control **training prior** divides by the shares that the network's training had, instead of those that it expects
on this photo: is the choice of `colorlib.prediction.reference` the better one?

One photo, one vote; differences are on the same photo, with bootstrap 95 % intervals. ``--most 8`` is a quick look.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from tqdm.auto import tqdm

import colorlib
from colorlib.cli.shared import guarded, positive
from colorlib.data import Photo, bundled, fit, read_photo, to_tensor
from colorlib.errors import ColorlibError
from colorlib.evaluation import MORE, jensen_shannon, photo_verdict
from colorlib.files import write_rows, write_text
from colorlib.prediction import Colorizer, Palette, annealed_mean, shift_towards, upsample_and_merge
from colorlib.prediction.reference import FLOOR
from experiments.refine import METRICS as ALL_METRICS
from experiments.refine import SIZE, column, interval, scores, short

HERE = Path(__file__).parent
STRENGTHS = (0.25, 0.5, 1.0)
JUDGED_AT = 0.5  # the strength of the rule
WORTH = 0.5  # dB
CALMER = 1.0  # temperature of the control without a reference
REFERENCES = ("itself", "picked", "same kind", "random")
METRICS = {name: ALL_METRICS[name] for name in ("psnr", "auc_rebalanced", "colorfulness", "stains")}
OWN, TRAINING = "expected on this photo", "training prior"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.palette", description="Measure palettes.")
    parser.add_argument("--model", metavar="NAME|PATH", help="a bundled model or a checkpoint (default: the default)")
    parser.add_argument("--most", metavar="N", type=positive, default=10_000, help="use so many photos, evenly chosen")
    parser.add_argument("--seed", type=int, default=0, help="of the lots")
    args = parser.parse_args()
    colorizer = colorlib.load(args.model)
    photos = bundled("validation")
    photos = photos[:: max(1, -(-len(photos) // args.most))]
    pictures = [fit(read_photo(photo.path), SIZE) for photo in photos]
    shares = [Palette.of(rgb, colorizer.bins).shares for rgb in pictures]
    if "faithful" not in colorizer.record.get("temperatures", {}):
        raise ColorlibError(
            "this checkpoint's record holds no temperature 'faithful': name one that was trained to the end"
        )
    temperatures = [colorizer.temperature, colorizer.record["temperatures"]["faithful"]]
    lot = np.random.default_rng(args.seed)
    rows: list[dict[str, Any]] = []
    for number, photo in enumerate(tqdm(photos, desc="measuring", unit="photo", disable=None)):
        chosen = references(number, photos, shares, lot)
        rows += photo_rows(colorizer, photo, pictures[number], {k: shares[i] for k, i in chosen.items()}, temperatures)
    columns = ["photo", "reference", "prior", "strength", "temperature", *METRICS]
    write_rows(HERE / "palette.csv", columns, [{k: short(v) for k, v in row.items()} for row in rows])
    write_text(HERE / "palette.md", report(rows, args.model, len(photos), temperatures))


def references(number: int, photos: list[Photo], shares: list[Tensor], lot: np.random.Generator) -> dict[str, int]:
    """The place in ``photos`` of each reference of a photo."""
    others = [i for i in range(len(photos)) if i != number]
    alike = [i for i in others if photos[i].kind == photos[number].kind] or others
    return {
        "itself": number,
        "picked": min(others, key=lambda i: jensen_shannon(shares[i], shares[number])),
        "same kind": int(lot.choice(alike)),
        "random": int(lot.choice(others)),
    }


def photo_rows(
    colorizer: Colorizer, photo: Photo, rgb: np.ndarray, shares: dict[str, Tensor], temperatures: list[float]
) -> list[dict[str, Any]]:
    """A photo coloured as it is, and towards each palette, at every strength and temperature."""
    truth, small, bins = to_tensor(rgb), colorizer.input_luma(rgb), colorizer.bins
    logits = colorizer.logits(small).cpu()
    shifted: dict[tuple[str, str, float], Tensor] = {("none", OWN, 0.0): logits}
    trained = bins.frequency * bins.weights(colorizer.lam)  # what the network expects of a pixel it knows nothing of
    for name, wanted in shares.items():
        for strength in STRENGTHS:
            shifted[name, OWN, strength] = shift_towards(logits, wanted, strength)
        shift = ((1 - FLOOR) * wanted / trained + FLOOR).log().to(logits)
        shifted[name, TRAINING, JUDGED_AT] = logits + JUDGED_AT * shift[:, None, None]
    rows = []
    for (name, prior, strength), answer in shifted.items():
        for temperature in [*temperatures, *[CALMER] * (name == "none")]:
            chroma = annealed_mean(answer, bins.colors, temperature)
            found = scores(to_tensor(upsample_and_merge(rgb, small, chroma)), truth, colorizer)
            row = {"photo": photo.path.stem, "reference": name, "prior": prior, "strength": strength}
            rows.append(row | {"temperature": temperature} | {metric: found[metric] for metric in METRICS})
    return rows


# Tables


def report(rows: list[dict[str, Any]], model: str | None, count: int, temperatures: list[float]) -> str:
    lines = [f"# The palette of a reference photo: {model or 'the default network'}, {count} photos\n"]
    lines.append(
        "How each reference is chosen, and the rule by which the palette is kept, stand in `experiments/palette.py`. "
        "Differences are from no reference, photo by photo, with 95 % intervals over photos. *Itself* is the photo's "
        "own colours, which nobody has: an upper bound; *picked* is, of all other validation photos, the one whose "
        "shares of bins are closest to the true ones. *Stains* are how many areas of one bin a picture falls into."
    )
    for temperature in temperatures:
        lines += table(rows, temperature)
    default = temperatures[0]
    lines += [*calm_table(rows, default), *prior_table(rows, default), *verdict(rows, default)]
    return "\n".join(lines) + "\n"


def values(rows: list[dict[str, Any]], metric: str, name: str, strength: float, at: float, prior: str) -> np.ndarray:
    """A metric of each photo, in the photos' order."""
    return column(rows, metric, reference=name, strength=strength, temperature=at, prior=prior)


def table(rows: list[dict[str, Any]], temperature: float) -> list[str]:
    """A line for each reference and strength."""
    lines = [f"\n## At temperature {temperature:g}\n", f"| reference | strength | {' | '.join(METRICS.values())} |"]
    lines.append("|---|---:|" + "---:|" * len(METRICS))
    before = {metric: values(rows, metric, "none", 0.0, temperature, OWN) for metric in METRICS}
    lines.append(f"| none | | {' | '.join(interval(before[metric], '') for metric in METRICS)} |")
    for name in REFERENCES:
        for strength in STRENGTHS:
            after = {metric: values(rows, metric, name, strength, temperature, OWN) for metric in METRICS}
            cells = [interval(after[metric] - before[metric]) for metric in METRICS]
            lines.append(f"| {name} | {strength:g} | {' | '.join(cells)} |")
    return lines


def calm_table(rows: list[dict[str, Any]], temperature: float) -> list[str]:
    """Palettes at the default temperature against no reference at a calmer one."""
    lines = [f"\n## Is it only calmer?\n\nAt temperature {temperature:g}, from no reference at {CALMER:g}:\n"]
    lines += [f"| reference | strength | {' | '.join(METRICS.values())} |", "|---|---:|" + "---:|" * len(METRICS)]
    calm = {metric: values(rows, metric, "none", 0.0, CALMER, OWN) for metric in METRICS}
    for name in REFERENCES:
        cells = [interval(values(rows, m, name, JUDGED_AT, temperature, OWN) - calm[m]) for m in METRICS]
        lines.append(f"| {name} | {JUDGED_AT:g} | {' | '.join(cells)} |")
    return lines


def prior_table(rows: list[dict[str, Any]], temperature: float) -> list[str]:
    """Differences between the two priors, for each reference."""
    lines = ["\n## Divided by what: this photo's expected shares, or training's?\n"]
    lines.append(f"At strength {JUDGED_AT:g}, temperature {temperature:g}: this photo's minus training's.\n")
    lines += [f"| reference | {' | '.join(METRICS.values())} |", "|---|" + "---:|" * len(METRICS)]
    for name in REFERENCES:
        pairs = [[values(rows, m, name, JUDGED_AT, temperature, p) for p in (OWN, TRAINING)] for m in METRICS]
        lines.append(f"| {name} | {' | '.join(interval(own - training) for own, training in pairs)} |")
    return lines


def verdict(rows: list[dict[str, Any]], temperature: float) -> list[str]:
    """The rule, with its numbers."""
    before = values(rows, "psnr", "none", 0.0, temperature, OWN)
    same, picked = (
        photo_verdict(values(rows, "psnr", name, JUDGED_AT, temperature, OWN), before, comparisons=2)
        for name in ("same kind", "picked")
    )
    kept = same.word == MORE or (picked.word == MORE and picked.difference.mean >= WORTH)
    return [
        f"\n## The rule\n\nPSNR, dB, at strength {JUDGED_AT:g} and temperature {temperature:g}, against none:\n",
        f"* same kind: {same:.2f}",
        f"* picked: {picked:.2f}",
        f"\nThe palette is {'kept' if kept else 'not kept'} as an option of `colorlib colorize`.",
    ]


if __name__ == "__main__":
    sys.exit(guarded(main))
