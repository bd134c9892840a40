"""Zip files that annotation tools export: each file in one is read in its own format.

doccano gives a file for each annotator, Label Studio tasks. INCEpTION gives a document with its types, or a project
that holds such a zip for each document and annotator. A text that several files have is taken from the first; that is
the one which all annotators share, doccano's `all` or INCEpTION's curation.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
_PROJECT = "exportedproject.json"  # of INCEpTION, which also has texts, logs and states of its own in other folders
_RESULTS = ("curation", "annotation")  # folders of a project
_OTHERS = ("typesystem.xml", "classes.txt", "notes.json", "readme.md", "annotation.conf", _PROJECT)
_SHARED = "all"  # what doccano calls the file of all annotators
_UNTOUCHED = "initial_cas"  # what INCEpTION calls a document before anybody annotated it


@dataclass
class _Room:
    """What may still be unpacked, of an archive and the archives in it together."""

    files: int = _MOST_FILES
    bytes: int = min(_MOST_BYTES, LARGEST_FILE)


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
        for inner in list(_members(file, _Room())):  # all that is unpacked is checked before any is read
            for_this = parse(inner, options, repairs)
            fresh = [sentence for sentence in for_this if sentence.text not in seen]
            repairs.note(
                "text of a further file of the archive left out", Place(inner.path, 1), len(for_this) - len(fresh)
            )
            seen.update(sentence.text for sentence in fresh)
            sentences += fresh
        return at_least_one(sentences, file.path)

    return read


def _members(file: File, room: _Room, *, is_inner: bool = False) -> Iterator[File]:
    """The files that may hold sentences, those of all annotators first; of an archive in an archive, its files."""
    for member in _unpacked(file, room):
        if sniff(member) is None:
            yield member
        elif is_inner:
            raise CorpusError("is an archive in an archive in another; unpack it", path=member.path)
        else:
            yield from _members(member, room, is_inner=True)


def _unpacked(file: File, room: _Room) -> list[File]:
    try:
        with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
            entries = _wanted([entry for entry in archive.infolist() if not entry.is_dir()])
            _check(entries, file.path, room)
            return [File(file.path.joinpath(*_end(entry.filename)), _bytes(archive, entry)) for entry in entries]
    except CorpusError:
        raise
    except Exception as error:  # zipfile and zlib raise a dozen kinds for a damaged archive, and list none of them
        raise CorpusError(f"can't be read as a .zip: {str(error)[:200]}", path=file.path) from error


def _end(name: str) -> list[str]:
    """The end of a name, with the folder that tells annotators of a document apart."""
    return [part for part in PurePosixPath(name).parts[-2:] if part not in ("/", "..")]


def _wanted(entries: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """Those that may hold sentences, in the order in which their texts count."""
    if any(entry.filename == _PROJECT for entry in entries):
        by_folder = {folder: [e for e in entries if e.filename.startswith(f"{folder}/")] for folder in _RESULTS}
        return [entry for folder in _RESULTS for entry in by_folder[folder] if _is_wanted(entry.filename)]
    wanted = [entry for entry in entries if _is_wanted(entry.filename)]
    return sorted(wanted, key=lambda entry: PurePosixPath(entry.filename).stem.lower() != _SHARED)


def _is_wanted(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = path.name.startswith((".", "__")) or "__MACOSX" in path.parts
    return not hidden and path.name.lower() not in _OTHERS and path.stem.lower() != _UNTOUCHED


def _check(entries: list[zipfile.ZipInfo], path: Path, room: _Room) -> None:
    """Check what an archive says of its files, before any is unpacked; reading stops at these sizes."""
    total = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if len(entries) > room.files or total > room.bytes or total > max(1 << 20, _RATIO * packed):
        raise CorpusError(
            f"unpacks to {len(entries):,} files of {total:,} bytes; unpack it and read the files", path=path
        )
    room.files -= len(entries)
    room.bytes -= total
    for entry in entries:
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entry.flag_bits & 1:
            raise CorpusError(f"holds {entry.filename[:80]!r} encrypted or packed in a rare way", path=path)
        if PurePosixPath(entry.filename).suffix.lower() == ".ann":
            raise CorpusError(f"holds {entry.filename[:80]!r}; unpack it and read the folder", path=path)


def _bytes(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as source:
        return source.read(entry.file_size)
