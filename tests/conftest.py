"""What several tests share: photos made up and real, colour bins, and a small trained-looking network on disk."""

import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from colorlib.color import ColorBins, UVHistogram, chroma_of
from colorlib.data import bundled, fit, read_photo, to_tensor
from colorlib.models import ColorUNet, save_checkpoint
from colorlib.prediction import Colorizer

# Examples are the same in every run, and a busy machine is no reason to fail.
settings.register_profile("colorlib", deadline=None, derandomize=True)
settings.load_profile("colorlib")

# Files whose tests take longest, from half a minute on. Several workers begin with them, each with one, and share out
# the many short ones afterwards: so all are done at about the same time.
LONGEST = """
notebooks/test_browser_panels.py test_book.py video/test_film.py course/test_workbook.py training/test_loop.py
data/test_cache.py test_compiled.py test_packaging.py test_parallel.py
""".split()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; within a file, and for the others, the order stays."""

    def place(item: pytest.Item) -> int:
        return next((place for place, name in enumerate(LONGEST) if item.path.match(f"tests/{name}")), len(LONGEST))

    items.sort(key=place)


@pytest.fixture(autouse=True)
def python_s_own_ctrl_c() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, also where the tests were started with it ignored, as a script's `&` does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Each device in turn: a test that takes it runs on the CPU and, where there is one, on a GPU (``-m gpu``)."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("this machine has no GPU that PyTorch can use")
    return torch.device(request.param)


@pytest.fixture(scope="session")
def real_paths() -> list[Path]:
    """Eleven bundled photos of the training split."""
    return [photo.path for photo in bundled("train")[::8]]


@pytest.fixture(scope="session")
def real_photos(real_paths: list[Path]) -> list[np.ndarray]:
    """The same, decoded: uint8 (H, W, 3) of at most 128 pixels a side."""
    return [fit(read_photo(path), 128).copy() for path in real_paths]


@pytest.fixture(scope="session")
def synthetic_photo() -> np.ndarray:
    """A made-up landscape, uint8 (96, 144, 3): blue sky that pales towards a hard horizon, textured green below."""
    rng = np.random.default_rng(0)
    height, width = 96, 144
    photo = np.empty((height, width, 3))
    fade = np.linspace(0, 1, height // 2)[:, None]
    photo[: height // 2] = (np.array([70, 120, 200]) * (1 - fade) + np.array([200, 215, 235]) * fade)[:, None]
    photo[height // 2 :] = [60, 110, 40]
    photo[height // 2 :] += rng.normal(0, 18, (height // 2, width, 1))
    return photo.clip(0, 255).round().astype(np.uint8)


@pytest.fixture(scope="session")
def histogram(real_photos: list[np.ndarray]) -> UVHistogram:
    """The chrominance of the real photos."""
    result = UVHistogram()
    for photo in real_photos:
        result.add(chroma_of(to_tensor(photo)))
    return result


@pytest.fixture(scope="session")
def kmeans_bins(histogram: UVHistogram) -> ColorBins:
    """Our 32 bins."""
    return ColorBins.from_histogram(histogram, 32, "kmeans")


@pytest.fixture(scope="session")
def grid_bins(histogram: UVHistogram) -> ColorBins:
    """Bins as in the paper; these few photos fill 20 cells of the grid with ease."""
    return ColorBins.from_histogram(histogram, 20, "grid")


@pytest.fixture(scope="session")
def tiny_bins(histogram: UVHistogram) -> ColorBins:
    """Eight bins, for speed."""
    return ColorBins.from_histogram(histogram, 8, "kmeans")


@pytest.fixture(scope="session")
def opinionated_network(tiny_bins: ColorBins) -> ColorUNet:
    """A network with random weights whose last layer is loud, so that its pictures have colours that vary."""
    torch.manual_seed(0)
    model = ColorUNet(len(tiny_bins)).eval()
    with torch.no_grad():
        last = model.output[-1]
        assert isinstance(last, torch.nn.Conv2d)
        last.weight *= 60
    return model


@pytest.fixture
def tiny_checkpoint(tmp_path: Path, opinionated_network: ColorUNet, tiny_bins: ColorBins) -> Path:
    """That network as a file of its own for each test, with the record a real one has."""
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(
        path, opinionated_network, tiny_bins, {"temperature": 0.5, "input_size": 64, "training": {"seed": 0}}
    )
    return path


@pytest.fixture(scope="session")
def colorizer(opinionated_network: ColorUNet, tiny_bins: ColorBins) -> Colorizer:
    """A colorizer that looks at inputs of 64 pixels."""
    return Colorizer(opinionated_network, tiny_bins, temperature=0.5, input_size=64)


@pytest.fixture(scope="session")
def onnx_packages() -> None:
    """What the extra ``export`` brings. Without it the test is skipped, except where CI says that it has to run."""
    missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"CI is set, so the tests of the export have to run, but there is no {' and no '.join(missing)}")
    if missing:
        pytest.skip(f"needs {' and '.join(missing)}: pip install onnx onnxruntime")
