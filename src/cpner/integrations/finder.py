"""The recogniser behind a component of another library: named by plain values, and loaded when it is first asked."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from cpner.backbone import EMBEDDED
from cpner.corpus import Entity
from cpner.errors import ConfigError
from cpner.store import Store

if TYPE_CHECKING:
    from cpner.backbone.load import Backbone
    from cpner.recogniser import Recogniser

_LOADED: WeakValueDictionary[tuple[str, str | None, str | None], Backbone] = (
    WeakValueDictionary()
)  # one in memory for all
_LOADING = threading.Lock()


class Finder:
    """Finds the entities of texts. To make one reads nothing and needs no torch.

    Args:
        backbone: "cpner-mini", a folder with a T5 checkpoint, or a repository of the Hugging Face hub.
        store: folder of stored domains.
        device: None picks CUDA where there is one.
        domain: whose prefix to use for texts that name none; None looks for `types` with the backbone alone.
        types: look for these instead of the domain's.
        threshold: least score of an entity, in [0, 1].
        batch_size: sentences decoded at once.
        precision: "float32", "bfloat16" or "int8"; None is the fastest there.

    Raises:
        ConfigError: a value is of the wrong kind, or out of its range.
    """

    def __init__(
        self,
        backbone: str = EMBEDDED,
        store: str | Path | None = None,
        *,
        device: str | None = None,
        domain: str | None = None,
        types: Sequence[str] | None = None,
        threshold: float = 0.0,
        batch_size: int = 32,
        precision: str | None = None,
    ) -> None:
        if isinstance(types, str):
            raise ConfigError(f"types={types!r} is one text; expected a list of types")
        if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
            raise ConfigError(f"threshold={threshold!r} is out of range; expected 0 to 1")
        self.backbone = backbone
        self.store = None if store is None else Path(store)
        self.device = device
        self.domain = domain
        self.asked_types = None if types is None else list(types)
        self.threshold = threshold
        self.batch_size = batch_size
        self.precision = precision
        self._recogniser: Recogniser | None = None
        self._process = os.getpid()

    def settings(self) -> dict[str, Any]:
        """The arguments that make the same finder, as JSON can hold them."""
        return {
            "backbone": self.backbone,
            "store": None if self.store is None else str(self.store),
            "device": self.device,
            "domain": self.domain,
            "types": self.asked_types,
            "threshold": self.threshold,
            "batch_size": self.batch_size,
            "precision": self.precision,
        }

    def use_store(self, store: Path) -> None:
        """Read domains from another store from now on."""
        self.store = store
        self._recogniser = None

    def types(self) -> list[str]:
        """The types that are looked for; of the domain its card tells them, without loading the backbone.

        Raises:
            ConfigError: there are neither types nor a domain.
            UnknownDomainError: there is no such domain.
            StoreError: there is no such store.
        """
        if self.asked_types is not None:
            return list(self.asked_types)
        if self.domain is None:
            raise ConfigError("neither a domain nor types to look for: name one of them")
        if self.store is None:
            raise ConfigError(f"domain {self.domain!r} needs the folder of its store: name it too")
        return list(Store(self.store).card(self.domain).types)

    def load(self) -> Recogniser:
        """The recogniser; loaded once, with a backbone that finders of one name, device and precision share.

        Raises:
            BackboneError: there is no such backbone.
            ConfigError: the device is not there, or can't compute in this precision.
        """
        if self._recogniser is None:
            from cpner.backbone.load import load  # loads torch
            from cpner.recogniser import Recogniser

            with _LOADING:
                key = (self.backbone, self.device, self.precision)
                backbone = _LOADED.get(key) or load(self.backbone, device=self.device, precision=self.precision)
                _LOADED[key] = backbone
                self._recogniser = self._recogniser or Recogniser(backbone, self.store)
                self._process = os.getpid()
        elif self._process != os.getpid():
            self._work_alone()
        return self._recogniser

    def _work_alone(self) -> None:
        """In a process that was forked: torch's threads stayed in the other one, and waiting for them never ends."""
        import torch

        torch.set_num_threads(1)
        self._process = os.getpid()

    def find(self, texts: Sequence[str], domains: Sequence[str | None] | None = None) -> list[list[Entity]]:
        """The entities of texts whose scores are high enough.

        Args:
            texts: any number, decoded together whatever their domains are.
            domains: one for each text; None in its place, or for all, takes the finder's.

        Raises:
            UnknownDomainError: there is no such domain.
            ConfigError: a text has neither a domain nor types to look for.
            CorpusError: a text is no Unicode.
        """
        if not texts:
            return []
        names = [self.domain if name is None else name for name in domains or [None] * len(texts)]
        answers = self.load().predict(texts, names, types=self.asked_types, batch_size=self.batch_size)
        return [[entity for entity in entities if (entity.score or 0.0) >= self.threshold] for entities in answers]

    def __getstate__(self) -> dict[str, Any]:
        """Another process, or a copy, loads the recogniser for itself."""
        return {**self.__dict__, "_recogniser": None}
