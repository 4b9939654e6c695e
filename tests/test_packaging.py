"""The repository's own promises: one list of dependencies, a wheel with all it needs, commands that exist."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import nbformat
import pytest
import yaml

from colorlib.training import TrainingConfig

PROJECT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
TARGETS = ["help", "setup", "figures", "test", "lab", "book", "bench", "refresh", "clean"]


def names(requirements: list[str]) -> set[str]:
    """The packages that requirements name, without versions and extras."""
    return {re.split(r"[\s\[<>=!~;]", requirement)[0].lower() for requirement in requirements}


RUNTIME = names(PYPROJECT["project"]["dependencies"])
OPTIONAL = {name for extra, requirements in EXTRAS.items() if extra != "dev" for name in names(requirements)}


def imported(source: str) -> set[str]:
    """The packages that Python code imports from elsewhere."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    ours = {"colorlib", "benchmarks", "experiments"} | {path.stem for path in (PROJECT / "tests").rglob("*.py")}
    return found - set(sys.stdlib_module_names) - ours


def distributions_of(modules: set[str]) -> set[str]:
    """The packages that provide modules; a module that is not installed stands for itself."""
    providers = packages_distributions()
    return {providers.get(module, [module.replace("_", "-")])[0].lower() for module in modules}


def code_of_notebooks() -> Iterator[str]:
    for path in sorted((PROJECT / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        yield "\n".join(
            re.sub(r"^\s*[%!].*$", "", cell.source, flags=re.M) for cell in cells if cell.cell_type == "code"
        )


def test_what_the_library_imports_is_declared() -> None:
    modules = set().union(*(imported(p.read_text(encoding="utf-8")) for p in (PROJECT / "colorlib").rglob("*.py")))
    assert "torch" in modules
    assert distributions_of(modules) <= RUNTIME | OPTIONAL


def test_what_notebooks_tests_and_benchmarks_import_is_declared() -> None:
    folders = ("tests", "benchmarks", "experiments", "docs")
    sources = [p.read_text(encoding="utf-8") for folder in folders for p in (PROJECT / folder).rglob("*.py")]
    modules = set().union(*map(imported, [*sources, *code_of_notebooks()]))
    assert {"pytest", "torch"} <= modules
    assert distributions_of(modules) <= RUNTIME | OPTIONAL | names(EXTRAS["dev"])


def test_torch_and_torchvision_are_pinned_as_a_pair() -> None:
    assert "torch==2.13.0" in PYPROJECT["project"]["dependencies"]
    assert EXTRAS["data"] == ["torchvision==0.28.0"]


def test_the_core_needs_no_extra_to_be_imported() -> None:
    """Whoever colours photos and films, or trains from a cache, does not install JupyterLab or torchvision."""
    rooms = [path for path in (PROJECT / "colorlib").rglob("*.py") if "course" not in path.parts]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in rooms]
    always = "\n".join(  # what stands inside a function or an if is imported only where it is needed
        ast.unparse(node) for tree in trees for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)
    )
    assert len(rooms) > 40 and "torch" in imported(always)
    assert distributions_of(imported(always)) <= RUNTIME


def test_the_extras_hold_the_course_the_data_sets_and_dev_all_that_make_needs() -> None:
    assert {"jupyterlab", "papermill", "ipywidgets", "matplotlib"} <= names(EXTRAS["course"])
    assert not names(EXTRAS["course"]) & RUNTIME
    assert any(requirement.startswith("colorlib[course,data") for requirement in EXTRAS["dev"])


def test_the_conda_environment_is_python_and_pyproject() -> None:
    environment = yaml.safe_load((PROJECT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == PYPROJECT["project"]["name"]
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    assert environment["dependencies"] == [
        f"python {PYPROJECT['project']['requires-python']}",
        "pip",
        {"pip": ["-e .[dev]"]},
    ]


def test_make_accepts_the_pythons_that_pyproject_accepts() -> None:
    lowest, beyond = re.findall(r"3\.(\d+)", PYPROJECT["project"]["requires-python"])
    assert f"(3, {lowest}) <= sys.version_info[:2] <= (3, {int(beyond) - 1})" in (PROJECT / "Makefile").read_text()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_every_make_target_exists_and_is_explained() -> None:
    def make(*arguments: str) -> str:
        command = ["make", "--no-print-directory", *arguments]  # "make test" may have been told to say where it is
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout

    assert [line.split()[1] for line in make("help").splitlines()] == TARGETS
    plan = make("--dry-run", "test")
    steps = ["ruff check", "ruff format --check", "/mypy", "-m pytest", "workbook --profile quick", "--nbval-lax"]
    assert all(step in plan for step in steps)
    assert "workbook --profile quick" in make("--dry-run", "figures")


@pytest.mark.skipif(sys.platform == "win32", reason="a script for Unix")
def test_the_script_of_continuous_integration_is_sound() -> None:
    script = PROJECT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)


def test_binder_installs_the_course_from_pyproject() -> None:
    lines = (PROJECT / ".binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith(("#", "--extra-index-url "))] == ["-e .[course]"]
    minor = int((PROJECT / ".binder" / "runtime.txt").read_text(encoding="utf-8").strip().removeprefix("python-3."))
    lowest, beyond = re.findall(r"3\.(\d+)", PYPROJECT["project"]["requires-python"])
    assert int(lowest) <= minor < int(beyond)


def test_what_is_published_is_what_make_book_makes() -> None:
    workflow = yaml.safe_load((PROJECT / ".github" / "workflows" / "site.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["site"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == ["make book PYTHON=python"]
    (folder,) = [step["with"]["path"] for step in steps if "upload-pages-artifact" in step.get("uses", "")]
    assert f"{folder}/index.html" in (PROJECT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted((PROJECT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_every_configuration_can_be_read(path: Path) -> None:
    config = TrainingConfig.from_yaml(path)
    assert config.out_dir.startswith("runs/")  # which git ignores


def test_the_citation_names_this_version_and_the_paper() -> None:
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == PYPROJECT["project"]["version"]
    assert citation["license"] == PYPROJECT["project"]["license"]
    (paper,) = citation["references"]
    assert [author["family-names"] for author in paper["authors"]] == ["Billaut", "de Rochemonteix", "Thibault"]
    assert paper["identifiers"][0]["value"] == "arXiv:1811.03120"


@pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="not a git checkout")
def test_git_keeps_what_is_bundled_and_ignores_what_is_made() -> None:
    kept = ["data/README.md", "data/landscapes/new.jpg", "data/video/new.mp4", "colorlib/weights/new.safetensors"]
    kept += ["figures/fig01a_color_map.png", "figures/manifest.json", "notebooks/00_start_here.ipynb"]
    ignored = [".venv/bin/python", "build/workbook/00.ipynb", "runs/quick/model.safetensors", "out/lake.jpg"]
    ignored += ["data/SUN397/a.jpg", "colorlib/__pycache__/cli.pyc", "colorlib.egg-info/PKG-INFO"]
    result = subprocess.run(
        ["git", "check-ignore", "--no-index", *kept, *ignored], cwd=PROJECT, capture_output=True, text=True
    )
    assert result.stdout.splitlines() == ignored


@pytest.mark.slow
def test_the_wheel_holds_the_library_its_weights_and_nothing_else(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, tmp_path)
    for folder in ("colorlib", "tests"):
        shutil.copytree(PROJECT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", "wheels"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", ".", *options], cwd=tmp_path, check=True)
    (wheel,) = (tmp_path / "wheels").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        entry_points = archive.read(next(n for n in archive.namelist() if n.endswith("entry_points.txt"))).decode()
    files = [path for path in (tmp_path / "colorlib").rglob("*") if path.is_file()]
    assert packed == {path.relative_to(tmp_path).as_posix() for path in files}
    assert "colorlib/py.typed" in packed
    assert "colorlib = colorlib.cli:main" in entry_points
