"""The formats that corpora are read and written in, and which one a file has."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from cpner.corpus.formats import conll, jsonl, tokens
from cpner.corpus.formats._text import read_text
from cpner.corpus.repairs import Repairs
from cpner.corpus.sentence import Sentence
from cpner.errors import ConfigError, CorpusError, did_you_mean


class Format(NamedTuple):
    """One way to write a corpus: its reader, its writer and the ending of its files."""

    read: Callable[[Path, str, Repairs], list[Sentence]]
    write: Callable[[Iterable[Sentence]], Iterator[str]]
    suffix: str
    words: bool = False  # its entities are words, so that one inside a word can't be written


FORMATS = {
    "conll": Format(conll.read, conll.write, ".conll", words=True),
    "jsonl": Format(jsonl.read, jsonl.write, ".jsonl"),
    "tokens": Format(tokens.read, tokens.write, ".jsonl", words=True),
}


def get_format(name: str) -> Format:
    """Look a format up by its name.

    Raises:
        ConfigError: There is none of this name.
    """
    if name not in FORMATS:
        raise ConfigError(f"No format {name!r}. Known: {', '.join(FORMATS)}.{did_you_mean(name, FORMATS)}")
    return FORMATS[name]


def read_file(path: Path, format: str | None, repairs: Repairs) -> list[Sentence]:
    """Read a file of a known or, with None, a detected format; types stay the codes of the file.

    Raises:
        CorpusError: The file can't be read.
        ConfigError: No such format.
    """
    chosen = get_format(format) if format else None
    text = read_text(path)
    return (chosen or FORMATS[detect(path, text)]).read(path, text, repairs)


def detect(path: Path, text: str) -> str:
    """Tell a file's format by its first record.

    Raises:
        CorpusError: A JSON record could be of either format.
    """
    start = text.lstrip()
    record = _first_record(start) if start[0] in "[{" else None
    if record is None:  # a CoNLL file can begin with the word "{"; a broken JSON file gets its error from its reader
        return "jsonl" if path.suffix.lower() in {".jsonl", ".json", ".ndjson"} else "conll"
    if tokens.token_key(record) is None:
        return "tokens" if tokens.word_lists(record) and "text" not in record else "jsonl"
    if "text" in record and not any(key in record for key in (*tokens.TAG_KEYS, "tokenized_text", "ner")):
        raise CorpusError(
            "the first record has both words and 'text', so offsets could count either; "
            "name the format: 'jsonl' (characters) or 'tokens' (words)",
            path=path,
        )
    return "tokens"


def _first_record(start: str) -> dict[str, object] | None:
    """The record that a JSON file begins with, alone or in a list; None where something else goes on in its line."""
    listed = start[0] == "["
    begin = start[1:].lstrip() if listed else start
    try:
        record, end = json.JSONDecoder().raw_decode(begin)
    except (ValueError, RecursionError):
        return None
    rest = begin[end:].partition("\n")[0].strip()
    if listed:
        rest = rest.removeprefix("]").removeprefix(",").strip()
    over = not rest or (listed and rest[0] == "{")  # or the next record of the list
    return record if isinstance(record, dict) and over else None
