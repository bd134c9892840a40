"""The domains of a backbone: those in memory, and those of a store, read when they are first used."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import torch

from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix, start_fingerprint
from cpner.backbone.shape import PrefixConfig, config_dict, part_shape
from cpner.errors import ConfigError, PrefixMismatchError, StoreError, UnknownDomainError, did_you_mean
from cpner.instructor import Instructor
from cpner.machine import versions
from cpner.store.card import DomainCard, StoredDomain, check_fits, check_name
from cpner.store.store import Store

ON_DEVICE = 64  # prefixes that stay on the device
IN_MEMORY = 1024  # stored domains that stay in memory, a megabyte each
T = TypeVar("T")


class Domains:
    """What a `CPNER` knows of its domains.

    A store may hold many thousands. Those used last stay in memory, and of these the last few on the device; any
    other is read from the store when it is asked for. What is not saved is never dropped.

    Args:
        backbone: that all prefixes must fit.
        store: folder of stored domains; need not exist. None: nothing is stored yet.
        on_device: prefixes that stay on the device.
        in_memory: stored domains that stay in memory.
    """

    def __init__(
        self, backbone: Backbone, store: Path | None, *, on_device: int = ON_DEVICE, in_memory: int = IN_MEMORY
    ) -> None:
        self.backbone, self.store = backbone, store
        self._unsaved: dict[str, StoredDomain] = {}
        self._stored = _Recent[StoredDomain](in_memory)
        self._on_device = _Recent[Prefix](on_device)
        self._prompts = _Recent[Instructor](in_memory)

    def names(self) -> list[str]:
        """All names, sorted."""
        stored = [] if self.store is None or not self.store.is_dir() else Store(self.store).names()
        return sorted({*self._unsaved, *self._stored, *stored})

    def card(self, name: str) -> DomainCard:
        """What is known of a domain.

        Raises:
            UnknownDomainError: there is no such domain.
        """
        domain = self._unsaved.get(name) or self._stored.get(name)
        return domain.card if domain else self._store_of(name).card(name)

    def find(self, name: str, *, whole: bool = False) -> StoredDomain:
        """A domain; `whole` is with its reparameterisation, if that was kept.

        Raises:
            UnknownDomainError: there is no such domain.
            PrefixMismatchError: it was made for another backbone.
        """
        if name in self._unsaved:
            return self._unsaved[name]
        domain = self._stored.get(name)
        if domain is None or (whole and domain.reparameterisation is None):
            store = self._store_of(name)
            check_fits(store.card(name), self.backbone)
            domain = self._stored.put(name, store.load(name, reparameterisation=whole))
        return domain

    def check_name(self, name: str) -> None:
        """Check that a domain can have this name, before it is trained for hours.

        Raises:
            StoreError: it can't be stored under it.
        """
        check_name(name)
        if self.store is not None and self.store.is_dir():
            Store(self.store).check_place(name)

    def single(self, name: str, *, whole: bool = False) -> StoredDomain:
        """A domain as the start of a training, or a source of one: no ensemble. The rest is as in `find`.

        Raises:
            PrefixMismatchError: it is an ensemble, too.
        """
        domain = self.find(name, whole=whole)
        if domain.card.members:
            raise PrefixMismatchError(
                f"domain {name!r} is an ensemble of {len(domain.card.members)} prefixes, which no training starts from "
                "or mixes: warm it up again, or make one prefix of it by self-training"
            )
        return domain

    def prefix(self, name: str) -> Prefix:
        """A domain's prefix on the backbone's device."""
        prefix = self._on_device.get(name)
        if prefix is None:
            prefix = self.find(name).prefix.to(self.backbone.device).to(self.backbone.dtype)
            self._on_device.put(name, prefix)
        return prefix

    def prompt(self, name: str) -> Instructor:
        """How a domain's entities are asked for."""
        return self._prompts.get(name) or self._prompts.put(name, prompt_of(self.find(name).card, self.backbone))

    def keep(self, domain: StoredDomain) -> None:
        """Take a new domain into memory, its prefix in the dtype of the store, so that saving changes no output."""
        name = domain.card.name
        self._unsaved[name] = replace(domain, prefix=domain.prefix.to("cpu").to(torch.bfloat16))
        self._on_device.pop(name, None)
        self._prompts.pop(name, None)

    def save(self, store: Path | None, names: Iterable[str] | None, *, reparameterisation: bool) -> None:
        """Store domains; see `CPNER.save`.

        Raises:
            ConfigError: there is no folder to save to.
            UnknownDomainError: there is no such domain.
        """
        folder = store or self.store
        if folder is None:
            raise ConfigError("no store to save to: name a folder")
        kept = [
            self.find(name, whole=reparameterisation) for name in (sorted(self._unsaved) if names is None else names)
        ]
        opened = Store(folder, create=True)
        self.store = self.store or folder
        for domain in kept:
            name = domain.card.name
            if folder == self.store and name not in self._unsaved and name in opened:
                continue  # as it is; what was kept of its reparameterisation stays
            opened.save(domain if reparameterisation else StoredDomain(domain.card, domain.prefix))
            if folder == self.store:
                self._unsaved.pop(name, domain)
                self._stored.put(name, domain)

    def reload(self) -> None:
        """Read stored domains anew when they are next used; what is not saved stays."""
        self._stored.clear()
        for name in set(self._on_device) - set(self._unsaved):
            del self._on_device[name]
        self._prompts.clear()

    def fitting(self, target: str, config: PrefixConfig) -> tuple[list[str], list[str]]:
        """All other domains: those whose prefixes fit the backbone and a prefix configuration, and the rest."""
        names: list[str] = []
        others: list[str] = []
        for name in self.names():
            try:
                if name != target:
                    self.check_shape(name, self.single(name).prefix, config)
                    names.append(name)
            except PrefixMismatchError:
                others.append(name)
            except StoreError as error:
                warnings.warn(f"{name!r} is left out: {error}", stacklevel=3)
        return names, others

    def check_shape(self, name: str, prefix: Prefix, config: PrefixConfig) -> None:
        """Check that a prefix has the shape that a configuration gives on this backbone.

        Raises:
            PrefixMismatchError: it has another.
        """
        shape = self.backbone.t5.shape
        expected = {kind: part_shape(shape, config, kind) for kind in config.attentions}
        got = {kind: tuple(part.shape) for kind, part in prefix.parts.items()}
        if got != expected:
            raise PrefixMismatchError(
                f"the prefix of {name!r} has shapes {got}; this backbone and these prefix settings give {expected}"
            )

    def new_card(self, name: str, types: Sequence[str], prefix: PrefixConfig) -> DomainCard:
        """The card of a domain on this backbone, before anything is known of its training."""
        return DomainCard(
            name=name,
            types=list(types),
            backbone=self.backbone.name,
            backbone_fingerprint=self.backbone.fingerprint,
            prefix=config_dict(prefix),
            start_fingerprint=start_fingerprint(self.backbone.t5.shape, prefix),
            statistics={},
            sources={},
            strategy="added",
            metrics={},
            seed=0,
            versions=versions(),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _store_of(self, name: str) -> Store:
        """The store, which holds this domain."""
        if self.store is not None and self.store.is_dir() and name in (store := Store(self.store)):
            return store
        known = self.names()
        where = "" if self.store is None else f" in {self.store}"
        listed = ", ".join(known[:20]) + (" ..." if len(known) > 20 else "")
        raise UnknownDomainError(
            f"no domain {name!r}{where}; known are: {listed or 'none'}.{did_you_mean(str(name), known)}"
        )


class _Recent(OrderedDict[str, T]):
    """The entries used last, so many of them; the least recently used goes when another comes."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def get(self, name: str) -> T | None:  # type: ignore[override]
        """An entry, which counts as used; None if it is not here."""
        if name not in self:
            return None
        self.move_to_end(name)
        return self[name]

    def put(self, name: str, entry: T) -> T:
        """Take an entry in."""
        self[name] = entry
        self.move_to_end(name)
        while len(self) > self.size:
            self.popitem(last=False)
        return entry


def prompt_of(card: DomainCard, backbone: Backbone, types: Sequence[str] | None = None) -> Instructor:
    """The instructor of a domain, for its own types or for others."""
    return Instructor(backbone.vocabulary, types or card.types, instruction=card.instruction, options=card.options)


def prefix_config(card: DomainCard) -> PrefixConfig:
    """The prefix settings of a card."""
    known = {field.name for field in fields(PrefixConfig)}
    plain = {"start_logit": 0.0}  # of a card that does not tell it
    return PrefixConfig(**plain | {name: value for name, value in card.prefix.items() if name in known})
