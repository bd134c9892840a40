from __future__ import annotations

import click
import pytest

from cpner.cli import COMMANDS, main
from cpner.stopping import GOING_ON, RESUMED, way_on


def test_each_command_that_can_be_resumed_says_so_when_it_is_stopped():
    names = [name for section in COMMANDS.values() for name in section]
    with_option = {
        name
        for name in names
        if any(parameter.name == "resume" for parameter in main.get_command(click.Context(main), name).params)
    }

    assert with_option == set(RESUMED)


@pytest.mark.parametrize("name", [*RESUMED, *GOING_ON])
def test_the_way_on_is_a_sentence_after_a_blank(name):
    assert way_on(name).startswith(" Run the same command ") and way_on(name).endswith(".")


def test_a_command_that_leaves_nothing_has_no_way_on():
    assert way_on("predict") == ""
