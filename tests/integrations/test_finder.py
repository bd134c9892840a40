from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from cpner import CPNER
from cpner.errors import ConfigError, UnknownDomainError
from cpner.integrations.finder import Finder
from tests.support import SENTENCES, TYPES

TEXTS = [sentence.text for sentence in SENTENCES]


def places(entities: Any) -> list[tuple[int, int, str]]:
    return [(one.start, one.end, one.type) for one in entities]


def test_texts_without_a_domain_take_the_finders(ner: CPNER, settings: dict[str, Any]) -> None:
    finder = Finder(**settings, domain="one")
    domains = ["two", None, "one", None, "two"]

    found = finder.find(TEXTS, domains)

    expected = ner.predict(TEXTS, [name or "one" for name in domains])
    assert list(map(places, found)) == list(map(places, expected))
    assert any(found)
    assert list(map(places, finder.find(TEXTS))) == list(map(places, ner.predict(TEXTS, "one")))
    assert finder.find([]) == []


def test_threshold_leaves_out_what_is_less_sure(settings: dict[str, Any]) -> None:
    entities = Finder(**settings, domain="one").find(TEXTS)
    scores = sorted(one.score for entities in entities for one in entities)
    middle = scores[len(scores) // 2]

    sure = Finder(**settings, domain="one", threshold=middle).find(TEXTS)

    assert 0 < sum(map(len, sure)) < len(scores)
    assert sure == [[one for one in some if one.score >= middle] for some in entities]


def test_finders_share_a_backbone_and_forget_it_together(settings: dict[str, Any]) -> None:
    first = Finder(**settings, domain="one")
    second = Finder(**settings, domain="two")

    assert first.load().backbone is second.load().backbone
    assert first.load() is first.load() is not second.load()


def test_finders_of_another_precision_have_a_backbone_of_their_own(settings: dict[str, Any]) -> None:
    plain = Finder(**settings, domain="one", precision="float32")
    rounded = Finder(**settings, domain="one", precision="bfloat16")

    assert [one.load().backbone.precision for one in (plain, rounded)] == ["float32", "bfloat16"]
    assert plain.settings()["precision"] == "float32"
    with pytest.raises(ConfigError, match="precision 'float16' is not known"):
        Finder(**settings, domain="one", precision="float16").load()


def test_types_are_known_without_a_backbone(store: Path) -> None:
    assert Finder("nowhere", store, domain="one").types() == TYPES
    assert Finder("nowhere", types=("city",)).types() == ["city"]
    with pytest.raises(UnknownDomainError, match="one, two"):
        Finder("nowhere", store, domain="three").types()
    with pytest.raises(ConfigError, match="neither a domain nor types"):
        Finder("nowhere", store).types()
    with pytest.raises(ConfigError, match="needs the folder of its store"):
        Finder("nowhere", domain="one").types()


def test_settings_make_the_same_finder(settings: dict[str, Any]) -> None:
    finder = Finder(**settings, domain="one", types=("person",), threshold=0.25, batch_size=3)

    assert Finder(**finder.settings()).settings() == finder.settings()
    assert finder.settings()["store"] == settings["store"]


def test_a_copy_for_another_process_leaves_the_model_behind(settings: dict[str, Any]) -> None:
    finder = Finder(**settings, domain="one")
    found = finder.find(TEXTS)

    data = pickle.dumps(finder)  # as multiprocessing does

    assert len(data) < 2000
    assert pickle.loads(data).find(TEXTS) == found


@pytest.mark.parametrize("wrong", [{"threshold": 1.5}, {"threshold": True}, {"threshold": "0.5"}, {"types": "person"}])
def test_wrong_settings_are_told(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Finder(**wrong)
