"""The engine of one machine: a process for each core, or for each GPU, with one thread each."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from cpner.annotation.shards import Shard
from cpner.annotation.worker import Annotator, Identity, Job, Reply
from cpner.errors import CpnerError
from cpner.machine import deaf_to_interrupts, end_with_parent, set_threads

_MOST_ENDS = 2  # of workers over one shard
PROCESSES = get_context("spawn")  # a forked process can't use CUDA, nor torch's threads


class LocalEngine:
    """Processes on this machine. One that ends before its time is replaced, and its shard given to another.

    Args:
        job: what they do.
        workers: how many; None for one for each core, or for each GPU where the job takes any device.
    """

    def __init__(self, job: Job, workers: int | None = None) -> None:
        devices = _devices(job.device)
        on_processor = devices == [None] or devices == ["cpu"]
        self.workers = workers or (cores() if on_processor else len(devices))
        self._job = job
        self._devices = devices
        self._all: list[_Worker] = []
        self._started = 0

    def begin(self, precision: str | None = None) -> Identity:
        """Start a first worker, and tell what results depend on.

        Args:
            precision: of the shards that are there, unless the job says which; None leaves it to the first worker.

        Raises:
            CpnerError: the job can't be done.
        """
        self._job = replace(self._job, precision=self._job.precision or precision)
        worker = self._start()
        worker.send([])
        answer = worker.receive()
        if answer is None:
            raise CpnerError(f"a worker ended {worker.end()} while it loaded the model")
        identity = answer.checked().identity
        assert identity is not None
        self._job = replace(self._job, precision=identity.precision)
        return identity

    def run(self, shards: Iterator[Shard]) -> Iterator[tuple[Shard, Reply]]:
        """Give shards to workers, and each back with its answer; one shard beyond what they work on is read.

        Raises:
            CpnerError: workers end again and again over one shard.
        """
        waiting: deque[Shard] = deque()
        ends: Counter[int] = Counter()
        tasks: dict[_Worker, Shard] = {}
        idle = list(self._all)
        more = True
        while True:
            if more and not waiting:
                shard = next(shards, None)
                more = shard is not None
                waiting.extend([shard] if shard else [])
            if waiting and (idle or len(self._all) < self.workers):
                worker = idle.pop() if idle else self._start()
                tasks[worker] = waiting.popleft()
                worker.send(tasks[worker].texts)
                continue
            if not tasks:
                return
            for worker in self._ready(list(tasks)):
                answer = worker.receive()
                shard = tasks.pop(worker)
                if answer is not None:
                    if waiting:  # before anybody looks at the answer, so that the worker has work
                        tasks[worker] = waiting.popleft()
                        worker.send(tasks[worker].texts)
                    else:
                        idle.append(worker)
                    yield shard, answer
                    continue
                self._all.remove(worker)
                ends[shard.number] += 1
                if ends[shard.number] >= _MOST_ENDS:
                    raise CpnerError(
                        f"a worker ended {worker.end()}, and so did one before over the same texts; if memory is "
                        "lacking, take fewer --workers or a smaller --batch-size: the same command goes on"
                    )
                waiting.appendleft(shard)

    def close(self) -> None:
        """End all workers at once; what they work on is lost."""
        for worker in self._all:
            worker.kill()
        self._all = []

    def _start(self) -> _Worker:
        device = self._devices[self._started % len(self._devices)]
        self._started += 1
        worker = _Worker(replace(self._job, device=device))
        self._all.append(worker)
        return worker

    def _ready(self, workers: Sequence[_Worker]) -> list[_Worker]:
        """The workers that have answered or ended; waits for one."""
        by_connection = {worker.connection: worker for worker in workers}
        return [by_connection[connection] for connection in wait(list(by_connection))]  # type: ignore[index]


class _Worker:
    """A process, and the pipe to it."""

    def __init__(self, job: Job) -> None:
        self.connection, theirs = PROCESSES.Pipe()
        self.process = PROCESSES.Process(target=_work, args=(theirs, job), daemon=True)
        with deaf_to_interrupts():
            self.process.start()
        theirs.close()  # so that the pipe ends with the process

    def send(self, texts: Sequence[str]) -> None:
        """Give it a task; one that has ended is noticed by who waits for the answer."""
        try:
            self.connection.send(texts)
        except OSError:
            return

    def receive(self) -> Reply | None:
        """Its answer; None if it has ended."""
        try:
            answer: Reply = self.connection.recv()
        except (EOFError, OSError):
            return None
        return answer

    def end(self) -> str:
        """How the process ended."""
        self.process.join(10)
        code = self.process.exitcode
        return f"by signal {-code}" if code and code < 0 else f"with exit code {code}"

    def kill(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.join()
        self.connection.close()


def cores() -> int:
    """Cores that this process may use."""
    affinity: Any = getattr(os, "sched_getaffinity", None)  # not everywhere
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _devices(device: str | None) -> list[str | None]:
    """The devices that workers take turns among."""
    import torch

    count = torch.cuda.device_count() if device is None else 0
    return [f"cuda:{i}" for i in range(count)] or [device]


def _work(connection: Connection, job: Job) -> None:
    """Reply until the pipe ends."""
    end_with_parent()
    set_threads(1)
    annotator = Annotator(job)
    while True:
        try:
            texts = connection.recv()
        except EOFError:
            return
        connection.send(annotator.answer(texts))
