"""What the formats in JSON share: records with their line numbers, and the entities of a record."""

from __future__ import annotations

import itertools
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cpner.corpus.formats._file import is_pair
from cpner.corpus.formats._offsets import RawMark
from cpner.corpus.formats._options import Options
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Mark, Sentence
from cpner.corpus.type_names import can_name_type, words_of
from cpner.corpus.words import strip_white
from cpner.errors import CorpusError
from cpner.progress import Report, counted, ignore

ENTITY_KEYS = ("entities", "spans", "ner", "labels", "label", "ents", "annotations")
_STARTS = ("start", "start_offset", "startOffset")
_ENDS = ("end", "end_offset", "endOffset")
_TYPES = ("type", "label", "labels", "entity", "tag")
_NO_GOLD = "record whose answer is not 'accept' left out"
_ONE_JUDGED = "record that judges one entity left out: whether its text has others is unknown"
_ONE_VIEWS = ("ner", "classification")  # views in which Prodigy asks about one entity; "ner_manual" shows all
Record = dict[str, Any]


class _DoubleKeyError(ValueError):
    """An object has a key twice."""


def records(path: Path, text: str, progress: Report = ignore) -> Iterator[tuple[Place, Record]]:
    """The objects of a file of JSON lines, or of one JSON list; how many are read is reported.

    Raises:
        CorpusError: A line is not JSON, not an object, or has a key twice; or text follows a list.
    """
    for place, record in values(path, text, progress):
        if not isinstance(record, dict):
            raise place.error(
                f"a JSON {type(record).__name__}; expected an object such as {{'text': ..., 'entities': ...}}"
            )
        yield place, record


def values(path: Path, text: str, progress: Report = ignore) -> Iterator[tuple[Place, Any]]:
    """The values of a file of JSON lines, or of one JSON list. The errors are those of `records`."""
    start = text.lstrip()
    if start.startswith("[") and not is_pair(start.partition("\n")[0]):
        return counted(_list_items(path, text), progress, f"reading {path.name}", "records")
    if start.startswith("{") and "\n" in start.rstrip() and not _is_json(start.partition("\n")[0]):
        return _one_object(path, text)
    return _lines(path, text, progress)


def only_record(path: Path, text: str) -> Record:
    """The object of a file that holds one.

    Raises:
        CorpusError: It holds none, or several; or as of `records`.
    """
    first_two = list(itertools.islice(records(path, text), 2))
    if len(first_two) != 1:
        raise CorpusError(f"{'several JSON objects' if first_two else 'no JSON object'}; expected one", path=path)
    return first_two[0][1]


def list_of(record: Record, key: str, place: Place) -> list[Any]:
    """The list under a key; empty where there is no such key.

    Raises:
        CorpusError: It is no list.
    """
    values = record.get(key)
    if not isinstance(values, list | None):
        raise place.error(f"no list under {key!r}")
    return values or []


def note_types(record: Record, repairs: Repairs) -> None:
    """Take the names of types that a file of cpner's own gives as they are."""
    types = record.get("types")
    if isinstance(types, list) and are_strings(types):
        repairs.words.update((name, name) for name in types if can_name_type(name))


def types_in_words(sentences: Iterable[Sentence], blank: str = " ") -> list[str]:
    """The types of sentences, if one would get other words when it is read again with `blank` for its blanks."""
    types = {entity.type for sentence in sentences for entity in sentence.gold}
    return sorted(types) if any(words_of(type_.replace(" ", blank)) != type_ for type_ in types) else []


def changed_names(sentences: Iterable[Sentence], spell: Callable[[str], str] = str) -> Iterator[str]:
    """Tell of types that get other words when they are read again, from a file without a place for their names.

    Args:
        sentences: What is written.
        spell: How the file spells a type.
    """
    types = sorted({entity.type for sentence in sentences for entity in sentence.gold})
    changed = [(type_, words_of(spell(type_))) for type_ in types if words_of(spell(type_)) != type_]
    if changed:
        before, after = changed[0]
        yield f"has no place for the names of {len(changed)} types: {before!r} comes back as {after!r}"


def are_strings(value: object) -> bool:
    """Whether this is a list of texts."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def gold(labelled: Iterable[tuple[Place, Record]], repairs: Repairs) -> Iterator[tuple[Place, Record]]:
    """The records that their annotator accepted, where the tool asks for an answer."""
    for place, record in labelled:
        note_types(record, repairs)
        if record.get("answer", "accept") != "accept":
            repairs.mend(_NO_GOLD, place)
        elif _judges_one(record):
            repairs.mend(_ONE_JUDGED, place)
        else:
            yield place, record


def _judges_one(record: Record) -> bool:
    """Whether an answer of Prodigy is on one entity alone, as those of `ner.teach` are."""
    if "_view_id" in record:
        return record["_view_id"] in _ONE_VIEWS
    spans = record.get("spans")
    listed = spans if isinstance(spans, list) else []
    guesses = [isinstance(span, dict) and {"score", "rank"} <= span.keys() for span in listed]
    return "_input_hash" in record and len(guesses) == 1 and guesses[0]


def raw_marks(record: Record, place: Place, repairs: Repairs) -> list[RawMark]:
    """The entities of a record as the file has them; types are checked, offsets are only whole numbers.

    Args:
        record: Has a list under one of `ENTITY_KEYS`.
        place: Named in errors.
        repairs: Gains a count where an empty list stands beside a filled one.

    Raises:
        CorpusError: No list of entities, one of another form, or several with entities.
    """
    key = entity_key(record, place, repairs)
    if key is None:
        raise place.error(f"no list of entities under {', '.join(ENTITY_KEYS)}; keys: {show_keys(record)}")
    return [raw_mark(value, place) for value in record[key]]


def entity_key(record: Record, place: Place | None = None, repairs: Repairs | None = None) -> str | None:
    """The key that holds a record's entities.

    Raises:
        CorpusError: Two keys hold different ones; only where `place` is given.
    """
    keys = [key for key in ENTITY_KEYS if isinstance(record.get(key), list)]
    filled = [key for key in keys if record[key]]
    if place is not None and len(filled) > 1 and any(record[key] != record[filled[0]] for key in filled):
        raise place.error(f"entities under both {filled[0]!r} and {filled[1]!r}; keep one of the two")
    if repairs is not None and filled and len(keys) > len(filled):
        repairs.mend("empty list of entities beside a filled one left out", place)
    return next(iter(filled or keys), None)


def raw_mark(value: Any, place: Place) -> RawMark:
    """An entity of a file: an object, or a list of start, end and type.

    Raises:
        CorpusError: It is none.
    """
    said = None
    if isinstance(value, dict):
        parts = [_one_of(value, keys, place) for keys in (_STARTS, _ENDS, _TYPES)]
        said = value.get("text")
    else:
        parts = list(value) if isinstance(value, list) else []
    if len(parts) == 3:
        start, end, type_ = parts
        if isinstance(type_, list) and len(type_) == 1:
            type_ = type_[0]
        if type(start) is int and type(end) is int and isinstance(type_, str) and strip_white(type_):
            check_unicode(type_, place)
            return RawMark(start, end, strip_white(type_), said if isinstance(said, str) else None)
    raise place.error(f"{show(value)} is no entity; expected [start, end, type] or the same as keys")


def show(value: Any) -> str:
    """A value as JSON, shortened, for errors."""
    shown = json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace").decode()
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def shorten(text: str) -> str:
    """A text in quotes, with signs that can't be seen as codes, shortened, for errors."""
    shown = repr(text[:80])
    return shown if len(text) <= 80 else f"{shown[:77]}..."


def show_keys(record: Record) -> str:
    """The keys of a record on one line, for errors."""
    return show(list(record))[1:-1] or "none"


def in_order(marks: Sequence[Mark], place: Place, unit: str, repairs: Repairs, options: Options) -> list[Mark]:
    """Sort entities, leave out identical ones, and settle overlaps.

    Raises:
        CorpusError: Two overlap, and `options` refuse that.
    """
    distinct = list(dict.fromkeys(marks))
    repairs.mend("duplicate entity left out", place, len(marks) - len(distinct))
    repairs.mend("sentence whose entities were not in order", place, int(sorted(marks) != list(marks)))
    if not _overlap(distinct):
        return sorted(distinct)
    if options.overlaps == "error":
        distinct = sorted(distinct)
    elif options.overlaps == "longest":
        distinct.sort(key=lambda mark: mark[0] - mark[1])
    chosen: list[Mark] = []  # ascending
    for mark in distinct:
        i = bisect_right(chosen, mark)
        rivals = [other for other in chosen[max(i - 1, 0) : i + 1] if mark[0] < other[1] and other[0] < mark[1]]
        if not rivals:
            chosen.insert(i, mark)
        elif options.overlaps == "error":
            raise place.error(
                f"{_name(rivals[0], unit)} and {_name(mark, unit)} overlap; entities must not: keep one of the two, "
                "or say which (overlaps: longest or first)"
            )
        else:
            repairs.note(f"overlapping entity left out ({options.overlaps} kept)", place)
    return chosen


def check_inside(mark: Mark, limit: int, place: Place, unit: str) -> None:
    """Raise an error where an entity is empty or leaves its sentence."""
    if not 0 <= mark[0] < mark[1] <= limit:
        raise place.error(f"{_name(mark, unit)} is empty or lies outside the sentence of {limit} {unit}s")


def check_unicode(text: str, place: Place) -> None:
    """Raise an error at half of a surrogate pair, which JSON can spell but no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise place.error(f"character {error.start} is half of a surrogate pair; write the whole character") from error


def _overlap(marks: Iterable[Mark]) -> bool:
    ordered = sorted(marks)
    return any(right[0] < left[1] for left, right in itertools.pairwise(ordered))


def _one_of(value: Record, keys: Sequence[str], place: Place) -> Any:
    """What stands under one of the keys.

    Raises:
        CorpusError: Two of them hold different things.
    """
    present = [value[key][0] if _is_single(value[key]) else value[key] for key in keys if value.get(key) is not None]
    if any(other != present[0] for other in present):
        raise place.error(f"{show(value)} says two things under {' and '.join(k for k in keys if k in value)}")
    return present[0] if present else None


def _is_single(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 1


def _pairs(pairs: list[tuple[str, Any]]) -> Record:
    record = dict(pairs)
    if len(record) != len(pairs):
        keys = [key for key, _ in pairs]
        double = next(key for key in record if keys.count(key) > 1)
        raise _DoubleKeyError(f"the key {show(double)} twice in one object; keep one of the two")
    return record


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs)


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _lines(path: Path, text: str, progress: Report) -> Iterator[tuple[Place, Any]]:
    for number, line in enumerate(counted(text.rstrip("\n").split("\n"), progress, f"reading {path.name}", "lines"), 1):
        if line.strip():
            place = Place(path, number)
            try:
                yield place, _DECODER.decode(line.strip())
            except _DoubleKeyError as error:
                raise place.error(str(error)) from error
            except (ValueError, RecursionError) as error:
                raise place.error(f"not JSON: {error}; expected one object a line") from error


def _one_object(path: Path, text: str) -> Iterator[tuple[Place, Any]]:
    """The object that a file is, over several lines."""
    place = Place(path, 1)
    try:
        yield place, _DECODER.decode(text.strip())
    except _DoubleKeyError as error:
        raise place.error(str(error)) from error
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise CorpusError(f"not JSON: {error}; expected one object a line", path=path, line=line) from error


def _list_items(path: Path, text: str) -> Iterator[tuple[Place, Any]]:
    position = text.index("[") + 1
    line = 1
    counted = 0
    while True:
        while position < len(text) and (text[position].isspace() or text[position] == ","):
            position += 1
        line += text.count("\n", counted, position)
        counted = position
        place = Place(path, line)
        if text[position : position + 1] == "]":
            rest = text[position + 1 :].lstrip()
            if rest:
                after = line + text.count("\n", position, len(text) - len(rest))
                raise CorpusError(
                    f"text after the end of the list: {show(rest[:60])}; expected one list, or an object a line",
                    path=path,
                    line=after,
                )
            return
        try:
            item, position = _DECODER.raw_decode(text, position)
        except _DoubleKeyError as error:
            raise place.error(str(error)) from error
        except (ValueError, RecursionError) as error:
            raise place.error(f"not JSON: {error}; expected a list of objects") from error
        yield place, item


def _name(mark: Mark, unit: str) -> str:
    return f"the entity {mark[2][:60]!r} at {unit}s {mark[0]} to {mark[1]}"
