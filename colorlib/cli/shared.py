"""What the commands share: how they are declared, the options of those that predict, and how they complain."""

import argparse
import math
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorlib.errors import ColorlibError

if TYPE_CHECKING:
    from colorlib.prediction import Colorizer

INTERRUPTED = 130  # the exit code that shells expect after Ctrl-C


Commands = Any  # argparse keeps the type of add_subparsers()'s result to itself


def complain(error: Exception | str) -> None:
    """One line on stderr, above a progress bar if there is one."""
    from tqdm import tqdm

    if isinstance(error, OSError) and error.filename:
        error = f"{error.filename}: {error.strerror}"
    tqdm.write(f"colorlib: error: {error}", file=sys.stderr)


def first_line(error: Exception) -> str:
    """What an error says, as one line: PyTorch adds more to its own."""
    return (str(error).splitlines() or [""])[0]


def guarded(work: Callable[[], int | None]) -> int:
    """Do the work of a command and return its exit code; what went wrong is said in one sentence."""
    try:
        code = work() or 0
        sys.stdout.flush()  # here, where a closed pipe is still caught
        return code
    except KeyboardInterrupt:
        print("colorlib: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor may the interpreter's last flush fail
        return 0
    except (ColorlibError, OSError) as error:  # of these, a full disc, a file that may not be read
        complain(error)
        return 1
    except (MemoryError, RuntimeError) as error:
        first = first_line(error)
        if not (isinstance(error, MemoryError) or "out of memory" in first or "allocate memory" in first):
            raise
        complain(f"there is not enough memory: use smaller pictures or batches, or another device ({first})")
        return 1


def note(text: str) -> None:
    """One line on stderr about something that is no error, above a progress bar if there is one."""
    from tqdm import tqdm

    tqdm.write(f"colorlib: note: {text}", file=sys.stderr)


def show_notes() -> None:
    """What the library logs from now on appears as notes."""
    import logging

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            note(record.getMessage())

    if not logging.getLogger("colorlib").handlers:
        logging.getLogger("colorlib").addHandler(Notes())


class Version(argparse.Action):
    """Prints the version, which is looked up only then, and ends the program."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        from colorlib import __version__

        print(f"colorlib {__version__}")
        parser.exit()


def load_colorizer(args: argparse.Namespace) -> "Colorizer":
    """The model that ``--model`` names, on the device that ``--device`` names."""
    from colorlib.parallel import keep_freed_memory
    from colorlib.prediction import Colorizer

    keep_freed_memory()  # frames, and photos of one camera, need what the last one needed
    return Colorizer.load(args.model, args.device)


def each_once(photos: Iterable[Path]) -> list[Path]:
    """The same photos in order, without those that were named before: one photo, one vote."""
    return list({photo.resolve(): photo for photo in photos}.values())


def make_folder(folder: Path) -> None:
    """Make a folder, and be sure now, before any work, that files can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ColorlibError(f"cannot make the folder {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ColorlibError(f"cannot write into the folder {folder}: permission denied")


def prepare_file(path: Path) -> None:
    """Be sure, before any work, that a file can be written, and that it is no photo: ``--json *.jpg`` names one."""
    from colorlib.data.decoding import SUFFIXES

    if path.is_dir():
        raise ColorlibError(f"{path} is a folder: name a file in it")
    if path.suffix.lower() in SUFFIXES:
        raise ColorlibError(f"{path} has the name of a photo: name a file that ends in .json")
    make_folder(path.parent)


def add_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    details: str,
    *examples: str,
    add_help: bool = True,
) -> argparse.ArgumentParser:
    """A command of this name, and the function that runs it. Without ``add_help`` it adds a ``--help`` of its own."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.\n\n{details}",
        epilog="\n".join(["examples:", *(f"  colorlib {example}" for example in examples)]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=add_help,
    )
    parser.set_defaults(run=run)
    return parser


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Options of every command that predicts."""
    parser.add_argument("--model", metavar="NAME|PATH", help="a bundled model or a checkpoint (see `colorlib models`)")
    parser.add_argument(
        "--temperature",
        metavar="T",
        type=number,
        help="0 takes the likeliest colours: vivid, patchy; 1 averages: pale, smooth (default: the model's own)",
    )
    parser.add_argument("--device", metavar="D", default="auto", help="cpu, cuda, … (default: the GPU if one works)")


def number(text: str, greatest: float = math.inf) -> float:
    """A finite number of 0 or more, and at most ``greatest``."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= greatest or math.isinf(value):
        values = "of 0 or more" if math.isinf(greatest) else f"from 0 to {greatest:g}"
        raise argparse.ArgumentTypeError(f"must be a number {values}, got {text!r}")
    return value


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, got {text!r}")
    return int(text)
