from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpner.corpus import Corpus, Sentence, Span
from cpner.errors import CorpusError
from tests.strategies import corpora, text_sentences, word_sentences

WORDS = ["Yann", "LeCun", "works", "at", "Meta", "."]
SPANS = (Span(0, 2, "person"), Span(4, 5, "company"))


def line(**record):
    return json.dumps(record, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    "record",
    [
        {"tokens": WORDS, "spans": [[0, 2, "PER"], [4, 5, "Company"]]},
        {"tokens": WORDS, "spans": [{"start": 0, "end": 2, "type": "PER"}, {"start": 4, "end": 5, "label": "Company"}]},
        {"tokens": WORDS, "entities": [[0, 2, "PER"], [4, 5, "Company"]]},
        {"words": WORDS, "spans": [[0, 2, "PER"], [4, 5, "Company"]]},
        {"tokens": WORDS, "ner_tags": ["B-PER", "I-PER", "O", "O", "B-Company", "O"]},
        {"tokens": WORDS, "tags": ["B-PER", "L-PER", "O", "O", "U-Company", "O"]},
        {"text": "Yann ...", "tokens": WORDS, "ner_tags": ["I-PER", "I-PER", "O", "O", "I-Company", "O"]},
    ],
)  # fmt: skip
def test_spellings_of_entities_give_the_same(write, record):
    corpus = Corpus.read(write("train.jsonl", line(**record)))

    assert corpus.train == [Sentence.from_words(WORDS, SPANS)]
    assert not corpus.repairs


@pytest.mark.parametrize(
    ("words", "spans"), [("tokenized_text", "ner"), ("tokenized_text", "spans"), ("tokens", "ner")]
)
def test_keys_of_gliner_have_inclusive_ends(write, words, spans):
    record = {words: WORDS, spans: [[0, 1, "person"], [4, 4, "company"]]}

    corpus = Corpus.read(write("train.json", json.dumps([record])))

    assert corpus.train == [Sentence.from_words(WORDS, SPANS)]
    assert corpus.repairs == {"sentence read with inclusive ends (GLiNER's keys)": 1}


def test_the_scheme_of_tags_is_found_from_the_whole_file(write):
    content = line(tokens=["x", "y"], tags=["O", "I-P"]) + line(tokens=["x", "y"], tags=["O", "B-P"])

    corpus = Corpus.read(write("train.jsonl", content))

    assert [sentence.spans for sentence in corpus.train] == [(Span(1, 2, "p"),)] * 2
    assert corpus.repairs == {"entity that began with I- without B-": 1}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"tokens": ["a", "b"], "spans": [[0, 2, "x"], [1, 2, "y"]]}, "at words 0 to 2 and .* overlap"),
        ({"tokens": ["a", "b"], "spans": [[0, 3, "x"]]}, "lies outside the sentence of 2 words"),
        ({"tokens": ["a", "b"], "ner": [[1, 0, "x"]]}, "is empty"),
        ({"tokens": ["a", 3], "spans": []}, "no list of words under tokens.*; the word 3 is no string"),
        ({"words": 5, "spans": []}, "no list of words under tokens.*; keys: "),
        ({"tokens": ["a", "b"], "ner_tags": ["O"]}, "1 tags for 2 words"),
        ({"tokens": ["a", "b"], "ner_tags": [0, 1]}, "must be tags as strings"),
        ({"tokens": ["a", "b"], "ner_tags": ["O", "PER"]}, "'PER' is no tag"),
        ({"tokens": ["a", "b"]}, "no list of entities"),
        ({"tokens": ["\ud800"], "spans": []}, "half of a surrogate pair"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(write, record, message):
    path = write("train.jsonl", line(tokens=["a"], spans=[]) + json.dumps(record))

    with pytest.raises(CorpusError, match=message) as caught:
        Corpus.read(path)

    assert (caught.value.path, caught.value.line) == (path, 2)


def test_words_and_text_in_one_record_need_the_format_named(write):
    path = write("train.jsonl", line(text="a b", tokens=["a", "b"], entities=[[0, 1, "x"]]))

    with pytest.raises(CorpusError, match=r"name the format: 'jsonl' .* or 'tokens'"):
        Corpus.read(path)
    assert Corpus.read(path, format="tokens").train == Corpus.read(path, format="jsonl").train


@given(corpora(word_sentences()))
def test_write_then_read_gives_the_same(tmp_path_factory, sentences):
    path = tmp_path_factory.mktemp("tokens") / "train.jsonl"
    Corpus.from_sentences(sentences).write(path, "tokens")

    corpus = Corpus.read(path)

    assert corpus.train == sentences
    assert not corpus.repairs


@given(corpora(text_sentences()), st.permutations(["conll", "jsonl", "tokens"]))
def test_conversions_in_any_order_keep_the_entities(tmp_path_factory, sentences, formats):
    def entities(corpus: Corpus) -> list[list[tuple[str, str]]]:
        return [[(entity.type, "".join(entity.text.split())) for entity in s.entities] for s in corpus.train]

    folder = tmp_path_factory.mktemp("chain")
    first = corpus = Corpus.from_sentences([*sentences, Sentence.from_words(["word"])])
    for format in formats:
        corpus.write(folder / f"{format}.txt", format)
        corpus = Corpus.read(folder / f"{format}.txt")

    assert entities(corpus) == entities(first)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"tokens": ["Ada", 3], "entities": []}, "line 1: no list of words.*the word 3 is no string"),
        ({"text": "Ada", "tokens": [{"id": 0}]}, "line 1: no list of entities"),  # as tools write characters
    ],
)
def test_words_that_are_no_strings_do_not_hide_the_format(write, record, message):
    with pytest.raises(CorpusError, match=message):
        Corpus.read(write("train.jsonl", json.dumps(record)))
