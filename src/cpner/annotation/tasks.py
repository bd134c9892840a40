"""Tasks of Label Studio as texts: what an export holds, whoever has labelled it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cpner.annotation.texts import Text, Texts
from cpner.corpus.formats import File, label_studio
from cpner.corpus.repairs import Place
from cpner.errors import CorpusError

KIND = "label-studio"
_KEPT = ("id", "data", "meta")  # annotations are in Label Studio already, and would be there twice


class Tasks(Texts):
    """The texts of an export, each with its task: `id`, `data` and `meta`.

    Args:
        path: A JSON file, plain or packed: a list of tasks, or a task a line. It is read as a whole.
        settings: Those of `Texts`; the key of the text is one of a task's data.
    """

    def __init__(self, path: Path, **settings: Any) -> None:
        super().__init__(str(path), **settings)
        self._path = path
        self._place = Place(path, 1)

    def wrong(self, message: str) -> CorpusError:
        """An error about the task that was read last."""
        return self._place.error(message)

    def _read(self) -> Iterator[Text]:
        for place, task in label_studio.tasks(File(self._path)):
            self.count += 1
            self._place = place
            try:
                text = self._text(task)
            except CorpusError as error:
                self.leave_out(error)
            else:
                yield text

    def _text(self, task: dict[str, Any]) -> Text:
        data = task.get("data")
        if not isinstance(data, dict):
            raise self.wrong("a task without 'data'; export the project as JSON, not as JSON-MIN")
        return self.checked({key: task[key] for key in _KEPT if key in task}, data)
