"""The fixed splitter of raw text into words: what an entity can begin and end with.

Words are cut where people mark entities: at hyphens, at full stops between words, and between a number and its unit
("5km", "1960s"). They are cut after the elided article of "l'ONU", before the clitic of "Trump's" or "Ankara'da".
Letters, digits and combining marks stay together otherwise, also in "3.5", "AT&T", "O'Brien" and "U.S.". Scripts that
put no blanks between words (Han, kana, Hangul with its particles, Thai, Lao, Khmer, Burmese) give a word for each sign.
Every other sign stands alone, an emoji made of several (a family, a flag) as one sign.
"""

from __future__ import annotations

from collections.abc import Iterable

import regex

WORDS = ("corpus", "text")  # whose words are scored: the corpus's own, or those that this splitter gives
WHITE = r"\s\x1c-\x1f\u200b\u2060\ufeff"  # white space, and the signs without width that part words or say nothing
_SIGN = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\u30fc\uff70"
_LETTER = rf"[[[\p{{L}}\p{{N}}\p{{M}}\u200c\u200d]--[{_SIGN}]]\p{{Nd}}]"
_END = r"(?![\p{L}\p{N}])"
_START = r"(?<![\p{L}\p{N}\p{M}])"
_CLITIC = rf"['’](?:s|S|re|ve|ll|d|m){_END}"
_SUFFIX = rf"(?<={_START}\p{{Lu}}\p{{L}}{{2,40}})['’](?!t{_END})\p{{Ll}}{{1,5}}{_END}"  # Ankara'da, not Couldn't
_ELISION = rf"{_START}(?i:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|un|dell|nell|all|dall|sull|quell)['’](?=\p{{L}}{{2}})"
_UNIT = r"(?:[GMk]?Hz|[KMGT]B|[kMGT]?W|[kM]?V|Nm)"
_NUMBER = rf"{_START}\p{{Nd}}+(?:[.,]\p{{Nd}}+)*(?=(?!(?:st|nd|rd|th){_END})\p{{Ll}}|{_UNIT}{_END})"
_FULL_STOP = r"(?!(?<=\p{L}{2})\.(?:\p{L}{2}|\p{No}))\."  # "3.5" and "Ph.D", not "Paris.London" or "Paris.¹"
_WORD = regex.compile(
    rf"""
      [A-Za-z]{{2,}}+(?=[\ ,;])                                    # most words: quicker, and as below
    | (?:(?![{_SIGN}])\p{{L}}\.){{2,}}                             # U.S.
    | [\U0001f1e6-\U0001f1ff]{{2}}                                 # a flag; \X takes quadratic time over many
    | {_CLITIC} | {_SUFFIX} | {_ELISION} | {_NUMBER}
    | {_LETTER}+ (?: (?: (?!{_CLITIC}|{_SUFFIX})['’]
                       | & | {_FULL_STOP} | (?<=[lL])·(?=[lL]) | (?<=\p{{N}}),(?=\p{{N}}) ) {_LETTER}+ )*
    | [\u1100-\u115f]+ [\u1160-\u11a7]* [\u11a8-\u11ff]*           # a syllable of Hangul in parts
    | (?:[{_SIGN}] (?:\u17d2\p{{Khmer}})?) [\p{{M}}\u0e33\u0eb3\u200c\u200d]*
    | \p{{GCB=Prepend}} | [\U0001f1e6-\U0001f1ff]                  # \X would take the sign after it, even a blank
    | (?![{WHITE}])\X
    """,
    regex.VERBOSE | regex.VERSION1,
)

_INK = regex.compile(rf"[^{WHITE}]")
_BLANK = regex.compile(rf"[{WHITE}]")


def split_words(text: str, cuts: Iterable[int] = ()) -> list[tuple[int, int]]:
    """Split a text into words.

    Args:
        text: Any text; white space separates words and belongs to none.
        cuts: Character positions where a word must end, as where an annotated entity starts or ends. Words that are
            scored or predicted have none, since they must come from the text alone.

    Returns:
        (start, end) of each word in characters, ascending.
    """
    wanted = sorted(set(cuts))
    words = []
    i = 0  # the next of `wanted`: words ascend, so that one walk serves all
    for match in _WORD.finditer(text):
        start, end = match.span()
        while i < len(wanted) and wanted[i] < end:
            if wanted[i] > start:
                words.append((start, wanted[i]))
                start = wanted[i]
            i += 1
        words.append((start, end))
    return words


def strip_white(text: str) -> str:
    """A text without white space, and signs without width, at its ends."""
    if text and "!" <= text[0] <= "~" and "!" <= text[-1] <= "~":  # most words and tags: quicker
        return text
    start, end = ink(text, 0, len(text))
    return text[start:end]


def ink(text: str, start: int, end: int) -> tuple[int, int]:
    """The part of a text without white space at its ends; an empty one where there is nothing else."""
    first = _INK.search(text, start, end)
    if first is None:
        return start, start
    while _BLANK.match(text, end - 1):
        end -= 1
    return first.start(), end
