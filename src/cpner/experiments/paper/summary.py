"""What an experiment found, as one JSON file: the records of its cells, how rows compare, and cases (section 4)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cpner.corpus import Corpus, Sentence, Span
from cpner.errors import CorpusError
from cpner.evaluation import MeanDeviation, mean_and_deviation, paired_bootstrap
from cpner.experiments.paper.cells import Cell
from cpner.experiments.paper.grid import Grid, Record, read_spans
from cpner.files import write_text

Summary = dict[str, Any]
_CELL = ("target", "sources", "shots", "count", "strategy", "variant", "seed")
_FIGURES = (
    "f1", "precision", "recall", "string_f1", "dev_f1", "trained_parameters", "bytes", "seconds",
    "backbone", "backbone_fingerprint", "device", "commit",
)  # fmt: skip
_SAMPLES = 1000  # of the bootstrap
_CASES = 3  # of a target
_SHORTEST = 4  # letters of an entity that is looked for in the sources; shorter ones are found everywhere
# What the rows of an experiment are compared with: the cell of the same target and size with this strategy.
REFERENCES = {
    "table1": ("none",),
    "table2": ("none", "single"),
    "table3": ("none",),
    "figure4": ("collaborate",),
    "learning-curve": ("none",),
    "baselines": ("collaborate",),
    "vote": ("none",),
    "self-training": ("none", "seeds"),
    "selection": ("none",),
    "own": ("none",),
}


def summarise(experiment: str, grid: Grid, records: Sequence[Record]) -> Summary:
    """Put the records of an experiment together, without their predictions."""
    summary: Summary = {
        "experiment": experiment,
        "records": [{name: value for name, value in record.items() if name != "found"} for record in records],
        "comparisons": list(_comparisons(experiment, grid, records)),
    }
    if experiment == "table3":
        summary["cases"] = list(_cases(grid, records))
    return summary


def write_summary(summary: Summary, out: Path) -> Path:
    """Write `OUT/EXPERIMENT.json`."""
    path = out / f"{summary['experiment']}.json"
    write_text(path, [json.dumps(summary, indent=1, ensure_ascii=False)])
    return path


def write_csv(summaries: Iterable[Summary], path: Path) -> None:
    """Write a row for each cell of some experiments, with what tells the cell and what came of it."""
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("experiment", *_CELL, *_FIGURES))
    for summary in summaries:
        for record in summary["records"]:
            cell = {**record["cell"], "sources": " ".join(record["cell"]["sources"])}
            figures = (record.get(name) for name in _FIGURES)
            writer.writerow((summary["experiment"], *(cell.get(name) for name in _CELL), *figures))
    write_text(path, [table.getvalue().removesuffix("\n")])


def read_summary(path: Path) -> Summary:
    """Read what `write_summary` wrote.

    Raises:
        CorpusError: it can't be read, or is something else.
    """
    try:
        summary = json.loads(path.read_text("utf-8"))
        if not isinstance(summary, dict) or not {"experiment", "records", "comparisons"} <= summary.keys():
            raise ValueError("it is no summary of an experiment")
    except (OSError, ValueError) as error:
        raise CorpusError(f"can't be read as results: {error}", path=path) from error
    return summary


def cell_of(record: Record) -> Cell:
    """The cell that a record belongs to."""
    return Cell.from_json(record["cell"])


def by_row(records: Iterable[Record]) -> dict[Cell, list[Record]]:
    """Records by their cell with seed 0: those of one row differ in the seed alone."""
    rows: dict[Cell, list[Record]] = {}
    for record in records:
        rows.setdefault(replace(cell_of(record), seed=0), []).append(record)
    return rows


def mean_f1(records: Iterable[Record]) -> MeanDeviation:
    """Mean and sample deviation of F1 over seeds."""
    return mean_and_deviation([record["f1"] for record in records])


def gain(records: Iterable[Record], reference: Iterable[Record]) -> MeanDeviation | None:
    """Mean and deviation over seeds of the difference in F1; None where no seed has both."""
    other = {record["cell"]["seed"]: record["f1"] for record in reference}
    differences = [r["f1"] - other[r["cell"]["seed"]] for r in records if r["cell"]["seed"] in other]
    return mean_and_deviation(differences) if differences else None


def reference_of(records: Iterable[Record], cell: Cell, strategy: str) -> list[Record]:
    """The records that a row is compared with; none for the reference itself."""
    wanted = (cell.target, cell.size, strategy, "")
    cells = [(cell_of(record), record) for record in records]
    alike = [(c, record) for c, record in cells if (c.target, c.size, c.strategy, c.variant) == wanted]
    most = max((len(c.sources) for c, _ in alike), default=0)
    chosen = {c: record for c, record in alike if len(c.sources) == most}
    return [] if any(c.key == cell.key for c in chosen) else list(chosen.values())


def _comparisons(experiment: str, grid: Grid, records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """A paired bootstrap over the test sentences of the first seed that both rows have."""
    predicted = [record for record in records if record["found"] is not None]
    for cell, runs in by_row(predicted).items():
        for strategy in REFERENCES.get(experiment, ()):
            others = {cell_of(run).seed: run for run in reference_of(predicted, cell, strategy)}
            pair = next(((run, others[cell_of(run).seed]) for run in runs if cell_of(run).seed in others), None)
            if pair is None:
                continue
            ours, theirs = pair
            gold = grid.runner.target_corpus(cell).test
            comparison = paired_bootstrap(gold, _spans(ours), _spans(theirs), samples=_SAMPLES)
            seed = cell_of(ours).seed
            yield {"row": cell.key, "against": cell_of(theirs).key, "seed": seed, **comparison._asdict()}


def _cases(grid: Grid, records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """Entities that are wrong without sources and right with them, and a source's sentence that has the entity too."""
    for record in records:
        cell = cell_of(record)
        without = reference_of(records, cell, "none")
        if not cell.sources or not without:
            continue
        sources = {name: grid.runner.source_corpus(name, cell.seed) for name in cell.sources}
        cases = find_cases(grid.runner.target_corpus(cell).test, _spans(without[0]), _spans(record), sources)
        for case in cases[:_CASES]:
            yield {"target": cell.target, "size": cell.size, **case}


def find_cases(
    gold: Sequence[Sentence],
    without: Sequence[Sequence[Span]],
    with_sources: Sequence[Sequence[Span]],
    sources: dict[str, Corpus],
) -> list[dict[str, Any]]:
    """Cases as in the paper's Table 3, those with short sentences first; an entity is shown once."""
    known: dict[str, tuple[str, Sentence]] = {}
    for name, corpus in sources.items():
        for sentence in sorted(corpus.train, key=lambda s: len(s.words)):
            for span in sentence.spans:
                known.setdefault(sentence.entity(span).text.lower(), (name, sentence))
    cases: dict[str, dict[str, Any]] = {}
    rows = sorted(zip(gold, without, with_sources, strict=True), key=lambda row: len(row[0].words))
    for sentence, before, after in rows:
        for span in sentence.spans:
            text = sentence.entity(span).text
            if span not in after or span in before or len(text) < _SHORTEST or text.lower() not in known:
                continue
            source, shared = known[text.lower()]
            wrong = [sentence.entity(s) for s in before if s.start < span.end and span.start < s.end]
            cases.setdefault(text.lower(), {
                "sentence": sentence.text, "entity": text, "type": span.type,
                "without": [f"{entity.type}: {entity.text}" for entity in wrong],
                "source": source, "source_sentence": shared.text,
            })  # fmt: skip
    return list(cases.values())


def _spans(record: Record) -> list[list[Span]]:
    return [read_spans(line) for line in record["found"]]
