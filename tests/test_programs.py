"""The benchmarks and experiments are not run by the tests, but each can be: it imports, and says what it does."""

import importlib
import pkgutil
import sys

import pytest

import benchmarks.run
import experiments
from benchmarks import Row, race
from colorlib.cli.shared import guarded
from colorlib.models import save_checkpoint

BENCHMARKS = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name != "run"]
PROGRAMS = ["benchmarks.run", *(f"experiments.{module.name}" for module in pkgutil.iter_modules(experiments.__path__))]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_asks_a_question_and_can_be_measured(name):
    if name == "video":
        pytest.importorskip("resource")  # which Windows lacks
    module = importlib.import_module(f"benchmarks.{name}")
    assert callable(module.measure)
    assert module.__doc__.splitlines()[0].endswith("?")


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_explains_itself(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(name).main()
    assert stop.value.code == 0
    assert f"python -m {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", "films heldout inputs palette refine scores twin".split())
def test_no_photos_or_frames_at_all_are_wrong_usage(name, monkeypatch, capsys):
    module = importlib.import_module(f"experiments.{name}")
    option = "--frames" if name == "films" else "--most"
    monkeypatch.setattr("sys.argv", [name, option, "0"])
    with pytest.raises(SystemExit) as stopped:
        module.main()
    assert stopped.value.code == 2 and f"{option}: must be a whole number of 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize("name", "palette refine scores".split())
def test_a_checkpoint_without_what_a_program_needs_is_refused_in_a_sentence(
    name, monkeypatch, tmp_path, capsys, opinionated_network, tiny_bins
):
    bare = tmp_path / "bare.safetensors"
    save_checkpoint(bare, opinionated_network, tiny_bins, {"input_size": 32, "temperature": 0.4})
    module = importlib.import_module(f"experiments.{name}")
    monkeypatch.setattr(module, "HERE", tmp_path)
    model = [str(bare), "--out", str(tmp_path)] if name == "scores" else ["--model", str(bare)]
    monkeypatch.setattr("sys.argv", [name, *model, "--most", "1"])
    assert guarded(module.main) == 1
    assert "this checkpoint's record holds no" in capsys.readouterr().err


def test_films_of_one_name_are_refused(monkeypatch, capsys):
    films = importlib.import_module("experiments.films")
    monkeypatch.setattr("sys.argv", ["films", "a/sea.mp4", "b/sea.mkv"])
    assert guarded(films.main) == 1
    assert "two films are called sea" in capsys.readouterr().err


def test_a_benchmark_that_is_not_there_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks.run", "nothing"])
    with pytest.raises(SystemExit) as stop:
        benchmarks.run.main()
    assert stop.value.code == 2
    assert "no such benchmark: nothing" in capsys.readouterr().err


def test_a_race_warms_up_and_compares_with_the_first():
    runs = {"first": 0, "second": 0}

    def run(name):
        runs[name] += 1

    rows = race({name: lambda name=name: run(name) for name in runs}, rounds=3)
    assert runs == {"first": 4, "second": 4}
    assert [row.what for row in rows] == ["first", "second"] and rows[0].ratio == 1
    assert all(row.fastest <= row.median <= row.slowest for row in rows)
    table = benchmarks.run.table("How fast?", [Row("one", 2.0, 1.0, 3.0, 0.5, "a note")])
    assert table[-1] == "| one | 2.00 s | 1.00 s – 3.00 s | 0.50 | a note |"
