"""Commands killed at file events, and run again: `python -m tests.hostile.kills --kills 500`.

A process loads all that commands need and then forks: the fork runs a command and kills itself with SIGKILL before its
n-th file event. When each event has had its kill, the command that goes on is killed as well. The laws: each domain can
be read then, and is the old or the new one; the command run again, with `--resume` where it trains, ends well and gives
what it gives undisturbed; and nothing of the store is left over.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from cpner.annotation import local
from cpner.backbone.prefix import fingerprint
from cpner.backbone.shape import PrefixConfig
from cpner.cli import main as command_line
from cpner.errors import CpnerError
from cpner.ner import CPNER
from cpner.show import pictures
from cpner.store import Store
from tests.support import corpus, make_backbone, random_prefix

EVENTS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.truncate", "os.link"}
TARGET, OTHER = "target", "other"


@dataclass
class Tally:
    """How kills went."""

    kills: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def fail(self, kind: str, where: str) -> None:
        """Count what broke a law."""
        self.failures[kind] += 1
        if kind not in self.first:
            self.first[kind] = where
            print(f"{kind}: {where}", flush=True)

    def line(self) -> str:
        """All of it in a line."""
        kinds = ("lost", "torn", "other result", "refused", "left over")
        return f"{self.kills} kills, " + ", ".join(f"{self.failures[kind]} {kind}" for kind in kinds)


class Killer:
    """Commands, with a store and corpora to run them on.

    Args:
        folder: where all of it is made.
    """

    def __init__(self, folder: Path) -> None:
        torch.manual_seed(0)
        torch.set_num_threads(1)
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # its threads would not live on in a fork
        pictures.draw_curve = lambda curve: repr(curve).encode()  # half the time of a training of few steps
        local.PROCESSES = get_context("fork")  # a spawned process loads torch again, for seconds
        self.folder = folder
        self.work = folder / "work"
        self.template = folder / "template"
        self.backbone = backbone = make_backbone(folder / "backbone")
        corpus().write(folder / "corpus")
        (folder / "text.txt").write_text("Ada Lovelace left Rome.\nJoseph met Regan in Paris.\n" * 4, "utf-8")
        (folder / "often.toml").write_text("save_seconds = 0.0\nmin_steps = 0\nepochs = 2\nlr = 0.05\n", "utf-8")
        store = self.work / "store"
        where = ["--store", store, "--backbone", backbone]
        train = [*where, "--config", folder / "often.toml"]
        data = folder / "corpus"
        self.commands: dict[str, list[Any] | Callable[[], None]] = {
            "warm-up": ["warm-up", data, "--domain", TARGET, *train, "--length", 3],
            "transfer": ["transfer", data, "--target", TARGET, "--sources", OTHER, "--share", 0.5, *train],
            "ensemble": ["transfer", data, "--target", TARGET, "--strategy", "ensemble", "--members", 2, *train],
            "fit": ["fit", data, "--domain", TARGET, "--sources", OTHER, "--share", 0.5, *train],
            "self-train": ["self-train", "--text", folder / "text.txt", "--domain", TARGET, *train, "--least-score", 0],
            "import": ["domains", "import", folder / "new.zip", "--name", TARGET, "--overwrite", "--store", store],
            "save": self._save,
            "export": ["domains", "export", OTHER, self.work / "out.zip", "--overwrite", "--store", store],
            "annotate": [
                "annotate",
                folder / "text.txt",
                self.work / "out.jsonl",
                "--domain",
                OTHER,
                *where,
                "--workers",
                1,
                "--shard-size",
                2,
            ],
            "convert": ["corpora", "convert", data / "train.jsonl", self.work / "out.conll"],
        }
        self.resumed = {"warm-up", "transfer", "ensemble", "fit", "self-train"}
        self._make_template(where, train)
        self.results: dict[str, dict[str, bytes]] = {}
        self.events: dict[str, int] = {}

    def _make_template(self, where: list[Any], train: list[Any]) -> None:
        """Make the first state of the work folder; in this process, so that forks need not load anything."""
        self.work.mkdir()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            for seed, name in enumerate((TARGET, OTHER, "new")):
                arguments = ["warm-up", self.folder / "corpus", "--domain", name, *train, "--length", 3, "--seed", seed]
                command_line([str(one) for one in arguments], standalone_mode=False)
        store = Store(self.work / "store")
        store.export("new", self.folder / "new.zip")
        store.remove("new")
        (self.work / "out.conll").write_text("old\tO\n", "utf-8")
        self.work.rename(self.template)

    def _save(self) -> None:
        """Store a domain that is there and one that is new, as a program does."""
        torch.manual_seed(9)
        ner = CPNER.load(str(self.backbone), store=self.work / "store", device="cpu")
        for name in (TARGET, "second"):
            prefix = random_prefix(ner.backbone.t5.shape, 4, ("encoder",))
            ner.add(name, prefix, ["person"], config=PrefixConfig(length=4))
        ner.save()

    def reference(self, name: str) -> None:
        """Run a command undisturbed: what it makes, and how many events it has."""
        self._fresh()
        status = self._run(self.commands[name], kill_at=10**9)
        assert status == 0, self._log()
        self.events[name] = int((self.folder / "events").read_text())
        self.results[name] = self._made()

    def kill(self, name: str, events: list[int], tally: Tally) -> None:
        """Kill a command before an event, look at what is there and run it again, until all events had their kill."""
        where = f"{name}:{','.join(map(str, events))}"
        self._fresh()
        before = self._made()
        command = self.commands[name]
        for event in [*events, None]:
            status = self._run(command, event)
            if status != -signal.SIGKILL:
                break
            tally.kills += 1
            self._check_domains(name, before, where, tally)
            if "stored  " in self._log():  # the user was told that all is done
                return
            if name in self.resumed and command is self.commands[name]:
                command = [*command, "--resume"]
        if status != 0:
            tally.fail("refused", f"{where} {self._log()[-300:]}")
        elif self._made() != self.results[name]:
            tally.fail("other result", where)
        elif left := self._left():
            tally.fail("left over", f"{where} {left}")

    def _check_domains(self, name: str, before: dict[str, bytes], where: str, tally: Tally) -> None:
        """Each domain and file is the old or the new one, whole."""
        after = self._made()
        if after.get(OTHER) != before[OTHER] or TARGET not in after:
            tally.fail("lost", where)
        for domain, made in after.items():
            if made == b"" or (made != before.get(domain) and made != self.results[name].get(domain)):
                tally.fail("torn", where)

    def _fresh(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.template, self.work)

    def _made(self) -> dict[str, bytes]:
        """The prefix of each domain, empty if it is damaged, and the files that were written."""
        store = Store(self.work / "store")
        made = {}
        for name in store.names():
            try:
                made[name] = fingerprint(store.load(name, reparameterisation=True).prefix).encode()
            except (CpnerError, OSError):
                made[name] = b""
        for path in self.work.glob("out.*"):
            if path.is_file():  # not the parts of an annotation that goes on
                made[path.name] = path.read_bytes()
        return made

    def _left(self) -> list[str]:
        store = self.work / "store"
        hidden = [path.name for folder in (store, self.work) for path in folder.glob(".*")]
        parts = [path.name for path in self.work.glob("*.parts")]
        return parts + sorted(name for name in hidden if name not in (".lock",) and not name.startswith(".out"))

    def _log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def _run(self, command: list[Any] | Callable[[], None], kill_at: int | None = None) -> int:
        """Run a command or a function in a fork; -9 if it was killed."""
        child = os.fork()
        if child == 0:
            log = os.open(self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            sys.stdout = sys.stderr = os.fdopen(log, "w", buffering=1, encoding="utf-8")
            code = 1
            try:
                if kill_at is not None:
                    self._watch(kill_at)
                if callable(command):
                    command()
                    code = 0
                else:
                    command_line([str(one) for one in command], prog_name="cpner")
            except SystemExit as end:
                code = int(end.code or 0)
                sys.stdout.flush()
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def _watch(self, kill_at: int) -> None:
        """Count the file events under the work folder; kill this process before one of them."""
        seen = 0
        counted = os.open(self.folder / "events", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        work = str(self.work)

        def watch(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal seen
            if event not in EVENTS or work not in str(arguments[0]):
                return
            if event == "open" and not (arguments[2] & (os.O_WRONLY | os.O_RDWR)):
                return
            sys.stdout.flush()
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1
            os.pwrite(counted, str(seen).encode(), 0)

        sys.addaudithook(watch)


def campaign(kills: int, *, only: str | None = None, report: float = 0.0) -> Tally:
    """Kill each command at its events, then what goes on after a kill, until there were enough.

    Args:
        kills: how many in all. Fewer than there are events are spread over each command's whole run.
        only: a command; None takes all.
        report: seconds between lines of progress; 0 for none.
    """
    tally = Tally()
    told = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        killer = Killer(Path(folder))
        names = [only] if only else list(killer.commands)
        for name in names:
            killer.reference(name)
        for name, events in _course(kills, {name: killer.events[name] for name in names}):
            killer.kill(name, events, tally)
            if report and time.monotonic() - told > report:
                told = time.monotonic()
                print(f"{tally.line()} ({name})", flush=True)
            if tally.kills >= kills:
                break
    return tally


def _course(kills: int, events: dict[str, int]) -> Iterator[tuple[str, list[int]]]:
    """Commands, and at which events to kill them: first once, and when all events are through, twice."""
    for name, share in _shares(kills, events).items():
        yield from ((name, [i * events[name] // share]) for i in range(share))
    rng = random.Random(kills)
    while True:
        for name, count in events.items():
            yield name, [rng.randrange(count), rng.randrange(count)]


def _shares(kills: int, events: dict[str, int]) -> dict[str, int]:
    """So many kills of each command that all together are as many, where there are enough events."""
    shares = {}
    rest = kills
    for i, name in enumerate(sorted(events, key=events.__getitem__)):
        shares[name] = min(events[name], rest // (len(events) - i))
        rest -= shares[name]
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--only", metavar="COMMAND")
    arguments = parser.parse_args()
    tally = campaign(arguments.kills, only=arguments.only, report=10)
    for kind, times in tally.failures.most_common():
        print(f"{times} x {kind}, first at {tally.first[kind]}")
    print(tally.line())
    sys.exit(1 if tally.failures else 0)


if __name__ == "__main__":
    main()
