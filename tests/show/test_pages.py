"""Pages from templates: values are escaped, and long ones grow piece by piece."""

from __future__ import annotations

import itertools

import jinja2
import pytest

from cpner.show.entities import Palette, Tagged, pieces
from cpner.show.pages import render_page, stream_page

HOSTILE = "<script>alert('x')</script>"


def test_values_are_escaped() -> None:
    page = render_page("bench", title=HOSTILE, machine=HOSTILE, pictures=[(HOSTILE, "<svg/>")], rows=[(HOSTILE, "1")])

    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 5  # title twice
    assert "<svg/>" in page


def test_missing_values_are_errors() -> None:
    with pytest.raises(jinja2.UndefinedError, match="'title' is undefined"):
        render_page("bench")


def test_long_pages_need_not_end() -> None:
    palette = Palette(["person"])
    texts = (pieces(Tagged(f"text {i}", []), palette) for i in itertools.count())

    page = stream_page("entities", title="Entities", types=["person"], palette=palette, texts=texts)

    head = "".join(itertools.islice(page, 200))
    assert "text 9" in head
    assert head.startswith("<!doctype html>")
