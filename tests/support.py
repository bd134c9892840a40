"""A few labelled sentences in the words that the tiny backbone knows."""

from cpner.corpus.sentence import Sentence, Span

TYPES = ["person", "political party", "location"]
SENTENCES = [
    Sentence.from_words(
        ["Johnson", "joined", "the", "Whigs", "in", "Baltimore", "."],
        [Span(0, 1, "person"), Span(3, 4, "political party"), Span(5, 6, "location")],
    ),
    Sentence.from_words(["Ada", "Lovelace", "left", "for", "Rome"], [Span(0, 2, "person"), Span(4, 5, "location")]),
    Sentence.from_words(["Joseph", "met", "Joseph"], [Span(0, 1, "person"), Span(2, 3, "person")]),
    Sentence.from_words(["at", "a", "party", "."]),
    Sentence.from_words(["New", "York", "replacing", "York"], [Span(0, 2, "location"), Span(3, 4, "location")]),
]


def long_sentence(repeats: int = 40) -> Sentence:
    """One text of many sentences, far beyond any window used in tests."""
    words: list[str] = []
    spans: list[Span] = []
    for _ in range(repeats):
        for sentence in SENTENCES:
            spans += [Span(s.start + len(words), s.end + len(words), s.type) for s in sentence.spans]
            words += [*sentence.word_texts, "."]
    return Sentence.from_words(words, spans)
