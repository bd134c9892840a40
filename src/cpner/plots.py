"""Pictures: which domains are alike (Fig. 3), and F1 side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from cpner.corpus.files import replacing
from cpner.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _FAINT, _RULE = "#26323f", "#8a94a0", "#e3e7eb"
_SERIES = ("#aab4bf", "#6fa3d0", "#1f5f99", "#e58f3c", "#6b4c8a")  # told apart in grey and by the colour-blind too
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
    grid_width, grid_height = _CELL * len(columns), _CELL * len(rows)
    width = max(names + len(grids) * (grid_width + 0.35) + 0.1, 0.4 + 0.12 * len(title))
    height = (0.85 if title else 0.45) + grid_height + names
    figure = Figure(figsize=(width, height), dpi=150, facecolor="white")
    for i, grid in enumerate(grids):
        left = names + i * (grid_width + 0.35)
        axes = figure.add_axes((left / width, names / height, grid_width / width, grid_height / height))
        _draw_grid(axes, grid)
        axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor", fontsize=9,
                        color=_INK, parse_math=False)  # fmt: skip
        axes.set_yticks(
            range(len(rows)), rows if i == 0 else [""] * len(rows), fontsize=9, color=_INK, parse_math=False
        )
    figure.text(0.15 / width, 1 - 0.36 / height, title, fontsize=13, weight="bold", color=_INK, parse_math=False)
    save(figure, path)


def plot_bars(groups: Sequence[str], bars: Mapping[str, Sequence[float]], path: Path, title: str = "") -> None:
    """Draw F1 as bars, side by side in each group.

    Args:
        groups: Names of the groups, left to right.
        bars: For each name in the legend a figure from 0 to 100 in each group.
        path: As in `plot_grids`.
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
            axes.text(place, value + 1, f"{value:.1f}", ha="center", fontsize=9, color=_INK)
    axes.set_xticks(range(len(groups)), groups, fontsize=9, color=_INK, parse_math=False)
    axes.set_ylim(0, min(100, 1.25 * max(max(values) for values in bars.values()) + 5))
    axes.set_ylabel("F1", color=_FAINT, fontsize=9)
    axes.tick_params(length=0, labelsize=9, colors=_INK)
    axes.grid(axis="y", color=_RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.legend(frameon=False, fontsize=8.5, labelcolor=_INK, loc="upper left", ncols=len(bars))
    axes.set_title(title, loc="left", fontsize=11, weight="bold", color=_INK, parse_math=False)
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
        path: As in `plot_grids`.
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
    axes.set_ylabel("F1", color=_FAINT, fontsize=9)
    axes.tick_params(length=0, labelsize=9, colors=_INK)
    axes.grid(axis="y", color=_RULE, linewidth=0.8)
    axes.spines[:].set_visible(False)
    axes.legend(frameon=False, fontsize=8.5, labelcolor=_INK)
    axes.set_title(title, loc="left", fontsize=11, weight="bold", color=_INK, parse_math=False)
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a figure, all or nothing.

    Raises:
        ConfigError: The suffix stands for no format that can be drawn.
    """
    format, known = path.suffix[1:].lower() or "png", figure.canvas.get_supported_filetypes()
    if format not in known:
        raise ConfigError(f"Can't draw a picture as {path.suffix!r} ({path}). Use one of {', '.join(sorted(known))}.")
    with replacing(path) as file:
        figure.savefig(file, format=format)


def _draw_grid(axes: Axes, grid: Grid) -> None:
    values = np.array([[np.nan if value is None else value for value in row] for row in grid.values], dtype=float)
    low, high = np.nanmin(values), np.nanmax(values)
    shades = 0.06 + 0.84 * (values - low) / max(high - low, 1e-9)
    axes.imshow(shades, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            colour = "white" if shades[row, column] > 0.55 else _INK
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=9, color=colour)
    axes.set_xticks(np.arange(-0.5, values.shape[1]), minor=True)
    axes.set_yticks(np.arange(-0.5, values.shape[0]), minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(grid.title, fontsize=9.5, color=_FAINT, loc="left", parse_math=False)
