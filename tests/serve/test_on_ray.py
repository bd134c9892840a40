"""The deployment on a real Ray with two replicas; needs the extra `ray`."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from cpner import CPNER
from cpner.serve.settings import ServeSettings
from tests.serve.support import wait_until

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
TEXT = "Johnson joined the Whigs in Baltimore."
PORT = 8765


def test_one_of_two_replicas_is_killed_under_load(tiny: Any, tiny_folder: Path, store: Path) -> None:
    from ray import serve

    from cpner.serve.on_ray import application

    environment = {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2] / "src"), str(Path(__file__).parents[2])])
    }
    ray.init(num_cpus=2, include_dashboard=False, runtime_env={"env_vars": environment}, log_to_driver=False)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": PORT})
        settings = ServeSettings(max_wait=60.0, batch_size=1)
        options = {"ray_actor_options": {"num_cpus": 0.5}}
        serve.run(application(store, settings, backbone=str(tiny_folder), **options), blocking=False)
        url = f"http://127.0.0.1:{PORT}"
        wait_until(lambda: httpx.get(f"{url}/readyz", trust_env=False).status_code == 200, 120)
        replicas = replica_processes()
        assert len(replicas) == 2
        statuses: list[int] = []
        answers: list[Any] = []
        stop = threading.Event()

        def ask() -> None:
            with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
                while not stop.is_set():
                    reply = client.post("/v1/predict", json={"domain": "one", "text": TEXT})
                    statuses.append(reply.status_code)
                    if reply.status_code == 200:
                        answers.append(reply.json()["results"][0]["entities"])

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(answers) > 20)
        os.kill(replicas[0], signal.SIGKILL)
        before = len(answers)
        time.sleep(3)
        wait_until(lambda: len(answers) > before + 50)
        stop.set()
        for thread in threads:
            thread.join()
        wait_until(lambda: len(replica_processes()) == 2, 120)
    finally:
        serve.shutdown()
        ray.shutdown()

    ner = CPNER(tiny, store)
    library = [(e.start, e.end, e.type) for e in ner.predict(TEXT, "one")]
    assert all([(e["start"], e["end"], e["type"]) for e in found] == library for found in answers)
    failed = [status for status in statuses if status != 200]
    assert len(failed) <= 8, failed  # those in work at the replica that died


def replica_processes() -> list[int]:
    """The processes of the deployment's replicas."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if command.startswith(b"ray::ServeReplica"):
            found.append(int(folder.name))
    return found
