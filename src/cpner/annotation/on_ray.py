"""The engine of several machines: shards are tasks of a Ray cluster. It needs the extra `ray`.

A machine that is lost costs the shards that it worked on; others do them again. One that joins gets work at once.
The domain travels with the job, so machines share no disk; cpner must be installed on each, and a backbone that is a
folder must lie at the same path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TypeVar

from cpner.annotation.shards import Shard
from cpner.annotation.worker import Annotator, Identity, Job, Reply
from cpner.cluster import Cluster, join
from cpner.machine import set_threads

Key = TypeVar("Key")
_annotators: list[Annotator] = []  # of this process, which Ray gives one task after another; one at most


class RayEngine:
    """Tasks on a Ray cluster, each with a core, or a GPU where there are some.

    Args:
        job: what they do.
        workers: tasks that run at a time; None for as many as the cluster has room for.
        address: of the cluster; None takes the one that this machine is in.
    """

    def __init__(self, job: Job, workers: int | None = None, address: str | None = None) -> None:
        self._job = job
        self._workers = workers
        self._address = address
        self._stack = ExitStack()
        self._cluster: Cluster | None = None

    def begin(self, precision: str | None = None) -> Identity:
        """Join the cluster, start a first worker, and tell what results depend on.

        Args:
            precision: of the shards that are there, unless the job says which; None leaves it to the first worker.

        Raises:
            MissingExtraError: Ray is not installed.
            ConfigError: there is no such cluster.
            CpnerError: the job can't be done.
        """
        self._cluster = self._stack.enter_context(join(self._address))
        self._job = replace(self._job, precision=self._job.precision or precision)
        (_, answer), *_ = self._answers(iter([(None, [])]))
        identity = answer.checked().identity
        assert identity is not None
        self._job = replace(self._job, precision=identity.precision)
        return identity

    def run(self, shards: Iterator[Shard]) -> Iterator[tuple[Shard, Reply]]:
        """Give shards to workers, and each back with its answer."""
        return self._answers((shard, shard.texts) for shard in shards)

    def close(self) -> None:
        """Leave the cluster; what is still worked on is lost."""
        self._stack.close()

    def _answers(self, tasks: Iterator[tuple[Key, Sequence[str]]]) -> Iterator[tuple[Key, Reply]]:
        assert self._cluster is not None
        job = self._cluster.share(self._job)
        gpus = 1 if self._job.device != "cpu" and self._cluster.has_gpus() else 0
        calls = ((key, (job, texts)) for key, texts in tasks)
        return self._cluster.run(answer, calls, most=self._workers, gpus=gpus)


def answer(job: Job, texts: Sequence[str]) -> Reply:
    """What came of a task; the model stays in the process for the next one."""
    if not _annotators or _annotators[0].job != job:
        set_threads(1)
        _annotators[:] = [Annotator(job)]
    return _annotators[0].answer(texts)
