"""Colour as numbers and as classes: colour spaces, the UV histogram, colour bins. Met in notebooks 00 to 02."""

from typing import TYPE_CHECKING

from colorlib.lazy import lazily

if TYPE_CHECKING:
    from colorlib.color.bins import *
    from colorlib.color.lookup import *
    from colorlib.color.spaces import *

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "spaces": "chroma_of gray_of luma_of merge_luma_chroma mix_channels rgb_to_lab RGB_TO_YUV rgb_to_yuv U_LIMIT "
        "V_LIMIT YUV_TO_RGB yuv_to_rgb",
        "lookup": "contender_tables find_closest for_every_chroma look_up",
        "bins": "ColorBins RESOLUTION UVHistogram weighted_kmeans",
    },
)
