"""How good is every bundled checkpoint? ``python -m experiments.scores [FOLDER …]`` writes scores.json and scores.md.

Each checkpoint colours the bundled validation photos, and those of the folders named (a folder's subfolders are its
categories), at its three temperatures. Beside it stand gray, the mean colour, the mean colour of each luma, the network
trained by L2 regression, and the paper's network at the temperature that it has for the same wish. A gain is the mean
over photos of the difference on the same photo, with a bootstrap 95 % interval: where it excludes zero, the difference
is real.

Last, the bundled validation photos are coloured from smaller and larger frames than the one a checkpoint was measured
to be best at: a photo of the same scene is then seen in fewer or more pixels.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import colorlib
from colorlib.data import bundled, find_photos
from colorlib.evaluation import BASELINES, INPUT_SIZES, Baselines, Evaluation, bootstrap, measure
from colorlib.models import bundled_checkpoints
from colorlib.prediction import Colorizer

HERE = Path(__file__).parent
METRICS = ("psnr", "auc_rebalanced", "auc", "colorfulness", "bin_accuracy")
RIVALS = {"l2": "colorunet-l2", "colorunet": "colorunet"}  # networks that the others are compared with
OURS = ("colorunet", "colorunet-context")  # trained on photos of many sizes


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.scores", description="Score the bundled checkpoints.")
    parser.add_argument("folders", metavar="FOLDER", nargs="*", type=Path, help="more photos, never trained on")
    parser.add_argument("--most", type=int, default=10_000, help="take at most so many photos of a folder, evenly")
    args = parser.parse_args()
    groups = {"bundled validation": {p.path: p.kind for p in bundled("validation")}}
    for folder in args.folders:
        paths = find_photos(folder)
        paths = paths[:: max(1, -(-len(paths) // args.most))]
        groups[folder.name] = {path: path.relative_to(folder).parts[0] for path in paths}
    results = {name: score(kinds) for name, kinds in groups.items()}
    sizes = {name: seen_at(name, list(groups["bundled validation"])) for name in OURS if name in bundled_checkpoints()}
    everything = rounded(results | {"frames": sizes})
    (HERE / "scores.json").write_text(json.dumps(everything, separators=(",", ":")) + "\n")
    lines = [line for name, rows in results.items() for line in table(name, rows)] + frames_table(sizes)
    (HERE / "scores.md").write_text("\n".join(lines))


def score(kinds: dict[Path, str]) -> list[dict[str, Any]]:
    """One row for each checkpoint and temperature: all photos, and each category."""
    found: dict[tuple[str, str], Evaluation] = {}  # by checkpoint and wish
    chosen: dict[tuple[str, str], float] = {}
    for name in bundled_checkpoints():
        colorizer = colorlib.load(name)
        for label, temperature in temperatures(colorizer).items():
            found[name, label] = evaluation_of(colorizer, list(kinds), temperature)
            chosen[name, label] = temperature
            print(name, label, temperature, flush=True)
    rows = []
    for (name, label), result in found.items():
        # A regression has one answer to every wish.
        rivals = {short: found.get((rival, label)) or found.get((rival, "default")) for short, rival in RIVALS.items()}
        present = {short: rival for short, rival in rivals.items() if rival}
        row = {"model": name, "label": label, "temperature": chosen[name, label], "all": summary(result, present)}
        categories = sorted(set(kinds.values()))
        row["categories"] = {
            category: summary(result, present, np.array([kinds[path] == category for path in result.photos]))
            for category in (categories if len(categories) > 1 else [])
        }
        rows.append(row)
    return rows


def seen_at(name: str, paths: list[Path]) -> dict[int, dict[str, Any]]:
    """By frame: the PSNR and rebalanced AuC gained over the checkpoint's own frame, and the colourfulness."""
    colorizer = colorlib.load(name)
    own, temperature = colorizer.input_size, colorizer.record["temperatures"]["faithful"]
    reference = evaluation_of(colorizer, paths, temperature)
    result: dict[int, dict[str, Any]] = {}
    for frame in INPUT_SIZES:
        colorizer.input_size = frame
        evaluation = evaluation_of(colorizer, paths, temperature)
        result[frame] = {
            metric: bootstrap(evaluation.column("model", metric) - reference.column("model", metric))
            for metric in ("psnr", "auc_rebalanced")
        }
        result[frame] |= {"own": own, "colorfulness": float(evaluation.column("model", "colorfulness").mean())}
        print(name, "seen at", frame, result[frame]["psnr"], flush=True)
    return result


def temperatures(colorizer: Colorizer) -> dict[str, float]:
    """A checkpoint's own temperature, and those chosen for fidelity and for vividness."""
    return {"default": colorizer.temperature} | colorizer.record.get("temperatures", {})


def evaluation_of(colorizer: Colorizer, paths: list[Path], temperature: float) -> Evaluation:
    return measure(colorizer, paths, Baselines.from_dict(colorizer.record["baselines"]), temperature)


def summary(result: Evaluation, rivals: dict[str, Evaluation], chosen: np.ndarray | None = None) -> dict[str, Any]:
    """Metrics of a checkpoint and the truth, and the checkpoint's gains over all that it is compared with."""
    chosen = np.ones(len(result.photos), bool) if chosen is None else chosen
    model = {metric: result.column("model", metric)[chosen] for metric in METRICS}
    others = {name: {m: result.column(name, m)[chosen] for m in ("psnr", "auc_rebalanced")} for name in BASELINES}
    for name, rival in rivals.items():
        others[name] = {m: rival.column("model", m)[chosen] for m in ("psnr", "auc_rebalanced")}
    gains = {
        metric: {name: bootstrap(model[metric] - other[metric]) for name, other in others.items()}
        for metric in ("psnr", "auc_rebalanced")
    }
    truth = float(result.column("truth", "colorfulness")[chosen].mean())
    return {
        "photos": int(chosen.sum()),
        **{metric: bootstrap(values) for metric, values in model.items()},
        "truth_colorfulness": truth,
        "gain": gains,
    }


def rounded(value: Any) -> Any:
    """The same with four decimals."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return round(value, 4) if isinstance(value, float) else value


def table(name: str, rows: list[dict[str, Any]]) -> list[str]:
    """The scores on a set of photos as lines of Markdown."""
    photos = rows[0]["all"]["photos"]
    others = list(rows[0]["all"]["gain"]["psnr"])
    lines = [f"\n### {name}: {photos} photos\n"]
    for metric, unit in (("psnr", "PSNR, dB"), ("auc_rebalanced", "rebalanced AuC, percentage points")):
        lines += [f"Gain in {unit}, over …\n", f"| | T | {' | '.join(others)} |", "|---|---:|" + "---:|" * len(others)]
        for row in rows:
            gains = [row["all"]["gain"][metric][other] for other in others]
            cells = [f"{g['mean']:+.2f} [{g['low']:.2f}, {g['high']:.2f}]" for g in gains]
            lines.append(f"| {row['model']}, {row['label']} | {row['temperature']:g} | {' | '.join(cells)} |")
        lines.append("")
    categories = list(rows[0]["categories"])
    truth = rows[0]["all"]["truth_colorfulness"]
    lines.append(f"Colourfulness (truth: {truth:.1f}), bin accuracy, gain in PSNR over gray")
    heads = " | ".join(f"{c} ({rows[0]['categories'][c]['photos']})" for c in categories)
    lines += [f"\n| | colourfulness | accuracy | {heads} |", "|---|---:|---:|" + "---:|" * len(categories)]
    for row in rows:
        cells = [f"{row['all']['colorfulness']['mean']:.1f}", f"{row['all']['bin_accuracy']['mean'] * 100:.1f} %"]
        cells += [f"{row['categories'][c]['gain']['psnr']['gray']['mean']:+.2f}" for c in categories]
        lines.append(f"| {row['model']}, {row['label']} | {' | '.join(cells)} |")
    return lines + [""]


def frames_table(sizes: dict[str, dict[int, dict[str, Any]]]) -> list[str]:
    """What the size of the frame changes at prediction, as lines of Markdown."""
    lines = ["\n### Seen in fewer or more pixels: bundled validation, at the faithful temperature\n"]
    lines += [
        "| | frame | PSNR, dB, against its own frame | rebalanced AuC, points | colourfulness |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, frames in sizes.items():
        for frame, row in frames.items():
            gains = [row[metric] for metric in ("psnr", "auc_rebalanced")]
            cells = [f"{g['mean']:+.2f} [{g['low']:.2f}, {g['high']:.2f}]" for g in gains]
            mark = f"**{frame}**" if frame == row["own"] else str(frame)
            lines.append(f"| {name} | {mark} | {' | '.join(cells)} | {row['colorfulness']:.1f} |")
    return lines + [""]


if __name__ == "__main__":
    main()
