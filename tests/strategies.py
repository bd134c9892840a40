"""Random sentences, types and vocabularies for the laws of instructor and grammar."""

from __future__ import annotations

import io
import itertools
from typing import Any

from hypothesis import strategies as st

from cpner.corpus.sentence import Sentence, Span

# Each separator of the template alone and inside, types that begin like another, letters that a vocabulary may lack.
TYPES = ["person", "person name", "political party", "a: b", "x, y", "(c)", ")", "award:", "人物", "شخص"]
WORDS = [
    "Joseph", "and", "York", "New York", "f(x)", "(Bach", "J.S.)", "a:b", "1,000", "(", ")", ":", ",", "((", "):",
    "中国", "日本語", "שלום", "مرحبا", "é", "e\u0301", "\u0301", "👩\u200d👩\u200d👧", "❤\ufe0f", "🇫🇷",
    "\u200b", "\u00a0", "\u200d", "\ufeff", "x\u00a0y", "</s>", "<pad>", "<unk>", "<extra_id_0>", "▁", "▁(", "<0x41>",
]  # fmt: skip


def words() -> st.SearchStrategy[str]:
    """Hard cases, short words of few letters (which repeat, whole and in part), and any letters at all."""
    return st.sampled_from(WORDS) | st.text("ab(:", min_size=1, max_size=3) | st.text(min_size=1, max_size=4)


@st.composite
def sentences(draw: st.DrawFn, types: list[str], pool: st.SearchStrategy[str] | None = None) -> Sentence:
    """Words joined with blanks and entities of these types; often the same word again and again."""
    pool = words() if pool is None else pool
    if draw(st.booleans()):
        pool = st.sampled_from(draw(st.lists(pool, min_size=1, max_size=3)))
    own = draw(st.lists(pool, max_size=9))
    edges = sorted(draw(st.lists(st.integers(0, len(own)), unique=True, max_size=8)))
    pairs = itertools.pairwise(edges) if draw(st.booleans()) else zip(edges[::2], edges[1::2], strict=False)
    return Sentence.from_words(own, [Span(a, b, draw(st.sampled_from(types))) for a, b in pairs] if types else [])


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
