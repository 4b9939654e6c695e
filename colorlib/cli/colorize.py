"""``colorlib colorize``: photos, at their own size."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from colorlib.cli.shared import (
    INTERRUPTED,
    Commands,
    add_command,
    add_model_options,
    complain,
    load_colorizer,
    make_folder,
)
from colorlib.errors import ColorlibError

if TYPE_CHECKING:
    import numpy as np

    from colorlib.prediction import Colorizer

WRITABLE = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}  # formats kept; others become PNG


def add_arguments(commands: Commands) -> None:
    """The arguments of ``colorlib colorize``."""
    parser = add_command(
        commands,
        "colorize",
        run,
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


def run(args: argparse.Namespace) -> int:
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
            from colorlib.data.photos import find_photos

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
    from colorlib.data.photos import read_photo, write_photo

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
