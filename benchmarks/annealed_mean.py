"""How long does the annealed mean take at 256 × 256: what a slider's move costs?

The library's softmax of logits / T, against the paper's formula taken step by step, which must give the same colours.
"""

import torch
from torch import Tensor

from benchmarks import Row, race
from colorlib.prediction import annealed_mean

TEMPERATURE = 0.38


def as_the_paper_writes_it(logits: Tensor, colors: Tensor) -> Tensor:
    """f_T(z) = exp(log z / T) / Σ exp(log z / T) with z = softmax(logits), then the expected colour."""
    z = logits.softmax(0)
    annealed = (z.log() / TEMPERATURE).exp()
    annealed = annealed / annealed.sum(0, keepdim=True)
    return torch.einsum("nhw,nc->chw", annealed, colors)


@torch.inference_mode()
def measure() -> list[Row]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(32, 256, 256, generator=generator) * 3
    colors = torch.rand(32, 2, generator=generator) - 0.5
    torch.testing.assert_close(
        annealed_mean(logits, colors, TEMPERATURE), as_the_paper_writes_it(logits, colors), rtol=0, atol=1e-5
    )
    return race(
        {
            "annealed_mean": lambda: annealed_mean(logits, colors, TEMPERATURE),
            "the paper's formula, step by step": lambda: as_the_paper_writes_it(logits, colors),
        }
    )
