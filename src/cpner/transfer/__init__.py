"""Transfer between domains: warm-up, selection, collaboration (section 3.4)."""

from cpner.transfer.collaborate import collaborate, combine, combine_parameters
from cpner.transfer.dapt import DaptConfig, dapt_backbone, dapt_prefix, write_tuned
from cpner.transfer.selector import WEIGHTINGS, DualQuery, Selection, select_domains
from cpner.transfer.self_training import pseudo_label
from cpner.transfer.strategies import STRATEGIES, Link, chain, check_strategy, gather, train_on, untrained
from cpner.transfer.warm_up import warm_up

__all__ = [
    "STRATEGIES",
    "WEIGHTINGS",
    "DaptConfig",
    "DualQuery",
    "Link",
    "Selection",
    "chain",
    "check_strategy",
    "collaborate",
    "combine",
    "combine_parameters",
    "dapt_backbone",
    "dapt_prefix",
    "gather",
    "pseudo_label",
    "select_domains",
    "train_on",
    "untrained",
    "warm_up",
    "write_tuned",
]
