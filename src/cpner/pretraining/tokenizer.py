"""The backbone's vocabulary: a Unigram model over split words, with bytes for what it lacks, and T5's sentinels.

The tokenizer only ever sees one word at a time (see `instructor.py`), so it is trained on words, not on lines.
"""

from __future__ import annotations

import json
import math
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram
from tokenizers.trainers import UnigramTrainer

from cpner.corpus.words import split_words
from cpner.errors import ConfigError
from cpner.training.span_corruption import SENTINELS

_BYTES = [f"<0x{i:02X}>" for i in range(256)]
_SPECIAL = ["<pad>", "</s>", "<unk>"]  # T5's ids 0, 1, 2
_SIGNS = ["(", ")", ":", ","]  # the template's, without a word mark
_MARKED = [f"▁{sign}" for sign in string.punctuation + "–—‘’“”…£€°"]  # signs as words: one piece each, not two
_REPEAT = 20  # a rare word counts at most this often when pieces are learnt, so that names shape them too


def train_tokenizer(lines: Iterable[str], size: int = 16_384, *, sample: int = 400_000) -> Tokenizer:
    """Train a vocabulary.

    Half of it are the most frequent words, kept whole. Plain Unigram training splits many of them ("▁ also",
    "▁Unit ed"), which makes text a tenth longer. The other half are Unigram pieces learnt from all other words.

    Args:
        lines: text; the first `sample` lines are read.
        size: pieces in all, with sentinels and bytes; a multiple of 128 keeps matrix products aligned.

    Raises:
        ConfigError: `size` leaves no room for words.
    """
    room = size - SENTINELS - len(_BYTES) - len(_SIGNS) - len(_MARKED)
    if room < 500:
        raise ConfigError(f"a vocabulary of {size} pieces has no room for words: 1,000 is the least")
    counts = Counter(
        unicodedata.normalize("NFC", line[start:end])
        for line in islice(lines, sample)
        for start, end in split_words(line)
    )
    whole = dict(counts.most_common(min(room, len(counts)) // 2))
    rare = (" ".join([word] * min(count, _REPEAT)) for word, count in counts.items() if word not in whole)
    learnt = Tokenizer(Unigram())
    learnt.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    trainer = UnigramTrainer(
        vocab_size=room - len(whole),
        special_tokens=_SPECIAL,
        unk_token="<unk>",
        max_piece_length=16,
        show_progress=False,
    )
    learnt.train_from_iterator(rare, trainer)
    total = counts.total()
    words = {f"▁{word}": math.log(count / total) for word, count in whole.items()}
    return _finish(json.loads(learnt.to_str())["model"]["vocab"], words)


def _finish(learnt: list[tuple[str, float]], words: dict[str, float]) -> Tokenizer:
    """Put special pieces, the template's signs, words, learnt pieces, bytes and sentinels together."""
    learnt = sorted(learnt[len(_SPECIAL) :])  # by name, as scores differ a little from run to run
    lowest = min(score for _, score in learnt) - 10
    scores = {piece: 0.0 for piece in _SPECIAL} | {sign: lowest for sign in _SIGNS} | {sign: -5.0 for sign in _MARKED}
    for piece, score in [*words.items(), *learnt]:
        scores.setdefault(piece, score)
    scores |= {byte: lowest for byte in _BYTES}
    tokenizer = Tokenizer(Unigram(list(scores.items()), unk_id=2, byte_fallback=True))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in _SPECIAL])
    tokenizer.add_special_tokens([AddedToken(f"<extra_id_{i}>", normalized=False) for i in range(SENTINELS)])
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write a tokenizer so that `transformers.AutoTokenizer` loads it."""
    from transformers import PreTrainedTokenizerFast

    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=[f"<extra_id_{i}>" for i in range(SENTINELS)],
    ).save_pretrained(folder)
