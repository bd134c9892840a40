"""Hostile requests in great number: `python -m tests.hostile.http --requests 50000`; needs schemathesis.

Half of them are made from the OpenAPI description, right ones and wrong ones; the others are bytes that were HTTP
before they were spoilt. The laws: no answer of 500, none that takes twenty seconds, no traceback in the log, memory
that does not grow, and a server that still answers as at the beginning.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cpner.serve.app import ENDPOINTS
from cpner.store import Store
from tests.hostile.mutate import dump, spoil_json
from tests.serve.support import DOMAINS, Process, fill_store, process
from tests.support import make_backbone

SECONDS = 20.0  # after which an answer counts as a hang
GROWTH_MB = 50  # that a server may take more at the end than after the first fifth
ROUND = 500  # requests between two looks at the server
QUESTION = {"inputs": [{"text": "Johnson joined the Whigs in Baltimore.", "domain": name} for name in DOMAINS]}
BODIES = [
    b'{"domain": "one", "text": "Johnson left Rome."}',
    b'{"inputs": [{"text": "a"}], "domain": "two", "thresholds": {"person": 0.5}}',
    b'{"text": "a", "labels": ["person"]}',
    b'{"inputs": "a", "parameters": {"domain": "one"}}',
    b'{"kind": "fit", "domain": "new", "corpus": {"train": [{"text": "a", "entities": []}]}}',
    b'{"tasks": [{"data": {"text": "a"}}], "label_config": "<View/>"}',
    b'{"sentences": [{"text": "Ada left.", "entities": [{"start": 0, "end": 3, "type": "person"}]}]}',
]
TOKENS = [
    *(
        b'"',
        b"{",
        b"}",
        b"[",
        b"]",
        b"null",
        b"1e999",
        b"-1",
        b"\x00",
        b"\xff",
        b"\\ud800",
        b"true",
        b'"a"',
        b",",
        b":",
    ),
    *(
        b"\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Expect: 100-continue\r\n",
        b"%00",
        b"%2F",
    ),
]


@dataclass
class Outcome:
    """How a campaign went."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    def add(self, status: int, asked: object) -> None:
        """Count an answer; status 0 is none in time, -1 is a connection that was closed without one."""
        self.statuses[status] += 1
        if status == 0 or (status >= 500 and status not in (501, 503)):
            self.faults.append(f"{status}: {str(asked)[:2000]}")
            print(self.faults[-1], flush=True)

    def line(self) -> str:
        """All of it in a line."""
        names = {0: "hangs", -1: "closed"}
        counts = ", ".join(f"{names.get(status, status)}: {count:,}" for status, count in sorted(self.statuses.items()))
        memory = (
            f"{self.megabytes[len(self.megabytes) // 5]:,.0f} MB after a fifth, {self.megabytes[-1]:,.0f} MB at the end"
        )
        return f"{self.statuses.total():,} requests ({counts}), {len(self.faults)} faults, {memory}"


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Bytes with some of them changed, left out, or said twice."""
    for _ in range(chance.randrange(4)):
        place = chance.randrange(len(data) + 1)
        length = chance.randrange(6)
        data = data[:place] + chance.choice([b"", data[place : place + length] * 2, *TOKENS]) + data[place + length :]
    return data


def raw_request(chance: random.Random, *, may_train: bool = True) -> bytes:
    """A request to a route, more or less."""
    endpoint = chance.choice([one for one in ENDPOINTS if may_train or one.path != "/v1/jobs"])
    path = endpoint.path.replace("{name}", chance.choice(["nowhere", "one" if endpoint.method != "DELETE" else "x"]))
    body = b""
    if endpoint.method in ("POST", "PUT"):
        near = chance.choice(BODIES)
        body = mutated(near, chance) if chance.random() < 0.5 else dump(chance, spoil_json(chance, json.loads(near)))
    kind = chance.choice([b"application/json", b"application/json", b"application/x-ndjson", b"application/zip", b"x"])
    head = b"%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
    whole = head % (endpoint.method.encode(), path.encode(), kind, len(body)) + body
    return mutated(whole, chance) if chance.random() < 0.3 else whole


def ask_raw(port: int, data: bytes) -> int:
    """The status that comes back; 0 if none comes in time, -1 if the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            status = connection.recv(64)[9:12]
        except TimeoutError:
            return 0
        except ConnectionError:
            return -1
    return int(status) if status.isdigit() else -1


class Campaign:
    """Requests to one server.

    Args:
        server: with the store of `fill_store`.
        store: of the server.
        seed: of all chance.
    """

    def __init__(self, server: Process, store: Path, seed: int) -> None:
        self.server = server
        self.outcome = Outcome()
        self.chance = random.Random(seed)
        self.archives = {}
        with tempfile.TemporaryDirectory() as folder:
            for name in DOMAINS:
                Store(store).export(name, Path(folder, f"{name}.zip"))
                self.archives[name] = Path(folder, f"{name}.zip").read_bytes()
        self.expected = self.entities()

    def entities(self) -> list[Any]:
        """What the domains find."""
        reply = self.server.client.post("/v1/predict", json=QUESTION).json()
        return [[(one["start"], one["end"], one["type"]) for one in row["entities"]] for row in reply["results"]]

    def described(self, count: int) -> None:
        """Send requests that are made from the description of the routes, as many of each."""
        import schemathesis
        from hypothesis import HealthCheck, Phase, given, seed, settings
        from schemathesis import GenerationMode

        url = str(self.server.client.base_url)
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        operations = [result.ok() for result in schema.get_all_operations()]
        share = -(-count // (2 * len(operations)))
        relaxed = settings(
            max_examples=share, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        for operation in operations:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

                @seed(self.chance.randrange(2**32))
                @relaxed
                @given(case=operation.as_strategy(generation_mode=mode))
                def run(case: Any) -> None:
                    self.ask(case)

                try:
                    run()
                except Exception as error:  # some parts of a description can't be told wrong
                    print(f"{operation.label}, {mode.value}: {type(error).__name__}", flush=True)
            self.look()

    def ask(self, case: Any) -> None:
        """Send what schemathesis made, half the time to a domain that is there."""
        if "name" in (case.path_parameters or {}) and self.chance.random() < 0.5:
            case.path_parameters["name"] = self.chance.choice(DOMAINS)
        try:
            reply = case.call(timeout=SECONDS)
        except Exception as error:
            kind = type(error).__name__
            self.outcome.add(0 if "Timeout" in kind else -1, f"{kind} {case.method} {case.path}")
        else:
            self.outcome.add(reply.status_code, f"{case.as_curl_command()}\n{reply.text[:300]}")

    def raw(self, count: int) -> None:
        """Send bytes that are no more HTTP than they must be."""
        port = self.server.client.base_url.port
        assert port
        for number in range(count):
            data = raw_request(self.chance)
            self.outcome.add(ask_raw(port, data), data)
            if number % ROUND == ROUND - 1:
                self.look()

    def look(self) -> None:
        """Stop trainings, put changed domains back, see that answers are as they were, and note the memory."""
        client = self.server.client
        for job in client.get("/v1/jobs").json()["jobs"]:
            client.delete(f"/v1/jobs/{job['id']}")
        for name, data in self.archives.items():
            client.put(f"/v1/domains/{name}", content=data, headers={"Content-Type": "application/zip"})
        if client.get("/readyz").status_code != 200 or self.entities() != self.expected:
            self.outcome.faults.append("the server no longer answers as it did")
        if any("Traceback" in line for line in self.server.log):
            self.outcome.faults.append("".join(self.server.log)[-3000:])
            print(self.outcome.faults[-1], flush=True)
            self.server.log.clear()
        self.outcome.megabytes.append(_memory(self.server.popen.pid))
        print(self.outcome.line(), flush=True)


def _memory(process_id: int) -> float:
    lines = Path(f"/proc/{process_id}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def main() -> None:
    """Run a campaign; the exit code is 1 if a law was broken."""
    from cpner.backbone.load import load

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "store")
        backbone = str(make_backbone(Path(folder, "tiny")))
        fill_store(load(backbone, device="cpu", precision="float32"), store)
        with process(store, "--max-jobs", "0", "--max-domains", "50") as server:
            campaign = Campaign(server, store, arguments.seed)
            campaign.raw(arguments.requests // 4)
            campaign.described(arguments.requests // 2)
            campaign.raw(arguments.requests - campaign.outcome.statuses.total())
    outcome = campaign.outcome
    marks = outcome.megabytes
    if marks[-1] > marks[len(marks) // 5] + GROWTH_MB:
        outcome.faults.append(f"memory grew: {marks}")
    print(outcome.line())
    sys.exit(1 if outcome.faults else 0)


if __name__ == "__main__":
    main()
