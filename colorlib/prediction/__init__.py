"""From a network's scores to a coloured photo at full size. Met in notebook 06."""

from typing import TYPE_CHECKING

from colorlib.lazy import lazily

if TYPE_CHECKING:
    from colorlib.prediction.annealing import *
    from colorlib.prediction.colorizer import *
    from colorlib.prediction.export import *
    from colorlib.prediction.hints import *
    from colorlib.prediction.propagation import *
    from colorlib.prediction.reference import *
    from colorlib.prediction.upsampling import *

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "annealing": "annealed_mean annealed_probabilities",
        "upsampling": "bilinear_matrix guided_filter_coefficients upsample_and_merge",
        "colorizer": "Colorizer DEFAULT_MODEL",
        "propagation": "affinities choose_seeds enlarge laplacian propagate refine refined_chroma "
        "Seeds SOLVED_AT spread_fast",
        "reference": "Palette shift_towards",
        "hints": "apply_hints chroma_of_html format_hints GuidedColorizer Hint html_of palette parse_hints "
        "read_hints Swatch write_hints",
        "export": "export_onnx",
    },
)
