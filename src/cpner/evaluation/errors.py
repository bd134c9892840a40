"""What went wrong: each gold and each predicted entity in exactly one class, and which types are confused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import chain, zip_longest
from typing import NamedTuple

from cpner.corpus.sentence import Entity, Sentence, Span
from cpner.evaluation.scores import Aligned


class Outcome(StrEnum):
    """What became of an entity. The first four take one gold and one predicted entity, the others a single one."""

    RIGHT = "right"  # same offsets, same type
    TYPE = "type"  # same offsets, other type
    BOUNDARY = "boundary"  # they overlap, same type
    BOUNDARY_AND_TYPE = "boundary_and_type"  # they overlap, other type
    MISSED = "missed"  # a gold entity without partner
    SPURIOUS = "spurious"  # a predicted entity without partner

    @property
    def label(self) -> str:
        """The outcome in words."""
        return self.value.replace("_", " ")


class Finding(NamedTuple):
    """The outcome of a gold entity, of a predicted one, or of two that were paired."""

    outcome: Outcome
    sentence: Sentence
    gold: Span | Entity | None  # an entity where no span of words is it
    predicted: Span | None


class Confusion(NamedTuple):
    """How often each gold type met each predicted type.

    `counts[g][p]` counts the paired entities of gold type `types[g]` and predicted type `types[p]`, whether their
    boundaries agree or not. A last row and column stand for "none": spurious and missed entities. So rows sum to the
    gold entities of a type and columns to the predicted ones.
    """

    types: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @property
    def labels(self) -> list[str]:
        """The names of rows and columns: the types, then "none"."""
        return [*self.types, "none"]


def find_outcomes(aligned: Aligned) -> list[Finding]:
    """Class every gold and every predicted entity of a sentence, each exactly once.

    Entities that share a word can be paired, one gold with one predicted. Pairs are taken greedily: first the right
    ones, then type, boundary, and boundary-and-type errors. Within a class the pair with most words in common comes
    first, then the leftmost. What stays alone is missed or spurious: a gold entity that was predicted in two pieces
    gives one boundary error and one spurious entity. An entity that no span of words can be is missed.
    """
    sentence, predicted = aligned
    candidates = [(_outcome(g, p), g, p) for g in sentence.spans for p in predicted if _overlap(g, p) > 0]
    candidates.sort(key=lambda c: (_ORDER[c[0]], -_overlap(c[1], c[2]), c[1], c[2]))
    alone = dict.fromkeys(sentence.gold)
    unmatched = dict.fromkeys(predicted)
    findings = []
    for outcome, g, p in candidates:
        if g in alone and p in unmatched:
            del alone[g], unmatched[p]
            findings.append(Finding(outcome, sentence, g, p))
    findings += [Finding(Outcome.MISSED, sentence, g, None) for g in alone]
    return findings + [Finding(Outcome.SPURIOUS, sentence, None, p) for p in unmatched]


def count_outcomes(findings: Iterable[Finding]) -> dict[Outcome, int]:
    """Count the findings of each outcome, zeros included."""
    counts = dict.fromkeys(Outcome, 0)
    for finding in findings:
        counts[finding.outcome] += 1
    return counts


def count_confusions(findings: Iterable[Finding], types: Sequence[str]) -> Confusion:
    """Count which gold type met which predicted type. `types` must hold every type of the findings."""
    index = {type: i for i, type in enumerate(types)}
    none = len(types)
    counts = [[0] * (none + 1) for _ in range(none + 1)]
    for finding in findings:
        row = index[finding.gold.type] if finding.gold else none
        column = index[finding.predicted.type] if finding.predicted else none
        counts[row][column] += 1
    return Confusion(tuple(types), tuple(map(tuple, counts)))


def choose_examples(findings: Iterable[Finding], limit: int) -> tuple[Finding, ...]:
    """Take up to `limit` errors, from each kind of error in turn, so that a frequent kind can't hide a rare one."""
    kinds: dict[Outcome, list[Finding]] = {outcome: [] for outcome in Outcome if outcome is not Outcome.RIGHT}
    for finding in findings:
        if finding.outcome in kinds and len(kinds[finding.outcome]) < limit:
            kinds[finding.outcome].append(finding)
    turns: Iterator[Finding | None] = chain.from_iterable(zip_longest(*kinds.values()))
    return tuple(finding for finding in turns if finding)[:limit]


_ORDER = {outcome: rank for rank, outcome in enumerate(Outcome)}


def _outcome(gold: Span, predicted: Span) -> Outcome:
    if gold[:2] == predicted[:2]:
        return Outcome.RIGHT if gold.type == predicted.type else Outcome.TYPE
    return Outcome.BOUNDARY if gold.type == predicted.type else Outcome.BOUNDARY_AND_TYPE


def _overlap(a: Span, b: Span) -> int:
    return min(a.end, b.end) - max(a.start, b.start)
