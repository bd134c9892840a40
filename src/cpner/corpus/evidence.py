"""What a search saw while it wrote an entity: what scores are made of."""

from __future__ import annotations

from typing import NamedTuple


class Evidence(NamedTuple):
    """What a search saw of one entity. Log-probabilities are in nats, at most 0.

    Attributes:
        raw: the probability of the entity's pieces given what was written before, in [0, 1]; no calibrated one. Where
            an ensemble votes, the mean over its members, 0 for those that did not find it.
        open: log-probability of another entity, against the end of the list.
        type: log-probability of the type, against the other options.
        mention: log-probability of the words, and of their end.
        least: log-probability of the least certain piece.
        choices: how many pieces had a rival.
        agreement: share of an ensemble's voters that found the entity; 1 for one prefix.
        mass: share of the beams' probability whose readings hold the entity; 1 for greedy search.
    """

    raw: float
    open: float
    type: float
    mention: float
    least: float
    choices: int
    agreement: float = 1.0
    mass: float = 1.0
