"""The shell interface: ``colorlib COMMAND …``, the same as ``python -m colorlib COMMAND …``.

Each command is a module of this room: ``add_arguments`` declares it, and ``run`` takes the parsed arguments, calls the
library, prints, and returns the exit code: 0 for success, 1 where something in the input was wrong (one sentence says
what), 2 for wrong usage, 130 after Ctrl-C. PyTorch takes seconds to import, so the commands import what they need when
they run, and ``--help`` does not wait.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from colorlib.cli import bins, colorize, data, evaluate, models, train, video, workbook
from colorlib.cli.shared import INTERRUPTED, Notes, complain
from colorlib.errors import ColorlibError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own) and return its exit code."""
    for stream in (sys.stdout, sys.stderr):  # a file's name may hold what the terminal cannot show
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if not logging.getLogger("colorlib").handlers:
        logging.getLogger("colorlib").addHandler(Notes())
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


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; ``args.run`` is the function of the chosen command."""
    from colorlib import __version__

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
    parser.add_argument("--version", action="version", version=f"colorlib {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (colorize, video, models, evaluate, data, bins, train, workbook):
        command.add_arguments(commands)
    return parser
