"""Training batches: sentences of about the same length, their options in a random order.

All that is random depends on the seed, the epoch and the sentence alone, so that a resumed run sees what an
uninterrupted one sees.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cpner.backbone.known_types import warn_of_unread
from cpner.backbone.load import Backbone
from cpner.corpus.ends import are_single
from cpner.corpus.mentions import replace_mentions
from cpner.corpus.sentence import Sentence
from cpner.errors import TrainingError
from cpner.instructor import Instructor
from cpner.instructor.grammar import Grammar
from cpner.recognition.recognise import longest_source, room, warn_if_crowded, word_lengths
from cpner.recognition.windows import cut, part
from cpner.training.batch import Batch
from cpner.training.config import TrainingConfig

_ORDER = 1  # streams of random numbers
_OPTIONS = 2
_MENTIONS = 4


class Examples:
    """The sentences that a prefix is trained on, cut to the backbone's window; `single` if each text is one sentence.

    Raises:
        TrainingError: No sentence has a word.
    """

    def __init__(
        self, backbone: Backbone, sentences: Sequence[Sentence], types: Sequence[str], config: TrainingConfig
    ) -> None:
        self.backbone = backbone
        self.types = list(types)
        self.config = config
        self.prompt = Instructor(backbone.vocabulary, types, options=config.options)
        self.room = room(backbone, self.prompt)
        warn_if_crowded(backbone, self.prompt)
        self.head = self.prompt.overhead
        self.single = are_single(sentences)
        self.sentences: list[Sentence] = []
        for sentence in sentences:
            windows = cut(sentence, word_lengths(backbone, sentence), self.room)
            parts = [part(sentence, window) for window in windows] if len(windows) > 1 else [sentence]
            self.sentences += [p for p in parts if p.words]
        self._leave_out_endless()
        if not self.sentences:
            raise TrainingError(f"{len(sentences)} sentences to train on, none with a word; give at least one")
        self.mentions: dict[str, list[list[str]]] = {}  # of each type, as often as they occur
        for sentence in self.sentences:
            for span in sentence.spans:
                self.mentions.setdefault(span.type, []).append(sentence.word_texts[span.start : span.end])
        warn_of_unread(backbone.known_types, [type_ for type_ in types if type_ not in self.mentions])

    def _leave_out_endless(self) -> None:
        """Leave out what an entity makes longer than any source may be."""
        most = longest_source(self.backbone) - self.head
        fitting = [sentence for sentence in self.sentences if self._pieces(sentence) <= most]
        if len(fitting) < len(self.sentences):
            left_out = len(self.sentences) - len(fitting)
            warnings.warn(f"{left_out} sentences of more than {most:,} pieces are not trained on", stacklevel=5)
        self.sentences = fitting

    def epoch(self, number: int) -> list[NDArray[np.int64]]:
        """The batches of an epoch as sentence numbers: of about the same length, in a random order."""
        rng = np.random.default_rng([self.config.seed, _ORDER, number])
        lengths = [self.head + self._pieces(self.shown(number, i)) for i in range(len(self.sentences))]
        blurred = lengths * rng.uniform(0.75, 1.25, len(lengths))  # so that neighbours change
        batches: list[list[int]] = []
        longest = 0
        for i in np.argsort(blurred, kind="stable").tolist():
            longest = max(longest, lengths[i])
            full = batches and (
                len(batches[-1]) >= self.config.batch_sentences
                or longest * (len(batches[-1]) + 1) > self.config.batch_pieces
            )
            if not batches or full:
                batches.append([])
                longest = lengths[i]
            batches[-1].append(i)
        return [np.array(batches[i]) for i in rng.permutation(len(batches))]

    def batch(self, epoch: int, rows: NDArray[np.int64]) -> Batch:
        """The tensors of a batch in an epoch."""
        v = self.backbone.vocabulary
        chosen = [self.shown(epoch, i) for i in rows.tolist()]
        sources = [
            self.prompt.source(sentence, self.options(epoch, i, sentence))
            for i, sentence in zip(rows.tolist(), chosen, strict=True)
        ]
        targets = [self.prompt.target(source, sentence) for source, sentence in zip(sources, chosen, strict=True)]
        grammars = None if self.config.softmax == "vocabulary" else [Grammar(source) for source in sources]
        return Batch.build([source.ids for source in sources], targets, v, grammars).to(self.backbone.device)

    def _pieces(self, sentence: Sentence) -> int:
        return sum(word_lengths(self.backbone, sentence))

    def shown(self, epoch: int, number: int) -> Sentence:
        """A sentence as an epoch shows it: with some mentions replaced, unless it then is too long for the window."""
        sentence = self.sentences[number]
        share = self.config.mention_replacement
        if not share or not sentence.spans:
            return sentence
        rng = np.random.default_rng([self.config.seed, _MENTIONS, epoch, number])
        varied = replace_mentions(sentence, share, rng, self._another)
        return varied if self._pieces(varied) <= max(self.room, self._pieces(sentence)) else sentence

    def _another(self, type_: str, rng: np.random.Generator) -> list[str]:
        """A mention of a type."""
        mentions = self.mentions[type_]
        return mentions[int(rng.integers(len(mentions)))]

    def options(self, epoch: int, number: int, sentence: Sentence) -> list[str]:
        """The types offered with a sentence: all that it has, most of the others."""
        rng = np.random.default_rng([self.config.seed, _OPTIONS, epoch, number])
        present = {span.type for span in sentence.spans}
        draws = rng.random(len(self.types))
        dropped = self.config.option_dropout
        offered = [t for t, draw in zip(self.types, draws, strict=True) if t in present or draw >= dropped]
        offered = offered or [self.types[int(draws.argmax())]]
        return [offered[i] for i in rng.permutation(len(offered))] if self.config.shuffle_options else offered
