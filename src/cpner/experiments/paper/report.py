"""One page of all results, for readers who have not read the paper."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cpner.experiments.paper.cells import Cell
from cpner.experiments.paper.grid import is_outdated
from cpner.experiments.paper.summary import Summary, read_summary
from cpner.experiments.paper.tables import markdown, method_of
from cpner.files import write_text
from cpner.show.tables import markdown_table
from cpner.training import TrainingConfig

_SECTIONS = {
    "table1": (
        "From news to other domains",
        "Each of five domains has 100 or 200 labelled sentences (CrossNER), news has thousands (CoNLL-2003). Does a "
        "prefix trained on news help the others? This is Table 1 of the paper. *floor* is the same training on a "
        "backbone of the same shape with random weights: what is above it is what the backbone knows. DAPT shows "
        "the prefix unlabelled text of its domain first.",
    ),
    "table2": (
        "Several sources",
        "Four source domains at once, for two domains of CrossNER and for questions about films and restaurants "
        "(MIT) with very few labelled sentences. This is Table 2 of the paper, with more ways to use sources than "
        "the paper has.",
    ),
    "learning-curve": (
        "Which strategy for how many sentences?",
        "The same comparison at sizes that a user has: 10, 50 or 200 labelled sentences.",
    ),
    "vote": (
        "A vote without sources",
        "Ensembles gain most above. Is it the sources, or the vote? Here four prefixes of one target vote, which "
        "differ in the seed of their training and in nothing else.",
    ),
    "self-training": (
        "Sentences without labels",
        "An ensemble of four prefixes, one for each of four seeds or of four sources, finds the entities of 1,500 "
        "other sentences of the target's training split, whose labels it does not see; one new prefix learns from its "
        "answers and the labels, in as many passes as the others, so in more steps.",
    ),
    "baselines": (
        "Against other ways to tune",
        "The same backbone, data, options, grammar and number of steps; only what is trained differs. Full "
        "fine-tuning keeps a whole model for each domain, CP-NER a prefix.",
    ),
    "figure4": (
        "What each part is worth",
        "The method without one of its parts, without one of its sources, and in the variants of the authors' code. "
        "This is Figure 4 of the paper.",
    ),
    "figure3": (
        "Which domains are alike?",
        "What the selector computes: entity similarity compares the names of the types, prefix similarity the "
        "trained prefixes. This is Figure 3 of the paper.",
    ),
    "selection": (
        "Does the selector know which source helps?",
        "The weight that the selector gives to each source, beside the F1 that this source alone really brings. The "
        "paper has no such table. Settings are searched by the dev F1 of the average before it is trained on.",
    ),
    "table3": (
        "What sources bring, in cases",
        "Entities that are wrong without sources and right with them, where a source has the same entity in its "
        "training sentences; found automatically, the shortest first. This is Table 3 of the paper.",
    ),
    "zero-shot": (
        "Without any training",
        "The backbone is told the types of a domain in words and trained on none of its sentences.",
    ),
}
_INTRODUCTION = """\
One frozen model reads the sentence and the names of the entity types it shall find; a small *prefix*,
trained for each domain, tells it how that domain speaks. A new domain (the *target*) can begin at a mixture of the
prefixes of older ones (its *sources*). This page shows what that brings.

All scores are F1 from 0 to 100 on the test split, strict: an entity counts when its place and its type are both
right. Under each table stands the command that makes it: with `--test-sentences` only the first so many sentences are
scored, and with one seed a difference of two or three points may be chance. Mean ± standard deviation over seeds;
where all of them learn from the same sentences, ± does not hold the chance of the sample. *Gain* is the mean
difference over seeds; p, where given, is of a paired bootstrap over the test sentences of one seed. Every row that is
trained on the target is trained on it for as many steps, but for self-training, which takes more. The published
figures are the paper's, on T5-base, a model of 220 million parameters: they stand beside ours as a mark, not as a
match."""


def write_page(results: Path, page: Path) -> list[str]:
    """Write the page of all results in a folder, with its pictures in a folder beside it.

    Returns:
        The experiments that have results; the page says of the others that they were not run.

    Raises:
        CorpusError: a file of results can't be read.
    """
    paths = {name: results / f"{name}.json" for name in _SECTIONS}
    summaries = {name: read_summary(path) for name, path in paths.items() if path.is_file()}
    lines = ["# Results", "", _INTRODUCTION, "", *_weights(summaries)]
    for name, (title, text) in _SECTIONS.items():
        lines += [f"## {title}", "", text, ""]
        if name in summaries:
            lines += [*_pictures(name, results, page), *_outdated(summaries[name])]
            lines += [markdown(summaries[name], fold=True), ""]
            lines += _provenance(name, summaries[name])
        else:
            lines += [f"Not run yet: `cpner reproduce {name} --data data`.", ""]
    page.parent.mkdir(parents=True, exist_ok=True)
    write_text(page, ["\n".join(lines)])
    return list(summaries)


def _weights(summaries: Mapping[str, Summary]) -> list[str]:
    """What a reader must know where not all sections are of the same backbone."""
    sections: dict[str, list[str]] = {}
    for name, summary in summaries.items():
        for backbone in dict.fromkeys(_backbone(record) for record in summary["records"]):
            sections.setdefault(backbone, []).append(_SECTIONS[name][0])
    if len(sections) < 2:
        return []
    groups = (f"- {backbone}: {', '.join(f'*{title}*' for title in titles)}" for backbone, titles in sections.items())
    return [
        "Not all sections are of the same backbone, so compare figures within one of these groups only:",
        "",
        *groups,
        "",
    ]


def _backbone(record: Mapping[str, Any]) -> str:
    return f"{record['backbone']} ({record['backbone_fingerprint']})"


def _pictures(name: str, results: Path, page: Path) -> Iterator[str]:
    folder = page.parent / page.stem
    for picture in sorted(results.glob(f"{name}*.png")):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, folder / picture.name)
        yield f"![{picture.stem}]({page.stem}/{picture.name})\n"


def _outdated(summary: Summary) -> list[str]:
    """Which rows are to be made anew."""
    cells = [Cell.from_json(record["cell"]) for record in summary["records"] if is_outdated(record)]
    rows = ", ".join(f"*{row}*" for row in dict.fromkeys(map(method_of, cells)))
    if not rows:
        return []
    return [
        f"**To be run anew:** {rows}. An older loop trained them: prefixes had no dropout, and looks at the dev split "
        "came at other times and in float32. Now one loop trains all rows.",
        "",
    ]


def _provenance(name: str, summary: Summary) -> list[str]:
    """Where the numbers come from, and the command that makes them again."""
    records = summary["records"]
    settings = records[0]["settings"] if records else {}
    budget = {key: value for key, value in settings.get("budget", {}).items() if value is not None}
    minutes = sum(record["seconds"] for record in records) / 60
    facts: Sequence[Sequence[object]] = [
        ["command", f"`{summary.get('command', f'cpner reproduce {name}')}`"],
        ["backbone", ", ".join(dict.fromkeys(map(_backbone, records)))],
        ["budget", ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in budget.items())],
        *([["defaults then", others]] if (others := _other_defaults(settings.get("training", {}))) else []),
        ["machine", ", ".join(dict.fromkeys(str(record["device"]) for record in records))],
        ["time", f"{minutes:.0f} minutes for {len(records)} cells, warm-ups that they share not counted"],
        ["commit", ", ".join(dict.fromkeys(str(record["commit"]) for record in records))],
    ]
    return [*markdown_table(["made with", ""], facts), ""]


def _other_defaults(training: Mapping[str, Any]) -> str:
    """The training settings of results that are older than a default of now; the command tells the `lr` it sets."""
    now = TrainingConfig().written() if training else {}
    others = {name: training.get(name) for name in now if name != "lr" and training.get(name) != now[name]}
    return ", ".join(f"no {name}" if value is None else f"{name} {value}" for name, value in others.items())
