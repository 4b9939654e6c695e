"""What serves the notebooks: exercises, figures, plots, panels, and the runner. Met in all of them."""

from typing import TYPE_CHECKING

from colorlib.lazy import lazily

if TYPE_CHECKING:
    from colorlib.course.claims import *
    from colorlib.course.exercises import *
    from colorlib.course.figures import *
    from colorlib.course.plots import *
    from colorlib.course.quotations import *
    from colorlib.course.tables import *
    from colorlib.course.trainings import *
    from colorlib.course.widgets import *
    from colorlib.course.workbook import *

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "exercises": "check exercise EXERCISES expect NotStartedError verdict WrongAnswerError",
        "claims": "claim paper_box section_of",
        "quotations": "PAPER",
        "trainings": "ablation_scores compare_trainings",
        "tables": "measured_row",
        "figures": "annotate differences encode_image image_tag Notebook PALETTE show show_clip start_notebook",
        "plots": "bar_of_bins bin_colors bin_patches board_of_bins board_of_histograms bounds_of captioned "
        "color_word draw_figure9 gamut image_grid influence_board order_by_hue pair_of_bars plot_band "
        "plot_confidence plot_filters plot_frontier plot_influence plot_intervals plot_lambda_sweep plot_network "
        "plot_reliability plot_seeds plot_uv_map ringed side_by_side time_slice weight_card",
        "widgets": "choice hint_panel panel slider trial_panel upload uploaded_photo",
        "workbook": "find_notebooks hidden_errors kernel_environment load_profile NOTEBOOKS parameters_of PROFILES "
        "refreshed run_notebook run_workbook save_notebook source_hash",
    },
)
