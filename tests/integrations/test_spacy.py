from __future__ import annotations

import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cpner import CPNER
from cpner.errors import ConfigError, StoreError, UnknownDomainError
from cpner.store import Store
from tests.support import SENTENCES, environment

spacy = pytest.importorskip("spacy")
tokens = pytest.importorskip("spacy.tokens")

PATIENCE = 240  # seconds for a process that loads torch and spaCy
TEXTS = [*(sentence.text for sentence in SENTENCES), "\U0001f600 Johnson left  Rome.\n\nAda met Joseph.", ""]


def pipeline(settings: dict[str, Any], **config: Any) -> Any:
    nlp = spacy.blank("en")
    nlp.add_pipe("cpner", config={**settings, "domain": "one", **config})
    return nlp


def component(nlp: Any) -> Any:
    return nlp.get_pipe("cpner")


def places(spans: Any) -> list[tuple[int, int, str]]:
    return [(span.start_char, span.end_char, span.label_) for span in spans]


def in_pieces(nlp: Any, text: str, width: int = 4) -> Any:
    """A document whose tokens end anywhere."""
    parts = [text[i : i + width] for i in range(0, len(text), width)]
    return tokens.Doc(nlp.vocab, words=parts, spaces=[False] * len(parts))


@pytest.fixture
def scores_of_others() -> Iterator[None]:
    """An extension `span._.score` that another library has made."""
    if tokens.Span.has_extension("score"):
        tokens.Span.remove_extension("score")
    tokens.Span.set_extension("score", default="theirs")
    yield
    tokens.Span.remove_extension("score")


def test_entities_are_those_of_the_library(ner: CPNER, settings: dict[str, Any]) -> None:
    nlp = pipeline(settings)

    docs = list(nlp.pipe(TEXTS, batch_size=3))

    expected = ner.predict(TEXTS, "one")
    assert [doc.text for doc in docs] == TEXTS
    assert [places(doc.ents) for doc in docs] == [[(e.start, e.end, e.type) for e in some] for some in expected]
    assert [places(nlp(text).ents) for text in TEXTS] == [places(doc.ents) for doc in docs]
    scores = [span._.cpner_score for doc in docs for span in doc.ents]
    assert scores == pytest.approx([entity.score for some in expected for entity in some], abs=1e-5)
    assert scores
    assert component(nlp).counts == {"written": 2 * len(scores)}


def test_one_pipe_mixes_domains(ner: CPNER, settings: dict[str, Any]) -> None:
    nlp = pipeline(settings)
    names = ["two", None, "one", "two", None, "two", "one"]
    docs = [nlp.make_doc(text) for text in TEXTS]
    for doc, name in zip(docs, names, strict=True):
        doc._.cpner_domain = name

    found = [places(doc.ents) for doc in nlp.pipe(docs)]

    expected = ner.predict(TEXTS, [name or "one" for name in names])
    assert found == [[(e.start, e.end, e.type) for e in some] for some in expected]
    assert found != [places(doc.ents) for doc in nlp.pipe(TEXTS)]


def test_types_alone_are_looked_for_by_the_backbone(ner: CPNER, settings: dict[str, Any]) -> None:
    nlp = pipeline(settings, domain=None, types=["city", "person"], labels={"city": "GPE"})

    expected = ner.predict(TEXTS[0], types=["city", "person"])
    labels = {"city": "GPE", "person": "person"}
    assert places(nlp(TEXTS[0]).ents) == [(e.start, e.end, labels[e.type]) for e in expected]
    assert component(nlp).labels == ("GPE", "person")


def test_the_precision_is_that_of_the_backbone(settings: dict[str, Any]) -> None:
    assert component(pipeline(settings, precision="float32")).finder.load().backbone.precision == "float32"


def test_labels_come_from_the_card(settings: dict[str, Any]) -> None:
    assert component(pipeline(settings)).labels == ("person", "political party", "location")
    assert component(pipeline(settings, domain="nowhere")).labels == ()
    assert pipeline(settings).pipe_labels["cpner"] == ["person", "political party", "location"]


def test_entities_that_are_there_stay_unless_they_may_go(settings: dict[str, Any]) -> None:
    free = [places(doc.ents) for doc in pipeline(settings).pipe(TEXTS)]
    rule = pipeline(settings)(TEXTS[0]).ents[0][-1].text  # the last token of an entity

    def with_ruler(**config: Any) -> Any:
        nlp = spacy.blank("en")
        nlp.add_pipe("entity_ruler").add_patterns([{"label": "RULE", "pattern": rule}])
        nlp.add_pipe("cpner", config={**settings, "domain": "one", **config})
        return nlp

    stay = with_ruler()
    go = with_ruler(overwrite_ents=True)
    rules = [[(a, b) for a, b, _ in places(doc.ents)] for doc in stay.pipe(TEXTS, disable=["cpner"])]
    expected = [
        sorted([*((a, b, "RULE") for a, b in there), *(one for one in found if apart(one, there))])
        for there, found in zip(rules, free, strict=True)
    ]
    instead = [
        sorted([*((a, b, "RULE") for a, b in there if apart((a, b), found)), *found])
        for there, found in zip(rules, free, strict=True)
    ]

    assert [places(doc.ents) for doc in stay.pipe(TEXTS)] == expected
    assert [places(doc.ents) for doc in go.pipe(TEXTS)] == instead
    assert expected[0] != free[0] == instead[0]
    assert component(stay).counts["overlapping"] > component(go).counts["overlapping"] == 0


def apart(place: Any, others: Any) -> bool:
    return all(place[1] <= other[0] or other[1] <= place[0] for other in others)


def test_groups_of_spans_keep_what_is_there_and_have_scores(settings: dict[str, Any]) -> None:
    nlp = pipeline(settings, style="span", spans_key="found")
    doc = nlp.make_doc(TEXTS[0])
    doc.spans["found"] = [tokens.Span(doc, 1, 3, label="theirs")]
    expected = places(pipeline(settings)(TEXTS[0]).ents)

    nlp.get_pipe("cpner")(doc)

    group = doc.spans["found"]
    assert places(doc.ents) == []
    assert places(group) == [(8, 18, "theirs"), *expected]
    scores = group.attrs["scores"]
    assert np.isnan(scores[0])
    assert list(scores[1:]) == pytest.approx([span._.cpner_score for span in group][1:])
    nlp.get_pipe("cpner")(doc)
    assert places(doc.spans["found"]) == [(8, 18, "theirs"), *expected]  # not twice
    back = tokens.Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert places(back.spans["found"]) == places(doc.spans["found"])
    assert [span._.cpner_score for span in back.spans["found"]][1:] == pytest.approx(list(scores[1:]))


@pytest.mark.parametrize("style", ["ent", "span"])
def test_entities_inside_tokens_are_told(
    ner: CPNER, settings: dict[str, Any], style: str, caplog: pytest.LogCaptureFixture
) -> None:
    text = TEXTS[0]
    expected = [(e.start, e.end) for e in ner.predict(text, "one")]
    edges = {*range(0, len(text), 4), len(text)}
    inside = [(start, end) for start, end in expected if not {start, end} <= edges]
    assert inside
    caplog.set_level(logging.INFO, "cpner")
    strict = pipeline(settings, style=style, alignment_mode="strict")
    grown = pipeline(settings, style=style)

    doc = component(strict)(in_pieces(strict, text))
    component(grown)(large := in_pieces(grown, text))

    spans = doc.ents if style == "ent" else doc.spans["sc"]
    assert [(a, b) for a, b, _ in places(spans)] == [place for place in expected if place not in inside]
    assert component(strict).counts == Counter(misaligned=len(inside), written=len(spans))
    assert f"{len(inside)} of a document's entities begin or end inside tokens" in caplog.text
    assert text[:7] not in caplog.text
    counts = component(grown).counts
    assert counts["moved"] == len(inside)
    assert counts["written"] + counts["overlapping"] == len(expected)
    for start, end, _ in places(large.ents if style == "ent" else large.spans["sc"]):
        assert {start, end} <= edges
        assert any(start <= a < b <= end for a, b in expected)


def test_extensions_of_others_are_left_alone(settings: dict[str, Any], scores_of_others: None) -> None:
    doc = pipeline(settings)(TEXTS[0])

    assert doc.ents
    assert all(span._.score == "theirs" and 0 < span._.cpner_score <= 1 for span in doc.ents)


def test_a_free_name_has_the_score_too(settings: dict[str, Any]) -> None:
    if tokens.Span.has_extension("score"):
        tokens.Span.remove_extension("score")

    doc = pipeline(settings)(TEXTS[0])

    assert doc.ents
    assert all(span._.score == span._.cpner_score for span in doc.ents)


def test_a_pipeline_on_disk_brings_its_domains(tmp_path: Path, settings: dict[str, Any]) -> None:
    nlp = pipeline(settings, threshold=0.01, store=str(copy_store(settings, tmp_path / "old")))
    expected = [places(doc.ents) for doc in nlp.pipe(TEXTS)]
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "old").rename(tmp_path / "elsewhere")

    loaded = spacy.load(tmp_path / "model")

    assert [places(doc.ents) for doc in loaded.pipe(TEXTS)] == expected
    assert Store(tmp_path / "model/cpner/store").names() == ["one", "two"]
    for name in ("one", "two"):
        assert Store(tmp_path / "model/cpner/store").digest(name) == Store(tmp_path / "elsewhere").digest(name)
    loaded.to_disk(tmp_path / "model")  # onto itself
    loaded.to_disk(tmp_path / "again")
    assert [places(doc.ents) for doc in spacy.load(tmp_path / "again").pipe(TEXTS)] == expected


def test_bytes_bring_the_domains(settings: dict[str, Any]) -> None:
    nlp = pipeline(settings)
    expected = [places(doc.ents) for doc in nlp.pipe(TEXTS)]
    empty = pipeline(settings, store=None)

    empty.from_bytes(nlp.to_bytes())

    assert [places(doc.ents) for doc in empty.pipe(TEXTS)] == expected
    zero = pipeline(settings, domain=None, types=["city"], store=None)
    assert pipeline(settings).from_bytes(zero.to_bytes()).pipe_names == ["cpner"]
    with pytest.raises(StoreError, match="none of a cpner component"):
        component(empty).from_bytes(b"no bytes of ours")


def test_a_document_that_fails_leaves_the_others_of_its_batch(settings: dict[str, Any]) -> None:
    nlp = pipeline(settings)
    expected = [places(doc.ents) for doc in nlp.pipe(TEXTS[:3])]
    docs = [nlp.make_doc(text) for text in TEXTS[:3]]
    docs[1]._.cpner_domain = "nowhere"
    failed = []
    nlp.set_error_handler(lambda name, proc, docs, error: failed.append((name, [doc.text for doc in docs], error)))

    found = [places(doc.ents) for doc in nlp.pipe(docs)]

    assert found == [expected[0], expected[2]]
    ((name, texts, error),) = failed
    assert (name, texts) == ("cpner", [TEXTS[1]])
    assert isinstance(error, UnknownDomainError)
    with pytest.raises(UnknownDomainError, match="no domain 'nowhere'"):
        component(nlp)(docs[1])


def test_settings_are_checked_when_the_pipe_is_added(settings: dict[str, Any]) -> None:
    for wrong in ({"style": "spam"}, {"alignment_mode": "grow"}, {"threshold": 2.0}):
        with pytest.raises(ConfigError, match="expected"):
            pipeline(settings, **wrong)
    with pytest.raises(ConfigError, match="neither a domain nor types"):
        pipeline(settings, domain=None)(TEXTS[0])


def test_pipelines_are_analysed_and_scored(settings: dict[str, Any]) -> None:
    nlp = pipeline(settings)
    gold = [nlp.make_doc(text) for text in TEXTS]
    for doc, found in zip(gold, nlp.pipe(TEXTS), strict=True):
        doc.ents = [doc.char_span(*place[:2], label=place[2]) for place in places(found.ents)]
    examples = [spacy.training.Example(nlp.make_doc(doc.text), doc) for doc in gold]

    assert nlp.analyze_pipes()["problems"] == {"cpner": []}
    assert nlp.evaluate(examples)["ents_f"] == 1.0


@pytest.mark.slow
def test_processes_that_are_forked_from_one_that_predicted_come_to_an_end() -> None:
    code = (
        "import spacy, torch\ntorch.set_num_threads(2)\nnlp = spacy.blank('en')\n"
        "nlp.add_pipe('cpner', config={'types': ['person', 'city']})\ntexts = ['Ada Byron left for Rome.'] * 8\n"
        "found = [[[span.text for span in doc.ents] for doc in nlp.pipe(texts, n_process=count, batch_size=4)]"
        " for count in (1, 2)]\nassert found[0] == found[1] and found[0][0], found"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_importing_leaves_threads_and_recognition_alone() -> None:
    code = (
        "import torch; before = torch.get_num_threads(), torch.get_num_interop_threads()\n"
        "import sys, cpner.integrations.spacy\n"
        "assert before == (torch.get_num_threads(), torch.get_num_interop_threads())\n"
        "assert 'cpner.recogniser' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def copy_store(settings: dict[str, Any], folder: Path) -> Path:
    store = Store(settings["store"])
    copy = Store(folder, create=True)
    for name in store.names():
        copy.save(store.load(name), dtype=None)
    return folder
