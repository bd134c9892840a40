"""Recognition with the domains of a store: what a server needs, without any training."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self, overload

from cpner.backbone import EMBEDDED
from cpner.backbone.known_types import warn_of_unread
from cpner.backbone.load import Backbone, load
from cpner.backbone.prefix import Prefix
from cpner.calibration.defaults import Defaults
from cpner.calibration.thresholds import Cut
from cpner.corpus import Corpus
from cpner.corpus.checks import check_corpus
from cpner.corpus.sentence import Answer, Entity, Sentence
from cpner.corpus.words import WORDS
from cpner.errors import ConfigError, CorpusError
from cpner.evaluation import Evaluation, evaluate
from cpner.progress import Report
from cpner.query import Names, Query, sentences_of
from cpner.recognition.beam import beam_search
from cpner.settings import MOST_BEAMS, check_count
from cpner.store import DomainCard
from cpner.store.domains import Domains


class Recogniser:
    """Finds entities with any number of domains on one backbone.

    Args:
        backbone: the frozen model that all domains share.
        store: folder of stored domains; read when a domain is first used.
    """

    def __init__(self, backbone: Backbone, store: str | Path | None = None) -> None:
        self.backbone = backbone
        self._domains = Domains(backbone, None if store is None else Path(store))

    @classmethod
    def load(
        cls,
        backbone: str = EMBEDDED,
        *,
        store: str | Path | None = None,
        device: str | None = None,
        precision: str | None = None,
    ) -> Self:
        """Load a backbone, and the domains of a store when they are used.

        Args:
            backbone: "cpner-mini", a folder with a T5 checkpoint, or a repository of the Hugging Face hub.
            store: folder of stored domains; need not exist yet.
            device: None picks CUDA where there is one.
            precision: "float32", "bfloat16" or "int8"; None is the fastest that finds the same, see `load`.

        Raises:
            BackboneError: there is no such backbone, or it is none that cpner can read.
            ConfigError: the device is not there, or can't compute in this precision.
        """
        return cls(load(backbone, device=device, precision=precision), store)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.backbone.name!r} on {self.backbone.device}, {len(self.domains)} domains)"

    @property
    def domains(self) -> list[str]:
        """Names of all domains, in memory and in the store, sorted."""
        return self._domains.names()

    @property
    def store(self) -> Path | None:
        """Folder of the stored domains, if there is one."""
        return self._domains.store

    def card(self, name: str) -> DomainCard:
        """What is known of a domain.

        Raises:
            UnknownDomainError: there is no such domain.
        """
        return self._domains.card(name)

    def prefix(self, name: str) -> Prefix:
        """A domain's baked prefix on the CPU, each part [L, 2, H, K, D].

        Raises:
            UnknownDomainError: there is no such domain.
            PrefixMismatchError: it was made for another backbone.
        """
        return self._domains.get(name).prefix

    @overload
    def predict(  # type: ignore[overload-overlap]
        self,
        text: str,
        domain: str | None = None,
        *,
        types: Sequence[str] | None = None,
        batch_size: int = 32,
        beams: int = 1,
        by_sentence: bool | None = None,
        calibrated: bool = True,
        cut: Cut | None = None,
    ) -> list[Entity]: ...

    @overload
    def predict(
        self,
        text: Sequence[str],
        domain: Names = None,
        *,
        types: Sequence[str] | None = None,
        batch_size: int = 32,
        beams: int = 1,
        by_sentence: bool | None = None,
        calibrated: bool = True,
        cut: Cut | None = None,
    ) -> list[list[Entity]]: ...

    def predict(
        self,
        text: str | Sequence[str],
        domain: Names = None,
        *,
        types: Sequence[str] | None = None,
        batch_size: int = 32,
        beams: int = 1,
        by_sentence: bool | None = None,
        calibrated: bool = True,
        cut: Cut | None = None,
    ) -> list[Entity] | list[list[Entity]]:
        """Find the entities of texts.

        Args:
            text: one text or several, of any length.
            domain: whose prefix to use: one domain for all, or one for each text. None needs `types`: zero-shot, the
                backbone alone is told what to look for.
            types: look for these types instead of the domain's.
            batch_size: sentences decoded at once.
            beams: outputs that the search keeps for each sentence; 1 is greedy search, more are slower.
            by_sentence: whether texts are read sentence by sentence; None does so if the domain learnt from single
                sentences.
            calibrated: whether scores are probabilities of being right; if not, of the pieces that were written.
            cut: which entities to leave out for their scores; None leaves out none.

        Returns:
            The entities of the text (or of each text), with offsets in characters and scores in [0, 1].

        Raises:
            UnknownDomainError: there is no such domain.
            ConfigError: neither a domain nor types, or as many domains as texts are not there.
            CorpusError: a text is no Unicode.
            PrefixMismatchError: the domain was made for another backbone.
        """
        sentences = sentences_of(text, domain)
        predictions = self.recognise(
            sentences, domain, types=types, batch_size=batch_size, beams=beams, by_sentence=by_sentence,
            calibrated=calibrated, cut=cut,
        )  # fmt: skip
        if domain is None:
            warn_of_unread(self.backbone.known_types, types or ())
        entities = [
            [sentence.entity(prediction.span, prediction.score) for prediction in predicted]
            for sentence, predicted in zip(sentences, predictions, strict=True)
        ]
        return entities[0] if isinstance(text, str) else entities

    def recognise(
        self,
        sentences: Sequence[Sentence],
        domain: Names = None,
        *,
        types: Sequence[str] | None = None,
        batch_size: int = 32,
        beams: int = 1,
        free: bool = False,
        by_sentence: bool | None = None,
        calibrated: bool = True,
        cut: Cut | None = None,
        progress: Report | None = None,
    ) -> list[Answer]:
        """Find the entities of sentences as spans of their words, with scores.

        Args:
            domain: whose prefix to use: one domain for all, or one for each sentence. None needs `types`: zero-shot.
            types: look for these types instead of the domain's.
            batch_size: sentences decoded at once.
            beams: outputs that the search keeps for each sentence; 1 is greedy search, more are slower.
            free: generate without the grammar, greedily; the scores are then 1.
            by_sentence: whether texts are read sentence by sentence; None does so if the domain learnt from single
                sentences.
            calibrated: whether scores are probabilities of being right; if not, of the pieces that were written.
            cut: which entities to leave out for their scores; None leaves out none.
            progress: called after every batch.

        Returns:
            For each sentence its entities, and the probability that it is right as a whole, where scores are
            calibrated; what is left out for its score was counted in.

        Raises:
            UnknownDomainError: there is no such domain.
            ConfigError: neither a domain nor types, or as many domains as sentences are not there; or a precision that
                can't be promised.
            PrefixMismatchError: the domain was made for another backbone.
        """
        check_count("beams", beams, MOST_BEAMS)
        if free and beams > 1:
            raise ConfigError(f"beams is {beams} with free={free}; expected 1 without the grammar")
        search = None if beams == 1 else partial(beam_search, beams=beams)
        query = Query(domain, types, batch_size, search, free, by_sentence, calibrated, cut, progress)
        return query.answers(sentences, self.backbone, self._domains, self.calibration)

    @cached_property
    def calibration(self) -> Defaults:
        """The calibrators that come with the backbone."""
        return Defaults.read(self.backbone.folder, self.backbone.fingerprint)

    def evaluate(
        self,
        corpus: Corpus,
        domain: str | None,
        split: str = "test",
        *,
        types: Sequence[str] | None = None,
        free: bool = False,
        batch_size: int = 32,
        by_sentence: bool | None = None,
        words: str = WORDS[0],
        progress: Report | None = None,
    ) -> Evaluation:
        """Score a domain on a split of a corpus.

        A file of words may cut a text otherwise than `predict` does; of texts with offsets the words are the same.

        Args:
            domain: None scores the backbone alone, zero-shot, on the corpus's types.
            split: "train", "dev" or "test".
            types: look for these types instead of the domain's.
            free: generate without the grammar, to see what it is worth.
            batch_size: sentences decoded at once.
            by_sentence: whether texts are read sentence by sentence; None does so if the domain learnt from single
                sentences.
            words: "corpus" reads the words of the corpus, as published scores do; "text" cuts the text anew, so that
                the score is that of `predict`.
            progress: called after every batch.

        Raises:
            UnknownDomainError: there is no such domain.
            CorpusError: the corpus has no such split.
            ConfigError: no such words.
        """
        sentences, answers = self.answers(
            corpus, domain, split,
            types=types, free=free, batch_size=batch_size, by_sentence=by_sentence, words=words, progress=progress,
        )  # fmt: skip
        return evaluate(sentences, answers, self._types_of(corpus, domain, types))

    def answers(
        self,
        corpus: Corpus,
        domain: str | None,
        split: str = "test",
        *,
        types: Sequence[str] | None = None,
        words: str = WORDS[0],
        **how: Any,
    ) -> tuple[list[Sentence], list[Answer]]:
        """The labelled sentences of a split of a corpus, and what is recognised in them.

        Args are those of `evaluate`; `how` are further ones of `recognise`.

        Raises:
            UnknownDomainError: there is no such domain.
            CorpusError: the corpus has no such split.
            ConfigError: no such words.
        """
        check_corpus(corpus)
        if words not in WORDS:
            raise ConfigError(f"words is {words!r}; expected {' or '.join(WORDS)}")
        if split not in corpus.splits:
            raise CorpusError(f"corpus {corpus.name!r} has no split {split!r}; it has {', '.join(corpus.splits)}")
        sentences = corpus.splits[split] if words == WORDS[0] else [one.cut_anew() for one in corpus.splits[split]]
        types = self._types_of(corpus, domain, types)
        return sentences, self.recognise(sentences, domain, types=types, **how)

    def _types_of(self, corpus: Corpus, domain: str | None, types: Sequence[str] | None) -> list[str]:
        return list(types or (corpus.types if domain is None else self.card(domain).types))

    def reload(self, name: str | None = None) -> None:
        """Read stored domains, or one of them, anew when they are next used; what is not saved stays."""
        self._domains.reload(name)
