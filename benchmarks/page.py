"""What the benchmarks wrote, as one page with plots: `python benchmarks/page.py bench-out`."""

from __future__ import annotations

import argparse
import html
import json
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from cpner.bench_page import BLUE, INK, plain, svg

GREY = "#aab4bf"
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>cpner and its peers</title>
<style>
body {{ max-width: 60rem; margin: 2.5rem auto; padding: 0 1.2rem; font: 1rem/1.6 system-ui, sans-serif;
  color: #1b2430; }}
svg {{ width: 100%; height: auto; }} h2 {{ margin-top: 2.5rem; }}
</style>
<h1>cpner and its peers</h1>
{sections}
</html>
"""
FILES = {
    "decoding": "Decoding: a model of T5-base's shape reads 128 pieces and writes 64",
    "training": "Training: a step on 8 rows of 128 and 64 pieces, T5-base's shape",
    "recognition": "From text to entities: 8 sentences of 40 words, 12 types",
}


def bars(groups: Mapping[str, Mapping[str, float]]) -> str:
    """Seconds of each way as bars, a panel for each group, cpner's own in blue; SVG."""
    height = 0.6 + 0.32 * max(map(len, groups.values()))
    figure = Figure(figsize=(10, height), layout="constrained")
    for axes, (title, seconds) in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups.items(), strict=True):
        drawn = axes.barh(
            list(seconds), list(seconds.values()), color=[BLUE if n.startswith("cpner") else GREY for n in seconds]
        )
        axes.bar_label(drawn, fmt="%.2f s", padding=3, fontsize=8, color=INK)
        axes.set_xlim(0, 1.25 * max(seconds.values()))
        axes.invert_yaxis()
        plain(axes, title)
        axes.set_xticks([])
    return svg(figure)


def curve(domains: Mapping[str, Mapping[str, float]]) -> str:
    """Milliseconds of a request by the domains of the store, warm and cold; SVG."""
    figure = Figure(figsize=(10, 2.6), layout="constrained")
    axes = figure.subplots()
    for kind, colour in (("warm", GREY), ("cold", BLUE)):
        axes.plot([int(n) for n in domains], [own[kind] for own in domains.values()], "o-", color=colour, label=kind)
    axes.set_xscale("log")
    axes.set_ylim(0, 1.2 * max(own["cold"] for own in domains.values()))
    axes.legend(frameon=False, fontsize=8)
    plain(axes, "milliseconds of a request")
    return svg(figure)


def page(folder: Path) -> str:
    """The page of the figures in a folder; what was not measured is left out."""
    sections = []
    for name, title in FILES.items():
        if (folder / f"{name}.json").is_file():
            figures = json.loads((folder / f"{name}.json").read_text("utf-8"))
            groups = {"": figures["seconds"]} if "seconds" in figures else {n: f["seconds"] for n, f in figures.items()}
            sections.append(f"<h2>{html.escape(title)}</h2>\n{bars(groups)}")
    if (folder / "domains.json").is_file():
        domains = json.loads((folder / "domains.json").read_text("utf-8"))
        sections.append(f"<h2>Many domains: a sentence for one of so many in the store</h2>\n{curve(domains)}")
    return PAGE.format(sections="\n".join(sections))


def main() -> None:
    """Write FOLDER/peers.html."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="with decoding.json, training.json, recognition.json, domains.json")
    folder = parser.parse_args().folder
    (folder / "peers.html").write_text(page(folder), "utf-8")
    print(f"wrote {folder / 'peers.html'}")


if __name__ == "__main__":
    main()
