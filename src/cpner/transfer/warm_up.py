"""Domain-specific warm-up: a fresh prefix is trained on its domain's sentences (section 3.4, Eq. 4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cpner.backbone.load import Backbone
from cpner.backbone.prefix import PrefixConfig
from cpner.backbone.start import fresh
from cpner.corpus.sentence import Sentence
from cpner.progress import Report
from cpner.training import TrainingConfig, TrainingResult, train_prefix


def warm_up(
    backbone: Backbone,
    train: Sequence[Sentence],
    dev: Sequence[Sentence],
    types: Sequence[str],
    config: TrainingConfig | None = None,
    *,
    prefix: PrefixConfig | None = None,
    run_dir: str | Path | None = None,
    resume: bool = False,
    progress: Report | None = None,
) -> TrainingResult:
    """Train a prefix from the start that all warm-ups on a backbone share (Eq. 4).

    Args:
        prefix: the prefix's shape and start; None takes the defaults. The rest is as in `train_prefix`.

    Raises:
        ConfigError, TrainingError: see `train_prefix`.
    """
    trained = fresh(backbone, prefix)
    return train_prefix(backbone, trained, train, dev, types, config, run_dir=run_dir, resume=resume, progress=progress)
