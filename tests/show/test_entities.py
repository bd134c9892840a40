from __future__ import annotations

import html
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpner.corpus.formats import parse
from cpner.corpus.repairs import Repairs
from cpner.corpus.sentence import Entity
from cpner.errors import ConfigError
from cpner.show.entities import FORMATS, Palette, Tagged, render, size_text

TEXT = "Zoë & <b>Bo</b> met at 東京 😀."
TAGGED = Tagged(TEXT, [Entity(0, 3, "person", "Zoë", 0.98765), Entity(23, 25, "big city", "東京", 1.0)], "travel")


def shown(format: str, *tagged: Tagged, **options: object) -> str:
    return "".join(render(tagged, format, **options))


@st.composite
def tagged_texts(draw):
    """A text and entities of it, ascending, without overlap; each with a letter, as the splitter's words have."""
    text = draw(st.text(alphabet="ab <>&\"'é東😀\n", min_size=1, max_size=30))
    edges = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
    pairs = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False) if not text[a:b].isspace()]
    types = st.sampled_from(["person", "<b>", "a & b"])
    return Tagged(text, [Entity(a, b, draw(types), text[a:b], draw(st.none() | st.floats(0, 1))) for a, b in pairs])


@given(tagged_texts())
def test_html_holds_the_text_and_each_entity_once(tagged):
    marked = shown("html", tagged).split("<p>")[1].split("</p>")[0]

    plain = re.sub(r"<[^>]*>", "", re.sub(r"<small>.*?</small>", "", marked))
    assert html.unescape(plain) == tagged.text
    assert marked.count("<mark ") == len(tagged.entities)


@given(tagged_texts())
def test_jsonl_is_one_line_that_reads_back(tagged):
    line = shown("jsonl", tagged)

    record = json.loads(line)
    assert line.count("\n") == 1
    assert record["text"] == tagged.text
    assert [record["text"][e["start"] : e["end"]] for e in record["entities"]] == [e.text for e in tagged.entities]


def test_jsonl_follows_the_contract():
    assert json.loads(shown("jsonl", TAGGED)) == {
        "text": TEXT,
        "domain": "travel",
        "entities": [
            {"start": 0, "end": 3, "type": "person", "text": "Zoë", "score": 0.9877},
            {"start": 23, "end": 25, "type": "big city", "text": "東京", "score": 1.0},
        ],
    }


def test_conll_reads_back_with_an_empty_line_after_each_text(tmp_path):
    text = shown("conll", TAGGED, Tagged("", []), TAGGED)

    path = tmp_path / "x.conll"
    path.write_text(text, "utf-8")
    sentences, _, _ = parse(path, "conll", Repairs())
    assert [[(s.entity(x).text, x.type) for x in s.spans] for s in sentences] == [
        [("Zoë", "person"), ("東 京", "big_city")]
    ] * 2
    assert text.endswith("\n\n")


def test_a_table_shows_text_and_entities_without_colour_codes():
    lines = shown("table", TAGGED).splitlines()

    assert lines[0] == TEXT
    assert lines[1].split() == ["person", "Zoë", "0-3", "0.99"]
    assert lines[2].split() == ["big", "city", "東京", "23-25", "1.00"]


def test_a_table_for_a_terminal_has_colours(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")

    assert "\x1b[" in shown("table", TAGGED, colour=True)


def test_long_texts_are_not_wrapped():
    assert shown("table", Tagged("word " * 500, [])).count("\n") == 1


def test_a_page_is_whole_and_escaped():
    page = shown("html", TAGGED, types=["person", "big city"], title="<Travel>")

    assert page.startswith("<!doctype html>")
    assert page.endswith("</html>\n")
    assert "<title>&lt;Travel&gt;</title>" in page
    assert "http" not in page  # nothing is fetched
    assert page.count('<span class="entity"') == 2  # the legend


def test_types_of_a_domain_differ_in_hue():
    types = [f"type {i}" for i in range(12)]
    palette = Palette(types)

    assert len({palette.hue(type) for type in types}) == 12


def test_shared_types_look_the_same_and_those_of_a_domain_differ():
    domains = [["person", "song", "band"], ["person", "law"], ["party", "law", "person"]]
    palette = Palette.of_domains(domains)

    assert len({palette.hue("person"), palette.hue("law")}) == 2
    for types in domains:
        assert len({palette.hue(type) for type in types}) == len(types)


def test_an_overlap_is_shown_once():
    overlapping = Tagged("a b c", [Entity(0, 3, "x", "a b"), Entity(2, 5, "y", "b c")])

    assert shown("html", overlapping).count("<mark") == 1


def test_rendering_streams():
    def forever():
        while True:
            yield TAGGED

    for format in FORMATS:
        pieces = render(forever(), format)
        assert len([next(pieces) for _ in range(3)]) == 3


def test_unknown_formats_are_refused():
    with pytest.raises(ConfigError, match=r"No format 'jsonls'\. Known: jsonl, .* Did you mean 'jsonl'"):
        render([], "jsonls")


@pytest.mark.parametrize(("count", "text"), [(86_650, "87 kB"), (999_999, "1000 kB"), (1_180_000, "1.18 MB")])
def test_sizes_are_for_people(count, text):
    assert size_text(count) == text
