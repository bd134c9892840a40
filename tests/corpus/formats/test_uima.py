from __future__ import annotations

import json

import pytest

from cpner.corpus import Corpus
from cpner.errors import CorpusError
from tests.corpus.support import ENTITY, NAMES, TEXT, UTF16, names, xmi

SENTENCE = "de.tudarmstadt.ukp.dkpro.core.api.segmentation.type.Sentence"
MORE = f"{TEXT}\r\nSo did Bo."


def cas(marks=UTF16, layer: str = ENTITY, text: str = MORE, feature: str = "value") -> str:
    structures = [{"%ID": 1, "%TYPE": "uima.cas.Sofa", "sofaString": text}]
    for layer_, start, end, more in [
        (SENTENCE, 0, 23, {}),
        (SENTENCE, 25, 35, {}),
        *((layer, a, b, {feature: t}) for a, b, t in marks),
    ]:
        structures.append({"%ID": len(structures) + 1, "%TYPE": layer_, "@sofa": 1, "begin": start, "end": end, **more})
    return json.dumps({"%TYPES": {}, "%FEATURE_STRUCTURES": structures, "%VIEWS": {}})


@pytest.mark.parametrize(("layer", "feature"), [(ENTITY, "value"), ("webanno.custom.Names", "label")])
def test_json_is_read_sentence_by_sentence(write, layer, feature):
    corpus = Corpus.read(write("train.json", cas(layer=layer, feature=feature)))

    assert [sentence.text for sentence in corpus.train] == [TEXT, "So did Bo."]
    assert names(corpus) == NAMES


def test_an_entity_over_two_sentences_joins_them(write):
    corpus = Corpus.read(write("train.json", cas([(18, 31, "odd")])))

    assert [sentence.text for sentence in corpus.train] == [MORE]
    assert names(corpus) == [("odd", "Lund.\r\nSo did")]


def test_annotations_without_a_type_are_told(write):
    corpus = Corpus.read(write("train.json", cas([*UTF16, (13, 17, None)])))

    assert names(corpus) == NAMES
    assert corpus.repairs == {"annotation without a type left out": 1}


def test_xmi_is_read(write):
    path = write("train.xmi", xmi('<ner:NamedEntity xmi:id="2" sofa="1" begin="0" end="3" value="PER"/>'))

    assert names(Corpus.read(path)) == [("person", "Ida")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (xmi('<ner:NamedEntity xmi:id="2" sofa="1" begin="0" end="99" value="PER"/>'), "lies outside|is empty or"),
        (xmi('<ner:NamedEntity xmi:id="2" sofa="1" begin="x" end="3" value="PER"/>'), "no whole numbers"),
        (xmi("<ner:NamedEntity"), "is no XML"),
        (xmi("<a>" * 200 + "</a>" * 200), "nests more than 100 elements"),
        (xmi("").replace("<xmi:XMI", '<!DOCTYPE x [<!ENTITY a "b">]><xmi:XMI', 1), "defines entities"),
        (xmi("").replace("sofaString", "other"), "0 texts in the CAS"),
        (cas(layer=ENTITY).replace("NamedEntity", "a.NamedEntity", 1), "several layers may be the entities"),
    ],
)
def test_what_is_wrong_is_told(write, content, message):
    with pytest.raises(CorpusError, match=message):
        Corpus.read(write("train.xmi", content), format="uima")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of cassis, which reads its resources in an old way
@pytest.mark.parametrize("ending", [".json", ".xmi"])
def test_files_of_cassis_are_read(tmp_path, ending):
    cassis = pytest.importorskip("cassis")
    types = cassis.load_dkpro_core_typesystem()
    document = cassis.Cas(typesystem=types)
    document.sofa_string = f"{TEXT}\nSo did Bo."
    document.sofa_mime = "text/plain"
    named, sentence = types.get_type(ENTITY), types.get_type(SENTENCE)
    document.add_all([sentence(begin=0, end=22), sentence(begin=23, end=33)])
    document.add_all([named(begin=2, end=11, value="person"), named(begin=17, end=21, value="place")])
    path = tmp_path / f"train{ending}"
    document.to_json(path) if ending == ".json" else document.to_xmi(path)

    corpus = Corpus.read(path)

    assert [sentence.text for sentence in corpus.train] == [TEXT, "So did Bo."]
    assert names(corpus) == NAMES
