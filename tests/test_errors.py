"""The tree of errors: each class has its place, its exit code and its status."""

from __future__ import annotations

import inspect
import pickle

from cpner import errors
from cpner.errors import STATUS, CpnerError, FileError, Status, shorten, status_of

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, CpnerError)]


def test_every_class_has_a_status() -> None:
    assert set(STATUS) == set(CLASSES)
    assert all(status.exit_code > 0 and 400 <= status.http < 600 for status in STATUS.values())


def test_every_class_is_a_builtin_too() -> None:
    assert [kind for kind in CLASSES if len(kind.__bases__) == 1] == [CpnerError]


def test_class_without_a_status_has_that_of_its_parent() -> None:
    class Special(FileError):
        pass

    assert status_of(Special("x")) == STATUS[FileError]
    assert status_of(CpnerError()) == Status(2, 500)


def test_place_stands_before_the_message_and_survives_a_process() -> None:
    error = FileError("is empty", path="a.txt", line=3)
    copy = pickle.loads(pickle.dumps(error))

    assert str(error) == str(copy) == "a.txt, line 3: is empty"
    assert (copy.path, copy.line) == ("a.txt", 3)
    assert str(FileError("is empty", path="a.txt")) == "a.txt: is empty"
    assert isinstance(error, OSError)


def test_long_values_are_shortened() -> None:
    assert shorten("x" * 80) == "x" * 80
    assert shorten("x" * 81) == "x" * 77 + "..."
