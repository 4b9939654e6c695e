"""``colorlib evaluate``: a model on your photos, beside what costs no network."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorlib.cli.shared import (
    Commands,
    add_command,
    add_model_options,
    complain,
    each_once,
    load_colorizer,
    prepare_file,
)
from colorlib.errors import ColorlibError

if TYPE_CHECKING:
    from colorlib.evaluation import Evaluation


def add_arguments(commands: Commands) -> None:
    """The arguments of ``colorlib evaluate``."""
    parser = add_command(
        commands,
        "evaluate",
        run,
        "measure a model on your photos",
        "Photos in colour are made gray, coloured by the model, and compared with the truth, beside baselines that\n"
        "need no network. Every metric comes with its 95 % interval over photos. What a classifier sees is\n"
        "measured where a package with its weights is installed; in ImageNet's own folders, one per class, its\n"
        "accuracy too. The JSON FILE gets all of it, and a table by photo.",
        "evaluate album/",
        "evaluate album/ --json scores.json --model runs/quick/model.safetensors --temperature 1",
    )
    parser.add_argument("inputs", metavar="FOLDER", nargs="+", type=Path, help="a folder of colour photos, or a photo")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write all metrics there")
    parser.add_argument("--zhang", metavar="FILE", type=Path, help="also measure Zhang et al.'s published weights")
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Measure a model on photos, beside the baselines that its checkpoint carries."""
    import json

    from colorlib.data import find_photos
    from colorlib.evaluation import (
        METRICS,
        Baselines,
        ZhangColorizer,
        find_image_metrics,
        format_metrics,
        labels_by_folder,
        measure,
        to_json,
    )
    from colorlib.files import write_text

    photos = each_once(photo for given in args.inputs for photo in (find_photos(given) if given.is_dir() else [given]))
    if not photos:
        raise ColorlibError(f"{', '.join(map(str, args.inputs))}: no photos there")
    colorizer = load_colorizer(args)
    baselines = Baselines.from_dict(colorizer.record.get("baselines"))
    if args.json:
        prepare_file(args.json)
    labels = labels_by_folder(args.inputs[0]) if len(args.inputs) == 1 else None
    available, missing = find_image_metrics(labels)
    others = {"zhang": ZhangColorizer(args.zhang, colorizer.device)} if args.zhang else {}
    evaluation = measure(colorizer, photos, baselines, args.temperature, others=others, judges=available)
    for problem in evaluation.left_out.values():
        complain(problem)
    scores = evaluation.summary()
    temperature = colorizer.temperature if args.temperature is None else args.temperature
    measured = len(evaluation.photos)
    print(f"{measured} photo{'s' * (measured != 1)} at T = {temperature:g}, mean [95 % interval]:")
    print("\n".join(format_metrics(scores, scores["model"])))
    for metric, reason in missing.items():
        print(f"not measured: {METRICS[metric]}. {reason}")
    if args.json:
        about = {"model": str(args.model or "default"), "photos": measured, "temperature": temperature}
        everything = {**to_json(scores), "run": {**about, "missing": missing}, "by_photo": by_photo(evaluation)}
        write_text(args.json, json.dumps(everything, indent=2))
    return 1 if evaluation.left_out else 0


def by_photo(evaluation: "Evaluation") -> list[dict[str, Any]]:
    """A row for each photo: its path, and what each contender reached on it."""
    return [
        {"photo": str(photo), **{name: rows[i] for name, rows in evaluation.rows.items()}}
        for i, photo in enumerate(evaluation.photos)
    ]
