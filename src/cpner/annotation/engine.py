"""What an engine is: it hands texts to workers and gives back what they found, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from cpner.annotation.shards import Shard
from cpner.annotation.worker import Identity, Reply


class Engine(Protocol):
    """Workers that find entities for a job."""

    def begin(self, precision: str | None = None) -> Identity:
        """Start a first worker, and tell what results depend on; all workers compute in the same precision.

        Args:
            precision: of the shards that are there, unless the job says which; None leaves it to the first worker.

        Raises:
            CpnerError: the job can't be done.
        """
        ...

    def run(self, shards: Iterator[Shard]) -> Iterator[tuple[Shard, Reply]]:
        """Give shards to workers, and each back with its answer, once; takes no more than workers soon need.

        Raises:
            CpnerError: workers end again and again.
        """
        ...

    def close(self) -> None:
        """Let all workers end."""
        ...
