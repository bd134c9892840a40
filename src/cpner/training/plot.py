"""The picture of a training: loss and dev F1 by epoch."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

_LOSS, _F1, _INK = "#b5533c", "#4878a8", "#26323f"


def draw_curve(curve: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw a curve as PNG.

    Args:
        curve: for each epoch `epoch`, `loss`, and `f1` (0 to 100) where the dev split was looked at, else None.
    """
    figure = Figure(figsize=(6.4, 3.6), dpi=150, layout="constrained", facecolor="white")
    loss = figure.subplots()
    loss.plot([row["epoch"] for row in curve], [row["loss"] for row in curve], color=_LOSS)
    loss.set_xlabel("epoch", color=_INK)
    loss.set_ylabel("loss (nats a piece)", color=_LOSS)
    loss.set_ylim(bottom=0)
    looks = [row for row in curve if row.get("f1") is not None]
    if looks:
        f1 = loss.twinx()
        f1.plot([row["epoch"] for row in looks], [row["f1"] for row in looks], color=_F1, marker=".")
        f1.set_ylabel("dev F1", color=_F1)
        f1.set_ylim(0, 100)
        best = max(looks, key=lambda row: row["f1"])
        f1.set_title(f"best dev F1 {best['f1']:.1f} at epoch {best['epoch']}", fontsize=10, color=_INK)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()
