"""What experiments may cost. Needs no torch, so that the command line can show it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """What a grid may cost: fewer source sentences and epochs make it small enough for two cores."""

    source_sentences: int | None = 3000  # of a source's training split; None for all
    source_epochs: int = 3  # of a source with more than 1,000 sentences; small ones take as many as a target
    epochs: int | None = None  # of a target's training; None for the default of `TrainingConfig`
    sentences: int | None = None  # of a target's training split, at most; None for all
    dev_sentences: int = 150  # of the dev split, to choose the best epoch by; decoding them is most of an epoch's cost
    test_sentences: int | None = None  # None for the whole test split
    dapt_steps: int = 300  # updates on unlabelled text
    unlabelled_sentences: int = 1500  # of the target, for self-training
