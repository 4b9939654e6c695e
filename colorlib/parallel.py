"""Many at once: threads for photos, and the processes of torchrun for training. All that knows of torch.distributed.

    torchrun --nproc-per-node 4 -m colorlib train configs/ours.yaml                     # four GPUs of one machine
    torchrun --nnodes 2 --rdzv-endpoint HOST:29500 --nproc-per-node 4 -m colorlib train … # two machines, a shared disk

Every process draws the whole batch of a step from the seed and the step's number, and learns from its own share. So the
batches do not depend on how many processes there are, and no photo has to travel: only gradients, losses, counts and,
before a validation, the means of batch norms. For one process alone those that speak to others do nothing.
"""

import atexit
import ctypes
import gc
import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from colorlib.errors import ColorlibError

logger = logging.getLogger(__name__)
MEMORY_OF_A_WORKER = 1_000_000_000  # bytes; decoding a photo took 13 bytes a pixel, so this is a scan of 75 megapixels
CONTROL_GROUPS = Path("/sys/fs/cgroup")  # where Linux keeps what a container may use …
OWN_GROUPS = Path("/proc/self/cgroup")  # … and where this process stands in there
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # the numbers of these options in glibc's malloc.h

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Iterator[Result]:
    """The results of a function on every item, in order, computed by as many threads as there are cores for it.

    Threads suffice, because Pillow and NumPy let go of Python's lock while they decode and shrink; they start at
    once and need no copies. Under torchrun the processes of a machine share its cores and its memory.

    >>> list(in_parallel(abs, [-1, -2, 3]))
    [1, 2, 3]
    """
    pool = ThreadPoolExecutor(workers or default_workers())
    try:
        yield from pool.map(function, items)
    finally:  # reached on Ctrl-C too: what has not begun is dropped
        pool.shutdown(cancel_futures=True)


def keep_freed_memory() -> None:
    """Let this process keep the memory it frees, for what it needs next: a step of training needs the same again.

    glibc gives blocks of over 32 MB back to Linux at once, which then fills each new one with zeros, page by page: with
    ColorUNet and batches of 64 at 128 pixels half of a step (benchmarks/training.py). Other C libraries are not asked.
    """
    with suppress(AttributeError, OSError, TypeError):  # mallopt is glibc's, and Windows has no CDLL without a name
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1)):
            mallopt(option, value)


def default_workers() -> int:
    """How many threads may decode photos at once: one to a core, and `MEMORY_OF_A_WORKER` to each."""
    most = min(available_cores(), available_memory() // MEMORY_OF_A_WORKER)
    return max(1, most // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


def available_cores() -> int:
    """The cores that this process may use: the machine's, or fewer by its affinity (taskset, SLURM) or a quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    older = zip(_limits("cpu.cfs_quota_us"), _limits("cpu.cfs_period_us"), strict=False)
    quotas = _limits("cpu.max") or [quota + period for quota, period in older]
    shares = [quota / period for quota, period in quotas if 0 < quota < math.inf and period > 0]
    return max(1, math.ceil(min([cores, *shares])))


def available_memory() -> int:
    """The bytes of memory that this process may use: the machine's, or fewer in a container."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows does not tell
        machine = 8 * MEMORY_OF_A_WORKER
    return int(min([machine, *(limit for limit, *_ in _limits("memory.max") + _limits("memory.limit_in_bytes"))]))


def _limits(file: str) -> list[list[float]]:
    """The numbers in a file of this name in the control groups (cgroup) around this process, for each that has one."""
    try:
        groups = [line.split(":", 2)[1:] for line in OWN_GROUPS.read_text().splitlines()]
    except OSError:  # not Linux
        return []
    found = []
    for controllers, path in groups:  # version 1 has a folder for each controller, version 2 has none
        root = CONTROL_GROUPS / controllers
        group = root / path.lstrip("/")
        for folder in [group, *(parent for parent in group.parents if parent.is_relative_to(root))]:
            try:
                found.append([float(word.replace("max", "inf")) for word in (folder / file).read_text().split()])
            except (OSError, ValueError):
                continue
    return found


def find_device(name: str) -> torch.device:
    """A PyTorch device that works here, by name; ``auto`` is the GPU if there is one.

    A GPU that PyTorch sees but cannot compute on (too old, too new, full) is tried once. Then ``auto`` is the CPU, and
    a warning is logged; asked for by name it is an error.

    >>> find_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() and not _problem_of("cuda") else "cpu")
    if _problem_of(name):
        raise ColorlibError(f"the device {name!r} cannot be used here: use cpu, cuda or auto")
    return torch.device(name)


if available_cores() < torch.get_num_threads() and "OMP_NUM_THREADS" not in os.environ:  # a quota PyTorch overlooks
    torch.set_num_threads(available_cores())


@cache
def _problem_of(device: str) -> str:
    """Why a device cannot be used, "" if it can: an addition and a convolution are tried on it, once."""
    try:
        ones = torch.ones(1, 1, 8, 8, device=device)
        F.conv2d(ones + 1, ones[..., :3, :3]).cpu()
        return ""
    except (RuntimeError, AssertionError, ImportError) as error:
        problem = (str(error).splitlines() or [type(error).__name__])[0]
        if device == "cuda":
            logger.warning("the GPU cannot be used (%s); auto means the CPU", problem)
        return problem


def rank_and_world_size() -> tuple[int, int]:
    """This process's number and how many have joined under torchrun; (0, 1) for one alone."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def is_main_process() -> bool:
    """Whether this process is the one that writes files and speaks."""
    return rank_and_world_size()[0] == 0


def init_process_group(device: torch.device) -> torch.device:
    """Join the processes that torchrun started, if it did; returns this process's own device.

    Once joined they stay so: a group that is left and joined again would find the addresses of the first.
    """
    if not (dist.is_available() and dist.is_torchelastic_launched()):
        return device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
        atexit.register(leave)
    return device


def leave() -> None:
    """Leave the processes that were joined; `init_process_group` sees to it that this happens when Python ends.

    The threads of gloo let go of tensors a little after the work is done, and must not do so when Python is gone (the
    process would abort). They end with the last network that uses them, so unused ones are cleared away first.
    """
    gc.collect()
    dist.destroy_process_group()


def wrap_ddp(model: nn.Module, device: torch.device) -> tuple[nn.Module, nn.Module]:
    """A network as it is kept, and as it is trained: with gradients that are the mean over all processes.

    On GPUs batch norm takes its means over the whole batch, too (SyncBatchNorm), so that any number of them learns the
    same up to rounding. PyTorch has no such thing for CPUs: there each process normalises its share by itself, and only
    networks without batch norm learn exactly what one process alone would.
    """
    if rank_and_world_size()[1] == 1:
        return model, model
    if device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return model, DistributedDataParallel(model, device_ids=[device.index])
    return model, DistributedDataParallel(model)


def batch_norm_groups(model: nn.Module, device: torch.device) -> int:
    """Into how many groups each batch falls for batch norm: 1 if it is seen as a whole, or there is no batch norm."""
    normalised = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
    return rank_and_world_size()[1] if normalised and device.type == "cpu" else 1


def check_divisible(batch: int) -> None:
    """Raises ColorlibError where a batch cannot be shared out evenly."""
    ranks = rank_and_world_size()[1]
    if batch % ranks:
        raise ColorlibError(f"a batch of {batch} cannot be shared by {ranks} processes: choose a multiple of {ranks}")


def my_share(batch: Tensor) -> Tensor:
    """This process's part of a batch (B, …): the first, second … of as many equal parts as there are processes."""
    rank, ranks = rank_and_world_size()
    return batch.chunk(ranks)[rank]


def all_reduce_sum(value: Tensor) -> Tensor:
    """The sum of a tensor over all processes; every one must call this, and gets it."""
    if rank_and_world_size()[1] == 1:
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total


def any_process(flag: bool, device: torch.device) -> bool:
    """Whether the flag is true in any process; every one must call this."""
    return bool(all_reduce_sum(torch.tensor(int(flag), device=device)))


def share_buffers(model: nn.Module) -> None:
    """Give every process the first one's running means of batch norm, before all validate together."""
    if rank_and_world_size()[1] > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


def barrier() -> None:
    """Go on only when every process has come this far."""
    if rank_and_world_size()[1] > 1:
        dist.barrier()
