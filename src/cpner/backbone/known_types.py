"""The names of types that a backbone has read while it was pretrained, and a hint where one is asked for another.

The names are a file beside the weights. A small backbone goes by the name: of a type called by another it finds hardly
anything before it is trained, though a near one be known (`docs/notes/transfer.md` has figures).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from pathlib import Path

from cpner.errors import BackboneError, did_you_mean, one_line
from cpner.files import read_small, replacing

FILE = "type_names.json"


def read_known_types(folder: Path | None) -> frozenset[str]:
    """The names in a backbone's folder; empty where there is no list.

    Raises:
        BackboneError: the file can't be read as a list of names.
    """
    path = None if folder is None else folder / FILE
    if path is None or not path.is_file():
        return frozenset()
    try:
        names = json.loads(read_small(path))
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("it is no list of texts")
    except (OSError, ValueError, RecursionError) as error:
        raise BackboneError(f"{path} can't be read as names of types ({one_line(error)})") from error
    return frozenset(names)


def write_known_types(names: Iterable[str], folder: Path) -> None:
    """Write the file that `read_known_types` reads."""
    with replacing(folder / FILE) as file:
        file.write(json.dumps(sorted(set(names)), ensure_ascii=False, indent=0).encode() + b"\n")


def warn_of_unread(known: frozenset[str], types: Iterable[str]) -> None:
    """Warn of types, asked for without any training, whose names are not among those that the backbone knows.

    Args:
        known: the backbone's names; none where it came without a list, and there is no warning.
        types: in words.
    """
    unread = [type_ for type_ in types if type_.lower() not in known] if known else []
    if unread:
        named = ", ".join(repr(type_) for type_ in unread)
        warnings.warn(
            f"the backbone has not read of {named} and finds little of that without examples: use another word, "
            f"or train.{did_you_mean(unread[0].lower(), known)}",
            stacklevel=3,
        )
