"""The shell interface: ``colorlib COMMAND …``, the same as ``python -m colorlib COMMAND …``.

Each command is a module of this room: ``add_arguments`` declares it, and ``run`` takes the parsed arguments, calls the
library, prints, and returns the exit code: 0 for success, 1 where something in the input was wrong (one sentence says
what), 2 for wrong usage, 130 after Ctrl-C. PyTorch takes seconds to import, so the commands import what they need when
they run, and ``--help`` does not wait.
"""

import argparse
import sys
from collections.abc import Sequence

from colorlib.cli import bins, colorize, data, evaluate, export, models, train, video, workbook
from colorlib.cli.shared import Version, guarded, show_notes


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own) and return its exit code."""
    for stream in (sys.stdout, sys.stderr):  # a file's name may hold what the terminal cannot show
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    args = build_parser().parse_args(argv)
    show_notes()
    return guarded(lambda: args.run(args))


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; ``args.run`` is the function of the chosen command."""
    parser = argparse.ArgumentParser(
        prog="colorlib",
        description="Give gray photographs colour, and teach how it works.",
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
    parser.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (colorize, video, models, export, evaluate, data, bins, train, workbook):
        command.add_arguments(commands)
    return parser
