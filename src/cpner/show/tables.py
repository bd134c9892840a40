"""Tables: for the terminal, those of an evaluation and of its scores, and in Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cpner.calibration.assess import Assessment
from cpner.calibration.report import COVERAGES, Calibration
from cpner.corpus.sentence import Entity, Sentence, Span
from cpner.evaluation import Evaluation, Finding, Score

_GOLD = "green"
_PREDICTED = "red"


def text_table(title: str, *columns: str) -> Table:
    """An empty table of words: each column stands at the left."""
    heading = Text(title) if title else None
    table = Table(title=heading, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(Text(column))
    return table


def figure_table(title: str, first: str, *figures: str) -> Table:
    """An empty table with a column of words, and columns of figures, which stand at the right."""
    table = text_table(title, first)
    for figure in figures:
        table.add_column(Text(figure), justify="right")
    return table


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """The lines of a table in Markdown; a bar in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(map(_cell, line))} |" for line in lines]


def report(evaluation: Evaluation, title: str = "") -> RenderableType:
    """Lay out the scores, the error breakdown and the example errors of an evaluation."""
    parts: list[RenderableType] = [score_table(evaluation, title), outcome_table(evaluation)]
    if evaluation.examples:
        parts.append(example_table(evaluation.examples))
    if evaluation.unreachable:
        parts.append(Text(f"{evaluation.unreachable:,} entities begin or end inside a word: missed in any case"))
    return Group(*parts)


def score_table(evaluation: Evaluation, title: str = "") -> Table:
    """Tabulate precision, recall, F1 and support: of each type, then micro, macro and string-level."""
    table = figure_table(title, "type", "precision", "recall", "F1", "support")
    for type, score in evaluation.per_type.items():
        table.add_row(Text(type), *_cells(score))
    table.add_section()
    table.add_row("all (micro)", *_cells(evaluation.micro), style="bold")
    table.add_row("mean of types (macro)", *_cells(evaluation.macro))
    table.add_row("string-level", *_cells(evaluation.string))
    return table


def outcome_table(evaluation: Evaluation) -> Table:
    """Tabulate how many entities were right, missed and so on, with their shares."""
    table = figure_table("", "entities", "count", "share")
    total = max(sum(evaluation.errors.values()), 1)
    for outcome, count in evaluation.errors.items():
        table.add_row(outcome.label, f"{count:,}", f"{100 * count / total:.1f} %")
    return table


def example_table(examples: Iterable[Finding]) -> Table:
    """Tabulate errors with the sentence around them."""
    table = text_table("", "error", "gold", "predicted", "sentence")
    for finding in examples:
        table.add_row(
            finding.outcome.label,
            _entity(finding.sentence, finding.gold, _GOLD),
            _entity(finding.sentence, finding.predicted, _PREDICTED),
            _context(finding),
        )
    return table


def calibration_tables(assessment: Assessment) -> list[RenderableType]:
    """Tabulate how good scores are, and what thresholds do."""
    columns = {"raw": assessment.raw, "calibrated": assessment.calibrated, "sentences": assessment.sentences}
    known = {name: part for name, part in columns.items() if part is not None}
    table = figure_table("Are scores probabilities?", "", *known)
    rows: dict[str, Callable[[Calibration], str]] = {
        "scored": lambda part: f"{part.entities:,}",
        "calibration error (ECE)": lambda part: f"{part.ece:.3f}",
        "its 95 % interval": lambda part: f"{part.low:.3f} to {part.high:.3f}",
        "of perfect scores, by chance": lambda part: f"{part.noise:.3f}",
        "Brier score": lambda part: f"{part.brier:.4f}",
        "its refinement": lambda part: f"{part.refinement:.4f}",
        "risk over coverages (AURC)": lambda part: f"{part.aurc:.4f}",
        **{f"right of the surest {at} %": partial(_share_right, at) for at in COVERAGES},
    }
    for name, figure in rows.items():
        table.add_row(name, *(figure(part) for part in known.values()))
    curve = figure_table("Thresholds", "least score", "precision", "recall", "F1", "entities")
    for point in assessment.curve:
        figures = (f"{value:.2f}" for value in (point.precision, point.recall, point.f1))
        curve.add_row(f"{point.threshold:.1f}", *figures, f"{point.entities:,}")
    return [table, curve]


def _share_right(coverage: int, part: Calibration) -> str:
    return f"{100 * part.precision_at[coverage]:.1f} %"


def _cell(value: object) -> str:
    return re.sub(r"(?<!\\)\|", r"\|", str(value))


def _cells(score: Score) -> list[str]:
    return [f"{score.precision:.2f}", f"{score.recall:.2f}", f"{score.f1:.2f}", f"{score.support:,}"]


def _entity(sentence: Sentence, span: Span | Entity | None, style: str) -> Text:
    return Text("-") if span is None else Text(f"{span.type}: {sentence.entity(span).text}", style=style)


def _context(finding: Finding, around: int = 30) -> Text:
    """Cut the sentence to the entities and some characters on both sides, and mark the entities."""
    text = finding.sentence.text
    entities = []
    for span, style in ((finding.predicted, _PREDICTED), (finding.gold, _GOLD)):
        if span:
            entities.append((finding.sentence.entity(span), f"underline {style}"))
    start = max(min(entity.start for entity, _ in entities) - around, 0)
    end = min(max(entity.end for entity, _ in entities) + around, len(text))
    marked = Text(text)
    for entity, style in entities:
        marked.stylize(style, entity.start, entity.end)
    shown = marked[start:end]
    shown = Text("… ") + shown if start else shown
    return shown + Text(" …") if end < len(text) else shown
