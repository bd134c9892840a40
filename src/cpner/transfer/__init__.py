"""Transfer between domains: warm-up, selection, collaboration (section 3.4)."""

from cpner.transfer.collaborate import collaborate, combine, combine_parameters
from cpner.transfer.selector import WEIGHTINGS, DualQuery, Selection, select_domains
from cpner.transfer.strategies import STRATEGIES, Link, chain, check_strategy, gather, train_on, untrained
from cpner.transfer.warm_up import warm_up

__all__ = [
    "STRATEGIES",
    "WEIGHTINGS",
    "DualQuery",
    "Link",
    "Selection",
    "chain",
    "check_strategy",
    "collaborate",
    "combine",
    "combine_parameters",
    "gather",
    "select_domains",
    "train_on",
    "untrained",
    "warm_up",
]
