"""``colorlib colorize``: photos, at their own size."""

import argparse
import glob
import os
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from colorlib.cli.shared import (
    INTERRUPTED,
    Commands,
    add_command,
    add_model_options,
    complain,
    first_line,
    load_colorizer,
    make_folder,
    note,
    number,
    positive,
)
from colorlib.errors import ColorlibError

if TYPE_CHECKING:
    import numpy as np

    from colorlib.data import Page
    from colorlib.prediction import Colorizer

FORMATS = ("jpg", "png", "webp", "tif")
NAMED = 5  # of many files, so many are named


def add_arguments(commands: Commands) -> None:
    """The arguments of ``colorlib colorize``."""
    parser = add_command(
        commands,
        "colorize",
        run,
        "colour photos, at their own size",
        "Each photo is written to DIR under its own name, in its own format where that is JPEG, PNG, WebP, TIFF or\n"
        "BMP, else as PNG; subfolders are kept. A file of several pages gives NAME-1, NAME-2, … Dates, places,\n"
        "captions and dpi are copied. Colours it already has are ignored; its luma is kept. A photo that cannot be\n"
        "read is reported and the others go on. Inputs are never overwritten; results of an earlier run are replaced.",
        "colorize grandma.png --out out",
        "colorize album/ more/*.jpg --out out --temperature 0.3",
        "colorize lake.jpg --out out --confidence --model runs/quick/model.safetensors",
        "colorize meadow.jpg --out out --palette autumn.jpg",
        "colorize scans/ --out out --format jpg --quality 90 --skip-existing",
    )
    parser.add_argument(
        "inputs", metavar="IN", nargs="+", type=Path, help="a photo, a folder searched for photos, or a pattern"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to write to; made if missing")
    add_model_options(parser)
    parser.add_argument("--format", choices=FORMATS, help="write all photos so (default: as they are)")
    parser.add_argument(
        "--quality", metavar="1-100", type=percent, help="of JPEG and WebP (default: 95, or finer if the original was)"
    )
    parser.add_argument("--skip-existing", action="store_true", help="leave alone what an earlier run has finished")
    parser.add_argument(
        "--max-pixels", metavar="N", type=positive, help="read photos of up to so many pixels (default: 179 million)"
    )
    parser.add_argument(
        "--confidence",
        action="store_true",
        help="also write DIR/NAME_confidence.png: the probability of the likeliest colour, black 0, white 1",
    )
    parser.add_argument(
        "--refine", action="store_true", help="spread colours along the luma, those of surer pixels more firmly"
    )
    parser.add_argument(
        "--hints", metavar="FILE", type=Path, help="colours at places, as JSON (see colorlib.prediction.hints)"
    )
    parser.add_argument(
        "--palette", metavar="REF", type=Path, help="a colour photo of something alike: lean towards the colours it has"
    )
    parser.add_argument(
        "--palette-strength",
        metavar="S",
        type=partial(number, greatest=1),
        help="how far: 0 not at all, 1 fully (default: 0.5)",
    )


def percent(text: str) -> int:
    """A whole number from 1 to 100."""
    if positive(text) > 100:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 100, got {text!r}")
    return int(text)


class Job(NamedTuple):
    """One photo: its file, and for each of its pages the files to write, picture first."""

    photo: Path
    targets: list[list[Path]]


def run(args: argparse.Namespace) -> int:
    """Colour every photo it can, report those it cannot, keep what is finished when interrupted."""
    if args.max_pixels:
        from PIL import Image

        Image.MAX_IMAGE_PIXELS = args.max_pixels / 2  # Pillow refuses more than twice that
    photos, failures, skipped = find_inputs(args.inputs, args.out)
    jobs, clashes = plan_outputs(photos, args.out, args.confidence, args.format, args.palette)
    failures += clashes
    for failure in failures:
        complain(failure)
    if skipped:
        note(f"passed over {len(skipped)} that are no photos: {named(skipped)}")
    todo = [job for job in jobs if not (args.skip_existing and None not in files_there(job))]
    if len(todo) < len(jobs):
        note(f"left alone {len(jobs) - len(todo)} of {count(len(jobs))} that an earlier run has finished")
    if not todo:
        return 1 if failures else 0
    before = [files_there(job) for job in todo]
    interrupted, lost = colorize_all(args, todo)
    for what, where in lost.items():
        note(f"{named(where)}: {what}")
    # Counted by what is there: Ctrl-C may fall between the moment a file appears and that at which a loop has noted it.
    finished = sum(
        all(now not in (None, then) for now, then in zip(files_there(job), earlier, strict=True))
        for job, earlier in zip(todo, before, strict=True)
    )
    print(f"coloured {finished} of {count(len(todo) + len(clashes))} into {args.out}")
    if interrupted:
        return INTERRUPTED
    return 0 if finished == len(todo) and not failures else 1


def colorize_all(args: argparse.Namespace, jobs: Sequence[Job]) -> tuple[bool, dict[str, list[Path]]]:
    """Colour photo after photo. Nothing that befalls one of them ends the album, but Ctrl-C.

    Returns whether that came, and what was lost, in words, of which photos.
    """
    from tqdm import tqdm

    colorizer = guided(load_colorizer(args), args)
    require_able(colorizer, args)
    make_folder(args.out)
    lost: dict[str, list[Path]] = {}
    try:
        with tqdm(jobs, desc="colouring", unit="photo", disable=None) as progress:
            for job in progress:
                try:
                    for what in colorize_file(colorizer, job, args.temperature, args.quality):
                        lost.setdefault(what, []).append(job.photo)
                except (ColorlibError, OSError) as error:
                    complain(error)
                except Exception as error:  # no memory, on the machine or its GPU; or a mistake of ours
                    complain(f"{job.photo} could not be coloured: {type(error).__name__}: {first_line(error)}")
    except KeyboardInterrupt:
        print("colorlib: interrupted; the finished photos are kept", file=sys.stderr)
        return True, lost
    return False, lost


class Input(NamedTuple):
    """A photo to colour, and where it goes below the output folder: its own name, or its path in the folder given."""

    photo: Path
    place: Path


def find_inputs(inputs: Iterable[Path], out: Path) -> tuple[list[Input], list[str], list[Path]]:
    """The photos named, or found in the folders named, each once; a sentence for each input without any; the rest.

    Results of an earlier run, in an ``out`` below such a folder, are not taken for photos to colour. A pattern such as
    more/*.jpg, which not every shell replaces by names, is replaced here.
    """
    from colorlib.data.finding import is_hidden, look_through

    photos: dict[Path, Input] = {}
    failures: list[str] = []
    skipped: list[Path] = []
    results = out.resolve()
    for pattern in inputs:
        matches = [pattern]
        if not pattern.exists() and glob.has_magic(str(pattern)):
            matches = sorted(Path(match) for match in glob.glob(str(pattern), recursive=True))
            if not matches:
                failures.append(f"{pattern} matches no file")
        for given in matches:
            found = [Input(given, Path(given.name))]
            if given.is_dir():
                inside = results != given.resolve() and results.is_relative_to(given.resolve())
                there = look_through(given)
                ours = {p for p in there.photos + there.skipped if inside and p.resolve().is_relative_to(results)}
                found = [Input(photo, photo.relative_to(given)) for photo in there.photos if photo not in ours]
                skipped += [p for p in there.skipped if p not in ours and not (is_hidden(p.name) and p.is_file())]
                if not found:
                    failures.append(f"{given} holds no photos")
            for photo in found:
                photos.setdefault(photo.photo.resolve(), photo)
    return list(photos.values()), failures, skipped


def plan_outputs(
    photos: Iterable[Input], out: Path, confidence: bool, kind: str | None = None, palette: Path | None = None
) -> tuple[list[Job], list[str]]:
    """The files that each photo will be written to: its pictures and, on request, their confidence maps.

    Where two would share a file, as a.gif and a.png would, the second gets a name that tells more: a.gif.png, or
    within a folder named as the one it comes from. A sentence for each photo for which that does not help, either.

    Raises:
        ColorlibError: if an input or the palette would be overwritten; nothing is written yet.
    """
    from colorlib.data.photos import count_pages

    photos = list(photos)
    read = [given.photo for given in photos] + ([palette] if palette else [])
    originals = {identity(path) for path in read if path.exists()}
    taken: set[str] = set()
    jobs: dict[Path, Job] = {}
    failures = []
    for given in sorted(photos, key=lambda given: suffix_for(given.place, kind) != given.place.suffix):  # these first
        place, suffix = given.place, suffix_for(given.place, kind)
        pages = count_pages(given.photo)
        plain, longer = place.with_suffix(suffix), Path(f"{place}{suffix}")
        elsewhere = given.photo.absolute().parent.name / plain
        for name in (plain, longer, elsewhere) if suffix != place.suffix else (plain, elsewhere):
            targets = [files_of(out / name, number, pages, confidence) for number in range(pages)]
            # Many discs take A.JPG and a.jpg for one file.
            keys = {str(target).casefold() for files in targets for target in files}
            if not keys & taken:
                break
        else:
            failures.append(f"{given.photo} would be written over another photo's result: use another --out for it")
            continue
        for target in (target for files in targets for target in files):
            if target.exists() and identity(target) in originals:
                raise ColorlibError(f"{target} would overwrite the photo it is made from or another: use another --out")
        taken |= keys
        jobs[given.photo] = Job(given.photo, targets)
    return [jobs[given.photo] for given in photos if given.photo in jobs], failures


def suffix_for(photo: Path, kind: str | None) -> str:
    """The suffix of a photo's result: that of ``--format``; else its own, or ``.png`` where it has no writable one."""
    from colorlib.data.writing import WRITABLE, format_of

    return f".{kind}" if kind else photo.suffix if format_of(photo) in WRITABLE else ".png"


def files_of(path: Path, number: int, pages: int, confidence: bool) -> list[Path]:
    """The files of one page: ``path``, numbered if there are several, and its confidence map if it is wanted."""
    if pages > 1:
        path = path.with_name(f"{path.stem}-{number + 1:0{len(str(pages))}}{path.suffix}")
    return [path, path.with_name(f"{path.stem}_confidence.png")] if confidence else [path]


def identity(path: Path) -> tuple[int, int]:
    """What makes a file that file, under whatever name it is reached."""
    status = path.stat()
    return status.st_dev, status.st_ino


def files_there(job: Job) -> list[tuple[int, int] | None]:
    """The `identity` of each of a photo's files: written over, it is another file. None for one that is not there.

    Files appear whole or not at all.
    """
    return [identity(target) if target.exists() else None for files in job.targets for target in files]


def colorize_file(
    colorizer: "Colorizer", job: Job, temperature: float | None = None, quality: int | None = None
) -> list[str]:
    """Colour one photo, page by page, into the files planned for it; returns what was lost, in words."""
    from colorlib.data.photos import read_pages

    lost: dict[str, None] = {}  # each once, in order
    for page, targets in zip(read_pages(job.photo), job.targets, strict=False):  # of a file cut short the first only
        lost |= dict.fromkeys(colorize_page(colorizer, page, targets, temperature, quality))
        status = job.photo.stat()
        for target in targets:
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))  # albums are sorted by date
    return list(lost)


def colorize_page(
    colorizer: "Colorizer", page: "Page", targets: list[Path], temperature: float | None, quality: int | None
) -> list[str]:
    """Colour one page into ``targets[0]``, and its confidence into ``targets[1]`` if there is one."""
    from colorlib.data.writing import left_out, write_photo

    make_folder(targets[0].parent)
    write_photo(targets[0], colorizer.colorize(page.rgb, temperature), quality, page.metadata)
    for target in targets[1:]:
        write_photo(target, confidence_map(colorizer, page.rgb))
    return page.notes + page.metadata.notes + left_out(targets[0], page.metadata)


def confidence_map(colorizer: "Colorizer", rgb: "np.ndarray") -> "np.ndarray":
    """The probability of each pixel's likeliest bin as uint8 (H, W): 0 is black, 1 is white (paper §4.2.2)."""
    import numpy as np
    from PIL import Image

    top = colorizer.probabilities(colorizer.input_luma(rgb)).amax(0)
    small = Image.fromarray((top * 255).round().byte().cpu().numpy())
    return np.asarray(small.resize((rgb.shape[1], rgb.shape[0]), Image.Resampling.BILINEAR))


def count(photos: int) -> str:
    """So many photos, in words."""
    return f"{photos} photo{'s' * (photos != 1)}"


def named(paths: Sequence[Path]) -> str:
    """The first few files by name, and how many more there are."""
    names = ", ".join(map(str, paths[:NAMED]))
    return names + (f" and {len(paths) - NAMED} more" if len(paths) > NAMED else "")


def require_able(colorizer: "Colorizer", args: argparse.Namespace) -> None:
    """Be sure, before any photo, that the network has what is asked of it: a regression's has no probabilities.

    Raises:
        ColorlibError: if it has not.
    """
    import numpy as np

    gray = np.full((1, 1), 0.5)
    colorizer.chroma(gray, args.temperature)
    if args.confidence or args.refine:
        colorizer.probabilities(gray)


def guided(colorizer: "Colorizer", args: argparse.Namespace) -> "Colorizer":
    """The colorizer as it is, or guided by what the options name: hints, the surest colours, a palette.

    Raises:
        ColorlibError: if a file that they name cannot be used.
    """
    from colorlib.prediction import GuidedColorizer, Palette, read_hints
    from colorlib.prediction.reference import STRENGTH

    if args.palette is None and args.palette_strength is not None:
        raise ColorlibError("--palette-strength needs a --palette: name the photo whose colours are wanted")
    if args.hints is None and args.palette is None and not args.refine:
        return colorizer
    by = STRENGTH if args.palette_strength is None else args.palette_strength
    return GuidedColorizer(
        colorizer,
        read_hints(args.hints) if args.hints else [],
        args.refine,
        reference=Palette.of(args.palette, colorizer.bins, by) if args.palette else None,
    )
