"""Results as Markdown, with the published figures beside ours (section 4)."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any

from cpner.evaluation import MeanDeviation
from cpner.experiments.paper.cells import CROSSNER, MIT, SEVERAL, STRATEGIES, VARIANTS, Cell
from cpner.experiments.paper.grid import Record
from cpner.experiments.paper.statistics import spearman
from cpner.experiments.paper.summary import REFERENCES, Summary, by_row, cell_of, gain, mean_f1, reference_of
from cpner.show.tables import markdown_table

PAGE = tomllib.loads(Path(__file__).with_name("page.toml").read_text("utf-8"))  # texts, and figures of the paper
PUBLISHED: dict[str, float] = PAGE["published"]
_AVERAGES = {
    "CrossNER average, no source": [f"{name}-all-none" for name in CROSSNER],
    "CrossNER average, random backbone": [f"{name}-all-floor" for name in CROSSNER],
    "CrossNER average, source conll2003": [f"{name}-all-collaborate-conll2003" for name in CROSSNER],
    "CrossNER average, source conll2003, DAPT": [f"{name}-all-collaborate-conll2003-dapt" for name in CROSSNER],
    "zero-shot average of seven": [f"{name}-all-zero-shot" for name in (*CROSSNER, *MIT)],
}
_WIDE = 8  # methods that a page has columns for
_FOLD = ['<details markdown="1">', "<summary>Each row: deviation, gains, significance</summary>", ""]
_UNFOLD = ["", "</details>"]


def markdown(summary: Summary, *, fold: bool = False) -> str:
    """An experiment's results as Markdown.

    Args:
        fold: hide the long table behind a line that opens it, where a short one says what it comes to.
    """
    special = {"table3": _cases, "figure3": _similarities, "selection": _selection}
    if summary["experiment"] in special:
        return "\n".join(special[summary["experiment"]](summary))
    records: list[Record] = [record for record in summary["records"] if record["f1"] is not None]
    references = REFERENCES.get(summary["experiment"], ())
    rows = _rows(summary, records, references)
    glance = _at_a_glance(records)
    short = [*glance, *_averages(records), *_mean_gains(records, references), *_legend(records)]
    if not glance:
        return "\n".join([*rows, *short])
    return "\n".join([*short, "", *(_FOLD if fold else []), *rows, *(_UNFOLD if fold else [])])


def method_of(cell: Cell) -> str:
    """How a cell was trained, in words."""
    left = [name for name in SEVERAL if name not in cell.sources]
    without = f"without {left[0]}" if len(left) == 1 else ""
    return ", ".join(filter(None, [_name(cell.strategy), VARIANTS[cell.variant], without]))


def size_of(cell: Cell) -> str:
    """How many sentences, in words."""
    if cell.strategy == "zero-shot":
        return "0"
    return f"{cell.shots}-shot" if cell.shots is not None else str(cell.count or "all")


def _at_a_glance(records: Sequence[Record]) -> list[str]:
    """Mean F1: a row for each target and size, a column for each method, the best in bold; then published figures.

    Where there are more methods than a page is wide, rows and columns change places.
    """
    ours: dict[tuple[str, str], dict[str, float]] = {}
    theirs: dict[tuple[str, str], dict[str, float]] = {}
    for cell, runs in by_row(records).items():
        place = (cell.target, size_of(cell))
        method = method_of(cell)
        if method in ours.setdefault(place, {}):  # the same method with other sources: no table of two axes
            return []
        ours[place][method] = mean_f1(runs).mean
        if cell.key in PUBLISHED:
            theirs.setdefault(place, {})[f"{method}, published"] = PUBLISHED[cell.key]
    methods, published = (list(dict.fromkeys(chain.from_iterable(rows.values()))) for rows in (ours, theirs))
    if len(methods) < 2:
        return []
    lines = [["target", "sentences", *methods, *published]]
    for place, row in ours.items():
        best = max(row.values())
        shown = {method: f"**{f1:.1f}**" if f1 == best else f"{f1:.1f}" for method, f1 in row.items()}
        shown |= {method: f"{f1:.1f}" for method, f1 in theirs.get(place, {}).items()}
        lines.append([*place, *(shown.get(method, "") for method in [*methods, *published])])
    if len(methods) > _WIDE:
        lines = [list(column) for column in zip(*lines, strict=True)]
    return markdown_table(lines[0], lines[1:])


def _rows(summary: Summary, records: Sequence[Record], references: Sequence[str]) -> list[str]:
    """A row for each kind of cell: F1, what was published, and the gain on what it is compared with."""
    costs = summary["experiment"] == "baselines"
    head = ["target", "sentences", "how", "sources", "F1", "published (T5-base)"]
    head += [f"gain on {_name(name)} (p)" for name in references]
    head += ["numbers trained", "kilobytes a domain"] if costs else []
    rows = []
    for cell, runs in by_row(records).items():
        row: list[object] = [cell.target, size_of(cell), method_of(cell), _sources(cell), mean_f1(runs)]
        row += [PUBLISHED.get(cell.key, ""), *(_gain(summary, records, cell, runs, name) for name in references)]
        if costs:
            row += [f"{runs[0]['trained_parameters']:,}", f"{runs[0]['bytes'] / 1000:,.0f}"]
        rows.append(row)
    return markdown_table(head, rows)


def _gain(summary: Summary, records: Sequence[Record], cell: Cell, runs: Sequence[Record], strategy: str) -> str:
    reference = reference_of(records, cell, strategy)
    difference = gain(runs, reference)
    if difference is None:
        return ""
    keys = {cell_of(record).key for record in reference}
    p = next((c["p_value"] for c in summary["comparisons"] if c["row"] == cell.key and c["against"] in keys), None)
    return _signed(difference) if p is None else f"{_signed(difference)} ({p:.3f})"


def _mean_gains(records: Sequence[Record], references: Sequence[str]) -> list[str]:
    """For each method that stands in several rows, its gain over all of them, and in how many it gains at all."""
    gains: dict[tuple[str, str], dict[str, list[float]]] = {}
    for cell, runs in by_row(records).items():
        for strategy in references:
            if (difference := gain(runs, reference_of(records, cell, strategy))) is not None:
                row = gains.setdefault((method_of(cell), _sources(cell)), {})
                row.setdefault(strategy, []).append(difference.mean)
    if not any(len(values) > 1 for row in gains.values() for values in row.values()):
        return []
    head = ["how, over all rows", "sources", *(f"mean gain on {_name(strategy)}" for strategy in references)]
    rows = [[*labels, *(_mean_gain(row.get(name, [])) for name in references)] for labels, row in gains.items()]
    return ["", *markdown_table(head, rows)]


def _mean_gain(values: Sequence[float]) -> str:
    if not values:
        return ""
    better = sum(value > 0 for value in values)
    return f"{fmean(values):+.1f}, better in {better} of {len(values)}"


def _signed(difference: MeanDeviation) -> str:
    return f"{'+' if difference.mean >= 0 else ''}{difference}"


def _sources(cell: Cell) -> str:
    return ", ".join(cell.sources) or "none"


def _name(strategy: str) -> str:
    return "CP-NER" if strategy == "collaborate" else strategy


def _averages(records: Sequence[Record]) -> list[str]:
    means = {cell.key: mean_f1(runs).mean for cell, runs in by_row(records).items()}
    rows = []
    for name, keys in _AVERAGES.items():
        if all(key in means for key in keys):
            published = [PUBLISHED[key] for key in keys if key in PUBLISHED]
            beside = f"{fmean(published):.2f}" if len(published) == len(keys) else ""
            rows.append([name, MeanDeviation(fmean(means[key] for key in keys), None), beside])
    return ["", *markdown_table(["average", "F1", "published (T5-base)"], rows)] if rows else []


def _legend(records: Sequence[Record]) -> list[str]:
    strategies = dict.fromkeys(cell_of(record).strategy for record in records)
    lines = [f"- **{name}**: {STRATEGIES[name]}." for name in strategies if name != "collaborate"]
    return ["", *lines] if lines else []


def _cases(summary: Summary) -> list[str]:
    rows = [
        [
            f"{case['target']} ({case['size']})",
            case["sentence"],
            f"{case['type']}: **{case['entity']}**",
            ", ".join(case["without"]) or "nothing",
            f"{case['source']}: {case['source_sentence']}",
        ]
        for case in summary.get("cases", [])
    ]
    head = ["target", "sentence", "right, with sources", "without sources", "a source's sentence with the same entity"]
    return markdown_table(head, rows) if rows else ["No such case was found."]


def _similarities(summary: Summary) -> list[str]:
    head = ["target", "source", "entity similarity", "prefix similarity", "weight"]
    rows = []
    for cell, runs in by_row(summary["records"]).items():
        for source in cell.sources:
            kinds = ("entity_similarity", "prefix_similarity", "weights")
            rows.append([cell.target, source, *(f"{similarity(runs, source, kind):.3f}" for kind in kinds)])
    return markdown_table(head, rows)


def similarity(records: Sequence[Record], source: str, kind: str) -> float:
    """Mean over seeds of one of the selector's numbers for a source."""
    selections: list[dict[str, Any]] = [record["selection"] for record in records]
    return fmean(selection[kind][selection["sources"].index(source)] for selection in selections)


def _selection(summary: Summary) -> list[str]:
    """Each source's weight beside the gain that it brings alone, their rank correlation, and the search on dev."""
    records: list[Record] = summary["records"]
    rows = []
    notes = []
    for cell, runs in by_row(r for r in records if cell_of(r).strategy == "select").items():
        scored = [r for r in records if r["f1"] is not None and cell_of(r).target == cell.target]
        alone = {name: [r for r in scored if cell_of(r).sources == (name,)] for name in cell.sources}
        none = [r for r in scored if cell_of(r).strategy == "none"]
        gains = {name: difference for name, scores in alone.items() if (difference := gain(scores, none)) is not None}
        weights = {name: similarity(runs, name, "weights") for name in cell.sources}
        for name, difference in gains.items():
            kinds = [similarity(runs, name, kind) for kind in ("entity_similarity", "prefix_similarity")]
            numbers = [f"{number:.3f}" for number in (*kinds, weights[name])]
            rows.append([cell.target, name, *numbers, _signed(difference)])
        if len(gains) > 1:
            rho = spearman([weights[name] for name in gains], [gains[name].mean for name in gains])
            notes.append(f"- {cell.target}: Spearman's rank correlation of weight and gain is {rho:+.2f} "
                         f"over {len(gains)} sources.")  # fmt: skip
        notes += _searched(scored, cell)
    head = ["target", "source", "entity similarity", "prefix similarity", "weight", "gain of this source alone"]
    return [*markdown_table(head, rows), "", *notes]


def _searched(records: Sequence[Record], cell: Cell) -> list[str]:
    searched = [record for record in records if cell_of(record).strategy == "search"]
    plain = [r for r in records if cell_of(r).strategy == "collaborate" and cell_of(r).sources == cell.sources]
    if not searched or not plain:
        return []
    names = ("alpha", "temperature", "share")
    chosen = ", ".join("(" + ", ".join(str(r["search"][name]) for name in names) + ")" for r in searched)
    return [
        f"- {cell.target}: F1 {mean_f1(searched)} with (alpha, temperature, share) searched on dev, {chosen} by seed; "
        f"{mean_f1(plain)} with the paper's (0.5, 1, 0.5)."
    ]
