"""Tasks of Label Studio as texts: what an export holds, whoever has labelled it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cpner.annotation.texts import Keys, Text
from cpner.corpus.formats import File, label_studio
from cpner.corpus.repairs import Place
from cpner.errors import CorpusError, CpnerError

KIND = "label-studio"
_KEPT = ("id", "data", "meta")  # annotations are in Label Studio already, and would be there twice


class Tasks:
    """The texts of an export, read once, each with its task: `id`, `data` and `meta`.

    Attributes:
        count: Tasks that were read.
        skipped: Tasks that were left out.
        error: What ended the reading before its time; whoever reads raises it when all before is written.

    Args:
        path: A JSON file, plain or packed: a list of tasks, or a task a line.
        keys: Of the text in the data of a task, and of its entities.
        skip: Whether bad tasks are left out, and told; else the first ends the reading.
        tell: Called with a sentence for each task left out.
    """

    def __init__(
        self, path: Path, *, keys: Keys, skip: bool = False, tell: Callable[[str], object] = lambda message: None
    ) -> None:
        self._path = path
        self._keys = keys
        self._skip = skip
        self._tell = tell
        self.count = 0
        self.skipped = 0
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[Text]:
        try:
            for place, task in label_studio.tasks(File(self._path)):
                self.count += 1
                try:
                    text = self._text(place, task)
                except CorpusError as error:
                    if not self._skip:
                        raise
                    self.skipped += 1
                    self._tell(f"left out: {error}")
                else:
                    yield text
        except CpnerError as error:
            self.error = error

    def _text(self, place: Place, task: dict[str, Any]) -> Text:
        data = task.get("data")
        if not isinstance(data, dict):
            raise place.error("a task without 'data'; export the project as JSON, not as JSON-MIN")
        text = data.get(self._keys.text)
        if not isinstance(text, str):
            raise place.error(self._keys.missing(data))
        record = {key: task[key] for key in _KEPT if key in task}
        if clash := self._keys.clash(record):
            raise place.error(clash)
        try:
            json.dumps(record, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise place.error("half of a surrogate pair, which is no letter") from error
        return Text(text, record)
