"""Label Studio's exports JSON and JSON-MIN, whose offsets count UTF-16 units, as browsers do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from cpner.corpus.formats._file import File
from cpner.corpus.formats._offsets import Labelled, RawMark, from_utf16
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import (
    Record,
    check_unicode,
    note_types,
    records,
    show,
    show_keys,
    types_in_words,
)
from cpner.corpus.formats._sentences import at_least_one, sentences_of_texts
from cpner.corpus.labelling import Labelling
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence
from cpner.corpus.words import strip_white

_RESULTS = ("annotations", "completions")  # the second is the name of old versions
_OWN = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time")  # of a record in JSON-MIN


def sniff(file: File) -> str | None:
    """Tell an export by its keys."""
    record = file.record
    if isinstance(record.get("data"), dict) and any(key in record for key in (*_RESULTS, "predictions")):
        return "tasks with 'data' and 'annotations'"
    if any(_is_labels(value) for value in record.values()):
        return "entities with 'labels'"
    return "keys of JSON-MIN" if "annotation_id" in record and "lead_time" in record else None


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of an export.

    Of several annotations of a task the one marked as ground truth is taken, else the last; cancelled ones never.

    Raises:
        CorpusError: A task has no text, or an entity that is none.
    """
    labelled = []
    seen: set[Any] = set()
    for place, task in records(file.path, file.text, options.progress):
        if isinstance(task.get("meta"), dict):
            note_types(task["meta"], repairs)
        if isinstance(task.get("data"), dict):
            labelled_text = _of_task(task, place, repairs)
        else:
            labelled_text = _of_record(task, place, repairs)
            if labelled_text is not None and task.get("id") is not None:
                if show(task["id"]) in seen:
                    repairs.note("further annotation of a task left out", place)
                    continue
                seen.add(show(task["id"]))
        if labelled_text is not None:
            labelled.append(labelled_text)
    return at_least_one(sentences_of_texts(map(_by_browser, labelled), options, repairs), file.path)


def write(sentences: Iterable[Sentence]) -> Iterator[str]:
    """The lines of a list of tasks with annotations, to be imported under a config with Labels `label` of `text`."""
    sentences = list(sentences)
    types = types_in_words(sentences)
    before = "["
    named = Labelling()
    for sentence in sentences:
        task = {
            "data": {"text": sentence.text},
            "annotations": [{"result": named.regions(sentence.text, sentence.entities)}],
        }
        head = {"meta": {"types": types}} if types and before == "[" else {}
        yield before + json.dumps({**task, **head}, ensure_ascii=False)
        before = ","
    yield "]" if before == "," else "[]"


def tasks(file: File) -> Iterator[tuple[Place, Record]]:
    """The tasks of an export, labelled or not, as they are.

    Raises:
        CorpusError: It is no JSON, or holds what is no object.
    """
    return records(file.path, file.text)


def _by_browser(one: Labelled) -> Labelled:
    """Offsets in characters, unless the entities' own texts say that no browser counted them."""
    moved = from_utf16(one)
    said = ((mark.text, one.text[mark.start : mark.end]) for mark in moved.marks if mark.text is not None)
    return moved if all(text.strip() == inside.strip() for text, inside in said) else one


def _of_task(task: Record, place: Place, repairs: Repairs) -> Labelled | None:
    lists = [task[key] for key in _RESULTS if isinstance(task.get(key), list)]
    annotations = [one for one in (lists[0] if lists else []) if isinstance(one, dict)]
    valid = [one for one in annotations if not one.get("was_cancelled") and isinstance(one.get("result"), list)]
    if not valid:
        repairs.mend("task without an annotation left out", place)
        return None
    repairs.note("further annotation of a task left out", place, len(valid) - 1)
    chosen = next((one for one in valid if one.get("ground_truth")), valid[-1])
    regions = [region for region in chosen["result"] if isinstance(region, dict)]
    entities = [region for region in regions if _is_region(region)]
    repairs.note("relation or other result left out", place, len(chosen["result"]) - len(entities))
    marks = [mark for region in entities for mark in _marks(region["value"], place)]
    return Labelled(place, _text(task["data"], place), marks)


def _of_record(record: Record, place: Place, repairs: Repairs) -> Labelled | None:
    content = {key: value for key, value in record.items() if key not in _OWN}
    labels = [value for value in content.values() if _is_labels(value)]
    marks = [mark for value in labels for region in value for mark in _marks(region, place)]
    return Labelled(place, _text(content, place), marks)


def _text(data: Record, place: Place) -> str:
    """The text of a task: under `text`, or the longest of its texts."""
    texts = [value for value in data.values() if isinstance(value, str)]
    text = data["text"] if isinstance(data.get("text"), str) else max(texts, key=len, default=None)
    if text is None:
        raise place.error(f"no text; keys: {show_keys(data)}")
    check_unicode(text, place)
    return str(text)


def _is_labels(value: Any) -> bool:
    return isinstance(value, list) and any(
        isinstance(one, dict) and isinstance(one.get("labels"), list) for one in value
    )


def _is_region(region: Record) -> bool:
    value = region.get("value")
    return isinstance(value, dict) and any(key in value for key in ("labels", "hypertextlabels"))


def _marks(value: Any, place: Place) -> list[RawMark]:
    """The entities of a region: one for each of its labels."""
    if isinstance(value, dict):
        labels = value.get("labels", value.get("hypertextlabels"))
        outer = value.get("globalOffsets")
        offsets = outer if isinstance(outer, dict) else value
        start = offsets.get("start")
        end = offsets.get("end")
        if (
            isinstance(start, int)
            and isinstance(end, int)
            and isinstance(labels, list)
            and all(isinstance(v, str) and strip_white(v) for v in labels)
        ):
            said = value.get("text")
            for label in labels:
                check_unicode(label, place)
            return [RawMark(start, end, strip_white(v), said if isinstance(said, str) else None) for v in labels]
    raise place.error(f"{show(value)} is no entity; expected 'start', 'end' and 'labels'")
