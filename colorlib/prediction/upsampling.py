"""Colours at full resolution: the chrominance of a small picture follows the edges of a large luma."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from colorlib.color.spaces import luma_of, merge_luma_chroma
from colorlib.data.photos import to_tensor, to_uint8

STRIP = 2_000_000  # pixels coloured at a time, so that memory does not grow with the photo


def upsample_and_merge(rgb: np.ndarray, luma: Tensor, chroma: Tensor) -> np.ndarray:
    """Give a photo (H, W, 3) uint8 the chrominance (2, h, w) predicted on its small luma (h, w).

    The chrominance is upsampled to the photo's size along the photo's own edges and joined with its own luma.
    Works in strips, so a 40-megapixel photo needs little more memory than itself.
    """
    height, width = rgb.shape[:2]
    if chroma.shape[-2:] == (height, width):
        return to_uint8(merge_luma_chroma(luma_of(to_tensor(rgb)), chroma))
    slope, offset = guided_filter_coefficients(luma, chroma)
    small = torch.cat([slope, offset])  # (4, h, w)
    down, across = bilinear_matrix(luma.shape[0], height), bilinear_matrix(luma.shape[1], width)
    result = np.empty_like(rgb)
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        strip = slice(top, top + rows)
        slope, offset = (down[strip] @ small @ across.T).split(2)
        full = luma_of(to_tensor(rgb[strip]))
        result[strip] = to_uint8(merge_luma_chroma(full, slope * full + offset))
    return result


def guided_filter_coefficients(
    luma: Tensor, chroma: Tensor, radius: int = 2, smoothing: float = 1e-3
) -> tuple[Tensor, Tensor]:
    """Around each pixel, the line chroma ≈ slope · luma + offset that fits its neighbourhood best.

    The guided filter of He & Sun (2015): upsampling slope and offset instead of the chrominance itself makes colour
    borders follow the edges of the full-size luma. Both results are (2, h, w).
    """

    def mean(x: Tensor) -> Tensor:
        padded = F.pad(x[None], (radius,) * 4, mode="replicate")
        return F.avg_pool2d(padded, 2 * radius + 1, stride=1)[0]

    luma = luma[None]
    variance = mean(luma**2) - mean(luma) ** 2
    covariance = mean(luma * chroma) - mean(luma) * mean(chroma)
    slope = covariance / (variance.clamp(min=0) + smoothing)
    offset = mean(chroma) - slope * mean(luma)
    return mean(slope), mean(offset)


def bilinear_matrix(size: int, new_size: int) -> Tensor:
    """The matrix (new_size, size) of bilinear enlargement along one axis; every row sums to 1.

    >>> bilinear_matrix(2, 4).tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    return F.interpolate(torch.eye(size)[None], new_size, mode="linear")[0].T
