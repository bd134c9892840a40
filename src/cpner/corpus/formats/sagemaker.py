"""The manifest of Ground Truth: `{"source": ..., JOB: {"annotations": {"entities": [...]}}, "JOB-metadata": ...}`."""

from __future__ import annotations

from typing import Any

from cpner.corpus.formats._file import File
from cpner.corpus.formats._offsets import Labelled
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import Record, check_unicode, raw_marks, records, show_keys
from cpner.corpus.formats._sentences import at_least_one, sentences_of_texts
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence

_METADATA = "-metadata"


def sniff(file: File) -> str | None:
    """Tell a manifest by the key of a job beside that of its metadata."""
    job = _job(file.record)
    return f"the job {job!r}" if "source" in file.record and job is not None else None


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of a manifest.

    Raises:
        CorpusError: A line has no text or no entities.
    """
    labelled = [_labelled(record, place, repairs) for place, record in records(file.path, file.text, options.progress)]
    return at_least_one(sentences_of_texts(labelled, options, repairs), file.path)


def _job(record: Record) -> str | None:
    """The key of the labels, which the user of the tool chose."""
    return next((k for k, v in record.items() if f"{k}{_METADATA}" in record and isinstance(v, dict)), None)


def _labelled(record: Record, place: Place, repairs: Repairs) -> Labelled:
    text = record.get("source")
    job = _job(record)
    annotations: Any = record[job].get("annotations") if job is not None else None
    if not isinstance(text, str) or not isinstance(annotations, dict):
        raise place.error(f"no 'source' and job with 'annotations'; keys: {show_keys(record)}")
    check_unicode(text, place)
    return Labelled(place, text, raw_marks({"entities": annotations.get("entities")}, place, repairs))
