"""What the benchmarks wrote, as one page with plots: `python benchmarks/page.py bench-out`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from cpner.show.pages import render_page
from cpner.show.pictures import BLUE, GREY, SOFT, plain, svg

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
        axes.bar_label(drawn, fmt="%.2f s", padding=3, fontsize=8, color=SOFT)
        axes.set_xlim(0, 1.25 * max(seconds.values()))
        axes.invert_yaxis()
        plain(axes, title)
        axes.set_xticks([])
    return svg(figure)


def curves(places: Sequence[float], lines: Mapping[str, Sequence[float]], title: str, *, log: bool = False) -> str:
    """Two lines over places on a logarithmic axis, the second in blue; SVG."""
    figure = Figure(figsize=(10, 2.6), layout="constrained")
    axes = figure.subplots()
    for (name, values), colour in zip(lines.items(), (GREY, BLUE), strict=True):
        axes.plot(places, values, "o-", color=colour, label=name)
    axes.set_xscale("log")
    if log:
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, 1.2 * max(map(max, lines.values())))
    axes.legend(frameon=False, fontsize=8)
    plain(axes, title)
    return svg(figure)


def page(folder: Path) -> str:
    """The page of the figures in a folder; what was not measured is left out."""
    pictures = []
    for name, title in FILES.items():
        if (folder / f"{name}.json").is_file():
            figures = json.loads((folder / f"{name}.json").read_text("utf-8"))
            groups = {"": figures["seconds"]} if "seconds" in figures else {n: f["seconds"] for n, f in figures.items()}
            pictures.append((title, bars(groups)))
    if (folder / "domains.json").is_file():
        domains = json.loads((folder / "domains.json").read_text("utf-8"))
        lines = {kind: [speed[kind] for speed in domains.values()] for kind in ("warm", "cold")}
        drawn = curves([int(n) for n in domains], lines, "milliseconds of a request")
        pictures.append(("Many domains: a sentence for one of so many in the store", drawn))
    if (folder / "sizes.json").is_file():
        sizes = json.loads((folder / "sizes.json").read_text("utf-8"))
        lines = {way: [size["seconds"][way] for size in sizes.values()] for way in ("training step", "recognition")}
        drawn = curves([size["parameters"] for size in sizes.values()], lines, "seconds, by parameters", log=True)
        pictures.append((f"Backbones of other sizes: {', '.join(sizes)}", drawn))
    return render_page("bench", title="cpner and its peers", machine="", pictures=pictures, rows=[])


def main() -> None:
    """Write FOLDER/peers.html."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="with decoding, training, recognition, domains, sizes .json")
    folder = parser.parse_args().folder
    (folder / "peers.html").write_text(page(folder), "utf-8")
    print(f"wrote {folder / 'peers.html'}")


if __name__ == "__main__":
    main()
