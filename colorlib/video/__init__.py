"""Films: colours that keep still, and the numbers that say so. Met in notebook 11."""

from typing import TYPE_CHECKING

from colorlib.lazy import lazily

if TYPE_CHECKING:
    from colorlib.video.clock import *
    from colorlib.video.cuts import *
    from colorlib.video.encoder import *
    from colorlib.video.film import *
    from colorlib.video.frames import *
    from colorlib.video.lookahead import *
    from colorlib.video.metrics import *
    from colorlib.video.motion import *
    from colorlib.video.pieces import *
    from colorlib.video.pipeline import *
    from colorlib.video.shots import *
    from colorlib.video.smoothing import *
    from colorlib.video.tracks import *

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "smoothing": "average_of ColorKernel ConfidenceKernel counted frames_until_forgotten published_alpha "
        "smooth_colors Smoother StillKernel TemporalKernel",
        "lookahead": "COOLER Lookahead steady_color",
        "motion": "backward_flow diffuse inside Motion MotionKernel neighbours SeedKernel warp",
        "cuts": "correlation SceneCuts thumbnail",
        "clock": "Clock Growing",
        "frames": "BT601 BT709 ColorStandard LumaReader standard_of",
        "film": "Film open_film Picture",
        "encoder": "encode_clip ENCODERS FilmWriter",
        "tracks": "assemble can_hold Tracks",
        "pieces": "keeping kept_pictures Pieces",
        "pipeline": "ahead chroma_planes colorize_film METHODS paint_all paint_picture place_for prepared Prepared "
        "Report small_luma SMOOTHERS VideoColorizer",
        "shots": "camera_move joined MOVES real_clip Shot visible",
        "metrics": "color_distribution_consistency flicker lag predictions score score_shot smoothed_chroma "
        "still_pixels summarize_shots times_steadier warp_error",
    },
)
