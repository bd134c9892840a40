"""What a batch teaches a model in pretraining."""

from __future__ import annotations

from torch import Tensor, nn

from cpner.backbone.t5 import T5
from cpner.backbone.tagger import Tagger
from cpner.pretraining.distillation import Distiller, WordBatch
from cpner.pretraining.tagging import TaggedBatch, tagging_loss
from cpner.training.batch import Batch
from cpner.training.loss import cross_entropy


class Loss(nn.Module):
    """What a batch teaches.

    For text, the mean cross-entropy over the vocabulary. For entities, that over each row's candidates, and the
    tagger's, times `tagging`. For a teacher's text, how far the encoder is from the teacher.
    """

    def __init__(self, t5: T5, tagging: float = 0.0, seed: int = 0, distiller: Distiller | None = None) -> None:
        super().__init__()
        self.distiller = distiller
        self.t5 = t5
        self.tagging = tagging
        self.tagger = Tagger(t5.shape.d_model, seed=seed) if tagging else None

    def forward(self, batch: Batch) -> Tensor:
        """A scalar, in nats, or one minus a cosine."""
        if self.distiller is not None and isinstance(batch, WordBatch):
            distance: Tensor = self.distiller(self.t5, batch)
            return distance
        encoded = self.t5.encode(batch.source, batch.mask)
        loss = cross_entropy(self.t5, batch, encoded=encoded)
        if self.tagger is not None and isinstance(batch, TaggedBatch):
            loss = loss + self.tagging * tagging_loss(self.tagger, encoded, batch)
        return loss
