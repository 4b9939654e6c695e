"""How good is every bundled checkpoint? ``python -m experiments.scores [MODEL …]`` writes scores.json and scores.md.

Each checkpoint colours the bundled validation photos at its own temperature. Beside it stand gray, the mean colour, the
mean colour of each luma, the constant forecast and the truth; all are weighed by the same ruler. Every number is a mean
over photos with its 95 % interval, every difference a verdict over the same photos. Two tables look further: the
frontier, with the stains that a low temperature makes, and, where the extra ``eval`` is installed, the semantic test:
is what a classifier sees in the true photo recognised in the recoloured one better than in the gray one?

``--held-out`` names more photos that no checkpoint was trained on: a folder, whose subfolders are its categories, or a
cache made by `colorlib data prepare`, of which the validation photos are taken; they are scored by category, too.
``--temperature 2`` asks for another temperature than their own.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

import colorlib
from colorlib.cli.shared import guarded, number, positive
from colorlib.color import gray_of
from colorlib.data import Cache, bundled, find_photos, fit, read_photo, to_tensor
from colorlib.errors import ColorlibError
from colorlib.evaluation import (
    BASELINES,
    CONTENDERS,
    METRICS,
    Baselines,
    Classifier,
    Evaluation,
    Frontier,
    Verdict,
    bootstrap,
    measure,
    measure_frontier,
    photo_verdict,
    recognition,
    to_json,
)
from colorlib.files import write_text
from colorlib.models import bundled_checkpoints
from colorlib.prediction import Colorizer

HERE = Path(__file__).parent
SIDE = 256  # pixels a side at which photos are measured, as `measure` does
SHOWN = (0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0)  # temperatures of the table of the frontier
RECOGNISED = ("same_class", "same_class_top5", "class_probability")
JUDGED = ("psnr", "auc_rebalanced")  # the metrics of which differences are judged
L2 = "colorunet-l2"  # the foil: the same network, trained by regression
ABOUT = """\
Each checkpoint colours the photos at the temperature T, which is its own unless another was asked for;
`experiments/scores.py` says how. Means over photos with 95 % intervals. Stains are areas of one bin smaller than 0.2 %
of the picture; in this table those of the network's first choice, whatever T is.
"""
Group = dict[Path, str]  # a photo's category


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.scores", description="Score the bundled checkpoints.")
    parser.add_argument("models", metavar="MODEL", nargs="*", help="only these checkpoints, by name or path")
    parser.add_argument("--held-out", metavar="FOLDER", type=Path, help="more photos, or a cache, never trained on")
    parser.add_argument("--most", metavar="N", type=positive, default=10_000, help="at most so many photos, evenly")
    parser.add_argument("--temperature", metavar="T", type=number, help="of all that have one (default: each its own)")
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=HERE, help="where the tables go")
    args = parser.parse_args()
    models = args.models or list(bundled_checkpoints())
    with tempfile.TemporaryDirectory() as scratch:
        groups = {"bundled validation": {photo.path: photo.kind for photo in bundled("validation")}}
        if args.held_out:
            groups[args.held_out.name] = held_out(args.held_out, Path(scratch))
        results = {name: score(models, thinned(group, args.most), args.temperature) for name, group in groups.items()}
    args.out.mkdir(parents=True, exist_ok=True)
    write_text(args.out / "scores.json", json.dumps(results, separators=(",", ":")) + "\n")
    lines = [line for name in results for line in report(name, results[name])]
    write_text(args.out / "scores.md", "\n".join(["# Scores of the bundled checkpoints", *lines]))


def thinned(group: Group, most: int) -> Group:
    """At most so many photos, evenly taken."""
    return dict(list(group.items())[:: max(1, -(-len(group) // most))])


def held_out(folder: Path, scratch: Path) -> Group:
    """The photos of a folder, or the validation photos of a cache, which become files in scratch, with categories."""
    if not (folder / "cache.json").exists():
        return {path: path.relative_to(folder).parts[0] for path in find_photos(folder)}
    cache = Cache(folder)
    entries = [entry for entry in cache.entries if entry.split == "validation" and not entry.problem]
    group: Group = {}
    for place, (photos, entry) in enumerate(zip(cache.photos("validation").batches(1), entries, strict=True)):
        (height, width), path = photos.sizes[0].tolist(), scratch / f"{place:06}.png"
        Image.fromarray(photos.rgb[0, :height, :width].numpy()).save(path)
        group[path] = entry.category
    return group


def temperature_of(colorizer: Colorizer, asked: float | None) -> float:
    """The temperature that was asked for; its own if none was, or if it is a regression, which has no other."""
    return colorizer.temperature if asked is None or colorizer.is_regression else asked


def score(models: Sequence[str], group: Group, temperature: float | None = None) -> dict[str, Any]:
    """Every metric of every checkpoint and baseline, the verdicts over the foils, and the same by category."""
    found: dict[str, Evaluation] = {}
    for name in models:
        colorizer = colorlib.load(name)
        baselines = Baselines.from_dict(colorizer.record.get("baselines"))
        found[name] = measure(colorizer, list(group), baselines, temperature_of(colorizer, temperature))
        print(name, f"{bootstrap(found[name].column('model', 'psnr')):.2f} dB", flush=True)
    paths = next(iter(found.values())).photos  # those that can be read
    if len(paths) < len(group):
        print(f"left out, as they cannot be read: {len(group) - len(paths)} of {len(group)} photos")
    seen = semantic_test(models, paths, temperature)
    foils = (*BASELINES, L2) if L2 in found else BASELINES
    comparisons = len(JUDGED) * sum(name != foil for name in found for foil in foils)
    categories = sorted({group[path] for path in paths})
    return {
        name: {
            "photos": len(result.photos),
            "temperature": temperature_of(colorlib.load(name), temperature),
            "scores": to_json(result.summary()),
            "verdicts": {
                metric: {foil: plain(against(found, name, foil, metric, comparisons)) for foil in foils if foil != name}
                for metric in JUDGED
            },
            "categories": {c: of_category(result, group, c) for c in categories if len(categories) > 1},
            "frontier": frontier_of(name, paths),
            "recognised": seen.get(name, {}),
        }
        for name, result in found.items()
    }


def frontier_of(name: str, paths: Sequence[Path]) -> dict[str, Any]:
    """A checkpoint's frontier on photos, see `Frontier`, as lists."""
    found: Frontier = measure_frontier(
        colorlib.load(name), [fit(read_photo(path), SIDE) for path in paths], temperatures=SHOWN
    )
    truth = {"colorfulness": found.truth, "stains": found.truth_stains}
    columns = {metric: getattr(found, metric).tolist() for metric in ("psnr", "colorfulness", "stains")}
    return {"temperatures": list(found.temperatures), **columns, "truth": truth}


def semantic_test(
    models: Sequence[str], paths: Sequence[Path], temperature: float | None = None
) -> dict[str, dict[str, Any]]:
    """How well EfficientNet-Lite2 recognises pictures, by checkpoint: scores of it, of gray and of the truth.

    Every checkpoint's difference from gray is judged over the same photos; empty where its weights are not installed.
    """
    try:
        classifier = Classifier.load()
    except ColorlibError as error:
        print(f"no semantic test: {error}")
        return {}
    photos = [fit(read_photo(path), SIDE) for path in paths]
    truths = [classifier.probabilities(to_tensor(rgb)) for rgb in photos]

    def scores_of(pictures: Iterable[Tensor]) -> dict[str, np.ndarray]:
        rows = [
            recognition(classifier.probabilities(picture), truth)
            for picture, truth in zip(pictures, truths, strict=True)
        ]
        return {metric: np.array([row[metric] for row in rows]) for metric in RECOGNISED}

    gray = scores_of(gray_of(to_tensor(rgb)) for rgb in photos)
    truth = scores_of(to_tensor(rgb) for rgb in photos)
    result, comparisons = {}, len(RECOGNISED) * len(models)
    for name in models:
        colorizer = colorlib.load(name)
        chosen = temperature_of(colorizer, temperature)
        mine = scores_of(to_tensor(colorizer.colorize(rgb, chosen)) for rgb in photos)
        result[name] = {
            "scores": {
                who: {metric: bootstrap(column).to_json() for metric, column in table.items()}
                for who, table in (("model", mine), ("gray", gray), ("truth", truth))
            },
            "more than gray": {
                metric: plain(photo_verdict(mine[metric], gray[metric], comparisons=comparisons))
                for metric in RECOGNISED
            },
        }
    return result


def against(found: dict[str, Evaluation], name: str, foil: str, metric: str, comparisons: int) -> Verdict:
    """Whether a checkpoint has more of a metric than a foil, over the same photos."""
    other = found[foil].column("model", metric) if foil in found else found[name].column(foil, metric)
    return photo_verdict(found[name].column("model", metric), other, comparisons=comparisons)


def plain(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON keeps it."""
    excluded = verdict.excluded if np.isfinite(verdict.excluded) else None
    return verdict._asdict() | {
        "difference": verdict.difference.to_json(),
        "excluded": excluded,
        "text": f"{verdict:.2f}",
    }


def of_category(result: Evaluation, group: Group, category: str) -> dict[str, Any]:
    """How many photos of a category there are, and the gains over gray on them."""
    chosen = np.array([group[path] == category for path in result.photos])
    gains = {m: bootstrap((result.column("model", m) - result.column("gray", m))[chosen]).to_json() for m in JUDGED}
    return {"photos": int(chosen.sum()), "gain over gray": gains}


def report(group: str, results: dict[str, Any]) -> list[str]:
    """The tables of one set of photos as lines of Markdown: scores, verdicts, categories."""
    first = next(iter(results.values()))
    metrics = list(dict.fromkeys(metric for row in first["scores"].values() for metric in row))
    lines = [f"\n## {group}: {first['photos']} photos\n", ABOUT]
    lines += [f"| | T | {' | '.join(METRICS.get(m, m) for m in metrics)} |", "|---|---:|" + "---:|" * len(metrics)]
    for name, result in results.items():
        cells = [shown(result["scores"]["model"].get(metric)) for metric in metrics]
        lines.append(f"| {name} | {result['temperature']:g} | {' | '.join(cells)} |")
    lines += [line for name in CONTENDERS if name != "model" for line in contender_rows(name, results, metrics)]
    lines += [
        "\nMean colour, per-luma mean and constant forecast are those of a network's own training photos; stains, the "
        "distance of histograms and all columns from bin accuracy on are counted in a network's own bins. So where "
        "rows differ they say whose they are: compare a network with those of its name, as the verdicts below do."
    ]
    for metric in JUDGED:
        lines += [f"\n{METRICS[metric]}: is it more than …?\n"]
        foils = list(dict.fromkeys(foil for result in results.values() for foil in result["verdicts"][metric]))
        lines += [f"| | {' | '.join(CONTENDERS.get(f, f) for f in foils)} |", "|---|" + "---|" * len(foils)]
        for name, result in results.items():
            texts = [result["verdicts"][metric].get(foil, {"text": "–"})["text"] for foil in foils]
            lines.append(f"| {name} | {' | '.join(texts)} |")
    if first["categories"]:
        heads = [f"{category} ({row['photos']})" for category, row in first["categories"].items()]
        lines += ["\nGain in PSNR over gray, dB, by category\n", f"| | {' | '.join(heads)} |"]
        lines += ["|---|" + "---:|" * len(heads)]
        for name, result in results.items():
            cells = [shown(row["gain over gray"]["psnr"], "+") for row in result["categories"].values()]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, *report_frontier(results), *report_recognition(results), ""]


def contender_rows(contender: str, results: dict[str, Any], metrics: Sequence[str]) -> list[str]:
    """The lines of what costs no network: one where it is the same for all checkpoints, else one for those it is of."""
    whose: dict[str, list[str]] = {}
    for name, result in results.items():
        if contender in result["scores"]:
            cells = [shown(result["scores"][contender].get(metric)) for metric in metrics]
            whose.setdefault(" | ".join(cells), []).append(name)
    of_whom = {cells: f" ({', '.join(names)})" if len(whose) > 1 else "" for cells, names in whose.items()}
    return [f"| *{CONTENDERS[contender]}*{of_whom[cells]} | | {cells} |" for cells in whose]


def report_frontier(results: dict[str, Any]) -> list[str]:
    """The frontier of each checkpoint: PSNR, colourfulness and stains by temperature."""
    lines = [
        "\nThe frontier: PSNR (dB) / colourfulness / share of stains by temperature. Stains are counted in the bins "
        "nearest to what is painted, at the size at which the network looks; *truth* is the photos' own colourfulness "
        "and stains, in each network's bins.\n",
        f"| | {' | '.join(f'T = {t:g}' for t in SHOWN)} | truth |",
        "|---|" + "---:|" * (len(SHOWN) + 1),
    ]
    for name, result in results.items():
        row = result["frontier"]
        points = zip(row["temperatures"], row["psnr"], row["colorfulness"], row["stains"], strict=True)
        measured = {t: f"{psnr:.2f} / {color:.1f} / {stains:.3f}" for t, psnr, color, stains in points}
        cells = [measured.get(t, "–") for t in SHOWN]  # a regression has one temperature
        truth = f"{row['truth']['colorfulness']:.1f} / {row['truth']['stains']:.3f}"
        lines.append(f"| {name} | {' | '.join(cells)} | {truth} |")
    return lines


def report_recognition(results: dict[str, Any]) -> list[str]:
    """The semantic test as lines of Markdown; none where the classifier was not installed."""
    tested = {name: result["recognised"] for name, result in results.items() if result["recognised"]}
    if not tested:
        return []
    first = next(iter(tested.values()))["scores"]
    lines = [
        "\nThe semantic test: EfficientNet-Lite2, trained on ImageNet and no part of any training here, says what it "
        "sees in the true photo; how well does it recognise that in the picture? In brackets under each score, whether "
        "it is more than gray's. (The encoder of liteunet began as its smaller relative, Lite0, trained on the same "
        "photos of ImageNet.)\n",
        f"| | {' | '.join(METRICS[metric] for metric in RECOGNISED)} |",
        "|---|" + "---|" * len(RECOGNISED),
    ]
    for name, table in tested.items():
        verdicts = [f"({table['more than gray'][metric]['text']})" for metric in RECOGNISED]
        scores = [shown(table["scores"]["model"][metric]) for metric in RECOGNISED]
        lines.append(f"| {name} | {' | '.join(map('{}<br>{}'.format, scores, verdicts))} |")
    cells = {who: " | ".join(shown(first[who][metric]) for metric in RECOGNISED) for who in ("gray", "truth")}
    return lines + [f"| *{who}* | {text} |" for who, text in cells.items()]


def shown(kept: dict[str, float | None] | None, sign: str = "") -> str:
    """An interval as a cell of a table; of a single photo, which has none, the number alone.

    >>> shown({"mean": 20.0, "low": 19.5, "high": 21.0}), shown(None), shown({"mean": 2.0, "low": None, "high": None})
    ('20 [19.5, 21]', '–', '2')
    """
    if kept is None or kept["mean"] is None:
        return "–"
    ends = (
        "" if kept["low"] is None or kept["high"] is None else f" [{kept['low']:{sign}.3g}, {kept['high']:{sign}.3g}]"
    )
    return f"{kept['mean']:{sign}.3g}{ends}"


if __name__ == "__main__":
    sys.exit(guarded(main))
