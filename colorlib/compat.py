"""Makes ``import torchvision`` work where its compiled operators are missing.

Some CPU-only installations pair a torch without CUDA with a torchvision built for it; then importing torchvision
fails with "operator torchvision::nms does not exist", although its datasets and transforms need no compiled operator.
Declaring the missing operators' signatures is enough. Imported by `colorlib` before anything else.
"""

import importlib.util
import sys

import torch

# Declarations live as long as this object: dropping it would undeclare the operators.
_declared: torch.library.Library | None = None


def ensure_torchvision() -> None:
    """Import torchvision, declaring the operators it misses if it must; does nothing where it is not installed."""
    global _declared
    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]  # half imported
        _declared = torch.library.Library("torchvision", "DEF")
        _declared.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision  # noqa: F401


ensure_torchvision()
