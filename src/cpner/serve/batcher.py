"""Batches across requests: one thread owns the model and takes sentences from one bounded queue.

A batch closes when it has enough pieces, or when the queue is empty and its oldest sentence has waited long enough.
Its sentences are sorted by length and decoded some at a time. What nobody waits for any more is left out.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from cpner.corpus.sentence import Answer, Sentence
from cpner.serve.metrics import Metrics
from cpner.serve.problems import ProblemError, overloaded
from cpner.serve.settings import ServeSettings

_log = logging.getLogger("cpner.serve")
_LEARN = 0.2  # weight of the newest batch in the measured rate
Result = TypeVar("Result")
Predictions = Answer


class Engine(Protocol):
    """What the batcher asks of the library, in the model's thread."""

    def pieces(self, sentence: Sentence) -> int:
        """Pieces of a sentence."""

    def recognise(self, items: Sequence[Item], between: Callable[[], None]) -> list[Predictions]:
        """The entities of sentences that ask for the same types and beams; `between` is called between two passes."""


@dataclass(eq=False, slots=True)
class Item:
    """A sentence that waits for its entities.

    Attributes:
        sentence: to look at.
        domain: whose prefix to use; None for the backbone alone.
        types: to look for; None for the domain's.
        beams: outputs that the search keeps.
        deadline: when nobody waits any more, by `time.monotonic`.
        future: gets the entities, or an error.
        arrived: when it came, by `time.monotonic`.
        pieces: of the sentence; counted when its batch is made.
    """

    sentence: Sentence
    domain: str | None
    types: tuple[str, ...] | None
    beams: int
    deadline: float
    future: asyncio.Future[Predictions]
    arrived: float = field(default_factory=time.monotonic)
    pieces: int = 0


@dataclass(eq=False, slots=True)
class _Call:
    """Something to do between two batches, once all sentences that came before are done."""

    work: Callable[[], Any]
    future: asyncio.Future[Any]


class Batcher:
    """The queue, and the thread that owns the model.

    Args:
        engine: finds the entities.
        settings: the bounds of queue and batches.
        metrics: what is counted.
    """

    def __init__(self, engine: Engine, settings: ServeSettings, metrics: Metrics) -> None:
        self.engine = engine
        self.settings = settings
        self.metrics = metrics
        self.rate: float | None = None  # words a second when there is enough to do
        self._waiting: deque[Item | _Call] = deque()
        self._words = 0  # of the sentences that wait
        self._sentences = 0  # that wait
        self._change = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="cpner-model", daemon=True)

    def start(self) -> None:
        """Let the thread begin."""
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end after the batch in work; whoever still waits gets an error."""
        with self._change:
            self._stopped = True
            self._change.notify()
        self._thread.join()

    @property
    def depth(self) -> int:
        """Sentences that wait."""
        return self._sentences

    def expected_wait(self) -> float:
        """Seconds until a sentence that came now would be looked at; 0 as long as no rate is known."""
        return self._words / self.rate if self.rate else 0.0

    def submit(self, items: Sequence[Item]) -> None:
        """Put sentences into the queue, all or none; called in the event loop.

        Raises:
            ProblemError: 429, there are too many before them.
        """
        self.check_room(len(items))
        with self._change:
            self._waiting.extend(items)
            self._count(items, +1)
            self._change.notify()

    def check_room(self, count: int) -> None:
        """Check that so many sentences can be taken.

        Raises:
            ProblemError: 429, there are too many before them.
        """
        wait = self.expected_wait()
        full = self._sentences + count > self.settings.queue
        if self._sentences and (full or wait > self.settings.max_wait):
            self.metrics.rejected.labels("queue").inc()
            message = f"{self._sentences} sentences wait already; come again later"
            raise overloaded(message, math.ceil(wait), queue=self._sentences)

    async def call(self, work: Callable[[], Result]) -> Result:
        """Do something in the model's thread, after all sentences that came before and before all that come later."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        with self._change:
            self._waiting.append(_Call(work, future))
            self._change.notify()
        return await future

    def _count(self, items: Sequence[Item], sign: int) -> None:
        self._sentences += sign * len(items)
        self._words += sign * sum(len(item.sentence.words) for item in items)
        self.metrics.queue_depth.set(self._sentences)

    def _work(self) -> None:
        while True:
            with self._change:
                while not self._waiting and not self._stopped:
                    self._change.wait()
                if self._stopped:
                    break
                first = self._waiting[0]
                if isinstance(first, _Call):
                    self._waiting.popleft()
            if isinstance(first, _Call):
                self._do(first)
            else:
                wait = self.settings.batch_wait_ms / 1000
                self._serve(self._collect(self.settings.max_batch_pieces, wait), self._serve_short)
        error = ProblemError(503, "draining", "the server stops")
        while self._waiting:
            self._deliver([(self._waiting.popleft().future, error)])

    def _do(self, call: _Call) -> None:
        try:
            result = call.work()
        except Exception as error:
            self._deliver([(call.future, error)])
        else:
            self._deliver([(call.future, result)])

    def _collect(self, most: int, wait: float, longest: int | None = None) -> list[Item]:
        """The sentences of the next batch, in the order they came.

        Args:
            most: pieces of the batch, but for its first sentence, which may have more.
            wait: seconds that a sentence waits for company.
            longest: pieces of a sentence that is taken at all; None for any number.
        """
        batch: list[Item] = []
        pieces = 0
        while True:
            while self._waiting and isinstance(item := self._waiting[0], Item):  # nobody else takes anything out
                item.pieces = item.pieces or self.engine.pieces(item.sentence)
                if (batch and pieces + item.pieces > most) or (longest is not None and item.pieces > longest):
                    break
                batch.append(item)
                pieces += item.pieces
                self._waiting.popleft()
            left = batch[0].arrived + wait - time.monotonic() if batch else 0.0
            with self._change:
                if self._waiting and longest is None:
                    self._put_back(batch)
                if self._waiting or self._stopped or left <= 0 or pieces >= most:
                    return batch
                self._change.wait(left)

    def _put_back(self, batch: list[Item]) -> None:
        """While more waits, leave what would not fill a pass of the model for the next batch."""
        rest = len(batch) % self.settings.batch_size if len(batch) > self.settings.batch_size else 0
        self._waiting.extendleft(batch.pop() for _ in range(rest))

    def _serve(self, batch: Sequence[Item], between: Callable[[], None]) -> None:
        """Find the entities of a batch: sentences of about the same length together, the short ones first."""
        now = time.monotonic()
        groups: dict[tuple[tuple[str, ...] | None, int], list[Item]] = {}
        for item in sorted(batch, key=lambda item: item.pieces):
            self.metrics.queue_wait.observe(now - item.arrived)
            groups.setdefault((item.types, item.beams), []).append(item)
        size = self.settings.batch_size
        for items in groups.values():
            for start in range(0, len(items), size):
                part = items[start : start + size]
                with self._change:
                    self._count(part, -1)  # until now they waited
                self._decode(self._wanted(part), between)

    def _wanted(self, items: Sequence[Item]) -> list[Item]:
        """The sentences that somebody waits for; to late ones that is told."""
        now = time.monotonic()
        late = [item for item in items if item.deadline < now and not item.future.cancelled()]
        error = ProblemError(504, "timeout", "the answer took too long; come again later")
        self._deliver([(item.future, error) for item in late])
        wanted = [item for item in items if item.deadline >= now and not item.future.cancelled()]
        self.metrics.dropped.inc(len(items) - len(wanted))
        return wanted

    def _decode(self, items: Sequence[Item], between: Callable[[], None]) -> None:
        if not items:
            return
        started = time.monotonic()
        try:
            predictions = self.engine.recognise(items, between)
        except Exception as error:
            if len(items) > 1:  # an error of one must not be the others' too
                for item in items:
                    self._decode([item], between)
            else:
                self._deliver([(items[0].future, error)])
            return
        seconds = time.monotonic() - started
        self._deliver([(item.future, one) for item, one in zip(items, predictions, strict=True)])
        self.metrics.inference.observe(seconds)
        self.metrics.batch_sentences.observe(len(items))
        self.metrics.batch_pieces.observe(sum(item.pieces for item in items))
        self._measure(items, seconds)

    def _serve_short(self) -> None:
        """Between the windows of a long text, let short ones that came meanwhile go first."""
        longest = self.settings.max_batch_pieces // 4
        batch = self._collect(self.settings.max_batch_pieces, 0.0, longest)
        if batch:
            self._serve(batch, _nothing)

    def _measure(self, items: Sequence[Item], seconds: float) -> None:
        """Learn the rate from batches that others wait behind, from full ones, or as long as none is known."""
        if self.rate is not None and not self._sentences and 2 * len(items) < self.settings.batch_size:
            return
        rate = sum(len(item.sentence.words) for item in items) / max(seconds, 1e-6)
        self.rate = rate if self.rate is None else (1 - _LEARN) * self.rate + _LEARN * rate

    def _deliver(self, results: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
        """Hand results and errors to whoever waits in the event loop."""
        if results:
            loop = results[0][0].get_loop()
            try:
                loop.call_soon_threadsafe(_settle, results)
            except RuntimeError:  # the loop has ended, and with it all that waited
                _log.debug("results came after the end of the event loop")


def _nothing() -> None:
    """What a batch of short texts has to do between passes."""


def _settle(results: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in results:
        if future.done():
            continue
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)
