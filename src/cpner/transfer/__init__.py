"""Transfer between domains: selection, collaboration and its rivals, text without labels (section 3.4)."""

from cpner.transfer.collaborate import check_collaboration, collaboration_start, combine, combine_parameters
from cpner.transfer.dapt import DaptConfig, dapt_backbone, dapt_prefix, write_tuned
from cpner.transfer.selector import WEIGHTINGS, DualQuery, Selection, alpha_of_each, check_selection, select_domains
from cpner.transfer.self_training import pseudo_label
from cpner.transfer.strategies import STRATEGIES, check_strategy, gather, untrained

__all__ = [
    "STRATEGIES",
    "WEIGHTINGS",
    "DaptConfig",
    "DualQuery",
    "Selection",
    "alpha_of_each",
    "check_collaboration",
    "check_selection",
    "check_strategy",
    "collaboration_start",
    "combine",
    "combine_parameters",
    "dapt_backbone",
    "dapt_prefix",
    "gather",
    "pseudo_label",
    "select_domains",
    "untrained",
    "write_tuned",
]
