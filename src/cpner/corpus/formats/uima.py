"""UIMA CAS, as INCEpTION and WebAnno export it: JSON and XMI. Offsets count UTF-16 units.

Entities are the annotations of the layer `NamedEntity`; of a file without one those of its only layer of the user's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cpner.corpus.formats._file import File
from cpner.corpus.formats._offsets import Labelled, RawMark, from_utf16, whole_number
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import Record, check_unicode, only_record
from cpner.corpus.formats._sentences import at_least_one, cut, sentences_of_texts
from cpner.corpus.formats._xml import parse_xml
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence
from cpner.corpus.words import strip_white

_XMI = "http://www.omg.org/XMI"
_STRUCTURES = "%FEATURE_STRUCTURES"
_ENTITY = ".NamedEntity"
_SENTENCE = ".Sentence"
_CUSTOM = ("webanno.custom.", "custom.")
_FEATURES = ("value", "label", "type", "category", "name")  # that may hold the type, in this order


class _Annotation(NamedTuple):
    """An annotation of a CAS."""

    layer: str  # name of its type
    start: int
    end: int
    features: Record


def sniff(file: File) -> str | None:
    """Tell JSON by its keys, XMI by its namespace."""
    if _STRUCTURES in file.record:
        return f"key {_STRUCTURES!r}"
    return "XMI" if file.text.lstrip().startswith("<") and _XMI in file.text[:4000] else None


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of a document, cut where its layer of sentences says.

    Raises:
        CorpusError: It is no CAS with one text, or has several layers that may be the entities.
    """
    place = Place(file.path, 1)
    json = not file.text.lstrip().startswith("<")
    text, annotations = _of_json(file, place) if json else _of_xmi(file, place)
    check_unicode(text, place)
    layer = _layer(annotations, place)
    marks = []
    for annotation in annotations:
        if annotation.layer == layer:
            type_ = _type(annotation.features)
            check_unicode(type_, place)
            if type_:
                marks.append(RawMark(annotation.start, annotation.end, type_))
            else:
                repairs.note("annotation without a type left out", place)
    starts = [RawMark(one.start, one.end, "") for one in annotations if one.layer.endswith(_SENTENCE)]
    whole = from_utf16(Labelled(place, text, marks))
    edges = from_utf16(Labelled(place, text, starts)).marks
    return at_least_one(sentences_of_texts(cut(whole, [edge.start for edge in edges]), options, repairs), file.path)


def _of_json(file: File, place: Place) -> tuple[str, list[_Annotation]]:
    document = only_record(file.path, file.text)
    structures = document.get(_STRUCTURES)
    if not isinstance(structures, list) or not all(isinstance(one, dict) for one in structures):
        raise place.error(f"no list of objects under {_STRUCTURES!r}")
    texts = [(one.get("%ID"), one.get("sofaString")) for one in structures if one.get("%TYPE") == "uima.cas.Sofa"]
    text, sofa = _text(texts, place)
    layers = ((one, one.get("%TYPE")) for one in structures if one.get("@sofa") == sofa)
    return text, [_annotation(layer, one, place) for one, layer in layers if isinstance(layer, str) and "begin" in one]


def _of_xmi(file: File, place: Place) -> tuple[str, list[_Annotation]]:
    root = parse_xml(file.data, file.path)
    texts = [(str(one.get(f"{_XMI}}}id")), one.get("sofaString")) for one in root if one.tag.endswith("}Sofa")]
    text, sofa = _text(texts, place)
    return text, list(_elements(root, sofa, place))


def _elements(root: Any, sofa: Any, place: Place) -> Iterator[_Annotation]:
    for one in root:
        if one.get("sofa") == sofa and "begin" in one.attrib:
            space, _, name = one.tag.rpartition("}")
            package = space.removeprefix("http:///").removesuffix(".ecore").replace("/", ".")
            yield _annotation(f"{package}.{name}", one.attrib, place)


def _text(texts: Sequence[tuple[Any, Any]], place: Place) -> tuple[str, Any]:
    found_texts = [(text, sofa) for sofa, text in texts if isinstance(text, str)]
    if len(found_texts) != 1:
        raise place.error(f"{len(found_texts)} texts in the CAS; expected one")
    return found_texts[0]


def _annotation(layer: str, values: Record, place: Place) -> _Annotation:
    start, end = (whole_number(values.get(key)) for key in ("begin", "end"))
    if start is None or end is None:
        raise place.error(f"an annotation of {layer[:60]!r} has no whole numbers as 'begin' and 'end'")
    return _Annotation(layer, start, end, values)


def _layer(annotations: Sequence[_Annotation], place: Place) -> str:
    """The layer of entities: NamedEntity, or the only one that the user made."""
    layers = sorted({one.layer for one in annotations})
    known = [layer for layer in layers if layer.endswith(_ENTITY)]
    candidates = known or [layer for layer in layers if layer.startswith(_CUSTOM)]
    if len(candidates) > 1:
        raise place.error(f"several layers may be the entities: {', '.join(candidates)[:200]}; export one of them")
    return candidates[0] if candidates else ""


def _type(features: Record) -> str:
    """What an annotation says it is; empty if it says nothing."""
    for name in _FEATURES:
        value = features.get(name)
        if isinstance(value, str) and strip_white(value):
            return strip_white(value)
    return ""
