"""The human test: its order, its file, its statistics, and the panel pressed as a person presses it."""

import base64
import io
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorlib import ColorlibError
from colorlib.course import trial_panel
from colorlib.evaluation import Answer, fooled_rate, make_trials, save_answer, synthetic_answers, wilson_interval
from colorlib.files import read_rows


def read_answers(path: Path) -> list[Answer]:
    """The answers in a file, as whoever analyses them reads it."""
    return [Answer(r["photo"], r["real_side"], r["chosen_side"], float(r["seconds"])) for r in read_rows(path)]


NAMES = [f"photo {i}" for i in range(9)]
REAL, RECOLORED = (np.full((24, 32, 3), color, np.uint8) for color in ((200, 30, 30), (30, 30, 200)))


def test_each_photo_once_in_random_order_and_sides_in_balance():
    trials = make_trials(NAMES, seed=1)
    assert sorted(trial.photo for trial in trials) == NAMES
    assert [trial.photo for trial in trials] != NAMES
    sides = Counter(trial.real_side for trial in trials)
    assert abs(sides["left"] - sides["right"]) == 1
    assert trials == make_trials(NAMES, seed=1) != make_trials(NAMES, seed=2)


def test_the_side_does_not_follow_the_photo():
    sides = {make_trials(NAMES, seed)[3].real_side for seed in range(20)}
    of_one_photo = {t.real_side for seed in range(20) for t in make_trials(NAMES, seed) if t.photo == "photo 0"}
    assert sides == of_one_photo == {"left", "right"}


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_interval_of_nonsense_is_an_error(successes, trials):
    with pytest.raises(ColorlibError, match=f"got {successes} of {trials}"):
        wilson_interval(successes, trials)


def test_answers_are_kept_one_by_one(tmp_path):
    path = tmp_path / "people" / "answers.csv"
    answers = [Answer("lake, by night", "left", "right", 1.25), Answer('Ås "2"', "right", "right", 0.5)]
    save_answer(path, answers[0])
    assert read_answers(path) == answers[:1]
    save_answer(path, answers[1])
    assert read_answers(path) == answers
    assert [answer.fooled for answer in answers] == [True, False]
    assert path.read_text(encoding="utf-8").splitlines()[0] == "photo,real_side,chosen_side,seconds"


def test_an_answer_after_a_torn_line_stands_on_its_own(tmp_path):
    """As a power cut leaves a file: the next answer is not glued to half of the last."""
    path = tmp_path / "answers.csv"
    save_answer(path, Answer("lake", "left", "left", 1.0))
    save_answer(path, Answer("moor", "left", "right", 2.0))
    path.write_bytes(path.read_bytes()[:-9])
    save_answer(path, Answer("dune", "right", "right", 3.0))
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[1] == "lake,left,left,1.0" and lines[-1] == "dune,right,right,3.0" and len(lines) == 4


def test_files_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ColorlibError, match="cannot write"):
        save_answer(tmp_path / "file" / "answers.csv", Answer("lake", "left", "left", 1.0))


def test_fooled_rate_by_hand():
    answers = [Answer("lake", "left", side, 1.0) for side in ("left", "right", "left", "left")]
    rate = fooled_rate(answers)
    assert rate.mean == 0.25 and rate == wilson_interval(1, 4)


def test_synthetic_answers_are_fooled_as_often_as_asked():
    trials = make_trials([str(i) for i in range(4000)], seed=0)
    answers = synthetic_answers(trials, 0.3, seed=0)
    assert answers == synthetic_answers(trials, 0.3, seed=0)
    assert fooled_rate(answers).mean == pytest.approx(0.3, abs=0.03)
    assert fooled_rate(synthetic_answers(trials, 0.0, seed=0)).mean == 0
    assert fooled_rate(synthetic_answers(trials, 1.0, seed=0)).mean == 1


# --- the panel ---------------------------------------------------------------------------------------------------


def pictures_on(screen) -> list[np.ndarray]:
    """The pictures in the panel's HTML, from left to right."""
    data = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', screen.value)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(d)))) for d in data]


def real_side_of(screen) -> str:
    left, right = (picture.mean(axis=(0, 1)) for picture in pictures_on(screen))
    assert (left[0] > left[2]) != (right[0] > right[2])  # one is red, that is real, and one is blue
    return "left" if left[0] > left[2] else "right"


def test_a_whole_test_answered_rightly_but_once(tmp_path):
    path = tmp_path / "answers.csv"
    trials = make_trials(NAMES[:4], seed=5)
    panel = trial_panel(trials, lambda name: (REAL, RECOLORED), path)
    message, start, buttons, screen = panel.children
    by_side = dict(zip(("left", "right"), buttons.children))
    assert all(button.disabled for button in buttons.children) and not path.exists() and screen.value == ""
    start.click()
    for i, trial in enumerate(trials):
        assert message.value.startswith(f"{i + 1} of 4") and not by_side["left"].disabled
        assert real_side_of(screen) == trial.real_side
        assert "real" not in screen.value.split("src=")[0] and trial.photo not in screen.value  # gives nothing away
        right = trial.real_side
        by_side[right if i else {"left": "right", "right": "left"}[right]].click()
        assert len(read_answers(path)) == i + 1
    answers = read_answers(path)
    assert [answer.photo for answer in answers] == [trial.photo for trial in trials]
    assert [answer.fooled for answer in answers] == [True, False, False, False]
    assert all(answer.seconds >= 0 for answer in answers)
    assert "25%" in message.value and all(button.disabled for button in buttons.children) and screen.value == ""


def test_an_answer_that_cannot_be_written_is_not_lost_in_silence(tmp_path):
    (tmp_path / "answers").write_text("no folder")
    panel = trial_panel(make_trials(NAMES, 0), lambda name: (REAL, RECOLORED), tmp_path / "answers" / "a.csv")
    message, start, buttons, screen = panel.children
    start.click()
    first = screen.value
    buttons.children[0].click()
    assert "alert" in message.value and "cannot write answers" in message.value and screen.value == first
    (tmp_path / "answers").unlink()
    buttons.children[0].click()
    assert message.value.startswith("2 of 9") and len(read_answers(tmp_path / "answers" / "a.csv")) == 1


def test_pictures_vanish_after_their_time(tmp_path):
    for seconds in (1.0, 0.0):
        panel = trial_panel(make_trials(NAMES, 0), lambda name: (REAL, RECOLORED), tmp_path / "a.csv", seconds)
        panel.children[1].click()
        first = panel.children[3].value
        assert ("visibility:hidden" in first and "1s forwards" in first) == bool(seconds)
        panel.children[2].children[0].click()
        names = [re.findall(r"@keyframes (\S+)", html) for html in (first, panel.children[3].value)]
        assert (names[0] != names[1]) == bool(seconds)  # a browser runs an animation of the same name only once
