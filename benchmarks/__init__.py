"""What is fast, and how we know: one file per question, ``make bench`` runs them all.

A benchmark is a module in this folder. The first line of its docstring is the question; its function ``measure()``
gives the answer as a list of `Row`. What is compared is timed in the same run, turn by turn (`race`), because the
ratio of two times survives a busy machine and a change of machine, and a time alone does not.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass
class Row:
    """One line of a table of times, in seconds."""

    what: str
    median: float
    fastest: float
    slowest: float
    ratio: float | None = None  # this time / the first contestant's, median over rounds
    note: str = ""


def race(contestants: Mapping[str, Callable[[], object]], rounds: int = 20) -> list[Row]:
    """Time functions against each other: a warm-up each, then ``rounds`` rounds in which each runs once."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for function in contestants.values():
        function()
    for _ in range(rounds):
        for name, function in contestants.items():
            begin = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - begin)
    first = next(iter(times.values()))
    return [row_of(name, seconds, first if len(times) > 1 else None) for name, seconds in times.items()]


def row_of(what: str, seconds: list[float], reference: list[float] | None = None, note: str = "") -> Row:
    """Summarise the times of several rounds, beside those of a reference in the same rounds."""
    ratio = None if reference is None else statistics.median(a / b for a, b in zip(seconds, reference, strict=True))
    return Row(what, statistics.median(seconds), min(seconds), max(seconds), ratio, note)
