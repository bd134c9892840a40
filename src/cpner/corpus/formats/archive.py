"""Zip files that annotation tools export: each file in one is read in its own format.

doccano gives a file for each annotator, INCEpTION a document with its types, Label Studio tasks. A text that several
files have is taken from the first, or from the one that all annotators share.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from cpner.corpus.formats._file import LARGEST_FILE, File
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._sentences import at_least_one
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence
from cpner.errors import CorpusError

_SIGN = b"PK\x03\x04"
_MOST_FILES = 10_000
_MOST_BYTES = 256 << 20  # of all files, unpacked
_RATIO = 200  # of unpacked to packed bytes; text packs to a tenth
_OTHERS = ("typesystem.xml", "classes.txt", "notes.json", "readme.md", "annotation.conf", "exportedproject.json")
_SHARED = "all"  # what doccano calls the file of all annotators

Parse = Callable[[File, Options, Repairs], list[Sentence]]


def sniff(file: File) -> str | None:
    """Tell an archive by its first bytes."""
    return "a zip file" if file.data.startswith(_SIGN) else None


def reader(parse: Parse) -> Parse:
    """A reader of archives, which reads the files in them by `parse`."""

    def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
        """Read the files of an archive, which are never unpacked to a disk.

        Raises:
            CorpusError: It is damaged, unpacks to too much, or a file in it can't be read.
        """
        sentences: list[Sentence] = []
        seen: set[str] = set()
        for inner in _members(file):
            for_this = parse(inner, options, repairs)
            fresh = [sentence for sentence in for_this if sentence.text not in seen]
            repairs.note(
                "text of a further file of the archive left out", Place(inner.path, 1), len(for_this) - len(fresh)
            )
            seen.update(sentence.text for sentence in fresh)
            sentences += fresh
        return at_least_one(sentences, file.path)

    return read


def _members(file: File) -> list[File]:
    """The files that may hold sentences, that of all annotators first."""
    try:
        with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir() and _is_wanted(entry.filename)]
            _check(entries, file.path)
            entries.sort(key=lambda entry: PurePosixPath(entry.filename).stem.lower() != _SHARED)
            return [File(file.path / PurePosixPath(entry.filename).name, _bytes(archive, entry)) for entry in entries]
    except CorpusError:
        raise
    except Exception as error:  # zipfile and zlib raise a dozen kinds for a damaged archive, and list none of them
        raise CorpusError(f"can't be read as a .zip: {str(error)[:200]}", path=file.path) from error


def _is_wanted(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = path.name.startswith((".", "__")) or "__MACOSX" in path.parts
    return not hidden and path.name.lower() not in _OTHERS


def _check(entries: list[zipfile.ZipInfo], path: Path) -> None:
    """Check what an archive says of its files, before any is unpacked; reading stops at these sizes."""
    total = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    limit = min(_MOST_BYTES, LARGEST_FILE)
    if len(entries) > _MOST_FILES or total > limit or total > max(1 << 20, _RATIO * packed):
        raise CorpusError(
            f"unpacks to {len(entries):,} files of {total:,} bytes; unpack it and read the files", path=path
        )
    for entry in entries:
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entry.flag_bits & 1:
            raise CorpusError(f"holds {entry.filename[:80]!r} encrypted or packed in a rare way", path=path)
        if PurePosixPath(entry.filename).suffix.lower() in (".ann", ".zip"):
            raise CorpusError(f"holds {entry.filename[:80]!r}; unpack it and read the folder", path=path)


def _bytes(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as source:
        return source.read(entry.file_size)
