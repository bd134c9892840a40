"""Do benchmark sentences occur in pretraining data? A backbone that has read its test is no fair judge.

Sentences and paragraphs are compared as their lower-case letters and digits, in UTF-8, with everything else removed. A
sentence counts as found if it is part of a paragraph. All windows of a fixed width get a rolling hash at once; where
one is the hash of a sentence's beginning, the sentence is compared.
"""

from __future__ import annotations

import lzma
import re
import string
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cpner.corpus import Corpus
from cpner.corpus.formats import open_lines
from cpner.errors import ConfigError, CorpusError
from cpner.files import replacing
from cpner.pretraining.pool import labelled_files, labelled_texts
from cpner.pretraining.text import Array
from cpner.progress import Progress, Report, ignore

_SPLITS = ("dev", "test")
_WORDS = 8  # sentences of fewer words are only compared with whole paragraphs: they may well be written twice
_WIDTHS = (24, 12)  # bytes of a sentence's beginning that are looked for; the first that the sentence has
_CHUNK = 1 << 20  # bytes of text that are searched at a time
_PRESET = 2  # of xz, fast: what is cleaned is large and will be read a few times
_TABLE = 1 << 22  # entries of the table that most windows are turned away by
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse modulo 2 ** 64
_OTHER = re.compile(r"[^\x00-\x7f\w]+")
_ASCII = bytes(c for c in range(128) if chr(c) not in string.ascii_lowercase + string.digits)


@dataclass
class Leak:
    """Sentences of a benchmark's dev and test splits, and how many of them are found."""

    sentences: int = 0  # of at least eight words
    found: int = 0  # as part of a paragraph
    short: int = 0  # of fewer words
    short_found: int = 0  # as a whole paragraph or labelled sentence
    files: dict[str, int] = field(default_factory=dict)  # found sentences by file; of two with one name, by path
    short_files: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)  # a few found sentences of at least eight words


@dataclass
class Leaks:
    """What `check_leaks` found."""

    benchmarks: dict[str, Leak]
    skipped: dict[str, str]  # folders that could not be read, and why
    lines: dict[str, list[int]]  # by the path of a file, numbers of the lines that hold a sentence, from 1

    def to_json(self) -> dict[str, Any]:
        """As plain dictionaries."""
        return asdict(self)


def check_leaks(
    benchmarks: Path,
    text: Sequence[Path],
    labelled: Path | None = None,
    report: Report = ignore,
) -> Leaks:
    """Look for the dev and test sentences of benchmarks in pretraining data.

    Args:
        benchmarks: folder of corpora, one in each sub-folder.
        text: files of plain text, one paragraph a line.
        labelled: folder of labelled sentences, see `pool.read_pool`.
        report: called before each file with its name, and when all are done.

    Raises:
        CorpusError: no sub-folder holds a corpus, or a file of the data can't be read.
    """
    sentences, skipped = _read_benchmarks(benchmarks)
    search = _Search({key for keys in sentences.values() for key, long in keys if long})
    short = {key for keys in sentences.values() for key, long in keys if not long}
    hits: dict[Path, set[bytes]] = {}
    places: dict[str, list[int]] = {}
    files = {path: open_lines for path in text} | dict.fromkeys(
        labelled_files(labelled) if labelled else (), labelled_texts
    )
    for done, (path, read) in enumerate(files.items()):
        report(Progress(done, len(files), path.name))
        hits[path] = set()
        number = 1
        for chunk in _chunks(read(path)):
            lines = chunk.split(b"\n")[1:-1]
            inside = search(chunk)
            whole = short.intersection(lines)
            if inside or whole:
                held = [i for i, line in enumerate(lines, number) if line in whole or any(h in line for h in inside)]
                places.setdefault(str(path), []).extend(held)
                hits[path] |= inside | whole
            number += len(lines)
    report(Progress(len(files), len(files)))
    named = Counter(path.name for path in hits)
    by_file = {path.name if named[path.name] == 1 else str(path): keys for path, keys in hits.items()}
    return Leaks({name: _count(keys, by_file) for name, keys in sentences.items()}, skipped, places)


def clean_copies(text: Sequence[Path], labelled: Path | None, out: Path) -> dict[Path, Path]:
    """Where `write_clean` shall write each file of the data: text to `out`, labelled sentences to `out/ner`.

    Raises:
        ConfigError: two files would be one, or a file would be written over itself.
    """
    copies = {path: out / path.name for path in text}
    if labelled is not None:
        types = [path for path in (labelled / "types.json",) if path.is_file()]
        copies |= {path: out / "ner" / path.name for path in (*labelled_files(labelled), *types)}
    if over := next((path for path, copy in copies.items() if copy.resolve() == path.resolve()), None):
        raise ConfigError(f"{over} would be written over itself: choose another folder")
    if len(set(copies.values())) < len(copies):
        raise ConfigError("two files of text have the same name: rename one of them")
    return copies


def write_clean(copies: Mapping[Path, Path], leaks: Leaks, report: Report = ignore) -> None:
    """Copy the files that `check_leaks` has read, without the lines that hold a sentence.

    Args:
        copies: where each file goes, as `clean_copies` gives it.
        leaks: which lines to leave out.
        report: called before each file with its name, and when all are done.

    Raises:
        CorpusError: a file can't be read or written.
    """
    for done, (path, copy) in enumerate(copies.items()):
        report(Progress(done, len(copies), path.name))
        left_out = set(leaks.lines.get(str(path), ()))
        with replacing(copy) as file, lzma.open(file, "wb", preset=_PRESET) if path.suffix == ".xz" else file as packed:
            packed.writelines(line.encode() for i, line in enumerate(open_lines(path), 1) if i not in left_out)
    report(Progress(len(copies), len(copies)))


_Key = tuple[bytes, bool]  # a normalised sentence, and whether it is long enough to be looked for inside paragraphs


def _read_benchmarks(folder: Path) -> tuple[dict[str, list[_Key]], dict[str, str]]:
    sentences: dict[str, list[_Key]] = {}
    skipped: dict[str, str] = {}
    for path in sorted(p for p in folder.iterdir() if p.is_dir()):
        try:
            corpus = Corpus.read(path)
        except CorpusError as error:
            skipped[path.name] = str(error)
            continue
        both = [s.word_texts for split in _SPLITS for s in corpus.splits.get(split, [])]
        keys = [(normalise(" ".join(words)), len(words)) for words in both]
        sentences[path.name] = [(key, count >= _WORDS and len(key) >= _WIDTHS[-1]) for key, count in keys if key]
    if not sentences:
        raise CorpusError("no sub-folder holds a corpus that can be read", path=folder)
    return sentences, skipped


def normalise(text: str) -> bytes:
    """Lower-case letters and digits of a text, in UTF-8; line ends are kept apart by `_chunks`."""
    return _OTHER.sub("", text.lower()).encode().translate(None, _ASCII)


def _chunks(lines: Iterable[str]) -> Iterator[bytes]:
    """Normalised lines, with a line end before and after each, a few megabytes at a time."""
    chunk = [b""]
    size = 0
    for line in map(normalise, lines):
        chunk.append(line)
        size += len(line) + 1
        if size >= _CHUNK:
            yield b"\n".join([*chunk, b""])
            chunk = [b""]
            size = 0
    yield b"\n".join([*chunk, b""])


def _count(sentences: list[_Key], hits: dict[str, set[bytes]]) -> Leak:
    everywhere = set().union(*hits.values())
    long, short = ([key for key, is_long in sentences if is_long is kind] for kind in (True, False))
    leak = Leak(len(long), sum(key in everywhere for key in long), len(short), sum(key in everywhere for key in short))
    for keys, files in ((long, leak.files), (short, leak.short_files)):
        counts = {file: sum(key in held for key in keys) for file, held in hits.items()}
        files.update({file: count for file, count in counts.items() if count})
    leak.examples = [key.decode() for key in long if key in everywhere][:5]
    return leak


class _Search:
    """Finds which of many strings occur in a text."""

    def __init__(self, wanted: Iterable[bytes]) -> None:
        self.beginnings: dict[int, dict[bytes, list[bytes]]] = {width: defaultdict(list) for width in _WIDTHS}
        for key in wanted:
            width = next(w for w in _WIDTHS if len(key) >= w)
            self.beginnings[width][key[:width]].append(key)
        self.tables = {width: _table(list(keys), width) for width, keys in self.beginnings.items() if keys}

    def __call__(self, text: bytes) -> set[bytes]:
        """The wanted strings that `text` holds."""
        sums, unit = _sums(np.frombuffer(text, np.uint8))
        hits = set()
        for width, table in self.tables.items():
            if len(text) < width:
                continue  # the ends of the slices below would count from the other side
            windows = (sums[width:] - sums[:-width]) * unit[: len(sums) - width]
            for place in np.flatnonzero(table[_slot(windows)]).tolist():
                for key in self.beginnings[width].get(text[place : place + width], ()):
                    if text.startswith(key, place):
                        hits.add(key)
        return hits


def _sums(values: Array) -> tuple[Array, Array]:
    """Sums of value times base ** place up to each place, and base ** -place: all modulo 2 ** 64."""
    inverse = np.uint64(pow(int(_BASE), -1, 1 << 64))
    powers = np.multiply.accumulate(np.full(len(values), _BASE))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(values * powers, dtype=np.uint64)])
    return sums, np.multiply.accumulate(np.full(len(values), inverse))


def _table(keys: list[bytes], width: int) -> Array:
    """[entries] whether the hash of any key falls there."""
    table = np.zeros(_TABLE, bool)
    for key in keys:
        sums, unit = _sums(np.frombuffer(key, np.uint8))
        table[_slot((sums[width:] - sums[:-width]) * unit[:1])] = True
    return table


def _slot(hashes: Array) -> Array:
    """The entry of each hash: its highest bits, which depend on all of the window."""
    return (hashes >> np.uint64(64 - _TABLE.bit_length() + 1)).astype(np.int64)
