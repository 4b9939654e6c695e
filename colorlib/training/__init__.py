"""What a network learns, and the loop in which it learns. Met in notebook 05."""

from typing import TYPE_CHECKING

from colorlib.lazy import lazily

if TYPE_CHECKING:
    from colorlib.training.batches import *
    from colorlib.training.config import *
    from colorlib.training.loop import *
    from colorlib.training.losses import *
    from colorlib.training.photos import *
    from colorlib.training.state import *
    from colorlib.training.teachers import *

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "losses": "adjust_logits adjust_output_bias distillation l2_regression mean_color_error mean_over_everything "
        "Objective rebalanced_cross_entropy soft_cross_entropy SoftTargets",
        "config": "BIN_METHODS describe_settings learning_rate_at TrainingConfig ZOOM_STEP",
        "photos": "bundled_here category_of load_cache load_photos",
        "batches": "at_output_size batch_indices degrade_luma draw_batch encode_batch forward generator_for "
        "luma_of_photos shuffled",
        "state": "Interruption RunState",
        "teachers": "find_teacher Teacher",
        "loop": "check_finite choose_bins choose_rate fingerprint local_loss make_network make_optimizer "
        "progress_bar RATES starting_point sweep_learning_rates train training_record training_step validate",
    },
)
