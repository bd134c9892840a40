"""One page of all results, for readers who have not read the paper."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cpner.experiments.paper.cells import Cell
from cpner.experiments.paper.grid import is_outdated
from cpner.experiments.paper.summary import Summary, read_summary, write_csv
from cpner.experiments.paper.tables import PAGE, markdown, method_of
from cpner.files import write_text
from cpner.show.tables import markdown_table
from cpner.training import TrainingConfig


def write_page(results: Path, page: Path) -> list[str]:
    """Write the page of all results in a folder, its pictures in a folder beside it, and `results.csv` in the folder.

    Returns:
        The experiments that have results; the page says of the others that they were not run.

    Raises:
        CorpusError: a file of results can't be read.
    """
    paths = {name: results / f"{name}.json" for name in PAGE["sections"]}
    summaries = {name: read_summary(path) for name, path in paths.items() if path.is_file()}
    lines = ["# Results", "", PAGE["introduction"], "", *_weights(summaries)]
    for name, section in PAGE["sections"].items():
        lines += [f"## {section['title']}", "", section["text"], ""]
        if name in summaries:
            lines += [*_pictures(name, results, page), *_outdated(summaries[name])]
            lines += [markdown(summaries[name], fold=True), ""]
            lines += _provenance(name, summaries[name])
        else:
            lines += [f"Not run yet: `cpner reproduce {name} --data data`.", ""]
    page.parent.mkdir(parents=True, exist_ok=True)
    write_text(page, ["\n".join(lines)])
    write_csv(summaries.values(), results / "results.csv")
    return list(summaries)


def _weights(summaries: Mapping[str, Summary]) -> list[str]:
    """What a reader must know where not all sections are of the same backbone."""
    sections: dict[str, list[str]] = {}
    for name, summary in summaries.items():
        for backbone in dict.fromkeys(_backbone(record) for record in summary["records"]):
            sections.setdefault(backbone, []).append(PAGE["sections"][name]["title"])
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
