"""BioC, XML and JSON: documents of passages, whose annotations count characters from the start of the document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from cpner.corpus.formats._file import File
from cpner.corpus.formats._offsets import Labelled, RawMark, whole_number
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import Record, check_unicode, list_of, records, show
from cpner.corpus.formats._sentences import at_least_one, sentences_of_texts
from cpner.corpus.formats._xml import parse_xml
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence
from cpner.corpus.words import strip_white

_TYPES = ("type", "NER", "label", "class", "category", "semantic_type")  # keys that may hold the type, in this order


def sniff(file: File) -> str | None:
    """Tell JSON by its keys, XML by its first element."""
    documents = file.record.get("documents")
    if isinstance(documents, list) and documents and isinstance(documents[0], dict) and "passages" in documents[0]:
        return "documents with passages"
    start = file.text.lstrip()
    return "documents with passages" if start.startswith("<") and "<passage" in start[:100_000] else None


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read each passage as a text; where a passage has sentences alone, each of these.

    Raises:
        CorpusError: It is no collection, or an annotation isn't what it says.
    """
    place = Place(file.path, 1)
    if file.text.lstrip().startswith("<"):
        collections = [_collection(parse_xml(file.data, file.path))]
    else:
        collections = [record for _, record in records(file.path, file.text, options.progress)]
    documents = [document for collection in collections for document in _objects(collection, "documents", place)]
    labelled = [
        _labelled(text, place, repairs)
        for document in documents
        for passage in _objects(document, "passages", place)
        for text in _texts(passage, place)
    ]
    relations = sum(
        len(_objects(part, "relations", place))
        for document in documents
        for part in (document, *_objects(document, "passages", place))
    )
    repairs.note("relation left out", place, relations)
    return at_least_one(sentences_of_texts(labelled, options, repairs), file.path)


def _texts(passage: Record, place: Place) -> list[Record]:
    """A passage, or the sentences that hold its text; annotations of both."""
    if isinstance(passage.get("text"), str):
        inner = [
            one
            for sentence in _objects(passage, "sentences", place)
            for one in _objects(sentence, "annotations", place)
        ]
        return [{**passage, "annotations": [*_objects(passage, "annotations", place), *inner]}]
    return [sentence for sentence in _objects(passage, "sentences", place) if isinstance(sentence.get("text"), str)]


def _labelled(passage: Record, place: Place, repairs: Repairs) -> Labelled:
    text: str = passage["text"]
    check_unicode(text, place)
    begin = _number(passage.get("offset", 0), place)
    return Labelled(place, text, list(_marks(passage, begin, place, repairs)))


def _marks(passage: Record, begin: int, place: Place, repairs: Repairs) -> Iterator[RawMark]:
    for annotation in _objects(passage, "annotations", place):
        infons = annotation.get("infons")
        values = [infons.get(key) for key in _TYPES] if isinstance(infons, dict) else []
        type_ = next((strip_white(value) for value in values if isinstance(value, str) and strip_white(value)), "")
        parts = [
            (_number(one.get("offset"), place), _number(one.get("length"), place))
            for one in _objects(annotation, "locations", place)
        ]
        if not type_ or not parts:
            raise place.error(f"{show(annotation)} is no entity; expected 'infons' with a type and 'locations'")
        check_unicode(type_, place)
        repairs.note("discontinuous entity read from its first to its last part", place, int(len(parts) > 1))
        said = annotation.get("text") if len(parts) == 1 else None
        start = min(offset for offset, _ in parts)
        end = max(offset + length for offset, length in parts)
        yield RawMark(start - begin, end - begin, type_, said if isinstance(said, str) else None)


def _objects(record: Record, key: str, place: Place) -> list[Record]:
    objects = list_of(record, key, place)
    if not all(isinstance(one, dict) for one in objects):
        raise place.error(f"what is no object in the list under {key!r}")
    return objects


def _number(value: Any, place: Place) -> int:
    number = whole_number(value)
    if number is None:
        raise place.error(f"the offset or length {show(value)} is no whole number")
    return number


def _collection(root: Element) -> Record:
    """XML as the same objects as JSON."""
    return {"documents": [_part(one) for one in root.iter("document")]}


def _part(element: Element) -> Record:
    record: Record = {
        f"{name}s": [_part(one) for one in element.findall(name)]
        for name in ("passage", "sentence", "annotation", "relation")
    }
    record["infons"] = {one.get("key", ""): one.text for one in element.findall("infon")}
    record["locations"] = [dict(one.attrib) for one in element.findall("location")]
    for name in ("offset", "text"):
        inner = element.find(name)
        if inner is not None:
            record[name] = inner.text or ""
    return record
