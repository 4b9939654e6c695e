"""Does a training step cost more than the network's own work, and what does the loss keep in memory?

What do memory kept between steps, and bfloat16, gain on a CPU?

The first line of each table is the bound: forward and backward alone, on tensors that are there already. On a GPU the
paper's whole budget is measured too (35 times 13,469 photos of 256 x 256, batches of 64; about 10 hours on its K80),
beside what the card's arithmetic and memory allow at best.
"""

import multiprocessing
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import Row, race, row_of
from colorlib.color import ColorBins
from colorlib.data import PaddedPhotos, bundled, count_chroma, load_padded
from colorlib.models import build
from colorlib.parallel import find_device, keep_freed_memory
from colorlib.training import (
    Objective,
    TrainingConfig,
    degrade_luma,
    draw_batch,
    local_loss,
    luma_of_photos,
    make_network,
    make_optimizer,
    rebalanced_cross_entropy,
    training_step,
)

EPOCHS, PHOTOS, BATCH, SIDE = 35, 13_469, 64, 256  # the paper's, as far as Figure 8 tells
CARDS = {  # dense bfloat16 arithmetic (FLOP/s) and memory (bytes/s), from the maker's data sheets
    "H200": (989e12, 4.8e12),
    "H100": (989e12, 3.35e12),
    "A100": (312e12, 2.0e12),
}


def measure() -> list[Row]:
    rows = steps() + fresh_or_kept_memory() + losses()
    if torch.cuda.is_available():
        return rows + paper_budget()
    rows[-1].note += "; no GPU here, so the paper's budget was not measured"
    return rows


def prepared(config: TrainingConfig) -> tuple[nn.Module, Objective, torch.optim.Optimizer, PaddedPhotos]:
    """Everything that a training step needs, on the GPU if there is one."""
    device = find_device(config.device)
    frames = load_padded([photo.path for photo in bundled("train")], config.image_size)[0].to(device)
    bins = ColorBins.from_histogram(count_chroma(frames))
    model, network = make_network(build(config.model), config, device)
    return (
        network,
        Objective(config.loss, bins, config.lam, device, config.color_weight, config.lam_inference),
        make_optimizer(model, config),
        frames,
    )


def steps() -> list[Row]:
    """A whole step (batch, augmentation, loss, update, as in training) against forward and backward alone."""
    return [row for augment in ("zoom-crop", "paper") for row in _steps(augment)]


def _steps(augment: str) -> list[Row]:
    config = TrainingConfig(image_size=128, crop=128, min_size=128, batch_size=16, augment=augment)
    network, objective, optimizer, frames = prepared(config)
    rgb, mask = draw_batch(frames, 0, config)
    luma = degrade_luma(luma_of_photos(rgb), 0, config)
    target = objective.bins.encode_rgb(rgb)
    step = count()

    def bound() -> None:
        output = network(luma.contiguous(memory_format=torch.channels_last))
        rebalanced_cross_entropy(output, target, objective.weights, mask).backward()
        synchronize()

    def resident() -> None:
        optimizer.zero_grad(set_to_none=True)
        local_loss(network, objective, luma, rgb, mask).backward()
        optimizer.step()
        synchronize()

    def whole() -> None:
        training_step(network, objective, optimizer, frames, next(step), config)
        synchronize()

    contest = {
        f"forward and backward alone, batch that is there ({augment})": bound,
        f"with the encoding into bins and Adam ({augment})": resident,
        f"training step, all of it ({augment})": whole,
    }
    rows = race(contest, rounds=9)
    for row in rows:
        row.note = f"{config.batch_size / row.median:.0f} photos/s, {100 / (row.ratio or 1):.0f} % of the bound"
    return rows


def fresh_or_kept_memory() -> list[Row]:
    """Steps of the paper's batches, in processes that give their memory back to Linux, and in some that keep it."""
    spawn, pools = multiprocessing.get_context("spawn"), []
    contest: dict[str, Callable[[], object]] = {}
    for kept in (False, True):
        for precision in ("float32", "bfloat16"):
            pools.append(spawn.Pool(1))
            name = f"two steps of 64 at 128 x 128, {precision}, memory {'kept' if kept else 'given back'}"
            contest[name] = partial(pools[-1].apply, _two_steps, (kept, precision))
    try:
        rows = race(contest, rounds=5)
    finally:
        for pool in pools:
            pool.terminate()
            pool.join()
    for row in rows:
        row.note = f"{128 / row.median:.0f} photos/s"
    return rows


@cache
def _training(kept: bool, precision: str) -> tuple[Any, ...]:
    if kept:
        keep_freed_memory()
    config = TrainingConfig(
        device="cpu", image_size=128, crop=128, min_size=128, batch_size=64, augment="none", precision=precision
    )
    return *prepared(config), config


def _two_steps(kept: bool, precision: str) -> None:
    network, objective, optimizer, frames, config = _training(kept, precision)
    for step in range(2):
        training_step(network, objective, optimizer, frames, step, config)


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def losses(batch: int = 8) -> list[Row]:
    """The loss and its gradient, ours against a one-hot target of the logits' size: time, and memory at its highest."""
    logits, target, weights, mask = example(batch)
    contest = {
        "loss and gradient, ours": lambda: rebalanced_cross_entropy(logits, target, weights, mask).backward(),
        "loss and gradient, by one-hot targets": lambda: one_hot_loss(logits, target, weights, mask).backward(),
    }
    rows = race(contest, rounds=5)
    size = logits.numel() * 4
    for row, loss in zip(rows, (rebalanced_cross_entropy, one_hot_loss), strict=True):
        row.note = "memory is measured on Linux only"
        if sys.platform == "linux":
            peak = peak_memory(loss, batch)
            row.note = f"{peak / 2**20:,.0f} MiB at most besides the logits, {peak / size:.1f} times their size"
    return rows


def example(batch: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits, bins, weights and mask of a batch of frames of 256 x 256 pixels."""
    logits = torch.randn(batch, 32, 256, 256, requires_grad=True)
    return logits, torch.randint(32, (batch, 256, 256)), torch.rand(32), torch.rand(batch, 256, 256) < 0.8


def one_hot_loss(logits: Tensor, target: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
    """The same loss as textbooks write it."""
    one_hot = F.one_hot(target, logits.shape[1]).movedim(-1, 1).float()
    surprise = -(one_hot * (logits.softmax(1) + 1e-8).log() * weights[:, None, None]).sum(1)
    return (surprise * mask).sum() / mask.sum()


def peak_memory(loss: Callable[..., Tensor], batch: int) -> int:
    """Bytes that a loss and its gradient take at most, in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_memory, (loss, batch))


def _peak_memory(loss: Callable[..., Tensor], batch: int) -> int:
    loss(*example(1)).backward()  # loads what PyTorch loads on first use
    inputs = example(batch)
    before = highest_memory()
    loss(*inputs).backward()
    return highest_memory() - before


def highest_memory() -> int:
    """The most memory that this process has taken so far, in bytes, as Linux counts it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def paper_budget(timed_steps: int = 300) -> list[Row]:
    """The paper's training on this GPU: some hundred steps are timed, and the time of all of them follows."""
    config = TrainingConfig(image_size=SIDE, crop=SIDE, min_size=SIDE, batch_size=BATCH, augment="none")
    network, objective, optimizer, frames = prepared(config)
    for step in range(30):  # compiles on first use
        training_step(network, objective, optimizer, frames, step, config)
    synchronize()
    begin = time.perf_counter()
    for step in range(30, 30 + timed_steps):
        training_step(network, objective, optimizer, frames, step, config)
    synchronize()
    budget_steps = EPOCHS * PHOTOS / BATCH
    seconds = (time.perf_counter() - begin) / timed_steps * budget_steps
    flops, traffic = work_of_a_photo()
    note = f"{budget_steps:,.0f} steps, from {timed_steps} timed"
    rows = [row_of("the paper's budget: 35 x 13,469 photos of 256 x 256", [seconds], note=note)]
    card = next((card for card in CARDS if card in torch.cuda.get_device_name()), None)
    if card:
        arithmetic, memory = CARDS[card]
        photos = EPOCHS * PHOTOS
        for what, bound, note in (
            ("arithmetic", photos * flops / arithmetic, f"{photos * flops / 1e15:.2f} PFLOP"),
            ("memory", photos * traffic / memory, f"{photos * traffic / 1e12:.1f} TB"),
        ):
            share = f"{note}; we take {seconds / bound:.0f} times as long"
            rows.append(row_of(f"what the {what} of an {card} allows at best", [bound], [seconds], share))
    return rows


def work_of_a_photo() -> tuple[float, float]:
    """Floating-point operations and bytes moved for one photo of 256 x 256: a training step's share.

    Operations: two for each multiply-add of the convolutions, once forward and twice backward. Bytes: every layer's
    output in bfloat16, written and read forward, read again backward, and its gradient written and read.
    """
    numbers = {"multiply-adds": 0, "outputs": 0}

    def count(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        numbers["outputs"] += output.numel()
        if isinstance(layer, nn.Conv2d):
            numbers["multiply-adds"] += output.numel() * layer.weight[0].numel()
        elif isinstance(layer, nn.ConvTranspose2d):
            numbers["multiply-adds"] += inputs[0].numel() * layer.weight[0].numel()

    model = build("ColorUNet").eval()
    for module in model.modules():
        if not list(module.children()) and not isinstance(module, nn.ReLU):  # ReLU works in place
            module.register_forward_hook(count)
    with torch.no_grad():
        model(torch.zeros(1, 1, SIDE, SIDE))
    return 3 * 2 * numbers["multiply-adds"], 5 * 2 * numbers["outputs"]
