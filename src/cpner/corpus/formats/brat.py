"""brat's standoff: a text in NAME.txt, its entities in NAME.ann. Each line of the text is a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import regex

from cpner.corpus.formats._file import File
from cpner.corpus.formats._offsets import Labelled, RawMark, recount
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import changed_names
from cpner.corpus.formats._sentences import at_least_one, sentences_of_texts
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence
from cpner.errors import CorpusError
from cpner.files import check_utf8

_ENTITY = regex.compile(r"(T\S*)\t(\S+) (\d+ \d+(?:;\d+ \d+)*)(?:\t(.*))?")
_NO_TYPE = regex.compile(r"[^\p{L}\p{N}_.-]")


def sniff(file: File) -> str | None:
    """Tell a pair of files by their endings."""
    if file.path.suffix == ".ann":
        return "the ending .ann"
    beside = file.path.with_suffix(".ann")
    return f"{beside.name} beside it" if file.path.suffix == ".txt" and beside.is_file() else None


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of a document; an entity over several lines joins them.

    Raises:
        CorpusError: A file of the two is missing, or a line of entities is none.
    """
    text_path = file.path.with_suffix(".txt")
    marks_path = file.path.with_suffix(".ann")
    for path in (text_path, marks_path):
        if not path.is_file():
            raise CorpusError(f"no {path.name} beside it", path=file.path)
    text = check_utf8(File(text_path).data, text_path)
    marks = list(_marks(marks_path, repairs))
    (whole,) = recount([Labelled(Place(marks_path, 1), text, marks)], options, repairs)
    return at_least_one(sentences_of_texts(_lines(whole, text_path), options, repairs), file.path)


def write(sentences: Iterable[Sentence]) -> Iterator[str]:
    """The lines of the text; line ends inside a sentence become blanks."""
    for sentence in sentences:
        yield _one_line(sentence.text)


def write_marks(sentences: Iterable[Sentence]) -> Iterator[str]:
    """The lines of the entities; signs that a type can't have become underscores."""
    offset = number = 0
    for sentence in sentences:
        line = _one_line(sentence.text)
        for entity in sentence.entities:
            number += 1
            start = offset + entity.start
            end = offset + entity.end
            yield f"T{number}\t{_spell(entity.type)} {start} {end}\t{line[entity.start : entity.end]}"
        offset += len(line) + 1


def losses(sentences: Sequence[Sentence]) -> Iterator[str]:
    """Tell of line ends and of signs in types, for which brat has no place."""
    broken = sum(_one_line(sentence.text) != sentence.text for sentence in sentences)
    if broken:
        yield f"has no place for line ends in {broken} sentences: written as blanks"
    yield from changed_names(sentences, _spell)


def _spell(type_: str) -> str:
    spelt: str = _NO_TYPE.sub("_", type_)
    return spelt


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\r", " ")


def _marks(path: Path, repairs: Repairs) -> Iterator[RawMark]:
    data = File(path).data
    for number, line in enumerate(check_utf8(data, path).replace("\r\n", "\n").split("\n"), 1):
        place = Place(path, number)
        if not line.strip():
            continue
        if line[0] != "T":
            repairs.note("relation, event, attribute or note left out", place)
            continue
        match = _ENTITY.fullmatch(line.rstrip())
        if match is None:
            raise place.error(f"{line[:60]!r} is no entity; expected 'T1', tab, type, start and end")
        parts = [tuple(map(int, part.split())) for part in match[3].split(";")]
        repairs.note("discontinuous entity read from its first to its last part", place, int(len(parts) > 1))
        said = match[4] if len(parts) == 1 else None
        yield RawMark(parts[0][0], parts[-1][1], match[2], said)


def _lines(whole: Labelled, path: Path) -> Iterator[Labelled]:
    """The lines of a document with their entities."""
    marks = sorted(whole.marks, key=lambda mark: mark[:3])
    start = first = line = 0
    text = whole.text
    inside = [mark for mark in marks if mark.end <= len(text)]
    if len(inside) < len(marks):
        odd = next(mark for mark in marks if mark.end > len(text))
        raise whole.place.error(
            f"the entity at {odd.start} to {odd.end} lies outside the text of {len(text)} characters"
        )
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        last = first
        while last < len(marks) and marks[last].start < end:
            if marks[last].end > end:  # it goes on in the next line
                end = text.find("\n", marks[last].end) + 1 or len(text)
            last += 1
        here = [mark._replace(start=mark.start - start, end=mark.end - start) for mark in marks[first:last]]
        line += 1
        if text[start:end].strip() or here:
            yield Labelled(Place(path, text.count("\n", 0, start) + 1), text[start:end].rstrip("\r\n"), here)
        start = end
        first = last
