"""The losses: rebalanced cross-entropy over colour bins (paper §2.1) and, for comparison, L2 (§1)."""

import torch.nn.functional as F
from torch import Tensor

IGNORED = -100  # the class index that PyTorch's cross-entropy leaves out


def rebalanced_cross_entropy(logits: Tensor, target: Tensor, weights: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean over the photo's pixels of w[bin] · -log softmax(logits)[bin]: a scalar in nats.

    Args:
        logits: (B, n, H, W), before the softmax.
        target: (B, H, W), int64 bin of each pixel.
        weights: (n,), from `ColorBins.weights`; their expected value is 1, so the loss of a
            uniform prediction is about log n.
        mask: (B, H, W), true where the photo is; padding outside it changes neither value nor gradient.

    The mean divides by the number of pixels, not by their summed weights as PyTorch's own mean does:
    otherwise a batch of rare colours would count no more than a batch of common ones.

    >>> import torch
    >>> loss = rebalanced_cross_entropy(torch.zeros(1, 32, 4, 4), torch.zeros(1, 4, 4).long(), torch.ones(32))
    >>> round(float(loss), 4)  # log 32
    3.4657
    """
    if mask is not None:
        target = target.masked_fill(~mask, IGNORED)
    total = F.cross_entropy(logits, target, weight=weights, ignore_index=IGNORED, reduction="sum")
    pixels = target.numel() if mask is None else mask.sum().clamp(min=1)
    return total / pixels


def l2_regression(prediction: Tensor, chroma: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean squared distance between predicted and true chrominance, both (B, 2, H, W): a scalar.

    The classical loss that the paper argues against: its best answer to "red or blue?" is gray.

    >>> import torch
    >>> float(l2_regression(torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 4, 4)))
    2.0
    """
    squared = ((prediction - chroma) ** 2).sum(dim=1)
    if mask is None:
        return squared.mean()
    return (squared * mask).sum() / mask.sum().clamp(min=1)
