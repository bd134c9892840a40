"""Cells: names, what they share, and the experiments that they make up."""

from __future__ import annotations

import itertools

import pytest

from cpner.errors import ConfigError
from cpner.experiments.paper.cells import CROSSNER, EXPERIMENTS, SEVERAL, Cell
from cpner.experiments.paper.tables import PUBLISHED


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_cells_of_an_experiment_differ(experiment):
    cells = EXPERIMENTS[experiment]([0, 1])

    assert len({(cell.key, cell.seed) for cell in cells}) == len(cells)
    assert all(Cell.from_json(cell.to_json()) == cell for cell in cells)


def test_published_figures_belong_to_cells():
    keys = {cell.key for cell in itertools.chain(EXPERIMENTS["table1"]([0]), EXPERIMENTS["table2"]([0]))}

    assert set(PUBLISHED) <= keys
    for ending, average in (("", 72.30), ("-dapt", 73.86)):  # the averages that the paper prints
        row = [PUBLISHED[f"{name}-all-collaborate-conll2003{ending}"] for name in CROSSNER]
        assert sum(row) / 5 == pytest.approx(average, abs=0.005)


def test_cells_share_the_warm_up_of_their_target():
    first = Cell("ai", sources=SEVERAL, strategy="collaborate", seed=1)

    assert first.warm == Cell("ai", sources=("music",), strategy="single", seed=1).warm == Cell("ai", seed=1)
    assert first.warm != Cell("ai", sources=SEVERAL, strategy="collaborate", seed=2).warm
    for variant in ("no-warm-up", "dapt"):
        other = Cell("ai", sources=SEVERAL, strategy="collaborate", variant=variant, seed=1)
        assert other.warm != first.warm and other.source("music") == first.source("music")
    other = Cell("ai", sources=SEVERAL, strategy="collaborate", variant="no-options", seed=1)
    assert other.store != first.store and other.source("music") != first.source("music")


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"strategy": "collaborate"}, "needs sources"),
        ({"sources": ("music",)}, "takes no sources"),
        ({"strategy": "best"}, "is none of none, zero-shot"),
        ({"variant": "odd"}, "variant 'odd' is none of"),
        ({"sources": ("ai",), "strategy": "single"}, "its target among its sources"),
        ({"shots": 10, "count": 10}, "both shots and count"),
    ],
)
def test_cells_that_make_no_sense_are_refused(settings, match):
    with pytest.raises(ConfigError, match=match):
        Cell("ai", **settings)
