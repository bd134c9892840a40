from __future__ import annotations

from typing import Any

import pytest

from cpner.bench import Bench, run_bench


@pytest.fixture(scope="module")
def measured(tiny: Any) -> Bench:
    return run_bench(tiny, rounds=1)
