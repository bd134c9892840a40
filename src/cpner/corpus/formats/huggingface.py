"""Data sets of Hugging Face: `tokens` and `ner_tags`, as numbers or texts, in JSON lines, parquet and arrow files."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from cpner.corpus.formats import _tags as tags
from cpner.corpus.formats._file import File
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import changed_names
from cpner.corpus.formats._sentences import at_least_one
from cpner.corpus.formats.tokens import TAG_KEYS, sentences_of, words_of
from cpner.corpus.formats.tokens import read as read_tokens
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence
from cpner.errors import CorpusError, MissingExtraError

_PARQUET = b"PAR1"
_ARROW = b"ARROW1"


def sniff(file: File) -> str | None:
    """Tell a binary table by its first bytes, and JSON lines by tags as numbers."""
    if _is_binary(file):
        return "a parquet or arrow file"
    tags_: list[Any] = next((file.record[key] for key in TAG_KEYS if isinstance(file.record.get(key), list)), [])
    if tags_ and all(type(tag) is int for tag in tags_):
        return "tags as numbers"
    return "keys 'tokens' and 'ner_tags'" if {"tokens", "ner_tags"} <= file.record.keys() else None


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of a file; a binary one knows the names of its tags.

    Raises:
        CorpusError: A row lacks words or tags, or tags are numbers without names.
        MissingExtraError: pyarrow is not installed, and the file is a binary one.
    """
    if not _is_binary(file):
        return read_tokens(file, options, repairs)
    table = _table(file)
    names = options.tag_names or _names(table)
    named = replace(options, tag_names=names)
    counted_rows = options.counted(table.to_pylist(), file.path, "rows")
    rows = ((Place(file.path, number), row) for number, row in enumerate(counted_rows, 1))
    words = [words_of({k: v for k, v in row.items() if v is not None}, place, named, repairs) for place, row in rows]
    return at_least_one(sentences_of(words, options, repairs), file.path)


def write(sentences: Iterable[Sentence]) -> Iterator[str]:
    """The lines of a file that `datasets.load_dataset("json", ...)` reads; tags are texts."""
    for sentence in sentences:
        record = {"tokens": sentence.word_texts, "ner_tags": [_spell(tag) for tag in tags.encode(sentence)]}
        yield json.dumps(record, ensure_ascii=False)


def losses(sentences: Iterable[Sentence]) -> Iterator[str]:
    """Tell of names of types that tags can't keep."""
    return changed_names(sentences, _spell)


def _spell(type_: str) -> str:
    return type_.replace(" ", "_")


def _is_binary(file: File) -> bool:
    parquet = file.data.startswith(_PARQUET) and file.data.endswith(_PARQUET) and len(file.data) > len(_PARQUET)
    return parquet or file.data.startswith(_ARROW) or file.ending in (".parquet", ".arrow")


def _table(file: File) -> Any:
    try:
        import pyarrow as pa
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise MissingExtraError(f"reading {file.path.name}", "formats") from error
    try:
        if file.data.startswith(_PARQUET):
            return parquet.read_table(io.BytesIO(file.data))
        opener = pa.ipc.open_file if file.data.startswith(_ARROW) else pa.ipc.open_stream
        return opener(pa.BufferReader(file.data)).read_all()
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(f"is no table: {str(error).splitlines()[0][:200]}", path=file.path) from error


def _names(table: Any) -> tuple[str, ...] | None:
    """The names of the tags in the features that `datasets` puts beside a table."""
    try:
        features = json.loads((table.schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return None
    for key in TAG_KEYS:
        feature = features.get(key)
        inner = feature.get("feature", feature) if isinstance(feature, dict) else None
        inner = inner[0] if isinstance(inner, list) and inner else inner
        names = inner.get("names") if isinstance(inner, dict) else None
        if isinstance(names, list):
            return tuple(map(str, names))
    return None
