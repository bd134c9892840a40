"""Vocabularies: that of the tiny backbone, and one of T5's class."""

from __future__ import annotations

import pytest

from cpner.instructor import Vocabulary
from tests.strategies import sentencepiece_tokenizer


@pytest.fixture(scope="module", params=["own", "sentencepiece"])
def vocabulary(request, tiny) -> Vocabulary:
    return tiny.vocabulary if request.param == "own" else Vocabulary(sentencepiece_tokenizer())


@pytest.fixture(scope="module")
def lexicon(tiny) -> Vocabulary:
    return tiny.vocabulary
