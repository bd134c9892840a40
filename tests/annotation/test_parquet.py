"""Columns of parquet files stay as they are; what JSON lacks gets a form that it has."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cpner.annotation.inputs import Inputs
from cpner.annotation.parquet import ArrowRow, join_parquet, records_to_parquet, write_rows
from cpner.annotation.texts import Keys
from cpner.corpus.sentence import Entity

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
ENTITY = Entity(0, 3, "person", "Ada", 0.98765)
RECORD = {"start": 0, "end": 3, "type": "person", "text": "Ada", "score": 0.98765}


def table(rows: int = 3000) -> Any:
    moment = pa.array([1_700_000_000_123_456_789 + i for i in range(rows)], pa.timestamp("ns", "UTC"))
    return pa.table(
        {
            "body": pa.array([f"Ada {i}" for i in range(rows)]).dictionary_encode(),
            "at": moment,
            "price": pa.array([Decimal("1.50")] * rows, pa.decimal128(9, 2)),
            "raw": pa.array([b"\xff"] * rows),
            "tags": pa.array([["a", None]] * rows),
            "share": pa.array([float("nan"), None, 0.5] * (rows // 3)),
        }
    )


def test_columns_stay_as_they_are(tmp_path: Path):
    pq.write_table(table(), tmp_path / "in.parquet", row_group_size=700)
    rows = list(Inputs(tmp_path, keys=Keys("body")).texts(arrow=True))
    parts = []
    for start in range(0, len(rows), 1000):
        records = [row.record for row in rows[start : start + 1000]]
        parts.append(tmp_path / f"part{start}")
        parts[-1].write_bytes(write_rows(records, [[ENTITY], []] * 500, "news", Keys("body")))

    out = io.BytesIO()
    count = join_parquet(parts, out)
    written = pq.read_table(io.BytesIO(out.getvalue()))

    assert count == written.num_rows == 3000
    added = ["domain", "entities", "share"]
    assert written.drop_columns(added).combine_chunks().equals(table().drop_columns("share").combine_chunks())
    assert repr(written["share"].to_pylist()) == repr(table()["share"].to_pylist())  # NaN is not equal to itself
    assert written["entities"][0].as_py() == [RECORD | {"score": 0.9877}]
    assert written["entities"][1].as_py() == [] and written["domain"][5].as_py() == "news"
    assert pq.ParquetFile(io.BytesIO(out.getvalue())).num_row_groups == 1


def test_rows_for_json_have_values_that_json_has(tmp_path: Path):
    pq.write_table(table(3), tmp_path / "in.parquet")

    rows = list(Inputs(tmp_path / "in.parquet", keys=Keys("body", into="found")).texts())

    assert [row.record["share"] for row in rows] == [None, None, 0.5]
    assert rows[0].record == json.loads(json.dumps(rows[0].record))
    assert rows[0].record["at"].startswith("2023-11-14 22:13:20.123456789")
    assert (rows[0].record["price"], rows[0].record["raw"], rows[0].record["tags"]) == ("1.50", "/w==", ["a", None])


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"body": ["a"]}, "no text under 'text'; it has 'body'"),
        ({"text": [1]}, "column 'text' holds int64, no texts"),
        ({"text": ["a", None]}, "row 2: no text under 'text'"),
        ({"text": ["a"], "domain": ["b"]}, "has 'domain' already"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, columns: dict[str, list[Any]], said: str):
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    inputs = Inputs(tmp_path / "in.parquet")

    list(inputs.texts())

    assert said in str(inputs.error)


def test_rows_without_a_text_may_be_left_out(tmp_path: Path):
    pq.write_table(pa.table({"text": ["a", None, "b"]}), tmp_path / "in.parquet")
    inputs = Inputs(tmp_path / "in.parquet", skip=True)

    rows = list(inputs.texts(arrow=True))

    assert [row.text for row in rows] == ["a", "b"] and all(isinstance(row.record, ArrowRow) for row in rows)
    assert (inputs.skipped, inputs.count, inputs.error) == (1, 3, None)


def test_files_of_other_columns_are_refused_and_no_parquet_is_told(tmp_path: Path):
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["a"], "id": [1]}), tmp_path / "b.parquet")
    (tmp_path / "torn.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-9])

    with pytest.raises(ValueError, match=r"b.parquet: has other columns than .*a.parquet; write .jsonl"):
        list(Inputs(tmp_path).texts(arrow=True))
    torn = Inputs(tmp_path / "torn.parquet")
    assert list(torn.texts()) == [] and "torn.parquet: is no parquet file" in str(torn.error)


def test_records_become_columns_of_one_kind_each():
    records: list[dict[str, Any]] = [
        {"text": "a", "n": 1, "x": 1, "mixed": 1, "flag": True, "void": None, "big": 1 << 70, "meta": {"a": [1]}},
        {"text": "b", "n": None, "x": 0.5, "mixed": "y", "late": "z"},
    ]
    found = [{**record, "entities": [RECORD]} for record in records]
    out = io.BytesIO()

    rows = records_to_parquet(lambda: iter([json.dumps(record).encode() for record in found]), Keys(), out)

    written = pq.read_table(io.BytesIO(out.getvalue()))
    kinds = {field.name: str(field.type) for field in written.schema if field.name != "entities"}
    assert rows == 2
    assert kinds == {
        "text": "string", "n": "int64", "x": "double", "mixed": "string", "flag": "bool", "void": "string",
        "big": "string", "meta": "string", "late": "string",
    }  # fmt: skip
    assert written["mixed"].to_pylist() == ["1", '"y"'] and written["meta"].to_pylist() == ['{"a": [1]}', None]
    assert written["entities"][0].as_py() == [RECORD]
