"""What is asked of sentences: with which domains and types, by which search, and which entities are wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cpner.backbone.load import Backbone
from cpner.calibration.calibrator import Calibrator
from cpner.calibration.defaults import Defaults
from cpner.calibration.thresholds import Cut
from cpner.corpus.checks import sentence_of
from cpner.corpus.sentence import Answer, Sentence
from cpner.errors import ConfigError
from cpner.instructor import Instructor
from cpner.progress import Report
from cpner.recognition.recognise import Search, Task, recognise, warn_if_crowded
from cpner.settings import MOST_SENTENCES, check_count
from cpner.store import DomainCard
from cpner.store.domains import Domains, prompt_of
from cpner.training import check_types

Names = str | None | Sequence[str | None]


def sentences_of(text: str | Sequence[str], domain: Names) -> list[Sentence]:
    """The words of one text or of several, for one domain or one for each.

    Raises:
        ConfigError: it is neither a text nor several, or one text has several domains.
        CorpusError: a text is no Unicode.
    """
    if not isinstance(text, Iterable):
        raise ConfigError(f"predict takes a text or a list of texts; got {text!r}")
    texts = [text] if isinstance(text, str) else list(text)
    odd = [one for one in texts if not isinstance(one, str)]
    if odd or (isinstance(text, str) and not isinstance(domain, str | None)):
        wrong = odd[0] if odd else domain
        raise ConfigError(f"predict takes a text and a domain, or lists of them; got {wrong!r}")
    return [sentence_of(text) for text in texts]


@dataclass(frozen=True)
class Query:
    """What is asked of sentences.

    Attributes:
        domain: whose prefix to use: one domain for all, or one for each sentence. None needs `types`: zero-shot.
        types: look for these types instead of the domain's.
        batch_size: sentences decoded at once.
        search: finds the entities of a batch where it is not `free`; None is greedy search, together with the
            backbone's tagger if it has one.
        free: generate without the grammar, greedily; the scores are then 1.
        by_sentence: whether texts are read sentence by sentence; None does so if the domain learnt from single ones.
        calibrated: whether scores are probabilities of being right; if not, of the pieces that were written.
        cut: which entities to leave out for their scores; None leaves out none.
        progress: called after every batch.
    """

    domain: Names = None
    types: Sequence[str] | None = None
    batch_size: int = 32
    search: Search | None = None
    free: bool = False
    by_sentence: bool | None = None
    calibrated: bool = True
    cut: Cut | None = None
    progress: Report | None = None

    def answers(
        self, sentences: Sequence[Sentence], backbone: Backbone, domains: Domains, defaults: Defaults
    ) -> list[Answer]:
        """What is found in sentences.

        Args:
            domains: those that may be asked for.
            defaults: the backbone's calibrators.

        Raises:
            UnknownDomainError: there is no such domain.
            ConfigError: neither a domain nor types, or as many domains as sentences are not there; or a precision that
                can't be promised.
            PrefixMismatchError: the domain was made for another backbone.
        """
        domain = self.domain
        names = [domain] * len(sentences) if domain is None or isinstance(domain, str) else list(domain)
        check_count("batch_size", self.batch_size, MOST_SENTENCES)
        if len(names) != len(sentences):
            raise ConfigError(
                f"{len(names)} domains for {len(sentences)} texts; expected one domain for all or one for each"
            )
        types = self.types
        prompts: dict[str | None, Instructor] = {}
        if types is not None:
            check_types(types, ())
            prompts[None] = Instructor(backbone.vocabulary, types)
        elif None in names:
            raise ConfigError("neither a domain nor types to look for: name one of them")
        asked = [name for name in dict.fromkeys(names) if name is not None]
        known = domains.snapshot(asked)
        for name in asked:
            prompts[name] = known.prompts[name] if types is None else prompt_of(known.cards[name], backbone, types)
        for prompt in prompts.values():
            warn_if_crowded(backbone, prompt)
        splits: dict[str | None, bool] = {None: bool(self.by_sentence)}
        for name in asked:
            splits[name] = known.cards[name].by_sentence if self.by_sentence is None else self.by_sentence
        tasks = [
            Task(sentence, prompts[name], name, splits[name]) for sentence, name in zip(sentences, names, strict=True)
        ]
        calibrators = {name: self._calibrator(known.cards, name, defaults) for name in dict.fromkeys(names)}
        limits = {name: (self.cut or Cut()).least(one.thresholds, one.entities) for name, one in calibrators.items()}
        answers = recognise(
            backbone, tasks, known.bank,
            cards=known.cards, batch_size=self.batch_size, free=self.free, search=self.search, progress=self.progress,
        )  # fmt: skip
        if self.calibrated and not self.free:
            pairs = zip(tasks, answers, strict=True)
            answers = [calibrators[task.domain].apply(task.sentence, answer) for task, answer in pairs]
        if self.cut is not None:
            for task, answer in zip(tasks, answers, strict=True):
                least, by_type = limits[task.domain]
                answer[:] = [one for one in answer if one.score >= by_type.get(one.span.type, least)]
        return answers

    def _calibrator(self, cards: Mapping[str, DomainCard], name: str | None, defaults: Defaults) -> Calibrator:
        """A domain's calibrator for its types; the backbone's where it has none, and for other types."""
        if name is None:
            return defaults.zero_shot
        card = cards[name]
        knows = self.types is None or set(self.types) <= set(card.types)
        return (card.calibrator if knows else None) or defaults.trained
