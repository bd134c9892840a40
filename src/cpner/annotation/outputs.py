"""What OUT is made of: how the file of a shard is written, and how the files of all become one."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from cpner.annotation.parquet import join_parquet, records_to_parquet, write_rows
from cpner.annotation.shards import Shard
from cpner.annotation.texts import Keys
from cpner.annotation.worker import Reply, entities_of
from cpner.corpus.formats import packing
from cpner.corpus.labelling import Labelling
from cpner.show.entities import Tagged
from cpner.show.label_studio import predicted_task

ENDINGS = (".jsonl", ".ndjson", ".jsonl.gz", ".jsonl.xz", ".ndjson.gz", ".ndjson.xz", ".json", ".parquet")


class Output(ABC):
    """A form that OUT has.

    Attributes:
        of_shards: What the files of shards hold, in words; a run that goes on must have the same.

    Args:
        domain: Whose entities were looked for; None for zero-shot.
        keys: Of the text in a record, and of its entities.
    """

    of_shards: str

    def __init__(self, domain: str | None, keys: Keys) -> None:
        self.domain = domain
        self.keys = keys

    @abstractmethod
    def write(self, shard: Shard, reply: Reply) -> bytes:
        """The file of a shard."""

    @abstractmethod
    def join(self, parts: Sequence[Path], file: BinaryIO) -> int:
        """Write the files of all shards as one; gives the number of its rows."""


class ParquetRows(Output):
    """Rows of parquet files as they are, with further columns."""

    of_shards = "rows of parquet"

    def write(self, shard: Shard, reply: Reply) -> bytes:
        """A parquet file."""
        rows = [row.record for row in shard.rows]
        return write_rows(rows, entities_of(shard.texts, reply.entities), self.domain, self.keys)

    def join(self, parts: Sequence[Path], file: BinaryIO) -> int:
        """One parquet file of all."""
        return join_parquet(parts, file)


class JsonLines(Output):
    """A line of JSON for each record.

    Args:
        domain: As for `Output`.
        keys: As for `Output`.
        out: Its ending says how lines are packed.
    """

    of_shards = "lines"

    def __init__(self, domain: str | None, keys: Keys, out: Path) -> None:
        super().__init__(domain, keys)
        self._out = out

    def write(self, shard: Shard, reply: Reply) -> bytes:
        """Lines of JSON, whatever becomes of them."""
        rows = zip(shard.rows, entities_of(shard.texts, reply.entities), reply.scores, strict=True)
        tagged = (Tagged(row.text, of, self.domain, row.record, self.keys.into, score) for row, of, score in rows)
        return "".join(f"{json.dumps(self._record(one), ensure_ascii=False)}\n" for one in tagged).encode()

    def join(self, parts: Sequence[Path], file: BinaryIO) -> int:
        """The lines of all."""
        with packing(self._out, file) as packed:
            return sum(packed.write(line) > 0 for line in _lines(parts))

    def _record(self, tagged: Tagged) -> dict[str, Any]:
        return tagged.to_json()


class LinesToParquet(JsonLines):
    """Lines of JSON whose keys become columns."""

    def join(self, parts: Sequence[Path], file: BinaryIO) -> int:
        """A parquet file."""
        return records_to_parquet(lambda: _lines(parts), self.keys, file)


class PredictedTasks(JsonLines):
    """Tasks with predictions, for Label Studio.

    Args:
        domain: As for `Output`.
        keys: As for `Output`.
        out: As for `JsonLines`.
        labelling: How regions are named.
        version: Of the model, as Label Studio shows it.
    """

    of_shards = "tasks"

    def __init__(self, domain: str | None, keys: Keys, out: Path, labelling: Labelling, version: str) -> None:
        super().__init__(domain, keys, out)
        self._labelling = labelling
        self._version = version

    def join(self, parts: Sequence[Path], file: BinaryIO) -> int:
        """A list of JSON, a task a line."""
        count = 0
        for line in _lines(parts):
            file.write((b",\n" if count else b"[") + line.rstrip(b"\n"))
            count += 1
        file.write(b"]\n" if count else b"[]\n")
        return count

    def _record(self, tagged: Tagged) -> dict[str, Any]:
        return predicted_task(tagged, self._labelling, self._version)


def _lines(parts: Sequence[Path]) -> Iterator[bytes]:
    for part in parts:
        with part.open("rb") as lines:
            yield from lines
