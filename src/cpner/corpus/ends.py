"""Where sentences end inside a text, and whether a corpus has one sentence to a text."""

from __future__ import annotations

from collections.abc import Collection

from cpner.corpus.sentence import Sentence

_FINAL = frozenset(".!?…。！？؟।")
_CLOSING = frozenset("\"'”’»)]」』")
_OPENING = frozenset("\"'“‘«([「『")
SINGLE = "single_sentences"  # whether a domain learnt from such a corpus, among the statistics of its card
_SLIPS = 0.1  # share of texts with several sentences that a corpus of single ones may have
_ABBREVIATIONS = (
    "al approx bros ca capt cf ch co col corp dept dr ed eds esp etc fig figs gen gov hon inc jan feb mar apr jun "
    "jul aug sep sept oct nov dec jr lt ltd maj messrs mme mr mrs ms mt nos op pp prof rep rev sen sgt sr st ste "
    "supt vol vols vs bzw bspw geb hr hrsg nr str usw z"
)


def sentence_ends(sentence: Sentence) -> list[int]:
    """Positions between words at which a sentence may end, ascending, the text's own end left out."""
    words = sentence.word_texts
    text = sentence.text
    ends: list[int] = []
    final = False
    for i in range(len(words) - 1):
        final = _FINAL.issuperset(words[i]) or (final and words[i] in _CLOSING)
        goes_on = _FINAL.issuperset(words[i + 1]) or words[i + 1] in _CLOSING  # 'No!"', '...'
        if (final and not goes_on) or "\n" in text[sentence.words[i][1] : sentence.words[i + 1][0]]:
            ends.append(i + 1)
    return ends


def clear_ends(sentence: Sentence) -> list[int]:
    """Those of `sentence_ends` that are beyond doubt: no abbreviation, initial, or line that was only wrapped."""
    words = sentence.word_texts
    return [end for end in sentence_ends(sentence) if _is_clear(sentence, words, end)]


def are_single(sentences: Collection[Sentence]) -> bool:
    """Whether a corpus has one sentence to a text, but for some slips; False of an empty one."""
    several = sum(bool(clear_ends(sentence)) for sentence in sentences)
    return bool(sentences) and several <= _SLIPS * len(sentences)


def _is_clear(sentence: Sentence, words: list[str], end: int) -> bool:
    gap = sentence.text[sentence.words[end - 1][1] : sentence.words[end][0]]
    if gap.count("\n") > 1:  # a paragraph ends
        return True
    last = end - 1
    while last > 0 and words[last] in _CLOSING:
        last -= 1
    first = words[end][0]
    if not _FINAL.issuperset(words[last]) or first.islower() or not (first.isalpha() or first in _OPENING):
        return False
    if words[last] != "." or last == 0:
        return last > 0
    before = words[last - 1]
    return not (before.lower() in _ABBREVIATIONS.split() or (len(before) == 1 and before.isalpha()))
