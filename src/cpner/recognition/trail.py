"""The log-probabilities of an entity while it is written, piece by piece."""

from __future__ import annotations

import math
from typing import NamedTuple

from cpner.corpus.evidence import Evidence
from cpner.instructor.grammar import LIST, MENTION


class Trail(NamedTuple):
    """What has been seen of the entity that is being written; log-probabilities in nats."""

    open: float = 0.0
    type: float = 0.0
    mention: float = 0.0
    least: float = 0.0
    choices: int = 0

    def longer(self, mode: int, allowed: int, log: float) -> Trail:
        """With one piece more.

        Args:
            mode: of the grammar's state before the piece; `LIST` begins anew.
            allowed: the set of candidates that it was chosen from.
            log: its log-probability among them.
        """
        choice = 1 if allowed & (allowed - 1) else 0
        if mode == LIST:
            return Trail(log, 0.0, 0.0, log, choice)
        opened, type_, mention, least, choices = self
        if mode == MENTION:
            return Trail(opened, type_, mention + log, min(least, log), choices + choice)
        return Trail(opened, type_ + log, mention, min(least, log), choices + choice)

    def evidence(self) -> Evidence:
        """What was seen, when the entity is complete."""
        raw = min(1.0, math.exp(self.open + self.type + self.mention))
        return Evidence(raw, *self)
