"""Random sentences, types, vocabularies, entities and predictions."""

from __future__ import annotations

import io
import itertools
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from cpner.corpus import split_words
from cpner.corpus.sentence import Sentence, Span

# Each separator of the template alone and inside, types that begin like another, letters that a vocabulary may lack.
TYPES = ["person", "person name", "political party", "a: b", "x, y", "(c)", ")", "award:", "人物", "شخص"]
WORDS = [
    "Joseph", "and", "York", "New York", "f(x)", "(Bach", "J.S.)", "a:b", "1,000", "(", ")", ":", ",", "((", "):",
    "中国", "日本語", "שלום", "مرحبا", "é", "e\u0301", "\u0301", "👩\u200d👩\u200d👧", "❤\ufe0f", "🇫🇷",
    "\u200b", "\u00a0", "\u200d", "\ufeff", "x\u00a0y", "</s>", "<pad>", "<unk>", "<extra_id_0>", "▁", "▁(", "<0x41>",
]  # fmt: skip
CORPUS_TYPES = ("person", "political party", "award", "age rating")
# Separators of every format, a hash, brackets, letters outside ASCII and the basic plane, a no-break space.
CORPUS_WORDS = st.text(st.sampled_from("aB1-#(){}:\"',_éЖ中\u0301\u00a0\U0001f600O"), min_size=1, max_size=6).filter(
    lambda word: word == word.strip()  # no reader keeps white space around a word
)
GOLD_TYPES = ("person", "location", "political party")
PREDICTED_TYPES = (*GOLD_TYPES, "algorithm")  # a model may predict a type that the gold data lack


def words() -> st.SearchStrategy[str]:
    """Hard cases, short words of few letters (which repeat, whole and in part), and any letters at all."""
    return st.sampled_from(WORDS) | st.text("ab(:", min_size=1, max_size=3) | st.text(min_size=1, max_size=4)


@st.composite
def sentences(draw: st.DrawFn, types: list[str], pool: st.SearchStrategy[str] | None = None) -> Sentence:
    """Words joined with blanks and entities of these types; often the same word again and again."""
    pool = words() if pool is None else pool
    if draw(st.booleans()):
        pool = st.sampled_from(draw(st.lists(pool, min_size=1, max_size=3)))
    drawn = draw(st.lists(pool, max_size=9))
    edges = sorted(draw(st.lists(st.integers(0, len(drawn)), unique=True, max_size=8)))
    pairs = itertools.pairwise(edges) if draw(st.booleans()) else zip(edges[::2], edges[1::2], strict=False)
    return Sentence.from_words(drawn, [Span(a, b, draw(st.sampled_from(types))) for a, b in pairs] if types else [])


@st.composite
def tasks(draw: st.DrawFn) -> tuple[list[str], Sentence]:
    """A domain's types with a sentence of it."""
    types = draw(st.lists(st.sampled_from(TYPES), unique=True, max_size=5))
    return types, draw(sentences(types))


def sentencepiece_tokenizer() -> Any:
    """A tokenizer of T5's class from a SentencePiece model of few letters.

    It has the signs inside words and not with a word mark, knows no letter beyond those of its text, and drops what
    has no width.
    """
    import sentencepiece
    from tokenizers import normalizers
    from transformers import T5Tokenizer

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["find entities person name political party : ( ) , Joseph York f(x) a:b 1,000"] * 20),
        model_writer=model, vocab_size=80, hard_vocab_limit=False, character_coverage=1.0,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2,
    )  # fmt: skip
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    tokenizer = T5Tokenizer(vocab=[(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(len(pieces))])
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    return tokenizer


@st.composite
def marks(draw: st.DrawFn, words: int) -> list[Span]:
    edges = sorted(draw(st.lists(st.integers(0, words), unique=True, max_size=6)))
    pairs = zip(edges[::2], edges[1::2], strict=False) if draw(st.booleans()) else itertools.pairwise(edges)
    return [Span(start, end, draw(st.sampled_from(CORPUS_TYPES))) for start, end in pairs]


@st.composite
def word_sentences(draw: st.DrawFn) -> Sentence:
    """Words joined with blanks, as from CoNLL."""
    words = draw(st.lists(CORPUS_WORDS, min_size=1, max_size=8))
    return Sentence.from_words(words, draw(marks(len(words))))


@st.composite
def text_sentences(draw: st.DrawFn) -> Sentence:
    """A raw text with any white space, split as the reader splits it."""
    signs = st.sampled_from("ab.'-(){}:\"é中\u0301\U0001f600 \t\n\u00a0\u2028")
    text = "x" + draw(st.text(signs, max_size=30))
    words = split_words(text)
    return Sentence(text, words, draw(marks(len(words))))


def corpora(sentences: st.SearchStrategy[Sentence]) -> st.SearchStrategy[list[Sentence]]:
    return st.lists(sentences, min_size=1, max_size=5)


@st.composite
def spans_of(draw: st.DrawFn, words: int, types: tuple[str, ...] = GOLD_TYPES) -> list[Span]:
    """Entities without overlap in so many words; neighbours often touch and often share their type."""
    cuts = sorted(draw(st.sets(st.integers(0, words), max_size=words + 1)))
    pieces = list(pairwise(cuts))
    chosen = draw(st.lists(st.sampled_from([None, *types]), min_size=len(pieces), max_size=len(pieces)))
    return [Span(start, end, type) for (start, end), type in zip(pieces, chosen, strict=True) if type]


@st.composite
def labelled_and_predicted(draw: st.DrawFn) -> tuple[list[Sentence], list[list[Span]]]:
    """Some sentences and their predictions: right ones, wrong ones, and none."""
    gold: list[Sentence] = []
    predicted: list[list[Span]] = []
    for _ in range(draw(st.integers(1, 4))):
        words = draw(st.lists(st.sampled_from(["Bach", "Bonn", "the"]), min_size=1, max_size=8))
        sentence = Sentence.from_words(words, draw(spans_of(len(words))))
        gold.append(sentence)
        anything = st.just(list(sentence.spans)) | spans_of(len(words), PREDICTED_TYPES)
        predicted.append(draw(anything))
    return gold, predicted
