"""The human test, a two-alternative forced choice: which one is the real photo? (paper §4.1; Zhang et al. 2016, §3.1)

A person sees a photo beside its recoloured version, for a second, and says which one is real. Somebody who cannot tell
is fooled in half of the trials. This is the metric that colorization is for; the others are only cheaper.
"""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from colorlib.errors import ColorlibError
from colorlib.evaluation.intervals import Interval, wilson_interval

SIDES = ("left", "right")


@dataclass(frozen=True)
class Trial:
    """One question: a photo's name, and the side on which the real one is."""

    photo: str
    real_side: str


@dataclass(frozen=True)
class Answer:
    """What a person chose as the real photo, and how long it took."""

    photo: str
    real_side: str
    chosen_side: str
    seconds: float

    @property
    def fooled(self) -> bool:
        """Whether the recoloured picture was taken for the real one."""
        return self.chosen_side != self.real_side


def make_trials(photos: Sequence[str], seed: int) -> list[Trial]:
    """Each photo once, in random order, the real one as often on the left as on the right (or once more).

    >>> sorted(trial.real_side for trial in make_trials(["lake", "hill", "wave", "tree"], seed=0))
    ['left', 'left', 'right', 'right']
    """
    generator = np.random.default_rng(seed)
    sides = generator.permutation([SIDES[i % 2] for i in range(len(photos))])
    shown = generator.permutation(list(photos))
    return [Trial(str(photo), str(side)) for photo, side in zip(shown, sides, strict=True)]


def save_answer(path: str | Path, answer: Answer) -> None:
    """Append one answer to a CSV file; answers given before a crash or a power cut stay."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torn = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")  # its last line, by such a cut
        with open(path, "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [f.name for f in fields(Answer)])
            if torn:
                file.write("\r\n")
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(asdict(answer))
    except OSError as error:
        raise ColorlibError(f"cannot write answers to {path}: {error.strerror}") from error


def fooled_rate(answers: Sequence[Answer]) -> Interval:
    """How often people took the recoloured picture for the real one, with Wilson's 95 % interval.

    0.5 is the best there is: nobody can tell. Zhang et al. report 0.32 for their network.
    """
    fooled = sum(answer.fooled for answer in answers)
    return wilson_interval(fooled, len(answers))


def synthetic_answers(trials: Sequence[Trial], rate: float, seed: int) -> list[Answer]:
    """Made-up answers of a person fooled with a given probability: to try the analysis, and for nothing else."""
    generator = np.random.default_rng(seed)
    other = dict(zip(SIDES, SIDES[::-1], strict=True))
    fooled = generator.random(len(trials)) < rate
    return [
        Answer(trial.photo, trial.real_side, other[trial.real_side] if f else trial.real_side, float(seconds))
        for trial, f, seconds in zip(trials, fooled, generator.gamma(4, 0.5, len(trials)).round(2), strict=True)
    ]
