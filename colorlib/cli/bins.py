"""``colorlib bins``: the colours that stand for all others, chosen on your photos."""

import argparse
from functools import partial
from pathlib import Path

from colorlib.cli.shared import Commands, add_command, complain, each_once, positive, prepare_file


def add_arguments(commands: Commands) -> None:
    """The arguments of ``colorlib bins``."""
    parser = add_command(
        commands,
        "bins",
        run,
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


def run(args: argparse.Namespace) -> int:
    """Choose colour bins on the photos of folders and store them as JSON."""
    import torch
    from tqdm import tqdm

    from colorlib.color import ColorBins, UVHistogram
    from colorlib.data import decode_photo, find_photos
    from colorlib.parallel import in_parallel

    photos = each_once(photo for folder in args.folders for photo in find_photos(folder))
    prepare_file(args.out)
    histogram, failed = UVHistogram(), 0
    decoded = in_parallel(partial(decode_photo, size=256), photos)  # 256: the paper's input size
    for photo in tqdm(decoded, desc="counting chrominance", total=len(photos), unit="photo", disable=None):
        if isinstance(photo, str):
            complain(photo)
            failed += 1
        else:
            histogram.add_rgb(torch.tensor(photo))
    chosen = ColorBins.from_histogram(histogram, args.n, args.method, args.grid)
    chosen.save(args.out)
    counted = len(photos) - failed
    print(f"{len(chosen)} {chosen.method} bins from {histogram.total:,} pixels of {counted:,} photos: {args.out}")
    return 1 if failed else 0
