"""Training of prefixes: settings, batches, the loop, checkpoints (section 3.4, Eq. 4)."""

from cpner.progress import Progress
from cpner.training.config import TrainingConfig
from cpner.training.prefix import TrainingResult, check_types, train_prefix
from cpner.training.run_dir import RunDir

__all__ = ["Progress", "RunDir", "TrainingConfig", "TrainingResult", "check_types", "train_prefix"]
