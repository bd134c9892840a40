"""Results as pictures: the paper's Figures 3 and 4, and learning curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cpner.experiments.paper.cells import SEVERAL, VARIANTS
from cpner.experiments.paper.summary import Summary, by_row, cell_of, mean_f1
from cpner.experiments.paper.tables import method_of, similarity, size_of
from cpner.show.pictures import Grid, Point, plot_bars, plot_curves, plot_grids

_PARTS = ("no-entity-similarity", "no-prefix-similarity", "no-warm-up", "no-options")


def draw(summary: Summary, out: Path) -> list[Path]:
    """Draw what can be drawn of an experiment; gives the files."""
    drawers: dict[str, Callable[[Summary, Path], list[Path]]] = {
        "figure3": _figure3,
        "figure4": _figure4,
        "learning-curve": _curves,
    }
    drawer = drawers.get(summary["experiment"])
    return drawer(summary, out) if drawer and summary["records"] else []


def _figure3(summary: Summary, out: Path) -> list[Path]:
    """Entity and prefix similarity of targets and sources as two heat maps."""
    rows = {cell.target: runs for cell, runs in by_row(summary["records"]).items()}
    sources = cell_of(summary["records"][0]).sources
    grids = [
        Grid(kind.replace("_", " "), [[similarity(runs, source, kind) for source in sources] for runs in rows.values()])
        for kind in ("entity_similarity", "prefix_similarity")
    ]
    path = out / "figure3.png"
    plot_grids(list(rows), list(sources), grids, path, "Likeness of targets (rows) and sources")
    return [path]


def _figure4(summary: Summary, out: Path) -> list[Path]:
    """The whole method beside what is left without one part, and without one source."""
    means = {cell: mean_f1(runs).mean for cell, runs in by_row(summary["records"]).items()}
    groups = list(dict.fromkeys((cell.target, size_of(cell)) for cell in means))

    def values(variant: str, sources: Sequence[str]) -> list[float] | None:
        wanted = (variant, tuple(sources))
        f1 = {(c.target, size_of(c)): mean for c, mean in means.items() if (c.variant, c.sources) == wanted}
        return [f1[group] for group in groups] if len(f1) == len(groups) else None

    whole = {"CP-NER": values("", SEVERAL)}
    parts = whole | {VARIANTS[variant]: values(variant, SEVERAL) for variant in _PARTS}
    left = whole | {f"without {name}": values("", [s for s in SEVERAL if s != name]) for name in SEVERAL}
    files = []
    for name, bars in (("parts", parts), ("sources", left)):
        known = {label: heights for label, heights in bars.items() if heights is not None}
        if known:
            files.append(out / f"figure4-{name}.png")
            plot_bars([f"{target} {size}" for target, size in groups], known, files[-1], f"F1 without some {name}")
    return files


def _curves(summary: Summary, out: Path) -> list[Path]:
    """F1 over the number of sentences, a picture for each target."""
    files = []
    for target in dict.fromkeys(cell_of(record).target for record in summary["records"]):
        curves: dict[str, list[Point]] = {}
        for cell, runs in by_row(r for r in summary["records"] if cell_of(r).target == target).items():
            mean = mean_f1(runs)
            curves.setdefault(method_of(cell), []).append(Point(cell.count or 0, mean.mean, mean.deviation))
        files.append(out / f"learning-curve-{target}.png")
        plot_curves(curves, files[-1], target, "labelled sentences of the target")
    return files
