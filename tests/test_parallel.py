"""Several processes learn what one process alone would: the same batches, the same gradients, the same run."""

import csv
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from colorlib import ColorlibError, parallel
from colorlib.color import ColorBins, UVHistogram, chroma_of
from colorlib.data import PaddedPhotos, Photo, write_photo
from colorlib.models import build
from colorlib.training import (
    Objective,
    TrainingConfig,
    at_output_size,
    draw_batch,
    local_loss,
    luma_of_photos,
    photos,
    train,
)

RECIPES = {
    "cross_entropy": ("cross_entropy", "zoom-crop", "ColorUNet"),
    "soft": ("soft", "none", "ColorUNet"),
    "l2": ("l2", "paper", "FlatNet"),
    "half-size": ("cross_entropy", "none", "LiteUNet"),  # its places hold four pixels, and count if all are photo
}


def example(recipe: str) -> tuple[nn.Module, Objective, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A network, its objective and one global batch of eight photos, whose masks differ much."""
    loss, augment, name = RECIPES[recipe]
    generator = torch.Generator().manual_seed(0)
    rgb = torch.randint(256, (12, 32, 32, 3), dtype=torch.uint8, generator=generator)
    frames = PaddedPhotos(rgb, torch.tensor([[32, 32], [32, 9], [10, 32]] * 4))
    bins = ColorBins.from_histogram(UVHistogram().add(torch.rand(2, 64, 64, generator=generator) * 0.4 - 0.2), 5)
    objective = Objective(loss, bins)
    config = TrainingConfig(
        batch_size=8, image_size=32, crop=32 if augment == "none" else 24, min_size=24, augment=augment
    )
    crops, mask = draw_batch(frames, 3, config)
    torch.manual_seed(1)
    return build(name, objective.outputs), objective, luma_of_photos(crops), crops, mask


def gradients(network: nn.Module, model: nn.Module, *batch: torch.Tensor, objective: Objective) -> torch.Tensor:
    """All derivatives of the loss of a batch in one line."""
    model.zero_grad()
    local_loss(network, objective, *batch).backward()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


TINY = {
    "num_bins": 4,
    "image_size": 32,
    "min_size": 24,
    "crop": 16,
    "batch_size": 4,
    "max_steps": 12,
    "warmup": 2,
    "learning_rate": 0.01,
}
TINY |= {"validate_every": 4, "checkpoint_minutes": 0.0, "device": "cpu"}


def chroma(rgb: torch.Tensor) -> torch.Tensor:
    return chroma_of(rgb.movedim(-1, -3).double() / 255)


def trained(world: Path, model: str, name: str, put: Callable[..., None] = setattr) -> Path:
    """A tiny training on the photos of a folder; ``put`` puts those in the place of the bundled ones."""

    def photos_of(split: str) -> list[Photo]:
        return [Photo(path, "landscape", split, "CC0", "nobody") for path in sorted((world / split).glob("*.png"))]

    put(photos, "bundled", photos_of)  # and no tables of all colours, whose making takes longer than these tiny runs
    put(ColorBins, "encode_rgb", lambda bins, rgb: bins.encode(chroma(rgb)))
    put(UVHistogram, "add_rgb", lambda histogram, rgb, mask: histogram.add(chroma(rgb), mask))
    return train(TrainingConfig(model=model, out_dir=str(world / name), **TINY))


TOGETHER = """
import sys
from pathlib import Path
sys.modules["tensorboard"] = None  # whose import takes seconds
import torch
from colorlib import parallel
sys.path.insert(0, sys.argv[1])
from test_parallel import RECIPES, example, gradients, trained

world = Path(sys.argv[2])
torch.set_num_threads(1)
device = parallel.init_process_group(torch.device("cpu"))
for recipe in RECIPES:
    for mode in (False, True):
        model, objective, *batch = example(recipe)
        model, network = parallel.wrap_ddp(model.train(mode), device)
        result = gradients(network, model, *batch, objective=objective)
        if parallel.is_main_process():
            torch.save(result, f"{world}/{recipe}-{mode}.pt")
for model in ("FlatNet", "ColorUNet"):
    trained(world, model, f"{model}-of-two")
"""


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, synthetic_photo: np.ndarray) -> Path:
    """What two processes of torchrun have made: gradients by loss and mode of batch norm, and two trainings.

    Those are on ten small landscapes, with five to validate on, that lie there, too.
    """
    world = tmp_path_factory.mktemp("together")
    for split, count in (("train", 10), ("validation", 5)):
        (world / split).mkdir()
        for i in range(count):
            photo = np.roll(synthetic_photo, 5 * i, axis=0)[16:80:2, : 40 + 4 * i : 2]
            write_photo(world / split / f"{i:02}.png", np.ascontiguousarray(photo))
    (world / "together.py").write_text(TOGETHER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += [str(world / "together.py"), str(Path(__file__).parent), str(world)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return world


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_two_processes_give_the_gradients_of_one(together, recipe):
    """With the statistics of batch norm held fixed, or a network without it: to 1e-6, the rounding of float32."""
    model, objective, *batch = example(recipe)
    alone = gradients(model, model.eval(), *batch, objective=objective)
    both = torch.load(together / f"{recipe}-False.pt", weights_only=True)
    assert alone.abs().max() > 0.01
    torch.testing.assert_close(both, alone, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_batch_norm_on_cpus_is_by_share(together, recipe):
    """While it trains, each process normalises its own half of the batch: exactly what one does half by half."""
    model, objective, luma, rgb, mask = example(recipe)

    def places(mask: torch.Tensor) -> torch.Tensor:
        return at_output_size(model(luma), rgb[: len(mask)], mask)[1].sum()

    halves = [part.chunk(2) for part in (luma, rgb, mask)]
    parts = []
    for batch in zip(*halves):
        weight = places(batch[2]) / places(mask)  # each half counts by its pixels, or by the places of a small output
        parts.append(weight * gradients(model, model.train(), *batch, objective=objective))
    both = torch.load(together / f"{recipe}-True.pt", weights_only=True)
    torch.testing.assert_close(both, sum(parts), rtol=0, atol=1e-6)
    as_one = gradients(model, model.train(), luma, rgb, mask, objective=objective)
    has_batch_norm = RECIPES[recipe][2] != "FlatNet"
    assert torch.allclose(both, as_one, rtol=0, atol=1e-6) != has_batch_norm


def history(out: Path) -> list[list[float]]:
    with open(out / "history.csv", newline="") as file:
        return [[float(value) for value in row] for row in list(csv.reader(file))[1:]]


@pytest.fixture
def without_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)


@pytest.mark.slow
def test_a_run_of_two_processes_is_the_run_of_one(together, without_tensorboard, monkeypatch):
    """A network without batch norm learns the same, step by step."""
    trained(together, "FlatNet", "FlatNet-of-one", monkeypatch.setattr)
    two, one = (history(together / f"FlatNet-of-{number}") for number in ("two", "one"))
    np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-5)
    assert [row[0] for row in two] == [4, 8, 12]  # written once, not by each


@pytest.mark.slow
def test_with_batch_norm_the_number_of_processes_is_checked_on_resuming(together, without_tensorboard, monkeypatch):
    with pytest.raises(ColorlibError, match="trained by 2 processes, not 1"):
        trained(together, "ColorUNet", "ColorUNet-of-two", monkeypatch.setattr)


def test_a_batch_is_shared_out_evenly_or_not_at_all(monkeypatch):
    shares = []
    for rank in range(3):
        monkeypatch.setattr(parallel, "rank_and_world_size", lambda rank=rank: (rank, 3))
        shares.append(parallel.my_share(torch.arange(12)))
    assert torch.equal(torch.cat(shares), torch.arange(12)) and {len(share) for share in shares} == {4}
    parallel.check_divisible(12)
    with pytest.raises(ColorlibError, match="batch of 16 cannot be shared by 3 processes"):
        parallel.check_divisible(16)


def test_what_depends_on_the_number_of_processes(monkeypatch):
    """Batch norm on CPUs, and nothing else."""
    cpu, cuda = torch.device("cpu"), torch.device("cuda", 0)
    monkeypatch.setattr(parallel, "rank_and_world_size", lambda: (0, 4))
    shares = parallel.batch_norm_groups
    assert shares(build("ColorUNet"), cpu) == 4
    assert shares(build("ColorUNet"), cuda) == shares(build("FlatNet"), cpu) == 1


def test_one_process_alone_shares_nothing():
    value, model = torch.rand(3), build("FlatNet", 4)
    assert parallel.init_process_group(torch.device("cpu")) == torch.device("cpu") and parallel.is_main_process()
    assert torch.equal(parallel.my_share(value), value)
    assert torch.equal(parallel.all_reduce_sum(value), value)
    assert parallel.wrap_ddp(model, torch.device("cpu")) == (model, model)
    assert parallel.any_process(True, torch.device("cpu")) and not parallel.any_process(False, torch.device("cpu"))
    parallel.barrier()


# --- where it runs -----------------------------------------------------------------------------------------------


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Control groups of a container, as Linux shows them: what this process is in, and the files with limits."""
    monkeypatch.setattr(parallel, "CONTROL_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(parallel, "OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 16_000_000_000 // 4096}.get)

    def make(own: str, **files: str) -> None:
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return make


@pytest.mark.parametrize(
    ("own", "files", "cores", "memory"),
    [
        ("0::/\n", {}, 8, 16e9),
        ("0::/\n", {"cpu.max": "max 100000\n", "memory.max": "max\n"}, 8, 16e9),
        ("0::/\n", {"cpu.max": "150000 100000\n", "memory.max": "3000000000\n"}, 2, 3e9),
        ("0::/job/step\n", {"job/cpu.max": "100000 100000\n", "job/step/memory.max": "500000000\n"}, 1, 0.5e9),
        (
            "4:memory:/\n1:cpu,cpuacct:/docker/x\n",
            {
                "cpu,cpuacct/docker/x/cpu.cfs_quota_us": "300000\n",
                "cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
                "memory/memory.limit_in_bytes": "2000000000\n",
            },
            3,
            2e9,
        ),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8, 16e9),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "nonsense\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8, 16e9),
    ],
)
def test_a_container_gets_what_it_was_given(container, own, files, cores, memory, monkeypatch) -> None:
    container(own, **files)
    assert parallel.available_cores() == cores
    assert parallel.available_memory() == pytest.approx(memory, abs=4096)
    assert parallel.default_workers() == max(1, min(cores, int(memory / 1e9 + 1e-6)))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert parallel.default_workers() == max(1, min(cores, int(memory / 1e9 + 1e-6)) // 4)


def test_photos_are_decoded_by_no_more_threads_than_that(container, monkeypatch) -> None:
    container("0::/\n", **{"cpu.max": "200000 100000\n"})
    at_work, most = 0, 0
    lock, both = threading.Lock(), threading.Barrier(2)

    def decode(_: int) -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        both.wait(60)  # so two there are
        with lock:
            at_work -= 1

    list(parallel.in_parallel(decode, range(8)))
    assert most == 2


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux alone has it")
def test_affinity_and_pytorch() -> None:
    """As after `taskset -c 0`: one core, one thread, whatever the machine has."""
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import torch; from colorlib import parallel\n"
        "print(parallel.available_cores(), parallel.default_workers(), torch.get_num_threads())"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert result.stdout == "1 1 1\n", result.stderr


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks glibc for something")
def test_memory_is_kept_where_it_is_asked_for() -> None:
    """A block of 64 MB that is freed and asked for again costs no new pages; without asking it does, each time."""
    program = (
        "import resource, sys, torch; from colorlib import parallel\n"
        "if sys.argv[1] == 'keep': parallel.keep_freed_memory()\n"
        "def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(16): torch.ones(16_000_000)  # older ones need several before one is found again\n"
        "before = faults()\n"
        "for _ in range(8): torch.ones(16_000_000)\n"
        "print(faults() - before)"
    )
    ours = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")  # whoever sets these asks glibc, or another library, for more
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    pages = {}
    for choice in ("keep", "leave"):
        run = subprocess.run([sys.executable, "-c", program, choice], capture_output=True, text=True, env=clean)
        assert run.returncode == 0, run.stderr
        pages[choice] = int(run.stdout)
    if not any(pages.values()):
        pytest.skip("this system does not count pages")
    assert pages["keep"] < 100 < pages["leave"], pages


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])  # macOS and musl; no dlopen; Windows
def test_other_c_libraries_are_left_alone(monkeypatch, error) -> None:
    def without(name):
        raise error("no mallopt")

    monkeypatch.setattr(parallel.ctypes, "CDLL", without)
    parallel.keep_freed_memory()


@pytest.fixture
def untried() -> Iterator[None]:
    """No device has been tried yet, nor will it have been."""
    parallel._problem_of.cache_clear()
    yield
    parallel._problem_of.cache_clear()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_cannot_compute_is_tried_once_and_left(untried, monkeypatch, caplog) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for _ in range(3):
        assert parallel.find_device("auto") == torch.device("cpu")
    (record,) = caplog.records
    assert "the GPU cannot be used" in record.getMessage() and "\n" not in record.getMessage()
    with pytest.raises(ColorlibError, match="'cuda' cannot be used here"):
        parallel.find_device("cuda")


def test_a_gpu_that_computes_is_taken(untried, monkeypatch, caplog) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(parallel, "_problem_of", lambda device: "")
    assert parallel.find_device("auto") == torch.device("cuda") and not caplog.records


def test_apple_gpus_are_refused_at_once_for_training(monkeypatch) -> None:
    monkeypatch.setattr(parallel, "find_device", torch.device)
    with pytest.raises(ColorlibError, match="Apple GPUs.*set device=cpu"):
        TrainingConfig(device="mps")
    assert TrainingConfig(device="cpu").device == "cpu"
