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

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "losses": "answer_with change_rebalancing l2_regression Objective rebalanced_cross_entropy "
        "soft_cross_entropy SoftTargets",
        "config": "learning_rate_at TrainingConfig ZOOM_STEP",
        "photos": "category_of load_cache load_photos",
        "batches": "batch_of disturb encode_batch generator_of items_of luma_of_frames shuffled",
        "state": "Interruption RunState",
        "loop": "check_finite forward learn loss_of_share lowest make_network make_optimizer progress_bar RATES "
        "short_runs starting_point train training_record validate",
    },
)
