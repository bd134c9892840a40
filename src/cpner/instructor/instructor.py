"""Source and target pieces: instruction, options and sentence in, the paper's template out (section 3.2, Eq. 1).

Source: `find entities: person, political party: Johnson joined the Whigs`.
Target: `((person: Johnson) (political party: Whigs))`, in order of appearance.

Both are sequences of piece ids. Words are cut into pieces one by one, and a target is made of slices of its source, so
that nothing is lost to unknown letters or odd spacing, and a mention always has exact word offsets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cpner.corpus.sentence import Sentence
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
        types: the options in words, in the order given.
        type_pieces: for each type its pieces.
        option_starts: index in `ids` of each option's first piece; empty where the source names no options.
        capital_words: words that begin with a capital letter, as names often do.
    """

    ids: list[int]
    sentence_start: int
    pieces: list[int]
    word_of: list[int]
    types: list[str]
    type_pieces: list[list[int]] = field(repr=False)
    option_starts: list[int] = field(default_factory=list, repr=False)
    capital_words: set[int] = field(default_factory=set, repr=False)


class Instructor:
    """Makes sources and targets with one vocabulary.

    Args:
        vocabulary: the backbone's.
        instruction: what the model is told to do (s in Eq. 1).
        options: whether the types are told in the source (o in Eq. 1); the paper's ablation leaves them out.
    """

    def __init__(self, vocabulary: Vocabulary, *, instruction: str = INSTRUCTION, options: bool = True) -> None:
        self.vocabulary, self.options = vocabulary, options
        self._head = [*vocabulary.phrase(instruction), vocabulary.colon]

    def source(self, sentence: Sentence, types: Sequence[str]) -> Source:
        """The source of a sentence under a domain's types (Eq. 1)."""
        vocabulary = self.vocabulary
        type_pieces = [vocabulary.phrase(type) for type in types]
        ids = list(self._head)
        starts = []
        if self.options:
            for i, pieces in enumerate(type_pieces):
                ids += [vocabulary.comma] if i else []
                starts.append(len(ids))
                ids += pieces
            ids.append(vocabulary.colon)
        start = len(ids)
        words = sentence.word_texts
        pieces, word_of = [], []
        for i, word in enumerate(words):
            own = vocabulary.word(word)
            pieces += own
            word_of += [i] * len(own)
        ids += [*pieces, vocabulary.eos]
        capital = {i for i, word in enumerate(words) if word[:1].isupper()}
        return Source(ids, start, pieces, word_of, list(types), type_pieces, starts, capital)

    def target(self, source: Source, sentence: Sentence) -> list[int]:
        """The template's pieces for a sentence's entities, with the end piece. Types must be among the source's."""
        v = self.vocabulary
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for i, word in enumerate(source.word_of):
            first.setdefault(word, i)
            last[word] = i + 1
        ids = [v.open]
        for span in sentence.spans:
            mention = source.pieces[first[span.start] : last[span.end - 1]]
            ids += [v.open, *source.type_pieces[source.types.index(span.type)], v.colon, *mention, v.close]
        return [*ids, v.close, v.eos]
