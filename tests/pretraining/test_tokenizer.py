"""The vocabulary that pretraining makes loses no letter and has all that the template and T5 need."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from cpner.errors import ConfigError
from cpner.instructor import Vocabulary
from cpner.pretraining.tokenizer import SENTINELS, save_tokenizer, train_tokenizer
from tests.support import WORDS

# Blanks end a word, and the word mark itself can't be told from one.
ANY_WORD = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters=" ▁"), min_size=1)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer([WORDS] * 30, 1000)


@given(word=ANY_WORD | st.sampled_from(WORDS.split()))
@example(word="e\u0301")
@example(word="👩\u200d👩\u200d👧")
@example(word="\u00a0")
@example(word="中国")
def test_no_word_is_unknown_or_lost(tokenizer, word):
    ids = tokenizer.encode(word, add_special_tokens=False).ids

    assert ids and tokenizer.token_to_id("<unk>") not in ids
    assert tokenizer.decode(ids) == unicodedata.normalize("NFC", word)


@given(word=ANY_WORD)
def test_same_letters_in_another_form_are_the_same_pieces(tokenizer, word):
    forms = {tuple(tokenizer.encode(unicodedata.normalize(form, word)).ids) for form in ("NFC", "NFD")}

    assert len(forms) == 1


def test_special_pieces_stand_where_t5_has_them(tokenizer):
    size = tokenizer.get_vocab_size()

    assert [tokenizer.id_to_token(i) for i in range(3)] == ["<pad>", "</s>", "<unk>"]
    assert [tokenizer.id_to_token(size - SENTINELS + i) for i in range(SENTINELS)] == [
        f"<extra_id_{i}>" for i in range(SENTINELS)
    ]
    assert size <= 1000  # fewer where the text has no more
    assert tokenizer.encode("Ada").ids[-1] == 1


def test_signs_and_bytes_are_pieces(tokenizer):
    wanted = [*"():,", *(f"▁{sign}" for sign in "():,"), *(f"<0x{i:02X}>" for i in range(256))]

    assert not [piece for piece in wanted if tokenizer.token_to_id(piece) is None]
    assert tokenizer.encode("(", add_special_tokens=False).tokens == ["▁("]


def test_frequent_words_are_one_piece(tokenizer):
    for word in ("Joseph", "and", "York", "party", ","):
        assert tokenizer.encode(word, add_special_tokens=False).tokens == [f"▁{word}"]


def test_training_again_gives_the_same_pieces_under_the_same_ids():
    """Scores are sums in no fixed order, so that they agree but for rounding."""
    first, second = (json.loads(train_tokenizer([WORDS] * 30, 1000).to_str())["model"]["vocab"] for _ in range(2))

    assert [piece for piece, _ in first] == [piece for piece, _ in second]
    assert [score for _, score in first] == pytest.approx([score for _, score in second], abs=1e-6)


def test_only_the_sample_is_read():
    lines = iter([WORDS] * 30 + ["never"])
    train_tokenizer(lines, 1000, sample=30)

    assert next(lines) == "never"


def test_size_without_room_for_words_is_refused():
    with pytest.raises(ConfigError, match=re.escape("a vocabulary of 700 pieces has no room for words")):
        train_tokenizer([WORDS], 700)


def test_saved_tokenizer_loads_as_an_auto_tokenizer(tokenizer, tmp_path: Path):
    from transformers import AutoTokenizer

    save_tokenizer(tokenizer, tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = "Ada Lovelace 中国 <extra_id_7>"

    assert loaded(text)["input_ids"] == tokenizer.encode(text).ids
    assert (loaded.pad_token_id, loaded.eos_token_id, loaded.unk_token_id) == (0, 1, 2)
    assert len(loaded) == tokenizer.get_vocab_size()
    assert Vocabulary(loaded).word("a:b")
