"""Hostile inputs in great number: `python -m tests.hostile.campaign --inputs 200000`.

Each input has a seed of its own. An input that breaks a law is told with target and seed, and `--only TARGET:SEED` runs
it again. The laws: no traceback, no more than five seconds of computing (seen twice), bounded memory, and no entity
lost without a word.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from cpner.machine import rest_threads

CPU_SECONDS = 5.0
WALL_SECONDS = 60.0  # of waiting; a busy machine may stop an input for long
_queued_before = 0.0  # what `_queued_seconds` was when the input began


class HangError(BaseException):
    """An input took too long; the message says of what. No `except Exception` may hide it."""


@dataclass
class Outcome:
    """How a campaign went."""

    inputs: int = 0
    accepted: int = 0
    tracebacks: int = 0
    repeated: int = 0
    hangs: int = 0
    losses: int = 0
    start_mb: float = 0.0
    peak_mb: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def line(self) -> str:
        """All of it in a line."""
        return (
            f"{self.inputs:,} inputs ({self.accepted:,} accepted), {self.tracebacks} tracebacks, {self.hangs} hangs "
            f"({self.repeated} slow once), "
            f"{self.losses} silent losses, peak {self.peak_mb:,.0f} MB ({self.start_mb:,.0f} MB before the first)"
        )


def campaign(inputs: int, seed: int = 0, *, report: float = 0.0) -> Outcome:
    """Attack all targets.

    Args:
        inputs: how many.
        seed: of the first; the others count on.
        report: seconds between lines of progress; 0 for none.
    """
    from tests.hostile.targets import LossError, Targets

    outcome = Outcome()
    before = {kind: signal.signal(kind, _stop) for kind in (signal.SIGALRM, signal.SIGPROF)}
    with tempfile.TemporaryDirectory() as folder:
        targets = Targets(Path(folder))
        outcome.start_mb = _peak_mb()
        told = time.monotonic()
        for number in range(seed, seed + inputs):
            name = _target(targets, number)
            try:
                try:
                    _attack(targets, name, number)
                except HangError:
                    outcome.repeated += 1  # what a busy machine has slowed down is fast the second time
                    _attack(targets, name, number)
            except HangError as error:
                outcome.hangs += 1
                _note(outcome, f"{name}:{number}", f"hang in {name}: {error}")
            except LossError as error:
                outcome.losses += 1
                _note(outcome, f"{name}:{number}", f"loss: {error}")
            except Exception as error:
                outcome.tracebacks += 1
                _note(outcome, f"{name}:{number}", _kind(error))
            outcome.inputs += 1
            outcome.accepted = targets.accepted
            if report and time.monotonic() - told > report:
                told = time.monotonic()
                outcome.peak_mb = _peak_mb()
                print(outcome.line(), flush=True)
    for kind, handler in before.items():
        signal.signal(kind, handler)
    outcome.peak_mb = _peak_mb()
    return outcome


def _attack(targets, name: str, number: int) -> None:
    global _queued_before
    _queued_before = _queued_seconds()
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        targets.run(name, random.Random(number))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _target(targets, number: int) -> str:
    weights = {name: weight for name, (weight, _) in targets.ways.items()}
    return random.Random(f"target {number}").choices(list(weights), list(weights.values()))[0]


def _stop(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGALRM and _queued_seconds() - _queued_before > WALL_SECONDS / 4:
        signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)  # it waited for a core, not for ever
    else:
        raise HangError(f"{WALL_SECONDS} s of waiting" if number == signal.SIGALRM else f"{CPU_SECONDS} s of computing")


def _queued_seconds() -> float:
    """How long this process was ready and had no core; 0 where the system does not tell."""
    path = Path("/proc/self/schedstat")
    return int(path.read_text().split()[1]) / 1e9 if path.exists() else 0.0


def _kind(error: Exception) -> str:
    """What names a fault: the error, and the last line of cpner that it came through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/cpner/" in frame.filename]
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    return f"{type(error).__name__} at {where}: {str(error)[:120]}"


def _note(outcome: Outcome, where: str, kind: str) -> None:
    key = kind.partition(": ")[0] if not kind.startswith("loss") else kind[:60]
    outcome.kinds[key] += 1
    if key not in outcome.first:
        outcome.first[key] = f"{where}  {kind}"
        print(f"{where}  {kind}", flush=True)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", metavar="TARGET:SEED", help="run this input again, with its traceback")
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    rest_threads()  # before torch loads: on a busy machine threads that spin compute for seconds
    if arguments.only:
        from tests.hostile.targets import Targets

        name, _, seed = arguments.only.partition(":")
        with tempfile.TemporaryDirectory() as folder:
            Targets(Path(folder)).run(name, random.Random(int(seed)))
        return
    outcome = campaign(arguments.inputs, arguments.seed, report=10)
    for kind, times in outcome.kinds.most_common():
        print(f"{times} x {outcome.first[kind]}")
    print(outcome.line())
    sys.exit(1 if outcome.kinds else 0)


if __name__ == "__main__":
    main()
