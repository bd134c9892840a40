"""What tests of annotation share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cpner.annotation.shards import Shard
from cpner.annotation.worker import Annotator, Identity, Job, Reply

TEXTS = ["Ada Lovelace left Rome.", "", "Joseph met Regan in New York, at a party.", "the bank of the river"]


class InThisProcess:
    """The engine that starts no process.

    Args:
        folder: Of the backbone.
        stop_after: Shards after which it ends as if the process were stopped; None for none.
    """

    def __init__(self, folder: Path, stop_after: int | None = None) -> None:
        settings: dict[str, Any] = {"types": ["person", "location"], "batch_size": 2}
        self._annotator = Annotator(Job(str(folder), settings=settings, device="cpu"))
        self._stop_after = stop_after
        self.done = 0

    def begin(self, precision: str | None = None) -> Identity:
        identity = self._annotator.answer([]).checked().identity
        assert identity is not None
        return identity

    def run(self, shards: Iterator[Shard]) -> Iterator[tuple[Shard, Reply]]:
        for shard in shards:
            if self.done == self._stop_after:
                raise KeyboardInterrupt
            self.done += 1
            yield shard, self._annotator.answer(shard.texts)

    def close(self) -> None:
        """Nothing to end."""
