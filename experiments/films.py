"""Do colours keep still, and at what cost? ``python -m experiments.films [FILM …]`` writes films.csv and films.md.

The first frames of every bundled film, and of those named, are coloured by the default network (or ``--model``) frame
by frame and with each way of smoothing (paper §4.3). Of each the table tells

* **flicker**: how far the chrominance of still pixels jumps per frame, as a share of the truth's own: 1 is as steady;
* **colour kept**: the colourfulness, as a share of that frame by frame: under 1 smoothing has cost colour;
* the warp error along the motion, the change of the colour histograms (CDC) and the distance from the truth.

As in ``colorlib video`` a scene cut starts afresh. The goal is a flicker of at most the truth's with at least 95 % of
the colour kept, on every film. Films that are not bundled are only measured: whoever has no copy of them measures the
others.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

import colorlib
from colorlib.cli.shared import guarded, positive
from colorlib.color import chroma_of
from colorlib.errors import ColorlibError
from colorlib.files import write_rows, write_text
from colorlib.prediction import DEFAULT_MODEL, Colorizer
from colorlib.video import METHODS, SceneCuts, Shot, predictions, real_clip, score, smoothed_chroma
from experiments.refine import short

HERE = Path(__file__).parent
BUNDLED = HERE.parent / "data" / "video"
FLICKER, KEPT = 1.0, 0.95  # the goal: flicker at most the truth's, so much of the colour kept
ALONE = "frame by frame"
COLUMNS = ("film", "method", "flicker", "warp_error", "cdc", "colorfulness", "error", "steadiness", "kept", "goal")
ALPHA, WINDOW = 0.2, 20.0  # the paper's
ABOUT = """
The first frames of each film, coloured frame by frame and with each way of smoothing that `colorlib video --method`
has; `experiments/films.py` says what is measured, `colorlib video --help` what each way does. *Flicker* is how far the
colour of still pixels jumps per frame, *colour kept* the colourfulness beside that frame by frame. How far `steady`
looks ahead, and that it answers at 0.9 of T, was chosen on these films: it is not judged on new ones."""
Rows = list[dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.films", description="Measure how films are smoothed.")
    parser.add_argument("films", metavar="FILM", type=Path, nargs="*", help="more films, beside the bundled ones")
    parser.add_argument("--model", metavar="NAME|PATH", help="a bundled model or a checkpoint (default: the default)")
    parser.add_argument("--frames", metavar="N", type=positive, default=60, help="so many of each film (default: 60)")
    parser.add_argument("--width", metavar="N", type=positive, default=160, help="of its frames (default: 160 pixels)")
    args = parser.parse_args()
    paths = [*sorted(BUNDLED.glob("*.mp4")), *args.films]
    stems = [path.stem for path in paths]
    if twice := {stem for stem in stems if stems.count(stem) > 1}:
        raise ColorlibError(
            f"two films are called {', '.join(sorted(twice))}, and one row cannot tell which: rename one"
        )
    colorizer = colorlib.load(args.model)
    rows: Rows = []
    for path in tqdm(paths, desc="measuring", unit="film", disable=None):
        rows += judged(path.stem, scores_of(real_clip(path, args.frames, args.width), colorizer))
    write_rows(HERE / "films.csv", COLUMNS, [{key: short(value) for key, value in row.items()} for row in rows])
    name = args.model or DEFAULT_MODEL
    title = f"# Films: {name} at T = {colorizer.temperature:g}, {args.frames} frames {args.width} pixels wide"
    lines = [title, ABOUT, *sources(rows), *flicker_table(rows), *metric_tables(rows)]
    write_text(HERE / "films.md", "\n".join(lines))


def scores_of(shot: Shot, colorizer: Colorizer) -> dict[str, dict[str, float]]:
    """All metrics of one shot, by the way of smoothing, with the truth beside them."""
    probabilities = predictions(colorizer, shot.luma)
    scores = {"truth": score(shot, chroma_of(shot.truth))}
    for name in (ALONE, *METHODS):
        make = METHODS.get(name)
        scenes = [
            smoothed_chroma(p, luma, make and make(ALPHA, WINDOW), colorizer.bins.colors, colorizer.temperature)
            for p, luma in scenes_of(probabilities, shot.luma)
        ]
        scores[name] = score(shot, torch.cat(scenes))
    return scores


def scenes_of(probabilities: Tensor, luma: Tensor) -> list[tuple[Tensor, Tensor]]:
    """A film's probabilities and luma, cut where `SceneCuts` finds a new scene."""
    cut = SceneCuts()
    begins = [t for t, frame in enumerate(luma) if cut(frame) or t == 0]
    return [(probabilities[a:b], luma[a:b]) for a, b in zip(begins, [*begins[1:], len(luma)], strict=True)]


def judged(film: str, scores: dict[str, dict[str, float]]) -> Rows:
    """A row for each way of smoothing one film, with its flicker beside the truth's, and the colour that it keeps."""
    truth, alone = scores["truth"]["flicker"], scores[ALONE]["colorfulness"]
    if truth == 0:
        raise ColorlibError(f"{film} is gray: name a film that has colours to compare with")
    rows = []
    for method, own in scores.items():
        ratio, kept = own["flicker"] / truth, own["colorfulness"] / alone
        more = {"steadiness": ratio, "kept": kept, "goal": int(ratio <= FLICKER and kept >= KEPT)}
        rows.append({"film": film, "method": method, **own, **more})
    return rows


# Tables


def sources(rows: Rows) -> list[str]:
    """Which films come with this project, so that their rows can be measured again."""
    films, bundled = dict.fromkeys(row["film"] for row in rows), {path.stem for path in BUNDLED.glob("*.mp4")}
    here, others = ([name for name in films if (name in bundled) == own] for own in (True, False))
    text = f"Bundled, in `data/video`: {', '.join(here) or 'none'}."
    return [f"\n{text} No part of this project: {', '.join(others)}." if others else f"\n{text}"]


def flicker_table(rows: Rows) -> list[str]:
    """Flicker beside the truth's and colour kept, a line for each way, a column for each film."""
    films, methods = (list(dict.fromkeys(row[key] for row in rows)) for key in ("film", "method"))
    lines = ["\n## Flicker, as a share of the truth's, and colour kept\n"]
    lines += [f"In bold where the goal is met: flicker at most {FLICKER:g} x the truth's, {KEPT:.0%} of colour kept.\n"]
    lines += [f"| | {' | '.join(films)} | goal met |", "|---|" + "---:|" * (len(films) + 1)]
    for method in methods:
        if method != "truth":
            own = [row for row in rows if row["method"] == method]
            cells = [f"{row['steadiness']:.2f}, {row['kept']:.0%}" for row in own]
            cells = [f"**{cell}**" if row["goal"] else cell for cell, row in zip(cells, own, strict=True)]
            lines.append(f"| {named(method)} | {' | '.join(cells)} | {sum(r['goal'] for r in own)} of {len(films)} |")
    return lines


def metric_tables(rows: Rows) -> list[str]:
    """The other numbers, a table for each film."""
    heads = {"flicker": "flicker x 1000", "warp_error": "warp error x 10⁵", "cdc": "CDC x 1000"}
    heads |= {"colorfulness": "colourfulness", "error": "distance from the truth x 100"}
    factors = (1e3, 1e5, 1e3, 1, 1e2)
    lines = []
    for film in dict.fromkeys(row["film"] for row in rows):
        lines += [f"\n## {film}\n", f"| | {' | '.join(heads.values())} |", "|---|" + "---:|" * len(heads)]
        for row in rows:
            if row["film"] == film:
                cells = [f"{row[key] * factor:.2f}" for key, factor in zip(heads, factors, strict=True)]
                lines.append(f"| {named(row['method'])} | {' | '.join(cells)} |")
    return lines


def named(method: str) -> str:
    return f"`{method}`" if method in METHODS else method


if __name__ == "__main__":
    sys.exit(guarded(main))
