"""The checks of the exercises: kind to the untouched, fair to the right, firm with the wrong."""

import numpy as np
import pytest
import torch
from wrong_answers import NEVER_RIGHT, WRONG_ANSWERS

from colorlib import ColorlibError
from colorlib.course import EXERCISES, WrongAnswerError, check, exercise, expect, verdict


def unfinished(*arguments):
    """The stub of every exercise."""
    ...


def not_implemented(*arguments):
    raise NotImplementedError("coming soon")


@pytest.mark.parametrize("name", EXERCISES)
def test_an_answer_left_out_is_not_started(name):
    assert verdict(name, None)[0] is None and verdict(name, ...)[0] is None


@pytest.mark.parametrize("name", EXERCISES)
@pytest.mark.parametrize("stub", [unfinished, not_implemented, lambda *arguments: ...])
def test_untouched_stubs_are_not_started(name, stub):
    state, message = verdict(name, stub)
    assert state is None and message.startswith("not started yet")


@pytest.mark.parametrize("name", EXERCISES)
@pytest.mark.parametrize("answer", NEVER_RIGHT)
def test_nonsense_is_wrong(name, answer):
    state, message = verdict(name, answer)
    assert state is False and message.startswith("not yet.") and len(message) > 30


@pytest.mark.parametrize(("name", "answer"), [(name, a) for name, answers in WRONG_ANSWERS.items() for a in answers])
def test_plausible_mistakes_are_wrong(name, answer):
    state, message = verdict(name, answer)
    assert state is False and ("expected" in message or "stopped with" in message)


def test_messages_say_what_was_expected_and_what_came():
    _, message = verdict("bin_frequencies", lambda index, n: torch.full((n,), 0.5))
    assert "For the bins [[0, 1, 1], [2, 1, 0]] and n = 3" in message
    assert "I expected [0.3333, 0.5, 0.1667], and got [0.5, 0.5, 0.5]" in message
    with pytest.raises(WrongAnswerError, match=r"and got 50.5, which differs by 0.0002, more than rounding\.$"):
        expect(50.5002, 50.5, "Here")
    with pytest.raises(WrongAnswerError, match=r"and got \[0.5\], which differs by 2e-05, more than rounding\.$"):
        expect(torch.tensor([0.50002]), torch.tensor([0.5]), "Here", 1e-6)
    late = torch.arange(8) > 6  # whose first numbers, which are all that is said of it, are right
    for kind in (torch.bool, torch.uint8):
        with pytest.raises(WrongAnswerError, match=r"…\], and got \[.*…\]; at place 7 I expected 1, and got 0\.$"):
            expect(torch.zeros(8, dtype=kind), late.to(kind), "Here")
    _, message = verdict("luma", lambda rgb: rgb)
    assert "I expected the shape (1, 2), and got (3, 1, 2)" in message
    _, message = verdict("luma", lambda rgb: rgb.undefined)
    assert "stopped with AttributeError" in message


def test_check_prints_one_line_and_never_raises(capsys):
    for answer in (unfinished, *NEVER_RIGHT, *WRONG_ANSWERS["luma"]):
        assert check("luma", answer) is None
        assert capsys.readouterr().out.count("\n") == 1
    check("luma", lambda rgb: 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2])
    assert capsys.readouterr().out == "✔ luma: right, well done!\n"


def test_a_misspelt_exercise_is_the_author_s_error():
    with pytest.raises(ColorlibError, match="no exercise 'lumma'; there are luma,"):
        check("lumma", unfinished)
    with pytest.raises(ValueError, match="two exercises"):
        exercise("luma")(lambda answer: None)


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (1.0, 1.0),
        (torch.tensor(1.0), 1.0),
        (1, 1.0),
        (np.float32(1.0), 1.0),
        (np.int64(1), 1.0),
        (np.array(1.0), 1.0),
        (torch.tensor([1.0]), 1.0),
        (np.array([1.0, 2.0]), torch.tensor([1.0, 2.0])),
        (torch.tensor([1, 2]), torch.tensor([1.0, 2.0])),
        (torch.tensor([1.0, 2.0]).double(), torch.tensor([1.0, 2.0])),
    ],
)
def test_expect_is_fair_about_types(got, expected):
    expect(got, expected, "Here")


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (True, 1.0),
        (np.True_, 1.0),
        (np.array(["a", "b"]), torch.tensor([1.0, 2.0])),
        (1.001, 1.0),
        (float("nan"), 1.0),
        ([1.0], 1.0),
        ([1.0, 2.0], torch.tensor([1.0, 2.0])),
        (torch.tensor([[1.0, 2.0]]), torch.tensor([1.0, 2.0])),
        (torch.tensor([1.0, 2.001]), torch.tensor([1.0, 2.0])),
        (torch.tensor([1.0, float("nan")]), torch.tensor([1.0, 2.0])),
    ],
)
def test_expect_is_firm_about_values(got, expected):
    with pytest.raises(WrongAnswerError, match="^Here I expected"):
        expect(got, expected, "Here")


@pytest.mark.parametrize("kind", [tuple, list, np.array, torch.tensor])
def test_two_numbers_may_come_as_an_array_or_a_tensor(kind):
    def interval(ones, others, draws):
        means = (ones - others)[draws].mean(1)
        return kind([float(means.quantile(q)) for q in (0.025, 0.975)])

    def epochs(steps, batch, photos, copies):
        return kind([steps * batch / (photos * copies), steps * batch / photos])

    assert verdict("paired_interval", interval)[0] and verdict("paired_epochs", epochs)[0]
    for answer in (lambda *arguments: kind([0.5]), lambda *arguments: kind([0.5, 0.5, 0.5])):
        assert "I expected two numbers, the low and the high end" in verdict("paired_interval", answer)[1]
