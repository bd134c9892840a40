"""Results that were never computed."""

from __future__ import annotations

from typing import Any

from cpner.experiments.paper.cells import Cell


def record(cell: Cell, f1: float, **more: Any) -> dict[str, Any]:
    """What is kept of a cell."""
    return {"cell": cell.to_json(), "f1": f1, **more}
