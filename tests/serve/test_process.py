"""`cpner serve` as a process: how it starts, ends, and comes back after it was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from cpner.store import Store
from tests.serve.support import DOMAINS, PATIENCE, Process, job, process, wait_until
from tests.support import cpner, environment, stored_prefix

LONG = {"epochs": 60, "max_epochs": 60, "min_steps": 0, "save_seconds": 0.01, "batch_sentences": 2}


def test_help_has_a_flag_and_a_variable_for_every_setting() -> None:
    result = cpner("serve", "--help")

    assert result.exit_code == 0
    for name in ("--batch-wait-ms", "CPNER_BATCH_WAIT_MS", "--max-body", "CPNER_ADMIN_KEY", "--grace"):
        assert name in result.output


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--host", "0.0.0.0"], "CPNER_READ_KEY"),
        (["--max-body", "2 moons"], "no size"),
        (["--timeout", "0"], "timeout"),
    ],
)
def test_settings_that_can_not_be_are_one_line(domain_store: Path, flags: list[str], message: str) -> None:
    result = cpner("serve", "--store", domain_store, *flags)

    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.slow
def test_a_taken_port_is_one_line(store: Path) -> None:
    with process(store) as running:
        port = str(running.client.base_url.port)
        command = [sys.executable, "-m", "cpner", "serve", "--store", str(store), "--port", port]
        other = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=PATIENCE)

    assert other.returncode == 2
    assert "Traceback" not in other.stderr


@pytest.mark.slow
def test_sigterm_lets_requests_in_work_end(store: Path) -> None:
    with process(store, "--max-wait", "60") as running:
        replies: list[Any] = []
        text = "Johnson joined the Whigs in Baltimore. " * 700

        def ask() -> None:
            replies.append(running.client.post("/v1/predict", json={"domain": "one", "text": text}))

        asking = threading.Thread(target=ask)
        asking.start()
        wait_until(lambda: "cpner_requests_in_flight 2.0" in running.client.get("/metrics").text)
        running.popen.send_signal(signal.SIGTERM)
        asking.join(PATIENCE)
        assert running.popen.wait(60) == 0

    assert [reply.status_code for reply in replies] == [200]
    assert "Traceback" not in "".join(running.log)
    assert "Johnson" not in "".join(running.log)


@pytest.mark.slow
def test_a_killed_server_goes_on_with_its_job_and_makes_the_same_domain(store: Path) -> None:
    with process(store) as running:
        undisturbed = running.client.post("/v1/jobs", json=job("calm", settings=LONG)).json()["id"]
        wait_until(lambda: running.client.get(f"/v1/jobs/{undisturbed}").json()["state"] == "done", PATIENCE)
        name = running.client.post("/v1/jobs", json=job("storm", settings=LONG)).json()["id"]
        checkpoints = store / ".jobs" / name / "run"
        wait_until(lambda: list(checkpoints.rglob("checkpoint.safetensors")), PATIENCE)
        wait_until(lambda: epoch_of(running, name) >= 3, PATIENCE)
    wait_until(lambda: not processes_of(name), 30)  # the training dies with its server
    assert Store(store).names() == sorted([*DOMAINS, "calm"])
    for domain in Store(store):
        Store(store).load(domain)  # whole
    with process(store) as running:
        wait_until(lambda: running.client.get(f"/v1/jobs/{name}").json()["state"] == "done", PATIENCE)
        results = [running.client.get(f"/v1/jobs/{one}").json()["result"] for one in (undisturbed, name)]
        reply = running.client.post("/v1/predict", json={"domain": "storm", "text": "Johnson left."})
        assert reply.status_code == 200

    assert stored_prefix(store, "storm") == stored_prefix(store, "calm")
    cards = [Store(store).card(one) for one in ("calm", "storm")]
    assert cards[0].calibration == cards[1].calibration
    timeless = [
        {key: value for key, value in one.items() if key != "seconds"}
        for one in (*results, *(card.metrics for card in cards))
    ]
    assert timeless[0] == timeless[1]
    assert timeless[2] == timeless[3]
    first_epochs = [epochs_of(store / ".jobs" / name, run) for run in (0, 1)]
    assert first_epochs[0] < first_epochs[1]  # it went on, and did not begin again


def epoch_of(running: Process, job_id: str) -> int:
    """The epoch that a job has told last; 0 for none yet."""
    progress = running.client.get(f"/v1/jobs/{job_id}").json()["progress"] or {}
    return int(progress.get("epoch", 0))


def epochs_of(job: Path, run: int) -> int:
    """The epoch that a job told first in its first or its second run."""
    runs: list[list[int]] = []
    for line in (job / "events.jsonl").read_text("utf-8").splitlines():
        event = json.loads(line)
        if event["data"].get("state") == "running":
            runs.append([])
        if "epoch" in event["data"]:
            runs[-1].append(event["data"]["epoch"])
    return runs[run][0]


def processes_of(job_id: str) -> list[str]:
    """Processes that train a job."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if job_id.encode() in command and int(folder.name) != os.getpid():
            found.append(folder.name)
    return found
