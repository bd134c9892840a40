"""Tasks on a cluster of Ray: given out as machines have room, done again where a machine is lost. The extra `ray`.

Who needs one machine needs none of this.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from cpner.errors import ConfigError, CpnerError, MissingExtraError, one_line

Key = TypeVar("Key")
_RETRIES = 20  # of a task whose machine or process is lost
_AHEAD = 2  # tasks given out for each that can run, so that no core waits for the next
_LOOK_SECONDS = 5.0  # between two looks at how large the cluster is
_PATIENCE = 10.0  # seconds for the head of a cluster to answer


class Cluster:
    """A running cluster, which a process has joined.

    Args:
        ray: The library.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    def share(self, value: object) -> Any:
        """Give a value to all machines once; tasks take what is returned in its place."""
        return self._ray.put(value)

    def room(self, cpus: float, gpus: float = 0) -> int:
        """Tasks that can run at a time now, at least one."""
        total = self._ray.cluster_resources()
        rooms = [total.get("CPU", 0) // cpus] + ([total.get("GPU", 0) // gpus] if gpus else [])
        return max(1, int(min(rooms)))

    def run(
        self,
        function: Callable[..., Any],
        tasks: Iterator[tuple[Key, tuple[Any, ...]]],
        *,
        most: int | None = None,
        cpus: float = 1,
        gpus: float = 0,
    ) -> Iterator[tuple[Key, Any]]:
        """Call a function for each task, and give what it returns with the task's key, as it comes.

        A task is done again if its machine is lost, so it must do no harm twice.

        Args:
            function: Of a module that all machines can import.
            tasks: Keys and arguments; read as there is room for them.
            most: Tasks that run at a time; None takes as many as the cluster has room for, also when it grows.
            cpus: Cores that a task takes.
            gpus: GPUs that a task takes.

        Raises:
            CpnerError: A task was lost again and again; what the function raises is raised here.
        """
        ray = self._ray
        remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=_RETRIES)(function)
        pending: dict[Any, Key] = {}
        more = True
        try:
            while True:
                limit = most or _AHEAD * self.room(cpus, gpus)
                while more and len(pending) < limit:
                    task = next(tasks, None)
                    more = task is not None
                    if task is not None:
                        pending[remote.remote(*task[1])] = task[0]
                if not pending:
                    return
                done, _ = ray.wait(list(pending), num_returns=1, timeout=_LOOK_SECONDS)
                for reference in done:
                    yield pending.pop(reference), self._result(reference)
        finally:
            for reference in pending:
                ray.cancel(reference, force=True)

    def _result(self, reference: Any) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            cause = getattr(error, "cause", None)
            raise (cause if isinstance(cause, CpnerError) else error) from None
        except errors.RayError as error:
            raise CpnerError(f"a task was lost {_RETRIES} times on the cluster: {one_line(error)}") from error

    def has_gpus(self) -> bool:
        """Whether a machine has a GPU."""
        return bool(self._ray.cluster_resources().get("GPU", 0))


@contextlib.contextmanager
def join(address: str | None = None) -> Iterator[Cluster]:
    """Join a cluster while the block runs.

    Args:
        address: HOST:PORT of its head; None takes the cluster that this machine is in.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: There is no such cluster.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what a later version does; silences a warning
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("--engine ray", "ray") from error
    where = address or "auto"
    try:
        _check_listens(where)  # Ray waits without end for one that does not
        ray.init(address=where, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError, OverflowError) as error:
        named = "that this machine is in" if address is None else f"at {address}"
        raise ConfigError(
            f"no Ray cluster {named}: start one with `ray start --head`, or name it with --ray-address "
            f"({one_line(error)})"
        ) from error
    try:
        yield Cluster(ray)
    finally:
        ray.shutdown()


def _check_listens(address: str) -> None:
    """Raise an OSError if nobody listens at HOST:PORT; other forms of addresses are Ray's to check."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
