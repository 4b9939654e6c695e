"""Photographs, one and by the thousand: reading, data sets, caches, augmentation. Met in notebook 03."""

from typing import TYPE_CHECKING

from colorlib.lazy import lazily

if TYPE_CHECKING:
    from colorlib.data.augment import *
    from colorlib.data.cache import *
    from colorlib.data.datasets import *
    from colorlib.data.decoding import *
    from colorlib.data.duplicates import *
    from colorlib.data.finding import *
    from colorlib.data.metadata import *
    from colorlib.data.photos import *
    from colorlib.data.sevenfold import *
    from colorlib.data.sources import *
    from colorlib.data.writing import *

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "decoding": "SUFFIXES",
        "metadata": "Metadata metadata_of",
        "photos": "as_rgb count_pages fit fit_frame Page read_pages read_photo to_tensor to_uint8",
        "writing": "left_out write_photo",
        "finding": "find_photos Found look_through",
        "datasets": "bundled count_chroma decode_photo has_bundled load_padded mean_chroma NEAR_GRAY "
        "PaddedPhotos Photo",
        "sources": "ensure_torchvision folder_sources imagenet IMAGENET_LANDSCAPES places365 PLACES_LANDSCAPES "
        "Source sun397 SUN_LANDSCAPES",
        "duplicates": "group near_duplicates thumbnail",
        "cache": "Cache draw_split Entry prepare",
        "augment": "add_noise ASPECTS random_blur random_crops random_flips random_levels random_resized_crops "
        "random_shape random_tone random_zoom",
        "sevenfold": "CROP_SHARE MODES NOISE_VARIANCES normal sevenfold_batch uniform VARIANTS",
    },
)
