"""Lines, records of JSON and tables; what is bad is told with its line."""

from __future__ import annotations

import pytest

from cpner.annotation.lines import Lines, ending
from cpner.annotation.texts import Keys, Text


def read(data: str | bytes, name: str = "in", **settings) -> tuple[Lines, list[Text]]:
    data = data.encode() if isinstance(data, str) else data
    texts = Lines(name, data.splitlines(keepends=True), **settings)
    return texts, list(texts)


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_a_table_gives_its_rows_as_records(sign):
    table = 'id,body\n1,"Ada, of\nRome, said ""no"""\n\n2,\n'.replace(",", sign)

    texts, rows = read(table, kind="csv", keys=Keys("body"))

    assert texts.error is None
    assert [row.record["id"] for row in rows] == ["1", "2"]
    assert [row.text for row in rows] == ['Ada, of\nRome, said "no"'.replace(",", sign), ""]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("id,body\n1,a\n", "line 1: no text under 'text'; it has 'id', 'body': name the text's with --text"),
        ("text,id,id\na,1,2\n", "line 1: column 'id' is there twice"),
        ("text,entities\na,1\n", "line 1: has 'entities' already, which the result would replace"),
        ("text,id\na\n", "line 2: 1 cells; the first row names 2 columns"),
        ('text,id\n"a" b,1\n', "line 2: no row of a table"),
        ('text,id\n"a,1\nb,2\n', "line 3: no row of a table"),
    ],
)
def test_a_bad_table_is_told_with_its_line(table, said):
    texts, rows = read(table, "in.csv")

    assert rows == []
    assert said in str(texts.error)


def test_a_bad_row_does_not_lose_the_rest():
    told: list[str] = []
    table = b'text,id\na,1\nb\nc\xff,2\n"d" e,3\nf,4\n'

    texts, rows = read(table, "in.csv", skip=True, tell=told.append)

    assert [row.text for row in rows] == ["a", "f"]
    assert (texts.skipped, texts.count) == (3, 6)
    assert [message.split(": ")[1] for message in told] == ["in.csv, line 3", "in.csv, line 4", "in.csv, line 5"]


def test_the_text_may_stand_under_any_key():
    texts, rows = read('{"body": "a", "text": 1}\n', keys=Keys("body"))

    assert rows == [Text("a", {"body": "a", "text": 1})]
    assert "it has 'text': name" in str(read('{"text": "a"}\n', keys=Keys("body"))[0].error)
    assert texts.error is None


@pytest.mark.parametrize("key", ["domain", "entities"])
def test_a_key_that_the_result_would_replace_is_a_bad_line(key):
    line = f'{{"text": "a", "{key}": []}}\n'

    refused, _ = read(line)
    named, rows = read(line, keys=Keys(into="found"))

    assert f"line 1: has '{key}' already, which the result would replace" in str(refused.error)
    assert "--into KEY" in str(refused.error)
    assert named.error is None and key in rows[0].record
    assert "has 'found' already" in str(read('{"text": "a", "found": 1}\n', keys=Keys(into="found"))[0].error)


def test_endings_are_those_inside_a_packed_file():
    assert [ending(name) for name in ("a/b.CSV.gz", "x.jsonl", "x.xz", "x")] == [".csv", ".jsonl", "", ""]
