"""Distillation: a finished network teaches another, its probabilities are soft targets (Hinton et al. 2015) [ours]."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from colorlib.color.bins import ColorBins
from colorlib.errors import ColorlibError
from colorlib.models.checkpoints import answering_lam, find_checkpoint, load_checkpoint
from colorlib.models.networks import forward_at_any_size
from colorlib.training.batches import forward
from colorlib.training.config import TrainingConfig
from colorlib.training.losses import adjust_output_bias, distillation


class Teacher:
    """A finished network that is asked for its scores, and learns nothing itself: in `eval` mode, without gradients.

    It answers as if it had been trained with the student's ``lam`` (`adjust_logits`), where its record says with which
    it was: then its probabilities are what the student's weighted loss asks for, and need no weights of their own.
    ``weight`` is its share of the loss, ``temperature`` what `distillation` softens by.

    Raises:
        ColorlibError: if there is no such checkpoint, it cannot be read, or it regresses.

    >>> teacher = Teacher("liteunet", lam=0.5)
    >>> teacher(torch.rand(1, 1, 24, 40), (24, 40)).shape  # whatever its stride and the size of its output
    torch.Size([1, 32, 24, 40])
    """

    def __init__(
        self,
        path: str,
        lam: float,
        weight: float = 0.5,
        temperature: float = 1.0,
        device: str | torch.device = "cpu",
        precision: str = "auto",
    ):
        network, self.bins, record = load_checkpoint(find_checkpoint(path))
        if record.get("output") == "chroma":
            raise ColorlibError(f"{path} gives colours and no probabilities: name a classifier as teacher")
        if (answers_with := answering_lam(record)) is not None:
            adjust_output_bias(lam, network, self.bins, answers_with)
        self.weight, self.temperature, self.precision = weight, temperature, precision
        self.network = network.requires_grad_(False).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def __call__(self, luma: Tensor, size: tuple[int, int]) -> Tensor:
        """What it answers to luma (B, 1, H, W), for an output of some size: logits (B, n, *size).

        Its sides become multiples of the stride, and a smaller output is enlarged, as where it colours photos. But the
        ``zoom`` of its record, which is for whole photos, does not count: it sees what the student sees, as large.
        """
        logits = forward(partial(forward_at_any_size, self.network), luma, self.precision)
        return logits if size == luma.shape[2:] else F.adaptive_avg_pool2d(logits, size)

    def mixed(self, loss: Tensor, output: Tensor, luma: Tensor, mask: Tensor) -> Tensor:
        """A batch's loss against its photos, mixed with what its output (B, n, h, w) loses against the teacher.

        ``luma`` (B, 1, H, W) is what the student saw, disturbed as it was; ``mask`` (B, h, w), true where photos are.
        """
        if self.weight == 0:
            return loss
        height, width = output.shape[2:]
        return loss.lerp(distillation(output, self(luma, (height, width)), self.temperature, mask), self.weight)


def find_teacher(config: TrainingConfig, bins: ColorBins, device: str | torch.device = "cpu") -> Teacher | None:
    """The teacher of a run whose bins are known; None where it has none.

    Raises:
        ColorlibError: if the teacher cannot be used, or its scores are for other bins than the run's.
    """
    if not config.teacher:
        return None
    settings = (config.teacher_weight, config.teacher_temperature, device, config.precision)
    teacher = Teacher(config.teacher, config.lam, *settings)
    if not (len(teacher.bins) == len(bins) and torch.allclose(teacher.bins.colors, bins.colors, atol=1e-6)):
        raise ColorlibError(f"the teacher {config.teacher} has other colour bins than this run: set bins=teacher")
    return teacher
