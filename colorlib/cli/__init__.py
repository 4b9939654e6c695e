"""The shell interface: ``colorlib COMMAND …``, the same as ``python -m colorlib COMMAND …``.

Each command is one function that takes the parsed arguments, calls the library, prints, and returns the exit code:
0 for success, 1 where something in the input was wrong (one sentence says what), 2 for wrong usage, 130 after Ctrl-C.
PyTorch takes seconds to import, so the commands import what they need when they run, and ``--help`` does not wait.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorlib.errors import ColorlibError

if TYPE_CHECKING:
    import numpy as np

    from colorlib.prediction import Colorizer

WRITABLE = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}  # formats kept; others become PNG
SMOOTHERS = ("kernel", "exponential", "published", "confidence", "motion", "seeds")  # video.SMOOTHERS, without PyTorch
INTERRUPTED = 130  # the exit code that shells expect after Ctrl-C
CONTENDERS = {
    "model": "model",
    "zhang": "Zhang et al.",
    "gray": "gray",
    "mean_color": "mean colour",
    "luma_mean": "per-luma mean",
    "truth": "truth",
}
METRICS = {
    "psnr": "PSNR (dB)",
    "ab_error": "error in (a, b)",
    "auc": "AuC (%)",
    "auc_rebalanced": "rebalanced AuC (%)",
    "colourfulness": "colourfulness",
    "colourfulness_absolute": "colourfulness (absolute)",
    "bin_accuracy": "bin accuracy",
    "bin_accuracy_top5": "bin accuracy (top 5)",
    "nll": "NLL (nats)",
    "ece": "calibration error",
    "aurc": "area under risk–coverage",
    "delta_colourfulness": "gap in colourfulness",
    "jensen_shannon": "distance of histograms",
    "lpips": "LPIPS",
    "same_class": "seen as the same class",
    "class_accuracy": "class accuracy",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own) and return its exit code."""
    for stream in (sys.stdout, sys.stderr):  # a file's name may hold what the terminal cannot show
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    args = build_parser().parse_args(argv)
    try:
        code: int = args.run(args)
        sys.stdout.flush()  # here, where a closed pipe is still caught
        return code
    except ColorlibError as error:
        complain(error)
        return 1
    except KeyboardInterrupt:
        print("colorlib: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor may the interpreter's last flush fail
        return 0
    except OSError as error:  # a full disc, a file that may not be read
        complain(error)
        return 1


def complain(error: Exception | str) -> None:
    """One line on stderr, above a progress bar if there is one."""
    from tqdm import tqdm

    if isinstance(error, OSError) and error.filename:
        error = f"{error.filename}: {error.strerror}"
    tqdm.write(f"colorlib: error: {error}", file=sys.stderr)


# ---------------------------------------------------------------------------------------------------------------------
# colorize


def colorize(args: argparse.Namespace) -> int:
    """Colour every photo it can, report those it cannot, keep what is finished when interrupted."""
    photos, failures = find_inputs(args.inputs, args.out)
    targets = plan_outputs(photos, args.out, args.confidence)
    for failure in failures:
        complain(failure)
    if not photos:
        return 1

    from tqdm import tqdm

    colorizer = load_colorizer(args)
    make_folder(args.out)
    finished, interrupted = 0, False
    try:
        with tqdm(photos, desc="colouring", unit="photo", disable=None) as progress:
            for photo in progress:
                try:
                    colorize_file(colorizer, photo, targets[photo], args.temperature)
                    finished += 1
                except (ColorlibError, OSError) as error:
                    complain(error)
    except KeyboardInterrupt:
        interrupted = True
        print("colorlib: interrupted; the finished photos are kept", file=sys.stderr)
    print(f"coloured {finished} of {len(photos)} photo{'s' * (len(photos) != 1)} into {args.out}")
    if interrupted:
        return INTERRUPTED
    return 0 if finished == len(photos) and not failures else 1


def find_inputs(inputs: Iterable[Path], out: Path) -> tuple[list[Path], list[str]]:
    """The photos named, or found in the folders named, each once; and a sentence for each folder without any.

    Results of an earlier run, in an ``out`` below such a folder, are not taken for photos to colour.
    """
    photos: dict[Path, Path] = {}
    failures = []
    for given in inputs:
        found = [given]
        if given.is_dir():
            from colorlib.photos import find_photos

            inside = out.resolve() != given.resolve() and out.resolve().is_relative_to(given.resolve())
            found = [p for p in find_photos(given) if not (inside and p.resolve().is_relative_to(out.resolve()))]
            if not found:
                failures.append(f"{given} holds no photos")
        for photo in found:
            photos.setdefault(photo.resolve(), photo)
    return list(photos.values()), failures


def plan_outputs(photos: Iterable[Path], out: Path, confidence: bool) -> dict[Path, list[Path]]:
    """The files that each photo will be written to: its picture and, on request, its confidence map.

    Raises:
        ColorlibError: if two photos would share a file or an input would be overwritten; nothing is written yet.
    """
    photos = list(photos)
    originals = {identity(photo): photo for photo in photos if photo.exists()}
    taken: dict[str, Path] = {}
    plan: dict[Path, list[Path]] = {}
    for photo in photos:
        name = photo.name if photo.suffix.lower() in WRITABLE else f"{photo.stem}.png"
        plan[photo] = [out / name] + [out / f"{photo.stem}_confidence.png"] * confidence
        for target in plan[photo]:
            other = taken.setdefault(target.name.casefold(), photo)  # many discs take A.JPG and a.jpg for one file
            if other is not photo:
                raise ColorlibError(f"{other} and {photo} would both be written to {target}: use one --out for each")
            if target.exists() and identity(target) in originals:
                raise ColorlibError(f"{target} would overwrite the photo it is made from or another: use another --out")
    return plan


def identity(path: Path) -> tuple[int, int]:
    """What makes a file that file, under whatever name it is reached."""
    status = path.stat()
    return status.st_dev, status.st_ino


def colorize_file(colorizer: "Colorizer", photo: Path, targets: list[Path], temperature: float | None) -> None:
    """Colour one photo into ``targets[0]``, and its confidence into ``targets[1]`` if there is one."""
    from colorlib.photos import read_photo, write_photo

    rgb = read_photo(photo)
    write_photo(targets[0], colorizer.colorize(rgb, temperature))
    for target in targets[1:]:
        write_photo(target, confidence_map(colorizer, rgb))


def confidence_map(colorizer: "Colorizer", rgb: "np.ndarray") -> "np.ndarray":
    """The probability of each pixel's likeliest bin as uint8 (H, W): 0 is black, 1 is white (paper §4.2.2)."""
    import numpy as np
    from PIL import Image

    top = colorizer.probabilities(colorizer.frame_of(rgb)).amax(0)
    small = Image.fromarray((top * 255).round().byte().cpu().numpy())
    return np.asarray(small.resize((rgb.shape[1], rgb.shape[0]), Image.Resampling.BILINEAR))


# ---------------------------------------------------------------------------------------------------------------------
# video


def video(args: argparse.Namespace) -> int:
    """Colour one film, and say what of it could not be kept."""
    from colorlib.streaming import colorize_film, place_for
    from colorlib.video import VideoColorizer

    target = place_for(args.film, args.out)
    method = VideoColorizer(load_colorizer(args), args.alpha, args.window, args.method, args.temperature, args.cuts)
    report = colorize_film(args.film, target, method, args.side_by_side, args.quality, progress=None)
    for problem in report.problems:
        print(f"colorlib: note: {problem}", file=sys.stderr)
    print(f"coloured {report.pictures} picture{'s' * (report.pictures != 1)} into {target}; scene cuts: {report.cuts}")
    return 0


# ---------------------------------------------------------------------------------------------------------------------
# models and evaluate


def models(args: argparse.Namespace) -> int:
    """List the bundled checkpoints."""
    from colorlib.checkpoints import bundled_checkpoints

    cards = {name: model_card(path) for name, path in bundled_checkpoints().items()}
    if args.json:
        print(json.dumps(cards, indent=2, ensure_ascii=False))
    elif not cards:
        print("no models are bundled: train one with `colorlib train configs/quick.yaml`")
    else:
        print("\n\n".join(format_card(name, card) for name, card in cards.items()))
    return 0


def model_card(path: Path) -> dict[str, Any]:
    """What there is to know of a checkpoint; None where its record does not say."""
    from colorlib.checkpoints import load_checkpoint
    from colorlib.models import count_parameters

    model, bins, record = load_checkpoint(path)
    return {
        "network": type(model).__name__,
        "bins": len(bins),
        "bins_chosen_by": bins.method,
        "parameters": count_parameters(model),
        "bytes": path.stat().st_size,
        "training_photos": record.get("training", {}).get("photos", {}).get("used"),
        "temperature": record.get("temperature"),
        "metrics": record.get("metrics"),
    }


def format_card(name: str, card: dict[str, Any]) -> str:
    """A model card as text: what it is, and how it scores beside what costs no network."""
    photos, temperature = card["training_photos"], card["temperature"]
    lines = [
        f"{name}: {card['network']} with {card['bins']} {card['bins_chosen_by']} bins",
        f"  parameters       {card['parameters']:,}",
        f"  file size        {card['bytes'] / 1e6:.2f} MB",
        f"  training photos  {'not recorded' if photos is None else f'{photos:,}'}",
        f"  temperature      {'not recorded' if temperature is None else f'{temperature:g}'}",
    ]
    if not card["metrics"]:
        return "\n".join([*lines, "  metrics          not recorded"])
    shown = format_metrics(card["metrics"], ["psnr", "colourfulness", "bin_accuracy"])
    return "\n".join([*lines, "  on photos never trained on, mean [95 % interval]:", *(f"    {row}" for row in shown)])


def format_metrics(scores: dict[str, dict[str, dict[str, float]]], metrics: Iterable[str]) -> list[str]:
    """A table, line by line, of the result of `colorlib.metrics.evaluate`: metrics down, contenders across."""
    contenders = [name for name in CONTENDERS if name in scores]
    rows = [["", *(CONTENDERS[name] for name in contenders)]]
    for metric in metrics:
        cells = [scores[name].get(metric) for name in contenders]
        shown = ["–" if c is None else f"{c['mean']:.4g} [{c['low']:.4g}, {c['high']:.4g}]" for c in cells]
        rows.append([METRICS.get(metric, metric), *shown])
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]


def evaluate(args: argparse.Namespace) -> int:
    """Measure a model on photos, beside the baselines that its checkpoint carries."""
    from colorlib import judges, metrics
    from colorlib.peers import ZhangColorizer
    from colorlib.photos import find_photos

    photos = [photo for given in args.inputs for photo in (find_photos(given) if given.is_dir() else [given])]
    if not photos:
        raise ColorlibError(f"{', '.join(map(str, args.inputs))}: no photos there")
    colorizer = load_colorizer(args)
    if "baselines" not in colorizer.record:
        raise ColorlibError("this checkpoint's record holds no 'baselines' (mean colours of its training photos)")
    if args.json:
        prepare_file(args.json)
    baselines = metrics.Baselines.from_dict(colorizer.record["baselines"])
    labels = judges.labels_by_folder(args.inputs[0]) if len(args.inputs) == 1 else None
    available, missing = judges.find_judges(labels)
    others = {"zhang": ZhangColorizer(args.zhang, colorizer.device)} if args.zhang else {}
    evaluation = metrics.measure(colorizer, photos, baselines, args.temperature, others=others, judges=available)
    for problem in evaluation.left_out.values():
        complain(problem)
    scores: dict[str, Any] = evaluation.summary()
    temperature = colorizer.temperature if args.temperature is None else args.temperature
    measured = len(evaluation.photos)
    print(f"{measured} photo{'s' * (measured != 1)} at T = {temperature:g}, mean [95 % interval]:")
    print("\n".join(format_metrics(scores, scores["model"])))
    for metric, reason in missing.items():
        print(f"not measured: {METRICS[metric]}. {reason}")
    if args.json:
        run = {"model": str(args.model or "default"), "photos": measured, "temperature": temperature}
        table = [
            {"photo": str(photo), **{name: rows[i] for name, rows in evaluation.rows.items()}}
            for i, photo in enumerate(evaluation.photos)
        ]
        write_text(args.json, json.dumps({**scores, "run": {**run, "missing": missing}, "by_photo": table}, indent=2))
    return 1 if evaluation.left_out else 0


# ---------------------------------------------------------------------------------------------------------------------
# data, bins, train and workbook


def data(args: argparse.Namespace) -> int:
    """Decode a data set once into a cache that training reads."""
    from colorlib.cache import Cache, prepare
    from colorlib.datasets import data_folder

    sources = find_sources(args)
    out = args.out or data_folder() / "caches" / f"{args.dataset}-{args.size}"
    try:
        cache: Cache = prepare(sources, out, args.size, args.train, args.validation, args.seed, args.keep_gray)
    except KeyboardInterrupt:
        print("colorlib: interrupted; the same command goes on where it was", file=sys.stderr)
        return INTERRUPTED
    if os.environ.get("RANK", "0") == "0":  # under torchrun one process speaks for all
        print("\n".join(describe_cache(cache)))
    return 0


def find_sources(args: argparse.Namespace) -> list[Any]:
    """The photos that a ``colorlib data prepare`` command line names."""
    from colorlib import sources
    from colorlib.datasets import data_folder

    if args.dataset == "folder":
        return sources.folder_sources(args.source)
    sun, imagenet = data_folder() / "sun397", data_folder() / "imagenet"
    if args.dataset == "paper":
        return sources.sun397(args.sun397 or sun, download=args.download) + sources.imagenet(args.imagenet or imagenet)
    everything: dict[str, Any] = {"categories": None} if args.all_categories else {}
    if args.dataset == "sun397":
        return sources.sun397(args.root or sun, download=args.download, **everything)
    if args.dataset == "places365":
        return sources.places365(args.root or data_folder() / "places365", download=args.download, **everything)
    return sources.imagenet(args.root or imagenet, None if args.all_categories else tuple(sources.IMAGENET_LANDSCAPES))


def describe_cache(cache: Any, listed: int = 20) -> list[str]:
    """What a cache holds and what was left out, line by line."""
    from collections import Counter

    entries, problems = cache.entries, [entry for entry in cache.entries if entry.problem]
    splits = Counter(entry.split for entry in entries if entry.split)
    order = [split for split in ("train", "validation", "unused", "gray") if splits[split]]
    shares = ", ".join(f"{splits[split]:,} {split}" for split in order)
    lines = [f"{len(entries) - len(problems):,} of {len(entries):,} photos, in frames of {cache.size} pixels: {shares}"]
    categories = Counter(entry.category for entry in entries if not entry.problem)
    lines += [f"  {count:7,}  {category}" for category, count in sorted(categories.items())]
    if problems:
        lines += [f"left out, {len(problems):,}:", *(f"  {entry.problem}" for entry in problems[:listed])]
    if len(problems) > listed:
        lines.append(f"  … all are in {cache.folder / 'photos.csv'}")
    return [*lines, f"cache:    {cache.folder}", f"checksum: {cache.checksum}"]


def bins(args: argparse.Namespace) -> int:
    """Choose colour bins on the photos of folders and store them as JSON."""
    from tqdm import tqdm

    from colorlib.bins import ColorBins, UVHistogram
    from colorlib.color import chroma_of
    from colorlib.photos import find_photos, fit, read_photo, to_tensor

    photos = [photo for folder in args.folders for photo in find_photos(folder)]
    prepare_file(args.out)
    histogram, failed = UVHistogram(), 0
    for photo in tqdm(photos, desc="counting chrominance", unit="photo", disable=None):
        try:
            histogram.add(chroma_of(to_tensor(fit(read_photo(photo), 256))))  # 256: the paper's frame
        except ColorlibError as error:
            complain(error)
            failed += 1
    chosen = ColorBins.from_histogram(histogram, args.n, args.method, args.grid)
    chosen.save(args.out)
    counted = len(photos) - failed
    print(f"{len(chosen)} {chosen.method} bins from {histogram.total:,} pixels of {counted:,} photos: {args.out}")
    return 1 if failed else 0


def train(args: argparse.Namespace) -> int:
    """Run the training that a configuration file describes, or try learning rates for it."""
    from colorlib.metrics import certify
    from colorlib.training import TrainingConfig, lowest, short_runs
    from colorlib.training import train as run_training

    config = TrainingConfig.from_yaml(args.config, **parse_settings(args.set))
    speaks = os.environ.get("RANK", "0") == "0"  # under torchrun one process speaks for all
    if args.choose_rate:
        curves = short_runs(config)
        if speaks:
            print("\n".join(describe_rates(curves, lowest(curves))))
        return 0
    try:
        checkpoint = run_training(config, args.resume)
        if speaks:
            certify(checkpoint, config)
    except KeyboardInterrupt:
        print("colorlib: interrupted; the same command with --resume goes on from the last saved step", file=sys.stderr)
        return INTERRUPTED
    if speaks:
        print(f"checkpoint: {checkpoint}\ntry it:     colorlib colorize PHOTOS --out out --model {checkpoint}")
    return 0


def describe_rates(curves: "dict[float, list[float]]", best: float) -> list[str]:
    """A line for each learning rate that was tried.

    >>> print("\\n".join(describe_rates({0.002: [3.5, 3.0, 2.5], 0.02: [3.5, 9.0, 7.0]}, 0.002)))
    learning_rate 0.002: loss 3.500 at first, 2.500 over the last third  <- lowest
    learning_rate 0.02: loss 3.500 at first, 7.000 over the last third
    """
    lines = []
    for rate, losses in curves.items():
        last = losses[-(len(losses) // 3 or 1) :]
        text = f"learning_rate {rate:g}: loss {losses[0]:.3f} at first, {sum(last) / len(last):.3f} over the last third"
        lines.append(text + ("  <- lowest" if rate == best else ""))
    return lines


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """``key=value`` texts as a dictionary, each value read as YAML.

    >>> parse_settings(["steps=100", "photos=[seaside, mountains]"])
    {'steps': 100, 'photos': ['seaside', 'mountains']}
    """
    import yaml

    values = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        try:
            values[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ColorlibError(f"cannot read the value in --set {setting!r} as YAML") from error
        if not equals:
            raise ColorlibError(f"--set takes setting=value, got {setting!r}")
    return values


def workbook(args: argparse.Namespace) -> int:
    """Execute the notebooks."""
    from colorlib.workbook import run_workbook

    run_workbook(args.profile, args.only, refresh=args.refresh)
    return 0


# ---------------------------------------------------------------------------------------------------------------------
# what the commands share


def load_colorizer(args: argparse.Namespace) -> "Colorizer":
    """The model that ``--model`` names, on the device that ``--device`` names."""
    from colorlib.prediction import Colorizer

    return Colorizer.load(args.model, args.device)


def make_folder(folder: Path) -> None:
    """Make a folder, and be sure now, before any work, that files can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ColorlibError(f"cannot make the folder {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ColorlibError(f"cannot write into the folder {folder}: permission denied")


def prepare_file(path: Path) -> None:
    """Be sure, before any work, that a file can be written."""
    if path.is_dir():
        raise ColorlibError(f"{path} is a folder: name a file in it")
    make_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)


# ---------------------------------------------------------------------------------------------------------------------
# the command line


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; ``args.run`` is the function of the chosen command."""
    from colorlib import __version__

    parser = argparse.ArgumentParser(
        prog="colorlib",
        description="Give gray photographs colour, and learn how it works.",
        epilog="examples:\n"
        "  colorlib colorize holiday.jpg --out out        one photo\n"
        "  colorlib colorize album/ --out out             a folder\n"
        "  colorlib video old.mp4 new.mp4                 a film\n"
        "  colorlib models                                what is bundled, and how good it is\n"
        "  colorlib workbook                              run the notebooks, write the figures\n"
        "`colorlib COMMAND --help` tells more about each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"colorlib {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (add_colorize, add_video, add_models, add_evaluate, add_data, add_bins, add_train, add_workbook):
        add(commands)
    return parser


Commands = Any  # argparse keeps the type of add_subparsers()'s result to itself


def add_command(commands: Commands, run: Any, summary: str, details: str, *examples: str) -> argparse.ArgumentParser:
    """A command named like the function that runs it."""
    parser: argparse.ArgumentParser = commands.add_parser(
        run.__name__,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.\n\n{details}",
        epilog="\n".join(["examples:", *(f"  colorlib {example}" for example in examples)]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    return parser


def add_colorize(commands: Commands) -> None:
    """The arguments of ``colorlib colorize``."""
    parser = add_command(
        commands,
        colorize,
        "colour photos, at their own size",
        "Each photo is written to DIR under its own name, in its own format where that is JPEG, PNG, WebP, TIFF or\n"
        "BMP, else as PNG. Colours it already has are ignored; its luma is kept. A photo that cannot be read is\n"
        "reported and the others go on. Inputs are never overwritten; results of an earlier run are replaced.",
        "colorize grandma.png --out out",
        "colorize album/ more/*.jpg --out out --temperature 0.3",
        "colorize lake.jpg --out out --confidence --model runs/quick/model.safetensors",
    )
    parser.add_argument("inputs", metavar="IN", nargs="+", type=Path, help="a photo, or a folder searched for photos")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to write to; made if missing")
    add_model_options(parser)
    parser.add_argument(
        "--confidence",
        action="store_true",
        help="also write DIR/NAME_confidence.png: the probability of the likeliest colour, black 0, white 1",
    )


def add_video(commands: Commands) -> None:
    """The arguments of ``colorlib video``."""
    parser = add_command(
        commands,
        video,
        "colour a film, without flicker",
        "Any film that FFmpeg reads is written as .mp4, .m4v, .mov, .mkv (H.264) or .webm (VP9), with its own size,\n"
        "times, sound and subtitles. The predictions of past frames are averaged with weights exp(-A i), i frames\n"
        "back, up to T frames; a new scene starts afresh. OUT appears when it is complete, or not at all.",
        "video old.mp4 new.mp4",
        "video old.avi out/ --window 0                  each frame by itself",
        "video old.mp4 new.mkv --method motion --side-by-side",
    )
    parser.add_argument("film", metavar="IN", type=Path, help="the film")
    parser.add_argument("out", metavar="OUT", type=Path, help="the coloured film, or a folder to write it into")
    add_model_options(parser)
    parser.add_argument("--alpha", metavar="A", type=float, default=0.2, help="decay per frame (default: 0.2)")
    parser.add_argument(
        "--window", metavar="T", type=float, default=20, help="frames to look back; 0: none, inf: all (default: 20)"
    )
    parser.add_argument(
        "--method",
        choices=SMOOTHERS,
        default=SMOOTHERS[0],
        help="the paper's kernel; endless; as its authors' code has it; weighted by confidence; along the motion; "
        "carrying confident pixels as seeds (default: kernel)",
    )
    parser.add_argument("--no-cuts", dest="cuts", action="store_false", help="average across scene cuts, too")
    parser.add_argument("--side-by-side", action="store_true", help="the gray film at the left")
    parser.add_argument(
        "--quality", metavar="Q", type=int, default=18, help="of the encoder: 0 best, 51 smallest (default: 18)"
    )


def add_models(commands: Commands) -> None:
    """The arguments of ``colorlib models``."""
    parser = add_command(
        commands,
        models,
        "list the bundled models",
        "What each one is, what it was trained on, and its scores on photos never trained on, beside what costs no\n"
        "network: gray, one mean colour, and one mean colour per level of luma.",
        "models",
        "models --json",
    )
    parser.add_argument("--json", action="store_true", help="everything, for programs")


def add_evaluate(commands: Commands) -> None:
    """The arguments of ``colorlib evaluate``."""
    parser = add_command(
        commands,
        evaluate,
        "measure a model on your photos",
        "Photos in colour are made gray, coloured by the model, and compared with the truth, beside baselines that\n"
        "need no network. Every metric comes with its 95 % interval over photos. LPIPS and what a classifier sees are\n"
        "measured where packages with their weights are installed; in ImageNet's own folders, one per class, its\n"
        "accuracy too. The JSON FILE gets all of it, and a table by photo.",
        "evaluate album/",
        "evaluate album/ --json scores.json --model runs/quick/model.safetensors --temperature 1",
    )
    parser.add_argument("inputs", metavar="FOLDER", nargs="+", type=Path, help="a folder of colour photos, or a photo")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write all metrics there")
    parser.add_argument("--zhang", metavar="FILE", type=Path, help="also measure Zhang et al.'s published weights")
    add_model_options(parser)


def add_data(commands: Commands) -> None:
    """The arguments of ``colorlib data``."""
    parser = add_command(
        commands,
        data,
        "prepare photos for training",
        "Decodes every photo once, into a cache: a file of frames and a table of what they show, split by photo into\n"
        "train and validation. Photos that cannot be read are listed and left out. It can be interrupted or killed at\n"
        "any moment; the same command goes on. Train with: colorlib train CONFIG --set photos=[CACHE] frame=SIZE",
        "data prepare folder my/photos --out cache",
        "data prepare places365                         natural scenes, 500 MB to download",
        "data prepare paper --train 13469 --validation 2889",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    prepare = actions.add_parser("prepare", help="decode photos into a cache", allow_abbrev=False)
    datasets = prepare.add_subparsers(title="data sets", metavar="DATASET", dest="dataset", required=True)
    for name, summary in {
        "folder": "any folder of photos; the folders in it are the categories",
        "sun397": "14 landscape categories of SUN397",
        "imagenet": "8 landscape categories of ImageNet (ILSVRC-2012)",
        "paper": "both, the set of the paper",
        "places365": "natural categories of the small validation split of Places365",
    }.items():
        add_data_options(datasets.add_parser(name, help=summary, description=summary, allow_abbrev=False), name)


def add_data_options(parser: argparse.ArgumentParser, dataset: str) -> None:
    """The options that only some data sets take."""
    if dataset == "folder":
        parser.add_argument("source", metavar="FOLDER", type=Path, help="the photos")
    elif dataset == "paper":
        parser.add_argument("--sun397", metavar="DIR", type=Path, help="where SUN397 is or goes (default: data/sun397)")
        parser.add_argument("--imagenet", metavar="DIR", type=Path, help="where ImageNet is (default: data/imagenet)")
    else:
        place = f"where the data set is or goes (default: data/{dataset}; COLORLIB_DATA replaces data)"
        parser.add_argument("--root", metavar="DIR", type=Path, help=place)
        parser.add_argument("--all-categories", action="store_true", help="not only landscapes")
    if dataset not in ("folder", "imagenet"):
        parser.add_argument("--no-download", dest="download", action="store_false", help="use what is there already")
    parser.add_argument("--out", metavar="CACHE", type=Path, help=f"the cache (default: data/caches/{dataset}-SIZE)")
    parser.add_argument("--size", type=positive, default=256, help="side of the frames in pixels (default: 256)")
    parser.add_argument("--train", metavar="N", type=positive, help="photos to train on (default: 85 %% of them)")
    parser.add_argument("--validation", metavar="N", type=positive, help="photos to validate on (default: 15 %%)")
    parser.add_argument("--seed", type=int, default=0, help="of the split (default: 0)")
    parser.add_argument("--keep-gray", action="store_true", help="train on photos that are nearly gray, too")


def add_bins(commands: Commands) -> None:
    """The arguments of ``colorlib bins``."""
    parser = add_command(
        commands,
        bins,
        "choose colour bins on your photos",
        "Counts the chrominance of all photos in the folders and chooses the colours that stand for all others.",
        "bins album/ --out bins.json",
        "bins album/ seaside/ --out bins.json --n 64 --method grid --grid 20",
    )
    parser.add_argument("folders", metavar="FOLDER", nargs="+", type=Path, help="a folder searched for photos")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--n", type=positive, default=32, help="how many bins (default: 32)")
    parser.add_argument(
        "--method",
        choices=["kmeans", "grid"],
        default="kmeans",
        help="kmeans: smallest error, gray stays gray (default); grid: most frequent cells, as in the paper",
    )
    parser.add_argument("--grid", type=positive, default=10, help="cells along each axis of the grid (default: 10)")


def add_train(commands: Commands) -> None:
    """The arguments of ``colorlib train``."""
    parser = add_command(
        commands,
        train,
        "train a network",
        "The configuration says everything that decides the outcome; see configs/quick.yaml for the settings.",
        "train configs/quick.yaml",
        "train configs/quick.yaml --set steps=2000 out=runs/longer 'photos=[my/landscapes]'",
        "train configs/quick.yaml --resume",
        "train configs/quick.yaml --choose-rate",
    )
    parser.add_argument("config", metavar="CONFIG.yaml", type=Path, help="the configuration of the run")
    parser.add_argument("--resume", action="store_true", help="go on from the last saved step")
    parser.add_argument("--choose-rate", action="store_true", help="only try learning rates, in runs of 50 steps")
    parser.add_argument(
        "--set", metavar="SETTING=VALUE", nargs="+", default=[], help="replace single settings; values are YAML"
    )


def add_workbook(commands: Commands) -> None:
    """The arguments of ``colorlib workbook``."""
    parser = add_command(
        commands,
        workbook,
        "run the notebooks and write the figures",
        "Executed copies go to build/workbook/, figures to figures/. Works in a clone of the project.",
        "workbook",
        "workbook --only 01 02 --profile full",
    )
    parser.add_argument(
        "--profile",
        choices=["quick", "full", "paper"],
        default="quick",
        help="parameters of the run: quick for a laptop (default), full, or as in the paper",
    )
    parser.add_argument("--only", metavar="NUMBER", nargs="+", help="only the notebooks that begin with these numbers")
    parser.add_argument("--refresh", action="store_true", help="also write the outputs into notebooks/ themselves")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Options of every command that predicts."""
    parser.add_argument("--model", metavar="NAME|PATH", help="a bundled model or a checkpoint (see `colorlib models`)")
    parser.add_argument(
        "--temperature",
        metavar="T",
        type=temperature,
        help="0 takes the likeliest colours: vivid, patchy; 1 averages: pale, smooth (default: the model's own)",
    )
    parser.add_argument("--device", metavar="D", default="auto", help="cpu, cuda, … (default: the GPU if there is one)")


def temperature(text: str) -> float:
    """The value of ``--temperature``: a finite number of 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number of 0 or more, got {text!r}")
    return value


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, got {text!r}")
    return int(text)
