"""Where texts and entities stand in records."""

from __future__ import annotations

import pytest

from cpner.annotation.texts import Keys
from cpner.errors import ConfigError


@pytest.mark.parametrize("keys", [{"into": "text"}, {"text": "entities"}, {"text": "a", "into": "a"}])
def test_entities_never_take_the_place_of_the_text(keys):
    with pytest.raises(ConfigError, match="where the text stands"):
        Keys(**keys)


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        (["text", "id"], None),
        (["id"], "no text under 'text'; it has 'id'"),
        (["text", "id", "id"], "column 'id' is there twice"),
        (["text", "domain"], "has 'domain' already"),
    ],
)
def test_columns_name_the_text_once_and_leave_room_for_what_is_found(columns, fault):
    found = Keys().fault(columns)

    assert found is None if fault is None else found.startswith(fault)
