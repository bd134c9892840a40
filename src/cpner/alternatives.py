"""What else a text may mean, on request: other readings of it, other types of its entities, entities that overlap."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from cpner.backbone.known_types import warn_of_unread
from cpner.corpus.sentence import Answer, Entity, Reading, Sentence, TypeSet, reading_of, type_set_of
from cpner.errors import ConfigError
from cpner.query import Names, Query, sentences_of
from cpner.recogniser import Recogniser
from cpner.recognition.beam import beam_search
from cpner.recognition.type_shares import decode_with_shares
from cpner.settings import MOST_BEAMS, check_count


class Alternatives(Recogniser):
    """A recogniser that tells what else may be meant, which takes longer than `predict`."""

    def readings(
        self,
        texts: Sequence[str],
        domain: Names = None,
        *,
        best: int = 3,
        types: Sequence[str] | None = None,
        batch_size: int = 32,
        beams: int = 1,
        by_sentence: bool | None = None,
        calibrated: bool = True,
    ) -> list[list[Reading]]:
        """Find the likeliest ways to read texts, each with all its entities.

        Args:
            texts: of any length.
            domain: whose prefix to use: one domain for all, or one for each text. None needs `types`: zero-shot.
            best: how many readings of a text; there may be fewer, as outputs with the same entities are one.
            types: look for these types instead of the domain's.
            batch_size: sentences decoded at once.
            beams: outputs that the search keeps for each sentence, at least twice `best`.
            by_sentence: whether texts are read sentence by sentence; None does so if the domain learnt from single
                sentences.
            calibrated: whether probabilities and scores are those of being right; if not, of what was written.

        Returns:
            The readings of each text, the likeliest first. Their probabilities sum to at most 1.

        Raises:
            UnknownDomainError: there is no such domain.
            ConfigError: neither a domain nor types; or a domain is an ensemble.
            CorpusError: a text is no Unicode.
            PrefixMismatchError: the domain was made for another backbone.
        """
        check_count("best", best, MOST_BEAMS // 2)
        check_count("beams", beams, MOST_BEAMS)
        search = partial(beam_search, beams=max(beams, 2 * best), readings=best)
        query = Query(domain, types, batch_size, search, by_sentence=by_sentence, calibrated=calibrated)
        return [
            [reading_of(sentence, reading) for reading in (answer, *answer.others)]
            for sentence, answer in self._ask(texts, query)
        ]

    def type_sets(
        self,
        texts: Sequence[str],
        domain: Names = None,
        *,
        reach: float = 0.9,
        types: Sequence[str] | None = None,
        batch_size: int = 32,
        by_sentence: bool | None = None,
        calibrated: bool = True,
    ) -> list[list[TypeSet]]:
        """Find the entities of texts, each with the types that are plausible for it.

        Args:
            texts: of any length.
            domain: whose prefix to use: one domain for all, or one for each text. None needs `types`: zero-shot.
            reach: the least share that the types of an entity have together, above 0 and below 1.
            types: look for these types instead of the domain's.
            batch_size: sentences decoded at once.
            by_sentence: whether texts are read sentence by sentence; None does so if the domain learnt from single
                sentences.
            calibrated: whether scores are probabilities of being right; if not, of the pieces that were written.

        Returns:
            The entities of each text, as `predict` finds them, each with the fewest types that reach so far.

        Raises:
            UnknownDomainError: there is no such domain.
            ConfigError: `reach` is no share; neither a domain nor types; or a domain is an ensemble.
            CorpusError: a text is no Unicode.
            PrefixMismatchError: the domain was made for another backbone.
        """
        if not 0 < reach < 1:
            raise ConfigError(f"reach is {reach!r}; expected a number above 0 and below 1")
        query = Query(domain, types, batch_size, decode_with_shares, by_sentence=by_sentence, calibrated=calibrated)
        return [
            [type_set_of(sentence, prediction, reach) for prediction in answer]
            for sentence, answer in self._ask(texts, query)
        ]

    def overlapping(
        self,
        texts: Sequence[str],
        domain: str | None = None,
        *,
        passes: int = 2,
        types: Sequence[str] | None = None,
        batch_size: int = 32,
        by_sentence: bool | None = None,
        calibrated: bool = True,
    ) -> list[list[Entity]]:
        """Find the entities of texts in several passes, each of which asks for a part of the types.

        Entities of different passes may overlap, nest, or have the same words.

        Args:
            texts: of any length.
            domain: whose prefix to use. None needs `types`: zero-shot.
            passes: parts that the types are dealt into, by turns; at most as many as there are types.
            types: look for these types instead of the domain's.
            batch_size: sentences decoded at once.
            by_sentence: whether texts are read sentence by sentence; None does so if the domain learnt from single
                sentences.
            calibrated: whether scores are probabilities of being right; if not, of the pieces that were written.

        Returns:
            The entities of each text, ascending, of those that begin together the longest first.

        Raises:
            UnknownDomainError: there is no such domain.
            ConfigError: neither a domain nor types.
            CorpusError: a text is no Unicode.
            PrefixMismatchError: the domain was made for another backbone.
        """
        check_count("passes", passes, MOST_BEAMS)
        _check_several(texts)
        if types is None and domain is not None:
            types = self.card(domain).types
        parts = [list(types)[i::passes] for i in range(min(passes, len(types)))] if types else [types]
        rows: list[list[Entity]] = [[] for _ in texts]
        for part in parts:
            answers = self.predict(
                texts, domain, types=part, batch_size=batch_size, by_sentence=by_sentence, calibrated=calibrated
            )
            for row, entities in zip(rows, answers, strict=True):
                row += entities
        return [sorted(row, key=lambda entity: (entity.start, -entity.end)) for row in rows]

    def _ask(self, texts: Sequence[str], query: Query) -> list[tuple[Sentence, Answer]]:
        """The words of texts, and what is found in them."""
        _check_several(texts)
        sentences = sentences_of(texts, query.domain)
        names = [query.domain] if isinstance(query.domain, str) else query.domain or []
        for name in names:
            if name is not None and self.card(name).members:
                raise ConfigError(f"domain {name!r} is an ensemble: what else is meant is told by a single prefix")
        answers = query.answers(sentences, self.backbone, self._domains, self.calibration)
        if query.domain is None:
            warn_of_unread(self.backbone.known_types, query.types or ())
        return list(zip(sentences, answers, strict=True))


def _check_several(texts: Sequence[str]) -> None:
    if isinstance(texts, str):
        raise ConfigError(f"expected a list of texts, got the text {texts!r}")
