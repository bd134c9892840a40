"""cpner: one frozen T5 for every domain, one small prefix per domain (CP-NER, IJCAI 2023).

`import cpner` is light: torch and transformers load on first use of what needs them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cpner.backbone.shape import PrefixConfig
    from cpner.corpus import Corpus
    from cpner.corpus.sentence import Entity, Prediction, Sentence, Span
    from cpner.errors import CpnerError
    from cpner.evaluation import Evaluation
    from cpner.ner import CPNER
    from cpner.store import DomainCard, Store
    from cpner.training import TrainingConfig
    from cpner.training.run import Run
    from cpner.transfer.dapt import DaptConfig
    from cpner.transfer.mixing import Mixing
    from cpner.transfer.selector import Selection

    __version__: str

_HOMES = {
    "CPNER": "cpner.ner",
    "Corpus": "cpner.corpus",
    "CpnerError": "cpner.errors",
    "DaptConfig": "cpner.transfer.dapt",
    "DomainCard": "cpner.store",
    "Entity": "cpner.corpus.sentence",
    "Evaluation": "cpner.evaluation",
    "Mixing": "cpner.transfer.mixing",
    "Prediction": "cpner.corpus.sentence",
    "PrefixConfig": "cpner.backbone.shape",
    "Run": "cpner.training.run",
    "Selection": "cpner.transfer.selector",
    "Sentence": "cpner.corpus.sentence",
    "Span": "cpner.corpus.sentence",
    "Store": "cpner.store",
    "TrainingConfig": "cpner.training",
}
__all__ = [
    "CPNER",
    "Corpus",
    "CpnerError",
    "DaptConfig",
    "DomainCard",
    "Entity",
    "Evaluation",
    "Mixing",
    "Prediction",
    "PrefixConfig",
    "Run",
    "Selection",
    "Sentence",
    "Span",
    "Store",
    "TrainingConfig",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name == "__version__":
        from importlib.metadata import version  # takes 20 ms to load

        return version("cpner")
    raise AttributeError(f"module 'cpner' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
