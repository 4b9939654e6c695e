"""How long does the network take for an input of 256 × 256 pixels?

With the memory layout that `Colorizer` chooses (channels last), with PyTorch's default, and for eight inputs at once.
"""

import torch

from benchmarks import Row, race
from colorlib.models import ColorUNet

MULTIPLY_ADDS = 1.08e9  # of ColorUNet's convolutions at 256 x 256 for n = 32


@torch.inference_mode()
def measure() -> list[Row]:
    model = ColorUNet().eval()
    columns = ColorUNet().eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    image = torch.rand(1, 1, 256, 256)
    batch = torch.rand(8, 1, 256, 256)
    rows = race(
        {
            "ColorUNet, channels last (as used)": lambda: columns(image),
            "ColorUNet, default layout": lambda: model(image),
            "ColorUNet, channels last, 8 inputs": lambda: columns(batch),
        }
    )
    for row, images in zip(rows, (1, 1, 8), strict=True):
        row.note = f"{images * MULTIPLY_ADDS / row.median / 1e9:.0f} GMAC/s"
    return rows
