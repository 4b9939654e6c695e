"""One training run on several processes: torchrun starts them, DistributedDataParallel adds up what they learn.

    torchrun --nproc-per-node 4 -m colorlib train configs/ours.yaml                     # four GPUs of one machine
    torchrun --nnodes 2 --rdzv-endpoint HOST:29500 --nproc-per-node 4 -m colorlib train … # two machines, a shared disk

Every process draws the whole batch of a step from the seed and the step's number, and learns from its own share. So the
batches do not depend on how many processes there are, and nothing but gradients has to travel. For one process alone
all functions here do nothing.
"""

import atexit
import gc
import os

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from colorlib.datasets import process_number
from colorlib.errors import ColorlibError


def join(device: torch.device) -> torch.device:
    """Join the processes that torchrun started, if it did; returns this process's own device."""
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
    """Leave the processes that were joined; `join` sees to it that this happens when Python ends.

    The threads of gloo let go of tensors a little after the work is done, and must not do so when Python is gone (the
    process would abort). They end with the last network that uses them, so unused ones are cleared away first.
    """
    gc.collect()
    dist.destroy_process_group()


def parallel(model: nn.Module, device: torch.device) -> tuple[nn.Module, nn.Module]:
    """A network as it is kept, and as it is trained: with gradients that are the mean over all processes.

    On GPUs batch norm takes its means over the whole batch, too (SyncBatchNorm), so that any number of them learns the
    same up to rounding. PyTorch has no such thing for CPUs: there each process normalises its share by itself, and only
    networks without batch norm learn exactly what one process alone would.
    """
    if process_number()[1] == 1:
        return model, model
    if device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return model, DistributedDataParallel(model, device_ids=[device.index])
    return model, DistributedDataParallel(model)


def shares_normalised_apart(model: nn.Module, device: torch.device) -> int:
    """Into how many shares each batch falls for batch norm: 1 if it is seen as a whole, or there is no batch norm."""
    normalised = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
    return process_number()[1] if normalised and device.type == "cpu" else 1


def check_divisible(batch: int) -> None:
    """Raises ColorlibError where a batch cannot be shared out evenly."""
    ranks = process_number()[1]
    if batch % ranks:
        raise ColorlibError(f"a batch of {batch} cannot be shared by {ranks} processes: choose a multiple of {ranks}")


def my_share(batch: Tensor) -> Tensor:
    """This process's part of a batch (B, …): the first, second … of as many equal parts as there are processes."""
    rank, ranks = process_number()
    return batch.chunk(ranks)[rank]


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum of a tensor over all processes; every one must call this, and gets it."""
    if process_number()[1] == 1:
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total


def any_process(flag: bool, device: torch.device) -> bool:
    """Whether the flag is true in any process; every one must call this."""
    return bool(sum_over_processes(torch.tensor(int(flag), device=device)))


def share_buffers(model: nn.Module) -> None:
    """Give every process the first one's running means of batch norm, before all validate together."""
    if process_number()[1] > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


def wait_for_all() -> None:
    """Go on only when every process has come this far."""
    if process_number()[1] > 1:
        dist.barrier()


def is_first() -> bool:
    """Whether this process is the one that writes files and speaks."""
    return process_number()[0] == 0
