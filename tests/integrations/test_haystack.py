from __future__ import annotations

import os
from typing import Any

import pytest

from cpner import CPNER
from cpner.errors import ConfigError, UnknownDomainError
from tests.support import SENTENCES

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"  # before Haystack is imported; it would call home
haystack = pytest.importorskip("haystack")

TEXTS = [sentence.text for sentence in SENTENCES]


@pytest.fixture
def make(settings: dict[str, Any]) -> Any:
    from cpner.integrations.haystack import CpnerEntityExtractor

    return lambda *arguments, **options: CpnerEntityExtractor(*arguments, **settings, **options)


def documents(domains: list[str | None] | None = None) -> list[Any]:
    names = domains or [None] * len(TEXTS)
    return [
        haystack.Document(content=text, meta={"page": 1, "topic": name})
        for text, name in zip(TEXTS, names, strict=True)
    ]


def run(extractor: Any, given: list[Any]) -> list[Any]:
    pipeline = haystack.Pipeline()
    pipeline.add_component("ner", extractor)
    found: list[Any] = pipeline.run({"ner": {"documents": given}})["ner"]["documents"]
    return found


def places(documents: list[Any]) -> list[list[tuple[int, int, str]]]:
    return [[(one.start, one.end, one.entity) for one in document.meta["named_entities"]] for document in documents]


def test_entities_are_those_of_the_library(ner: CPNER, make: Any) -> None:
    given = documents()

    found = run(make("one"), given)

    expected = ner.predict(TEXTS, "one")
    assert places(found) == [[(e.start, e.end, e.type) for e in some] for some in expected]
    assert any(expected)
    scores = [one.score for document in found for one in document.meta["named_entities"]]
    assert scores == pytest.approx([e.score for some in expected for e in some], abs=1e-5)
    assert [(one.id, one.content, one.meta["page"]) for one in found] == [(one.id, one.content, 1) for one in given]
    assert all("named_entities" not in one.meta for one in given)  # they are copied, not changed


def test_documents_name_their_domains(ner: CPNER, make: Any) -> None:
    names = ["two", None, "one", "two", None]

    found = run(make("one", domain_key="topic"), documents(names))

    expected = ner.predict(TEXTS, [name or "one" for name in names])
    assert places(found) == [[(e.start, e.end, e.type) for e in some] for some in expected]
    assert places(run(make("one"), documents(names))) != places(found)


def test_documents_without_text_have_no_entities(make: Any) -> None:
    extractor = make("one")
    (empty,) = run(extractor, [haystack.Document(content=None)])

    assert extractor.get_stored_annotations(empty) == []
    assert extractor.get_stored_annotations(haystack.Document(content="Ada")) is None
    assert run(make("one"), []) == []


def test_a_pipeline_in_text_makes_the_same_component(make: Any) -> None:
    pipeline = haystack.Pipeline()
    extractor = make("one", threshold=0.01, types=["person"], batch_size=2, precision="float32", domain_key="topic")
    pipeline.add_component("ner", extractor)

    loaded = haystack.Pipeline.loads(pipeline.dumps(), allowed_modules=["cpner.*"])

    assert loaded.to_dict() == pipeline.to_dict()
    assert loaded.get_component("ner").finder.load().backbone.precision == "float32"
    before = pipeline.run({"ner": {"documents": documents()}})["ner"]["documents"]
    assert places(loaded.run({"ner": {"documents": documents()}})["ner"]["documents"]) == places(before)


def test_what_is_wrong_is_told_by_a_run(make: Any) -> None:
    extractor = make("nowhere")
    extractor.warm_up()

    with pytest.raises(UnknownDomainError, match="nowhere"):
        extractor.run(documents())
    with pytest.raises(ConfigError, match="neither a domain nor types"):
        make().run(documents())
