"""Speed of a backbone on this machine."""

from cpner.bench.measure import Bench, run_bench

__all__ = ["Bench", "run_bench"]
