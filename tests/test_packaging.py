"""The repository's own promises: one list of dependencies, a wheel with all it needs, commands that exist."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import av
import nbformat
import numpy as np
import pytest
import yaml

from colorlib.data import bundled, fit, read_photo, write_photo
from colorlib.models import load_checkpoint
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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library packed without a network, from a folder that holds its sources and its tests alone."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, folder)
    for name in ("colorlib", "tests"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", "wheels"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", ".", *options], cwd=folder, check=True)
    (packed,) = (folder / "wheels").iterdir()
    return packed


@pytest.mark.slow
def test_the_wheel_holds_the_library_its_weights_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        entry_points = archive.read(next(n for n in archive.namelist() if n.endswith("entry_points.txt"))).decode()
    sources = wheel.parents[1]
    files = [path for path in (sources / "colorlib").rglob("*") if path.is_file()]
    assert packed == {path.relative_to(sources).as_posix() for path in files}
    assert "colorlib/py.typed" in packed
    assert "colorlib = colorlib.cli:main" in entry_points


def needed_by(packages: set[str]) -> set[str]:
    """These installed packages and all that they need in turn, but for extras."""
    found: set[str] = set()
    waiting = set(packages)
    while waiting:
        name = waiting.pop()
        found.add(name)
        with suppress(PackageNotFoundError):  # a package for another system
            requirements = [text for text in distribution(name).requires or [] if "extra ==" not in text]
            waiting |= {re.sub("[_.]", "-", needed) for needed in names(requirements)} - found
    return found


@pytest.fixture
def bare_python(wheel: Path, tmp_path: Path) -> Path:
    """The Python of an environment with nothing in it but the wheel and what the core depends on."""
    home = tmp_path / "environment"
    venv.create(home, symlinks=True)
    (packages,) = home.glob("lib/python*/site-packages")
    for name in needed_by(RUNTIME):
        with suppress(PackageNotFoundError):
            installed = distribution(name)
            for part in {file.parts[0] for file in installed.files or []} - {"..", "__pycache__"}:
                if not (packages / part).exists():
                    (packages / part).symlink_to(Path(str(installed.locate_file(part))))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    return home / "bin" / "python"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="links to installed packages")
def test_the_wheel_and_the_core_alone_color_a_photo_and_a_film_and_train_from_a_cache(
    bare_python: Path, tmp_path: Path
) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(*arguments: str) -> str:
        command = [str(bare_python), *arguments]
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr[-2000:]
        return result.stdout

    extras = "matplotlib IPython ipywidgets papermill nbformat torchvision onnx pytest".split()
    there = f"import importlib.util as u, colorlib; print(colorlib.__file__, [u.find_spec(n) for n in {extras}])"
    path, found = run("-c", there).strip().split(" ", 1)
    assert Path(path).is_relative_to(tmp_path) and found == str([None] * len(extras))

    (tmp_path / "photos").mkdir()
    for photo in bundled("train")[:8]:
        write_photo(tmp_path / "photos" / f"{photo.path.stem}.jpg", fit(read_photo(photo.path), 64))
    photos = sorted((tmp_path / "photos").iterdir())
    run("-m", "colorlib", "colorize", str(photos[0]), "--out", "out")
    (colored,) = (tmp_path / "out").iterdir()
    assert read_photo(colored).shape == read_photo(photos[0]).shape

    with av.open(str(tmp_path / "gray.mp4"), "w") as film:
        stream = film.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(4):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 60 + 20 * i, np.uint8))))
        film.mux(stream.encode(None))
    settings = {"photos": ["cache"], "image_size": 64, "crop": 32, "min_size": 32, "num_bins": 4, "max_steps": 2}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings | {"batch_size": 2, "out_dir": "run"}))
    words = ["video gray.mp4 colors.mp4", "data prepare folder photos --out cache --size 64", "train run.yaml"]
    run("-c", f"from colorlib.cli import main; assert not any([main(line.split()) for line in {words}])")
    with av.open(str(tmp_path / "colors.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 4
    assert load_checkpoint(tmp_path / "run" / "model.safetensors")[2]["training"]["history"][-1]["step"] == 2
