"""Training batches: sentences of about the same length, their options in a random order.

All that is random depends on the seed, the epoch and the sentence alone, so that a resumed run sees what an
uninterrupted one sees.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cpner.backbone.batch import Batch
from cpner.backbone.load import Backbone
from cpner.corpus.sentence import Sentence
from cpner.errors import TrainingError
from cpner.grammar import Grammar
from cpner.instructor import Instructor
from cpner.recognise import room, word_lengths
from cpner.training.config import TrainingConfig
from cpner.windows import cut, part

_ORDER, _OPTIONS = 1, 2  # streams of random numbers


class Examples:
    """The sentences that a prefix is trained on, cut to the backbone's window.

    Raises:
        TrainingError: No sentence has a word.
    """

    def __init__(
        self, backbone: Backbone, sentences: Sequence[Sentence], types: Sequence[str], config: TrainingConfig
    ) -> None:
        self.vocabulary, self.device, self.config = backbone.vocabulary, backbone.device, config
        self.types = list(types)
        self.instructor = Instructor(backbone.vocabulary, options=config.options)
        space = room(backbone, self.instructor, types)
        self.sentences: list[Sentence] = []
        lengths: list[int] = []
        for sentence in sentences:
            own = word_lengths(backbone, sentence)
            windows = cut(sentence, own, space)
            self.sentences += [part(sentence, window) for window in windows] if len(windows) > 1 else [sentence]
            lengths += [sum(own[window.start : window.end]) for window in windows] or [0]
        kept = [i for i, length in enumerate(lengths) if length]
        if not kept:
            raise TrainingError(f"{len(sentences)} sentences to train on, none with a word; give at least one")
        self.sentences = [self.sentences[i] for i in kept]
        head = len(self.instructor.source(Sentence("", ()), types).ids)
        self.lengths = np.array([lengths[i] + head for i in kept])

    def epoch(self, number: int) -> list[NDArray[np.int64]]:
        """The batches of an epoch as sentence numbers: of about the same length, in a random order."""
        rng = np.random.default_rng([self.config.seed, _ORDER, number])
        blurred = self.lengths * rng.uniform(0.75, 1.25, len(self.lengths))  # so that neighbours change
        batches: list[list[int]] = []
        longest = 0
        for i in np.argsort(blurred, kind="stable").tolist():
            longest = max(longest, int(self.lengths[i]))
            full = batches and (
                len(batches[-1]) >= self.config.batch_sentences
                or longest * (len(batches[-1]) + 1) > self.config.batch_pieces
            )
            if not batches or full:
                batches.append([])
                longest = int(self.lengths[i])
            batches[-1].append(i)
        return [np.array(batches[i]) for i in rng.permutation(len(batches))]

    def batch(self, epoch: int, rows: NDArray[np.int64]) -> Batch:
        """The tensors of a batch in an epoch."""
        v = self.vocabulary
        chosen = [self.sentences[i] for i in rows.tolist()]
        sources = [
            self.instructor.source(sentence, self._options(epoch, i, sentence))
            for i, sentence in zip(rows.tolist(), chosen, strict=True)
        ]
        targets = [self.instructor.target(source, sentence) for source, sentence in zip(sources, chosen, strict=True)]
        grammar = None if self.config.softmax == "vocabulary" else Grammar.build(sources, v)
        return Batch.build([source.ids for source in sources], targets, v, grammar).to(self.device)

    def _options(self, epoch: int, number: int, sentence: Sentence) -> list[str]:
        """The types offered with a sentence: all that it has, most of the others."""
        rng = np.random.default_rng([self.config.seed, _OPTIONS, epoch, number])
        present = {span.type for span in sentence.spans}
        draws = rng.random(len(self.types))
        kept = [t for t, x in zip(self.types, draws, strict=True) if t in present or x >= self.config.option_dropout]
        kept = kept or [self.types[int(draws.argmax())]]
        return [kept[i] for i in rng.permutation(len(kept))] if self.config.shuffle_options else kept
