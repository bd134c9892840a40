from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import pytest

from cpner import CPNER
from cpner.errors import ConfigError, CorpusError
from cpner.integrations.huggingface import EntityPipeline, entity_groups, tagged_words
from tests.support import SENTENCES

TEXTS = ["\U0001f600 Johnson joined the Whigs in Baltimore.", *(sentence.text for sentence in SENTENCES), ""]


def places(groups: Any) -> list[tuple[Any, ...]]:
    return [(one["entity_group"], one["start"], one["end"], one["word"]) for one in groups]


@pytest.fixture
def pipeline(ner: CPNER) -> EntityPipeline:
    return EntityPipeline(ner, "one", batch_size=2)


def test_a_text_a_list_and_a_generator_get_the_same_answers(ner: CPNER, pipeline: EntityPipeline) -> None:
    expected = [[(e.type, e.start, e.end, e.text) for e in some] for some in ner.predict(TEXTS, "one")]

    assert [places(pipeline(text)) for text in TEXTS] == expected
    assert list(map(places, pipeline(TEXTS))) == expected
    assert list(map(places, pipeline(tuple(TEXTS)))) == expected
    assert list(map(places, pipeline(text for text in TEXTS))) == expected
    assert any(expected)
    assert pipeline([]) == []
    row = pipeline(TEXTS)[0][0]
    assert list(row) == ["entity_group", "score", "word", "start", "end"]
    assert 0 <= row["score"] <= 1


def test_a_generator_is_read_as_it_is_asked(pipeline: EntityPipeline) -> None:
    given = []

    def endless() -> Iterator[str]:
        for number in count():
            given.append(number)
            yield TEXTS[number % len(TEXTS)]

    answers = list(islice(pipeline(endless()), 5))

    assert len(answers) == 5
    assert len(given) == 6  # three batches of two


@pytest.mark.parametrize("strategy", ["simple", "first", "average", "max"])
def test_entities_are_whole_in_every_way_of_aggregation(pipeline: EntityPipeline, strategy: str) -> None:
    assert pipeline(TEXTS[0], aggregation_strategy=strategy) == pipeline(TEXTS[0])


def test_without_aggregation_words_are_tagged() -> None:
    sentence = SENTENCES[1]  # Ada Lovelace left for Rome
    entities = [entity._replace(score=0.5) for entity in sentence.entities]

    rows = tagged_words(sentence.text, entities)

    assert [(row["entity"], row["index"], row["word"]) for row in rows] == [
        ("B-person", 1, "Ada"),
        ("I-person", 2, "Lovelace"),
        ("B-location", 5, "Rome"),
    ]
    assert all(sentence.text[row["start"] : row["end"]] == row["word"] and row["score"] == 0.5 for row in rows)
    assert [row["word"] for row in tagged_words(sentence.text, entities, ["person"])] == ["Rome"]


def test_none_covers_the_entities_of_simple(pipeline: EntityPipeline) -> None:
    for text, groups, words in zip(TEXTS, pipeline(TEXTS), pipeline(TEXTS, aggregation_strategy="none"), strict=True):
        heads = [(row["entity"][2:], row["start"]) for row in words if row["entity"].startswith("B-")]
        assert heads == [(one["entity_group"], one["start"]) for one in groups]
        assert all(text[row["start"] : row["end"]] == row["word"] for row in words)


def test_options_of_a_call_come_first(ner: CPNER, pipeline: EntityPipeline) -> None:
    assert places(pipeline(TEXTS[0], domain="two")) == places(EntityPipeline(ner, "two")(TEXTS[0]))
    types = {one["entity_group"] for one in pipeline(TEXTS[0])}
    assert not types & {one["entity_group"] for one in pipeline(TEXTS[0], ignore_labels=list(types))}
    assert EntityPipeline(ner, "one", threshold=1.0)(TEXTS[0]) == []
    assert {one["entity_group"] for one in EntityPipeline(ner, types=["city"])(TEXTS[0])} <= {"city"}


def test_what_is_wrong_is_told(ner: CPNER, pipeline: EntityPipeline) -> None:
    with pytest.raises(ConfigError, match=r"'mean'; expected one of none, simple"):
        EntityPipeline(ner, "one", aggregation_strategy="mean")
    with pytest.raises(ConfigError, match="expected 0 to 1"):
        EntityPipeline(ner, "one", threshold=2)
    with pytest.raises(ConfigError, match="batch_size is 0"):
        pipeline(iter(TEXTS), batch_size=0)
    with pytest.raises(ConfigError, match="expected a text"):
        pipeline(7)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="neither a domain nor types"):
        EntityPipeline(ner)("Ada")
    with pytest.raises(CorpusError, match="surrogate"):
        pipeline("\ud83d")


def test_groups_leave_out_types() -> None:
    entities = SENTENCES[0].entities

    assert [one["word"] for one in entity_groups(entities, ["person"])] == ["Whigs", "Baltimore"]
