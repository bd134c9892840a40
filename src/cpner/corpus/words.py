"""The fixed splitter of raw text into words, close to how CoNLL files are split.

Letters, digits and combining marks stay together, also across a hyphen, full stop or apostrophe inside a word
("Spider-Man", "3.5", "d'Ivoire"); "U.S." is one word; "'s" and its like are words; every other sign stands alone, an
emoji made of several (a family, a flag) as one sign.
"""

from __future__ import annotations

from collections.abc import Iterable

import regex

_LETTER = r"[\p{L}\p{N}\p{M}\u200c\u200d]"
_CLITIC = r"['’](?:s|S|re|ve|ll|d|m)(?![\p{L}\p{N}])"
_WORD = regex.compile(
    rf"""
      (?:\p{{L}}\.){{2,}}                                                # U.S.
    | {_CLITIC}
    | {_LETTER}+ (?: (?:(?!{_CLITIC})[-.'’&·]|(?<=\p{{N}}),(?=\p{{N}})) {_LETTER}+ )*
    | (?!\s)\X
    """,
    regex.VERBOSE,
)


def split_words(text: str, cuts: Iterable[int] = ()) -> list[tuple[int, int]]:
    """Split a text into words.

    Args:
        text: Any text; white space separates words and belongs to none.
        cuts: Character positions where a word must end, as where an annotated entity starts or ends.

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
