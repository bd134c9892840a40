"""How much sources may say: the share of them under which the target's sentences are likeliest (Eq. 10)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix
from cpner.corpus import Corpus
from cpner.corpus.sampling import spread
from cpner.training import TrainingConfig
from cpner.training.examples import Examples
from cpner.training.loss import target_logits
from cpner.transfer.collaborate import combine
from cpner.transfer.mixing import PAPER_SHARE

SHARES = (PAPER_SHARE, PAPER_SHARE / 2)
_SENTENCES = 100  # that are asked; more cost time and change little


def choose_share(
    backbone: Backbone,
    start: Prefix,
    sources: Sequence[Prefix],
    weights: Sequence[float],
    corpus: Corpus,
    config: TrainingConfig,
) -> float:
    """The one of `SHARES` with which the labels of the train split are likeliest before any training on them, or 0.

    Neither the start nor a source has learnt from these sentences, so that all of them are a fair test. The target's
    own prefix would be none: it knows them by heart. A source has to gain more than one standard error of its gain,
    else the share is 0: what ten sentences say by a hair is chance.

    Args:
        start: where warm-ups begin, each part [L, 2, H, K, D].
        sources: of the same shape.
        weights: S_total of each source (Eq. 8).
        corpus: the target's.
        config: its `options` and `softmax` are used.

    Raises:
        TrainingError: there is no sentence with a word.

    Reading: the paper takes 1/2, whatever the source.
    """
    plain = TrainingConfig(
        option_dropout=0.0,
        mention_replacement=0.0,
        shuffle_options=False,
        options=config.options,
        softmax=config.softmax,
    )
    examples = Examples(backbone, spread(corpus.train, _SENTENCES), corpus.types, plain)
    if len(examples.sentences) < 2:
        return 0.0  # one gain has no known error
    without = _losses(examples, start)
    gains = {share: without - _losses(examples, combine(start, sources, weights, share)) for share in SHARES}
    best = max(SHARES, key=lambda share: float(gains[share].mean()))
    error = gains[best].std() / len(without) ** 0.5
    return best if gains[best].mean() > error else 0.0


@torch.inference_mode()
def _losses(examples: Examples, prefix: Prefix) -> Tensor:
    """[N] nats of each sentence's target."""
    backbone = examples.backbone
    prefix = prefix.to(backbone.device)
    losses = []
    for rows in examples.epoch(0):
        batch = examples.batch(0, rows)
        logits = target_logits(backbone.t5, batch, prefix.expand(len(rows)))  # [B, T, C]
        pieces = F.cross_entropy(logits.transpose(1, 2), batch.labels, ignore_index=-1, reduction="none")  # [B, T]
        losses.append(pieces.sum(1))
    return torch.cat(losses)
