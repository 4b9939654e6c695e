"""The networks, and the files that keep them. Met in notebook 04."""

from typing import TYPE_CHECKING

from colorlib.lazy import lazily

if TYPE_CHECKING:
    from colorlib.models.checkpoints import *
    from colorlib.models.encoder import *
    from colorlib.models.networks import *

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "encoder": "InvertedResidual LiteEncoder load_imagenet_weights SamePadding",
        "networks": "Bottleneck build ChannelAffine ColorUNet Context ContextUNet ContextUNetControl conv3 "
        "count_parameters DownConv FlatNet forward_at_any_size LiteUNet MODELS Network NORMS Output Up up3 UpConv",
        "checkpoints": "answering_lam bundled_checkpoints find_checkpoint list_models load_checkpoint model_card "
        "save_checkpoint WEIGHTS",
    },
)
