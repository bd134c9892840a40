"""The prefix store gives back what was put in, whole, whoever writes beside it and wherever a writer dies."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import multiprocessing
import os
import queue
import re
import shutil
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from cpner.backbone.prefix import Prefix
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.shape import ATTENTIONS, PrefixConfig, config_dict
from cpner.errors import FileError, StoreError, UnknownDomainError
from cpner.store import Store, StoredDomain
from tests.support import LAYERS, SHAPE, make_card, make_domain, make_prefix


def the_value(domain: StoredDomain) -> float:
    """The one value that all of a domain's tensors hold, and its card too."""
    values = {float(x) for part in domain.prefix.parts.values() for x in part.unique()}
    assert values == {float(domain.card.seed)}
    return values.pop()


def hidden(store: Store) -> list[str]:
    return sorted(path.name for path in store.path.iterdir() if path.name.startswith(".") and path.name != ".lock")


def test_round_trip_is_exact_in_bfloat16(store):
    domain = make_domain()

    store.save(domain)
    loaded = store.load("music")

    for kind in ATTENTIONS:
        assert getattr(loaded.prefix, kind).dtype == torch.bfloat16
        assert torch.equal(getattr(loaded.prefix, kind), getattr(domain.prefix, kind))
    assert loaded.reparameterisation is None
    shapes = {kind: [layers, 2, 3, 4, 8] for kind, layers in LAYERS.items()}
    assert loaded.card == store.card("music") == dataclasses.replace(domain.card, shapes=shapes)


def test_float32_prefix_is_rounded_unless_it_is_asked_for(store):
    prefix = Prefix(**{kind: part.float() + 1e-4 for kind, part in make_prefix().parts.items()})

    store.save(StoredDomain(make_card("rounded"), prefix))
    store.save(StoredDomain(make_card("exact"), prefix), dtype="float32")

    assert torch.equal(store.load("rounded").prefix.encoder, prefix.encoder.bfloat16())
    assert torch.equal(store.load("exact").prefix.encoder, prefix.encoder)
    with pytest.raises(StoreError, match=r"dtype 'float16' of a stored prefix is neither"):
        store.save(StoredDomain(make_card(), prefix), dtype="float16")


def test_attentions_that_are_off_stay_off(store):
    config = config_dict(PrefixConfig(length=4, attentions=("encoder", "cross")))

    store.save(StoredDomain(make_card(prefix=config), make_prefix()._replace(decoder=None)))

    assert list(store.load("music").prefix.parts) == ["encoder", "cross"]


def test_reparameterisation_comes_back_when_asked(store):
    config = PrefixConfig(4, ATTENTIONS, "mlp", hidden=8)
    network = Reparameterisation(SHAPE, config)

    store.save(StoredDomain(make_card(prefix=config_dict(config)), network.bake(), network.state_dict()))

    assert store.load("music").reparameterisation is None
    again = Reparameterisation(SHAPE, config)
    again.load_state_dict(store.load("music", reparameterisation=True).reparameterisation)
    assert all(
        torch.equal(a, b) for a, b in zip(network.bake().parts.values(), again.bake().parts.values(), strict=True)
    )


def test_parts_that_share_memory_or_are_views_are_stored(store):
    one = torch.randn(3, 2, 3, 8, 4, dtype=torch.bfloat16).transpose(-1, -2)
    prefix = Prefix(one[:2], one, one)

    store.save(StoredDomain(make_card(), prefix))

    assert torch.equal(store.load("music").prefix.cross, one)


def test_t5_base_domain_takes_at_most_1_2_megabytes(store):
    parts = {kind: torch.randn(12, 2, 12, 10, 64) for kind in ATTENTIONS}
    card = make_card(prefix=config_dict(PrefixConfig.paper()), types=[f"entity type {i}" for i in range(17)])

    store.save(StoredDomain(card, Prefix(**parts)))

    measured = sum(path.stat().st_size for path in (store.path / "music").iterdir())
    assert measured == store.size_bytes("music") <= 1_200_000
    assert {path.name for path in (store.path / "music").iterdir()} == {
        "prefix.safetensors",
        "domain.json",
        "README.md",
    }
    seconds = []
    for _ in range(9):
        start = time.perf_counter()
        store.load("music")
        seconds.append(time.perf_counter() - start)
    print(f"\n{measured} bytes, loaded in {1e3 * sorted(seconds)[4]:.1f} ms (median of 9)")
    assert min(seconds) < 0.1  # a few milliseconds; the limit leaves room for a busy machine


def test_save_takes_the_place_of_the_old(store):
    store.save(make_domain(value=1, seed=1))
    store.save(make_domain(value=2, seed=2))

    assert the_value(store.load("music")) == 2
    assert hidden(store) == []
    with pytest.raises(StoreError, match=r"domain 'music' is in .* already; choose another name or overwrite it"):
        store.save(make_domain(value=3, seed=3), overwrite=False)
    assert the_value(store.load("music")) == 2


def test_names_are_sorted_and_only_domains(store):
    for name in ("science", "ai", "music-2.1"):
        store.save(make_domain(name))
    (store.path / "runs").mkdir()
    (store.path / "notes.txt").write_text("mine")

    assert store.names() == list(store) == ["ai", "music-2.1", "science"]
    assert len(store) == 3
    assert "ai" in store and "runs" not in store and "../store/ai" not in store and 3 not in store


def test_remove_leaves_nothing(store):
    store.save(make_domain())

    store.remove("music")

    assert store.names() == [] and os.listdir(store.path) == [".lock"]
    with pytest.raises(UnknownDomainError):
        store.remove("music")


def test_removing_a_linked_domain_removes_the_link_alone(store, tmp_path):
    store.save(make_domain())
    (store.path / "link").symlink_to(store.path / "music")

    store.remove("link")

    assert store.names() == ["music"] and hidden(store) == []
    assert store.load("music").card.name == "music"


def test_a_domain_takes_the_place_of_a_link_and_not_of_its_target(store):
    store.save(make_domain(value=1, seed=1))
    (store.path / "jazz").symlink_to("music")
    (store.path / ".part-0").symlink_to("nothing")

    store.save(make_domain("jazz", value=2, seed=2))

    assert (the_value(store.load("music")), the_value(store.load("jazz"))) == (1, 2)
    assert hidden(store) == []


def test_renamed_folder_renames_the_domain(store):
    store.save(make_domain())

    shutil.copytree(store.path / "music", store.path / "jazz")

    assert store.load("jazz").card.name == "jazz"


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../music", "a/b", "a\\b", "/music", "C:music", ".hidden", "-x", "dot.", "new\nline", "a b", "é",
     "nul", "NUL", "con.txt", "Com1", "lpt9.x", "x" * 65, "a\0b", "~", "music\n"],
)  # fmt: skip
def test_unsafe_names_are_refused(store, name):
    with pytest.raises(StoreError, match=r"can't name a domain: use letters a-z, digits, '-', '_' and '.'") as error:
        make_card(name)
    assert "\n" not in str(error.value)
    with pytest.raises(UnknownDomainError):
        store.load(name)
    with pytest.raises(UnknownDomainError):
        store.remove(name)


@pytest.mark.parametrize("name", ["a", "7", "conll2003", "news_v2", "AI-20.1", "console", "x" * 64])
def test_plain_names_are_taken(store, name):
    store.save(make_domain(name))

    assert store.names() == [name]


def test_names_that_differ_in_case_only_are_refused(store):
    store.save(make_domain("music"))

    with pytest.raises(StoreError, match=r"'Music' differs from the stored 'music' in case only"):
        store.save(make_domain("Music"))


def test_folder_that_is_no_domain_is_never_replaced(store):
    (store.path / "music").mkdir()
    (store.path / "music" / "thesis.tex").write_text("years of work")

    with pytest.raises(StoreError, match=r"is in the way of domain 'music'"):
        store.save(make_domain("music"))
    with pytest.raises(UnknownDomainError):
        store.remove("music")
    assert (store.path / "music" / "thesis.tex").read_text() == "years of work"


def test_unknown_domain_lists_what_is_stored(store):
    for name in ("music", "ai"):
        store.save(make_domain(name))

    for call in (store.card, store.load, store.remove, store.size_bytes):
        with pytest.raises(
            UnknownDomainError, match=r"no domain 'musik' .* stored: ai, music\. Did you mean 'music'\?"
        ):
            call("musik")


def test_store_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(StoreError, match=r"no store at"):
        Store(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"can't be made"):
        Store(tmp_path / "file", create=True)
    assert Store(tmp_path / "a" / "b", create=True).names() == []


def edit_card(store: Store, name: str = "music", **changes) -> None:
    path = store.path / name / "domain.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def truncate(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def nested(levels: int) -> dict:
    """Tables inside each other."""
    table: dict = {}
    for _ in range(levels):
        table = {"a": table}
    return table


def rewrite(store: Store, file: str, tensors: dict[str, torch.Tensor]) -> None:
    """Other tensors under the right sha256, so that only the check of the tensors can find them."""
    data = save(tensors)
    (store.path / "music" / f"{file}.safetensors").write_bytes(data)
    known = json.loads((store.path / "music" / "domain.json").read_text())["sha256"]
    edit_card(store, sha256={**known, f"{file}.safetensors": hashlib.sha256(data).hexdigest()})


def rewrite_prefix(store: Store, parts: dict[str, torch.Tensor]) -> None:
    rewrite(store, "prefix", parts)


def parts_with(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    return {kind: part for kind, part in {**make_prefix().parts, **changes}.items() if part is not None}


DAMAGE = {
    "truncated tensors": (
        lambda s: truncate(s.path / "music/prefix.safetensors", 100),
        "prefix.safetensors is damaged",
    ),
    "empty tensors": (lambda s: truncate(s.path / "music/prefix.safetensors", 0), "prefix.safetensors is damaged"),
    "no tensors": (lambda s: os.unlink(s.path / "music/prefix.safetensors"), "prefix.safetensors is missing"),
    "tensors are a folder": (
        lambda s: (os.unlink(s.path / "music/prefix.safetensors"), (s.path / "music/prefix.safetensors").mkdir()),
        "prefix.safetensors can't be read",
    ),
    "truncated P": (
        lambda s: truncate(s.path / "music/reparameterisation.safetensors", 100),
        "reparameterisation.safetensors is damaged",
    ),
    "no P": (
        lambda s: os.unlink(s.path / "music/reparameterisation.safetensors"),
        "reparameterisation.safetensors is missing",
    ),
    "no card": (lambda s: os.unlink(s.path / "music/domain.json"), "domain.json is missing"),
    "truncated card": (lambda s: truncate(s.path / "music/domain.json", 50), "domain.json is damaged: no JSON"),
    "not UTF-8": (lambda s: (s.path / "music/domain.json").write_bytes(b'{"\xff'), "domain.json is damaged: no JSON"),
    "deep JSON": (
        lambda s: (s.path / "music/domain.json").write_text("[" * 200_000),
        "domain.json is damaged: no JSON",
    ),
    "a list": (lambda s: (s.path / "music/domain.json").write_text("[]"), "domain.json is damaged: it names no format"),
    "a field less": (
        lambda s: (s.path / "music/domain.json").write_text('{"format": 1, "name": "music"}'),
        "domain.json is damaged: missing 12 required",
    ),
    "types are text": (
        lambda s: edit_card(s, types="song"),
        "domain.json is damaged: types is 'song'; expected a list",
    ),
    "no types": (lambda s: edit_card(s, types=[]), "domain.json is damaged: types .* at least one"),
    "seed is true": (
        lambda s: edit_card(s, seed=True),
        "damaged: seed is True; expected a whole number",
    ),
    "weight is text": (
        lambda s: edit_card(s, sources={"ai": "1"}),
        "domain.json is damaged: the weight of source 'ai'",
    ),
    "prefix is odd": (lambda s: edit_card(s, prefix={"length": 4}), "domain.json is damaged: prefix .* needs a length"),
    "weight has no end": (
        lambda s: edit_card(s, sources={"ai": 10**400}),
        "domain.json is damaged: the weight of source 'ai'",
    ),
    "splits are a number": (lambda s: edit_card(s, statistics={"splits": 3}), "damaged: statistics has splits 3"),
    "splits are none": (lambda s: edit_card(s, statistics={"splits": None}), "damaged: statistics has splits None"),
    "a split is text": (lambda s: edit_card(s, statistics={"train": ""}), "damaged: statistics has the split ''"),
    "sentences are text": (
        lambda s: edit_card(s, statistics={"splits": {"train": {"sentences": ""}}}),
        "damaged: statistics counts '' in a split",
    ),
    "a member is a list": (lambda s: edit_card(s, members=[[]]), r"damaged: members holds \[\]; expected texts"),
    "a version is none": (lambda s: edit_card(s, versions={"a": None}), "damaged: versions holds None; expected texts"),
    "shapes are text": (lambda s: edit_card(s, shapes={"cross": "x"}), "damaged: shapes of cross are 'x'"),
    "start is text": (
        lambda s: edit_card(s, prefix={**config_dict(PrefixConfig.paper(4)), "start_seed": "x"}),
        "damaged: prefix setting start_seed is 'x'; expected a whole number",
    ),
    "deep metrics": (lambda s: edit_card(s, metrics=nested(500)), "damaged: metrics has tables and lists nested more"),
    "half a letter": (lambda s: edit_card(s, metrics={"a": "\ud800"}), "damaged: metrics holds the character U.D800"),
    "half a key": (lambda s: edit_card(s, metrics={"\ud800": 1}), "damaged: metrics holds the character U.D800"),
    "escape": (lambda s: edit_card(s, strategy="\x1b[31m"), "damaged: strategy holds the character U.001B"),
    "not a score": (lambda s: edit_card(s, metrics={"f1": float("nan")}), "damaged: metrics holds nan"),
    "a huge card": (
        lambda s: edit_card(s, metrics={"a": "x" * 10**6}),
        "domain.json has more than the 1,000,000 bytes",
    ),
    "P in eight bits": (
        lambda s: rewrite(s, "reparameterisation", {"matrix": torch.zeros(3).to(torch.float8_e4m3fn)}),
        "reparameterisation.safetensors: matrix is in torch.float8_e4m3fn",
    ),
    "no digest": (lambda s: edit_card(s, sha256=None), "domain.json is damaged: it has no sha256"),
    "another digest": (lambda s: edit_card(s, sha256={}), "prefix.safetensors is damaged: its sha256"),
    "another length": (
        lambda s: edit_card(s, prefix=config_dict(PrefixConfig.paper(5))),
        "prefix.safetensors: .* has shape .*; its card asks for .* 5,",
    ),
    "other shapes": (
        lambda s: rewrite_prefix(s, parts_with(cross=torch.zeros(7, 2, 3, 4, 8, dtype=torch.bfloat16))),
        "prefix.safetensors has shapes .* its card has",
    ),
    "a part less": (
        lambda s: rewrite_prefix(s, parts_with(cross=None)),
        r"prefix.safetensors holds \['decoder', 'encoder'\], its card speaks of",
    ),
    "a number": (
        lambda s: rewrite_prefix(s, parts_with(cross=torch.tensor(1.0))),
        "prefix.safetensors: cross has shape",
    ),
    "not a number": (
        lambda s: rewrite_prefix(s, parts_with(cross=torch.full((3, 2, 3, 4, 8), torch.nan))),
        "prefix.safetensors: cross has values that are not finite",
    ),
    "another dtype": (
        lambda s: rewrite_prefix(s, parts_with(cross=torch.zeros(3, 2, 3, 4, 8, dtype=torch.int8))),
        "prefix.safetensors is in torch.int8",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_one_line_that_names_the_file(store, damage):
    harm, message = DAMAGE[damage]
    store.save(StoredDomain(make_card(), make_prefix(), {"matrix": torch.ones(3)}))
    store.save(make_domain("ai"))

    harm(store)

    with pytest.raises(StoreError, match=message) as error:
        store.load("music", reparameterisation=True)
    assert "\n" not in str(error.value) and str(store.path / "music") in str(error.value)
    assert store.names() == ["ai", "music"] and store.load("ai").card.name == "ai"
    store.save(make_domain(value=1, seed=1))  # the way out
    assert the_value(store.load("music")) == 1


def test_a_flipped_bit_is_found(store):
    store.save(make_domain())
    path = store.path / "music" / "prefix.safetensors"
    data = bytearray(path.read_bytes())
    data[-7] ^= 1
    path.write_bytes(data)

    with pytest.raises(StoreError, match=r"its sha256 is not the one in domain.json"):
        store.load("music")


def test_future_format_is_refused_and_unknown_keys_are_not(store):
    store.save(make_domain())
    edit_card(store, colour="blue")
    assert store.card("music").seed == 3

    edit_card(store, format=2)

    for call in (store.card, store.load):
        with pytest.raises(StoreError, match=r"is of format 2, this version of cpner reads up to 1; upgrade cpner"):
            call("music")


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        (StoredDomain(make_card(), make_prefix(length=5)), "has shape .* its card asks"),
        (StoredDomain(make_card(), make_prefix()._replace(cross=None)), "its card speaks of"),
        (StoredDomain(make_card(), make_prefix(torch.nan)), "not finite"),
        (StoredDomain(make_card(), make_prefix(), {"matrix": torch.tensor([torch.inf])}), "matrix has values"),
        (StoredDomain(make_card(), make_prefix(), {"matrix": torch.ones(3, dtype=torch.int8)}), "is in torch.int8"),
        (StoredDomain(make_card(metrics={"note": "x" * 1_000_000}), make_prefix()), "bytes, more than the 1,000,000"),
    ],
)
def test_what_would_not_load_is_not_saved(store, domain, message):
    with pytest.raises(StoreError, match=message):
        store.save(domain)
    assert store.names() == []


processes = multiprocessing.get_context("forkserver")


processes.set_forkserver_preload([__name__])  # torch is imported once, not once a process


def save_and_die(path: Path, step: int, action: str) -> None:
    """Save or remove a domain, and end without a word before the given change to the store's folder."""
    changes = {"os.rename", "os.mkdir", "os.remove", "os.rmdir"}
    left = step

    def watch(event: str, args: tuple) -> None:
        nonlocal left
        if event in changes or (event == "open" and str(args[0]).startswith(str(path))):
            left -= 1
            if left < 0:
                os._exit(9)

    store, domain = Store(path), make_domain(value=2, seed=2)
    sys.addaudithook(watch)
    store.save(domain) if action == "save" else store.remove("music")
    os._exit(0)


@pytest.mark.parametrize("action", ["save", "remove"])
def test_a_writer_that_dies_anywhere_leaves_the_old_or_the_new(tmp_path, action):
    found = []
    for step in range(100):
        path = tmp_path / str(step)
        store = Store(path, create=True)
        store.save(make_domain(value=1, seed=1))
        store.save(make_domain("ai", value=4, seed=4))
        process = processes.Process(target=save_and_die, args=(path, step, action))
        process.start()
        process.join()
        names = store.names()
        found.append(the_value(store.load("music")) if "music" in names else None)
        assert "ai" in names and the_value(store.load("ai")) == 4
        store.save(make_domain("ai", value=5, seed=5))
        assert hidden(store) == [] and store.names() == names
        if process.exitcode == 0:
            break
        assert process.exitcode == 9

    new = 2 if action == "save" else None
    changed = found.index(new)
    assert set(found[:changed]) == {1} and set(found[changed:]) == {new}
    assert len(found) > 3


def test_interrupted_swap_is_read_from_a_store_that_cannot_be_locked(store):
    store.save(make_domain(value=1, seed=1))
    (store.path / "music").rename(store.path / ".old-music")
    (store.path / ".lock").unlink()
    (store.path / ".lock").mkdir()  # nobody can lock it now, as on a disk that is read only

    assert store.names() == ["music"] and "music" in store
    assert the_value(store.load("music")) == 1
    with pytest.raises(UnknownDomainError):
        store.load("ai")
    with pytest.raises(StoreError, match=r"can't be written to"):
        store.save(make_domain("ai"))


def write_often(path: Path, names: list[str], values: list[int]) -> None:
    store = Store(path)
    for value in values:
        for name in names:
            store.save(make_domain(name, value=value, seed=value))


def read_until(path: Path, names: list[str], stop, failures) -> None:
    """Read whatever is there until told to stop; anything but a whole domain is a failure."""
    store = Store(path)
    reads = 0
    try:
        while not stop.is_set() or reads < 20:
            assert set(names) <= set(store.names())
            for name in names:
                the_value(store.load(name))
                reads += 1
    except BaseException as error:
        failures.put(repr(error))


def crowd(path: Path, start, stop, failures) -> None:
    """Three writers, two of them of the same domains, beside two readers; `start` makes a process or a thread."""
    store = Store(path, create=True)
    names = ["music", "ai"]
    write_often(path, names, [0])
    readers = [start(target=read_until, args=(path, names, stop, failures)) for _ in range(2)]
    jobs = [(names, [1, 2, 3, 4] * 3), (names, [5, 6, 7, 8] * 3), (["news"], [1, 2, 3, 9] * 3)]
    writers = [start(target=write_often, args=(path, *job)) for job in jobs]
    for one in [*readers, *writers]:
        one.start()
    for one in writers:
        one.join()
    stop.set()
    for one in readers:
        one.join()
    assert failures.empty(), failures.get()
    assert store.names() == ["ai", "music", "news"] and hidden(store) == []
    assert the_value(store.load("news")) == 9
    assert {the_value(store.load(name)) for name in names} <= {4, 8}  # each writer's last


def test_processes_share_a_store(tmp_path):
    started = []

    def start(**job):
        started.append(processes.Process(**job))
        return started[-1]

    crowd(tmp_path / "store", start, processes.Event(), processes.SimpleQueue())

    assert [process.exitcode for process in started] == [0] * 5


def test_threads_share_a_store(tmp_path):
    crowd(tmp_path / "store", threading.Thread, threading.Event(), queue.Queue())


def zip_of(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def entries_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def exported(store, tmp_path) -> Path:
    store.save(StoredDomain(make_card(), make_prefix(), {"matrix": torch.randn(3)}))
    store.export("music", tmp_path / "music.zip")
    return tmp_path / "music.zip"


def test_export_and_import_are_exact(store, exported, tmp_path):
    other = Store(tmp_path / "other", create=True)

    card = other.import_(exported)

    assert card == other.card("music") == store.card("music")
    ours, theirs = store.load("music", reparameterisation=True), other.load("music", reparameterisation=True)
    assert all(torch.equal(a, b) for a, b in zip(ours.prefix[:3], theirs.prefix[:3], strict=True))
    assert torch.equal(ours.reparameterisation["matrix"], theirs.reparameterisation["matrix"])
    other.export("music", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == exported.read_bytes()


def test_float32_domain_stays_float32_through_export(store, tmp_path):
    store.save(make_domain(), dtype="float32")

    store.export("music", tmp_path / "music.zip")

    store.import_(tmp_path / "music.zip", "copy")
    assert store.load("copy").prefix.encoder.dtype == torch.float32


def test_import_under_a_taken_name_needs_a_word(store, exported):
    store.save(make_domain(value=1, seed=1))

    with pytest.raises(StoreError, match=r"'music' is in .* already"):
        store.import_(exported)
    assert the_value(store.load("music")) == 1
    assert store.import_(exported, "jazz").name == "jazz"
    assert "# jazz" in (store.path / "jazz" / "README.md").read_text()
    store.import_(exported, overwrite=True)
    assert store.card("music").seed == 3
    with pytest.raises(StoreError, match=r"'\.\./x' can't name a domain"):
        store.import_(exported, "../x")


@pytest.mark.parametrize(
    "name", ["../evil.txt", "music/../../domain.json", "/domain.json", "a/b/domain.json", "music/evil.pkl", "..\\x"]
)
def test_import_takes_nothing_from_outside(store, exported, tmp_path, name):
    before = sorted(tmp_path.rglob("*"))
    zip_of(exported, {**entries_of(exported), name: b"{}"})

    with pytest.raises(StoreError, match=r"is no file of an exported domain|more than one domain"):
        store.import_(exported, "evil")
    assert sorted(tmp_path.rglob("*")) == before


def test_import_refuses_what_is_too_large(store, exported):
    with pytest.raises(StoreError, match=r"has .* bytes, more than the 2,000 that are allowed"):
        store.import_(exported, "big", max_bytes=2000)
    for file, largest in {"README.md": 1_000_000, "domain.json": 1_000_000, "prefix.safetensors": 9_000_000}.items():
        with zipfile.ZipFile(exported, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"music/{file}", b"\0" * (largest + 1))
        with pytest.raises(StoreError, match=f"unpacks to {largest + 1} bytes"):
            store.import_(exported, "big", max_bytes=9_000_000)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_import_takes_no_compression_but_ours(store, exported, method):
    entries = entries_of(exported)
    with zipfile.ZipFile(exported, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)

    with pytest.raises(StoreError, match=r"compressed in a way that `domains export` never uses"):
        store.import_(exported, "copy")


def test_import_does_not_read_a_long_list_of_files(store, exported):
    with zipfile.ZipFile(exported, "w") as archive:
        for i in range(70_000):
            archive.writestr(f"{i}/domain.json", b"")

    with pytest.raises(StoreError, match=r"lists more than the 4 files of an exported domain"):
        store.import_(exported, "long")


def test_import_of_damage_is_one_line_and_stores_nothing(store, exported, tmp_path):
    entries = entries_of(exported)
    store.remove("music")
    cases = {
        "music.zip/domain.json is missing": {k: v for k, v in entries.items() if "json" not in k},
        "music.zip/prefix.safetensors is missing": {k: v for k, v in entries.items() if "prefix" not in k},
        "music.zip/prefix.safetensors is damaged": {**entries, "music/prefix.safetensors": b"x"},
        "more than one domain": {**entries, "ai/domain.json": b"{}"},
    }
    card = json.loads(entries["music/domain.json"])
    for types in (["a:b"], ["a", "a"], ["\x1b[31m"]):
        cases[f"types {re.escape(repr(types))} must be words"] = {
            **entries, "music/domain.json": json.dumps({**card, "types": types}).encode()
        }  # fmt: skip
    for message, changed in cases.items():
        with pytest.raises(StoreError, match=message):
            store.import_(zip_of(exported, changed))
    for data in (b"", b"PK\3\4 and then nothing", exported.read_bytes()[:-30]):
        exported.write_bytes(data)
        with pytest.raises(StoreError, match=r"can't be read as a .zip"):
            store.import_(exported)
    with pytest.raises(StoreError, match=r"no file .* to import"):
        store.import_(tmp_path / "nothing.zip")
    assert store.names() == []


def test_import_of_a_file_twice_is_refused(store, exported):
    with pytest.warns(UserWarning, match=r"Duplicate name"), zipfile.ZipFile(exported, "a") as archive:
        archive.writestr("music/domain.json", b"{}")

    with pytest.raises(StoreError, match=r"holds a file twice"):
        store.import_(exported, "copy")


def test_export_that_fails_leaves_no_file(store, tmp_path):
    (tmp_path / "folder.zip").mkdir()
    store.save(make_domain())

    with pytest.raises(FileError, match=r"folder.zip: can't be written: is a folder"):
        store.export("music", tmp_path / "folder.zip")
    truncate(store.path / "music" / "prefix.safetensors", 9)
    with pytest.raises(StoreError, match=r"is damaged"):
        store.export("music", tmp_path / "x.zip")
    assert sorted(os.listdir(tmp_path)) == ["folder.zip", "store"]


def test_tidying_ends_what_a_crashed_writer_began(store):
    for name in ("music", "news"):
        store.save(make_domain(name=name))
    shutil.copytree(store.path / "music", store.path / ".old-music")
    shutil.copytree(store.path / "music", store.path / ".part-1")
    os.rename(store.path / "news", store.path / ".old-news")
    before = store.names()

    store.tidy()

    assert store.names() == before == ["music", "news"]
    assert hidden(store) == []
