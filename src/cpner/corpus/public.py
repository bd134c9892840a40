"""The eight public datasets of the paper: where they come from, their licences, files, checksums, types and sizes.

The table itself is `public.json`; none of the data comes with cpner.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class PublicFile:
    """One file of a dataset: `size` in bytes, and how many sentences and entities a reader must find."""

    name: str
    url: str
    size: int
    sha256: str
    sentences: int
    entities: int


@dataclass(frozen=True)
class Dataset:
    """A public dataset.

    Attributes:
        name: The folder that `fetch` puts it into, and the name of its corpus.
        title: What it is called, for people.
        text: Where its sentences come from.
        origin: The home page of its publisher.
        licence: As far as the publisher states one.
        note: What to know about this copy.
        types: Words for the codes in its files, the most frequent first.
        files: By split.
    """

    name: str
    title: str
    text: str
    origin: str
    licence: str
    note: str
    types: dict[str, str]
    files: dict[str, PublicFile]


@cache
def datasets() -> dict[str, Dataset]:
    """The public datasets by name."""
    table = json.loads(_TABLE.read_text(encoding="utf-8"))
    return {
        name: Dataset(name, **{**entry, "files": {split: PublicFile(**file) for split, file in entry["files"].items()}})
        for name, entry in table.items()
    }


def names_of_dataset(codes: Iterable[str]) -> dict[str, str]:
    """The words of the dataset that has all these types, exactly so or among others; empty if none has.

    Where several have them they agree on the words.
    """
    wanted = set(codes)
    holders = [dataset.types for dataset in datasets().values() if wanted <= dataset.types.keys()]
    return {code: min(holders, key=len)[code] for code in wanted} if holders else {}
