"""What is each choice worth? Small trainings that differ in one thing, five seeds each.

    python -m experiments.ablations                              # all that are still missing, then the table
    python -m experiments.ablations grid lam-1 --photos my/photos --seeds 0 1 2
    python -m experiments.ablations lite lite-random --photos CACHE    # of inputs of 64 pixels
    python -m experiments.ablations lite-input-96 --photos CACHE96     # the same photos, of 96 pixels
    python -m experiments.ablations --table                      # only the table, from what has been measured

Every experiment is configs/experiments.yaml with a few settings replaced. A finished one is a row of ablations.csv, and
is never run twice: interrupt it whenever you like. With ``--photos`` the networks train on more than the bundled
photos, or on a cache made by `colorlib data prepare`, without the bundled ones; rows say how many, and are compared
only with rows of as many. Validation is on the bundled validation photos always. ablations.md is the table made of it.
"""

import argparse
import hashlib
import json
import random
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from colorlib.cli.shared import guarded
from colorlib.color import chroma_of, luma_of, merge_luma_chroma
from colorlib.data import Cache, bundled, find_photos, fit, read_photo, to_tensor
from colorlib.errors import ColorlibError
from colorlib.evaluation import (
    CANNOT_TELL,
    area_under_accuracy,
    bin_accuracy,
    chroma_by_temperature,
    colorfulness,
    psnr,
    rarity,
    seed_verdict,
)
from colorlib.files import read_rows, write_rows, write_text
from colorlib.prediction import Colorizer, annealed_mean, upsample_and_merge
from colorlib.training import TrainingConfig, train

HERE = Path(__file__).parent
BASE = HERE.parent / "configs" / "experiments.yaml"
TEMPERATURES = [round(0.1 * i, 1) for i in range(1, 11)] + [1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0]

BASE_NAME = "base"
LITE: dict[str, Any] = {  # the default network, as configs/liteunet.yaml trains it, but on the small inputs of all here
    "model": "LiteUNet",
    "pretrained": True,
    "encoder_lr_scale": 0.25,
    "max_steps": 160,  # fewer than the base: the network is larger
    "validate_every": 160,
    "gamma_jitter": 0.35,
    "levels_jitter": 0.08,
    "blur_probability": 0.3,
    "noise_std": 0.03,
    "weight_decay": 0.01,
    "max_grad_norm": 1.0,
    "ema_decay": 0.999,
}
TAUGHT = {"bins": "teacher", "teacher": "liteunet", "teacher_weight": 0.5, "max_steps": 100, "validate_every": 100}
EXPERIMENTS: dict[str, dict[str, Any]] = {
    BASE_NAME: {},
    # three architectures (§2.2), and ours with its twin
    "FlatNet": {"model": "FlatNet"},
    "Bottleneck": {"model": "Bottleneck"},
    "ContextUNet": {"model": "ContextUNet"},
    "ContextUNetControl": {"model": "ContextUNetControl"},
    # rebalancing (§2.1)
    "lam-0": {"lam": 0.0},
    "lam-1": {"lam": 1.0},
    # bins (§2.1) and what the network is asked (§1)
    "grid": {"bins": "grid"},
    "soft": {"loss": "soft"},
    "l2": {"loss": "l2"},
    # the paper's text against its authors' published code (notebook 13), one difference each, then all of them
    "norm-affine": {"norm": "affine"},
    "odd-grid": {"bins": "odd-grid"},
    "lam-0.05": {"lam": 0.05},
    "loss-everything": {"loss_mean": "everything"},
    "augment-dark": {"augment": "paper-dark"},
    "augment-filled": {"augment": "paper-filled"},
    "as-written": {"bins": "grid", "augment": "paper", "lam": 0.05},
    "as-published": {
        "bins": "grid",
        "augment": "paper-dark",
        "lam": 0.05,
        "norm": "affine",
        "loss_mean": "everything",
    },
    # augmentation at equal iterations (§4.2.2, Figure 10); whole photos
    "augment-none": {"augment": "none"},
    "augment-paper": {"augment": "paper"},
    # how large a photo is when the network sees it, at equal iterations
    "input-96": {"image_size": 96, "crop": 96, "min_size": 72},
    "input-128": {"image_size": 128, "crop": 128, "min_size": 96},
    # growing variety of scenes (§4.4), with the same number of photos; see `scenes`
    "variety-1": {},
    "variety-half": {},
    "variety-all": {},
    # the default network, and what each of its choices is worth
    "lite": LITE,
    "lite-random": LITE | {"pretrained": False, "encoder_lr_scale": 1.0},
    "lite-l2": LITE | {"loss": "l2"},
    "lite-soft": LITE | {"loss": "soft"},
    "lite-noema": LITE | {"ema_decay": 0.0},
    "lite-lam-0.2": LITE | {"lam": 0.2},
    "lite-half": LITE,
    # the same on larger inputs, each from a cache of that size, at equal iterations
    "lite-input-96": LITE | {"image_size": 96, "crop": 96, "min_size": 72},
    "lite-input-128": LITE | {"image_size": 128, "crop": 128, "min_size": 96},
    "lite-input-160": LITE | {"image_size": 160, "crop": 160, "min_size": 120},
    "lite-input-192": LITE | {"image_size": 192, "crop": 192, "min_size": 144},
    # distillation: the paper's network taught by the default's probabilities, and alone, in the same bins
    "unet-plain": TAUGHT | {"teacher_weight": 0.0},
    "unet-taught": TAUGHT,
    # the same without the sources of strongly coloured photos
    "unet-muted": TAUGHT | {"teacher_weight": 0.0},
}
HALF = "lite-half"  # trains on every second photo of a cache; see `half_of`
MUTED = "unet-muted"  # trains on the photos of a cache that are of no strongly coloured source; see `muted`
STRONG = 1.25  # so many times the mean chrominance of all photos, and more, has a strongly coloured source
VARIETY = {"variety-1": 0.0, "variety-half": 0.5, "variety-all": 1.0}  # share of the categories, at least one
VARIETY_PHOTOS = 400
# Settings that came after the first trainings here; a recipe knows them only where they are used.
LATER = ("color_weight", "teacher", "teacher_weight", "teacher_temperature", "precision")
CLAIMS = [  # (experiment, compared with)
    ("FlatNet", BASE_NAME),
    ("Bottleneck", BASE_NAME),
    ("ContextUNet", "ContextUNetControl"),
    ("ContextUNet", BASE_NAME),
    ("lam-0", BASE_NAME),
    ("lam-1", BASE_NAME),
    ("grid", BASE_NAME),
    ("soft", BASE_NAME),
    ("l2", BASE_NAME),
    ("norm-affine", BASE_NAME),
    ("grid", "odd-grid"),
    ("lam-0.05", BASE_NAME),
    ("loss-everything", BASE_NAME),
    ("augment-dark", "augment-paper"),
    ("augment-paper", "augment-filled"),
    ("as-published", "as-written"),
    ("augment-none", BASE_NAME),
    ("augment-paper", "augment-none"),
    ("augment-paper", BASE_NAME),
    ("input-96", BASE_NAME),
    ("input-128", BASE_NAME),
    ("variety-half", "variety-1"),
    ("variety-all", "variety-1"),
    *(("lite", name) for name in EXPERIMENTS if name.startswith("lite-")),
    ("unet-taught", "unet-plain"),
    ("unet-plain", "unet-muted"),
]
METRICS = {  # column: heading and decimals
    "nll": ("NLL (nats)", 3),
    "accuracy": ("bin accuracy", 3),
    "psnr": ("PSNR (dB)", 2),
    "gain": ("gain over gray (dB)", 2),
    "colorfulness": ("CF", 1),
    "colorfulness_at_1": ("CF at T = 1", 1),
    "auc_rebalanced": ("rebalanced AuC (%)", 2),
}
OF_THE_BINS = ("nll", "accuracy")  # counted in a network's own bins, at its own input size
Row = dict[str, Any]


@dataclass
class Table:
    """A CSV file to which rows are added, each at once on disk."""

    path: Path
    rows: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.path.exists():
            self.rows = [row for row in read_rows(self.path) if None not in row.values()]

    def add(self, row: Row) -> None:
        """Write the file anew with one row more, as a whole: it is small, and never half-written."""
        self.rows.append({key: str(value) for key, value in row.items()})
        write_rows(self.path, list(self.rows[0]), self.rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.ablations", description="Small paired trainings.")
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"only these, of: {', '.join(EXPERIMENTS)}")
    parser.add_argument("--photos", metavar="FOLDER", nargs="+", default=[], help="more photos to train on, or a cache")
    parser.add_argument("--seeds", metavar="N", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--set", metavar="SETTING=VALUE", nargs="+", default=[], help="replace settings of all")
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=HERE, help="where the tables are kept")
    parser.add_argument("--table", action="store_true", help="train nothing, only write the table")
    args = parser.parse_args()
    if unknown := set(args.names) - set(EXPERIMENTS):
        parser.error(f"no such experiment: {', '.join(sorted(unknown))}; there are {', '.join(EXPERIMENTS)}")
    args.out.mkdir(parents=True, exist_ok=True)
    results = Table(args.out / "ablations.csv")
    if not args.table:
        run_missing(args.names or list(EXPERIMENTS), args.seeds, args.photos, args.set, results)
    (args.out / "ablations.md").write_text(report(results.rows), encoding="utf-8")


def run_missing(
    names: Sequence[str], seeds: Sequence[int], folders: list[str], settings: list[str], results: Table
) -> None:
    """Train and measure what has no row yet: all experiments with the first seed, then with the next."""
    from colorlib.cli.train import parse_settings

    pool, cached = pool_size(folders), is_cache(folders)
    categories = {} if cached else categories_of(folders)  # without any, the variety of scenes cannot be varied
    able = [name for name in names if (name not in VARIETY or categories) and (name not in (HALF, MUTED) or cached)]
    unable = [name for name in names if name not in able]
    if unable and set(names) < set(EXPERIMENTS):  # asked for by name; of all, those that can be are made
        raise ColorlibError(
            f"{', '.join(unable)}: needs --photos, folders with categories or, to leave photos out, a cache"
        )
    todo = [(seed, name) for seed in seeds for name in able]
    judge = None
    for seed, name in tqdm(todo, desc="experiments", unit="run"):
        values = {"photos": folders, "seed": seed, **parse_settings(settings), **EXPERIMENTS[name]}
        config = TrainingConfig.from_yaml(BASE, **values)
        config.out_dir = f"{config.out_dir}/{name}-{seed}-{pool}"
        if not cached:
            config.validation_photos = [str(linked(held_out(), Path(config.out_dir) / "held-out"))]
        recipe = fingerprint(config)
        if any(row[:4] == (name, str(seed), str(pool), recipe) for row in map(key_of, results.rows)):
            continue
        judge = judge or Judge()
        if name in VARIETY:
            config.photos = [str(scenes(categories, VARIETY[name], seed, Path(config.out_dir)))]
        if name == HALF:
            config.photos = [str(half_of(Path(folders[0]), Path(config.out_dir) / "half"))]
        if name == MUTED:
            config.photos = [str(muted(Path(folders[0]), Path(config.out_dir) / "muted"))]
        begin = time.perf_counter()
        colorizer = Colorizer.load(train(config))
        seconds = time.perf_counter() - begin
        used = colorizer.record["training"]["photos"]["used"]
        temperature, rows = judge(colorizer)
        row = {
            "experiment": name,
            "seed": seed,
            "pool": pool,
            "recipe": recipe,
            "photos": used,
            "steps": config.max_steps,
        }
        row |= {"input_size": config.image_size, "temperature": temperature}
        row |= {metric: mean_of(rows, metric) for metric in METRICS}
        results.add(row | {"seconds": round(seconds, 1)})


def is_cache(folders: Sequence[str]) -> bool:
    """Whether the photos to train on are a cache, which trains alone, and without the bundled photos."""
    return any((Path(folder) / "cache.json").exists() for folder in folders)


def pool_size(folders: Sequence[str]) -> int:
    """How many photos there are to train on."""
    if is_cache(folders):
        return len(Cache(folders[0], verify=False).photos("train"))
    return len(bundled("train")) - len(held_out()) + sum(len(find_photos(folder)) for folder in folders)


def half_of(cache: Path, out: Path) -> Path:
    """The same cache with every second of its training photos unused."""
    return without(cache, out, [row["name"] for row in training_rows(cache)][1::2])


def muted(cache: Path, out: Path) -> Path:
    """The same cache with the training photos of strongly coloured sources unused."""
    strong = {name for name, (_, _, ratio) in sources_of(cache).items() if ratio >= STRONG}
    return without(cache, out, [row["name"] for row in training_rows(cache) if source_of(row["name"]) in strong])


def sources_of(cache: Path) -> dict[str, tuple[int, float, float]]:
    """For each source of a cache's training photos: how many, their mean chrominance, and that against all photos'.

    The most colourful comes first. A photo's chrominance is the mean length of (U, V), 0 for gray, as `Cache` keeps it.
    """
    groups: dict[str, list[float]] = {}
    for row in training_rows(cache):
        groups.setdefault(source_of(row["name"]), []).append(float(row["chroma"]))
    everywhere = np.mean([value for values in groups.values() for value in values])
    found = {name: (len(values), float(np.mean(values))) for name, values in groups.items()}
    ordered = sorted(found, key=lambda name: -found[name][1])
    return {name: (*found[name], float(found[name][1] / everywhere)) for name in ordered}


def source_of(name: str) -> str:
    """The source of a photo of a cache: the folder it came in, and the first word of its file's name.

    >>> source_of("more/autumn/corel5k-143012-0a1b2c.jpg"), source_of("mine/7.jpg")
    ('more/corel5k', 'mine/7')
    """
    return f"{name.split('/')[0]}/{Path(name).stem.split('-')[0]}"


def training_rows(cache: Path) -> list[dict[str, str]]:
    return [row for row in read_rows(cache / "photos.csv") if row["split"] == "train"]


def without(cache: Path, out: Path, names: Iterable[str]) -> Path:
    """The same cache with some of its photos unused; the frames stay where they are."""
    unused = set(names)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / "frames.u8").symlink_to((cache / "frames.u8").resolve())
    rows = read_rows(cache / "photos.csv")
    for row in rows:
        row["split"] = "unused" if row["name"] in unused else row["split"]
    write_rows(out / "photos.csv", list(rows[0]), rows)
    record = json.loads((cache / "cache.json").read_text(encoding="utf-8"))
    record["checksum"] = hashlib.sha256((out / "photos.csv").read_bytes()).hexdigest()
    write_text(out / "cache.json", json.dumps(record, indent=2))
    return out


def key_of(row: Row) -> tuple[str, ...]:
    return tuple(row[key] for key in ("experiment", "seed", "pool", "recipe"))


def fingerprint(config: TrainingConfig) -> str:
    """Eight digits that differ for other settings; where photos and results lie does not matter.

    A setting that came later counts where it is used: at its default a row measured before it stays what it was.
    """
    elsewhere = ("out_dir", "photos", "validation_photos", "seed", "device", "checkpoint_minutes", "lam_inference")
    unused = [one.name for one in fields(config) if one.name in LATER and getattr(config, one.name) == one.default]
    settings = {key: value for key, value in asdict(config).items() if key not in (*elsewhere, *unused)}
    settings["held_out"] = [path.name for path in held_out()]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]


def mean_of(rows: Sequence[Row], metric: str) -> float | str:
    """The mean over photos; empty where the network has no such number."""
    values = [row[metric] for row in rows]
    return round(float(np.mean(values)), 5) if values[0] != "" else ""


def held_out() -> list[Path]:
    """The bundled training photos that no experiment trains on: every third. Temperatures are chosen on them."""
    return [photo.path for photo in bundled("train")][::3]


def linked(paths: Sequence[Path], folder: Path) -> Path:
    """A folder of links to photos, as a configuration names them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in paths:
        (folder / path.name).symlink_to(path.resolve())
    return folder


class Judge:
    """Measures a network on the bundled validation photos, always in the same way.

    The temperature is the one of highest PSNR on the photos held out for that. NLL and accuracy are in a network's own
    bins, at its own input size.
    """

    def __init__(self) -> None:
        self.to_choose_on = [read_photo(path) for path in held_out()]
        self.validation = [(photo.path.stem, fit(read_photo(photo.path), 256)) for photo in bundled("validation")]

    def __call__(self, colorizer: Colorizer) -> tuple[float, list[Row]]:
        temperature = self.best_temperature(colorizer)
        return temperature, [
            {"photo": name, **self.measure(colorizer, rgb, temperature)} for name, rgb in self.validation
        ]

    def best_temperature(self, colorizer: Colorizer) -> float:
        """The temperature of highest mean PSNR, at the size that the network sees."""
        if colorizer.is_regression:
            return 1.0
        totals = np.zeros(len(TEMPERATURES))
        for rgb in self.to_choose_on:
            truth = to_tensor(fit(rgb, colorizer.input_size))
            for i, chroma in enumerate(chroma_by_temperature(colorizer, luma_of(truth), TEMPERATURES)):
                totals[i] += psnr(merge_luma_chroma(luma_of(truth), chroma).clamp(0, 1), truth)
        return TEMPERATURES[int(totals.argmax())]

    def measure(self, colorizer: Colorizer, rgb: np.ndarray, temperature: float) -> Row:
        """All metrics of one photo of at most 256 pixels a side."""
        truth, small = to_tensor(rgb), to_tensor(fit(rgb, colorizer.input_size))
        luma, target = luma_of(small), colorizer.bins.encode(chroma_of(small))
        nll: float | str = ""
        if colorizer.is_regression:
            chroma = at_1 = colorizer.chroma(luma)
            accuracy = float((colorizer.bins.encode(chroma) == target).double().mean())
        else:
            logits = colorizer.logits(luma)
            chroma, at_1 = (annealed_mean(logits, colorizer.bins.colors, T) for T in (temperature, 1.0))
            nll = round(-float(logits.log_softmax(0).gather(0, target[None]).mean()), 4)
            accuracy = bin_accuracy(logits, target)
        picture = to_tensor(upsample_and_merge(rgb, luma, chroma))
        gray = merge_luma_chroma(luma_of(truth), torch.zeros_like(chroma_of(truth)))
        score = psnr(picture, truth)
        numbers = {
            "accuracy": accuracy,
            "psnr": score,
            "gain": score - psnr(gray, truth),
            "colorfulness": colorfulness(picture),
            "colorfulness_at_1": colorfulness(to_tensor(upsample_and_merge(rgb, luma, at_1))),
            "auc_rebalanced": area_under_accuracy(picture, truth, rarity(truth)),
        }
        return {"nll": nll} | {name: round(value, 4) for name, value in numbers.items()}


def categories_of(folders: Sequence[str]) -> dict[str, list[Path]]:
    """The photos of each subfolder of the folders that has any."""
    found: dict[str, list[Path]] = {}
    for category in sorted(part for folder in folders for part in Path(folder).iterdir() if part.is_dir()):
        if paths := find_photos(category):
            found.setdefault(category.name, []).extend(paths)
    return found


def scenes(categories: dict[str, list[Path]], share: float, seed: int, out: Path) -> Path:
    """A folder with as many photos whatever the share of the categories they come from, the same from each of these.

    The categories are drawn by lot from those that have photos enough to be the only one. Every seed draws others.
    """
    lot = random.Random(seed)
    large = sorted(name for name, paths in categories.items() if len(paths) >= VARIETY_PHOTOS)
    lot.shuffle(large)
    chosen = large[: max(1, round(share * len(large)))]
    folder = out / "scenes"
    shutil.rmtree(folder, ignore_errors=True)
    for i, name in enumerate(chosen):
        count = VARIETY_PHOTOS // len(chosen) + (i < VARIETY_PHOTOS % len(chosen))
        (folder / name).mkdir(parents=True)
        for number, path in enumerate(lot.sample(categories[name], count)):
            (folder / name / f"{number:04}{path.suffix}").symlink_to(path.resolve())
    return folder


def report(results: list[Row]) -> str:
    """The tables as Markdown: means and spread over seeds, then paired differences."""
    lines = [
        "# Experiments\n",
        "Small trainings, most of which differ from `base` in one thing, `as-written` and `as-published` in several; "
        "`experiments/ablations.py` says how, and `configs/experiments.yaml` what they share. Means over the bundled "
        "validation photos and over seeds, ± the standard deviation of the seeds' means. PSNR and CF at the "
        f"temperature, from 0.1 to {TEMPERATURES[-1]:g}, with the highest PSNR on every third of the bundled training "
        "photos, held out for that, each seed's own: a slash stands between them; 10 is the end of the range, and the "
        "best may lie beyond. L2 has no temperature: 1 stands there. CF at T = 1 has one temperature for all. NLL and "
        "bin accuracy are in a network's own bins and at its own input size, and are compared only where these are "
        "the same. *Photos* are those that were trained on: of the pool, or of what an experiment draws from it, all "
        "that are not nearly gray. Short trainings on small inputs: they tell what learns fastest, not what is best "
        "in the end. Seconds are medians of the seeds, wall clock, whatever else the machine was doing.\n",
        "\nThe rows of 16,057 photos are of a cache without the bundled photos, in which 600 more are held out; of "
        "larger inputs each has a cache of its size, with the same photos. Those named `variety`, of a pool of folders "
        "with the bundled photos but those held out, draw 400 photos from one kind of scene, from half of the kinds or "
        "from all, of the twelve kinds that have so many.\n",
        "\nThose named `lite` train the default network and differ from `lite` in one thing; `lite-random` also in the "
        "encoder's learning rate, which goes with the start. Theirs are 160 steps of 16 squares, so that of thousands "
        "of photos none is seen twice: `lite-half` asks for less variety, not for repetition. An NLL of 3.466, ln 32, "
        "is that of 32 equal scores.\n",
        "\nThose named `unet` train the paper's network for 100 steps of 16 squares in the colour bins of the default, "
        "`liteunet`. For `unet-taught` half of the loss is the divergence from the probabilities of `liteunet` as it "
        "was when these rows were measured, the first of the three networks whose mean it is now (MODEL_CARD.md). That "
        "was trained on 561,000 squares, these photos and those held out here among its own: rows of equal samples, "
        "not of equal work. "
        f"`unet-muted` leaves out the sources whose photos have at least {STRONG} times the mean chrominance of all.\n",
    ]
    for pool in sorted({row["pool"] for row in results}, key=int):
        rows = [row for row in results if row["pool"] == pool]
        lines += [f"\n## {int(pool):,} photos to train on\n", *means(rows), *differences(rows)]
    return "\n".join(lines) + "\n"


def by_experiment(rows: list[Row]) -> dict[str, list[Row]]:
    """The rows of each experiment, in the order of the list above; of several recipes the latest measured."""
    groups = {name: [row for row in rows if row["experiment"] == name] for name in EXPERIMENTS}
    return {
        name: [row for row in group if row["recipe"] == group[-1]["recipe"]] for name, group in groups.items() if group
    }


def means(rows: list[Row]) -> list[str]:
    """A line for each experiment."""
    headings = [heading for heading, _ in METRICS.values()]
    lines = [f"| experiment | photos | seeds | T | {' | '.join(headings)} | seconds |"]
    lines += ["|---" + "|---:" * (len(headings) + 4) + "|"]
    for name, group in by_experiment(rows).items():
        cells = [spread([float(row[m]) for row in group if row[m] != ""], METRICS[m][1]) for m in METRICS]
        temperatures = "/".join(f"{T:g}" for T in sorted({float(row["temperature"]) for row in group}))
        seconds = np.median([float(row["seconds"]) for row in group])
        used = "/".join(sorted({f"{int(row['photos']):,}" for row in group}))
        lines.append(f"| {name} | {used} | {len(group)} | {temperatures} | {' | '.join(cells)} | {seconds:.0f} |")
    return lines


def spread(values: list[float], decimals: int) -> str:
    """Mean ± standard deviation.

    >>> spread([1.0, 2.0], 1), spread([1.0], 2), spread([], 2)
    ('1.5 ± 0.7', '1.00', '–')
    """
    if not values:
        return "–"
    deviation = f" ± {np.std(values, ddof=1):.{decimals}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{decimals}f}{deviation}"


def differences(rows: list[Row]) -> list[str]:
    """A line for each comparison, over the seeds that both experiments have."""
    chosen, metrics = by_experiment(rows), ("accuracy", "gain", "colorfulness_at_1", "auc_rebalanced", "nll")
    lines = [f"| | seeds | {' | '.join(METRICS[m][0] for m in metrics)} |", "|---" + "|---:" * (len(metrics) + 1) + "|"]
    made = 0
    for one, other in CLAIMS:
        if one in chosen and other in chosen:
            ones, others = ({row["seed"]: row for row in chosen[name]} for name in (one, other))
            seeds = sorted(set(ones) & set(others))
            told = metrics if same_bins(one, other) else [m for m in metrics if m not in OF_THE_BINS]
            cells = [paired(ones, others, seeds, metric) if seeds and metric in told else "–" for metric in metrics]
            made += sum(cell != "–" for cell in cells)
            lines.append(f"| {one} − {other} | {len(seeds)} | {' | '.join(cells)} |")
    head = "\nDifferences, paired by seed, with 95 % intervals over seeds (Student's); **bold**: at least three seeds, "
    tail = f"all of one sign, and an interval without 0. {made} comparisons are made; of twenty between equals one "
    return [f"{head}{tail}would be bold.\n", *lines]


def same_bins(one: str, other: str) -> bool:
    """Whether two experiments have the same colour bins and input size, so that what is told in these can be compared.

    Bins are chosen on a training's own photos, so those that draw or halve their photos have bins of their own.

    >>> same_bins("lam-0", BASE_NAME), same_bins("grid", BASE_NAME), same_bins("as-published", "as-written")
    (True, False, True)
    """
    alike = all(EXPERIMENTS[one].get(key) == EXPERIMENTS[other].get(key) for key in ("bins", "image_size"))
    return alike and not {one, other} & {HALF, *VARIETY}


def paired(ones: dict[str, Row], others: dict[str, Row], seeds: Sequence[str], metric: str) -> str:
    """The mean difference of a metric over seeds, and its interval; bold where the verdict over seeds is clear."""
    first, second = ([table[seed][metric] for seed in seeds] for table in (ones, others))
    if "" in first + second:
        return "–"
    verdict = seed_verdict([float(value) for value in first], [float(value) for value in second])
    text = f"{verdict.difference:+.{METRICS[metric][1]}f}"
    return text if verdict.word == CANNOT_TELL else f"**{text}**"


if __name__ == "__main__":
    sys.exit(guarded(main))
