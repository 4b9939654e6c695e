"""Runs the whole course with papermill, and does not believe a notebook that only looks as if it had worked.

A notebook has failed when a cell raises, when an exception hides in a widget or in printed text, or when a figure
that it declares was not written during this run.
"""

import ast
import hashlib
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import patch

import nbformat
import papermill
import yaml
from ipykernel.kernelspec import write_kernel_spec
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from tqdm.auto import tqdm

from colorlib.errors import ColorlibError
from colorlib.files import PROJECT, atomic_write, figures_folder

NOTEBOOKS = PROJECT / "notebooks"
PROFILES = ("quick", "full", "paper")
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


@dataclass
class Result:
    """How one notebook went; without ``problems`` it went well."""

    notebook: str
    seconds: float
    figures: int
    problems: list[str]


def run_workbook(
    profile: str = "quick",
    only: str | Sequence[str] | None = None,
    out: str | Path | None = None,
    refresh: bool = False,
    jobs: int = 1,
) -> list[Result]:
    """Run the notebooks in order; executed copies go to ``out``, figures to the figures folder.

    Args:
        profile: quick, full or paper: which parameters the notebooks run with.
        only: the beginnings of the names to run, such as "06"; by default all.
        out: folder of the executed copies, by default ``build/workbook/`` in the project.
        refresh: also write the outputs back into the notebooks themselves, as they are committed.
        jobs: how many run at once; they share the cores.

    Raises:
        ColorlibError: before anything runs, for an unknown profile, notebook or parameter; at the end, listing what
            failed. One failing notebook does not stop the others.
    """
    if refresh and profile != "quick":
        raise ColorlibError(f"notebooks are kept as the quick profile leaves them: no refresh with {profile!r}")
    paths = find_notebooks(only)
    values = load_profile(profile)
    folder = Path(out) if out else PROJECT / "build" / "workbook"
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [(path, values.get(path.stem, {}), folder.resolve() / path.name, refresh) for path in paths]
    with kernel_environment(jobs):
        results = _run_together(tasks, jobs)
    print(table(results))
    failed = [f"{result.notebook}: {problem}" for result in results for problem in result.problems]
    if failed:
        raise ColorlibError("the workbook has failed\n  " + "\n  ".join(failed))
    return results


def find_notebooks(only: str | Sequence[str] | None = None) -> list[Path]:
    """The notebooks in reading order, 07b after 07, optionally only those whose names begin as asked."""
    paths = [path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if re.match(r"\d\d[a-z]?_", path.name)]
    if not paths:
        raise ColorlibError(f"there are no notebooks at {NOTEBOOKS}: work in a clone of the project")
    wanted = [only] if isinstance(only, str) else list(only or [""])
    for beginning in wanted:
        if not any(path.stem.startswith(beginning) for path in paths):
            raise ColorlibError(f"no notebook begins with {beginning!r}; there are {', '.join(p.stem for p in paths)}")
    return [path for path in paths if path.stem.startswith(tuple(wanted))]


def load_profile(profile: str) -> dict[str, dict[str, Any]]:
    """The parameters of each notebook by its name, from ``notebooks/profiles/{profile}.yaml``.

    The section ``common`` goes to every notebook that has such parameters. Papermill accepts a misspelt parameter
    and ignores it; here it is an error, and so is a value of another type than the notebook's own.
    """
    if profile not in PROFILES:
        raise ColorlibError(f"unknown profile {profile!r}; use {', '.join(PROFILES)}")
    path = NOTEBOOKS / "profiles" / f"{profile}.yaml"
    try:
        sections = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ColorlibError(f"cannot read the profile {path}: {error}") from error
    defaults = {path.stem: parameters_of(nbformat.read(path, as_version=4)) for path in find_notebooks()}
    common = sections.pop("common", None) or {}
    for name in common:
        if not any(name in own for own in defaults.values()):
            raise ColorlibError(f"{path} sets {name!r} for all notebooks, but none has this parameter")
    values = {stem: {name: value for name, value in common.items() if name in own} for stem, own in defaults.items()}
    for stem, section in sections.items():
        if stem not in defaults:
            raise ColorlibError(f"{path} has a section {stem!r}, but there is no such notebook")
        for name, value in (section or {}).items():
            if name not in defaults[stem]:
                known = ", ".join(defaults[stem]) or "none"
                raise ColorlibError(f"{path} sets {name!r} for {stem}, whose parameters are: {known}")
            values[stem][name] = value
    for stem, section in values.items():
        for name, value in section.items():
            _require_same_type(value, defaults[stem][name], f"{path} sets {name!r} for {stem}")
    return values


def parameters_of(notebook: NotebookNode) -> dict[str, Any]:
    """The names and values in a notebook's cell tagged ``parameters``, which holds plain literals only."""
    values: dict[str, Any] = {}
    for cell in notebook.cells:
        if "parameters" not in cell.metadata.get("tags", []):
            continue
        for statement in ast.parse(cell.source).body:
            if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
                raise ColorlibError(f"a parameter is a line 'name = value', not {ast.unparse(statement)!r}")
            try:
                values[statement.targets[0].id] = ast.literal_eval(statement.value)
            except ValueError as error:
                raise ColorlibError(f"the parameter in {ast.unparse(statement)!r} is not a plain value") from error
    return values


def run_notebook(path: Path, parameters: dict[str, Any], copy: Path, refresh: bool = False) -> Result:
    """Execute one notebook into ``copy`` and look for everything that can be wrong with it afterwards."""
    source = nbformat.read(path, as_version=4)
    declared = source.metadata.get("colorlib", {}).get("figures", [])
    before, begin = _figure_stamps(), time.monotonic()
    try:
        executed = papermill.execute_notebook(
            path, copy, parameters, kernel_name="python3", cwd=path.parent, progress_bar=False
        )
        problems = hidden_errors(executed)
    except PapermillExecutionError as error:
        problems = [f"cell [{error.exec_count}] raised {error.ename}: {error.evalue}"]
    except Exception as error:  # a kernel that dies or cannot start: the other notebooks still run
        problems = [f"{type(error).__name__}: {error}"]
    seconds, after = time.monotonic() - begin, _figure_stamps()
    written = [name for name in declared if name in after and after[name] != before.get(name)]
    if not problems:
        problems = [f"declares the figure {name!r} but did not write it" for name in declared if name not in written]
    if refresh and not problems:
        save_notebook(path, refreshed(source, executed))
    return Result(path.stem, seconds, len(written), problems)


def _run_together(tasks: Sequence[tuple[Path, dict[str, Any], Path, bool]], jobs: int) -> list[Result]:
    """Call `run_notebook` for each task, ``jobs`` at once; the results in the order of the tasks.

    Each runs in a process, as papermill changes the working directory. Ctrl-C ends them all, and their kernels.
    """
    waiting, results = list(tasks), {}
    running: dict[Future[Result], str] = {}
    with (
        tqdm(total=len(tasks), desc="workbook", unit="notebook") as progress,
        ProcessPoolExecutor(jobs, get_context("spawn"), _become_worker) as pool,
    ):
        try:
            while waiting or running:
                while waiting and len(running) < jobs:  # no earlier: what the pool has taken cannot be called back
                    task = waiting.pop(0)
                    running[pool.submit(run_notebook, *task)] = task[0].stem
                progress.set_postfix_str(", ".join(running.values()))
                for done in wait(running, timeout=5, return_when=FIRST_COMPLETED).done:
                    results[running.pop(done)] = done.result()
                    progress.update()
        except BaseException:
            for process in active_children():
                process.terminate()
            raise
    return [results[task[0].stem] for task in tasks]


def _become_worker() -> None:
    """Leave Ctrl-C to the parent, end the notebook and its kernel when it says so, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    Thread(target=_follow_the_parent, daemon=True).start()


def _follow_the_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def hidden_errors(notebook: NotebookNode) -> list[str]:
    """Exceptions that did not stop the run: in a cell's outputs, in printed text, inside widgets."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    widgets = notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {}).values()
    outputs += [output for widget in widgets for output in widget.get("state", {}).get("outputs", [])]
    problems = [f"hides {output.ename}: {output.evalue}" for output in outputs if output.output_type == "error"]
    printed = [output.text for output in outputs if output.output_type == "stream"]
    return problems + [
        f"prints a traceback: {text.strip().splitlines()[-1]}"
        for text in printed
        if "Traceback (most recent call last)" in text
    ]


def refreshed(source: NotebookNode, executed: NotebookNode) -> NotebookNode:
    """The source notebook with the outputs of its execution, without traces of when, where and by what it ran."""
    ran = [cell for cell in executed.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    count = 0
    for cell, done in zip(source.cells, ran, strict=True):
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = _joined(_still(output, count) for output in done.outputs if not _is_progress_bar(output))
    source.metadata.pop("widgets", None)
    source.metadata.setdefault("colorlib", {})["source_hash"] = source_hash(source)
    return source


def _joined(outputs: Iterable[NotebookNode]) -> list[NotebookNode]:
    """Outputs, neighbouring pieces of one stream in one: where a kernel cuts it differs from run to run."""
    joined: list[NotebookNode] = []
    for output in outputs:
        if joined and output.output_type == "stream" and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def source_hash(notebook: NotebookNode) -> str:
    """A fingerprint of what decides the outputs: the code cells and their tags."""
    code = [[c.source, sorted(c.metadata.get("tags", []))] for c in notebook.cells if c.cell_type == "code"]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()[:16]


def save_notebook(path: Path, notebook: NotebookNode) -> None:
    """Write a notebook, whole or not at all."""
    nbformat.validate(notebook)
    with atomic_write(path) as partial:
        nbformat.write(notebook, partial)


@contextmanager
def kernel_environment(jobs: int = 1) -> Iterator[None]:
    """While this lasts, the kernel "python3" is this interpreter, with this colorlib and this figures folder.

    Where several ``jobs`` run at once, each has its part of the cores, unless OMP_NUM_THREADS says otherwise.
    """
    paths = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with tempfile.TemporaryDirectory() as folder:
        # ipykernel warns for each notebook that its connections, which do not leave this machine, are not encrypted.
        write_kernel_spec(os.path.join(folder, "kernels", "python3"), extra_arguments=["--log-level=ERROR"])
        settings = {
            "JUPYTER_PATH": folder,
            "PYTHONPATH": os.pathsep.join(paths),
            "COLORLIB_FIGURES": str(figures_folder().resolve()),
        }
        if jobs > 1 and "OMP_NUM_THREADS" not in os.environ:
            from colorlib.parallel import available_cores  # here, as it takes PyTorch, for which workers have no use

            settings["OMP_NUM_THREADS"] = str(max(1, available_cores() // jobs))
        with patch.dict(os.environ, settings):  # and as they were afterwards
            yield


def table(results: Sequence[Result]) -> str:
    """One line for each notebook: what came of it, how long it took, how many figures it wrote."""
    width = max(len(result.notebook) for result in results)
    lines = [f"{'notebook':{width}}  result  seconds  figures"]
    lines += [
        f"{r.notebook:{width}}  {'FAILED' if r.problems else 'ok':6}  {r.seconds:7.1f}  {r.figures:7}" for r in results
    ]
    return "\n".join(lines)


def _figure_stamps() -> dict[str, tuple[int, int]]:
    """When each figure of the manifest was last written."""
    folder = figures_folder()
    manifest = folder / "manifest.json"
    entries = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}
    files = {name: folder / entry["file"] for name, entry in entries.items()}
    stats = {name: file.stat() for name, file in files.items() if file.exists()}
    return {name: (stat.st_mtime_ns, stat.st_ino) for name, stat in stats.items()}


def _is_progress_bar(output: NotebookNode) -> bool:
    """A bar of tqdm, which a run leaves behind as a widget that reads like " 40%|####      | 2/5 [00:01<00:02]"."""
    data = output.get("data", {})
    return WIDGET_VIEW in data and re.search(r"\d%\|.*\| \d", data.get("text/plain", "")) is not None


def _still(output: NotebookNode, count: int) -> NotebookNode:
    """An output as it is committed: a panel, dead without its kernel, becomes a sentence."""
    if "execution_count" in output:
        output.execution_count = count
    if WIDGET_VIEW in output.get("data", {}):
        sentence = "<em>A live panel: run this notebook to move its controls.</em>"
        output.data = NotebookNode({"text/html": sentence, "text/plain": "a live panel"})
    return output


def _require_same_type(value: Any, default: Any, what: str) -> None:
    whole_number_for_float = isinstance(default, float) and type(value) is int
    if type(value) is not type(default) and not whole_number_for_float:
        raise ColorlibError(f"{what} to {value!r}: the notebook has a {type(default).__name__} there, {default!r}")
