"""Colour spaces: RGB, YUV (one luma, two chrominance channels) and CIELAB.

The paper works in YUV because its chrominance is linear in RGB: the network sees the luma Y and
predicts the two chrominance channels U and V. All images here are tensors of shape (..., 3, H, W)
with RGB in [0, 1]; then Y is in [0, 1], U in [-0.436, 0.436] and V in [-0.615, 0.615].

Source: the paper's §1, footnote 1; matrix of BT.601/PAL as in scikit-image's `rgb2yuv`.
"""

import torch
from torch import Tensor

# Rows give Y, U and V. The inverse is computed, not typed: rounded textbook inverses drift by 1e-3.
RGB_TO_YUV = torch.tensor(
    [
        [0.299, 0.587, 0.114],
        [-0.14714119, -0.28886916, 0.43601035],
        [0.61497538, -0.51496512, -0.10001026],
    ],
    dtype=torch.float64,
)
YUV_TO_RGB = torch.linalg.inv(RGB_TO_YUV)

U_LIMIT, V_LIMIT = 0.45, 0.65  # every RGB colour has |U| <= 0.436 and |V| <= 0.615

# sRGB primaries to CIE XYZ, and the white point of daylight (D65, 2 degree observer).
RGB_TO_XYZ = torch.tensor(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]],
    dtype=torch.float64,
)
D65_WHITE = torch.tensor([0.95047, 1.0, 1.08883], dtype=torch.float64)


def rgb_to_yuv(rgb: Tensor) -> Tensor:
    """Convert RGB in [0, 1], shape (..., 3, H, W), to YUV of the same shape.

    >>> rgb_to_yuv(torch.ones(3, 1, 1)).flatten().round(decimals=6).abs().tolist()
    [1.0, 0.0, 0.0]
    """
    return torch.cat([luma_of(rgb).unsqueeze(-3), chroma_of(rgb)], dim=-3)


def yuv_to_rgb(yuv: Tensor) -> Tensor:
    """Convert YUV, shape (..., 3, H, W), back to RGB: the exact inverse, values are not clipped.

    >>> rgb = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    >>> torch.allclose(yuv_to_rgb(rgb_to_yuv(rgb)), rgb)
    True
    """
    return mix_channels(yuv, YUV_TO_RGB)


def unit_rgb(photos: Tensor) -> Tensor:
    """uint8 photos (..., H, W, 3) as the RGB that all here work on: float32 (..., 3, H, W) in [0, 1].

    >>> unit_rgb(torch.full((4, 5, 3), 255, dtype=torch.uint8)).amax((1, 2)).tolist()
    [1.0, 1.0, 1.0]
    """
    return photos.movedim(-1, -3).float() / 255


def luma_of(rgb: Tensor) -> Tensor:
    """The luma Y in [0, 1], shape (..., H, W), of RGB images of shape (..., 3, H, W).

    >>> luma_of(torch.ones(3, 2, 2)).shape
    torch.Size([2, 2])
    """
    return mix_channels(rgb, RGB_TO_YUV[:1]).squeeze(-3)


def gray_of(rgb: Tensor) -> Tensor:
    """The same picture without its colours: RGB (..., 3, H, W) with the luma in all three channels.

    >>> rgb = torch.rand(3, 2, 2)
    >>> torch.allclose(luma_of(gray_of(rgb)), luma_of(rgb)), bool(chroma_of(gray_of(rgb)).any())
    (True, False)
    """
    return luma_of(rgb).unsqueeze(-3).expand(rgb.shape)


def chroma_of(rgb: Tensor) -> Tensor:
    """The chrominance (U, V), shape (..., 2, H, W), of RGB images of shape (..., 3, H, W).

    >>> chroma_of(torch.rand(7, 3, 2, 2)).shape
    torch.Size([7, 2, 2, 2])
    """
    _require_image(rgb, 3)
    # The coefficients of U and of V sum to 0, so that of green follows from the others. Taking the differences first
    # makes the chrominance of gray exactly 0, in any precision: rounding must not decide which bin gray belongs to.
    red, green, blue = rgb.unbind(-3)
    return mix_channels(torch.stack([red - green, blue - green], dim=-3), RGB_TO_YUV[1:, [0, 2]])


def merge_luma_chroma(luma: Tensor, chroma: Tensor) -> Tensor:
    """Combine luma (..., H, W) and chrominance (..., 2, H, W) into RGB in [0, 1] that keeps the luma.

    A dark or bright pixel cannot show every colour. Clipping the RGB channels would change its
    luma and hue; instead its chrominance is scaled towards gray until the colour fits the gamut,
    which always exists because gray itself fits. Luma must be in [0, 1].

    >>> luma, chroma = torch.rand(8, 8), torch.rand(2, 8, 8) - 0.5
    >>> rgb = merge_luma_chroma(luma, chroma)
    >>> bool((rgb >= 0).all() and (rgb <= 1).all()), torch.allclose(luma_of(rgb), luma, atol=1e-5)
    (True, True)
    """
    color = mix_channels(chroma, YUV_TO_RGB[:, 1:])  # how far each RGB channel moves from gray
    gray = luma.unsqueeze(-3)
    room = torch.where(color > 0, 1 - gray, gray)
    scale = (room / color.abs().clamp(min=1e-12)).amin(dim=-3, keepdim=True).clamp(max=1)
    return (gray + scale * color).clamp(0, 1)


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB in [0, 1], shape (..., 3, H, W), to CIELAB (L in 0..100; a, b about -110..110).

    Lab distances approximate how different two colours look, so metrics are measured in it.
    Agrees with scikit-image's `rgb2lab` (D65, 2 degrees).

    >>> rgb_to_lab(torch.ones(3, 1, 1)).flatten().round(decimals=2).abs().tolist()
    [100.0, 0.0, 0.0]
    """
    _require_image(rgb, 3)
    xyz = mix_channels(to_linear(rgb), RGB_TO_XYZ / D65_WHITE[:, None])
    # The cube root's slope is infinite at 0: the clamp keeps gradients finite on the unused branch.
    root = torch.where(xyz > 0.008856, xyz.clamp(min=0.008856) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = root.unbind(-3)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-3)


def to_linear(rgb: Tensor) -> Tensor:
    """RGB in [0, 1] as amounts of light, of any shape: sRGB's curve, undone."""
    return torch.where(rgb > 0.04045, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4, rgb / 12.92)


def mix_channels(image: Tensor, matrix: Tensor) -> Tensor:
    """Multiply every pixel's channel vector, shape (..., C, H, W), by a matrix."""
    _require_image(image, matrix.shape[1])
    return torch.einsum("ij,...jhw->...ihw", matrix.to(image), image)


def _require_image(image: Tensor, channels: int) -> None:
    if image.ndim < 3 or image.shape[-3] != channels:
        raise ValueError(f"expected {channels} channels in shape (..., C, H, W), got {tuple(image.shape)}")
    if not image.is_floating_point():
        raise TypeError(f"expected floating-point values in [0, 1], got {image.dtype}: divide by 255 first")
