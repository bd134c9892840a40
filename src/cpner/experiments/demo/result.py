"""What the demo measured, and what may be said of it. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cpner.evaluation import Comparison
from cpner.show.entities import Tagged

NONE = "none"
SINGLE = "single"
SEVERAL = "several"
KINDS = (NONE, SINGLE, SEVERAL)


@dataclass(frozen=True)
class Trained:
    """A domain after its warm-up on all training sentences."""

    name: str
    types: Sequence[str]
    sentences: int
    entities: int
    f1: float  # on its test split, 0 to 100
    curve: Sequence[float]  # F1 on the dev split, look by look
    seconds: float
    size_bytes: int


@dataclass(frozen=True)
class Variant:
    """The target, learnt from some sentences with the help of some sources; figures on its test split, 0 to 100."""

    sentences: int
    kind: str  # of KINDS
    domain: str  # its name in the store
    sources: Mapping[str, float]  # their weights
    precision: float
    recall: float
    f1: float
    seconds: float


@dataclass(frozen=True)
class Difference:
    """F1 of a variant less that of another one, learnt from the same sentences, and its 95 % interval."""

    sentences: int
    kind: str
    against: str
    result: Comparison


@dataclass(frozen=True)
class Example:
    """A test sentence with its labels and what was predicted."""

    gold: Tagged
    predicted: Tagged


@dataclass(frozen=True)
class Likeness:
    """The selector's figures for all pairs: rows are targets, columns sources; nothing weighs itself (None)."""

    names: Sequence[str]
    entity: Sequence[Sequence[float]]
    prefix: Sequence[Sequence[float]]
    weights: Sequence[Sequence[float | None]]


@dataclass(frozen=True)
class DemoResult:
    """All that the report shows."""

    target: str
    backbone: Mapping[str, Any]
    settings: Mapping[str, Any]
    versions: Mapping[str, Any]
    seconds: float
    trained: Sequence[Trained]
    likeness: Likeness
    zero_shot_f1: float
    variants: Sequence[Variant]
    differences: Sequence[Difference]
    examples: Sequence[Example]
    views: Sequence[Tagged]  # one sentence through the eyes of every domain
    prompt: tuple[str, str]  # what the model reads, and what it should write

    @property
    def sizes(self) -> list[int]:
        """The numbers of training sentences that were tried, ascending."""
        return sorted({variant.sentences for variant in self.variants})

    def variant(self, sentences: int, kind: str) -> Variant:
        """One of the variants."""
        return next(variant for variant in self.variants if (variant.sentences, variant.kind) == (sentences, kind))

    def difference(self, sentences: int, kind: str, against: str) -> Comparison:
        """One of the comparisons."""
        wanted = (sentences, kind, against)
        return next(d.result for d in self.differences if (d.sentences, d.kind, d.against) == wanted)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers."""
        return {
            **asdict(self),
            "differences": [{**asdict(d), "result": d.result._asdict()} for d in self.differences],
            "examples": [{"gold": e.gold.to_json(), "found": e.predicted.to_json()} for e in self.examples],
            "views": [view.to_json() for view in self.views],
            "prompt": dict(zip(("source", "target"), self.prompt, strict=True)),
        }


def label(variant: Variant) -> str:
    """The sources of a variant in words."""
    if variant.kind == NONE:
        return "no source"
    return f"one source ({next(iter(variant.sources))})" if variant.kind == SINGLE else "all sources"


def verdict(result: DemoResult) -> list[str]:
    """Say for each number of sentences what the sources did, and whether that can be told from chance."""
    return [_judge(result, size) for size in result.sizes]


def _judge(result: DemoResult, size: int) -> str:
    over_none = result.difference(size, SEVERAL, NONE)
    over_one = result.difference(size, SEVERAL, SINGLE)
    words = (
        f"With {size} training sentences, all {len(result.variant(size, SEVERAL).sources)} sources together came out "
        f"{_compare(over_none)} no source, and {_compare(over_one)} the most similar source alone."
    )
    if over_none.low > 0:
        return f"{words} The sources helped."
    if over_none.difference <= 0:
        return f"{words} The sources did not help."
    return f"{words} Whether the sources helped, so small a test can't tell."


def _compare(comparison: Comparison) -> str:
    change, low, high, _ = comparison
    interval = f"(95 % interval {low:+.1f} to {high:+.1f})".replace("-", "\u2212")
    if abs(change) < 0.05:
        return f"level {interval} with"
    return f"{abs(change):.1f} points of F1 {interval} {'above' if change > 0 else 'below'}"
