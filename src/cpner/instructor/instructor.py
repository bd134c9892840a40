"""Source and target pieces: instruction, options and sentence in, the paper's template out (section 3.2, Eq. 1).

Source: `find entities: person, political party: Johnson joined the Whigs`.
Target: `((person: Johnson) (political party: Whigs))`, in order of appearance.

Both are sequences of piece ids. Words are cut into pieces one by one, and a target is made of slices of its source.
Nothing is lost to unknown letters or odd spacing, and a mention always has exact word offsets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from cpner.corpus.sentence import Sentence
from cpner.instructor.options import Options
from cpner.instructor.vocabulary import Vocabulary

INSTRUCTION = "find entities"


@dataclass(slots=True)
class Source:
    """A sentence as the model reads it.

    Attributes:
        ids: instruction, options, sentence, end.
        sentence_start: index in `ids` of the sentence's first piece.
        pieces: the sentence's pieces, `ids[sentence_start:-1]`.
        word_of: for each of `pieces`, the index of its word.
        words: the sentence's words.
        options: the types that are offered.
        tells_options: whether `ids` has them.
    """

    ids: list[int]
    sentence_start: int
    pieces: list[int]
    word_of: list[int]
    words: list[str]
    options: Options = field(repr=False)
    tells_options: bool = True

    @property
    def option_starts(self) -> list[int]:
        """Index in `ids` of each option's first piece: told options stand before the sentence, each with a sign."""
        lengths = [len(pieces) + 1 for pieces in self.options.pieces]
        first = self.sentence_start - sum(lengths)
        return list(accumulate(lengths[:-1], initial=first)) if lengths else []


class Instructor:
    """Makes the sources and targets of one domain.

    Args:
        vocabulary: the backbone's.
        types: the domain's entity types in words.
        instruction: what the model is told to do (s in Eq. 1).
        options: whether the types are told in the source (o in Eq. 1); the paper's ablation leaves them out.
    """

    def __init__(
        self, vocabulary: Vocabulary, types: Sequence[str], *, instruction: str = INSTRUCTION, options: bool = True
    ) -> None:
        self.vocabulary = vocabulary
        self.options = Options(types, vocabulary)
        self._tells_options = options
        self._instruction = [*vocabulary.phrase(instruction), vocabulary.colon]
        self._head = self._head_of(self.options)

    @property
    def types(self) -> list[str]:
        """The domain's entity types in words."""
        return self.options.types

    @property
    def overhead(self) -> int:
        """Pieces of a source beside the sentence's."""
        return len(self.source(Sentence("", ())).ids)

    def source(self, sentence: Sentence, offered: Sequence[str] | None = None) -> Source:
        """The source of a sentence (Eq. 1).

        Args:
            offered: the types to look for, in this order; None for the domain's.
        """
        options = self.options if offered is None else Options(offered, self.vocabulary)
        head = self._head if offered is None else self._head_of(options)
        words = sentence.word_texts
        pieces: list[int] = []
        word_of: list[int] = []
        for i, word in enumerate(words):
            word_pieces = self.vocabulary.word(word)
            pieces += word_pieces
            word_of += [i] * len(word_pieces)
        ids = [*head, *pieces, self.vocabulary.eos]  # Eq. 1
        return Source(ids, len(head), pieces, word_of, words, options, self._tells_options)

    def _head_of(self, options: Options) -> list[int]:
        """Instruction and options, each with its sign."""
        ids = list(self._instruction)
        if not self._tells_options:
            return ids
        for i, pieces in enumerate(options.pieces):
            ids += [self.vocabulary.comma, *pieces] if i else pieces
        return [*ids, self.vocabulary.colon]

    def target(self, source: Source, sentence: Sentence) -> list[int]:
        """The template's pieces for a sentence's entities, with the end piece. Types must be among the source's."""
        v = self.vocabulary
        names = dict(zip(source.options.types, source.options.pieces, strict=True))
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for i, word in enumerate(source.word_of):
            first.setdefault(word, i)
            last[word] = i + 1
        ids = [v.open]
        for span in sentence.spans:
            mention = source.pieces[first[span.start] : last[span.end - 1]]
            ids += [v.open, *names[span.type], v.colon, *mention, v.close]
        return [*ids, v.close, v.eos]
