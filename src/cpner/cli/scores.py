"""The options of commands that show scores: which entities to leave out for theirs, and what scores mean."""

from __future__ import annotations

from dataclasses import dataclass

import click

from cpner.calibration.thresholds import Cut
from cpner.cli.options import gather

_BEST = "best"


@dataclass(frozen=True)
class ScoreOptions:
    """Which entities to leave out, and whether scores are calibrated."""

    threshold: float | str | None
    thresholds: dict[str, float]
    least_precision: float | None
    raw_scores: bool

    @property
    def cut(self) -> Cut | None:
        """What to leave out; None for nothing."""
        if self.threshold is None and not self.thresholds and self.least_precision is None:
            return None
        if self.raw_scores and (self.least_precision is not None or self.threshold == _BEST):
            raise click.UsageError(
                "--least-precision and --threshold best are of calibrated scores: leave out --raw-scores"
            )
        least = None if isinstance(self.threshold, str) else self.threshold
        return Cut(least, self.thresholds, self.threshold == _BEST, self.least_precision)


def _threshold(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | str | None:
    """A score, or the word `best`."""
    if value is None or value == _BEST:
        return value
    return float(click.FloatRange(0, 1)(value, parameter, ctx))


def _pairs(ctx: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, float]:
    """`person=0.7,city=0.4` as scores by type."""
    scores: dict[str, float] = {}
    for pair in (value or "").split(","):
        if pair.strip():
            name, sign, score = pair.rpartition("=")
            try:
                scores[name.strip()] = float(score)
            except ValueError:
                sign = ""
            if not sign or not name.strip() or not 0 <= scores[name.strip()] <= 1:
                raise click.BadParameter(f"{pair.strip()!r} is not TYPE=SCORE, as person=0.7", ctx, parameter)
    return scores


score_options = gather(
    "scores",
    ScoreOptions,
    click.option("--threshold", callback=_threshold, metavar="SCORE|best",
                 help="Leave out entities with a lower score; best: than those of the card, for the best F1."),
    click.option("--thresholds", callback=_pairs, metavar="TYPE=SCORE,...",
                 help="Least scores of types, where they differ."),
    click.option("--least-precision", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="P",
                 help="Leave out what keeps precision below P; the domain's held-out sentences promise it."),
    click.option("--raw-scores", is_flag=True, help="Probabilities of the written pieces, not of being right."),
)  # fmt: skip
