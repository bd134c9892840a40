"""What annotation tools export."""

from __future__ import annotations

import json

import pytest

from cpner.corpus import Corpus
from cpner.corpus.formats import Options
from cpner.errors import CorpusError

TEXT = "\U0001f600 Ida Storm left Lund."
NAMES = [("person", "Ida Storm"), ("place", "Lund")]
UTF16 = [(3, 12, "person"), (18, 22, "place")]  # a browser counts two units for the first sign


def found(corpus: Corpus) -> list[tuple[str, str]]:
    return [(entity.type, entity.text) for sentence in corpus.train for entity in sentence.entities]


def region(start: int, end: int, label: str, **more) -> dict:
    value = {"start": start, "end": end, "labels": [label], **more}
    return {"from_name": "label", "to_name": "text", "type": "labels", "value": value}


def task(*annotations: dict, text: str = TEXT) -> dict:
    return {"id": 1, "data": {"text": text}, "annotations": list(annotations)}


def test_label_studio_counts_as_browsers_do(write):
    result = [region(*mark) for mark in UTF16]

    assert found(Corpus.read(write("train.json", json.dumps([task({"result": result})])))) == NAMES


@pytest.mark.parametrize("by_characters", [False, True])
def test_texts_of_label_studio_tell_what_its_offsets_count(write, by_characters):
    marks = [(a - by_characters, b - by_characters, t) for a, b, t in UTF16]
    result = [region(*mark, text=text) for mark, (_, text) in zip(marks, NAMES, strict=True)]

    assert found(Corpus.read(write("train.json", json.dumps([task({"result": result})])))) == NAMES


def test_of_several_annotations_one_is_taken_and_the_rest_told(write):
    right, wrong = {"result": [region(*mark) for mark in UTF16]}, {"result": [region(3, 6, "place")]}
    tasks = [
        task(wrong, right),
        task({**right, "ground_truth": True}, wrong),
        task(right, {**wrong, "was_cancelled": True}),
        task({**wrong, "was_cancelled": True}),
        task({"result": [*right["result"], {"type": "relation", "from_id": "a", "to_id": "b"}]}),
    ]

    corpus = Corpus.read(write("train.json", json.dumps(tasks)))

    assert found(corpus) == NAMES * 4
    assert corpus.repairs == {
        "further annotation of a task left out": 2,
        "task without an annotation left out": 1,
        "relation or other result left out": 1,
    }


def test_records_of_json_min_have_any_key(write):
    record = {"id": 7, "body": TEXT, "ner": [region(*mark)["value"] for mark in UTF16], "lead_time": 2.5}
    corpus = Corpus.read(write("train.json", json.dumps([record, {**record, "ner": []}])))

    assert found(corpus) == NAMES
    assert corpus.repairs == {"further annotation of a task left out": 1}


DOCCANO = [
    {"text": TEXT, "label": [[2, 11, "person"], [17, 21, "place"]]},
    {"text": TEXT, "labels": [[2, 11, "person"], [17, 21, "place"]]},
    {
        "text": TEXT,
        "entities": [
            {"id": 1, "label": "person", "start_offset": 2, "end_offset": 11},
            {"id": 2, "label": "place", "start_offset": 17, "end_offset": 21},
        ],
        "relations": [],
    },
    {
        "text": TEXT,
        "annotations": [
            {"label": "person", "start_offset": 2, "end_offset": 11, "user": 1},
            {"label": "place", "start_offset": 17, "end_offset": 21, "user": 1},
        ],
    },
]


@pytest.mark.parametrize("record", DOCCANO)
def test_dialects_of_doccano_are_read(write, record):
    assert found(Corpus.read(write("train.jsonl", json.dumps(record)))) == NAMES


@pytest.mark.parametrize(
    "mark",
    [{"_view_id": "ner"}, {"_view_id": "classification"}, {"_input_hash": 1, "spans": [
        {"start": 2, "end": 5, "label": "person", "score": 0.5, "rank": 0}]}],
)  # fmt: skip
def test_an_answer_on_one_entity_says_nothing_of_the_rest(write, mark):
    spans = [{"start": 2, "end": 11, "label": "person"}, {"start": 17, "end": 21, "label": "place"}]
    whole = {"text": TEXT, "_view_id": "ner_manual", "answer": "accept", "spans": spans}
    one = {"text": TEXT, "spans": [{"start": 2, "end": 5, "label": "person"}], "answer": "accept", **mark}

    corpus = Corpus.read(write("train.jsonl", "\n".join(map(json.dumps, [whole, one]))))

    assert found(corpus) == NAMES
    assert corpus.repairs == {
        "record that judges one entity left out: whether its text has others is unknown": 1,
    }


def test_relations_are_told(write):
    record = {**DOCCANO[2], "relations": [{"id": 0, "from_id": 1, "to_id": 2, "type": "in"}]}

    assert Corpus.read(write("train.jsonl", json.dumps(record))).repairs == {"relation left out": 1}


SPACY = [
    {"text": TEXT, "ents": [{"start": 2, "end": 11, "label": "person"}, {"start": 17, "end": 21, "label": "place"}]},
    [TEXT, {"entities": [[2, 11, "person"], [17, 21, "place"]]}],
    {
        "id": 0,
        "paragraphs": [
            {
                "raw": TEXT,
                "sentences": [
                    {
                        "tokens": [
                            {"id": i, "orth": word, "ner": tag}
                            for i, (word, tag) in enumerate(
                                [("Ida", "B-person"), ("Storm", "L-person"), ("left", "O"), ("Lund", "U-place")]
                            )
                        ]
                    }
                ],
            }
        ],
    },
]


@pytest.mark.parametrize("value", SPACY)
@pytest.mark.parametrize("listed", [False, True])
def test_json_of_spacy_is_read(write, value, listed):
    path = write("train.json", json.dumps([value, value] if listed else value))

    corpus = Corpus.read(path)

    assert found(corpus) == NAMES * (2 if listed else 1)
    assert corpus.origins["train"].startswith("train.json: spacy")


def test_mentions_of_gliner2_are_found_wherever_they_stand(write):
    record = {
        "input": "Lund met Lund in Lundby.",
        "output": {"entities": {"place": ["Lund"], "person": []}, "entity_descriptions": {"place": "a town"}},
    }

    corpus = Corpus.read(write("train.jsonl", json.dumps(record)))

    assert [entity[:2] for entity in corpus.train[0].entities] == [(0, 4), (9, 13)]
    assert corpus.repairs == {"mention that stands several times: each is an entity": 1}
    record["output"]["entities"]["person"] = ["Bo"]
    with pytest.raises(CorpusError, match="line 1: the text lacks the entity 'Bo'"):
        Corpus.read(write("train.jsonl", json.dumps(record)))


CONLLU = (
    "# sent_id = 1\n# text = Ida's in Lund.\n"
    "1-2\tIda's\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n"
    "1\tIda\t_\t_\t_\t_\t_\t_\t_\tNER=B-person|SpaceAfter=No\n"
    "2\t's\t_\t_\t_\t_\t_\t_\t_\t_\n"
    "2.1\tis\t_\t_\t_\t_\t_\t_\t_\t_\n"
    "3\tin\t_\t_\t_\t_\t_\t_\t_\tNER=O\n"
    "4\tLund\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No|NER=B-place\n"
    "5\t.\t_\t_\t_\t_\t_\t_\t_\t_\n\n"
)


def test_conllu_gives_the_text_with_its_blanks(write):
    corpus = Corpus.read(write("train.conllu", CONLLU))

    assert corpus.train[0].text == "Ida's in Lund."
    assert found(corpus) == [("person", "Ida"), ("place", "Lund")]


def test_tags_as_numbers_need_names(write):
    path = write("train.jsonl", json.dumps({"tokens": ["Ida", "left"], "ner_tags": [1, 0]}))

    with pytest.raises(CorpusError, match=r"put the names in place of numbers, or give them in order \(tag names\)"):
        Corpus.read(path)
    assert found(Corpus.read(path, options=Options(tag_names=("O", "B-PER")))) == [("person", "Ida")]
    with pytest.raises(CorpusError, match="the tag 1 has no name; 1 names are given"):
        Corpus.read(path, options=Options(tag_names=("O",)))


def brat(write, folder: str = ".") -> None:
    text = "Ida Storm left Lund.\r\nBo of AC\r\nLund stayed.\r\n"
    marks = [
        ("person", "0 9", "Ida Storm"),
        ("place", "15 19", "Lund"),
        ("person", "22 24", "Bo"),
        ("club", "28 30;32 36", "AC Lund"),
    ]
    lines = [f"T{i}\t{type_} {span}\t{said}" for i, (type_, span, said) in enumerate(marks, 1)]
    write(f"{folder}/a.txt", text)
    write(f"{folder}/a.ann", "\n".join([*lines, "R1\tin Arg1:T1 Arg2:T2", "#1\tAnnotatorNotes T1\tsure"]) + "\n")


def test_brat_is_read_line_by_line(write, tmp_path):
    brat(write)

    corpus = Corpus.read(tmp_path)

    assert [sentence.text for sentence in corpus.train] == ["Ida Storm left Lund.", "Bo of AC\r\nLund stayed."]
    assert found(corpus) == [("person", "Ida Storm"), ("place", "Lund"), ("person", "Bo"), ("club", "AC\r\nLund")]
    assert corpus.repairs == {
        "relation, event, attribute or note left out": 2,
        "discontinuous entity read from its first to its last part": 1,
    }
    assert found(Corpus.read(tmp_path / "a.ann")) == found(Corpus.read(tmp_path / "a.txt")) == found(corpus)


def test_brat_may_have_a_folder_for_each_split(write, tmp_path):
    brat(write, "train")
    brat(write, "dev")

    assert {split: len(sentences) for split, sentences in Corpus.read(tmp_path).splits.items()} == {
        "train": 2,
        "dev": 2,
    }


def test_of_argilla_only_submitted_responses_are_gold(write):
    spans = [{"start": a, "end": b, "label": t} for a, b, t in [(2, 11, "person"), (17, 21, "place")]]
    wrong = {"value": [{"start": 2, "end": 5, "label": "place"}]}
    records = [
        {"fields": {"text": TEXT}, "responses": {"spans": [{**wrong, "status": "draft"}, {"value": spans}, wrong]}},
        {"fields": {"text": TEXT}, "responses": {}, "suggestions": {"spans": wrong}},
    ]

    corpus = Corpus.read(write("train.jsonl", "\n".join(map(json.dumps, records))))

    assert found(corpus) == NAMES
    assert corpus.repairs == {
        "further response to a record left out": 1,
        "record without a submitted response left out": 1,
    }


def test_the_job_of_a_manifest_has_any_name(write):
    entities = [
        {"startOffset": 2, "endOffset": 11, "label": "person"},
        {"startOffset": 17, "endOffset": 21, "label": "place"},
    ]
    record = {"source": TEXT, "our-job": {"annotations": {"entities": entities}}, "our-job-metadata": {"type": "text"}}

    assert found(Corpus.read(write("train.manifest.jsonl", json.dumps(record)))) == NAMES


def test_offsets_of_pubtator_go_over_title_and_abstract(write):
    lines = ["1|t|Ida Storm left.", "1|a|She is in Lund.", "1\t0\t9\tIda Storm\tperson", "1\t26\t30\tLund\tplace\tD1",
             "1\tcause\tA\tB", "", "2|t|So did Bo.", "2|a|", ""]  # fmt: skip

    corpus = Corpus.read(write("train.txt", "\n".join(lines)))

    assert [sentence.text for sentence in corpus.train] == ["Ida Storm left.\nShe is in Lund.", "So did Bo.\n"]
    assert found(corpus) == NAMES
    assert corpus.repairs == {"relation left out": 1}
