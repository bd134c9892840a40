"""The evaluation of one model on one split: scores, errors, confusions, and their JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cpner.corpus.sentence import Entity, Prediction, Sentence, Span
from cpner.evaluation import errors, scores
from cpner.evaluation.errors import Confusion, Finding, Outcome
from cpner.evaluation.scores import Score


@dataclass(frozen=True)
class Evaluation:
    """How good predictions are, and what is wrong with them.

    Attributes:
        micro: The strict score of all types together.
        macro: The mean of the types' scores, over types that occur in gold or predictions, as in seqeval.
        per_type: The strict score of each type.
        string: The string-level score, by which text-to-text papers often report.
        errors: How many entities, or pairs of entities, had each outcome.
        confusion: Which types were taken for which.
        examples: Some errors, to be shown.
        unreachable: How many gold entities have an edge inside a word, so that they are missed whatever is predicted.
    """

    micro: Score
    macro: Score
    per_type: Mapping[str, Score]
    string: Score
    errors: Mapping[Outcome, int]
    confusion: Confusion
    examples: tuple[Finding, ...] = ()
    unreachable: int = 0

    @property
    def precision(self) -> float:
        """Strict micro precision, 0 to 100."""
        return self.micro.precision

    @property
    def recall(self) -> float:
        """Strict micro recall, 0 to 100."""
        return self.micro.recall

    @property
    def f1(self) -> float:
        """Strict micro F1, 0 to 100."""
        return self.micro.f1

    @property
    def support(self) -> int:
        """How many gold entities there are."""
        return self.micro.support

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts, lists and numbers, figures from 0 to 100, as `cpner evaluate --json` prints them."""
        return {
            **self.micro._asdict(),
            "per_type": {type: score._asdict() for type, score in self.per_type.items()},
            "string": {name: value for name, value in self.string._asdict().items() if name != "support"},
            "macro": {name: value for name, value in self.macro._asdict().items() if name != "support"},
            "errors": {outcome.value: count for outcome, count in self.errors.items()},
            "confusion": {"types": self.confusion.labels, "counts": [list(row) for row in self.confusion.counts]},
            "unreachable": self.unreachable,
            "examples": [_example(finding) for finding in self.examples],
        }


def evaluate(
    gold: Sequence[Sentence],
    predicted: Sequence[Sequence[Span | Prediction]],
    types: Sequence[str] | None = None,
    *,
    examples: int = 10,
) -> Evaluation:
    """Compare predicted entities with labelled ones.

    Args:
        gold: Labelled sentences.
        predicted: What was recognised in each sentence, or its spans of words, in any order; they may overlap.
        types: The domain's types, in the order wanted; types that occur beyond them follow by name.
        examples: The largest number of errors to keep for show.

    Raises:
        CorpusError: `gold` and `predicted` differ in length, or a span is empty or lies outside its sentence.

    Example:
        >>> sentence = Sentence.from_words(["Bob", "Dylan", "sang"], [Span(0, 2, "person")])
        >>> evaluate([sentence], [[Span(0, 2, "person")]]).f1
        100.0
    """
    aligned = scores.align(gold, predicted)
    per_type = scores.score_per_type(aligned, types or ())
    findings = [finding for pair in aligned for finding in errors.find_outcomes(pair)]
    seen = {span.type for _, _, *spans in findings for span in spans if span}
    return Evaluation(
        micro=scores.score_strict(aligned),
        macro=scores.score_macro([score for type, score in per_type.items() if type in seen]),
        per_type=per_type,
        string=scores.score_strings(aligned),
        errors=errors.count_outcomes(findings),
        confusion=errors.count_confusions(findings, list(per_type)),
        examples=errors.choose_examples(findings, examples),
        unreachable=sum(len(sentence.unreachable) for sentence in gold),
    )


def _example(finding: Finding) -> dict[str, Any]:
    return {
        "outcome": finding.outcome.value,
        "text": finding.sentence.text,
        "gold": _entity(finding.sentence, finding.gold),
        "predicted": _entity(finding.sentence, finding.predicted),
    }


def _entity(sentence: Sentence, span: Span | Entity | None) -> dict[str, Any] | None:
    if span is None:
        return None
    entity = sentence.entity(span)
    return {"start": entity.start, "end": entity.end, "type": entity.type, "text": entity.text}
