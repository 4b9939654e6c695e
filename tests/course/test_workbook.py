"""The runner of the workbook: what it runs, what it refuses before, and what it does not believe afterwards."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from colorlib import ColorlibError
from colorlib.course import (
    find_notebooks,
    hidden_errors,
    load_profile,
    parameters_of,
    refreshed,
    run_workbook,
    source_hash,
    workbook,
)
from colorlib.course.workbook import Result, table

PARAMETERS = "steps = 3  # how many\nrate = 0.5  # how fast\nnames = ['a', 'b']  # of what"
SHOW = 'figures.show(Image.new("RGB", (9, 9)), name="{name}", alt="A small black square, nothing else")'
START = "from PIL import Image\nfrom colorlib.course import figures\nfigures.start_notebook('test', steps=steps)"


def write_notebook(folder: Path, stem: str, *sources: str, figures: tuple[str, ...] = (), tags: tuple[str, ...] = ()):
    """A notebook with parameters, the given code cells, and the figures it declares."""
    cells = [new_markdown_cell(f"# {stem}"), new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})]
    cells += [new_code_cell(source, metadata={"tags": list(tags)} if tags else {}) for source in sources]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = new_notebook(cells=cells, metadata={"colorlib": {"figures": list(figures)}, "kernelspec": kernel})
    nbformat.write(notebook, folder / f"{stem}.ipynb")


@pytest.fixture
def course(tmp_path, monkeypatch) -> Path:
    """An empty folder of notebooks with three empty profiles, and a folder for its figures."""
    folder = tmp_path / "notebooks"
    (folder / "profiles").mkdir(parents=True)
    for profile in workbook.PROFILES:
        (folder / "profiles" / f"{profile}.yaml").write_text("{}\n")
    monkeypatch.setattr(workbook, "NOTEBOOKS", folder)
    monkeypatch.setenv("COLORLIB_FIGURES", str(tmp_path / "figures"))
    return folder


@pytest.fixture
def two(course) -> Path:
    write_notebook(course, "01_first")
    write_notebook(course, "02_second")
    return course


def set_profile(folder: Path, text: str) -> None:
    (folder / "profiles" / "full.yaml").write_text(text)


# Before anything runs


def test_notebooks_are_found_in_order_and_by_beginning(two):
    (two / "scratch.ipynb").write_text("not part of the course")
    assert [path.stem for path in find_notebooks()] == ["01_first", "02_second"]
    assert [path.stem for path in find_notebooks("02")] == ["02_second"]
    assert [path.stem for path in find_notebooks(["02_sec", "01"])] == ["01_first", "02_second"]
    with pytest.raises(ColorlibError, match="no notebook begins with '07'; there are 01_first, 02_second"):
        find_notebooks(["01", "07"])


def test_a_second_notebook_of_one_number_follows_the_first(two):
    write_notebook(two, "01b_after_the_first")
    assert [path.stem for path in find_notebooks()] == ["01_first", "01b_after_the_first", "02_second"]
    assert [path.stem for path in find_notebooks("01")] == ["01_first", "01b_after_the_first"]
    assert [path.stem for path in find_notebooks(["01_"])] == ["01_first"]
    assert [path.stem for path in find_notebooks(["01b"])] == ["01b_after_the_first"]


def test_a_folder_without_notebooks_is_said(course):
    with pytest.raises(ColorlibError, match="work in a clone"):
        find_notebooks()


def test_profile_values_reach_their_notebooks(two):
    set_profile(two, "common: {steps: 9}\n02_second: {rate: 2, names: [c]}\n")
    assert load_profile("full") == {"01_first": {"steps": 9}, "02_second": {"steps": 9, "rate": 2, "names": ["c"]}}
    assert load_profile("quick") == {"01_first": {}, "02_second": {}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("01_first: {step: 9}", "sets 'step' for 01_first, whose parameters are: steps, rate, names"),
        ("common: {step: 9}", "sets 'step' for all notebooks, but none has this parameter"),
        ("03_third: {steps: 9}", "a section '03_third', but there is no such notebook"),
        ("01_first: {steps: '9'}", "sets 'steps' for 01_first to '9': the notebook has a int there, 3"),
        ("01_first: {steps: true}", "sets 'steps' for 01_first to True"),
        ("common: {names: a}", "sets 'names' for 01_first to 'a'"),
        ("01_first: {steps: 9", "cannot read the profile"),
    ],
)
def test_mistakes_in_a_profile_stop_everything(two, tmp_path, text, message):
    set_profile(two, text)
    with pytest.raises(ColorlibError, match=message):
        run_workbook("full", out=tmp_path / "out")
    assert not list(tmp_path.rglob("out/*"))


def test_unknown_profile_and_refresh_of_another_than_quick(two):
    with pytest.raises(ColorlibError, match="unknown profile 'slow'; use quick, full, paper"):
        run_workbook("slow")
    with pytest.raises(ColorlibError, match="no refresh with 'full'"):
        run_workbook("full", refresh=True)


@pytest.mark.parametrize("line", ["a, b = 1, 2", "a: int = 1", "a += 1", "import os", "a = len('x')", "a = b"])
def test_parameters_are_plain(line):
    notebook = new_notebook(cells=[new_code_cell(line, metadata={"tags": ["parameters"]})])
    with pytest.raises(ColorlibError, match="parameter"):
        parameters_of(notebook)


def test_parameters_are_read():
    cells = [new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}), new_code_cell("other = 1")]
    assert parameters_of(new_notebook(cells=cells)) == {"steps": 3, "rate": 0.5, "names": ["a", "b"]}


# Afterwards


def with_widget_output(output) -> nbformat.NotebookNode:
    state = {"ab12": {"model_name": "OutputModel", "state": {"outputs": [output]}}}
    return new_notebook(metadata={"widgets": {workbook.WIDGET_STATE: {"state": state, "version_major": 2}}})


@pytest.mark.parametrize("wrap", [with_widget_output, lambda o: new_notebook(cells=[new_code_cell("", outputs=[o])])])
def test_hidden_errors_are_found_everywhere(wrap):
    error = new_output("error", ename="ZeroDivisionError", evalue="division by zero", traceback=[])
    assert hidden_errors(wrap(error)) == ["hides ZeroDivisionError: division by zero"]
    text = new_output("stream", name="stderr", text="Traceback (most recent call last):\n  …\nValueError: bad\n")
    assert hidden_errors(wrap(text)) == ["prints a traceback: ValueError: bad"]
    assert hidden_errors(wrap(new_output("stream", name="stdout", text="fine"))) == []


def test_refreshed_keeps_outputs_and_drops_traces():
    source = new_notebook(
        cells=[new_markdown_cell("# title"), new_code_cell("1 + 1"), new_code_cell("panel()")],
        metadata={"colorlib": {"figures": ["fig99"]}, "widgets": {"old": "state"}},
    )
    executed = nbformat.from_dict(json.loads(nbformat.writes(source)))
    executed.cells.insert(1, new_code_cell("steps = 9", metadata={"tags": ["injected-parameters"]}))
    executed.metadata["papermill"] = {"start_time": "today"}
    executed.cells[2].metadata["papermill"] = {"duration": 1}
    executed.cells[2].outputs = [new_output("execute_result", {"text/plain": "2"}, execution_count=7)]
    view = {workbook.WIDGET_VIEW: {"model_id": "ab12"}}
    bar = view | {"text/plain": "training:   0%|          | 0/600 [00:00<?, ?it/s]"}
    executed.cells[3].outputs = [new_output("display_data", bar), new_output("display_data", view)]
    result = refreshed(source, executed)
    nbformat.validate(result)
    assert [cell.source for cell in result.cells] == ["# title", "1 + 1", "panel()"]
    assert [cell.execution_count for cell in result.cells[1:]] == [1, 2]
    assert result.cells[1].outputs[0].execution_count == 1 and result.cells[1].outputs[0].data["text/plain"] == "2"
    assert len(result.cells[2].outputs) == 1 and "run this notebook" in result.cells[2].outputs[0].data["text/html"]
    assert result.metadata == {"colorlib": {"figures": ["fig99"], "source_hash": source_hash(source)}}
    assert all("papermill" not in cell.metadata for cell in result.cells)


def test_refreshed_joins_the_pieces_of_a_stream():
    source = new_notebook(cells=[new_code_cell("talk()")])
    executed = nbformat.from_dict(json.loads(nbformat.writes(source)))
    pieces = [("stdout", "a"), ("stdout", "\n"), ("stderr", "b\n"), ("stdout", "c\n")]
    outputs = [new_output("stream", name=name, text=text) for name, text in pieces]
    executed.cells[0].outputs = [*outputs, new_output("display_data", {"text/plain": "d"}), outputs[3]]
    told = [output.get("text", "d") for output in refreshed(source, executed).cells[0].outputs]
    assert told == ["a\n", "b\n", "c\n", "d", "c\n"]


def test_source_hash_follows_code_and_tags_only():
    def notebook(code="a = 1", tags=(), text="text", outputs=()):
        cells = [new_markdown_cell(text), new_code_cell(code, metadata={"tags": list(tags)}, outputs=list(outputs))]
        return source_hash(new_notebook(cells=cells))

    assert notebook() == notebook(text="other") == notebook(outputs=[new_output("stream", text="1")])
    assert len({notebook(), notebook(code="a = 2"), notebook(tags=["parameters"])}) == 3


def test_the_environment_of_the_kernels_is_put_back(monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", "before")
    monkeypatch.delenv("COLORLIB_FIGURES", raising=False)
    before = dict(os.environ)
    with pytest.raises(RuntimeError), workbook.kernel_environment():
        assert str(workbook.PROJECT) in os.environ["PYTHONPATH"].split(os.pathsep)
        spec = Path(os.environ["JUPYTER_PATH"]) / "kernels" / "python3" / "kernel.json"
        assert json.loads(spec.read_text())["argv"][0] == sys.executable
        assert os.environ["COLORLIB_FIGURES"] == str(workbook.PROJECT / "figures")
        raise RuntimeError("whatever happens")
    assert dict(os.environ) == before


def test_notebooks_at_once_share_the_cores(monkeypatch):
    monkeypatch.setattr("colorlib.parallel.available_cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for jobs, threads in ((1, None), (3, "2"), (9, "1")):
        with workbook.kernel_environment(jobs):
            assert os.environ.get("OMP_NUM_THREADS") == threads
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    with workbook.kernel_environment(3):
        assert os.environ["OMP_NUM_THREADS"] == "5"


def test_table_is_aligned():
    lines = table([Result("01_first", 1.234, 2, []), Result("02_a_longer_name", 100.0, 0, ["oops"])]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "ok" in lines[1] and "1.2" in lines[1] and "FAILED" in lines[2]


@pytest.mark.slow
def test_good_and_bad_notebooks(course, tmp_path, capsys):
    """One run of everything that can go wrong, and of what goes right in spite of it."""
    good = (START, SHOW.format(name="fig01"), "from tqdm.auto import tqdm\nprint(sum(tqdm(range(steps))))", "steps")
    write_notebook(course, "01_good", *good, figures=("fig01",))
    write_notebook(course, "02_raises", "1 / 0", "print('never')")
    # As `with ipywidgets.Output() as out: 1 / 0` leaves it. On that papermill hangs one time in a hundred: nbclient
    # answers such a widget over the socket on which it waits for the kernel's reply, and may then miss the reply.
    error = {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "division by zero", "traceback": []}
    write_notebook(course, "03_hides", f"import ipywidgets\nout = ipywidgets.Output(outputs=[{error}])\nout")
    write_notebook(course, "04_forgets", START, figures=("fig04a", "fig04b"))
    write_notebook(course, "05_dies", "import os\nos._exit(1)")
    write_notebook(course, "06_tagged", "1 / 0", tags=("raises-exception",))
    # Somebody else wrote fig04b some time ago.
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "fig04b.png").write_bytes(b"old")
    (tmp_path / "figures" / "manifest.json").write_text('{"fig04b": {"file": "fig04b.png"}}')
    before = {path.name: path.read_bytes() for path in course.glob("*.ipynb")}

    with pytest.raises(ColorlibError) as caught:
        run_workbook(out=tmp_path / "out", refresh=True, jobs=2)

    message = str(caught.value)
    assert "02_raises: cell [2] raised ZeroDivisionError: division by zero" in message
    assert "03_hides: hides ZeroDivisionError" in message
    assert "04_forgets: declares the figure 'fig04a' but did not write it" in message
    assert "declares the figure 'fig04b' but did not write it" in message
    assert "05_dies: DeadKernelError" in message
    assert "06_tagged: cell [2] raised ZeroDivisionError" in message
    assert "01_good" not in message
    report = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in report[1:]] == [
        ["01_good", "ok"],
        ["02_raises", "FAILED"],
        ["03_hides", "FAILED"],
        ["04_forgets", "FAILED"],
        ["05_dies", "FAILED"],
        ["06_tagged", "FAILED"],
    ]
    assert sorted(path.stem for path in (tmp_path / "out").glob("*.ipynb")) == sorted(
        Path(name).stem for name in before
    )

    # Only what went well is written back.
    changed = [path.name for path in course.glob("*.ipynb") if path.read_bytes() != before[path.name]]
    assert changed == ["01_good.ipynb"]
    notebook = nbformat.read(course / "01_good.ipynb", as_version=4)
    assert notebook.metadata.colorlib.source_hash == source_hash(notebook)
    assert not {"papermill", "widgets"} & set(notebook.metadata)
    assert [cell.execution_count for cell in notebook.cells[1:]] == [1, 2, 3, 4, 5]
    assert "<img alt=" in notebook.cells[3].outputs[0].data["text/html"]
    assert [output.text for output in notebook.cells[4].outputs] == ["3\n"]  # and no progress bar

    # Refreshing again changes nothing, and nbval agrees with what was written.
    first = (course / "01_good.ipynb").read_bytes()
    results = run_workbook(only="01", out=tmp_path / "out", refresh=True)
    assert (results[0].figures, results[0].problems) == (1, [])
    assert (course / "01_good.ipynb").read_bytes() == first
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval-lax",
        "--nbval-current-env",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
    ]
    environment = os.environ | {"PYTHONPATH": str(workbook.PROJECT)}
    done = subprocess.run([*command, str(course / "01_good.ipynb")], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_parameters_folder_and_library_of_the_kernel(course, tmp_path):
    """The profile's values arrive, the working directory is the notebooks', and colorlib is this one."""
    write_notebook(course, "01_tells", "import os, colorlib\nprint(steps, rate, os.getcwd(), colorlib.__file__)")
    set_profile(course, "01_tells: {steps: 9, rate: 1}\n")
    run_workbook("full", out=tmp_path / "out")
    notebook = nbformat.read(tmp_path / "out" / "01_tells.ipynb", as_version=4)
    steps, rate, folder, file = notebook.cells[-1].outputs[0].text.split()
    assert (int(steps), float(rate)) == (9, 1)
    assert Path(folder).resolve() == course.resolve()
    assert Path(file).parent == Path(workbook.__file__).parents[1]


MEET = """
import pathlib, time
pathlib.Path("{mine}").touch()
while not pathlib.Path("{other}").exists():
    time.sleep(0.05)
"""


@pytest.mark.slow
def test_two_notebooks_run_at_once(course, tmp_path, capfd):
    """Each waits for the other; the results come in reading order, under one bar."""
    write_notebook(course, "01_first", MEET.format(mine="a", other="b"), "import time; time.sleep(1)")
    write_notebook(course, "02_second", MEET.format(mine="b", other="a"))
    folder = os.getcwd()
    results = run_workbook(out=tmp_path / "out", jobs=2)
    assert [(result.notebook, result.problems) for result in results] == [("01_first", []), ("02_second", [])]
    assert os.getcwd() == folder
    assert "workbook:   0%" in (bar := capfd.readouterr().err) and "01_first, 02_second" in bar
    assert "WARNING" not in bar  # ipykernel's, for each notebook, of connections within this machine


def running(process: int) -> bool:
    """Whether there is such a process; one that is dead and waits for its parent to notice does not count."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_leaves_nothing_behind(course, tmp_path, ending):
    """After Ctrl-C, which a terminal sends to the whole group, and when the runner alone is killed."""
    for stem in ("01_first", "02_second", "03_never"):
        tell = (
            f"import os, pathlib, time\npathlib.Path('{stem}.partial').write_text(f'{{os.getpid()}} {{os.getppid()}}')"
        )
        write_notebook(course, stem, f"{tell}\nos.rename('{stem}.partial', '{stem}.pids')\ntime.sleep(600)")
    script = (
        "import pathlib, sys\nfrom colorlib.course import workbook\n"
        "workbook.NOTEBOOKS = pathlib.Path(sys.argv[1])\nworkbook.run_workbook(out=sys.argv[2], jobs=2, refresh=True)"
    )
    command = [sys.executable, "-c", script, str(course), str(tmp_path / "out")]
    runner = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        wait_until(lambda: len(list(course.glob("*.pids"))) == 2 or runner.poll() is not None)
        processes = [int(word) for file in course.glob("*.pids") for word in file.read_text().split()]
        assert len(processes) == 4 and all(map(running, processes))
        (os.killpg if ending == signal.SIGINT else os.kill)(runner.pid, ending)
        errors = runner.communicate(timeout=600)[1]
    finally:
        runner.kill()
    assert runner.returncode != 0
    if ending == signal.SIGINT:
        assert errors.endswith("KeyboardInterrupt\n")
        assert not any(map(running, processes))
    wait_until(lambda: not any(map(running, processes)))
    assert sorted(path.name for path in course.glob("*.pids")) == ["01_first.pids", "02_second.pids"]
    assert len(list(course.glob("*.ipynb"))) == 3 and not list(course.glob(".*"))


def wait_until(condition) -> None:
    """Look every 50 ms; ten minutes are more than a busy machine takes."""
    end = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
