"""The names of types that a backbone has read, and the hint for others."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from cpner import CPNER
from cpner.backbone.known_types import FILE, read_known_types, warn_of_unread, write_known_types
from cpner.backbone.load import Backbone, locate
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.errors import BackboneError
from cpner.training import TrainingConfig, train_prefix
from tests.support import SENTENCES, SMALL, TYPES

KNOWN = frozenset({"city", "person", "political party", "book"})


@pytest.fixture
def reading(tiny: Backbone, tmp_path: Path) -> Backbone:
    """The tiny backbone as if its folder had a list of names."""
    write_known_types(KNOWN, tmp_path)
    return Backbone("tiny", tiny.t5, tiny.vocabulary, folder=tmp_path)


def test_names_come_back_from_their_file(tmp_path: Path) -> None:
    write_known_types(["city", "person", "city", "œuvre"], tmp_path)

    assert read_known_types(tmp_path) == {"city", "person", "œuvre"}
    assert read_known_types(tmp_path / "nowhere") == read_known_types(None) == frozenset()


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"a": 1}', "[" * 100_000])
def test_a_damaged_list_is_refused_in_a_line(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, "utf-8")
    with pytest.raises(BackboneError, match=r"type_names\.json can't be read as names of types"):
        read_known_types(tmp_path)


def test_a_name_that_was_not_read_is_told_with_a_near_one() -> None:
    with pytest.warns(UserWarning, match=r"not read of 'books', 'Cuisine' .* Did you mean 'book'\?"):
        warn_of_unread(KNOWN, ["Person", "books", "Cuisine"])


def test_known_names_and_backbones_without_a_list_get_no_hint() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_unread(KNOWN, ["Person", "political party"])
        warn_of_unread(frozenset(), ["books"])


def test_zero_shot_hints_and_a_trained_domain_does_not(reading: Backbone) -> None:
    ner = CPNER(reading)
    ner.add("news", Reparameterisation(reading.shape, SMALL).bake(), ["cuisine"], config=SMALL)
    assert ner.predict("Rome", "news") == ner.predict("Rome", "news", types=["cuisine"])

    with pytest.warns(UserWarning, match="not read of 'cuisine'"):
        ner.predict("Rome", types=["city", "cuisine"])


def test_training_hints_at_types_without_an_example_alone(reading: Backbone) -> None:
    quick = TrainingConfig(epochs=1, min_steps=0)

    def train(types: list[str]) -> None:
        train_prefix(reading, Reparameterisation(reading.shape, SMALL), SENTENCES, [], types, quick)

    train(TYPES)  # "location" was not read but has examples
    with pytest.warns(UserWarning, match="not read of 'cuisine'"):
        train([*TYPES, "cuisine"])


def test_the_list_that_ships_is_in_lower_case_and_has_synonyms() -> None:
    names = read_known_types(locate("cpner-mini"))

    assert {"person", "organization", "musical artist", "statesman"} <= names
    assert all(name == name.lower() for name in names)
