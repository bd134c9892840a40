"""Parquet files, read and written a piece at a time; needs pyarrow."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from cpner.annotation.texts import Keys, Text, Texts
from cpner.corpus.sentence import Entity
from cpner.errors import CorpusError, FileError, MissingExtraError
from cpner.files import digest
from cpner.show.entities import entities_json

_ROWS = 1024  # of a file that are in memory at a time
GROUP_ROWS = 50_000  # of a row group that is written
_TAIL = 8  # bytes of a parquet file: the length of what stands before, and a mark
_KINDS = ((bool, "bool"), (int, "int64"), (float, "double"), (str, "string"))


class ArrowRow(NamedTuple):
    """A row of a parquet file as it is, and what names the contents of the file."""

    batch: Any
    place: int
    origin: str


class ParquetTexts(Texts):
    """The texts of a parquet file.

    Args:
        path: The file.
        arrow: Give records as rows of Arrow; else as dicts that JSON can hold.
        settings: Those of `Texts`.
    """

    def __init__(self, path: Path, *, arrow: bool, **settings: Any) -> None:
        super().__init__(str(path), **settings)
        self._path = path
        self._arrow = arrow
        self._rows = 0

    def position(self, size: int) -> int:
        """The share of `size` that was read."""
        return size * self.count // self._rows if self._rows else 0

    def wrong(self, message: str) -> CorpusError:
        """An error about the row that was read last."""
        return CorpusError(f"row {self.count}: {message}", path=self.name)

    def _read(self) -> Iterator[Text]:
        with _open(self._path) as file:
            self._rows = file.metadata.num_rows
            self._check(file.schema_arrow)
            origin = _origin(self._path)
            for batch in _batches(file, self._path):
                records = [ArrowRow(batch, i, origin) for i in range(len(batch))] if self._arrow else _plain(batch)
                texts = batch.column(batch.schema.get_field_index(self.keys.text)).to_pylist()
                for text, record in zip(texts, records, strict=True):
                    self.count += 1
                    if text is None:
                        self.leave_out(self.wrong(f"no text under {self.keys.text!r}"))
                    else:
                        yield Text(text, record)

    def _check(self, schema: Any) -> None:
        pa = arrow()
        if fault := self.keys.fault(schema.names):
            raise CorpusError(fault, path=self.name)
        kind = schema.field(self.keys.text).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
            raise CorpusError(f"column {self.keys.text!r} holds {kind}, no texts", path=self.name)


def arrow() -> Any:
    """The library pyarrow.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("parquet", "formats") from error
    return pyarrow


def same_columns(files: Sequence[Path]) -> None:
    """Check that parquet files can become one.

    Raises:
        CorpusError: One has other columns than the first.
    """
    first = None
    for path in files:
        with _open(path) as file:
            schema = file.schema_arrow.remove_metadata()
        first = schema if first is None else first
        if schema != first:
            raise CorpusError(f"has other columns than {files[0]}; write .jsonl, which takes both", path=path)


def write_rows(rows: Sequence[ArrowRow], entities: Sequence[Sequence[Entity]], domain: str | None, keys: Keys) -> bytes:
    """Rows of parquet files with their entities, as a parquet file."""
    pa = arrow()
    batches = [(group[0].batch, [row.place for row in group]) for group in _by_batch(rows)]
    table = pa.Table.from_batches([batch.take(pa.array(places)) for batch, places in batches])
    if keys.into is None:
        table = table.append_column("domain", pa.array([domain] * len(table), pa.string()))
    table = table.append_column(keys.added[-1], pa.array(map(entities_json, entities), _entities()))
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(table, sink)
    return bytes(sink.getvalue())


def join_parquet(parts: Sequence[Path], out: BinaryIO) -> int:
    """Write parquet files as one, row group by row group; gives the number of rows."""
    pa = arrow()
    rows = 0
    writer = None
    waiting: list[Any] = []
    try:
        for part in parts:
            table = pa.parquet.read_table(pa.BufferReader(part.read_bytes()))
            writer = writer or pa.parquet.ParquetWriter(out, table.schema)
            waiting.append(table.replace_schema_metadata(writer.schema.metadata))
            rows += len(table)
            if sum(map(len, waiting)) >= GROUP_ROWS:
                writer.write_table(pa.concat_tables(waiting))
                waiting = []
        if writer and waiting:
            writer.write_table(pa.concat_tables(waiting))
    finally:
        if writer:
            writer.close()
    return rows


def records_to_parquet(lines: Callable[[], Iterator[bytes]], keys: Keys, out: BinaryIO) -> int:
    """Write lines of JSON as a parquet file; gives the number of rows.

    A column takes whole numbers, numbers, truth values or texts where all its values are such; else their JSON.

    Args:
        lines: Gives the lines from the first on; called twice.
        keys: Of the entities, which have columns of their own.
        out: The file.
    """
    pa = arrow()
    kinds: dict[str, set[str]] = {}
    for line in lines():
        for name, value in json.loads(line).items():
            kinds.setdefault(name, set()).add(_kind(value))
    fields = []
    for name, names in kinds.items():
        if name == keys.added[-1]:
            fields.append(pa.field(name, _entities()))
        else:
            fields.append(pa.field(name, pa.type_for_alias(_common(names)) if _common(names) else pa.string()))
    as_json = {name for name, names in kinds.items() if not _common(names) and name != keys.added[-1]}
    schema = pa.schema(fields)
    rows = 0
    rest = lines()
    with pa.parquet.ParquetWriter(out, schema) as writer:
        while records := [json.loads(line) for line in islice(rest, GROUP_ROWS)]:
            rows += len(records)
            for record in records:
                record.update({name: _as_json(record[name]) for name in as_json & record.keys()})
            writer.write_table(pa.Table.from_pylist(records, schema=schema))
    return rows


def _by_batch(rows: Sequence[ArrowRow]) -> Iterator[list[ArrowRow]]:
    """Rows in a row of the same batch together."""
    return (list(group) for _, group in groupby(rows, key=lambda row: id(row.batch)))


def _kind(value: object) -> str:
    """The kind of column that a value of JSON fits in; empty if it fits in none."""
    if value is None:
        return "null"
    if isinstance(value, int) and not isinstance(value, bool) and not -(1 << 63) <= value < 1 << 63:
        return ""
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "")


def _common(kinds: set[str]) -> str:
    """The kind of column that takes all of some kinds; empty if there is none."""
    some = kinds - {"null"}
    if not some:
        return "string"
    if some == {"int64", "double"}:
        return "double"
    return some.pop() if len(some) == 1 else ""


def _as_json(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _entities() -> Any:
    pa = arrow()
    fields = {"start": pa.int64(), "end": pa.int64(), "type": pa.string(), "text": pa.string(), "score": pa.float64()}
    return pa.list_(pa.struct(list(fields.items())))


@contextlib.contextmanager
def _open(path: Path) -> Iterator[Any]:
    pa = arrow()
    try:
        file = pa.parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise FileError(f"is no parquet file: {str(error).splitlines()[0][:200]}", path=path) from error
    with file:
        yield file


def _batches(file: Any, path: Path) -> Iterator[Any]:
    pa = arrow()
    batches = file.iter_batches(batch_size=_ROWS)
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError) as error:
            raise FileError(f"can't be read: {str(error).splitlines()[0][:200]}", path=path) from error
        if batch is None:
            return
        yield batch


def _origin(path: Path) -> str:
    """What names the contents of a parquet file: its end, with the sizes, places and statistics of all columns."""
    with path.open("rb") as file:
        file.seek(-_TAIL, os.SEEK_END)
        size = int.from_bytes(file.read(4), "little")
        file.seek(-_TAIL - size, os.SEEK_END)
        return digest([file.read(size)])


def _plain(batch: Any) -> Iterable[dict[str, Any]]:
    """Rows of Arrow as dicts that JSON can hold: times and decimals as texts, bytes in base64, NaN as null."""
    pa = arrow()
    columns = []
    for column in batch.columns:
        if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type) or pa.types.is_time(column.type):
            column = column.cast(pa.string())
        columns.append(column)
    rows = pa.RecordBatch.from_arrays(columns, names=batch.schema.names).to_pylist()
    return [_json_value(row) for row in rows]


def _json_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _json_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(inner) for inner in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
