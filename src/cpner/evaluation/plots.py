"""The picture of an evaluation: confusions, F1 per type, and what became of the entities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from cpner.evaluation.errors import Confusion, Outcome
from cpner.plots import save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cpner.evaluation.report import Evaluation

_INK, _FAINT, _BAR = "#26323f", "#8a94a0", "#4878a8"
_COLOURS = {  # told apart also by the colour-blind; right stands out from the errors
    Outcome.RIGHT: "#4878a8",
    Outcome.TYPE: "#f0c24b",
    Outcome.BOUNDARY: "#e58f3c",
    Outcome.BOUNDARY_AND_TYPE: "#b5533c",
    Outcome.MISSED: "#9aa3ad",
    Outcome.SPURIOUS: "#6b4c8a",
}


def plot_evaluation(evaluation: Evaluation, path: Path, title: str = "") -> None:
    """Draw the confusion heat map beside F1 per type, row by row, above a bar of outcomes, into a file.

    The file's suffix sets the format (.png, .svg, .pdf); without one it is PNG. An old file is replaced at once.

    Raises:
        ConfigError: The suffix stands for no format that can be drawn.
    """
    rows = len(evaluation.confusion.labels)
    heat_inches = max(2.4, 0.42 * rows)
    names = 0.15 + 0.07 * max(map(len, evaluation.confusion.labels))  # inches that the longest name takes
    left, bars_inches, top, middle, bottom = 0.3 + names, 3.2, 1.0, names + 0.5, 0.6
    width, height = left + heat_inches + 0.3 + bars_inches + 0.3, top + heat_inches + middle + 0.4 + bottom

    figure = Figure(figsize=(width, height), dpi=150, facecolor="white")

    def axes(x: float, y: float, w: float, h: float) -> Axes:
        return figure.add_axes((x / width, y / height, w / width, h / height))

    lower = bottom + 0.4 + middle
    heat = axes(left, lower, heat_inches, heat_inches)
    _draw_confusion(heat, evaluation.confusion)
    _draw_f1(axes(left + heat_inches + 0.3, lower, bars_inches, heat_inches), evaluation)
    _draw_outcomes(axes(0.3, bottom, width - 0.6, 0.4), evaluation)
    heading = f"{title}: " if title else ""
    micro, string = evaluation.micro, evaluation.string
    figure.text(0.3 / width, 1 - 0.36 / height, f"{heading}F1 {micro.f1:.1f}", fontsize=14, weight="bold", color=_INK)
    figure.text(
        0.3 / width,
        1 - 0.62 / height,
        f"precision {micro.precision:.1f}   recall {micro.recall:.1f}   string-level F1 {string.f1:.1f}   "
        f"macro F1 {evaluation.macro.f1:.1f}",
        fontsize=9,
        color=_FAINT,
    )
    save(figure, path)


def _draw_confusion(axes: Axes, confusion: Confusion) -> None:
    counts = np.array(confusion.counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shades = 0.85 * np.sqrt(shares)  # the root shows rare confusions; the darkest blues would hide the figures
    axes.imshow(shades, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shades[row, column] > 0.55 else _INK
            axes.text(column, row, _short(count), ha="center", va="center", fontsize=8, color=colour)
    ticks = range(len(counts))
    axes.set_xticks(ticks, confusion.labels, rotation=90, fontsize=8, color=_INK, parse_math=False)
    axes.set_yticks(ticks, confusion.labels, fontsize=8, color=_INK, parse_math=False)
    axes.set_xticks(np.arange(-0.5, len(counts)), minor=True)
    axes.set_yticks(np.arange(-0.5, len(counts)), minor=True)
    axes.grid(which="minor", color="#e8ebee", linewidth=0.8)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.axhline(len(counts) - 1.5, color=_FAINT, linewidth=1)
    axes.axvline(len(counts) - 1.5, color=_FAINT, linewidth=1)
    axes.set_title("gold (rows) and predicted (columns)", fontsize=9, color=_INK, loc="left")


def _draw_f1(axes: Axes, evaluation: Evaluation) -> None:
    scores = list(evaluation.per_type.values())
    rows = range(len(scores))
    axes.barh(rows, [100] * len(scores), height=0.62, color="#f0f2f4")
    axes.barh(rows, [score.f1 for score in scores], height=0.62, color=_BAR)
    for row, score in enumerate(scores):
        axes.text(103, row, f"{score.f1:.1f}", va="center", fontsize=8, color=_INK)
        axes.text(150, row, f"{score.support:,}", va="center", ha="right", fontsize=8, color=_FAINT)
    axes.set_xlim(0, 152)
    axes.set_ylim(len(scores) + 0.5, -0.5)  # the rows of the heat map, "none" included
    axes.axis("off")
    axes.set_title("F1 per type", fontsize=9, color=_INK, loc="left")
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
    axes.set_title("What became of the entities", fontsize=9, color=_INK, loc="left")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.05), ncols=3, frameon=False, fontsize=8, labelcolor=_INK,
                borderaxespad=0, handlelength=1, handleheight=1)  # fmt: skip


def _short(count: int) -> str:
    return str(count) if count < 10_000 else f"{count / 1000:.0f}k"
