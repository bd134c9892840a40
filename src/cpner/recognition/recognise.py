"""Recognition of entities in many sentences: windows, batches by length, decoding, merging (sections 3.1 to 3.3).

The sentences of one call may belong to any mix of domains: each row of a batch reads its own options and sees its own
prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cpner.backbone.bank import PrefixBank
from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix
from cpner.corpus.sentence import Prediction, Sentence, Span
from cpner.instructor import Instructor, Source
from cpner.progress import Progress, Report
from cpner.recognition.decode import decode, decode_freely
from cpner.recognition.windows import Window, choose, cut, part

_OVERLAP = 0.2  # share of a window that repeats the one before it: entities near a cut are seen whole once
_LEAST_ROOM = 0.25  # share of the window that stays for the sentence, however long the options are
Search = Callable[[Backbone, Sequence[Source], Prefix | None], list[list[Prediction]]]


@dataclass(frozen=True, slots=True)
class Task:
    """A sentence, how to ask for its entities, and whose prefix to use (None: none)."""

    sentence: Sentence
    prompt: Instructor
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    """A window of a task, ready for a batch."""

    task: int
    window: int
    source: Source


def recognise(
    backbone: Backbone,
    tasks: Sequence[Task],
    prefixes: Mapping[str, Prefix],
    *,
    batch_size: int = 32,
    free: bool = False,
    search: Search | None = None,
    progress: Report | None = None,
) -> list[list[Prediction]]:
    """Find the entities of sentences.

    Args:
        tasks: the sentences; each may be of another domain. Their own entities are not looked at.
        prefixes: the prefix of each domain that a task names.
        batch_size: windows decoded at once.
        free: generate without the grammar and read the output tolerantly; the scores are then 1.
        search: finds the entities of a batch where it is not `free`; None is `decode`.
        progress: called after every batch.

    Returns:
        For each task its entities, ascending, without overlap, in the sentence's words.
    """
    windows = [_windows(backbone, task) for task in tasks]
    found: list[list[list[Prediction]]] = [[[] for _ in own] for own in windows]
    rows = [row for i, task in enumerate(tasks) for row in _rows(i, task, windows[i])]
    done = 0
    for batch, prefix in _batches(backbone, tasks, rows, prefixes, batch_size):
        sources = [row.source for row in batch]
        answers = _freely(backbone, sources, prefix) if free else (search or decode)(backbone, sources, prefix)
        for row, answer in zip(batch, answers, strict=True):
            found[row.task][row.window] = answer
        done += len(batch)
        if progress is not None:
            progress(Progress(done, len(rows)))
    return [_merge(task.sentence, own, parts) for task, own, parts in zip(tasks, windows, found, strict=True)]


def room(backbone: Backbone, prompt: Instructor) -> int:
    """Pieces of a sentence that fit in the backbone's window beside the instruction and the options."""
    return max(backbone.window - prompt.overhead, int(backbone.window * _LEAST_ROOM), 1)


def word_lengths(backbone: Backbone, sentence: Sentence) -> list[int]:
    """Pieces of each word."""
    return [len(backbone.vocabulary.word(word)) for word in sentence.word_texts]


def _windows(backbone: Backbone, task: Task) -> list[Window]:
    sentence = task.sentence
    if not sentence.words:
        return []
    lengths, space = word_lengths(backbone, sentence), room(backbone, task.prompt)
    if sum(lengths) <= space:
        return [Window(0, len(lengths))]
    return cut(sentence.with_spans(()), lengths, space, overlap=int(space * _OVERLAP))


def _rows(number: int, task: Task, windows: Sequence[Window]) -> Iterator[_Row]:
    for i, window in enumerate(windows):
        yield _Row(number, i, task.prompt.source(part(task.sentence, window)))


def _batches(
    backbone: Backbone, tasks: Sequence[Task], rows: Sequence[_Row], prefixes: Mapping[str, Prefix], batch_size: int
) -> Iterator[tuple[list[_Row], Prefix | None]]:
    """Rows of about the same length with their prefixes; a batch holds prefixes of one layout only."""
    groups: dict[tuple[str, ...], list[_Row]] = {}
    for row in rows:
        domain = tasks[row.task].domain
        layout = () if domain is None else tuple(prefixes[domain].parts)
        groups.setdefault(layout, []).append(row)
    for layout, members in groups.items():
        names = dict.fromkeys(domain for row in members if (domain := tasks[row.task].domain) is not None)
        bank = PrefixBank({name: prefixes[name] for name in names}, device=backbone.device, dtype=backbone.dtype)
        members.sort(key=lambda row: -len(row.source.ids))  # memory runs out at the first batch or never
        for start in range(0, len(members), batch_size):
            batch = members[start : start + batch_size]
            yield batch, bank.rows([tasks[row.task].domain for row in batch]) if layout else None


def _freely(backbone: Backbone, sources: Sequence[Source], prefix: Prefix | None) -> list[list[Prediction]]:
    return [[Prediction(span, 1.0) for span in parsed.spans] for parsed in decode_freely(backbone, sources, prefix)]


def _merge(sentence: Sentence, windows: Sequence[Window], parts: Sequence[Sequence[Prediction]]) -> list[Prediction]:
    if len(windows) == 1:
        return list(parts[0])
    moved = [
        [Prediction(Span(f.span.start + w.start, f.span.end + w.start, f.span.type), f.score) for f in own]
        for w, own in zip(windows, parts, strict=True)
    ]
    kept = choose([[f.span for f in own] for own in moved], windows, len(sentence.words))
    return [moved[w][i] for w, i in kept]
