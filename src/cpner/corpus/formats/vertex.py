"""JSON lines of Google's Vertex AI and AutoML: `textContent` with `textSegmentAnnotations`, and the older names."""

from __future__ import annotations

from typing import Any

from cpner.corpus.formats._file import File
from cpner.corpus.formats._offsets import Labelled, RawMark, whole_number
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import Record, check_unicode, records, show, show_keys
from cpner.corpus.formats._sentences import at_least_one, sentences_of_texts
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence

_SEGMENTS = "textSegmentAnnotations"


def sniff(file: File) -> str | None:
    """Tell a file by its keys."""
    record = file.record
    if _SEGMENTS in record:
        return f"key {_SEGMENTS!r}"
    return "keys 'text_snippet' and 'annotations'" if {"text_snippet", "annotations"} <= record.keys() else None


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the texts of a file.

    Raises:
        CorpusError: A text lies in Google's cloud, or an entity is none.
    """
    labelled = [_labelled(record, place) for place, record in records(file.path, file.text, options.progress)]
    return at_least_one(sentences_of_texts(labelled, options, repairs), file.path)


def _labelled(record: Record, place: Place) -> Labelled:
    snippet = record.get("text_snippet")
    text = record.get("textContent", snippet.get("content") if isinstance(snippet, dict) else None)
    if not isinstance(text, str):
        cloud = "; texts that lie at 'textGcsUri' are not fetched" if "textGcsUri" in record else ""
        raise place.error(f"no 'textContent'{cloud}; keys: {show_keys(record)}")
    check_unicode(text, place)
    values = record.get(_SEGMENTS, record.get("annotations"))
    return Labelled(place, text, [_mark(value, place) for value in values] if isinstance(values, list) else [])


def _mark(value: Any, place: Place) -> RawMark:
    if isinstance(value, dict):
        inner = value.get("text_extraction")
        segment = inner.get("text_segment") if isinstance(inner, dict) else value
        segment = segment if isinstance(segment, dict) else {}
        start = whole_number(
            segment.get("startOffset", segment.get("start_offset", 0))
        )  # 0 is left out when it is written
        end = whole_number(segment.get("endOffset", segment.get("end_offset")))
        type_ = value.get("displayName", value.get("display_name"))
        if start is not None and end is not None and isinstance(type_, str) and type_.strip():
            check_unicode(type_, place)
            return RawMark(start, end, type_.strip())
    raise place.error(f"{show(value)} is no entity; expected 'startOffset', 'endOffset' and 'displayName'")
