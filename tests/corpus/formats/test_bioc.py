from __future__ import annotations

import json

import pytest

from cpner.corpus import Corpus
from cpner.errors import CorpusError
from tests.corpus.support import MARKS, NAMES, TEXT, names


def annotation(start: int, end: int, type_: str, text: str | None = None) -> dict:
    said = {} if text is None else {"text": text}
    return {"infons": {"type": type_}, "locations": [{"offset": start, "length": end - start}], **said}


def collection(*annotations: dict, offset: int = 100) -> str:
    passages = [
        {"offset": 0, "text": "A title.", "annotations": [], "relations": []},
        {"offset": offset, "text": TEXT, "annotations": list(annotations), "relations": [{"id": "R1"}]},
    ]
    return json.dumps({"source": "", "documents": [{"id": "1", "passages": passages}]})


MARKED = [annotation(100 + a, 100 + b, t) for a, b, t in MARKS]


def test_offsets_count_from_the_start_of_the_document(write):
    corpus = Corpus.read(write("train.json", collection(*MARKED)))

    assert [sentence.text for sentence in corpus.train] == ["A title.", TEXT]
    assert names(corpus) == NAMES
    assert corpus.repairs == {"relation left out": 1}


def test_texts_of_annotations_tell_that_offsets_count_bytes(write):
    marked = [annotation(105, 114, "person", "Ida Storm"), annotation(120, 124, "place", "Lund")]

    corpus = Corpus.read(write("train.json", collection(*marked)))

    assert names(corpus) == NAMES
    assert corpus.repairs["offsets that count bytes of UTF-8 read so"] == 2


def test_several_locations_are_read_from_first_to_last(write):
    parted = annotation(102, 105, "person")
    parted["locations"].append({"offset": 106, "length": 5})

    corpus = Corpus.read(write("train.json", collection(parted)))

    assert names(corpus) == [("person", "Ida Storm")]
    assert corpus.repairs["discontinuous entity read from its first to its last part"] == 1


XML = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE collection SYSTEM "BioC.dtd">
<collection><source>s</source><document><id>1</id><passage><offset>10</offset><sentence><offset>10</offset>
<text>Ida &lt;left&gt;.</text><annotation id="T1"><infon key="NER">person</infon><location offset="10" length="3"/>
<text>Ida</text></annotation></sentence></passage></document></collection>
"""


def test_xml_with_sentences_is_read(write):
    corpus = Corpus.read(write("train.xml", XML))

    assert [sentence.text for sentence in corpus.train] == ["Ida <left>."]
    assert names(corpus) == [("person", "Ida")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (collection({"infons": {}, "locations": []}), "is no entity; expected 'infons'"),
        (collection(annotation(100, 103, "x", "Ida")), "but the entity's text is 'Ida'"),
        (XML.replace('length="3"', 'length="x"'), "is no whole number"),
        (XML.replace("</collection>", ""), "is no XML"),
    ],
)
def test_what_is_wrong_is_told(write, content, message):
    with pytest.raises(CorpusError, match=message):
        Corpus.read(write("train.txt", content), format="bioc")


@pytest.mark.parametrize("ending", [".json", ".xml"])
def test_files_of_bioc_are_read(tmp_path, ending):
    bioc = pytest.importorskip("bioc")
    library = pytest.importorskip(f"bioc.bioc{ending[1:]}")
    made = bioc.BioCCollection()
    document = bioc.BioCDocument()
    document.id = "1"
    passage = bioc.BioCPassage()
    passage.offset = 100
    passage.text = TEXT
    for number, (start, end, type_) in enumerate(MARKS):
        marked = bioc.BioCAnnotation()
        marked.id = str(number)
        marked.infons["type"] = type_
        marked.text = TEXT[start:end]
        marked.add_location(bioc.BioCLocation(100 + start, end - start))
        passage.add_annotation(marked)
    document.add_passage(passage)
    made.add_document(document)
    with open(tmp_path / f"train{ending}", "w", encoding="utf-8") as file:
        library.dump(made, file)

    assert names(Corpus.read(tmp_path / f"train{ending}")) == NAMES


def test_further_collections_of_a_file_are_read(write):
    corpus = Corpus.read(write("train.jsonl", f"{collection(*MARKED)}\n{collection(*MARKED)}\n"))

    assert names(corpus) == NAMES * 2


def test_what_is_no_object_is_not_dropped(write):
    marked = json.loads(collection(*MARKED))
    marked["documents"][0]["passages"][1]["annotations"].append([0, 3, "person"])

    with pytest.raises(CorpusError, match="what is no object in the list under 'annotations'"):
        Corpus.read(write("train.json", json.dumps(marked)))
