"""From texts to entities through the batcher: what the predicting routes of all protocols share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from cpner.corpus.checks import sentence_of
from cpner.corpus.sentence import Answer, Entity, Prediction, Sentence
from cpner.serve.batcher import Item
from cpner.serve.context import Context
from cpner.serve.problems import ProblemError
from cpner.training import check_types

_PAUSE = 0.02  # seconds until what predictions the queue full tries again


@dataclass(frozen=True)
class Ask:
    """What to look for.

    Attributes:
        types: instead of the domain's; None for those.
        beams: outputs that the search keeps.
        threshold: least score of an entity.
        thresholds: least score of an entity of a type, where it differs.
    """

    types: tuple[str, ...] | None = None
    beams: int = 1
    threshold: float = 0.0
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def wants(self, entity: Prediction) -> bool:
        """Whether an entity's score is high enough."""
        return entity.score >= self.thresholds.get(entity.span.type, self.threshold)


def check_ask(context: Context, ask: Ask) -> None:
    """Check types and beams.

    Raises:
        ProblemError: 413 too many.
        CpnerError: a type can't be one.
    """
    if ask.beams > context.settings.max_beams:
        raise ProblemError(413, "too_large", f"at most {context.settings.max_beams} beams", path="$.beams")
    if ask.types is None:
        return
    if len(ask.types) > context.settings.max_types:
        raise ProblemError(413, "too_large", f"at most {context.settings.max_types} types", path="$.types")
    check_types(ask.types, ())


def make_item(context: Context, text: str, domain: str | None, ask: Ask) -> Item:
    """A text for the batcher.

    Raises:
        ProblemError: 413 too long, 422 neither domain nor types.
        CpnerError: there is no such domain, or the text is no Unicode.
    """
    limit = context.settings.max_text_chars
    if len(text) > limit:
        raise ProblemError(413, "too_large", f"a text has {len(text):,} characters; at most {limit:,} are allowed")
    return _item(context, sentence_of(text), domain, ask)


def _item(context: Context, sentence: Sentence, domain: str | None, ask: Ask) -> Item:
    if domain is not None:
        context.engine.check_known(domain)
    elif ask.types is None:
        raise ProblemError(422, "invalid", "neither a domain nor types to look for: name one of them")
    return Item(
        sentence,
        domain,
        ask.types,
        ask.beams,
        deadline=time.monotonic() + context.settings.timeout,
        future=asyncio.get_running_loop().create_future(),
    )


async def find(
    context: Context, request: Request, texts: Sequence[str], domains: Iterable[str | None], ask: Ask
) -> list[list[Entity]]:
    """The entities of texts whose scores are high enough.

    Raises:
        ProblemError: 413 too many or too long, 429 too many wait, 504 too late.
        CpnerError: see `CPNER.recognise`.
    """
    return [entities for entities, _ in await find_scored(context, request, texts, domains, ask)]


async def find_scored(
    context: Context, request: Request, texts: Sequence[str], domains: Iterable[str | None], ask: Ask
) -> list[tuple[list[Entity], float]]:
    """The entities of texts whose scores are high enough, each with the probability that all of a text is right.

    Raises:
        ProblemError: 413 too many or too long, 429 too many wait, 504 too late.
        CpnerError: see `CPNER.recognise`.
    """
    check_count(context, len(texts))
    check_ask(context, ask)
    context.batcher.check_room(len(texts))  # before any work: a server that is full must refuse cheaply
    items = [make_item(context, text, domain, ask) for text, domain in zip(texts, domains, strict=True)]
    context.batcher.submit(items)
    answers = await wait(request, items)
    return [(entities_of(item, one, ask), one.score or 0.0) for item, one in zip(items, answers, strict=True)]


async def find_bulk(context: Context, request: Request, sentences: Sequence[Sentence], domain: str) -> list[Answer]:
    """The entities of many sentences, a few batches of which are in the queue at a time.

    Raises:
        ProblemError: 413 too many or too long.
        CpnerError: see `CPNER.recognise`.
    """
    settings = context.settings
    if len(sentences) > settings.max_lines:
        raise ProblemError(413, "too_large", f"{len(sentences):,} sentences; at most {settings.max_lines:,}")
    predictions: list[Answer] = []
    room = 2 * settings.batch_size
    for start in range(0, len(sentences), room):
        items = [_item(context, sentence, domain, Ask()) for sentence in sentences[start : start + room]]
        for item in items:
            await enter(context, item)
        predictions += await wait(request, items)
    return predictions


async def enter(context: Context, item: Item) -> None:
    """Put a sentence of a bulk request into the queue as soon as there is room, however long that takes."""
    while True:
        try:
            context.batcher.submit([item])
        except ProblemError:
            await asyncio.sleep(_PAUSE)
            item.deadline += _PAUSE
        else:
            return


def check_count(context: Context, texts: int) -> None:
    """Check the number of texts in a request.

    Raises:
        ProblemError: 413 too many.
    """
    limit = context.settings.max_client_batch
    if texts > limit:
        message = f"{texts} texts in a request; at most {limit}, or more as JSON lines to /v1/predict"
        raise ProblemError(413, "too_large", message, limit=limit)


def entities_of(item: Item, predictions: Iterable[Prediction], ask: Ask) -> list[Entity]:
    """Entities with character offsets."""
    return [item.sentence.entity(one.span, one.score) for one in predictions if ask.wants(one)]


async def wait(request: Request, items: Sequence[Item]) -> list[Answer]:
    """Wait for all items; if the client leaves, nobody waits for them any more.

    Raises:
        ProblemError: 504 too late; 499 the client has left.
        CpnerError: of the first item that has one.
    """
    gone: asyncio.Future[Any] = asyncio.ensure_future(_left(request))
    everything: asyncio.Future[Any] = asyncio.gather(*(item.future for item in items))
    try:
        latest = max((item.deadline for item in items), default=time.monotonic() + 1)
        await asyncio.wait([gone, everything], timeout=latest - time.monotonic(), return_when=asyncio.FIRST_COMPLETED)
        if everything.done():
            predictions: list[Answer] = everything.result()
            return predictions
        if gone.done():
            raise ProblemError(499, "gone", "the client has left")
        raise ProblemError(504, "timeout", "the answer took too long; come again later")
    finally:
        gone.cancel()
        everything.add_done_callback(lambda done: done.cancelled() or done.exception())  # asyncio logs what nobody took
        everything.cancel()


async def _left(request: Request) -> None:
    """Return when the client has left; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def codepoints(text: str, offsets: Iterable[int]) -> list[int]:
    """Places in UTF-16 units as places in characters; one inside a character is its start.

    Raises:
        ProblemError: 422, a place lies outside the text.
    """
    places: list[int] = []
    for i, letter in enumerate(text):
        places += [i] * (2 if ord(letter) > 0xFFFF else 1)
    places.append(len(text))
    wanted = list(offsets)
    if any(not 0 <= offset < len(places) for offset in wanted):
        raise ProblemError(422, "invalid", "an offset lies outside its text")
    return [places[offset] for offset in wanted]
