"""Thousands of domains: those used last stay at hand, the rest come from the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cpner.backbone.prefix import Prefix, common_start
from cpner.backbone.shape import ATTENTIONS, PrefixConfig
from cpner.errors import UnknownDomainError
from cpner.store import Store, StoredDomain
from cpner.store.domains import Domains

SMALL = PrefixConfig(2, ATTENTIONS)


def domain(domains: Domains, name: str, scale: float = 1.0) -> StoredDomain:
    start = common_start(domains.backbone.t5.shape, PrefixConfig(2, ATTENTIONS, start_scale=scale))
    return StoredDomain(domains.new_card(name, ["person"], SMALL), start)


@pytest.fixture
def store(tiny: Any, tmp_path: Path) -> Path:
    """Six domains, d0 to d5, each with values of its own."""
    domains, store = Domains(tiny, None), Store(tmp_path / "store", create=True)
    for i in range(6):
        store.save(domain(domains, f"d{i}", 1.0 + i))
    return store.path


def prefix(domains: Domains, name: str) -> Prefix:
    """As it is on the device."""
    held = domains.snapshot([name]).bank.get(name)
    assert held is not None
    return held


def first_value(domains: Domains, name: str) -> float:
    return float(prefix(domains, name).parts["encoder"].abs().max())


def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the domains that are read from a store from now on."""
    read: list[str] = []
    load = Store.load

    def counting(self: Store, name: str, **more: Any) -> StoredDomain:
        read.append(name)
        return load(self, name, **more)

    monkeypatch.setattr(Store, "load", counting)
    return read


def test_least_recently_used_domain_leaves(tiny: Any, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    domains, read = Domains(tiny, store, on_device=2, in_memory=3), reads(monkeypatch)

    for name in ("d0", "d1", "d2", "d0", "d3"):  # d1 was used longest ago when d3 comes
        domains.get(name)
    assert read == ["d0", "d1", "d2", "d3"]
    for name in ("d0", "d2", "d3"):
        domains.get(name)
    assert read == ["d0", "d1", "d2", "d3"]
    domains.get("d1")
    assert read[4:] == ["d1"]


def test_a_prefix_that_left_the_device_comes_back_the_same(tiny: Any, store: Path) -> None:
    few, many = Domains(tiny, store, on_device=1, in_memory=1), Domains(tiny, store)

    for name in ("d0", "d5", "d0", "d3", "d5"):
        for kind, part in prefix(many, name).parts.items():
            assert torch.equal(prefix(few, name).parts[kind], part)
    assert first_value(many, "d5") > 2 * first_value(many, "d0")


def test_a_domain_is_asked_for_as_its_card_says(tiny: Any, store: Path) -> None:
    domains = Domains(tiny, store)
    first = domains.snapshot(["d0"]).prompts["d0"]
    changed = domain(domains, "d0")

    domains.put(replace(changed, card=replace(changed.card, types=["song"], options=False)))

    assert domains.snapshot(["d1"]).prompts["d1"] is domains.snapshot(["d1"]).prompts["d1"]
    assert (first.types, domains.snapshot(["d0"]).prompts["d0"].types) == (["person"], ["song"])
    assert domains.snapshot(["d0"]).prompts["d0"].overhead < first.overhead


def test_what_is_not_saved_never_leaves(tiny: Any, store: Path) -> None:
    domains = Domains(tiny, store, on_device=1, in_memory=1)
    for i in range(4):
        domains.put(domain(domains, f"new{i}", 10.0 + i))
    for i in range(6):
        prefix(domains, f"d{i}")

    assert first_value(domains, "new0") > first_value(domains, "d5")
    assert {f"new{i}" for i in range(4)} < set(domains.names())
    domains.reload()
    assert first_value(domains, "new3") > first_value(domains, "new0")


def test_saved_domain_can_leave_and_be_read_again(tiny: Any, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    domains, read = Domains(tiny, store, on_device=1, in_memory=1), reads(monkeypatch)
    domains.put(domain(domains, "new", 10.0))
    before = first_value(domains, "new")

    domains.save(None, None, reparameterisation=False)
    prefix(domains, "d0")

    assert first_value(domains, "new") == before
    assert read == ["d0", "new"]


def test_saving_what_is_stored_keeps_its_reparameterisation(tiny: Any, store: Path) -> None:
    first = Domains(tiny, store)
    learnt = {"encoder": torch.ones(2)}
    first.put(replace(domain(first, "d0", 10.0), reparameterisation=learnt))
    first.save(None, None, reparameterisation=True)

    Domains(tiny, store).save(None, ["d0"], reparameterisation=False)

    kept = Domains(tiny, store).get("d0", whole=True).reparameterisation
    assert kept is not None and torch.equal(kept["encoder"], learnt["encoder"])


def test_a_damaged_domain_is_left_out_of_all_that_fit(tiny: Any, store: Path) -> None:
    domains = Domains(tiny, store)
    config = domains.card("d0").config
    fitting, others = domains.compatible("d0", config)
    (store / fitting[0] / "domain.json").write_bytes(b"")

    with pytest.warns(UserWarning, match=f"'{fitting[0]}' is left out: .*damaged"):
        assert Domains(tiny, store).compatible("d0", config) == (fitting[1:], others)


def test_a_new_domain_takes_the_place_of_the_stored_one(tiny: Any, store: Path) -> None:
    domains = Domains(tiny, store)
    old = first_value(domains, "d0")

    domains.put(domain(domains, "d0", 50.0))

    assert first_value(domains, "d0") > 10 * old


def test_unknown_domain_is_named_with_a_like_one(tiny: Any, store: Path) -> None:
    with pytest.raises(UnknownDomainError, match=r"no domain 'd9'.*known are: d0, d1"):
        prefix(Domains(tiny, store), "d9")
