"""A tokenizer as cpner uses it: word by word, with the signs of the template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cpner.corpus.words import split_words
from cpner.errors import BackboneError

_LONGEST = 64  # pieces of a word that are read: the rest of a sequence or an address tells nothing more, and costs much
_KNOWN = 500_000  # words whose pieces are remembered
_SIGNS = {"open": "(", "close": ")", "colon": ":", "comma": ","}


class Vocabulary:
    """A tokenizer as cpner uses it: word by word, with the ids of the template's signs.

    A sign's id never occurs inside a word or a type, so that reading a target back is never ambiguous. Where the
    tokenizer would put it there, the variant with a word mark (`▁)`) or the unknown piece stands in. So it is with the
    end and the padding, which a word that spells them (`</s>`) would stand for.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.pad = tokenizer.pad_token_id
        self.eos = tokenizer.eos_token_id
        self.unknown = tokenizer.unk_token_id
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
            pieces = self.learn([word])[0]
        return pieces

    def learn(self, words: Sequence[str]) -> list[tuple[int, ...]]:
        """Cut many words at once and remember their pieces, which is quicker than one by one; gives the pieces."""
        cut = self.tokenizer([word[: 8 * _LONGEST] for word in words], add_special_tokens=False)["input_ids"]
        pieces = [tuple(self._stand_in.get(i, i) for i in ids[:_LONGEST]) or (self.unknown,) for ids in cut]
        self._words.update(zip(words, pieces, strict=True))
        return pieces

    def phrase(self, phrase: str) -> list[int]:
        """Pieces of a type's name or an instruction."""
        return [piece for start, end in split_words(phrase) for piece in self.word(phrase[start:end])]
