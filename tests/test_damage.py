"""The child that reads damaged files: it notices what it is there to notice."""

import sys
from pathlib import Path

import damage
import pytest


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows counts no CPU time for us")
@pytest.mark.parametrize(
    ("what", "message"),
    [("raises", "no sentence"), ("crashes", "SIGSEGV"), ("hangs", "SIGXCPU"), ("strays", "strayed")],
)
def test_what_goes_wrong_in_a_child_fails_the_test(tmp_path: Path, what: str, message: str) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    with damage.Child(folder, damage.misbehave, seconds=1) as child:
        assert child("writes", folder / "a.txt") == ("done", None)
        with pytest.raises((AssertionError, pytest.fail.Exception), match=message):
            child(what, tmp_path / "a.txt")
