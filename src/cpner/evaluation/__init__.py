"""Scores, error analysis and significance of predicted entities (section 4.2). Needs no torch."""

from cpner.evaluation.errors import Confusion, Finding, Outcome
from cpner.evaluation.report import Evaluation, evaluate
from cpner.evaluation.scores import Score
from cpner.evaluation.significance import Comparison, MeanDeviation, mean_and_deviation, paired_bootstrap

__all__ = [
    "Comparison",
    "Confusion",
    "Evaluation",
    "Finding",
    "MeanDeviation",
    "Outcome",
    "Score",
    "evaluate",
    "mean_and_deviation",
    "paired_bootstrap",
]
