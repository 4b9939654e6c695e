"""``colorlib data``: decode a data set once, into a cache that training reads."""

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from colorlib.cli.shared import INTERRUPTED, Commands, add_command, positive


def add_arguments(commands: Commands) -> None:
    """The arguments of ``colorlib data``."""
    parser = add_command(
        commands,
        "data",
        run,
        "prepare photos for training",
        "Decodes every photo once, into a cache: a file of frames and a table of what they show, split by photo into\n"
        "train and validation. Photos that cannot be read are listed and left out. It can be interrupted or killed at\n"
        "any moment; the same command goes on. Train with: colorlib train CONFIG --set photos=[CACHE] image_size=SIZE",
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
        parser.add_argument("source", metavar="FOLDER", type=Path, nargs="+", help="the photos")
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


def run(args: argparse.Namespace) -> int:
    """Decode a data set once into a cache that training reads."""
    from colorlib.data import Cache, prepare
    from colorlib.files import user_data_folder

    sources = find_sources(args)
    out = args.out or user_data_folder() / "caches" / f"{args.dataset}-{args.size}"
    try:
        cache: Cache = prepare(sources, out, args.size, args.train, args.validation, args.seed, args.keep_gray)
    except KeyboardInterrupt:
        print("colorlib: interrupted; the same command goes on where it was", file=sys.stderr)
        return INTERRUPTED
    print("\n".join(describe_cache(cache)))
    return 0


def find_sources(args: argparse.Namespace) -> list[Any]:
    """The photos that a ``colorlib data prepare`` command line names."""
    from colorlib.data import sources
    from colorlib.files import user_data_folder

    if args.dataset == "folder":
        return sources.folder_sources(*args.source)
    sun, imagenet = user_data_folder() / "sun397", user_data_folder() / "imagenet"
    if args.dataset == "paper":
        return sources.sun397(args.sun397 or sun, download=args.download) + sources.imagenet(args.imagenet or imagenet)
    everything: dict[str, Any] = {"categories": None} if args.all_categories else {}
    if args.dataset == "sun397":
        return sources.sun397(args.root or sun, download=args.download, **everything)
    if args.dataset == "places365":
        return sources.places365(args.root or user_data_folder() / "places365", download=args.download, **everything)
    return sources.imagenet(args.root or imagenet, None if args.all_categories else tuple(sources.IMAGENET_LANDSCAPES))


def describe_cache(cache: Any, listed: int = 20) -> list[str]:
    """What a cache holds and what was left out, line by line."""
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
