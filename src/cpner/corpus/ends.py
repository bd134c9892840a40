"""Where sentences end inside a text, and whether a corpus has one sentence to a text.

A sentence ends after a final mark (a full stop, "!", "。"), what closes it (quotes, brackets) and the signs that hang
on it without a blank (an emoji, the mark of a footnote). Signs behind a blank begin the next one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import regex

from cpner.corpus.sentence import Sentence

SINGLE = "single_sentences"  # whether a domain learnt from such a corpus, among the statistics of its card
_SLIPS = 0.1  # share of texts with several sentences that a corpus of single ones may have
_ABBREVIATIONS = (
    "al approx bros ca capt cf ch co col corp dept dr ed eds esp etc fig figs gen gov hon inc jan feb mar apr jun "
    "jul aug sep sept oct nov dec jr lt ltd maj messrs mme mr mrs ms mt nos op pp prof rep rev sen sgt sr st ste "
    "supt vol vols vs bzw bspw geb hr hrsg nr str usw z"
)
_ENDING = regex.compile(r"[\p{Sentence_Terminal}…‥｡]+\ufe0f?")
_IN_DOUBT = frozenset(".!?…‥")  # abbreviations and names hold them; the marks of other scripts end sentences only
_QUOTES = frozenset("\"'“”‘’«»‹›")  # which side they are on depends on the language; white space tells it
_CLOSES = regex.compile(r"[\p{Pe}”’»›\"']+")
_OPENS = regex.compile(r"[\p{Ps}“‘«‹\"'`¿¡]+")
_SYMBOL = regex.compile(r"[\p{So}\p{Sk}\u2190-\u21ff].*|\p{Regional_Indicator}.*|.*[\ufe0f\u20e3]", regex.DOTALL)
_NOTE = regex.compile(r"[\p{No}*†‡§¶]+")  # a footnote's mark, where it hangs on a full stop
_NUMBER = regex.compile(r"\p{Nd}{1,3}")  # the same, if a blank follows
_BULLET = regex.compile(r"[•‣⁃◦∙·‧※⁂*#@_|~†‡§¶]+|\p{No}+")
_DASH = regex.compile(r"\p{Pd}+")
_LONGEST_NOTE = 3  # words in brackets: "[1]", "[citation needed]"


class _End(NamedTuple):
    """The place of a final mark among the words, None at a line's end without one, and the word after the end."""

    mark: int | None
    after: int


def sentence_ends(sentence: Sentence) -> list[int]:
    """Positions between words at which a sentence may end, ascending, the text's own end left out."""
    return [end.after for end in _ends(sentence)]


def clear_ends(sentence: Sentence) -> list[int]:
    """Those of `sentence_ends` that are beyond doubt: no abbreviation, initial, or line that was only wrapped."""
    words = sentence.word_texts
    return [end.after for end in _ends(sentence) if _is_clear(sentence, words, end)]


def are_single(sentences: Collection[Sentence]) -> bool:
    """Whether a corpus has one sentence to a text, but for some slips; False of an empty one."""
    several = sum(bool(clear_ends(sentence)) for sentence in sentences)
    return bool(sentences) and several <= _SLIPS * len(sentences)


def _ends(sentence: Sentence) -> Iterator[_End]:
    words = sentence.word_texts
    mark = None
    i = 0
    while i < len(words):
        if _ENDING.fullmatch(words[i]):
            mark = i
        after = i + 1
        if mark is not None:
            while (hanging := _hanging(sentence, words, after)) > after:
                after = hanging
        if after >= len(words):
            return
        goes_on = _ENDING.fullmatch(words[after])  # '...', '?!'
        if (mark is not None and not goes_on) or "\n" in _gap(sentence, after):
            yield _End(mark, after)
        if not goes_on:
            mark = None
        i = after


def _hanging(sentence: Sentence, words: Sequence[str], i: int) -> int:
    """The word after what still belongs to the sentence before word `i`: a closing sign, or a sign without a blank."""
    if i >= len(words):
        return i
    is_apart = bool(_gap(sentence, i))
    if _CLOSES.fullmatch(words[i]) or (words[i] in _QUOTES and not is_apart):
        begins = is_apart and words[i] in _QUOTES and i + 1 < len(words) and not _gap(sentence, i + 1)
        return i if begins else i + 1
    if is_apart:
        return i
    if _SYMBOL.fullmatch(words[i]) or _NOTE.fullmatch(words[i]):
        return i + 1
    if _NUMBER.fullmatch(words[i]):
        return i + 1 if i + 1 == len(words) or _gap(sentence, i + 1) else i
    return _bracketed(words, i)


def _bracketed(words: Sequence[str], i: int) -> int:
    """The word after a note in square brackets that begins at word `i`; `i` if there is none."""
    if words[i] == "[":
        for j in range(i + 2, min(i + 2 + _LONGEST_NOTE, len(words))):
            if words[j] == "]":
                return j + 1
    return i


def _is_clear(sentence: Sentence, words: Sequence[str], end: _End) -> bool:
    if _gap(sentence, end.after).count("\n") > 1:  # a paragraph ends
        return True
    if not end.mark:  # none, or nothing stands before it
        return False
    mark = words[end.mark][0]
    first, has_symbol = _first_letter(words, end.after, dashes=mark == ".")
    if first is None:
        return False
    if mark not in _IN_DOUBT:
        return True
    if first.islower() or not (first.isalpha() or has_symbol):
        return False
    before = words[end.mark - 1]
    return mark != "." or not (before.lower() in _ABBREVIATIONS.split() or (len(before) == 1 and before.isalpha()))


def _first_letter(words: Sequence[str], i: int, *, dashes: bool) -> tuple[str | None, bool]:
    """The letter or digit that a sentence from word `i` begins with, and whether a symbol such as an emoji precedes.

    None where a sign stands before it that begins no sentence, as the "&" of "Yahoo! & Co".
    """
    has_symbol = False
    while i < len(words):
        word = words[i]
        if _SYMBOL.fullmatch(word):
            has_symbol = True
        elif note := _bracketed(words, i) - i:
            i += note - 1
        elif not (_OPENS.fullmatch(word) or _BULLET.fullmatch(word) or (dashes and _DASH.fullmatch(word))):
            return (word[0] if word[0].isalnum() else None), has_symbol
        i += 1
    return None, has_symbol


def _gap(sentence: Sentence, i: int) -> str:
    """What stands between word `i` and the one before."""
    return sentence.text[sentence.words[i - 1][1] : sentence.words[i][0]]
