"""cpner: one frozen T5 for every domain, one small prefix per domain (CP-NER, IJCAI 2023).

`import cpner` is light: torch and transformers load on first use of what needs them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cpner.corpus import Corpus
    from cpner.corpus.sentence import Entity, Prediction, Sentence, Span
    from cpner.errors import CpnerError
    from cpner.ner import CPNER

    __version__: str

_HOMES = {
    "CPNER": "cpner.ner",
    "Corpus": "cpner.corpus",
    "CpnerError": "cpner.errors",
    "Entity": "cpner.corpus.sentence",
    "Prediction": "cpner.corpus.sentence",
    "Sentence": "cpner.corpus.sentence",
    "Span": "cpner.corpus.sentence",
}
__all__ = ["CPNER", "Corpus", "CpnerError", "Entity", "Prediction", "Sentence", "Span"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name == "__version__":
        from importlib.metadata import version  # takes 20 ms to load

        return version("cpner")
    raise AttributeError(f"module 'cpner' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
