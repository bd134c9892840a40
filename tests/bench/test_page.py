from __future__ import annotations

import pytest

from cpner.bench import Bench
from cpner.bench.page import lines, page


@pytest.mark.slow
def test_page_shows_every_figure_and_three_plots(measured: Bench) -> None:
    shown = page(measured)

    assert all(figure in shown for _, figure in lines(measured))
    assert shown.count('id="axes_') == 3
    assert "<script" not in shown
