"""The human test, a two-alternative forced choice: which one is the real photo? (paper §4.1; Zhang et al. 2016, §3.1)

A person sees a photo beside its recoloured version, for a second, and says which one is real. Somebody who cannot tell
is fooled in half of the trials. This is the metric that colorization is for; the others are only cheaper.
"""

import csv
import html
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from math import sqrt
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
from PIL import Image

from colorlib.errors import ColorlibError
from colorlib.figures import encode_image, image_tag

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
    return [Trial(str(photo), str(side)) for photo, side in zip(generator.permutation(list(photos)), sides)]


def save_answer(path: str | Path, answer: Answer) -> None:
    """Append one answer to a CSV file; answers given before a crash or a power cut stay."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [f.name for f in fields(Answer)])
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(asdict(answer))
    except OSError as error:
        raise ColorlibError(f"cannot write answers to {path}: {error.strerror}") from error


def read_answers(path: str | Path) -> list[Answer]:
    """The answers in a CSV file that `save_answer` wrote.

    Raises:
        ColorlibError: if the file is missing or a line of it is not an answer.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ColorlibError(f"cannot read answers from {path}: {error}") from error
    answers = []
    for number, row in enumerate(rows, 2):
        try:
            answer = Answer(row["photo"], row["real_side"], row["chosen_side"], float(row["seconds"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ColorlibError(f"{path}, line {number}, is not an answer of this test") from error
        if answer.real_side not in SIDES or answer.chosen_side not in SIDES:
            raise ColorlibError(f"{path}, line {number}: a side must be left or right")
        answers.append(answer)
    return answers


def wilson_interval(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's (1927) 95 % interval of a share: unlike p ± 1.96 √(p(1-p)/n) it stays in [0, 1] and works for 0 of n.

    It takes the trials for independent; a person's answers, or one photo's, are alike, so many of each are needed.

    >>> [round(end, 3) for end in wilson_interval(0, 10)]
    [0.0, 0.278]
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ColorlibError(f"a share needs 0 to n successes of at least one trial, got {successes} of {trials}")
    share, extra = successes / trials, z**2 / trials
    centre = (share + extra / 2) / (1 + extra)
    half = z * sqrt(share * (1 - share) / trials + extra / (4 * trials)) / (1 + extra)
    return max(0.0, centre - half), min(1.0, centre + half)


def fooled_rate(answers: Sequence[Answer]) -> dict[str, float]:
    """How often people took the recoloured picture for the real one, with Wilson's 95 % interval.

    0.5 is the best there is: nobody can tell. Zhang et al. report 0.32 for their network.
    """
    fooled = sum(answer.fooled for answer in answers)
    low, high = wilson_interval(fooled, len(answers))
    return {"mean": fooled / len(answers), "low": low, "high": high, "trials": len(answers)}


def synthetic_answers(trials: Sequence[Trial], rate: float, seed: int) -> list[Answer]:
    """Made-up answers of a person fooled with a given probability: to try the analysis, and for nothing else."""
    generator = np.random.default_rng(seed)
    other = dict(zip(SIDES, SIDES[::-1]))
    fooled = generator.random(len(trials)) < rate
    return [
        Answer(trial.photo, trial.real_side, other[trial.real_side] if f else trial.real_side, float(seconds))
        for trial, f, seconds in zip(trials, fooled, generator.gamma(4, 0.5, len(trials)).round(2))
    ]


def trial_panel(
    trials: Sequence[Trial],
    pictures: Callable[[str], tuple[np.ndarray, np.ndarray]],
    path: str | Path,
    visible_seconds: float = 1.0,
) -> ipywidgets.VBox:
    """The test as a panel: two pictures, two buttons, one answer after the other into a CSV file.

    Args:
        pictures: for a photo's name the real picture and the recoloured one, uint8 (H, W, 3) of the same size.
        path: the CSV file that answers are appended to.
        visible_seconds: how long the pictures show, as long as they need to be answered in; 0 means all the time.

    Works by keyboard: Tab moves between the buttons, Space presses one.
    """
    message, screen = ipywidgets.HTML(), ipywidgets.HTML()
    buttons = {side: ipywidgets.Button(description=f"{side.capitalize()} is real") for side in SIDES}
    start = ipywidgets.Button(description="Start", button_style="primary")
    state: dict[str, Any] = {"number": 0, "shown": 0.0, "answers": []}

    def show() -> None:
        finished = state["number"] == len(trials)
        for button in buttons.values():
            button.disabled = finished
        if finished:
            rate = fooled_rate(state["answers"])
            message.value = (
                f"Thank you! You took the recoloured picture for the real one in {rate['mean']:.0%} of {len(trials)} "
                f"trials (95 % interval {rate['low']:.0%} to {rate['high']:.0%}; 50 % would be: cannot tell)."
            )
            screen.value = ""
            return
        trial = trials[state["number"]]
        real, recoloured = pictures(trial.photo)
        left, right = (real, recoloured) if trial.real_side == "left" else (recoloured, real)
        message.value = f"{state['number'] + 1} of {len(trials)}: which one is the real photo?"
        screen.value = _pair(left, right, visible_seconds, state["number"])
        state["shown"] = time.monotonic()

    def answer(side: str) -> None:
        trial = trials[state["number"]]
        given = Answer(trial.photo, trial.real_side, side, round(time.monotonic() - state["shown"], 2))
        save_answer(path, given)
        state["answers"].append(given)
        state["number"] += 1
        show()

    def begin(_: Any) -> None:
        start.layout.display = "none"
        show()

    for side, button in buttons.items():
        button.disabled = True
        button.on_click(lambda _, side=side: answer(side))
    start.on_click(begin)
    seconds = f"for {visible_seconds:g} s " if visible_seconds else ""
    message.value = f"Two pictures will show {seconds}side by side. Say which one is the real photo; guess if unsure."
    return ipywidgets.VBox([message, start, ipywidgets.HBox(list(buttons.values())), screen])


def _pair(left: np.ndarray, right: np.ndarray, visible_seconds: float, number: int) -> str:
    """Two pictures side by side as HTML, hidden after a while by the browser itself: no timer in Python is as exact."""
    size = min(1.0, 320 / left.shape[1])
    height, width = round(left.shape[0] * size), round(left.shape[1] * size)
    tags = []
    for name, picture in (("left", left), ("right", right)):
        data = encode_image(Image.fromarray(picture), "jpeg")
        tags.append(image_tag(data, f"the {name} picture of pair {number + 1}", width))
    hide = f"animation:colorlib-hide-{number} 0s linear {visible_seconds:g}s forwards" if visible_seconds else ""
    # Each trial names its own animation: a browser does not run one a second time.
    frames = f"<style>@keyframes colorlib-hide-{number} {{ to {{ visibility:hidden }} }}</style>" if hide else ""
    row = f"display:flex;gap:8px;min-height:{height}px;{hide}"
    return f'{frames}<div style="{html.escape(row)}">{"".join(tags)}</div>'
