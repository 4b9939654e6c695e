"""Training: one clear loop from photos to a checkpoint (paper §4.1).

A run is described by a `TrainingConfig`, writes into its own folder, and can be killed at any moment: the same
`train(config)` goes on from the last saved step exactly as if it had never stopped, because every batch is drawn from
the seed and the step number alone.
"""

import hashlib
import math
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from colorlib.color.bins import ColorBins
from colorlib.data.datasets import PaddedPhotos, count_chroma
from colorlib.errors import ColorlibError
from colorlib.models.checkpoints import find_checkpoint, load_checkpoint, save_checkpoint
from colorlib.models.encoder import load_imagenet_weights
from colorlib.models.networks import LiteUNet, build
from colorlib.parallel import (
    all_reduce_sum,
    any_process,
    barrier,
    batch_norm_groups,
    check_divisible,
    find_device,
    init_process_group,
    is_main_process,
    keep_freed_memory,
    my_share,
    rank_and_world_size,
    share_buffers,
    wrap_ddp,
)
from colorlib.training.batches import at_output_size, degrade_luma, draw_batch, forward, luma_of_photos
from colorlib.training.config import BIN_METHODS, TrainingConfig, learning_rate_at
from colorlib.training.losses import Objective, adjust_output_bias, mean_over_everything
from colorlib.training.photos import load_photos
from colorlib.training.state import Interruption, RunState
from colorlib.training.teachers import Teacher, find_teacher

RATES = (0.0002, 0.0006, 0.002, 0.006, 0.02)  # learning rates worth trying
LOOK_EVERY = 20  # steps between looks at the loss; every look makes a GPU wait


@torch.no_grad()
def validate(model: nn.Module, photos: PaddedPhotos, objective: Objective, precision: str = "auto") -> dict[str, float]:
    """Loss and bin accuracy on whole photos, every pixel counting alike. Processes share the photos."""
    was_training = model.training
    model.eval()
    rank, ranks = rank_and_world_size()
    sums = torch.zeros(3, dtype=torch.float64, device=photos.sizes.device)
    for start in range(16 * rank, len(photos), 16 * ranks):
        batch = photos.take(slice(start, start + 16))
        mask = batch.mask()
        output = forward(model, luma_of_photos(batch.rgb), precision)
        rgb, mask = at_output_size(output, batch.rgb, mask)
        right = (objective.guess(output) == objective.bins.encode_rgb(rgb)) & mask
        sums += torch.stack([objective(output, rgb, mask) * mask.sum(), right.sum(), mask.sum()])
    model.train(was_training)
    loss, correct, pixels = all_reduce_sum(sums).tolist()
    return {"validation_loss": loss / pixels, "validation_accuracy": correct / pixels}


def local_loss(
    network: nn.Module,
    objective: Objective,
    luma: Tensor,
    rgb: Tensor,
    mask: Tensor,
    teacher: Teacher | None = None,
    precision: str = "auto",
) -> Tensor:
    """The loss of a batch. Of several processes each takes its share; the mean of what they get is the whole's loss."""
    ranks = rank_and_world_size()[1]
    seen = my_share(luma)
    output = forward(network, seen, precision)
    rgb, small = at_output_size(output, my_share(rgb), my_share(mask))
    loss = objective(output, rgb, small)  # a mean over the pixels of my photos
    if teacher is not None:
        loss = teacher.mixed(loss, output, seen, small)
    return loss * (small.sum() * ranks / all_reduce_sum(small.sum()).clamp(min=1))


def training_step(
    network: nn.Module,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    photos: PaddedPhotos,
    step: int,
    config: TrainingConfig,
    teacher: Teacher | None = None,
) -> Tensor:
    """One step of training: a batch, the network's answer, its loss, and a small move downhill. Returns the loss."""
    rgb, mask = draw_batch(photos, step, config)
    luma = degrade_luma(luma_of_photos(rgb), step, config)
    loss = local_loss(network, objective, luma, rgb, mask, teacher, config.precision)
    if config.loss_mean == "everything":
        loss = mean_over_everything(loss, mask, objective.outputs)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate_at(step, config) * group["lr_scale"]
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if config.max_grad_norm:
        nn.utils.clip_grad_norm_(network.parameters(), config.max_grad_norm)
    optimizer.step()
    return all_reduce_sum(loss.detach()) / rank_and_world_size()[1]


def train(config: TrainingConfig, restart: bool = False) -> Path:
    """Run the training a config describes; returns the path of the checkpoint it wrote.

    Interrupt it whenever you like: called again it continues the very same run, and a finished run is left as it is.
    The process keeps the memory it frees from then on, see `colorlib.parallel.keep_freed_memory`.
    With ``restart`` an earlier run in the folder is discarded first. Under torchrun the processes share every batch,
    see `colorlib.parallel`.

    Raises:
        ColorlibError: if the photos or the config cannot be used, the folder holds another run, or the loss stops
            being a number.
        KeyboardInterrupt: on Ctrl-C, after the step under way has been finished and saved.
    """
    device = init_process_group(find_device(config.device))
    keep_freed_memory()
    check_divisible(config.batch_size)
    out = Path(config.out_dir)
    out.mkdir(parents=True, exist_ok=True)
    training, validation, used = load_photos(config)
    training, validation = training.to(device), validation.to(device)
    model, bins, before = starting_point(config, training)
    objective = Objective(config.loss, bins, config.lam, device, config.color_weight, config.lam_inference)
    teacher = find_teacher(config, bins, device)
    model, network = make_network(model, config, device)
    optimizer = make_optimizer(model, config)
    kept = deepcopy(model) if config.ema_decay else model  # what is validated and saved
    groups = batch_norm_groups(model, device)
    state = RunState(out, config, fingerprint(training, bins), groups, write=is_main_process())
    if restart:
        state.discard()
        barrier()
    first, losses = state.load(model, optimizer, kept)
    barrier()  # all have looked before the first writes
    if first == 0:
        state.save(0, model, optimizer, losses, kept)  # the folder is this run's from now on

    def save(step: int) -> None:
        check_finite(model, step, out / "model.safetensors")
        state.save(step, model, optimizer, losses, kept)
        record = {"input_size": config.image_size, "training": training_record(config, used, state.history, before)}
        if config.loss == "l2":
            record["output"] = "chroma"
        if is_main_process():
            save_checkpoint(out / "model.safetensors", kept, bins, record)

    saved = time.monotonic()
    with Interruption() as interruption, progress_bar(first, config) as bar:
        for step in range(first, config.max_steps):
            losses.append(training_step(network, objective, optimizer, training, step, config, teacher))
            bar.update(config.batch_size)
            done = step + 1
            if config.ema_decay:  # at first little is worth keeping
                average_weights(kept, model, min(config.ema_decay, done / (10 + done)))
            last, look = done == config.max_steps, done % LOOK_EVERY == 0
            if look:
                check_finite(model, done, out / "model.safetensors")
                bar.set_postfix(loss=f"{float(torch.stack(losses[-LOOK_EVERY:]).mean()):.3f}")
            if done % config.validate_every == 0 or last:
                check_finite(model, done, out / "model.safetensors")
                share_buffers(kept)
                scores = validate(kept, validation, objective, config.precision)
                state.log({"step": done, "train_loss": float(torch.stack(losses).mean())} | scores)
                losses.clear()
            stop = interruption.requested
            if rank_and_world_size()[1] > 1:  # all must stop at the same step, and asking takes time
                stop = look and any_process(stop, device)
            if last or stop or time.monotonic() - saved >= config.checkpoint_minutes * 60:
                save(done)
                saved = time.monotonic()
            if stop and not last:
                raise KeyboardInterrupt
    barrier()
    return out / "model.safetensors"


def sweep_learning_rates(
    config: TrainingConfig, rates: Sequence[float] = RATES, steps: int = 50
) -> dict[float, list[float]]:
    """The loss of every step of short runs, by learning rate: the same start and the same batches for each.

    The paper: "to select the learning rate, we have observed the evolution of the loss on reduced epochs and kept a
    learning rate that showed a satisfying behavior" (§4.1). `choose_rate` is our word for satisfying.
    """
    device = init_process_group(find_device(config.device))
    check_divisible(config.batch_size)
    training = load_photos(config)[0].to(device)
    start, bins, _ = starting_point(config, training)
    objective = Objective(config.loss, bins, config.lam, device, config.color_weight, config.lam_inference)
    teacher = find_teacher(config, bins, device)
    curves = {}
    for rate in tqdm(rates, desc="trying learning rates", disable=not is_main_process()):
        run = replace(config, learning_rate=rate, schedule="constant", warmup=0)
        model, network = make_network(deepcopy(start), run, device)
        optimizer = make_optimizer(model, run)
        losses = [training_step(network, objective, optimizer, training, step, run, teacher) for step in range(steps)]
        curves[rate] = torch.stack(losses).tolist()
    return curves


def choose_rate(curves: dict[float, list[float]]) -> float:
    """The learning rate whose short run had the lowest mean loss over its last third.

    >>> choose_rate({0.1: [3.4, 3.0, 2.0], 1.0: [3.4, 2.0, 2.5], 10.0: [3.4, 2.0, float("nan")]})
    0.1
    """
    end = {rate: sum(losses[-(len(losses) // 3 or 1) :]) for rate, losses in curves.items()}
    return min(end, key=lambda rate: end[rate] if math.isfinite(end[rate]) else math.inf)


def make_network(model: nn.Module, config: TrainingConfig, device: torch.device) -> tuple[nn.Module, nn.Module]:
    """A fresh or loaded network on its device, as it is kept and as it is trained (shared by processes, compiled)."""
    model = model.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    model, network = wrap_ddp(model, device)
    if config.compile == "always" or (config.compile == "auto" and device.type == "cuda"):
        network = torch.compile(network)  # type: ignore[assignment]
    return model, network


def make_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019), without weight decay the paper's Adam (§4.1); on a GPU one kernel does it all.

    Matrices decay, biases and batch norm do not. An encoder's rate is ``lr_scale`` times the others'.
    """
    on_gpu = next(model.parameters()).device.type == "cuda"
    kinds: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        scale = config.encoder_lr_scale if name.startswith("encoder.") else 1.0
        kinds.setdefault((scale, config.weight_decay * (parameter.ndim > 1)), []).append(parameter)
    groups = [{"params": kinds[kind], "lr_scale": kind[0], "weight_decay": kind[1]} for kind in kinds]
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=on_gpu or None)


@torch.no_grad()
def average_weights(kept: nn.Module, model: nn.Module, decay: float) -> None:
    """Let ``kept`` follow ``model``: kept = decay · kept + (1 - decay) · model; batch norm's statistics too.

    An average over the last 1 / (1 - decay) steps is steadier than the last step (Polyak & Juditsky 1992).
    """
    theirs = model.state_dict()
    pairs = [(value, theirs[name]) for name, value in kept.state_dict().items() if value.is_floating_point()]
    torch._foreach_lerp_([ours for ours, _ in pairs], [other for _, other in pairs], 1 - decay)


def progress_bar(first: int, config: TrainingConfig) -> "tqdm[Any]":
    """A bar that counts photos, so that it shows photos/s and the time left; of several processes one has a bar."""
    return tqdm(
        total=config.max_steps * config.batch_size,
        initial=first * config.batch_size,
        desc=f"training {config.model}",
        unit="photo",
        disable=not is_main_process(),
    )


def fingerprint(photos: PaddedPhotos, bins: ColorBins) -> str:
    """What tells the photos and bins of one run from those of another: a checksum of every eighth pixel of each."""
    checksum = hashlib.sha256(bins.to_json().encode() + photos.sizes.cpu().numpy().tobytes())
    for batch in photos.batches(256):
        checksum.update(batch.rgb[:, ::8, ::8].cpu().numpy().tobytes())
    return checksum.hexdigest()


def check_finite(model: nn.Module, step: int, checkpoint: Path) -> None:
    """Raises ColorlibError if a weight is no longer a number, so that nothing of the kind is ever saved.

    A loss that is no number makes all weights the same in the very step.
    """
    if not torch.stack([weight.isfinite().all() for weight in model.parameters()]).all():
        kept = f"; {checkpoint} is from before that" if checkpoint.exists() else ""
        raise ColorlibError(f"the loss is no longer a number at step {step}: lower learning_rate{kept}")


def starting_point(config: TrainingConfig, training: PaddedPhotos) -> tuple[nn.Module, ColorBins, dict[str, Any]]:
    """The network and bins that a run begins with, and the record of the training they have had already.

    Raises:
        ColorlibError: if ``init_from`` names a checkpoint of another network, number of bins or kind of output.
    """
    if not config.init_from:
        bins = choose_bins(config, training)
        arguments = {} if config.norm == "batch" else {"norm": config.norm}
        with torch.random.fork_rng(devices=[]):  # the caller's random numbers go on as if nothing had been drawn
            torch.default_generator.manual_seed(config.seed)
            fresh = build(config.model, 2 if config.loss == "l2" else config.num_bins, **arguments)
        if isinstance(fresh, LiteUNet) and config.pretrained:
            load_imagenet_weights(fresh.encoder)
        return fresh, bins, {}
    model, bins, record = load_checkpoint(find_checkpoint(config.init_from))
    if (record.get("output") == "chroma") != (config.loss == "l2"):
        raise ColorlibError(f"{config.init_from} and loss {config.loss} do not fit: one classifies, one regresses")
    if type(model).__name__ != config.model or len(bins) != config.num_bins:
        found, wanted = f"{type(model).__name__} with {len(bins)} bins", f"{config.model} with {config.num_bins}"
        raise ColorlibError(f"{config.init_from} holds a {found}, but the configuration asks for {wanted}")
    if (norm := getattr(model, "arguments", {}).get("norm", "batch")) != config.norm:
        raise ColorlibError(f"{config.init_from} was trained with norm {norm}: set norm so, got {config.norm}")
    if "lam_inference" in record:  # it answers with another λ than it was trained with: back to what the loss asks for
        adjust_output_bias(config.lam, model, bins, record["lam_inference"])
    return model, bins, record.get("training", {})


def choose_bins(config: TrainingConfig, training: PaddedPhotos) -> ColorBins:
    """The bins of a fresh run: chosen on its photos, or a file's or a teacher's, with the frequencies of its photos.

    Raises:
        ColorlibError: if the file or the teacher cannot be read, or has another number of bins.
    """
    histogram = count_chroma(training)
    if config.bins in BIN_METHODS:
        method, grid = BIN_METHODS[config.bins]
        return ColorBins.from_histogram(histogram, config.num_bins, method, grid, seed=config.seed)
    source = config.teacher if config.bins == "teacher" else config.bins
    bins = load_checkpoint(find_checkpoint(source))[1] if config.bins == "teacher" else ColorBins.load(source)
    if len(bins) != config.num_bins:
        raise ColorlibError(f"{source} holds {len(bins)} bins: set num_bins so")
    return bins.with_frequency(histogram)


def training_record(
    config: TrainingConfig, photos: dict[str, int], history: list[dict[str, float]], before: dict[str, Any]
) -> dict[str, Any]:
    """What a checkpoint says of its own training; a run that went on from another continues that one's history.

    Folders are named without the path to them.
    """
    settings = asdict(config) | {key: Path(getattr(config, key)).name for key in ("init_from", "bins", "teacher")}
    settings |= {key: [Path(folder).name for folder in settings[key]] for key in ("photos", "validation_photos")}
    del settings["out_dir"]
    past = before.get("history", [])
    steps = past[-1]["step"] if past else 0
    history = past + [row | {"step": row["step"] + steps} for row in history]
    earlier = [*before.get("before", []), {k: before[k] for k in ("config", "photos")}] if before else []
    return {"config": settings, "photos": photos, "history": history, "before": earlier}
