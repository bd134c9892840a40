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
    assert shorten("a" * 50 + "b" * 50) == "a" * 38 + "..." + "b" * 39


def test_values_in_messages_are_shortened_and_nothing_else() -> None:
    short = "can't read 'a.' of the domains' store; it isn't 'b'. Did you mean \"it's\"?"
    words = "words that stand without quotes " * 20

    assert str(CpnerError(short)) == short
    assert str(CpnerError(words)) == words
    assert str(CpnerError(f"no type '{'x' * 5000}'; can't go on")) == f"no type '{shorten('x' * 5000)}'; can't go on"
    assert len(str(FileError("is empty", path="/" + "x" * 5000))) < 320
