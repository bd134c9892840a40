"""The project file of Azure Language's custom entities; texts lie in files of their own, by `location`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from cpner.corpus.formats._file import File
from cpner.corpus.formats._offsets import Labelled, RawMark, from_utf16
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import Record, check_unicode, only_record, show
from cpner.corpus.formats._sentences import at_least_one, sentences_of_texts, text_beside
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence

_UTF16 = "utf16codeunit"
_COUNTED = (_UTF16, "unicodecodepoint", "")


def sniff(file: File) -> str | None:
    """Tell a project by its keys."""
    assets = file.record.get("assets")
    return (
        "documents under 'assets'" if isinstance(assets, dict) and isinstance(assets.get("documents"), list) else None
    )


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the documents of a project; each is a text. Those of all its data sets are read.

    Raises:
        CorpusError: A text is missing, or an entity is none.
    """
    place = Place(file.path, 1)
    project = only_record(file.path, file.text)
    count = str(project.get("stringIndexType", "")).lower()
    if count not in _COUNTED:
        raise place.error(f"offsets count {count[:40]!r}; cpner knows Utf16CodeUnit and UnicodeCodePoint")
    assets = project.get("assets")
    documents = assets.get("documents") if isinstance(assets, dict) else None
    if not isinstance(documents, list):
        raise place.error("no documents; expected a project with a list of them under 'assets'")
    labelled = []
    sets = set()
    for document in documents:
        location = document.get("location") if isinstance(document, dict) else None
        if not isinstance(location, str):
            raise place.error(f"{show(document)} is no document; expected 'location' and 'entities'")
        sets.add(str(document.get("dataset")))
        text = text_beside(file, PurePosixPath(location.replace("\\", "/")), place)
        one = Labelled(place, text, list(_marks(document, place)))
        labelled.append(from_utf16(one) if count == _UTF16 else one)
    repairs.note(f"data sets {', '.join(sorted(sets))} read as one split", place, int(len(sets) > 1))
    return at_least_one(sentences_of_texts(labelled, options, repairs), file.path)


def _marks(document: Record, place: Place) -> Iterator[RawMark]:
    regions: Any = document.get("entities") or []
    for region in regions if isinstance(regions, list) else [regions]:
        labels = region.get("labels") if isinstance(region, dict) else None
        for label in labels if isinstance(labels, list) else [region]:
            if not isinstance(label, dict) or not _is_label(label):
                raise place.error(f"{show(label)} is no entity; expected 'category', 'offset' and 'length'")
            check_unicode(label["category"], place)
            yield RawMark(label["offset"], label["offset"] + label["length"], label["category"].strip())


def _is_label(label: Record) -> bool:
    category = label.get("category")
    numbers = [type(label.get(key)) is int for key in ("offset", "length")]
    return all(numbers) and isinstance(category, str) and bool(category.strip())
