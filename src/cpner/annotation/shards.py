"""Shards: so many texts of an input, cut the same way each time, and the folder that keeps what was found in them.

A shard's file is named for its number and for the content of its texts. So what a stopped run made is found again
however the input is read, from a pipe too; where the input has changed, its shards are made anew.
"""

from __future__ import annotations

import contextlib
import filecmp
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from cpner.annotation.inputs import Inputs
from cpner.annotation.parquet import ArrowRow
from cpner.annotation.texts import Text
from cpner.errors import ConfigError, CpnerError, FileError, one_line
from cpner.files import read_small, replacing, write_text

_MANIFEST = "manifest.json"
_JOINED = "joined"
_LOCK = ".lock"
# What a run may not change when it goes on, and what sets it.
_SETTINGS = {
    "domain": "--domain",
    "types": "--types",
    "batch_size": "--batch-size",
    "beams": "--beams",
    "by_sentence": "--by-sentence or --whole-texts",
    "precision": "--precision",
    "review": "--review",
    "cut": "--threshold, --thresholds or --least-precision",
    "calibrated": "--raw-scores or none",
    "shard_size": "--shard-size",
    "into": "--into",
    "records": "--from",
    "labels": "--label-config",
}


@dataclass(frozen=True)
class Shard:
    """Some texts in a row.

    Attributes:
        number: From 0.
        rows: The texts with their records.
        name: Of its file.
        bytes: Of the input that it takes up, about.
    """

    number: int
    rows: list[Text]
    name: str
    bytes: int

    @property
    def texts(self) -> list[str]:
        """What a worker gets."""
        return [row.text for row in self.rows]


def cut(inputs: Inputs, size: int, *, arrow: bool) -> Iterator[Shard]:
    """Cut an input into shards; the rest before an error is none, as what is mended there may belong to it.

    Args:
        inputs: Read to its end; it tells of an error.
        size: Texts of a shard; the last may have fewer.
        arrow: Whether records of parquet files are kept as they are.
    """
    rows: list[Text] = []
    number = 0
    start = 0
    for row in inputs.texts(arrow=arrow):
        rows.append(row)
        if len(rows) == size:
            end = inputs.position
            yield _shard(number, rows, end - start)
            number += 1
            start = end
            rows = []
    if rows and inputs.error is None:
        yield _shard(number, rows, inputs.position - start)


def _shard(number: int, rows: list[Text], size: int) -> Shard:
    content = hashlib.sha256()
    for row in rows:
        record = row.record
        part = [record.origin, row.text] if isinstance(record, ArrowRow) else [record, row.text]
        content.update(json.dumps(part, ensure_ascii=False).encode() + b"\n")
    return Shard(number, rows, f"{number:07}-{content.hexdigest()[:16]}", size)


class Parts:
    """The folder OUT.parts, where the shards of a run wait until all are there.

    Args:
        out: The file that they become. The folder of a link's target holds them.
        overwrite: Whether OUT may be there with another content.
    """

    def __init__(self, out: Path, *, overwrite: bool = True) -> None:
        self._overwrite = overwrite
        self.out = Path(os.path.realpath(out))
        self.folder = self.out.with_name(f"{self.out.name}.parts")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, and keep other processes out of it.

        Raises:
            FileError: It can't be made, or another process is at work in it.
        """
        from filelock import FileLock, Timeout

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / _LOCK, timeout=0)
            lock.acquire()
        except Timeout as error:
            raise FileError("another process is at work here", path=self.folder) from error
        except OSError as error:
            raise FileError(f"can't be written: {error.strerror or error}", path=self.folder) from error
        try:
            yield
        finally:
            lock.release()
            if not any(self.folder.glob("0*")):  # nothing was done
                shutil.rmtree(self.folder, ignore_errors=True)

    def begin(self, settings: Mapping[str, Any]) -> int:
        """Begin with these settings, or go on; gives the number of shards that are there.

        Raises:
            ConfigError: Another run left shards here, with other settings, another domain or backbone.
            FileError: The folder can't be written to.
        """
        for left in [*self.folder.glob(".[0jmr]*"), self.folder / _JOINED]:  # of a run that was killed while it wrote
            left.unlink(missing_ok=True)
        settings = json.loads(json.dumps(settings))
        manifest = self.folder / _MANIFEST
        shards = sum(1 for _ in self.folder.glob("0*"))
        if shards and manifest.is_file():
            self._compare(self._settings(), settings)
        write_text(manifest, [json.dumps(settings, ensure_ascii=False, indent=1)])
        return shards

    def _settings(self) -> dict[str, Any]:
        """What the shards that are here were made with."""
        path = self.folder / _MANIFEST
        try:
            settings = json.loads(read_small(path))
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path} is damaged ({one_line(error)}): remove {self.folder} to begin anew") from error
        if not isinstance(settings, dict):
            raise ConfigError(f"{path} is damaged (it is no table): remove {self.folder} to begin anew")
        return settings

    def _compare(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        for name in sorted({*before, *now}, key=list({**_SETTINGS, **before, **now}).index):
            old = before.get(name)
            new = now.get(name)
            if old == new:
                continue
            flag = _SETTINGS.get(name)
            if flag:
                what = f"with {flag} {_shown(old)}, this one has {_shown(new)}: give what it had"
            else:
                what = f"with another {name.replace('_', ' ')} ({_shown(old)}, now {_shown(new)}): bring that back"
            raise ConfigError(f"{self.folder} keeps a stopped run {what}, or remove that folder to begin anew")

    @property
    def precision(self) -> str | None:
        """What the shards that are here were computed in; None if there are none."""
        manifest = self.folder / _MANIFEST
        if not manifest.is_file() or not any(self.folder.glob("0*")):
            return None
        precision = self._settings().get("precision")
        return precision if isinstance(precision, str) else None

    def review(self, name: str) -> Path:
        """Where the least sure texts of a shard of this name are kept."""
        return self.folder / f"review-{name}"

    def has(self, shard: Shard) -> bool:
        """Whether a shard is done."""
        return (self.folder / shard.name).is_file()

    def put(self, shard: Shard, data: bytes) -> None:
        """Keep what was made of a shard, all or nothing.

        Raises:
            FileError: It can't be written.
        """
        with replacing(self.folder / shard.name, sync=True) as file:
            file.write(data)

    def join(self, names: Sequence[str], rows: int, join: Callable[[Sequence[Path], BinaryIO], int]) -> None:
        """Make OUT of all shards, all or nothing, and remove the folder.

        Args:
            names: Of the shards, in order.
            rows: That they have together.
            join: Writes files of shards as one, and gives the number of its rows.

        Raises:
            FileError: OUT can't be written, or is another file that must stay.
        """
        joined = self.folder / _JOINED
        with replacing(joined, sync=True) as file:
            count = join([self.folder / name for name in names], file)
        if count != rows:
            raise CpnerError(f"{self.folder} has {count:,} rows in place of {rows:,}: remove it and run anew")
        if not self._overwrite and self.out.exists() and not filecmp.cmp(joined, self.out, shallow=False):
            raise FileError(
                "is there already, with another content; choose another name or give --overwrite", path=self.out
            )
        try:
            if self.out.exists():
                os.chmod(joined, self.out.stat().st_mode & 0o777)
            os.replace(joined, self.out)
        except OSError as error:
            raise FileError(f"can't be written: {error.strerror or error}", path=self.out) from error
        shutil.rmtree(self.folder, ignore_errors=True)


def _shown(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {None: "unset", True: "on", False: "off"}[value]
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
