"""How `cpner serve` bears load, on this machine alone: `python benchmarks/serving.py --help`.

An open loop: requests are sent at moments drawn beforehand (a Poisson process), whether or not answers have come, and
a response time counts from the moment at which its request was due. Each request is one sentence of 30 words of one of
64 domains, drawn at random. Server and load run in processes of their own, with as many threads as the library has.

    library    `CPNER.predict` in batches of 32 that mix the domains: sentences a second
    half       offered half of that: response times
    overload   offered three times that: what is admitted, what is refused (429 with Retry-After), memory
    churn      half, while a domain is replaced or deleted every 100 ms: errors, answers of no version
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from command import write

from cpner import CPNER, Corpus
from cpner.backbone.prefix import Prefix
from cpner.bench.measure import sentences
from cpner.store import Store
from cpner.training import TrainingConfig

DOMAINS = 64
SAMPLES = ("politics", "music", "science", "news")
BATCH = 32
CONNECTIONS = 512
_HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
PATIENCE = 60.0  # seconds until a request counts as lost


class Reply(NamedTuple):
    """An answer: when it was due and came, its status (0: none came), its Retry-After, its body."""

    domain: str
    text: str
    due: float
    took: float
    status: int
    retry_after: str
    body: bytes


def fill(store: Path) -> None:
    """Make 64 domains: four are trained for a moment, the others are copies of those."""
    ner = CPNER.load("cpner-mini", store=store)
    for name in SAMPLES:
        ner.warm_up(name, Corpus.read(f"sample:{name}"), TrainingConfig(epochs=1, min_steps=40))
        for i in range(DOMAINS // len(SAMPLES)):
            prefix: Prefix = ner.prefix(name)
            ner.add(f"{name}-{i}", prefix, ner.card(name).types)
    ner.save(domains=[name for name in ner.domains if name not in SAMPLES])


def questions(store: Path, count: int, seed: int) -> list[tuple[str, str]]:
    """Sentences of 30 words and the domains they are for."""
    texts = [" ".join(sentence.word_texts) for sentence in sentences(256)]
    names = Store(store).names()
    chance = random.Random(seed)
    return [(chance.choice(names), chance.choice(texts)) for _ in range(count)]


def library_rate(store: Path, rounds: int) -> float:
    """Sentences a second of the library, the median of some rounds."""
    ner = CPNER.load("cpner-mini", store=store)
    asked = questions(store, 8 * BATCH, 0)
    rates = []
    for turn in range(rounds + 1):
        started = time.perf_counter()
        for start in range(0, len(asked), BATCH):
            part = asked[start : start + BATCH]
            ner.predict([text for _, text in part], [name for name, _ in part])
        if turn:  # the first reads the domains
            rates.append(len(asked) / (time.perf_counter() - started))
    return statistics.median(rates)


@contextmanager
def server(store: Path, flags: Sequence[str]) -> Iterator[tuple[int, int]]:
    """A server in a process of its own: its process and its port."""
    command = [sys.executable, "-m", "cpner", "serve", "--store", str(store), "--port", "0", "--log", "warning", *flags]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = ""
        while "http://" not in line:
            line = process.stderr.readline()
            if not line:
                raise SystemExit("the server did not start")
        port = int(line.split("http://127.0.0.1:")[1].split(",")[0].split()[0])
        threading.Thread(target=process.stderr.read, daemon=True).start()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            while client.get("/readyz").status_code != 200:
                time.sleep(0.1)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(60)


class Connection:
    """One connection that is kept open; asks one question at a time."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, body: bytes) -> tuple[int, str, bytes]:
        """Status, Retry-After and body of the answer."""
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        writer.write(_HEAD + str(len(body)).encode() + b"\r\n\r\n" + body)
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
            data = await reader.readexactly(int(headers["content-length"]))
        except BaseException:
            writer.close()
            self.streams = None
            raise
        if headers.get("connection") == "close":
            writer.close()
            self.streams = None
        return int(lines[0].split()[1]), headers.get("retry-after", ""), data


async def offer(port: int, asked: Sequence[tuple[str, str]], rate: float, seed: int) -> list[Reply]:
    """Send questions at random moments, so many a second on average, and wait for all answers."""
    chance = random.Random(seed)
    idle = [Connection(port) for _ in range(CONNECTIONS)]
    replies: list[Reply] = []
    begin = time.monotonic() + 0.5
    due = begin

    async def one(domain: str, text: str, due: float) -> None:
        connection = idle.pop() if idle else Connection(port)
        body = json.dumps({"domain": domain, "text": text}).encode()
        try:
            status, retry, data = await asyncio.wait_for(connection.ask(body), PATIENCE)
        except (OSError, EOFError, TimeoutError):
            status, retry, data = 0, "", b""
        replies.append(Reply(domain, text, due - begin, time.monotonic() - due, status, retry, data))
        idle.append(connection)

    async with asyncio.TaskGroup() as group:
        for domain, text in asked:
            due += chance.expovariate(rate)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            group.create_task(one(domain, text, due))
    return replies


def memory(process: int) -> float:
    """Megabytes that a process holds."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def summary(replies: Sequence[Reply]) -> dict[str, Any]:
    """What came of an offer."""
    good = sorted(1000 * reply.took for reply in replies if reply.status == 200)
    span = max(reply.due + reply.took for reply in replies)
    refused = [reply for reply in replies if reply.status == 429]
    return {
        "offered": len(replies),
        "per_second": len(good) / span,
        "p50_ms": good[len(good) // 2] if good else None,
        "p99_ms": good[int(0.99 * (len(good) - 1))] if good else None,
        "refused": len(refused),
        "refused_without_retry_after": sum(not reply.retry_after for reply in refused),
        "lost": sum(reply.status == 0 for reply in replies),
        "other": sum(reply.status not in (0, 200, 429) for reply in replies),
    }


def churn(port: int, archives: Sequence[bytes], stop: threading.Event) -> list[int]:
    """Replace or delete a domain every 100 ms; the statuses of the answers."""
    statuses = []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
        turn = 0
        while not stop.is_set():
            started = time.monotonic()
            if turn % 4 == 3:
                reply = client.delete("/v1/domains/busy")
            else:
                data = archives[turn % len(archives)]
                reply = client.put("/v1/domains/busy", content=data, headers={"Content-Type": "application/zip"})
            statuses.append(reply.status_code)
            turn += 1
            time.sleep(max(0.0, 0.1 - (time.monotonic() - started)))
    return statuses


def measure_churn(store: Path, port: int, rate: float, seconds: float) -> dict[str, Any]:
    """Load on a domain that changes all the time, and on others."""
    names = ("politics-0", "music-0")
    with tempfile.TemporaryDirectory() as folder:
        archives = []
        for name in names:
            Store(store).export(name, Path(folder, f"{name}.zip"))
            archives.append(Path(folder, f"{name}.zip").read_bytes())
    stop = threading.Event()
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.extend(churn(port, archives, stop)))
    thread.start()
    asked = questions(store, int(rate * seconds), 5)
    asked = [("busy" if i % 2 else name, text) for i, (name, text) in enumerate(asked)]
    replies = asyncio.run(offer(port, asked, rate, 6))
    stop.set()
    thread.join()
    ner = CPNER.load("cpner-mini", store=store)
    busy = [reply for reply in replies if reply.domain == "busy" and reply.status == 200]
    texts = sorted({reply.text for reply in busy})
    versions = {name: dict(zip(texts, ner.predict(texts, name), strict=True)) for name in names}
    wrong = 0
    for reply in busy:
        entities = json.loads(reply.body)["results"][0]["entities"]
        found = [(one["start"], one["end"], one["type"]) for one in entities]
        wrong += all(found != [entity[:3] for entity in versions[name][reply.text]] for name in names)
    return {
        **summary(replies),
        "changes": len(statuses),
        "changes_failed": sum(status >= 500 for status in statuses),
        "answers_of_the_domain": len(busy),
        "answers_of_no_version": wrong,
        "server_errors": sum(reply.status >= 500 for reply in replies),
    }


def main() -> None:
    """Measure, and print or write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each load")
    parser.add_argument("--rounds", type=int, default=3, help="of the library's rate")
    parser.add_argument("--flags", default="", help="of cpner serve")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {"load_average_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "store")
        fill(store)
        rate = figures["library_per_second"] = library_rate(store, arguments.rounds)
        print(f"library   {rate:.1f} sentences a second")
        with server(store, arguments.flags.split()) as (process, port):
            for name, share in (("half", 0.5), ("overload", 3.0)):
                asked = questions(store, int(share * rate * arguments.seconds), 1)
                asyncio.run(offer(port, asked[: int(rate)], rate / 2, 2))  # warm
                before = memory(process)
                figures[name] = summary(asyncio.run(offer(port, asked, share * rate, 3)))
                figures[name] |= {"mb_before": before, "mb_after": memory(process)}
                print(f"{name:9} {json.dumps(figures[name])}")
            figures["churn"] = measure_churn(store, port, rate / 2, arguments.seconds)
            print(f"churn     {json.dumps(figures['churn'])}")
        figures["library_per_second_after"] = library_rate(store, arguments.rounds)
    figures["throughput_to_library"] = figures["overload"]["per_second"] / rate
    print(f"throughput to library: {figures['throughput_to_library']:.2f}")
    figures["load_average_after"] = os.getloadavg()[0]
    write(figures, arguments.json)


if __name__ == "__main__":
    main()
