"""The paper's tables as cells of a grid, with the published figures beside ours (section 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cpner.evaluation import MeanDeviation
from cpner.experiments.grid import (
    CROSSNER,
    MIT,
    SEVERAL,
    Cell,
    crossner_cells,
    several_cells,
    summarise,
    zero_shot_cells,
)

# F1 of CP-NER on T5-base, Tables 1 and 2 of the paper, by the key of a cell.
PUBLISHED = {
    "politics-all-collaborate-conll2003": 73.41,
    "science-all-collaborate-conll2003": 74.65,
    "music-all-collaborate-conll2003": 78.08,
    "literature-all-collaborate-conll2003": 70.84,
    "ai-all-collaborate-conll2003": 64.53,
    "science-all-none": 70.24,
    "ai-all-none": 60.24,
    "mit_movie-10shot-none": 60.01,
    "mit_movie-20shot-none": 67.21,
    "mit_movie-50shot-none": 81.57,
    "mit_restaurant-10shot-none": 49.42,
    "mit_restaurant-20shot-none": 63.24,
    "mit_restaurant-50shot-none": 75.92,
}
_SEVERAL = {
    "science-all": 75.33, "ai-all": 64.90, "mit_movie-10shot": 70.74, "mit_movie-20shot": 73.22,
    "mit_movie-50shot": 81.90, "mit_restaurant-10shot": 65.14, "mit_restaurant-20shot": 70.46,
    "mit_restaurant-50shot": 77.34,
}  # fmt: skip
PUBLISHED |= {"-".join([start, "collaborate", *SEVERAL]): f1 for start, f1 in _SEVERAL.items()}

TABLES: dict[str, Callable[[Sequence[int]], list[Cell]]] = {
    "table1": crossner_cells,
    "table2": several_cells,
    "zero-shot": lambda _: zero_shot_cells(),
}
_AVERAGES = {
    "CrossNER average, no source": [f"{name}-all-none" for name in CROSSNER],
    "CrossNER average, random backbone": [f"{name}-all-floor" for name in CROSSNER],
    "CrossNER average, source conll2003": [f"{name}-all-collaborate-conll2003" for name in CROSSNER],
    "zero-shot average of seven": [f"{name}-all-zero-shot" for name in (*CROSSNER, *MIT)],
}


def markdown(records: Iterable[dict[str, Any]]) -> str:
    """A table of ours (mean and deviation over seeds) beside the published figures."""
    means = summarise(records)
    lines = ["| target | sentences | sources | F1 | published (T5-base) |", "|---|---|---|---|---|"]
    for key, mean in means.items():
        target, size, strategy = key.split("-", 2)
        strategy, *sources = [strategy] if strategy == "zero-shot" else strategy.split("-")
        told = ", ".join(sources) or {"none": "none", "floor": "none (random backbone)"}.get(
            strategy, "none (zero-shot)"
        )
        lines.append(f"| {target} | {size} | {told} | {mean} | {PUBLISHED.get(key, '')} |")
    for name, keys in _AVERAGES.items():
        if all(key in means for key in keys):
            ours = sum(means[key].mean for key in keys) / len(keys)
            published = [PUBLISHED[key] for key in keys if key in PUBLISHED]
            beside = f"{sum(published) / len(keys):.2f}" if len(published) == len(keys) else ""
            lines.append(f"| **{name}** | | | **{MeanDeviation(ours, None)}** | {beside} |")
    return "\n".join(lines)
