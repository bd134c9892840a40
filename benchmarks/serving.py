"""How `cpner serve` bears load, on this machine alone: `python benchmarks/serving.py --help`.

An open loop: requests are sent at moments drawn beforehand (a Poisson process), whether or not answers have come, and
a response time counts from the moment at which its request was due. Each request is one sentence of 30 words of one of
64 domains, drawn at random. Server and load run in processes of their own, with as many threads as the library has.

    library    `CPNER.predict` in batches of 32 that mix the domains: sentences a second
    full       offered a tenth more than that: sentences a second, beside the library's just before and just after
    half       offered half of that: response times
    overload   offered three times that: what is admitted, what is refused (429 with Retry-After), memory
    churn      half, while a domain is added, replaced or deleted every 100 ms: errors, answers of no version
    gliner     with `--peers PYTHON` (needs Ray): GLiNER's own server with a random model of the size of `cpner-mini`,
               offered what it can do: sentences a second, then response times at half of that; cpner the same beside it

Each figure is printed beside its goal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from command import write
from peers import peer_ways

from cpner import CPNER, Corpus
from cpner.backbone.prefix import Prefix
from cpner.bench.measure import sentences
from cpner.store import Store
from cpner.training import TrainingConfig

LOADS = ("full", "half", "overload", "churn", "gliner")
DOMAINS = 64
SAMPLES = ("politics", "music", "science", "news")
BATCH = 32
CONNECTIONS = 512
_HEAD = "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
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


class Row(NamedTuple):
    """A figure beside its goal."""

    name: str
    figure: str
    goal: str
    holds: bool


def fill(store: Path) -> str:
    """Make 64 domains: four are trained for a moment, the others are copies of those. Returns the precision."""
    ner = CPNER.load("cpner-mini", store=store)
    for name in SAMPLES:
        ner.warm_up(name, Corpus.read(f"sample:{name}"), TrainingConfig(epochs=1, min_steps=40))
        for i in range(DOMAINS // len(SAMPLES)):
            prefix: Prefix = ner.prefix(name)
            ner.add(f"{name}-{i}", prefix, ner.card(name).types)
    ner.save(domains=[name for name in ner.domains if name not in SAMPLES])
    return ner.backbone.precision


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

    def __init__(self, port: int, path: str) -> None:
        self.port = port
        self.path = path
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, body: bytes) -> tuple[int, str, bytes]:
        """Status, Retry-After and body of the answer."""
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        writer.write(_HEAD.format(path=self.path, length=len(body)).encode() + body)
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
            data = await _body(reader, headers)
        except BaseException:
            writer.close()
            self.streams = None
            raise
        if headers.get("connection") == "close":
            writer.close()
            self.streams = None
        return int(lines[0].split()[1]), headers.get("retry-after", ""), data


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    """The body of an answer, which comes at once or in chunks."""
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers["content-length"]))
    data = b""
    while size := int(await reader.readline(), 16):
        data += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return data


@dataclass(frozen=True)
class Target:
    """A server that is asked.

    Attributes:
        port: on this machine.
        path: of the route.
        body: the JSON of a question, of its domain and its text.
    """

    port: int
    path: str = "/v1/predict"
    body: Callable[[str, str], dict[str, Any]] = lambda domain, text: {"domain": domain, "text": text}


async def offer(target: Target, asked: Sequence[tuple[str, str]], rate: float, seed: int) -> list[Reply]:
    """Send questions at random moments, so many a second on average, and wait for all answers."""
    chance = random.Random(seed)
    idle = [Connection(target.port, target.path) for _ in range(CONNECTIONS)]
    replies: list[Reply] = []
    begin = time.monotonic() + 0.5
    due = begin

    async def one(domain: str, text: str, due: float) -> None:
        connection = idle.pop() if idle else Connection(target.port, target.path)
        body = json.dumps(target.body(domain, text)).encode()
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


def load(target: Target, store: Path, rate: float, seconds: float, seed: int) -> dict[str, Any]:
    """What comes of so many questions a second."""
    asked = questions(store, max(1, int(rate * seconds)), seed)
    return summary(asyncio.run(offer(target, asked, rate, seed + 1)))


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


def measure_churn(store: Path, target: Target, rate: float, seconds: float) -> dict[str, Any]:
    """Load on a domain that changes all the time, and on others."""
    names = ("politics-0", "music-0")
    with tempfile.TemporaryDirectory() as folder:
        archives = []
        for name in names:
            Store(store).export(name, Path(folder, f"{name}.zip"))
            archives.append(Path(folder, f"{name}.zip").read_bytes())
    stop = threading.Event()
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.extend(churn(target.port, archives, stop)))
    thread.start()
    asked = questions(store, int(rate * seconds), 5)
    asked = [("busy" if i % 2 else name, text) for i, (name, text) in enumerate(asked)]
    replies = asyncio.run(offer(target, asked, rate, 6))
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


@contextmanager
def watched(process: int) -> Iterator[list[float]]:
    """The megabytes of a process, once a second."""
    marks = [memory(process)]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(1.0):
            marks.append(memory(process))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield marks
    finally:
        over.set()
        thread.join()


@contextmanager
def gliner_server(python: Path, store: Path, precision: str, flags: Sequence[str]) -> Iterator[Target]:
    """GLiNER's own server with a random model, asked for each domain's types."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        types = {name: Store(store).card(name).types for name in Store(store).names()}
        texts = [" ".join(sentence.word_texts) for sentence in sentences(256)]
        every = sorted({name for names in types.values() for name in names})
        with peer_ways(python, "gliner", folder=folder, texts=texts, types=every):
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        free.close()
        cores = str(len(os.sched_getaffinity(0)))
        options = {
            "model": folder, "device": "cpu", "dtype": precision, "num-gpus-per-replica": "0",
            "num-cpus-per-replica": cores, "port": str(port),
        }  # fmt: skip
        command = [str(python), "-m", "gliner.serve", *(f"--{name}={value}" for name, value in options.items()), *flags]
        quiet = {
            "HF_HUB_OFFLINE": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled",
            "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120", "RAY_worker_niceness": "0",
        }  # fmt: skip
        with open(Path(folder, "log"), "w", encoding="utf-8") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **quiet})
        target = Target(port, "/gliner", lambda domain, text: {"text": text, "labels": types[domain], "threshold": 1.0})
        try:
            name = next(iter(types))
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
                while not _answers(client, target.body(name, texts[0])):
                    if process.poll() is not None:
                        raise SystemExit("GLiNER's server did not start:\n" + Path(folder, "log").read_text()[-3000:])
                    time.sleep(1)
            yield target
        finally:
            process.terminate()
            process.wait(120)


def _answers(client: httpx.Client, body: dict[str, Any]) -> bool:
    try:
        return client.post("/gliner", json=body).status_code == 200
    except httpx.HTTPError:
        return False


def measure_overload(store: Path, target: Target, process: int, rate: float, seconds: float) -> dict[str, Any]:
    """Three times what the library can do, with the memory from the tenth second on, or after a fifth."""
    with watched(process) as marks:
        figures = load(target, store, 3 * rate, seconds, 3)
    settled = marks[min(10, len(marks) // 5) :]
    return {**figures, "mb_settled": settled[0], "mb_end": settled[-1], "mb_most": max(settled)}


def beside_gliner(
    store: Path, python: Path, precision: str, flags: Sequence[str], rate: float, seconds: float
) -> dict[str, Any]:
    """The same loads on both servers, each alone on the machine: more than the library can do, then a share of that."""
    figures: dict[str, Any] = {}
    half = 0.0
    with gliner_server(python, store, precision, flags) as target:
        load(target, store, rate / 4, seconds / 4, 20)  # warm
        figures["gliner_full"] = load(target, store, 1.1 * rate, seconds, 21)
        half = figures["gliner_full"]["per_second"] / 2
        figures["gliner_half"] = load(target, store, half, seconds, 23)
    with server(store, []) as (_, port):
        load(Target(port), store, rate / 4, seconds / 4, 20)
        figures["cpner_full"] = load(Target(port), store, 1.1 * rate, seconds, 21)
        figures["cpner_same"] = load(Target(port), store, half, seconds, 23)
    return figures


def rows_of(figures: Mapping[str, Any], bfloat16: bool) -> list[Row]:
    """What was measured, beside its goal."""
    rows: list[Row] = []
    if full := figures.get("full"):
        ratio = full["per_second"] / figures["library_per_second"]
        rows.append(Row("throughput to the library's", f"{ratio:.2f}", "at least 0.85", ratio >= 0.85))
    if half := figures.get("half"):
        most = 150 if bfloat16 else 400
        rows.append(
            Row("p99 at half of that load", f"{half['p99_ms']:.0f} ms", f"under {most} ms", half["p99_ms"] < most)
        )
    if over := figures.get("overload"):
        rows.append(
            Row(
                "p99 of what is admitted at three times", f"{over['p99_ms']:.0f} ms", "under 1 s", over["p99_ms"] < 1000
            )
        )
        wrong = [over["refused_without_retry_after"], over["lost"], over["other"]]
        figure = f"{over['refused']:,} refused; {wrong[0]} without Retry-After, {wrong[1]} lost, {wrong[2]} otherwise"
        rows.append(Row("the rest at three times", figure, "0, 0, 0", not any(wrong)))
        growth = over["mb_end"] - over["mb_settled"]
        rows.append(
            Row(
                "memory at three times",
                f"{over['mb_end']:.0f} MB, {growth:+.0f} MB",
                "flat",
                growth < 0.05 * over["mb_end"],
            )
        )
    if churn := figures.get("churn"):
        wrong = [churn["answers_of_no_version"], churn["server_errors"], churn["changes_failed"]]
        figure = f"{churn['changes']:,} changes; {wrong[0]} wrong answers, {wrong[1] + wrong[2]} of 5xx"
        rows.append(Row("a domain that changes", figure, "0 wrong, 0 of 5xx", not any(wrong)))
    if beside := figures.get("gliner"):
        times = beside["cpner_full"]["per_second"] / beside["gliner_full"]["per_second"]
        rows.append(Row("sentences a second to GLiNER's server", f"{times:.1f}", "at least 2", times >= 2))
        own, peer = beside["cpner_same"]["p99_ms"], beside["gliner_half"]["p99_ms"]
        rows.append(
            Row("p99 at half of what GLiNER's can do", f"{own:.0f} ms beside {peer:.0f} ms", "lower", own < peer)
        )
    return rows


def main() -> None:
    """Measure, and print or write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each load")
    parser.add_argument("--rounds", type=int, default=3, help="of the library's rate")
    parser.add_argument("--only", choices=LOADS, action="append", help="these loads; all if not given")
    parser.add_argument("--flags", default="", help="of cpner serve")
    parser.add_argument("--peers", type=Path, metavar="PYTHON", help="of an environment as peers.py needs it, with Ray")
    parser.add_argument("--peer-flags", default="--no-compile", help="of GLiNER's server")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    wanted = arguments.only or [name for name in LOADS if name != "gliner" or arguments.peers]
    seconds = arguments.seconds
    figures: dict[str, Any] = {"load_average_before": os.getloadavg()[0]}

    def note(name: str, value: Any) -> None:
        figures[name] = value
        print(f"{name:9} {json.dumps(value)}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "store")
        precision = fill(store)
        rate = library_rate(store, arguments.rounds)
        note("library", {"per_second": rate, "precision": precision})
        with server(store, arguments.flags.split()) as (process, port):
            target = Target(port)
            load(target, store, rate, min(10.0, seconds), 1)  # warm
            if "full" in wanted:
                note("full", load(target, store, 1.1 * rate, seconds, 11))
            if "half" in wanted:
                note("half", load(target, store, rate / 2, seconds, 13))
            if "overload" in wanted:
                note("overload", measure_overload(store, target, process, rate, seconds))
            if "churn" in wanted:
                note("churn", measure_churn(store, target, rate / 2, seconds))
        if "gliner" in wanted:
            kind = precision if precision == "bfloat16" else "float32"
            note("gliner", beside_gliner(store, arguments.peers, kind, arguments.peer_flags.split(), rate, seconds))
        after = library_rate(store, arguments.rounds)
        note("library after", {"per_second": after})
    figures["library_per_second"] = (rate + after) / 2
    figures["load_average_after"] = os.getloadavg()[0]
    rows = rows_of(figures, precision == "bfloat16")
    figures["rows"] = [row._asdict() for row in rows]
    for row in rows:
        print(f"{'yes' if row.holds else 'NO ':4}{row.name:40} {row.figure}   (goal: {row.goal})")
    write(figures, arguments.json)


if __name__ == "__main__":
    main()
