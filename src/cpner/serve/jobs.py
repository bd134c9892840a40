"""Trainings of the server: one at a time, each in a process of its own, in the order they came.

A process leaves the model of the server alone, can be stopped at any moment, and dies with the server. Its folder
holds all that it needs to go on after a restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from filelock import FileLock, Timeout

from cpner.serve.job_folder import FOLDER, JobFolder
from cpner.serve.metrics import Metrics
from cpner.serve.problems import ProblemError

_log = logging.getLogger("cpner.serve")
_KEPT = 100  # finished jobs whose folders stay
_LOOK = 1.0  # seconds between looks at a job of another server, and between signs of life in a stream of events
_WAIT = 15.0  # seconds between looks whether another server has ended
_STOP_SECONDS = 5.0  # that a training has to end before it is killed
_LAST_CHARACTERS = 300  # of the log that tell why a training failed
Done = Callable[[str], Awaitable[None]]


class Jobs:
    """The queue of trainings of one store.

    Args:
        store: folder of the domains; the jobs' folders are in it.
        metrics: what is counted.
        done: called with a domain that a training has changed.
        most: jobs that may wait.
    """

    def __init__(self, store: Path, metrics: Metrics, done: Done, most: int) -> None:
        self.root = store / FOLDER
        self.metrics = metrics
        self.done = done
        self.most = most
        self.folders: dict[str, JobFolder] = {}
        self._changed = asyncio.Condition()
        self._process: asyncio.subprocess.Process | None = None
        self._current: JobFolder | None = None
        self._runner: asyncio.Task[None] | None = None
        self._lock: FileLock | None = None

    async def start(self) -> None:
        """Read the jobs of the store, and go on with those that are not over if no other server does."""
        self.root.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.root / ".lock")
        if not self._owned():
            self.folders = self._read()
        self._runner = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop the training in work; the next start goes on with it."""
        if self._runner is not None:
            self._runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._runner
        await self._end_process()
        if self._lock is not None:
            self._lock.release()

    async def refresh(self) -> None:
        """Read the jobs anew where another server trains for the store."""
        if not self._owned():
            self.folders = await asyncio.to_thread(self._read)

    async def get(self, name: str) -> JobFolder:
        """A job.

        Raises:
            ProblemError: 404, there is no such job.
        """
        await self.refresh()
        if name not in self.folders:
            raise ProblemError(404, "not_found", "no job of this id")
        return self.folders[name]

    def check_owned(self) -> None:
        """Check that it is this server that trains for the store.

        Raises:
            ProblemError: 503, another server does.
        """
        if not self._owned():
            raise ProblemError(503, "unavailable", "another server trains for this store; ask that one")

    def check_room(self) -> None:
        """Check that a job can be taken.

        Raises:
            ProblemError: 429 too many wait, 503 another server on this store trains.
        """
        self.check_owned()
        waiting = sum(job.is_open for job in self.folders.values())
        if waiting > self.most:
            raise ProblemError(
                429, "overloaded", f"{waiting} jobs wait already; come again later", headers={"Retry-After": "60"}
            )

    async def add(self, job: JobFolder) -> None:
        """Take a job into the queue."""
        self.folders[job.record.id] = job
        job.add_event("state", {"state": "queued", "error": None})
        await self._tell()

    async def cancel(self, job: JobFolder) -> None:
        """Stop a job; its checkpoints stay."""
        job.set_state("cancelled")
        if job is self._current:
            await self._end_process()
        await self._tell()

    async def resume(self, job: JobFolder) -> None:
        """Let a job that was cancelled or failed go on from its last checkpoint."""
        self.check_room()
        job.set_state("queued")
        await self._tell()

    async def remove(self, job: JobFolder) -> None:
        """Forget a job that is over."""
        del self.folders[job.record.id]
        await asyncio.to_thread(job.remove)
        await self._tell()

    async def events(self, job: JobFolder, after: int) -> AsyncIterator[dict[str, Any] | None]:
        """The events of a job from a number on, as they come, until it is over; None is a sign of life."""
        while True:
            for event in job.events_after(after):
                after = event["id"]
                yield event
            if not job.is_open:
                return
            if not self._owned():
                await asyncio.sleep(_LOOK)
                job = await self.get(job.record.id)
                yield None
                continue
            try:
                async with self._changed, asyncio.timeout(_LOOK):
                    while job.events <= after and job.is_open:
                        await self._changed.wait()
            except TimeoutError:
                yield None

    def _read(self) -> dict[str, JobFolder]:
        folders = {}
        for path in sorted(self.root.iterdir()):
            if (path / "job.json").is_file():
                try:
                    folders[path.name] = JobFolder(path)
                except (OSError, msgspec.MsgspecError) as error:
                    _log.warning("job %s can't be read: %s", path.name, type(error).__name__)
        return folders

    def _owned(self) -> bool:
        """Whether this server is the one that trains for the store; it becomes that when the other one ends."""
        assert self._lock is not None
        if not self._lock.is_locked:
            with contextlib.suppress(Timeout, OSError):
                self._lock.acquire(timeout=0)
                self.folders = self._read()
        return self._lock.is_locked

    async def _run(self) -> None:
        while True:
            owned = self._owned()  # first, as it may read the jobs anew
            job = next((job for job in self.folders.values() if job.is_open), None)
            if job is None or not owned:
                async with self._changed:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_WAIT):
                            await self._changed.wait()
                continue
            self._current = job
            try:
                await self._train(job)
            except Exception:  # whatever broke this job, those behind it are still trained
                _log.exception("job %s", job.record.id)
                job.set_state("failed", "the server failed; its log says more")
            finally:
                self._current = None
            await self._forget_old()
            await self._tell()

    async def _train(self, job: JobFolder) -> None:
        job.set_state("running")
        await self._tell()
        environment = {**os.environ, "OMP_NUM_THREADS": str(job.record.threads), "PYTHONUNBUFFERED": "1"}
        with open(job.path / "log.txt", "ab") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "cpner.serve.worker", str(job.path),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log, env=environment,
            )  # fmt: skip
        if job.is_cancelled:  # while the process started
            await self._end_process()
            return
        assert process.stdout is not None
        error = None
        async for line in process.stdout:
            event = msgspec.json.decode(line)
            if event["event"] == "error":
                error = event["data"]["error"]
            else:
                job.add_event(event["event"], event["data"])
            await self._tell()
        code = await process.wait()
        self._process = None
        if job.is_cancelled:
            return
        if code == 0:
            await self.done(job.record.domain)
            job.set_state("done")
        else:
            job.set_state("failed", error or f"the training ended with {code}: {_end_of(job.path / 'log.txt')}")

    async def _end_process(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _forget_old(self) -> None:
        over = [job for job in self.folders.values() if not job.is_open]
        for job in over[:-_KEPT]:
            await self.remove(job)

    async def _tell(self) -> None:
        for state in ("queued", "running", "done", "failed", "cancelled"):
            count = sum(job.record.state == state for job in self.folders.values())
            self.metrics.jobs.labels(state).set(count)
        async with self._changed:
            self._changed.notify_all()


def _end_of(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text("utf-8", "replace")[-_LAST_CHARACTERS:].strip()
    return ""
