"""What is attacked: each target makes one hostile input of a seed, gives it to cpner, and raises what cpner raises."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import click
import torch
from click.testing import CliRunner

from cpner.backbone.load import load
from cpner.backbone.shape import PrefixConfig
from cpner.cli import COMMANDS, main
from cpner.corpus import Corpus
from cpner.corpus.formats import FORMATS, WRITTEN
from cpner.errors import CpnerError
from cpner.ner import CPNER
from cpner.store import Store
from tests.hostile.counts import COUNTS
from tests.hostile.mutate import ODD, dump, spoil_bytes, spoil_json
from tests.support import SENTENCES, make_backbone, random_prefix

MADE_FROM = Corpus.from_sentences(SENTENCES)
_SLOW = {"demo", "pretrain", "bench", "serve", "reproduce", "leaks"}  # start servers or long work when they are right
_BOUND = {"backbone", "epochs", "steps", "max_steps", "min_steps", "members"}  # always given: long work is no hang
_PLACES = {"device", "out", "output", "run_dir", "path"}
_MOST_TEXT = 1000  # bytes for `predict`


class LossError(Exception):
    """Entities vanished without a word, or what cpner wrote it does not read."""


class Targets:
    """All targets, on inputs in one folder.

    Args:
        folder: where seeds, stores and backbones are made, and each input is written.
    """

    def __init__(self, folder: Path) -> None:
        torch.manual_seed(0)
        self.folder = folder
        self.accepted = 0
        self.refused = 0
        self.corpora = _corpora(folder / "corpora")
        self.backbone = make_backbone(folder / "backbone")
        self.ner = CPNER(load(str(self.backbone), device="cpu", precision="float32"))
        self.store = _store(self.ner, folder / "store")
        self.archive = folder / "music.zip"
        Store(self.store).export("music", self.archive)
        self.ways: dict[str, tuple[float, Callable[[random.Random], None]]] = {
            "corpus": (0.705, self.corpus),
            "card": (0.10, self.card),
            "archive": (0.10, self.import_),
            "arguments": (0.08, self.arguments),
            "text": (0.005, self.text),
            "backbone": (0.01, self.model),
        }
        self.environment = dict(os.environ)

    def run(self, name: str, rng: random.Random) -> None:
        """Give cpner one input; a refusal by a `CpnerError` or a usage error is right.

        It finds one thread and the environment of the first, whatever inputs before it have set, as with `--threads`.
        """
        torch.set_num_threads(1)
        _set_environment(self.environment)
        here = self.folder / "here"  # where a command that is given an odd path may write
        here.mkdir(exist_ok=True)
        with warnings.catch_warnings(), contextlib.chdir(here):
            warnings.simplefilter("ignore")
            try:
                self.ways[name][1](rng)
                self.accepted += 1
            except CpnerError:
                self.refused += 1

    def corpus(self, rng: random.Random) -> None:
        """A corpus file; accepted, it has the entities that a plain reading counts, and can be written and read."""
        name = rng.choice(list(self.corpora))
        data, other = self.corpora[name], self.corpora[rng.choice(list(self.corpora))]
        spoilt = _spoil_records(rng, data) if data[:1] in b"[{" and rng.random() < 0.6 else None
        data = spoil_bytes(rng, data, other) if spoilt is None else spoilt
        suffix = WRITTEN[name].suffix if name in WRITTEN else rng.choice((".jsonl", ".json", ".txt"))
        path = self.folder / f"train{suffix}"
        path.write_bytes(data)
        for ending, marks in _beside(rng, name, self.corpora, data).items():
            path.with_suffix(ending).write_bytes(marks)
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                corpus = Corpus.read(path, format=name if rng.random() < 0.3 else None)
            if not corpus.repairs and not told:
                _check_count(name, data, corpus)
            if rng.random() < 0.3:
                self._write_and_read(rng, corpus)
        finally:
            path.with_suffix(".ann").unlink(missing_ok=True)

    def _write_and_read(self, rng: random.Random, corpus: Corpus) -> None:
        """What was accepted may be refused by a format, but what a format has written must be readable."""
        name = rng.choice([name for name, format_ in WRITTEN.items() if not format_.binary and not format_.beside])
        path = self.folder / f"written{WRITTEN[name].suffix}"
        corpus.write(path, name)
        try:
            again = Corpus.read(path, format=name)
        except CpnerError as error:
            raise LossError(f"cpner refuses the {name} that it wrote: {error}") from error
        if WRITTEN[name].words and corpus.repairs:
            return
        before, after = _count(corpus), _count(again)
        inside = sum(len(sentence.unreachable) for sentence in corpus.train)
        if after < before - (inside if WRITTEN[name].words else 0):
            raise LossError(f"{before} entities became {after} in {name}")

    def card(self, rng: random.Random) -> None:
        """A card in a store of two; the other one is listed whatever it holds."""
        path = self.store / "music" / "domain.json"
        original = path.read_bytes()
        try:
            value = json.loads(original)
            spoilt = dump(rng, spoil_json(rng, value), indent=1)
            path.write_bytes(spoilt if rng.random() < 0.8 else spoil_bytes(rng, original))
            listed = command("domains", "list", "--json", "--store", self.store)
            names = [row["name"] for row in json.loads(listed) if "error" not in row] if listed[:1] == "[" else None
            names = names or [row["name"] for row in json.loads(listed)["domains"] if "error" not in row]
            if "news" not in names:
                raise LossError("a bad card hides another domain")
            way = rng.randrange(5)
            if way == 0:
                command("domains", "show", "music", "--store", self.store)
            elif way == 1:
                command("domains", "show", "music", "--json", "--store", self.store)
            elif way == 2:
                command("domains", "list", "--store", self.store)
            elif way == 3:
                command("domains", "export", "music", self.folder / "out.zip", "--overwrite", "--store", self.store)
            else:
                self.ner.reload()
                self.ner.predict("Ada left Rome.", "music")
        finally:
            path.write_bytes(original)

    def import_(self, rng: random.Random) -> None:
        """An archive: spoilt bytes, or another one of spoilt files, names and ways of packing."""
        path = self.folder / "spoilt.zip"
        data = self.archive.read_bytes()
        path.write_bytes(spoil_bytes(rng, data) if rng.random() < 0.5 else _repacked(rng, data))
        command("domains", "import", path, "--overwrite", "--store", self.folder / "imported")

    def arguments(self, rng: random.Random) -> None:
        """A command with odd values for some of its options."""
        names = [name for section in COMMANDS.values() for name in section if name not in _SLOW]
        name = rng.choice(names)
        found = main.get_command(click.Context(main), name)
        assert found is not None
        words = [name]
        if isinstance(found, click.Group):
            inner = rng.choice([one for one in found.commands if one != "fetch"])
            found = found.commands[inner]
            words.append(inner)
        for parameter in found.params:
            is_optional = isinstance(parameter, click.Option) and not parameter.required
            if is_optional and parameter.name not in _BOUND and rng.random() < 0.6:
                continue
            if isinstance(parameter, click.Option):
                words.append(parameter.opts[0])
            if not getattr(parameter, "is_flag", False):
                words.append(self._value(rng, parameter))
        command(*words)

    def _value(self, rng: random.Random, parameter: click.Parameter) -> str:
        """A value that is right, or odd; a backbone is never one of the hub."""
        right = {
            "store": str(self.store), "backbone": str(self.backbone), "device": "cpu", "domain": "music",
            "name": "music", "epochs": "1", "steps": "1", "max_steps": "1", "min_steps": "0", "target": "music",
            "out": str(self.folder / "out"), "output": str(self.folder / "out"), "run_dir": str(self.folder / "runs"),
        }  # fmt: skip
        known = right.get(str(parameter.name))
        if parameter.name in _BOUND or parameter.name in _PLACES or rng.random() < 0.5:
            return known or rng.choice(("1", "2", str(self.folder / "corpora" / "jsonl"), "music,news", "auto"))
        odd = rng.choice([value for value in ODD if not isinstance(value, list | dict)])
        return str(odd).replace("\0", "\x01").encode("utf-8", "replace").decode()

    def text(self, rng: random.Random) -> None:
        """A text, or bytes as the input of `predict`."""
        data = spoil_bytes(rng, self.corpora["conll"], self.corpora["brat"])[:_MOST_TEXT]
        if rng.random() < 0.5:
            path = self.folder / "texts.txt"
            path.write_bytes(data)
            options = ("--input", path, "--domain", "music", "--store", self.store, "--backbone", self.backbone)
            command("predict", *options, "--format", rng.choice(("jsonl", "conll", "html", "table")))
        else:
            self.ner.predict(data.decode("utf-8", rng.choice(("replace", "surrogateescape"))), "music")

    def model(self, rng: random.Random) -> None:
        """A folder of a backbone with one spoilt file."""
        folder = self.folder / "spoilt-backbone"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.backbone, folder)
        files = [*sorted(path.name for path in folder.iterdir()), "config.json", "model.safetensors.index.json"]
        path = folder / rng.choice(files)
        if path.name == "model.safetensors.index.json":
            index = {"metadata": {}, "weight_map": {"shared.weight": "model.safetensors"}}
            path.write_bytes(dump(rng, spoil_json(rng, index)))
        elif path.suffix == ".json" and rng.random() < 0.8:
            path.write_bytes(dump(rng, spoil_json(rng, json.loads(path.read_bytes()))))
        else:
            path.write_bytes(spoil_bytes(rng, path.read_bytes()))
        ner = CPNER(load(str(folder), device="cpu"))
        ner.predict("Ada left Rome.", types=["person"])


def command(*arguments: object, input: bytes | None = None) -> str:
    """Run a command in this process and give what it printed; what is no plain refusal is raised."""
    result = CliRunner().invoke(main, [str(one) for one in arguments], input=input)
    error = result.exception
    if error is not None and not isinstance(error, SystemExit):
        raise error
    if result.exit_code not in (0, 2) or "Traceback" in result.stderr:
        raise LossError(f"exit code {result.exit_code}: {result.stderr}")
    lines = result.stderr.splitlines()
    if result.exit_code == 2 and (not lines or len(lines[-1]) > 3000):
        raise LossError(f"an error that is no line: {result.stderr[:200]!r}")
    return result.stdout


def _set_environment(environment: dict[str, str]) -> None:
    if dict(os.environ) != environment:
        os.environ.clear()
        os.environ.update(environment)


def _corpora(folder: Path) -> dict[str, bytes]:
    """A file of each format but those that need further packages, by name."""
    files = {}
    for name, format_ in FORMATS.items():
        if format_.binary:
            continue
        files[name] = format_.example.encode() + b"\n"
        if name in WRITTEN:
            path = folder / name / f"train{format_.suffix}"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                MADE_FROM.write(path, name)
            files[name] = path.read_bytes()
            if format_.beside:
                files[f"{name}.ann"] = path.with_suffix(".ann").read_bytes()
    files["brat marks"] = files.pop("brat.ann")
    return {name: data for name, data in files.items() if name in FORMATS} | {"brat": files["brat"]}


def _beside(rng: random.Random, name: str, corpora: dict[str, bytes], data: bytes) -> dict[str, bytes]:
    if name != "brat":
        return {}
    return {".ann": spoil_bytes(rng, b"T1\tperson 0 7\tJohnson\nT2\tlocation 30 39\tBaltimore\n")}


def _spoil_records(rng: random.Random, data: bytes) -> bytes | None:
    try:
        values = [json.loads(line) for line in data.decode().split("\n") if line.strip()]
        return b"\n".join(dump(rng, value) for value in spoil_json(rng, values)) + b"\n"
    except (ValueError, TypeError):
        pass
    try:
        return dump(rng, spoil_json(rng, json.loads(data)))
    except ValueError:
        return None


def _count(corpus: Corpus) -> int:
    return sum(len(sentence.gold) for sentences in corpus.splits.values() for sentence in sentences)


def _check_count(name: str, data: bytes, corpus: Corpus) -> None:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return
    text = text.replace("\r\n", "\n") if "\n" in text else text.replace("\r", "\n")
    expected = COUNTS[name](text) if name in COUNTS else None
    if expected is not None and _count(corpus) < expected:
        raise LossError(f"{expected} entities in {name}, {_count(corpus)} read")


def _store(ner: CPNER, folder: Path) -> Path:
    config = PrefixConfig(length=4)
    for name in ("music", "news"):
        prefix = random_prefix(ner.backbone.t5.shape, 4, ("encoder",))
        ner.add(name, prefix, ["person", "location"], config=config)
    ner.save(folder)
    return folder


def _repacked(rng: random.Random, data: bytes) -> bytes:
    """The files of an archive, some spoilt, in another archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    out = io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, content in files.items():
            spoil = rng.random()
            if name.endswith("domain.json") and spoil < 0.5:
                content = dump(rng, spoil_json(rng, json.loads(content)))
            elif spoil < 0.3:
                content = spoil_bytes(rng, content)
            elif spoil < 0.33:
                content = b"{}," * 400_000
            called = rng.choice((name, name, name, name.partition("/")[2], f"../{name}", f"/{name}", "music/é\\x"))
            archive.writestr(called, content)
    return out.getvalue()
