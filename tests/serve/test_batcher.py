from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from cpner.corpus import Sentence, Span
from cpner.corpus.sentence import Answer, Prediction
from cpner.errors import UnknownDomainError
from cpner.serve.batcher import Batcher, Item
from cpner.serve.metrics import Metrics
from cpner.serve.problems import ProblemError
from cpner.serve.settings import ServeSettings


class Slow:
    """An engine that answers with the number of words as soon as it may.

    Attributes:
        batches: the texts of each call.
        go: lets it work.
        busy: is set while it works.
        passes: of a long text.
    """

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.go = threading.Event()
        self.busy = threading.Event()
        self.passes = 3

    def pieces(self, sentence: Sentence) -> int:
        return len(sentence.words)

    def recognise(self, items: Sequence[Item], between: Callable[[], None]) -> list[Answer]:
        self.batches.append([item.sentence.text for item in items])
        self.busy.set()
        assert self.go.wait(10)
        if any(item.domain == "nowhere" for item in items):
            raise UnknownDomainError("no domain 'nowhere'")
        if len(items) == 1 and len(items[0].sentence.words) > 50:
            for _ in range(self.passes):
                between()
        return [Answer([Prediction(Span(0, 1, "words"), len(item.sentence.words))]) for item in items]


@contextmanager
def batcher(engine: Slow, **settings: Any) -> Iterator[Batcher]:
    running = Batcher(engine, ServeSettings(**settings), Metrics())
    running.start()
    yield running
    engine.go.set()
    running.stop()


def item(words: int, *, domain: str | None = "one", types: tuple[str, ...] | None = None, late: float = 60) -> Item:
    text = " ".join(["a"] * words)
    future = asyncio.get_running_loop().create_future()
    return Item(Sentence.from_text(text), domain, types, 1, time.monotonic() + late, future)


async def first_in_work(running: Batcher, engine: Slow) -> Item:
    """A sentence that the engine works on, so that all that come next wait."""
    one = item(1)
    running.submit([one])
    await asyncio.to_thread(engine.busy.wait, 10)
    return one


def words(found: list[Prediction]) -> float:
    return found[0].score


def test_what_waits_goes_as_one_batch_the_short_before_the_long() -> None:
    async def run() -> None:
        engine = Slow()
        with batcher(engine) as running:
            first = await first_in_work(running, engine)
            items = [item(n) for n in (5, 2, 9, 3)]
            for one in items:
                running.submit([one])
            engine.go.set()
            assert [words(await one.future) for one in [first, *items]] == [1, 5, 2, 9, 3]
        assert [[len(text.split()) for text in batch] for batch in engine.batches] == [[1], [2, 3, 5, 9]]

    asyncio.run(run())


def test_a_batch_closes_when_it_has_enough_pieces() -> None:
    async def run() -> None:
        engine = Slow()
        with batcher(engine, max_batch_pieces=10) as running:
            first = await first_in_work(running, engine)
            items = [item(n) for n in (4, 5, 4, 30, 4)]
            running.submit(items)
            engine.go.set()
            await asyncio.gather(*(one.future for one in [first, *items]))
        assert [[len(text.split()) for text in batch] for batch in engine.batches] == [[1], [4, 5], [4], [30], [4]]

    asyncio.run(run())


def test_no_pass_is_left_half_empty_while_more_waits() -> None:
    async def run() -> None:
        engine = Slow()
        with batcher(engine, batch_size=2, max_batch_pieces=15) as running:
            first = await first_in_work(running, engine)
            items = [item(5) for _ in range(5)]
            running.submit(items)
            engine.go.set()
            await asyncio.gather(*(one.future for one in [first, *items]))
        assert [len(batch) for batch in engine.batches] == [1, 2, 2, 1]

    asyncio.run(run())


def test_a_batch_is_decoded_some_sentences_at_a_time() -> None:
    async def run() -> None:
        engine = Slow()
        with batcher(engine, batch_size=2) as running:
            await first_in_work(running, engine)
            items = [item(n) for n in (1, 2, 3, 4, 5)]
            running.submit(items)
            engine.go.set()
            await asyncio.gather(*(one.future for one in items))
        assert [len(batch) for batch in engine.batches] == [1, 2, 2, 1]

    asyncio.run(run())


def test_a_sentence_waits_for_others_but_not_for_long() -> None:
    async def run() -> None:
        engine = Slow()
        engine.go.set()
        with batcher(engine, batch_wait_ms=200.0) as running:
            one = item(1)
            other = item(2)
            running.submit([one])
            await asyncio.sleep(0.05)
            running.submit([other])
            await asyncio.gather(one.future, other.future)
        assert len(engine.batches) == 1

    asyncio.run(run())


def test_other_types_are_another_pass() -> None:
    async def run() -> None:
        engine = Slow()
        with batcher(engine) as running:
            await first_in_work(running, engine)
            items = [item(1), item(2, types=("person",)), item(3)]
            running.submit(items)
            engine.go.set()
            await asyncio.gather(*(one.future for one in items))
        assert [[len(text.split()) for text in batch] for batch in engine.batches] == [[1], [1, 3], [2]]

    asyncio.run(run())


def test_a_full_queue_refuses_with_the_time_to_come_again() -> None:
    async def run() -> None:
        engine = Slow()
        with batcher(engine, queue=3) as running:
            await first_in_work(running, engine)
            running.rate = 10.0  # words a second
            items = [item(15), item(15)]
            running.submit(items)
            with pytest.raises(ProblemError) as refused:
                running.submit([item(1), item(1)])
            engine.go.set()
            await asyncio.gather(*(one.future for one in items))
        assert refused.value.status == 429
        assert refused.value.headers["Retry-After"] == "3"  # 30 words wait
        assert refused.value.details == {"queue": 2}

    asyncio.run(run())


def test_a_queue_that_would_take_too_long_refuses() -> None:
    async def run() -> None:
        engine = Slow()
        with batcher(engine, max_wait=2.0) as running:
            await first_in_work(running, engine)
            running.rate = 10.0
            items = [item(15), item(15)]
            running.submit(items)  # as nothing waits, they are taken, however long they are
            with pytest.raises(ProblemError):
                running.submit([item(1)])
            engine.go.set()
            await asyncio.gather(*(one.future for one in items))

    asyncio.run(run())


def test_an_error_of_one_is_not_the_others() -> None:
    async def run() -> None:
        engine = Slow()
        with batcher(engine) as running:
            await first_in_work(running, engine)
            items = [item(1), item(2, domain="nowhere"), item(3)]
            running.submit(items)
            engine.go.set()
            results = await asyncio.gather(*(one.future for one in items), return_exceptions=True)
        assert isinstance(results[1], UnknownDomainError)
        assert [words(results[0]), words(results[2])] == [1, 3]  # type: ignore[arg-type]

    asyncio.run(run())


def test_what_nobody_waits_for_is_left_out_and_what_is_late_is_told() -> None:
    async def run() -> None:
        engine = Slow()
        with batcher(engine) as running:
            await first_in_work(running, engine)
            gone = item(2)
            late = item(3, late=-1)
            wanted = item(4)
            running.submit([gone, late, wanted])
            gone.future.cancel()
            engine.go.set()
            assert words(await wanted.future) == 4
            with pytest.raises(ProblemError) as told:
                await late.future
        assert told.value.status == 504
        assert [[len(text.split()) for text in batch] for batch in engine.batches] == [[1], [4]]
        assert running.metrics.registry.get_sample_value("cpner_dropped_sentences_total") == 2

    asyncio.run(run())


def test_a_call_comes_after_what_was_there_before_it_and_before_the_rest() -> None:
    async def run() -> None:
        engine = Slow()
        with batcher(engine) as running:
            await first_in_work(running, engine)
            before = item(2)
            after = item(3)
            running.submit([before])
            call = asyncio.ensure_future(running.call(lambda: len(engine.batches)))
            await asyncio.sleep(0)
            running.submit([after])
            engine.go.set()
            assert await call == 2
            await asyncio.gather(before.future, after.future)
        assert [[len(text.split()) for text in batch] for batch in engine.batches] == [[1], [2], [3]]

    asyncio.run(run())


def test_an_error_of_a_call_is_its_callers() -> None:
    async def run() -> None:
        engine = Slow()
        engine.go.set()
        with batcher(engine) as running:
            with pytest.raises(ZeroDivisionError):
                await running.call(lambda: 1 / 0)
            one = item(1)
            running.submit([one])
            assert words(await one.future) == 1

    asyncio.run(run())


def test_short_texts_need_not_wait_for_a_long_one() -> None:
    async def run() -> None:
        engine = Slow()
        with batcher(engine) as running:
            long = item(60)
            running.submit([long])
            await asyncio.to_thread(engine.busy.wait, 10)
            short = [item(1), item(2)]
            running.submit(short)
            order: list[int] = []
            for one in [long, *short]:
                one.future.add_done_callback(lambda future: order.append(int(words(future.result()))))
            engine.go.set()
            await asyncio.gather(long.future, *(one.future for one in short))
            await asyncio.sleep(0)
        assert order == [1, 2, 60]

    asyncio.run(run())


def test_who_waits_at_the_end_gets_an_error() -> None:
    async def run() -> None:
        engine = Slow()
        with batcher(engine) as running:
            first = await first_in_work(running, engine)
            waiting = item(2)
            running.submit([waiting])
            stopped = asyncio.ensure_future(asyncio.to_thread(running.stop))
            await asyncio.sleep(0.05)
            engine.go.set()
            await stopped
            assert words(await first.future) == 1
            with pytest.raises(ProblemError):
                await waiting.future

    asyncio.run(run())
