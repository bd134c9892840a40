"""Pictures of results."""

from __future__ import annotations

from cpner.experiments.paper.cells import Cell
from cpner.experiments.paper.figures import draw
from tests.experiments.paper.support import record


def test_learning_curves_are_drawn_for_each_target(tmp_path):
    records = [record(Cell("ai", count=count), 4.0 * count) for count in (5, 10, 20)]

    (path,) = draw({"experiment": "learning-curve", "records": records, "comparisons": []}, tmp_path)

    assert path.name == "learning-curve-ai.png" and path.read_bytes().startswith(b"\x89PNG")
