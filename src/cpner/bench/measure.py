"""Speed of a backbone on this machine: recognition, training, start-up, memory, and how they grow.

Figures are medians over rounds in which what is compared takes turns (A B A B), so that noise hurts all alike.
"""

from __future__ import annotations

import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from cpner.backbone.bank import PrefixBank
from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.shape import PrefixConfig
from cpner.backbone.start import quiet_start
from cpner.corpus.sentence import Sentence, Span
from cpner.instructor import Instructor
from cpner.instructor.grammar import Grammar
from cpner.machine import describe_machine, versions
from cpner.progress import Progress, Report, ignore
from cpner.recognition.recognise import Task, recognise
from cpner.training.batch import Batch
from cpner.training.loss import cross_entropy

TYPES = ["person", "organization", "location", "political party", "chemical compound", "event", "award", "product"]
TEXT = (
    "The committee met in Vienna on Tuesday and heard Dr Ilse Varga describe how the Danube Institute had measured "
    "arsenic in wells near Szeged , while two members of the Green Alliance asked for a second survey . Nobody from "
    "the ministry came , although its secretary , Pavel Horn , had promised three weeks before to bring the maps that "
    "his office drew after the flood of 1970 . A farmer told reporters that her cattle drink from a ditch behind Lake "
    "Velence ; she will not move them until someone pays . Both laboratories want money from Brussels ; talks there "
    "begin next month , and Professor Okoro of Lagos offered to lend the committee her new spectrometer for free ."
)
WORDS = TEXT.split()
BATCHES = (1, 8, 32)
LENGTHS = (10, 30, 60, 120)
DOMAINS = (1, 2, 8, 32)
Call = Callable[[], object]


class Bench(NamedTuple):
    """What was measured, and where.

    Attributes:
        machine: backbone, parameters, device, versions, date.
        sentences_per_second: of 30 words and eight types, text to entities, by the sentences of a batch.
        milliseconds_per_sentence: in batches of 8, by the words of a sentence.
        mixed_domains: time of a batch of 32 to that of one domain alone, by the domains in it.
        training: `seconds` of a step of the paper's prefix on 8 sentences, its `operations`, the machine's
            `operations_per_second` in one large product of the backbone's dtype, and the share `of_roofline` that the
            step reaches of it.
        domain: `bytes` in the store and `load_milliseconds`.
        start: `import_seconds` of the package beyond an empty interpreter's.
        memory_megabytes: the most that the process has had; on CUDA, of the device.
    """

    machine: dict[str, Any]
    sentences_per_second: dict[str, float]
    milliseconds_per_sentence: dict[str, float]
    mixed_domains: dict[str, float]
    training: dict[str, float]
    domain: dict[str, float]
    start: dict[str, float]
    memory_megabytes: float


def run_bench(backbone: Backbone, rounds: int = 5, report: Report = ignore) -> Bench:
    """Measure everything.

    Args:
        rounds: of which the median is taken.
        report: called before each of the measurements.
    """
    parts: dict[str, tuple[str, Callable[[], Any]]] = {
        "sentences_per_second": ("recognition, by batch", lambda: by_batch(backbone, rounds)),
        "milliseconds_per_sentence": ("recognition, by length", lambda: by_length(backbone, rounds)),
        "mixed_domains": ("mixed domains", lambda: mixed_domains(backbone, rounds)),
        "training": ("training", lambda: training_step(backbone, rounds)),
        "domain": ("the store", lambda: storing(backbone, rounds)),
        "start": ("start-up", lambda: start_up(rounds)),
    }
    figures = {}
    for done, (name, (title, measure)) in enumerate(parts.items()):
        report(Progress(done, len(parts), f"measuring {title}"))
        figures[name] = measure()
    return Bench(machine=machine_of(backbone), memory_megabytes=memory(backbone), **figures)


def interleaved(
    calls: Mapping[str, Call], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median seconds of each call; all run once before any is timed, and then take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for timed in [False] + [True] * rounds:
        for name, call in calls.items():
            started = clock()
            call()
            if timed:
                seconds[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def sentences(count: int, words: int = 30) -> list[Sentence]:
    """Sentences of so many words, each rotated differently so that neighbours are not equal."""
    return [Sentence.from_words([WORDS[(i + j) % len(WORDS)] for j in range(words)]) for i in range(count)]


def by_batch(backbone: Backbone, rounds: int) -> dict[str, float]:
    """Sentences a second of `BATCHES`."""
    calls = {str(size): _recognition(backbone, sentences(size), batch=size) for size in BATCHES}
    return {size: int(size) / seconds for size, seconds in interleaved(calls, rounds).items()}


def by_length(backbone: Backbone, rounds: int) -> dict[str, float]:
    """Milliseconds of a sentence of `LENGTHS` words."""
    calls = {str(words): _recognition(backbone, sentences(8, words), batch=8) for words in LENGTHS}
    return {words: 1000 * seconds / 8 for words, seconds in interleaved(calls, rounds).items()}


def mixed_domains(backbone: Backbone, rounds: int) -> dict[str, float]:
    """Time of a batch with `DOMAINS` domains to that with one."""
    calls = {str(domains): _recognition(backbone, sentences(32), domains=domains) for domains in DOMAINS}
    seconds = interleaved(calls, rounds)
    return {domains: value / seconds["1"] for domains, value in seconds.items()}


def _recognition(backbone: Backbone, texts: list[Sentence], *, batch: int = 32, domains: int = 1) -> Call:
    prefix = _prefix(backbone)
    prefixes = {f"d{i}": prefix for i in range(domains)}
    bank = PrefixBank(prefixes, device=backbone.device, dtype=backbone.dtype)
    prompt = Instructor(backbone.vocabulary, TYPES)
    tasks = [Task(text, prompt, f"d{i % domains}") for i, text in enumerate(texts)]
    return lambda: recognise(backbone, tasks, bank, batch_size=batch)


def _prefix(backbone: Backbone) -> Prefix:
    return quiet_start(backbone, PrefixConfig()).to(backbone.device).to(backbone.dtype)


def training_step(backbone: Backbone, rounds: int) -> dict[str, float]:
    """Forward, backward and update on 8 sentences of 30 words with six entities, the paper's prefix."""
    prompt = Instructor(backbone.vocabulary, TYPES)
    shape = backbone.shape
    places = [(4, 5), (9, 11), (14, 16), (19, 20), (22, 23), (27, 29)]
    marked = [s.with_spans([Span(a, b, TYPES[i]) for i, (a, b) in enumerate(places)]) for s in sentences(8)]
    sources = [prompt.source(sentence) for sentence in marked]
    targets = [prompt.target(source, sentence) for source, sentence in zip(sources, marked, strict=True)]
    grammars = [Grammar(source) for source in sources]
    batch = Batch.build([s.ids for s in sources], targets, backbone.vocabulary, grammars).to(backbone.device)
    network = Reparameterisation(shape, PrefixConfig.paper()).to(backbone.device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(backbone.t5, batch, network().expand(len(batch.source))).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        _wait(backbone.device)

    size = 8192 if backbone.device.type == "cuda" else 1024
    a, b = (torch.randn(size, size, dtype=backbone.dtype, device=backbone.device) for _ in range(2))
    rates: list[float] = []
    seconds = interleaved({"step": step, "product": lambda: rates.append(product_rate(a, b))}, rounds)["step"]
    count = operations(step)
    rate = statistics.median(rates)
    return {
        "seconds": seconds,
        "operations": count,
        "operations_per_second": rate,
        "of_roofline": count / rate / seconds,
    }


def operations(call: Call) -> float:
    """Floating-point operations of a call's products, those with packed weights among them."""

    def packed(x: Sequence[int], weight: Sequence[int], *_: Any, **__: Any) -> int:
        return 2 * math.prod(x) * weight[0]

    known = {torch.ops.mkldnn._linear_pointwise: packed} if torch.backends.mkldnn.is_available() else {}  # type: ignore[no-untyped-call]
    with FlopCounterMode(display=False, custom_mapping=known) as counter:
        call()
    return float(counter.get_total_flops())


def product_rate(a: Tensor, b: Tensor, seconds: float = 0.2) -> float:
    """Floating-point operations a second of the product of two matrices, on their device."""
    a @ b
    count = 0
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        a @ b
        _wait(a.device)
        count += 1
    return 2.0 * a.shape[0] * a.shape[1] * b.shape[1] * count / (time.perf_counter() - started)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def storing(backbone: Backbone, rounds: int) -> dict[str, float]:
    """Bytes of a stored domain, and milliseconds to read it; the disk's cache is warm."""
    from cpner.ner import CPNER
    from cpner.store import Store

    with tempfile.TemporaryDirectory() as folder:
        ner = CPNER(backbone)
        ner.add("bench", _prefix(backbone).to("cpu"), TYPES)
        ner.save(folder)
        store = Store(folder)
        seconds = interleaved({"load": lambda: store.load("bench")}, rounds)["load"]
        return {"bytes": float(store.size_bytes("bench")), "load_milliseconds": 1000 * seconds}


def start_up(rounds: int) -> dict[str, float]:
    """Seconds of `import cpner` in a fresh interpreter, beyond an empty one."""

    def run(code: str) -> Call:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    seconds = interleaved({"empty": run("pass"), "import": run("import cpner")}, rounds)
    return {"import_seconds": max(0.0, seconds["import"] - seconds["empty"])}


def memory(backbone: Backbone) -> float:
    """The most memory so far, in megabytes."""
    if backbone.device.type == "cuda":
        return torch.cuda.max_memory_allocated(backbone.device) / 1e6
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def machine_of(backbone: Backbone) -> dict[str, Any]:
    """What was measured, and on what."""
    machine = describe_machine(backbone.device)
    return {
        "backbone": backbone.name,
        "parameters": sum(p.numel() for p in backbone.t5.parameters()),
        "device": machine["processor"],
        "dtype": backbone.precision,
        "cores": machine["cores"],
        "threads": machine["threads"],
        **versions(),
        "date": datetime.now(UTC).date().isoformat(),
    }
