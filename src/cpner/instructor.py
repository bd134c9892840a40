"""Source and target pieces: instruction, options and sentence in, the paper's template out (section 3.2, Eq. 1).

Source: `find entities: person, political party: Johnson joined the Whigs`.
Target: `((person: Johnson) (political party: Whigs))`, in order of appearance.

Both are sequences of piece ids. Words are cut into pieces one by one, and a target is made of slices of its source, so
that nothing is lost to unknown letters or odd spacing, and a mention always has exact word offsets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cpner.corpus.sentence import Sentence
from cpner.corpus.words import split_words
from cpner.errors import BackboneError

INSTRUCTION = "find entities"
_LONGEST = 64  # pieces of a word that are read: the rest of a sequence or an address tells nothing more, and costs much
_KNOWN = 500_000  # words whose pieces are remembered
_SIGNS = {"open": "(", "close": ")", "colon": ":", "comma": ","}


class Vocabulary:
    """A tokenizer as cpner uses it: word by word, with the ids of the template's signs.

    A sign's id never occurs inside a word or a type: where the tokenizer would put it there, the variant with a word
    mark (`▁)`) or the unknown piece stands in, so that reading a target back is never ambiguous. So it is with the
    end and the padding, which a word that spells them (`</s>`) would stand for.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.pad, self.eos, self.unknown = tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id
        self.size = len(tokenizer)
        ids = {name: tokenizer.convert_tokens_to_ids(sign) for name, sign in _SIGNS.items()}
        missing = [_SIGNS[name] for name, i in ids.items() if i is None or i == self.unknown]
        if missing or self.pad is None or self.eos is None:
            raise BackboneError(f"the tokenizer lacks pieces that the template needs: {missing or 'padding or end'}")
        self.open, self.close, self.colon, self.comma = ids.values()
        self._stand_in = {self.pad: self.unknown, self.eos: self.unknown}
        for name, i in ids.items():
            marked = tokenizer.convert_tokens_to_ids("▁" + _SIGNS[name])
            self._stand_in[i] = self.unknown if marked is None else marked
        self._words: dict[str, tuple[int, ...]] = {}

    def word(self, word: str) -> tuple[int, ...]:
        """Pieces of one word, as after a blank; at least one, and of a very long word the first ones."""
        pieces = self._words.get(word)
        if pieces is None:
            if len(self._words) >= _KNOWN:
                self._words.clear()
            self.learn([word])
            pieces = self._words[word]
        return pieces

    def learn(self, words: Sequence[str]) -> None:
        """Cut many words at once and remember their pieces: quicker than one by one."""
        cut = self.tokenizer([word[: 8 * _LONGEST] for word in words], add_special_tokens=False)["input_ids"]
        for word, ids in zip(words, cut, strict=True):
            self._words[word] = tuple(self._stand_in.get(i, i) for i in ids[:_LONGEST]) or (self.unknown,)

    def phrase(self, phrase: str) -> list[int]:
        """Pieces of a type's name or an instruction."""
        return [piece for start, end in split_words(phrase) for piece in self.word(phrase[start:end])]


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
