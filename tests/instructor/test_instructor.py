"""Sources and targets are laid out as Eq. 1 says, with signs that occur nowhere else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given

from cpner.corpus.sentence import Sentence, Span
from cpner.errors import BackboneError
from cpner.instructor import Instructor, Vocabulary
from cpner.instructor.grammar import Grammar
from tests.strategies import TYPES, sentencepiece_tokenizer, sentences, tasks, words


def text_of(vocabulary: Vocabulary, ids: list[int]) -> str:
    return "".join(vocabulary.tokenizer.convert_ids_to_tokens(ids)).replace("▁", " ")


SENTENCE = Sentence.from_words(
    ["Johnson", "joined", "the", "Whigs", "in", "Baltimore"], [Span(0, 1, "person"), Span(3, 4, "political party")]
)


def test_source_and_target_read_as_in_the_paper(tiny):
    vocabulary = tiny.vocabulary
    prompt = Instructor(vocabulary, ["person", "political party"])
    source = prompt.source(SENTENCE)

    assert source.ids == [
        *vocabulary.phrase("find entities"), vocabulary.colon, *vocabulary.word("person"), vocabulary.comma,
        *vocabulary.word("political"), *vocabulary.word("party"), vocabulary.colon,
        *vocabulary.phrase("Johnson joined the Whigs in Baltimore"), vocabulary.eos,
    ]  # fmt: skip
    assert text_of(vocabulary, source.ids) == (
        " find entities: person, political party: Johnson joined the Whigs in Baltimore</s>"
    )
    assert text_of(vocabulary, prompt.target(source, SENTENCE)) == ("(( person: Johnson)( political party: Whigs))</s>")


@given(task=tasks())
def test_source_holds_every_word_as_its_own_slice(vocabulary, task):
    types, sentence = task
    source = Instructor(vocabulary, types).source(sentence)

    assert source.pieces == source.ids[source.sentence_start : -1]
    for i, word in enumerate(sentence.word_texts):
        assert tuple(p for p, w in zip(source.pieces, source.word_of, strict=True) if w == i) == vocabulary.word(word)
    assert source.word_of == sorted(source.word_of)
    assert source.options.pieces == [vocabulary.phrase(type) for type in types]


@given(task=tasks())
def test_options_left_out_change_only_the_options(vocabulary, task):
    types, sentence = task
    told = Instructor(vocabulary, types).source(sentence)
    untold = Instructor(vocabulary, types, options=False).source(sentence)

    head = [*vocabulary.phrase("find entities"), vocabulary.colon]
    assert untold.ids == [*head, *untold.pieces, vocabulary.eos]
    assert (untold.pieces, untold.word_of, untold.words) == (told.pieces, told.word_of, told.words)
    assert (untold.options.types, untold.options.pieces) == (told.options.types, told.options.pieces)


@given(task=tasks())
def test_a_source_may_offer_other_types_than_its_domain_has(vocabulary, task):
    types, sentence = task
    other = Instructor(vocabulary, ["party"]).source(sentence, types)
    expected = Instructor(vocabulary, types).source(sentence)

    assert (other.ids, other.options.types) == (expected.ids, types)
    assert Grammar(other).candidates == Grammar(expected).candidates


@given(task=tasks())
def test_overhead_is_what_stands_beside_the_sentence(vocabulary, task):
    types, sentence = task
    prompt = Instructor(vocabulary, types)
    source = prompt.source(sentence)

    assert prompt.overhead == len(source.ids) - len(source.pieces)


def test_another_instruction_stands_in_front(tiny):
    vocabulary = tiny.vocabulary
    source = Instructor(vocabulary, ["person"], instruction="tag: all").source(SENTENCE)

    head = [*vocabulary.phrase("tag: all"), vocabulary.colon]
    assert source.ids[: len(head)] == head


@given(word=words())
def test_word_has_pieces_and_none_of_the_template(vocabulary, word):
    signs = {vocabulary.open, vocabulary.close, vocabulary.colon, vocabulary.comma, vocabulary.eos, vocabulary.pad}

    assert vocabulary.word(word)
    assert not signs & set(vocabulary.word(word))
    assert not signs & set(vocabulary.phrase(word))


@given(sentence=sentences(TYPES))
def test_target_is_made_of_slices_of_the_source(vocabulary, sentence):
    prompt = Instructor(vocabulary, TYPES)
    source = prompt.source(sentence)
    expected = [vocabulary.open]
    for span in sentence.spans:
        mention = [piece for word in sentence.word_texts[span.start : span.end] for piece in vocabulary.word(word)]
        expected += [vocabulary.open, *vocabulary.phrase(span.type), vocabulary.colon, *mention, vocabulary.close]

    assert prompt.target(source, sentence) == [*expected, vocabulary.close, vocabulary.eos]


def test_word_that_tokenises_to_nothing_is_unknown():
    vocabulary = Vocabulary(sentencepiece_tokenizer())

    assert vocabulary.word("\u200b") == vocabulary.word("\u00a0") == (vocabulary.unknown,)


def test_sign_inside_a_word_becomes_the_marked_sign_where_there_is_one(tiny):
    marked = tiny.vocabulary.tokenizer.convert_tokens_to_ids("▁:")
    unmarked = Vocabulary(sentencepiece_tokenizer())

    assert marked in tiny.vocabulary.word("a:b")
    assert unmarked.unknown in unmarked.word("a:b")


@pytest.mark.parametrize(
    ("lacking", "message"), [(":", r"lacks pieces that the template needs: \[':'\]"), (None, "padding or end")]
)
def test_tokenizer_without_the_signs_is_refused(tiny, lacking, message):
    own = tiny.vocabulary.tokenizer

    class Lacking(SimpleNamespace):
        pad_token_id, eos_token_id, unk_token_id = (None if lacking is None else 0), 1, 2

        def __len__(self) -> int:
            return len(own)

        def convert_tokens_to_ids(self, token: str) -> Any:
            return self.unk_token_id if token == lacking else own.convert_tokens_to_ids(token)

    with pytest.raises(BackboneError, match=message):
        Vocabulary(Lacking())
