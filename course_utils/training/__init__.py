"""One training loop for every model of the course, its history, and checkpoints."""

from course_utils.training.checkpoints import (
    CHECKPOINTS,
    CheckpointError,
    load_checkpoint,
    save_checkpoint,
)
from course_utils.training.loop import History, NonFiniteLoss, evaluate, fit
from course_utils.training.steps import as_input, has_bfloat16, matmul_precision, one_cycle

__all__ = [
    "CHECKPOINTS",
    "CheckpointError",
    "History",
    "NonFiniteLoss",
    "as_input",
    "evaluate",
    "fit",
    "has_bfloat16",
    "load_checkpoint",
    "matmul_precision",
    "one_cycle",
    "save_checkpoint",
]
