"""``colorlib video``: a film, without flicker."""

import argparse
import sys
from pathlib import Path

from colorlib.cli.shared import INTERRUPTED, Commands, add_command, add_model_options, load_colorizer, note

# As colorlib.video names them.
METHODS = ("kernel", "exponential", "still", "published", "confidence", "motion", "seeds", "colors", "steady")


def add_arguments(commands: Commands) -> None:
    """The arguments of ``colorlib video``."""
    parser = add_command(
        commands,
        "video",
        run,
        "colour a film, without flicker",
        "Any film that FFmpeg reads is written as .mp4, .m4v, .mov, .mkv (H.264) or .webm (VP9), with its own size,\n"
        "times, sound and subtitles. Predictions are averaged over the frames before and after, for longer where\n"
        "nothing moves; a new scene starts afresh. With --method kernel they are averaged as in the paper, with\n"
        "weights exp(-A i), i frames back, up to T frames. OUT appears when it is complete, or not at all; what an\n"
        "interrupted run has coloured, but for the last half minute of film, is kept for --resume.",
        "video old.mp4 new.mp4",
        "video old.avi out/ --window 0                  each frame by itself",
        "video old.mp4 new.mkv --method kernel --side-by-side",
        "video old.mp4 new.mp4 --resume                 go on after an interruption",
    )
    parser.add_argument("film", metavar="IN", type=Path, help="the film")
    parser.add_argument("out", metavar="OUT", type=Path, help="the coloured film, or a folder to write it into")
    add_model_options(parser)
    parser.add_argument("--alpha", metavar="A", type=float, default=0.2, help="decay per frame (default: 0.2)")
    parser.add_argument(
        "--window",
        metavar="T",
        type=float,
        default=20,
        help="frames that kernel, confidence and colors look back, inf: all (default: 20); with 0 every method takes "
        "each frame by itself",
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        default=METHODS[-1],
        help="the paper's kernel; endless; with a longer memory where nothing moves; as the paper's authors' code has "
        "it; weighted by confidence; along the motion; carrying confident pixels as seeds; averaging colours, to "
        "compare; like still, but looking 48 frames ahead, too (default: steady)",
    )
    parser.add_argument("--no-cuts", dest="cuts", action="store_false", help="average across scene cuts, too")
    parser.add_argument("--side-by-side", action="store_true", help="the gray film at the left")
    parser.add_argument(
        "--quality", metavar="Q", type=int, default=18, help="of the encoder: 0 best, 51 smallest (default: 18)"
    )
    unfinished = parser.add_mutually_exclusive_group()
    unfinished.add_argument(
        "--resume", action="store_true", default=None, help="go on with what an interrupted run has kept"
    )
    unfinished.add_argument(
        "--restart", dest="resume", action="store_false", help="begin anew, whatever an interrupted run has kept"
    )


def run(args: argparse.Namespace) -> int:
    """Colour one film, and say what of it could not be kept."""
    from colorlib.video import VideoColorizer, colorize_film, kept_pictures, place_for

    target = place_for(args.film, args.out)
    method = VideoColorizer(load_colorizer(args), args.alpha, args.window, args.method, args.temperature, args.cuts)
    try:
        report = colorize_film(args.film, target, method, args.side_by_side, args.quality, None, args.resume)
    except KeyboardInterrupt:
        kept = kept_pictures(target)
        hint = f"; {kept} coloured pictures are kept, and the same command with --resume goes on" if kept else ""
        print(f"colorlib: interrupted{hint}", file=sys.stderr)
        return INTERRUPTED
    for problem in report.problems:
        note(problem)
    cuts = "" if report.cuts is None else f"; scene cuts: {report.cuts}"
    print(f"coloured {report.pictures} picture{'s' * (report.pictures != 1)} into {target}{cuts}")
    return 0
