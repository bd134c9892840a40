"""Random sentences with entities."""

from __future__ import annotations

import itertools

from hypothesis import strategies as st

from cpner.corpus import Sentence, Span, split_words

TYPES = ("person", "political party", "award", "age rating")
# Separators of every format, a hash, brackets, letters outside ASCII and the basic plane, a no-break space.
WORDS = st.text(st.sampled_from("aB1-#(){}:\"',_éЖ中\u0301\u00a0\U0001f600O"), min_size=1, max_size=6)


@st.composite
def spans(draw: st.DrawFn, words: int) -> list[Span]:
    edges = sorted(draw(st.lists(st.integers(0, words), unique=True, max_size=6)))
    pairs = zip(edges[::2], edges[1::2], strict=False) if draw(st.booleans()) else itertools.pairwise(edges)
    return [Span(start, end, draw(st.sampled_from(TYPES))) for start, end in pairs]


@st.composite
def word_sentences(draw: st.DrawFn) -> Sentence:
    """Words joined with blanks, as from CoNLL."""
    words = draw(st.lists(WORDS, min_size=1, max_size=8))
    return Sentence.from_words(words, draw(spans(len(words))))


@st.composite
def text_sentences(draw: st.DrawFn) -> Sentence:
    """A raw text with any white space, split as the reader splits it."""
    signs = st.sampled_from("ab.'-(){}:\"é中\u0301\U0001f600 \t\n\u00a0\u2028")
    text = "x" + draw(st.text(signs, max_size=30))
    words = split_words(text)
    return Sentence(text, words, draw(spans(len(words))))


def corpora(sentences: st.SearchStrategy[Sentence]) -> st.SearchStrategy[list[Sentence]]:
    return st.lists(sentences, min_size=1, max_size=5)
