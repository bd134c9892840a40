"""The sentences of a large text that are most like a domain's, for learning from text without labels.

A sentence is scored by its words, each by how much likelier it is in the domain than in the text at large, as Moore and
Lewis (2010) select text for language models, with counts of words for models.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise

from cpner.corpus import Sentence, split_words
from cpner.errors import ConfigError, CorpusError
from cpner.progress import Progress, Report
from cpner.windows import Window, part, sentence_ends

_AT_LARGE = 100_000  # sentences that tell how usual a word is
_EVERY = 10_000  # sentences between two reports


def similar(
    lines: Iterable[str],
    domain: Sequence[Sentence],
    count: int,
    *,
    without: Iterable[Sentence] = (),
    shortest: int = 8,
    longest: int = 60,
    progress: Report | None = None,
) -> list[str]:
    """Select the sentences of a text that are most like a domain's.

    Args:
        lines: the text, a sentence or a paragraph each; read once, and only some of it held.
        domain: sentences of the domain, some dozens at least; what they are labelled with plays no part.
        count: how many to select.
        without: sentences that are never selected, as those of a test split; nor are the domain's own.
        shortest, longest: words of a sentence that may be selected.
        progress: called now and then, with a total of 0.

    Returns:
        The sentences, the likest first, each once.

    Raises:
        ConfigError: `count` is below 1.
        CorpusError: the domain has no word that two of its sentences share.
    """
    if count < 1:
        raise ConfigError(f"count={count} sentences to select; expected at least 1")
    known = {_key(sentence) for sentence in (*domain, *without)}
    candidates = (s for s in _sentences(lines) if shortest <= len(s.words) <= longest)
    head = list(islice(candidates, _AT_LARGE))
    weights = _weights(domain, head)
    best: list[tuple[float, int, str]] = []  # a heap, the worst first
    for i, sentence in enumerate(chain(head, candidates)):
        words = _words(sentence)
        score = sum(weights.get(word, 0.0) for word in words) / len(sentence.words)
        if (len(best) < count or score > best[0][0]) and (key := _key(sentence)) not in known:
            known.add(key)
            (heapq.heappush if len(best) < count else heapq.heapreplace)(best, (score, -i, _text(sentence)))
        if progress is not None and i % _EVERY == 0:
            progress(Progress(i, 0, f"{i:,} sentences"))
    return [text for _, _, text in sorted(best, reverse=True)]


def _weights(domain: Sequence[Sentence], text: Sequence[Sentence]) -> dict[str, float]:
    """For words that two sentences of the domain share, the logarithm of how many times likelier they are there."""
    own, others = (Counter(word for s in sentences for word in _words(s)) for sentences in (domain, text))
    shared = {word: n for word, n in own.items() if n > 1}
    if not shared:
        raise CorpusError("no word is shared by two sentences of the domain: give more sentences")
    return {
        word: max(0.0, math.log(n / len(domain)) - math.log((others[word] + 5) / (len(text) + 50)))
        for word, n in shared.items()
    }


def _sentences(lines: Iterable[str]) -> Iterator[Sentence]:
    """The sentences of each line."""
    for line in lines:
        whole = Sentence(line, split_words(line))
        edges = [0, *sentence_ends(whole), len(whole.words)]
        for start, end in pairwise(edges):
            yield part(whole, Window(start, end))


def _words(sentence: Sentence) -> set[str]:
    return {word.lower() for word in sentence.word_texts if word[0].isalnum()}


def _key(sentence: Sentence) -> str:
    """The same for sentences that differ in case, signs and spacing only."""
    return " ".join(word.lower() for word in sentence.word_texts if word[0].isalnum())


def _text(sentence: Sentence) -> str:
    return sentence.text[sentence.words[0][0] : sentence.words[-1][1]]
