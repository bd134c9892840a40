"""Reliability diagrams: how many entities of a score are right, beside what the score says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from cpner.calibration.assess import Assessment
from cpner.calibration.report import Calibration
from cpner.show.pictures import BLUE, GREY, INK, SOFT, plain, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_reliability(assessment: Assessment, path: Path, title: str = "") -> None:
    """Draw raw scores, calibrated ones and those of sentences against what is right, side by side, into a file.

    The file's suffix sets the format (.png, .svg, .pdf); without one it is PNG. An old file is replaced at once.

    Raises:
        ConfigError: the suffix stands for no format that can be drawn.
    """
    panels = {
        "raw": (assessment.raw, GREY),
        "calibrated": (assessment.calibrated, BLUE),
        "sentences": (assessment.sentences, BLUE),
    }
    figure = Figure(figsize=(9.6, 3.6), dpi=150, facecolor="white", layout="constrained")
    for axes, (name, (part, colour)) in zip(figure.subplots(1, len(panels), sharey=True), panels.items(), strict=True):
        draw_bins(axes, part, colour)
        plain(axes, name if part is None else f"{name}: error {part.ece:.3f}")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, weight="bold", color=INK, parse_math=False)
    save(figure, path)


def draw_bins(axes: Axes, part: Calibration | None, colour: str) -> None:
    """Draw the bins of a diagram, each as large as it has entities, beside the line of perfect scores."""
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=":")
    if part is not None:
        sizes = [18 + 300 * bin.entities / part.entities for bin in part.bins]
        axes.scatter([bin.score for bin in part.bins], [bin.right for bin in part.bins], sizes, color=colour, alpha=0.8)
        axes.plot([bin.score for bin in part.bins], [bin.right for bin in part.bins], color=colour, linewidth=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("score", fontsize=9, color=SOFT)
    axes.set_ylabel("share that is right", fontsize=9, color=SOFT)
