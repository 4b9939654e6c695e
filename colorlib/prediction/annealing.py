"""From scores to one colour: the annealed mean (paper §2.1, Figure 4)."""

from math import inf
from numbers import Real

import torch
from torch import Tensor

from colorlib.errors import ColorlibError


def require_temperature(value: float) -> float:
    """The value as a plain float, which files can keep, if it is a temperature: a finite number of 0 or more."""
    one = isinstance(value, Real) or (isinstance(value, Tensor) and value.numel() == 1)
    if not one or not 0 <= value < inf:
        raise ColorlibError(f"the temperature must be a number of 0 or more, got {value!r}")
    return float(value)


def annealed_probabilities(logits: Tensor, temperature: float) -> Tensor:
    """The paper's f_T: probabilities sharpened (T < 1) or flattened (T > 1), shape as logits (..., n, H, W).

    f_T(z) = exp(log z / T) / Σ exp(log z / T). With z = softmax(logits) the normalisation of z cancels, so this
    is softmax(logits / T): no logarithm of a vanishing probability, and stable for any T > 0. T = 0 is
    the limit, all mass on the likeliest bin.

    >>> annealed_probabilities(torch.tensor([2.0, 1.0]).reshape(2, 1, 1), 0).flatten().tolist()
    [1.0, 0.0]

    Raises:
        ColorlibError: if the temperature is no finite number of 0 or more.
    """
    if require_temperature(temperature) == 0:
        return torch.zeros_like(logits).scatter(-3, logits.argmax(-3, keepdim=True), 1.0)
    # Subtracting the largest logit before dividing keeps the small differences that decide at low T.
    # And a temperature that float32 rounds to 0 would make 0 / 0 of the likeliest bin.
    return ((logits - logits.amax(-3, keepdim=True)) / max(temperature, 1e-30)).softmax(-3)


def annealed_mean(logits: Tensor, colors: Tensor, temperature: float) -> Tensor:
    """The expected chrominance (..., 2, H, W) under the annealed probabilities of logits (..., n, H, W).

    ``colors`` (n, 2) are the bins' chrominances. T = 1 averages over everything the network holds possible
    (pale, smooth); T towards 0 takes its first choice (vivid, patchy).

    >>> annealed_mean(torch.zeros(2, 1, 1), torch.tensor([[0.1, 0.2], [0.3, 0.0]]), 1.0).flatten().tolist()
    [0.20000000298023224, 0.10000000149011612]

    Raises:
        ColorlibError: if the temperature is no finite number of 0 or more.
        ValueError: if there are not as many colours as bins.
    """
    if logits.shape[-3] != len(colors):
        raise ValueError(f"logits have {logits.shape[-3]} bins where there are {len(colors)} colours")
    probabilities = annealed_probabilities(logits, temperature)
    return torch.einsum("...nhw,nc->...chw", probabilities, colors.to(probabilities))
