"""How good, how sure, and how certain we are of both. Met in notebooks 07 to 10."""

from typing import TYPE_CHECKING

from colorlib.lazy import lazily

if TYPE_CHECKING:
    from colorlib.evaluation.confidence import *
    from colorlib.evaluation.evaluate import *
    from colorlib.evaluation.forced_choice import *
    from colorlib.evaluation.intervals import *
    from colorlib.evaluation.metrics import *
    from colorlib.evaluation.perceptual import *
    from colorlib.evaluation.select import *
    from colorlib.evaluation.zhang2016 import *

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "metrics": "ab_distance area_under_accuracy bin_accuracy bin_histogram color_bleeding colorfulness "
        "jensen_shannon psnr rarity ruler stain_area stains",
        "intervals": "bootstrap CANNOT_TELL group_verdict Interval jackknife LESS MORE photo_verdict seed_verdict "
        "student Verdict wilson_interval",
        "confidence": "aurc auroc calibration_error distance_to_edge fit_temperature LEVELS margin "
        "mean_by_band risk_coverage sample_pixels reliability_table top_ratio top_score",
        "evaluate": "Baselines BASELINES CONSTANT constant_forecast CONTENDERS Evaluation FINE_LEVELS "
        "format_metrics ImageMetric logits_and_target measure METRICS to_json",
        "select": "AS_COLORFUL best_input_size best_zoom choose chroma_by_temperature finalize_checkpoint Frontier "
        "INPUT_SIZES measure_frontier TEMPERATURES ZOOMS",
        "perceptual": "Classifier find_image_metrics labels_by_folder package_file read_weights recognition",
        "zhang2016": "ZhangColorizer ZhangNet",
        "forced_choice": "Answer fooled_rate make_trials save_answer synthetic_answers Trial",
    },
)
