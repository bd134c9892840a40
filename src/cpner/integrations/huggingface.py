"""Answers as Hugging Face's pipeline for token classification gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from cpner.corpus import Entity
from cpner.corpus.words import split_words
from cpner.errors import ConfigError
from cpner.settings import MOST_SENTENCES, check_count

if TYPE_CHECKING:
    from cpner.recogniser import Recogniser

STRATEGIES = ("none", "simple", "first", "average", "max")
Groups = list[dict[str, Any]]


def entity_groups(entities: Iterable[Entity], ignored: Iterable[str] = ()) -> Groups:
    """Entities as dictionaries with `entity_group`, `score`, `word`, `start` and `end`.

    Args:
        entities: of one text.
        ignored: types that are left out.
    """
    out = set(ignored)
    return [
        {"entity_group": one.type, "score": one.score, "word": one.text, "start": one.start, "end": one.end}
        for one in entities
        if one.type not in out
    ]


def tagged_words(text: str, entities: Sequence[Entity], ignored: Iterable[str] = ()) -> Groups:
    """The words of entities as dictionaries: `entity` is a tag as "B-person", `index` counts words from 1."""
    out = set(ignored)
    rows: Groups = []
    wanted = iter([one for one in entities if one.type not in out])
    entity = next(wanted, None)
    for index, (start, end) in enumerate(split_words(text), 1):
        while entity is not None and entity.end <= start:
            entity = next(wanted, None)
        if entity is not None and entity.start <= start and end <= entity.end:
            tag = f"{'B' if start == entity.start else 'I'}-{entity.type}"
            row = {"entity": tag, "score": entity.score, "index": index, "word": text[start:end]}
            rows.append({**row, "start": start, "end": end})
    return rows


class EntityPipeline:
    """A recogniser that is called as Hugging Face's pipeline is.

    Args:
        recogniser: a `CPNER`, say.
        domain: whose prefix to use; None looks for `types` with the backbone alone.
        types: look for these instead of the domain's.
        threshold: least score of an entity, in [0, 1].
        aggregation_strategy: "none" gives tags of words. All others give entities: the model writes these whole, so
            that there is nothing to aggregate.
        ignore_labels: types that are left out; words outside entities are never given.
        batch_size: sentences decoded at once, and texts of a generator read at once.

    Raises:
        ConfigError: a value is out of its range.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        domain: str | None = None,
        *,
        types: Sequence[str] | None = None,
        threshold: float = 0.0,
        aggregation_strategy: str = "simple",
        ignore_labels: Sequence[str] = (),
        batch_size: int = 32,
    ) -> None:
        if not 0 <= threshold <= 1:
            raise ConfigError(f"threshold={threshold!r} is out of range; expected 0 to 1")
        self.recogniser = recogniser
        self.domain = domain
        self.types = types
        self.threshold = threshold
        self.batch_size = batch_size
        self.ignore_labels = tuple(ignore_labels)
        self.aggregation_strategy = _checked(aggregation_strategy)

    def __call__(
        self,
        inputs: str | Iterable[str],
        *,
        domain: str | None = None,
        aggregation_strategy: str | None = None,
        ignore_labels: Sequence[str] | None = None,
        batch_size: int | None = None,
    ) -> Any:
        """Find the entities of texts.

        Args:
            inputs: a text, a list of texts, or anything else that gives texts one by one, such as a generator.
            domain: instead of the pipeline's.
            aggregation_strategy: instead of the pipeline's.
            ignore_labels: instead of the pipeline's.
            batch_size: instead of the pipeline's.

        Returns:
            Dictionaries for a text; a list of such lists for a list; else an iterator, which reads as it goes.

        Raises:
            UnknownDomainError: there is no such domain.
            ConfigError: neither a domain nor types, or a value is out of its range.
            CorpusError: a text is no Unicode.
        """
        strategy = _checked(aggregation_strategy or self.aggregation_strategy)
        ignored = self.ignore_labels if ignore_labels is None else ignore_labels
        size = self.batch_size if batch_size is None else batch_size
        check_count("batch_size", size, MOST_SENTENCES)

        def answer(texts: Sequence[str]) -> list[Groups]:
            name = domain or self.domain
            answers = self.recogniser.predict(texts, name, types=self.types, batch_size=size) if texts else []
            sure = [[one for one in entities if (one.score or 0.0) >= self.threshold] for entities in answers]
            if strategy != "none":
                return [entity_groups(entities, ignored) for entities in sure]
            return [tagged_words(text, entities, ignored) for text, entities in zip(texts, sure, strict=True)]

        if isinstance(inputs, str):
            return answer([inputs])[0]
        if isinstance(inputs, list | tuple):
            return answer(inputs)
        if not isinstance(inputs, Iterable):
            raise ConfigError(f"expected a text, or texts; got {inputs!r}")
        return _stream(inputs, answer, size)


def _stream(texts: Iterable[str], answer: Callable[[Sequence[str]], list[Groups]], size: int) -> Iterator[Groups]:
    """Answers to texts, of which `size` are read at a time."""
    source = iter(texts)
    while batch := list(islice(source, size)):
        yield from answer(batch)


def _checked(strategy: str) -> str:
    if strategy not in STRATEGIES:
        raise ConfigError(f"no aggregation_strategy {strategy!r}; expected one of {', '.join(STRATEGIES)}")
    return strategy
