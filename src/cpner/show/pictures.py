"""Pictures: which domains are alike (Fig. 3), F1 side by side, an evaluation, a training."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from cpner.errors import ConfigError
from cpner.evaluation.errors import Confusion, Outcome
from cpner.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cpner.evaluation.report import Evaluation

INK = "#26323f"
SOFT = "#5c6875"
_FAINT = "#8a94a0"
_RULE = "#e3e7eb"
GREY = "#aab4bf"
BLUE = "#1f5f99"
_STEEL = "#4878a8"
_ORANGE = "#e58f3c"
_BRICK = "#b5533c"
_PURPLE = "#6b4c8a"
_SERIES = (GREY, "#6fa3d0", BLUE, _ORANGE, _PURPLE)  # told apart in grey and by the colour-blind too
_COLOURS = {  # told apart also by the colour-blind; right stands out from the errors
    Outcome.RIGHT: _STEEL,
    Outcome.TYPE: "#f0c24b",
    Outcome.BOUNDARY: _ORANGE,
    Outcome.BOUNDARY_AND_TYPE: _BRICK,
    Outcome.MISSED: "#9aa3ad",
    Outcome.SPURIOUS: _PURPLE,
}
_CELL = 0.62  # inches


class Grid(NamedTuple):
    """One heat map: a figure for each row and column; None is left blank."""

    title: str
    values: Sequence[Sequence[float | None]]


def plot_grids(rows: Sequence[str], columns: Sequence[str], grids: Sequence[Grid], path: Path, title: str = "") -> None:
    """Draw heat maps with the same rows and columns side by side; each has its own scale of colours.

    Args:
        rows: Names of the rows, top to bottom.
        columns: Names of the columns, left to right.
        grids: What to draw.
        path: The file; its suffix sets the format (.png, .svg, .pdf), PNG without one. An old file is replaced at once.
        title: Heading.

    Raises:
        ConfigError: The suffix stands for no format that can be drawn.
    """
    names = 0.2 + 0.08 * max(map(len, [*rows, *columns]))  # inches that the longest name takes
    grid_width = _CELL * len(columns)
    grid_height = _CELL * len(rows)
    width = max(names + len(grids) * (grid_width + 0.35) + 0.1, 0.4 + 0.12 * len(title))
    height = (0.85 if title else 0.45) + grid_height + names
    figure = Figure(figsize=(width, height), dpi=150, facecolor="white")
    for i, grid in enumerate(grids):
        left = names + i * (grid_width + 0.35)
        axes = figure.add_axes((left / width, names / height, grid_width / width, grid_height / height))
        _draw_grid(axes, grid)
        axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor", fontsize=9,
                        color=INK, parse_math=False)  # fmt: skip
        axes.set_yticks(range(len(rows)), rows if i == 0 else [""] * len(rows), fontsize=9, color=INK, parse_math=False)
    figure.text(0.15 / width, 1 - 0.36 / height, title, fontsize=13, weight="bold", color=INK, parse_math=False)
    save(figure, path)


def plot_bars(groups: Sequence[str], bars: Mapping[str, Sequence[float]], path: Path, title: str = "") -> None:
    """Draw F1 as bars, side by side in each group.

    Args:
        groups: Names of the groups, left to right.
        bars: For each name in the legend a figure from 0 to 100 in each group.
        path: The file; its suffix sets the format, PNG without one.
        title: Heading.
    """
    figure = Figure(figsize=(1.6 + 0.62 * len(groups) * (len(bars) + 1), 3.4), dpi=150, facecolor="white",
                    layout="constrained")  # fmt: skip
    axes = figure.subplots()
    width = 0.8 / len(bars)
    for i, (name, values) in enumerate(bars.items()):
        places = [group - 0.4 + width * (i + 0.5) for group in range(len(groups))]
        colour = _SERIES[i % len(_SERIES)]
        axes.bar(places, values, width * 0.9, color=colour, label=name)
        for place, value in zip(places, values, strict=True):
            axes.text(place, value + 1, f"{value:.1f}", ha="center", fontsize=9, color=INK)
    axes.set_xticks(range(len(groups)), groups, fontsize=9, color=INK, parse_math=False)
    axes.set_ylim(0, min(100, 1.25 * max(max(values) for values in bars.values()) + 5))
    axes.set_axisbelow(True)
    _finish_f1(axes, title)
    axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="upper left", ncols=len(bars))
    save(figure, path)


class Point(NamedTuple):
    """One point of a curve: mean and deviation of F1 at `x`; no deviation, no bar."""

    x: float
    mean: float
    deviation: float | None = None


def plot_curves(curves: Mapping[str, Sequence[Point]], path: Path, title: str = "", x_label: str = "") -> None:
    """Draw F1 as lines over a logarithmic axis, with bars of one deviation.

    Args:
        curves: For each name in the legend its points, left to right.
        path: The file; its suffix sets the format, PNG without one.
        title: Heading.
        x_label: What the axis counts.
    """
    figure = Figure(figsize=(6.4, 3.8), dpi=150, facecolor="white", layout="constrained")
    axes = figure.subplots()
    for i, (name, points) in enumerate(curves.items()):
        bars = [point.deviation or 0.0 for point in points]
        axes.errorbar([point.x for point in points], [point.mean for point in points], bars, label=name, capsize=2,
                      color=_SERIES[i % len(_SERIES)], marker="osD^v"[i // len(_SERIES) % 5], markersize=4)  # fmt: skip
    ticks = sorted({point.x for points in curves.values() for point in points})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=9)
    axes.set_xticks([], minor=True)
    axes.set_xlabel(x_label, color=_FAINT, fontsize=9)
    _finish_f1(axes, title)
    axes.legend(frameon=False, fontsize=8.5, labelcolor=INK)
    save(figure, path)


def _finish_f1(axes: Axes, title: str) -> None:
    """A title, F1 on the left, and no more lines than it needs."""
    axes.set_ylabel("F1", color=_FAINT, fontsize=9)
    axes.tick_params(length=0, labelsize=9, colors=INK)
    axes.grid(axis="y", color=_RULE, linewidth=0.8)
    axes.spines[:].set_visible(False)
    axes.set_title(title, loc="left", fontsize=11, weight="bold", color=INK, parse_math=False)


class Line(NamedTuple):
    """One panel with a line: figures by what they depend on."""

    title: str
    x_label: str
    values: Mapping[str, float]


def draw_lines(panels: Sequence[Line]) -> str:
    """Draw panels with one line each, side by side, as an element of SVG."""
    figure = Figure(figsize=(10, 3), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels)), panels, strict=True):
        axes.plot(list(panel.values), list(panel.values.values()), color=BLUE, marker="o")
        axes.set_ylim(0, 1.2 * max(panel.values.values()))
        axes.set_xlabel(panel.x_label, fontsize=9, color=SOFT)
        plain(axes, panel.title)
    return svg(figure)


def plain(axes: Axes, title: str) -> None:
    """Give a panel a title, and no more lines than it needs."""
    axes.set_title(title, loc="left", fontsize=10, color=SOFT)
    axes.tick_params(length=0, labelsize=9, colors=SOFT)
    axes.spines[["top", "right"]].set_visible(False)


def save(figure: Figure, path: Path) -> None:
    """Write a figure, all or nothing.

    Raises:
        ConfigError: The suffix stands for no format that can be drawn.
    """
    format = path.suffix[1:].lower() or "png"
    known = figure.canvas.get_supported_filetypes()
    if format not in known:
        raise ConfigError(f"Can't draw a picture as {path.suffix!r} ({path}). Use one of {', '.join(sorted(known))}.")
    with replacing(path) as file:
        figure.savefig(file, format=format)


def _draw_grid(axes: Axes, grid: Grid) -> None:
    values = np.array([[np.nan if value is None else value for value in row] for row in grid.values], dtype=float)
    low = np.nanmin(values)
    high = np.nanmax(values)
    shades = 0.06 + 0.84 * (values - low) / max(high - low, 1e-9)
    words = {place: f"{value:.2f}" for place, value in np.ndenumerate(values) if not np.isnan(value)}
    _draw_heat(axes, shades, words, fontsize=9)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.set_title(grid.title, fontsize=9.5, color=_FAINT, loc="left", parse_math=False)


def _draw_heat(axes: Axes, shades: np.ndarray, words: Mapping[tuple[int, ...], str], fontsize: float) -> None:
    """Draw cells as dark as their shades, 0 to 1, with words in them, and minor ticks between them."""
    axes.imshow(shades, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), word in words.items():
        colour = "white" if shades[row, column] > 0.55 else INK
        axes.text(column, row, word, ha="center", va="center", fontsize=fontsize, color=colour)
    axes.set_xticks(np.arange(-0.5, shades.shape[1]), minor=True)
    axes.set_yticks(np.arange(-0.5, shades.shape[0]), minor=True)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)


def draw_evaluation(evaluation: Evaluation, path: str | Path, title: str = "") -> None:
    """Draw the confusion heat map beside F1 per type, row by row, above a bar of outcomes, into a file.

    The file's suffix sets the format (.png, .svg, .pdf); without one it is PNG. An old file is replaced at once.

    Raises:
        ConfigError: The suffix stands for no format that can be drawn.
    """
    rows = len(evaluation.confusion.labels)
    heat_inches = max(2.4, 0.42 * rows)
    names = 0.15 + 0.07 * max(map(len, evaluation.confusion.labels))  # inches that the longest name takes
    left = 0.3 + names
    bars_inches = 3.2
    top = 1.0
    middle = names + 0.5
    bottom = 0.6
    width = left + heat_inches + 0.3 + bars_inches + 0.3
    height = top + heat_inches + middle + 0.4 + bottom

    figure = Figure(figsize=(width, height), dpi=150, facecolor="white")

    def axes(x: float, y: float, w: float, h: float) -> Axes:
        return figure.add_axes((x / width, y / height, w / width, h / height))

    lower = bottom + 0.4 + middle
    heat = axes(left, lower, heat_inches, heat_inches)
    _draw_confusion(heat, evaluation.confusion)
    _draw_f1(axes(left + heat_inches + 0.3, lower, bars_inches, heat_inches), evaluation)
    _draw_outcomes(axes(0.3, bottom, width - 0.6, 0.4), evaluation)
    heading = f"{title}: " if title else ""
    micro = evaluation.micro
    figure.text(0.3 / width, 1 - 0.36 / height, f"{heading}F1 {micro.f1:.1f}", fontsize=14, weight="bold", color=INK)
    facts = {"precision": micro.precision, "recall": micro.recall, "string-level F1": evaluation.string.f1}
    line = "   ".join(f"{name} {value:.1f}" for name, value in {**facts, "macro F1": evaluation.macro.f1}.items())
    figure.text(0.3 / width, 1 - 0.62 / height, line, fontsize=9, color=_FAINT)
    save(figure, Path(path))


def _draw_confusion(axes: Axes, confusion: Confusion) -> None:
    counts = np.array(confusion.counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shades = 0.85 * np.sqrt(shares)  # the root shows rare confusions; the darkest blues would hide the figures
    words = {place: str(n) if n < 10_000 else f"{n / 1000:.0f}k" for place, n in np.ndenumerate(counts) if n}
    _draw_heat(axes, shades, words, fontsize=8)
    ticks = range(len(counts))
    axes.set_xticks(ticks, confusion.labels, rotation=90, fontsize=8, color=INK, parse_math=False)
    axes.set_yticks(ticks, confusion.labels, fontsize=8, color=INK, parse_math=False)
    axes.grid(which="minor", color="#e8ebee", linewidth=0.8)
    axes.axhline(len(counts) - 1.5, color=_FAINT, linewidth=1)
    axes.axvline(len(counts) - 1.5, color=_FAINT, linewidth=1)
    axes.set_title("gold (rows) and predicted (columns)", fontsize=9, color=INK, loc="left")


def _draw_f1(axes: Axes, evaluation: Evaluation) -> None:
    scores = list(evaluation.per_type.values())
    rows = range(len(scores))
    axes.barh(rows, [100] * len(scores), height=0.62, color="#f0f2f4")
    axes.barh(rows, [score.f1 for score in scores], height=0.62, color=_STEEL)
    for row, score in enumerate(scores):
        axes.text(103, row, f"{score.f1:.1f}", va="center", fontsize=8, color=INK)
        axes.text(150, row, f"{score.support:,}", va="center", ha="right", fontsize=8, color=_FAINT)
    axes.set_xlim(0, 152)
    axes.set_ylim(len(scores) + 0.5, -0.5)  # the rows of the heat map, "none" included
    axes.axis("off")
    axes.set_title("F1 per type", fontsize=9, color=INK, loc="left")
    axes.set_title("support", fontsize=8, color=_FAINT, loc="right")


def _draw_outcomes(axes: Axes, evaluation: Evaluation) -> None:
    total = sum(evaluation.errors.values())
    start = 0
    for outcome, count in evaluation.errors.items():
        label = f"{outcome.label} {count:,} ({100 * count / max(total, 1):.1f} %)"
        axes.barh(0, count, left=start, color=_COLOURS[outcome], edgecolor="white", linewidth=1, label=label)
        start += count
    axes.set_xlim(0, max(total, 1))
    axes.axis("off")
    axes.set_title("What became of the entities", fontsize=9, color=INK, loc="left")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.05), ncols=3, frameon=False, fontsize=8, labelcolor=INK,
                borderaxespad=0, handlelength=1, handleheight=1)  # fmt: skip


def draw_curve(curve: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw a curve as PNG.

    Args:
        curve: for each epoch `epoch`, `loss`, and `f1` (0 to 100) where the dev split was looked at, else None.
    """
    figure = Figure(figsize=(6.4, 3.6), dpi=150, layout="constrained", facecolor="white")
    loss = figure.subplots()
    loss.plot([row["epoch"] for row in curve], [row["loss"] for row in curve], color=_BRICK)
    loss.set_xlabel("epoch", color=INK)
    loss.set_ylabel("loss (nats a piece)", color=_BRICK)
    loss.set_ylim(bottom=0)
    looks = [row for row in curve if row.get("f1") is not None]
    if looks:
        f1 = loss.twinx()
        f1.plot([row["epoch"] for row in looks], [row["f1"] for row in looks], color=_STEEL, marker=".")
        f1.set_ylabel("dev F1", color=_STEEL)
        f1.set_ylim(0, 100)
        best = max(looks, key=lambda row: row["f1"])
        f1.set_title(f"best dev F1 {best['f1']:.1f} at epoch {best['epoch']}", fontsize=10, color=INK)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def svg(figure: Figure) -> str:
    """A figure as an element that a page can hold."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()[file.getvalue().index("<svg") :]
