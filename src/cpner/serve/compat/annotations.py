"""The annotations of a Label Studio project, which its webhooks bring: `STORE/.label-studio/PROJECT.json`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from cpner.corpus.labelling import Labelling
from cpner.serve.job_folder import write
from cpner.serve.problems import ProblemError
from cpner.serve.schema import Labelled, Mark
from cpner.serve.work import codepoints

_FOLDER = ".label-studio"
_writing = threading.Lock()


class Annotations:
    """The annotations of a project, by their numbers.

    Args:
        store: folder of the domains.
        project: as its file is named.
        most: annotations that are kept.
    """

    def __init__(self, store: Path, project: str, most: int) -> None:
        self.path = store / _FOLDER / f"{project}.json"
        self.most = most

    def add(self, annotations: Sequence[dict[str, Any]], task: dict[str, Any], labelling: Labelling) -> None:
        """Keep annotations of a task, in place of what they were; one that the annotator cancelled goes.

        Raises:
            ProblemError: 413 there are too many, 422 an offset lies outside its text.
        """
        data = task.get("data")
        text = data.get(labelling.text_key) if isinstance(data, dict) else None
        if not isinstance(text, str):
            return
        with _writing:
            by_number = self._read()
            for annotation in annotations:
                by_number.pop(str(annotation["id"]), None)
                if not annotation.get("was_cancelled"):
                    regions = annotation.get("result")
                    by_number[str(annotation["id"])] = {
                        "text": text,
                        "regions": regions if isinstance(regions, list) else [],
                    }
            if len(by_number) > self.most:
                raise ProblemError(413, "too_large", f"at most {self.most:,} annotations of a project are kept")
            self._write(by_number)

    def remove(self, annotations: Sequence[dict[str, Any]]) -> None:
        """Forget annotations."""
        with _writing:
            by_number = self._read()
            for annotation in annotations:
                by_number.pop(str(annotation["id"]), None)
            self._write(by_number)

    def sentences(self, labelling: Labelling) -> list[Labelled]:
        """What was annotated: for each text the annotation that came last."""
        latest = {one["text"]: one for one in self._read().values()}
        return [Labelled(one["text"], _marks(one["text"], one["regions"], labelling)) for one in latest.values()]

    def _read(self) -> dict[str, Any]:
        if not self.path.exists():
            return {}
        by_number: dict[str, Any] = msgspec.json.decode(self.path.read_bytes())
        return by_number

    def _write(self, by_number: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write(self.path, by_number)


def _marks(text: str, regions: Sequence[Any], labelling: Labelling) -> list[Mark]:
    """The regions that have a label of the configuration, without white space at their edges and without overlap."""
    marks: list[Mark] = []
    for region in regions:
        value = region.get("value") if isinstance(region, dict) else None
        if not isinstance(value, dict):
            continue
        labels = value.get(labelling.kind) or value.get("labels") or [None]
        type = labelling.type_of(labels[0])
        start = value.get("start")
        end = value.get("end")
        if type is None or not isinstance(start, int) or not isinstance(end, int):
            continue
        first, last = codepoints(text, (start, end))
        inside = text[first:last]
        first += len(inside) - len(inside.lstrip())
        last = first + len(inside.strip())
        if first < last:
            marks.append(Mark(first, last, type))
    marks.sort(key=lambda mark: (mark.start, -mark.end))
    return [mark for i, mark in enumerate(marks) if all(mark.start >= before.end for before in marks[:i])]
