"""Transfer between domains: warm-up, selection, collaboration (section 3.4)."""

from cpner.transfer.collaborate import collaborate, combine, combine_parameters
from cpner.transfer.selector import DualQuery, Selection, select_domains
from cpner.transfer.warm_up import warm_up

__all__ = ["DualQuery", "Selection", "collaborate", "combine", "combine_parameters", "select_domains", "warm_up"]
