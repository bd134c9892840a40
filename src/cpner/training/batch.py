"""Batches to learn from: what warm-up and pretraining share (section 3.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from cpner.backbone.padding import pad, pad_masked
from cpner.instructor import Vocabulary
from cpner.instructor.grammar import Grammar


class Extra(NamedTuple):
    """A tensor [B, W, ...] that a batch carries for a task of its own, and what stands at padding of its width W."""

    tensor: Tensor
    pad: float


class ExtraTensor:
    """Lets a kind of batch read one of its extras as an attribute of the same name."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, batch: Batch, owner: type) -> Tensor:
        return batch.extras[self.name].tensor


@dataclass(frozen=True)
class Batch:
    """Rows to learn from.

    Attributes:
        source: [B, S] piece ids; `mask` is false at padding.
        inputs: [B, T] the decoder's input, the targets shifted right.
        labels: [B, T] candidate indices, or piece ids where there are no candidates; -1 at padding.
        candidates: [B, C] pieces that each row may write; `real` is false at padding. None: the whole vocabulary.
        extras: further tensors by name, for tasks of their own; they are moved and aligned with the others.
    """

    source: Tensor
    mask: Tensor
    inputs: Tensor
    labels: Tensor
    candidates: Tensor | None
    real: Tensor | None
    extras: dict[str, Extra] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        sources: Sequence[Sequence[int]],
        targets: Sequence[Sequence[int]],
        vocabulary: Vocabulary,
        grammars: Sequence[Grammar] | None,
    ) -> Batch:
        """Lay out piece ids of sources and targets; with grammars, labels are their candidates."""
        source, mask = pad_masked(sources, vocabulary.pad)
        labels = targets
        candidates = real = None
        if grammars is not None:
            labels = [grammar.index(target) for grammar, target in zip(grammars, targets, strict=True)]
            candidates, real = pad_masked([grammar.candidates for grammar in grammars], vocabulary.pad)
        return cls(
            source=source,
            mask=mask,
            inputs=pad([[vocabulary.pad, *target[:-1]] for target in targets], vocabulary.pad),
            labels=pad(labels, -1),
            candidates=candidates,
            real=real,
        )

    @property
    def kind(self) -> str:
        """What is learnt from: "entities" where each row has candidates, else "text"."""
        return "text" if self.candidates is None else "entities"

    @property
    def pieces(self) -> int:
        """Source and target pieces, without padding."""
        return int(self.mask.sum()) + int((self.labels >= 0).sum())

    def to(self, device: torch.device) -> Self:
        """Move all tensors."""
        return self._changed(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Self:
        """Page-locked copies, which a GPU fetches without waiting; `DataLoader` calls this by its name."""
        return self._changed(Tensor.pin_memory)

    def aligned(self, pad: int) -> Self:
        """The same batch with widths rounded up, as a GPU's matrix products like them."""
        return replace(
            self,
            source=_wider(self.source, pad),
            mask=_wider(self.mask, False),
            inputs=_wider(self.inputs, pad, 8),
            labels=_wider(self.labels, -1, 8),
            candidates=None if self.candidates is None else _wider(self.candidates, pad),
            real=None if self.real is None else _wider(self.real, False),
            extras={name: Extra(_wider(extra.tensor, extra.pad), extra.pad) for name, extra in self.extras.items()},
        )

    def _changed(self, change: Callable[[Tensor], Tensor]) -> Self:
        changed: dict[str, Any] = {
            name: change(value) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        extras = {name: Extra(change(extra.tensor), extra.pad) for name, extra in self.extras.items()}
        return replace(self, **changed, extras=extras)


def _wider(tensor: Tensor, value: float, multiple: int = 16) -> Tensor:
    """A tensor [B, W, ...] with W rounded up to a multiple."""
    return F.pad(tensor, (*[0] * (2 * tensor.dim() - 3), -tensor.shape[1] % multiple), value=value)
