from __future__ import annotations

from typing import Any

import pytest

from cpner import CPNER
from cpner.errors import ConfigError, UnknownDomainError
from tests.support import SENTENCES

presidio = pytest.importorskip("presidio_analyzer")
spacy = pytest.importorskip("spacy")

TEXT = " ".join(sentence.text for sentence in SENTENCES)
CODES = {"person": "PERSON", "political party": "POLITICAL_PARTY", "location": "LOCATION"}


@pytest.fixture
def make(settings: dict[str, Any]) -> Any:
    from cpner.integrations.presidio import CpnerRecognizer

    return lambda *arguments, **options: CpnerRecognizer(*arguments, **settings, **options)


def analyzer(*recognizers: Any) -> Any:
    """A real analyzer whose language model is an empty pipeline of spaCy, so that nothing is downloaded."""
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    engine = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": "blank"}])
    engine.nlp = {"en": spacy.blank("en")}
    registry = presidio.RecognizerRegistry(recognizers=list(recognizers), supported_languages=["en"])
    return presidio.AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])


def expected(ner: CPNER, text: str = TEXT) -> list[tuple[int, int, str]]:
    return [(one.start, one.end, CODES[one.type]) for one in ner.predict(text, "one")]


def places(results: Any) -> list[tuple[int, int, str]]:
    return sorted((one.start, one.end, one.entity_type) for one in results)


def test_results_are_those_of_the_library(ner: CPNER, make: Any) -> None:
    recognizer = make("one")
    results = recognizer.analyze(TEXT, [], None)

    assert places(results) == expected(ner) != []
    scores = [one.score for one in ner.predict(TEXT, "one")]
    assert [one.score for one in results] == pytest.approx(scores, abs=1e-5)
    assert recognizer.supported_entities == list(CODES.values())
    assert "in domain 'one'" in results[0].analysis_explanation.textual_explanation
    assert recognizer.analyze("", [], None) == []


def test_the_analyzer_uses_it_beside_others(ner: CPNER, make: Any) -> None:
    from presidio_analyzer.predefined_recognizers import EmailRecognizer

    engine = analyzer(make("one"), EmailRecognizer())
    text = f"{TEXT} Write to ada@example.com"

    results = engine.analyze(text, language="en")

    mine = [one for one in results if one.recognition_metadata["recognizer_name"] == "CpnerRecognizer"]
    assert places(mine) == sorted(expected(ner, text))
    assert any(one.entity_type == "EMAIL_ADDRESS" for one in results)
    some = engine.analyze(text, language="en", entities=["LOCATION"])
    assert places(some) == [place for place in sorted(expected(ner, text)) if place[2] == "LOCATION"]


def test_types_are_named_by_the_map(ner: CPNER, make: Any) -> None:
    recognizer = make("one", entity_mapping={"person": "NAME", "location": None})

    names = {"PERSON": "NAME", "POLITICAL_PARTY": "POLITICAL_PARTY"}
    assert recognizer.supported_entities == ["NAME", "POLITICAL_PARTY"]
    found = [(a, b, names[code]) for a, b, code in expected(ner) if code in names]
    assert places(recognizer.analyze(TEXT, [], None)) == sorted(found)


def test_several_domains_share_one_backbone(make: Any) -> None:
    first = make("one", name="first")
    second = make("two", name="second")

    assert first.finder.load().backbone is second.finder.load().backbone
    found = analyzer(first, second).analyze(TEXT, language="en")
    assert {one.recognition_metadata["recognizer_name"] for one in found} == {"first", "second"}


def test_types_alone_are_looked_for_by_the_backbone(ner: CPNER, make: Any) -> None:
    recognizer = make(types=["city", "band"])

    found = [(one.start, one.end, one.type.upper()) for one in ner.predict(TEXT, types=["city", "band"])]
    assert places(recognizer.analyze(TEXT, [], None)) == sorted(found)


def test_a_dictionary_makes_the_same_recogniser(make: Any) -> None:
    recognizer = make(
        "one",
        entity_mapping={"person": "NAME"},
        threshold=0.1,
        precision="float32",
        supported_language="de",
        name="mine",
    )

    again = type(recognizer).from_dict(recognizer.to_dict())

    assert again.to_dict() == recognizer.to_dict()
    assert again.finder.load().backbone.precision == "float32"
    assert places(again.analyze(TEXT, [], None)) == places(recognizer.analyze(TEXT, [], None))


def test_what_is_wrong_is_told_at_once(make: Any) -> None:
    with pytest.raises(UnknownDomainError, match="nowhere"):
        make("nowhere")
    with pytest.raises(ConfigError, match="neither a domain nor types"):
        make()
