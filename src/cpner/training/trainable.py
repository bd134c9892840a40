"""What a training moves, with two ways to keep few sentences from being learnt by heart: dropout and shrinkage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from cpner.backbone.prefix import Prefix
from cpner.training.config import TrainingConfig
from cpner.training.optimise import Group

_DROPOUT = 3  # stream of random numbers


class Trainable:
    """Parameters, where they began, and the prefix that they yield, if they yield one.

    Args:
        groups: the parameters; no two have the same name.
        config: its `dropout`, `prior_sentences` and `seed` are used.
        sentences: how many there are to learn from.
        network: gives the prefix, each part [L, 2, H, K, D], with gradient; None where no prefix is trained.
        start: the prefix without what training adds to it; needed with `network`.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        config: TrainingConfig,
        sentences: int,
        network: Callable[[], Prefix] | None = None,
        start: Prefix | None = None,
    ) -> None:
        self.groups = groups
        self.parameters = {name: p for group in groups for name, p in group.parameters.items()}
        self._config = config
        self._network = network
        self._start = start or Prefix()
        self._initial = self.state()
        self._shrink_share = config.shrink_share_of(sentences)

    def prefix(self, step: int) -> Prefix | None:
        """The prefix in a step, counted from 0: a share of what training added to its start is left out.

        What is left out is drawn from the seed and the step alone; the mean over draws is the whole prefix.
        """
        if self._network is None or not self._config.dropout:
            return self._network and self._network()
        keep = 1 - self._config.dropout
        seed = np.random.SeedSequence([self._config.seed, _DROPOUT, step]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(seed[0]) >> 1)
        dropped = {}
        for name, part in self._network().parts.items():
            start = self._start.parts[name]
            mask = torch.rand(part.shape, generator=generator) < keep
            dropped[name] = start + (part - start) * mask.to(part) / keep
        return Prefix(**dropped)

    def baked(self) -> Prefix | None:
        """The whole prefix as plain tensors; None where no prefix is trained."""
        if self._network is None:
            return None
        with torch.no_grad():
            return self._network().detached()

    @contextmanager
    def shrunk(self) -> Iterator[None]:
        """Parameters that are a share of the way back to where they began, until the context ends.

        That is WiSE-FT (Wortsman et al., CVPR 2022). Few sentences are soon known by heart: the direction that
        training takes is right, but it goes too far.

        Reading: the paper keeps all that training changed, as `prior_sentences=0` does.
        """
        reached = self.state()
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.lerp_(self._initial[name], self._shrink_share)
        try:
            yield
        finally:
            self.load(reached)

    def state(self) -> dict[str, Tensor]:
        """Copies of the parameters by name."""
        return {name: parameter.detach().clone() for name, parameter in self.parameters.items()}

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave; other names are ignored."""
        for name, parameter in self.parameters.items():
            parameter.copy_(state[name])
