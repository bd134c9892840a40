"""Transfer between domains: selection, collaboration and its rivals, text without labels (section 3.4).

Names load their modules when they are first used, so that the settings need no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cpner.transfer.collaborate import collaboration_start, combine, combine_parameters
    from cpner.transfer.dapt import DaptConfig, dapt_prefix
    from cpner.transfer.mixing import Mixing
    from cpner.transfer.selector import DualQuery, Selection, select_domains
    from cpner.transfer.self_training import pseudo_label
    from cpner.transfer.strategies import STRATEGIES

_HOMES = {
    "DaptConfig": "dapt",
    "DualQuery": "selector",
    "Mixing": "mixing",
    "STRATEGIES": "strategies",
    "Selection": "selector",
    "collaboration_start": "collaborate",
    "combine": "collaborate",
    "combine_parameters": "collaborate",
    "dapt_prefix": "dapt",
    "pseudo_label": "self_training",
    "select_domains": "selector",
}
__all__ = [
    "STRATEGIES",
    "DaptConfig",
    "DualQuery",
    "Mixing",
    "Selection",
    "collaboration_start",
    "combine",
    "combine_parameters",
    "dapt_prefix",
    "pseudo_label",
    "select_domains",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"cpner.transfer.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'cpner.transfer' has no attribute {name!r}")
