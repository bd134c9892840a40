from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpner.corpus import Corpus, Entity, Sentence, Span
from cpner.errors import CorpusError
from cpner.evaluation import evaluate
from tests.strategies import corpora, text_sentences

TEXT = "Yann LeCun works at Meta."
PERSON, COMPANY = Entity(0, 10, "person", "Yann LeCun"), Entity(20, 24, "company", "Meta")


def line(**record):
    return json.dumps(record, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    "record",
    [
        {"entities": [{"start": 0, "end": 10, "type": "PER"}, {"start": 20, "end": 24, "type": "Company"}]},
        {"entities": [{"start": 0, "end": 10, "label": "PER"}, {"start": 20, "end": 24, "label": "Company"}]},
        {"entities": [[0, 10, "PER"], [20, 24, "Company"]]},
        {"spans": [[0, 10, "PER"], [20, 24, "Company"]], "tokens": [{"text": "Yann", "start": 0}]},
        {"label": [[0, 10, "PER"], [20, 24, "Company"]], "id": 7},
        {"spans": [{"start": 0, "end": 10, "type": "PER", "text": "Yann LeCun", "score": 0.9}, [20, 24, "Company"]]},
    ],
)  # fmt: skip
def test_spellings_of_entities_give_the_same(write, record):
    corpus = Corpus.read(write("train.jsonl", line(text=TEXT, **record)))

    assert corpus.train[0].text == TEXT
    assert corpus.train[0].entities == [PERSON, COMPANY]
    assert not corpus.repairs


@given(text_sentences(), st.data())
def test_words_come_from_the_text_alone(tmp_path_factory, sentence, data):
    edges = sorted(data.draw(st.lists(st.integers(0, len(sentence.text)), unique=True, max_size=8)))
    entities = [[a, b, "x"] for a, b in zip(edges[::2], edges[1::2], strict=False) if sentence.text[a:b].strip()]
    path = tmp_path_factory.mktemp("words") / "train.jsonl"
    path.write_text(line(text=sentence.text, entities=entities))

    labelled = Corpus.read(path).train[0]

    assert labelled.words == Sentence.from_text(sentence.text).words
    assert len(labelled.gold) == len(entities)


def test_an_entity_inside_a_word_is_kept_told_and_missed(write):
    path = write("train.jsonl", line(text="a", entities=[]) + line(text="Hamburgers ran.", entities=[[0, 7, "place"]]))

    corpus = Corpus.read(path)
    sentence = corpus.train[1]
    evaluation = evaluate([sentence], [[Span(0, 1, "place")]])

    assert (sentence.spans, sentence.unreachable) == ((), (Entity(0, 7, "place", "Hamburg"),))
    assert corpus.repairs.lines() == [
        f"Note 1 x: entity that begins or ends inside a word, so that no prediction can be it (first: {path}, line 2)"
    ]
    assert (evaluation.support, evaluation.recall, evaluation.unreachable) == (1, 0, 1)
    assert evaluation.per_type["place"].support == 1
    assert evaluation.to_json()["unreachable"] == 1


def test_snapping_outward_is_for_the_train_split_alone(write, tmp_path):
    record = line(text="Hamburgers ran to Kielers.", entities=[[0, 7, "place"], [8, 10, "place"], [18, 22, "place"]])
    write("train.jsonl", record)
    write("test.jsonl", record)

    corpus = Corpus.read(tmp_path, snap="outward")

    assert [entity.text for entity in corpus.train[0].entities] == ["Hamburgers", "rs", "Kielers"]
    assert corpus.train[0].spans == (Span(0, 1, "place"), Span(3, 4, "place"))
    assert [entity.text for entity in corpus.test[0].unreachable] == ["Hamburg", "rs", "Kiel"]
    assert corpus.repairs["entity of the train split grown to the edges of its words"] == 2


def test_offsets_count_code_points(write):
    path = write("train.jsonl", line(text="\U0001f600 Бах é", entities=[[2, 5, "composer"]]))

    assert Corpus.read(path).train[0].entities == [Entity(2, 5, "composer", "Бах")]


@pytest.mark.parametrize(
    ("entities", "repair"),
    [
        ([[0, 11, "person"], [20, 24, "company"]], "white space around an entity left out"),
        ([[20, 24, "company"], [0, 10, "person"]], "sentence whose entities were not in order"),
        ([[0, 10, "person"], [0, 10, "person"], [20, 24, "company"]], "duplicate entity left out"),
    ],
)
def test_repairs_are_counted(write, entities, repair):
    corpus = Corpus.read(write("train.jsonl", line(text=TEXT, entities=entities)))

    assert corpus.train[0].entities == [PERSON, COMPANY]
    assert corpus.repairs == {repair: 1}


def test_empty_texts_are_left_out_and_counted(write):
    corpus = Corpus.read(write("train.jsonl", line(text=" ", entities=[]) + "\n" + line(text="a", entities=[])))

    assert len(corpus.train) == 1
    assert corpus.repairs == {"empty sentence left out": 1}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ('{"text": "ab", "entities": [[0, 1, "x"], [0, 2, "y"]]}', "'x' at characters 0 to 1 and .* 'y' .* overlap"),
        ('{"text": "ab", "entities": [[0, 1, "x"], [0, 1, "y"]]}', "overlap"),
        ('{"text": "ab", "entities": [[1, 3, "x"]]}', "lies outside the sentence of 2 characters"),
        ('{"text": "ab", "entities": [[1, 1, "x"]]}', "is empty"),
        ('{"text": "ab", "entities": [[-1, 1, "x"]]}', "lies outside"),
        ('{"text": "a  b", "entities": [[1, 3, "x"]]}', "is only white space"),
        ('{"text": "ab", "entities": [[0, "2", "x"]]}', r"expected \[start, end, type\]"),
        ('{"text": "ab", "entities": [[0, true, "x"]]}', r"expected \[start, end, type\]"),
        ('{"text": "ab", "entities": [{"start": 0, "end": 1}]}', r"expected \[start, end, type\]"),
        ('{"text": "ab", "entities": [[0, 1, " "]]}', r"expected \[start, end, type\]"),
        (
            '{"text": "öb", "entities": [{"start": 0, "end": 2, "type": "x", "text": "c"}]}',
            "are 'öb', but the entity's",
        ),
        ('{"text": "ab"}', 'no list of entities under entities, .*; keys: "text"'),
        ('{"entities": []}', "no 'text'; keys: \"entities\""),
        ('{"text": 3, "entities": []}', "no 'text'"),
        ('{"text": "\\ud800", "entities": []}', "half of a surrogate pair"),
        ('{"text": "ab", "entities": [', "not JSON"),
        ('["text"]', "a JSON list; expected an object"),
        ("EU\tO", "not JSON"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(write, record, message):
    path = write("train.jsonl", line(text="a", entities=[]) + "\n" + record + "\n")

    with pytest.raises(CorpusError, match=message) as caught:
        Corpus.read(path)

    assert (caught.value.path, caught.value.line) == (path, 3)


def test_one_list_of_records_is_read_too(write):
    corpus = Corpus.read(write("train.json", '[\n{"text": "a", "entities": []},\n\n{"text": "b", "spans": []}]'))

    assert [sentence.text for sentence in corpus.train] == ["a", "b"]


@pytest.mark.parametrize(
    "content", ['[\n{"text": "a", "entities": []},\n{"text": 1}]', '[{"text": "a", "entities": []},\n\n{x']
)
def test_errors_in_a_list_name_their_line(write, content):
    with pytest.raises(CorpusError, match=r"train\.json, line 3"):
        Corpus.read(write("train.json", content))


@given(corpora(text_sentences()))
def test_write_then_read_keeps_texts_and_entities(tmp_path_factory, sentences):
    path = tmp_path_factory.mktemp("jsonl") / "train.jsonl"
    Corpus.from_sentences(sentences).write(path, "jsonl")

    corpus = Corpus.read(path)

    assert [(s.text, s.entities) for s in corpus.train] == [(s.text, s.entities) for s in sentences]
    assert corpus.train == sentences  # the words too, since they came from the splitter
    assert not corpus.repairs


def test_a_read_sentence_keeps_odd_white_space(write):
    path = write("train.jsonl", line(text="a \t b\u2028c\n", entities=[[3, 7, "x"]]))

    sentence = Corpus.read(path).train[0]

    assert sentence == Sentence("a \t b\u2028c\n", [(0, 1), (4, 5), (6, 7)], [(1, 3, "x")])
