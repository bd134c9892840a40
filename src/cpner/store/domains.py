"""The domains of a backbone: those in memory, and those of a store, read when they are first used."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from cpner.backbone.bank import PrefixBank
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
Sources = Sequence[str] | Literal["auto"]
T = TypeVar("T")


class Snapshot(NamedTuple):
    """Domains as they were at one moment: their cards, how to ask for their entities, and their prefixes."""

    cards: dict[str, DomainCard]
    prompts: dict[str, Instructor]
    bank: PrefixBank


class Domains:
    """What a `CPNER` knows of its domains; safe to share between threads.

    A store may hold many thousands. Those used last stay in memory, and of these the last few on the device. Any
    other is read from the store when it is asked for. What is not saved is never dropped. One lock guards all that
    changes; a domain itself is never changed, only replaced.

    Args:
        backbone: that all prefixes must fit.
        store: folder of stored domains; need not exist. None: nothing is stored yet.
        on_device: prefixes that stay on the device; None for 64.
        in_memory: stored domains that stay in memory; None for 1,024.
    """

    def __init__(
        self, backbone: Backbone, store: Path | None, *, on_device: int | None = None, in_memory: int | None = None
    ) -> None:
        self.backbone = backbone
        self.store = store
        self._lock = threading.RLock()
        self._unsaved: dict[str, StoredDomain] = {}
        self._stored = _Recent[StoredDomain](in_memory or IN_MEMORY)
        self._bank = PrefixBank(device=backbone.device, dtype=backbone.dtype, capacity=on_device or ON_DEVICE)
        self._prompts = _Recent[Instructor](in_memory or IN_MEMORY)

    def names(self) -> list[str]:
        """All names, sorted."""
        stored = [] if self.store is None or not self.store.is_dir() else Store(self.store).names()
        with self._lock:
            return sorted({*self._unsaved, *self._stored, *stored})

    def card(self, name: str) -> DomainCard:
        """What is known of a domain.

        Raises:
            UnknownDomainError: there is no such domain.
        """
        with self._lock:
            domain = self._unsaved.get(name) or self._stored.get(name)
        return domain.card if domain else self._store_of(name).card(name)

    def get(self, name: str, *, whole: bool = False) -> StoredDomain:
        """A domain; `whole` is with its reparameterisation, if that was kept.

        Raises:
            UnknownDomainError: there is no such domain.
            PrefixMismatchError: it was made for another backbone.
        """
        with self._lock:
            if name in self._unsaved:
                return self._unsaved[name]
            domain = self._stored.get(name)
            if domain is None or (whole and domain.reparameterisation is None):
                domain = self._store_of(name).load(name, reparameterisation=whole)
                check_fits(domain.card, self.backbone)
                self._stored.put(name, domain)
                self._forget_made(name)
            return domain

    def check_name(self, name: str) -> None:
        """Check that a domain can have this name, before it is trained for hours.

        Raises:
            StoreError: it can't be stored under it.
        """
        check_name(name)
        if self.store is not None and self.store.is_dir():
            Store(self.store).check_place(name)

    def get_single(self, name: str, *, whole: bool = False, instead: StoredDomain | None = None) -> StoredDomain:
        """A domain as the start of a training, or a source of one: no ensemble.

        Args:
            whole: with its reparameterisation, if that was kept.
            instead: the domain of its name, whatever is known under that.

        Raises:
            UnknownDomainError: there is no such domain.
            PrefixMismatchError: it was made for another backbone, or is an ensemble.
        """
        if instead is not None and instead.card.name == name:
            return instead
        domain = self.get(name, whole=whole)
        if domain.card.members:
            raise PrefixMismatchError(
                f"domain {name!r} is an ensemble of {len(domain.card.members)} prefixes, which no training starts from "
                "or mixes: warm it up again, or make one prefix of it by self-training"
            )
        return domain

    def snapshot(self, names: Iterable[str]) -> Snapshot:
        """What recognition needs of domains: one version of each, whatever is put, saved or removed meanwhile.

        Raises:
            UnknownDomainError: there is no such domain.
            PrefixMismatchError: one was made for another backbone.
        """
        snapshot = Snapshot({}, {}, PrefixBank(device=self.backbone.device, dtype=self.backbone.dtype))
        with self._lock:
            for name in names:
                domain = self.get(name)
                prompt = self._prompts.get(name) or self._prompts.put(name, prompt_of(domain.card, self.backbone))
                snapshot.cards[name] = domain.card
                snapshot.prompts[name] = prompt
                snapshot.bank.put(name, self._bank.get(name) or self._bank.put(name, domain.prefix))
        return snapshot

    def put(self, domain: StoredDomain) -> None:
        """Take a new domain into memory, in place of what was known under its name; `save` stores it."""
        name = domain.card.name
        with self._lock:
            self._unsaved[name] = domain.as_stored()
            self._forget_made(name)

    def remove(self, name: str) -> None:
        """Forget a domain, and delete it from the store if it is there.

        Raises:
            UnknownDomainError: there is no such domain.
            StoreError: it can't be deleted.
        """
        with self._lock:
            unsaved = self._unsaved.pop(name, None)
            self._stored.pop(name, None)
            self._forget_made(name)
            if unsaved is None or self._is_stored(name):
                self._store_of(name).remove(name)

    def save(self, store: Path | None, names: Iterable[str] | None, *, reparameterisation: bool) -> None:
        """Store domains.

        Args:
            store: folder; made if it doesn't exist. None takes the one that domains are read from.
            names: which; None for all that are not stored yet.
            reparameterisation: keep P and its network too.

        Raises:
            ConfigError: there is no folder to save to.
            UnknownDomainError: there is no such domain.
        """
        folder = store or self.store
        if folder is None:
            raise ConfigError("no store to save to: name a folder")
        with self._lock:
            asked = sorted(self._unsaved) if names is None else names
            domains = [self.get(name, whole=reparameterisation) for name in asked]
            opened = Store(folder, create=True)
            self.store = self.store or folder
            for domain in domains:
                name = domain.card.name
                if folder == self.store and name not in self._unsaved and name in opened:
                    continue  # as it is; what was kept of its reparameterisation stays
                opened.save(domain if reparameterisation else replace(domain, reparameterisation=None))
                if folder == self.store:
                    self._unsaved.pop(name, None)
                    self._stored.put(name, domain)

    def reload(self, name: str | None = None) -> None:
        """Read stored domains, or one of them, anew when they are next used; what is not saved stays."""
        with self._lock:
            for stored in list(self._stored) if name is None else [name]:
                if self._stored.pop(stored, None) is not None:
                    self._forget_made(stored)

    def sources(self, target: str, names: Sources) -> list[str]:
        """The source domains of a target, each once; "auto" is all that fit the target, stored or not yet there.

        Raises:
            ConfigError: there is none that fits, or one is named twice or is the target.
        """
        if names == "auto":
            prefix = self.card(target).config if target in self.names() else PrefixConfig()
            names, others = self.compatible(target, prefix)
            if not names:
                raise ConfigError(_no_source(others) if others else f"{target!r} is alone: no domain to learn from")
        if isinstance(names, str) or target in names or len(set(names)) < len(names):
            raise ConfigError(f"sources {names!r} of {target!r} must be a list of other domains, each named once")
        return list(names)

    def sources_to_fit(
        self, target: str, names: Sources, prefix: PrefixConfig | None
    ) -> tuple[PrefixConfig, list[str]]:
        """The prefix of a domain that is to be warmed up, and the sources that have its shape.

        Args:
            names: of sources; "auto" takes all that fit, and warns where domains are there and none does.
            prefix: None takes that of the first source named, or the defaults.

        Raises:
            UnknownDomainError: there is no such source.
            ConfigError: a source is named twice or is the target.
            PrefixMismatchError: a source is an ensemble, or does not fit the prefix or the backbone.
        """
        if names == "auto":
            prefix = prefix or PrefixConfig()
            fitting, others = self.compatible(target, prefix)
            if others and not fitting:
                warnings.warn(f"{_no_source(others)}; a source that is named gives its shape", stacklevel=3)
            return prefix, fitting
        domains = [self.get_single(name) for name in self.sources(target, names)]
        if prefix is None:
            prefix = domains[0].config if domains else PrefixConfig()
        for domain in domains:
            self.check_shape(domain.card.name, domain.prefix, prefix)
        return prefix, [domain.card.name for domain in domains]

    def compatible(self, target: str, config: PrefixConfig) -> tuple[list[str], list[str]]:
        """All other domains: those whose prefixes fit the backbone and a prefix configuration, and the rest.

        Cards tell which; no tensors are loaded.
        """
        shapes = {kind: list(part_shape(self.backbone.shape, config, kind)) for kind in config.attentions}
        fitting: list[str] = []
        others: list[str] = []
        for name in self.names():
            if name == target:
                continue
            try:
                card = self.card(name)
            except UnknownDomainError:  # it was removed just now
                continue
            except StoreError as error:
                warnings.warn(f"{name!r} is left out: {error}", stacklevel=3)
                continue
            ours = card.backbone_fingerprint == self.backbone.fingerprint
            fits = ours and card.shapes == shapes and not card.members
            (fitting if fits else others).append(name)
        return fitting, others

    def check_shape(self, name: str, prefix: Prefix, config: PrefixConfig) -> None:
        """Check that a prefix has the shape that a configuration gives on this backbone.

        Raises:
            PrefixMismatchError: it has another.
        """
        shape = self.backbone.shape
        expected = {kind: part_shape(shape, config, kind) for kind in config.attentions}
        got = {kind: tuple(part.shape) for kind, part in prefix.parts.items()}
        if got != expected:
            raise PrefixMismatchError(
                f"the prefix of {name!r} has shapes {got}; this backbone and these prefix settings give {expected}"
            )

    def new_card(self, name: str, types: Sequence[str], prefix: PrefixConfig, **facts: Any) -> DomainCard:
        """The card of a domain on this backbone; `facts` are fields that tell of its training."""
        untrained = {"statistics": {}, "sources": {}, "strategy": "added", "metrics": {}, "seed": 0}
        return DomainCard(
            **{**untrained, **facts},
            name=name,
            types=list(types),
            backbone=self.backbone.name,
            backbone_fingerprint=self.backbone.fingerprint,
            prefix=config_dict(prefix),
            start_fingerprint=start_fingerprint(self.backbone.shape, prefix),
            versions=versions(),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _forget_made(self, name: str) -> None:
        """Forget what was made of a domain that is no more."""
        self._bank.discard(name)
        self._prompts.pop(name, None)

    def _is_stored(self, name: str) -> bool:
        return self.store is not None and self.store.is_dir() and name in Store(self.store)

    def _store_of(self, name: str) -> Store:
        """The store, which holds this domain."""
        if self.store is not None and self._is_stored(name):
            return Store(self.store)
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


def _no_source(others: Sequence[str]) -> str:
    return (
        f"{len(others)} stored domain{'s' * (len(others) > 1)} can't be a source, as ensembles or prefixes of another "
        f"shape or backbone: {others[0]!r}"
    )
