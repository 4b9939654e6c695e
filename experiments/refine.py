"""What are seeds and hints worth? ``python -m experiments.refine`` writes refine.csv and refine.md (paper §5).

refine.md is the table; refine.csv has a line for each photo, and is not kept in the repository.

Every bundled validation photo, at 256 pixels a side, is coloured by the default network (or ``--model``):

* **seeds**, at several temperatures: as predicted; enlarged plainly, as all that follow are, where the library goes
  by the luma's edges; from all pixels, the surer the more firmly, spread along the luma,
  solved exactly (`colorlib.prediction.refine`) and by the fast filter; from the surest 30 % alone; and, as a
  control, simply blurred.
* **hints**: the true colour at random places, 0 to 100 of them, on the network's colours; against the same hints spread
  without a network (Levin et al.), and against the colour of the nearest hint.
* **cost**: seconds and peak memory of a process that colours one photo of 1 and of 12 megapixels. CPU seconds, summed
  over cores, say more than those of the clock where other work is going on.

One photo, one vote; differences are on the same photo, with bootstrap 95 % intervals. ``--most 8`` is a quick look.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor
from tqdm.auto import tqdm

import colorlib
from colorlib.cli.shared import guarded, positive
from colorlib.color import chroma_of, luma_of, merge_luma_chroma
from colorlib.data import Photo, bundled, fit, read_photo, to_tensor, to_uint8
from colorlib.evaluation import (
    BASELINES,
    Baselines,
    ab_distance,
    area_under_accuracy,
    bootstrap,
    color_bleeding,
    colorfulness,
    distance_to_edge,
    psnr,
    rarity,
    stains,
)
from colorlib.files import write_rows, write_text
from colorlib.prediction import (
    Colorizer,
    Hint,
    Seeds,
    annealed_mean,
    apply_hints,
    enlarge,
    propagate,
    refine,
    upsample_and_merge,
)

HERE = Path(__file__).parent
SIZE = 256  # pixels a side at which photos are measured
HINTS = (0, 1, 2, 5, 10, 20, 50, 100)
METRICS = {
    "psnr": "PSNR, dB",
    "auc_rebalanced": "rebalanced AuC, %",
    "edge_error": "error in (a, b) at edges",
    "bleeding": "bleeding",
    "stains": "stains",
    "colorfulness": "colourfulness",
}
ABOUT = """
Validation photos of at most 256 pixels a side, means with 95 % intervals over photos; what each way does stands in
`experiments/refine.py`. *Bleeding* is the share of all change of colour that is away from edges of the luma; *stains*
are how many areas of one bin a picture falls into. Hints are random places of the true colour; there the network paints
at its faithful temperature."""
COST = """
import resource, sys, time
import numpy as np
import colorlib
from colorlib.prediction import GuidedColorizer
photo, colorizer = np.load(sys.argv[1]), colorlib.load(sys.argv[3] or None)
start, cpu = time.perf_counter(), time.process_time()
picture = GuidedColorizer(colorizer, refined=sys.argv[2] == "refined").colorize(photo)
print(time.perf_counter() - start, time.process_time() - cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.refine", description="Measure seeds and hints.")
    parser.add_argument("--model", metavar="NAME|PATH", help="a bundled model or a checkpoint (default: the default)")
    parser.add_argument("--most", metavar="N", type=positive, default=10_000, help="use so many photos, evenly chosen")
    args = parser.parse_args()
    colorizer = colorlib.load(args.model)
    photos = bundled("validation")
    photos = photos[:: max(1, -(-len(photos) // args.most))]
    temperatures = sorted({0.0, colorizer.temperature, 1.0, *colorizer.record.get("temperatures", {}).values()})
    rows: list[dict[str, Any]] = []
    for photo in tqdm(photos, desc="measuring", unit="photo", disable=None):
        rgb = fit(read_photo(photo.path), SIZE)
        rows += seed_rows(colorizer, photo, rgb, temperatures)
        rows += hint_rows(colorizer, photo, rgb)
    cost = [{"size": size, "way": way, **cost_of(size, way, args.model)} for size in (1, 12) for way in ("", "refined")]
    columns = ["part", "photo", "way", "temperature", "hints", *METRICS]
    write_rows(HERE / "refine.csv", columns, [{k: short(v) for k, v in row.items()} for row in rows])
    lines = [f"# Seeds and hints: {args.model or 'the default network'}, {len(photos)} photos", ABOUT]
    for temperature in temperatures:
        lines += seed_table(rows, temperature)
    write_text(HERE / "refine.md", "\n".join(lines + hint_table(rows) + cost_table(cost)))


def scores(picture: Tensor, truth: Tensor, colorizer: Colorizer) -> dict[str, float]:
    """All metrics of one picture (3, H, W); bleeding and stains are also told of the truth itself."""
    picture = to_tensor(to_uint8(picture))  # as a file keeps it: rounding alone makes areas and change of colour
    bins, luma = colorizer.bins, luma_of(truth)
    distance = distance_to_edge(luma)
    near = distance <= 3
    return {
        "psnr": psnr(picture, truth),
        "auc_rebalanced": area_under_accuracy(picture, truth, rarity(truth)),
        "edge_error": float(ab_distance(picture, truth)[near].mean()) if near.any() else float("nan"),
        "bleeding": color_bleeding(chroma_of(picture), distance),
        "stains": stains(bins.encode(chroma_of(picture))),
        "colorfulness": colorfulness(picture),
    }


def seed_rows(colorizer: Colorizer, photo: Photo, rgb: np.ndarray, temperatures: list[float]) -> list[dict[str, Any]]:
    """A photo coloured in every way, at every temperature, and by what costs no network."""
    truth = to_tensor(rgb)
    luma, small = luma_of(truth), colorizer.input_luma(rgb)
    logits = colorizer.logits(small).cpu()
    confidence = enlarge(logits.softmax(0).amax(0)[None], luma.shape)[0]
    name = {"part": "seeds", "photo": photo.path.stem}
    baselines = Baselines.from_dict(colorizer.record.get("baselines"))
    plain = {"truth": truth} | {way: merge_luma_chroma(luma, baselines.chroma(way, luma)) for way in BASELINES}
    rows: list[dict[str, Any]] = [
        name | {"way": way} | scores(picture, truth, colorizer) for way, picture in plain.items()
    ]
    for temperature in temperatures:
        chroma = annealed_mean(logits, colorizer.bins.colors, temperature)
        large = enlarge(chroma, luma.shape)
        blurred = torch.from_numpy(ndimage.gaussian_filter(large.numpy(), (0, 6, 6), mode="nearest"))
        pictures = {
            "as predicted": to_tensor(upsample_and_merge(rgb, small, chroma)),
            "enlarged plainly": merge_luma_chroma(luma, large),
            "blurred (6 px)": merge_luma_chroma(luma, blurred),
            "spread exactly": merge_luma_chroma(luma, refine(luma, large, confidence)),
            "spread fast": merge_luma_chroma(luma, refine(luma, large, confidence, fast=True)),
            "surest 30 % alone": merge_luma_chroma(
                luma, refine(luma, large, confidence, Seeds(coverage=0.3, firmness=1.0))
            ),
        }
        for way, picture in pictures.items():
            rows.append(name | {"way": way, "temperature": temperature} | scores(picture, truth, colorizer))
    return rows


def hint_rows(colorizer: Colorizer, photo: Photo, rgb: np.ndarray) -> list[dict[str, Any]]:
    """PSNR by number of hints; places are drawn once a photo, and more hints include the fewer."""
    truth = to_tensor(rgb)
    luma, chroma = luma_of(truth), chroma_of(truth)
    height, width = luma.shape
    faithful = colorizer.record.get("temperatures", {}).get("faithful", 1.0)
    own = enlarge(colorizer.chroma(colorizer.input_luma(rgb), faithful).cpu(), luma.shape)
    places = np.random.default_rng(int.from_bytes(photo.path.stem.encode()[-6:], "big")).random((max(HINTS), 2))
    hints = [Hint(x, y, tuple(chroma[:, int(y * height), int(x * width)].tolist())) for x, y in places.tolist()]
    rows = []
    for count in HINTS:
        given = torch.zeros(height, width)
        for hint in hints[:count]:
            given[hint.pixel(height, width)] = 100.0
        answers = {"network and hints": apply_hints(luma, own, hints[:count])}
        if count:
            nearest = ndimage.distance_transform_edt(given == 0, return_distances=False, return_indices=True)
            answers["hints alone (Levin)"] = propagate(luma, chroma, given)
            answers["nearest hint"] = chroma[:, nearest[0], nearest[1]]
        for way, answer in answers.items():
            score = {"psnr": psnr(merge_luma_chroma(luma, answer), truth)}
            rows.append({"part": "hints", "photo": photo.path.stem, "way": way, "hints": count} | score)
    return rows


def cost_of(megapixels: int, way: str, model: str | None) -> dict[str, float]:
    """Seconds, those of the CPU, and peak memory (GB) of a fresh process that colours one photo of that size."""
    source = Image.fromarray(read_photo(sorted((HERE.parent / "data" / "large").glob("*.jpg"))[0]))
    scale = (megapixels * 1e6 / (source.width * source.height)) ** 0.5
    size = round(source.width * scale), round(source.height * scale)
    path = HERE / f".{os.getpid()}.partial.npy"
    try:
        np.save(path, np.asarray(source.convert("L").resize(size)))
        command = [sys.executable, "-c", COST, str(path), way, model or ""]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    finally:
        path.unlink(missing_ok=True)
    return dict(zip(("seconds", "cpu_seconds", "memory"), map(float, answer), strict=True))


# Tables


def column(rows: list[dict[str, Any]], metric: str, **wanted: Any) -> np.ndarray:
    """One metric of the rows that agree with ``wanted``, a number for each photo, in the photos' order."""
    return np.array([row[metric] for row in rows if all(row.get(name) == value for name, value in wanted.items())])


def interval(values: np.ndarray, sign: str = "+") -> str:
    """A mean with its interval, over the photos that have the metric."""
    return f"{bootstrap(values[np.isfinite(values)]):{sign}.2f}"


def seed_table(rows: list[dict[str, Any]], temperature: float) -> list[str]:
    lines = [
        f"\n## Seeds at temperature {temperature:g}\n",
        "Differences are from the first row, photo by photo; rows in italics are no differences.\n",
    ]
    lines += [f"| | {' | '.join(METRICS.values())} |", "|---|" + "---:|" * len(METRICS)]
    ways = list(dict.fromkeys(r["way"] for r in rows if r["part"] == "seeds" and r.get("temperature") == temperature))
    first = {m: column(rows, m, part="seeds", way=ways[0], temperature=temperature) for m in METRICS}
    lines.append(f"| {ways[0]} | {' | '.join(interval(first[m], '') for m in METRICS)} |")
    for way in ways[1:]:
        values = [column(rows, m, part="seeds", way=way, temperature=temperature) for m in METRICS]
        cells = [interval(v - first[m]) for v, m in zip(values, METRICS, strict=True)]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    for way in ("truth", *BASELINES):
        values = [column(rows, m, part="seeds", way=way) for m in METRICS]
        cells = [f"{v[np.isfinite(v)].mean():.2f}" if np.isfinite(v).any() else "–" for v in values]
        lines.append(f"| *{way}, itself* | {' | '.join(cells)} |")
    return lines


def hint_table(rows: list[dict[str, Any]]) -> list[str]:
    ways = list(dict.fromkeys(row["way"] for row in rows if row["part"] == "hints"))
    lines = ["\n## Hints: PSNR, dB\n", f"| hints | {' | '.join(ways)} | network's gain over Levin |"]
    lines.append("|---:|" + "---:|" * (len(ways) + 1))
    for count in HINTS:
        values = [column(rows, "psnr", part="hints", way=way, hints=count) for way in ways]
        cells = [interval(v, "") if v.size else "" for v in values]
        cells.append(interval(values[0] - values[1]) if values[1].size else "")
        lines.append(f"| {count} | {' | '.join(cells)} |")
    return lines


def cost_table(cost: list[dict[str, Any]]) -> list[str]:
    busy = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores at the end"
    lines = ["\n## Cost\n", f"Whole process without a GPU, reading the model left out of the seconds; {busy}.\n"]
    lines += ["| megapixels | way | seconds | CPU seconds | peak memory, GB |", "|---:|---|---:|---:|---:|"]
    for row in cost:
        way = row["way"] or "as predicted"
        numbers = f"{row['seconds']:.1f} | {row['cpu_seconds']:.1f} | {row['memory']:.2f}"
        lines.append(f"| {row['size']} | {way} | {numbers} |")
    return lines


def short(value: Any) -> Any:
    return f"{value:.5g}" if isinstance(value, float) else value


if __name__ == "__main__":
    sys.exit(guarded(main))
