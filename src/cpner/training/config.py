"""How a prefix is trained: every setting, its unit, its default and the reason for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from cpner.settings import Settings, above, at_least, below, between, one_of

SOFTMAXES = ("candidates", "vocabulary")
_UNSET = ("lr", "patience", "eval_every", "eval_limit")


@dataclass(frozen=True)
class TrainingConfig(Settings):
    """Settings of `train_prefix`, good for ten to a few hundred sentences."""

    epochs: int = 10  # passes over the data, at most
    min_steps: int = 250  # few sentences get more passes, until they have had as many steps
    max_epochs: int = 50  # but no more passes for that reason: very few are soon known by heart
    batch_sentences: int = 8  # at most; small batches make enough steps of few sentences
    batch_pieces: int = 4096  # source pieces of a batch, padding included, at most: bounds memory
    lr: float | None = None  # highest step size of AdamW; none: 0.2 for a prefix itself, 0.003 for one from a network
    lr_ramp_steps: int = 20  # steps over which it rises from zero; then it falls as a cosine to zero
    weight_decay: float = 0.0  # it would pull back to the start of the prefix, and few steps are taken
    clip: float = 1.0  # largest norm of all gradients together
    dropout: float = 0.1  # share of what training added to the start that is left out of a step
    prior_sentences: float = 5.0  # the start counts as so many: of n, 5/(n + 5) of what training changed is taken back
    shuffle_options: bool = True  # the order of the types should not matter
    option_dropout: float = 0.1  # share of the types absent from a sentence that are not offered with it
    mention_replacement: float = 0.3  # share of the mentions that become others of their type, anew each epoch
    patience: int | None = None  # looks at the dev split without a better F1 until training stops; none: to the end
    eval_every: int | None = None  # epochs between looks at the dev split; none spreads 8 looks over the training
    eval_limit: int | None = 500  # sentences of the dev split that are looked at; none takes all
    seed: int = 0  # order of sentences and options, mentions, dropout
    softmax: str = "candidates"  # Eq. 4 over the pieces that a row could write, or over the whole "vocabulary"
    options: bool = True  # whether the source names the types (o in Eq. 1)
    checkpointing: bool = False  # compute layers again for the gradient: less memory for a large backbone, more time
    save_seconds: float = 120.0  # a checkpoint at least as often, besides one at every look

    called = "training setting "
    ranges: ClassVar = {
        at_least(1): ("epochs", "max_epochs", "batch_sentences", "batch_pieces"),
        at_least(0): ("min_steps", "lr_ramp_steps", "weight_decay", "prior_sentences", "save_seconds", *_UNSET),
        between(0, 2**63 - 1): ("seed",),
        above(0): ("clip",),
        below(1): ("dropout", "option_dropout", "mention_replacement"),
        one_of(SOFTMAXES): ("softmax",),
    }
    unset_by_zero = _UNSET

    def epochs_of(self, batches: int) -> int:
        """How many epochs a training has whose epochs have so many batches."""
        return max(self.epochs, min(self.max_epochs, math.ceil(self.min_steps / batches)))

    def shrink_share_of(self, sentences: int) -> float:
        """The share of what training changed that is taken back when there are so many sentences to learn from.

        What is kept is a mean of start and end, in which the start counts as `prior_sentences` sentences. By default,
        with 10 sentences a third is taken back, with 50 a tenth, with 500 a hundredth.
        """
        return self.prior_sentences / (sentences + self.prior_sentences)
