"""Files damaged at random, read in a child process that is ended where it crashes or takes too long.

In C code nothing can be interrupted from within, and a crash there would take the tests along: hence the child. The
system counts its limit in CPU time, which is the same on a busy machine. Who waits for ever uses none, and is ended
after a time of the clock that no honest work needs.
"""

import os
import random
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from math import ceil
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import colorlib
from colorlib import ColorlibError
from colorlib.cli.colorize import Job, colorize_file
from colorlib.data import count_pages
from colorlib.video import VideoColorizer, colorize_film, open_film

WAIT = 300  # seconds of the clock
Work = Callable[..., Any]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A file damaged as discs, wires and enemies do it: bytes flipped, a piece or the end cut off, parts swapped."""
    result = bytearray(data)
    kind = chance.choice(["flip", "flip head", "cut", "end", "swap"])
    if kind.startswith("flip"):
        for _ in range(chance.choice([1, 4, 16, 100])):
            place = chance.randrange(min(len(result), 300) if kind == "flip head" else len(result))
            result[place] ^= chance.randrange(1, 256)
    elif kind == "cut":
        begin = chance.randrange(len(result))
        del result[begin : begin + chance.choice([1, 20, 500])]
    elif kind == "end":
        del result[chance.randrange(len(result)) :]
    else:
        half = len(result) // 2
        size = chance.randrange(1, half // 2)
        one, two = chance.randrange(half - size), half + chance.randrange(half - size)
        result[one : one + size], result[two : two + size] = result[two : two + size], result[one : one + size]
    return bytes(result)


class Child:
    """Does ``prepare(*arguments)``'s work in a process of its own, within a folder from which it should not stray.

    Called like the work, it gives ``("done", result)`` or ``("refused", sentence)``, and fails the test after anything
    else: another error, a crash, more than ``seconds`` of CPU time, or something written outside the folder.
    """

    def __init__(self, folder: Path, prepare: Callable[..., Work], *arguments: Any, seconds: int = 10):
        context = get_context("spawn")
        self.pipe, there = context.Pipe()
        self.process = context.Process(target=serve, args=(there, folder, seconds, prepare, arguments), daemon=True)
        self.process.start()
        there.close()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.join()

    def __call__(self, *arguments: Any) -> tuple[str, Any]:
        self.pipe.send(arguments)
        if not self.pipe.poll(WAIT):
            pytest.fail(f"no answer after {WAIT} s: {arguments}")
        try:
            kind, answer = self.pipe.recv()
        except EOFError:
            self.process.join()
            code = -(self.process.exitcode or 0)
            pytest.fail(f"ended by {signal.Signals(code).name if code > 0 else code}: {arguments}")
        assert kind in ("done", "refused"), f"{kind}: {answer}"
        return kind, answer


def serve(pipe: Connection, folder: Path, seconds: int, prepare: Callable[..., Work], arguments: Any) -> None:
    """The child: answers each message, until there are no more."""
    os.environ.update({"HOME": str(folder), "TMPDIR": str(folder)})
    os.chdir(folder)
    tempfile.tempdir = None  # what is temporary goes there, too, and is seen
    work = prepare(*arguments)
    strayed = watch(folder)
    while True:
        try:
            message = pipe.recv()
        except EOFError:
            return
        give_time(seconds)
        try:
            answer = "done", work(*message)
        except ColorlibError as error:
            answer = "refused", str(error)
        except BaseException:
            answer = "crashed", traceback.format_exc()
        pipe.send(("strayed", strayed) if strayed else answer)


def give_time(seconds: int) -> None:
    """From now on so many seconds of CPU time; the system ends the process (SIGXCPU) that uses more."""
    if sys.platform != "win32":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = ceil(used.ru_utime + used.ru_stime) + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no image of the memory is left behind


def watch(folder: Path) -> list[str]:
    """A list to which is added whatever Python opens for writing, makes, renames or removes outside a folder."""
    strayed: list[str] = []
    inside = (os.path.realpath(folder) + os.sep, "/dev/")
    changes = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"}

    def see(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            paths = arguments[:1] if (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) else ()
        else:
            paths = arguments[:2] if event in changes else ()
        for path in paths:
            if isinstance(path, (str, bytes, os.PathLike)):
                name = os.path.realpath(os.fsdecode(path))
                if not f"{name}{os.sep}".startswith(inside):
                    strayed.append(f"{event} {name}")

    sys.addaudithook(see)
    return strayed


# The work of a child


def photos(checkpoint: Path) -> Work:
    """Colours a photo, each page into a file of its own in a folder; gives the names of those that should be there."""
    torch.set_num_threads(1)
    colorizer = colorlib.load(checkpoint)

    def work(photo: Path, out: Path, suffix: str) -> list[str]:
        targets = [[out / f"{page}{suffix}"] for page in range(count_pages(photo))]
        colorize_file(colorizer, Job(photo, targets))
        return sorted(files[0].name for files in targets)

    return work


class Gray(VideoColorizer):
    """Colours nothing: what is damaged in a film is met before the network and after it."""

    def chroma(self, luma: Tensor) -> Tensor:
        return torch.zeros(2, *luma.shape)


def films(checkpoint: Path) -> Work:
    """Makes a new film of a film; gives how many pictures it should have, and how many it has."""
    torch.set_num_threads(1)
    video = Gray(colorlib.load(checkpoint))

    def work(film: Path, target: Path) -> tuple[int, int]:
        report = colorize_film(film, target, video, progress=False)
        with open_film(target) as new:
            return report.pictures, sum(1 for _ in new)

    return work


def misbehave() -> Work:
    """Does what no work should."""

    def work(what: str, path: Path) -> None:
        if what == "raises":
            raise RuntimeError("no sentence")
        if what == "crashes":
            os.kill(os.getpid(), signal.SIGSEGV)
        while what == "hangs":
            pass
        path.write_text("here")

    return work
