"""Recognition of entities in many sentences: windows, batches by length, decoding, merging (sections 3.1 to 3.3).

A domain may be an ensemble of prefixes, which agree on probabilities or on predictions (section 4.3).

The sentences of one call may belong to any mix of domains. Each row of a batch reads its own options, and sees its own
prefix.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from cpner.backbone.bank import PrefixBank
from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix
from cpner.corpus.sentence import Answer, Prediction, Sentence, Span
from cpner.errors import ConfigError
from cpner.instructor import Instructor, Source
from cpner.progress import Progress, Report
from cpner.recognition.decode import decode, decode_freely
from cpner.recognition.joint import decode_and_tag
from cpner.recognition.readings import combined, ranked
from cpner.recognition.vote import vote
from cpner.recognition.windows import Window, choose, cut, cut_at_ends, part

_OVERLAP = 0.2  # share of a window that repeats the one before it: entities near a cut are seen whole once
_LEAST_ROOM = 0.25  # share of the window that stays for the sentence, however long the options are
LONGEST_SOURCE = 4096  # pieces, or twice the window: attention takes memory by the square of a source's length
_PASS_AREA = 32 * 1024**2  # rows times squared length of what is decoded at once
Search = Callable[[Backbone, Sequence[Source], Prefix | None], list[Answer]]


@dataclass(frozen=True, slots=True)
class Task:
    """A text, how to ask for its entities, whose prefix to use (None: none), and whether sentence by sentence."""

    sentence: Sentence
    prompt: Instructor
    domain: str | None = None
    by_sentence: bool = False


@dataclass(frozen=True, slots=True)
class _Row:
    """A window of a task, ready for a batch."""

    task: int
    window: int
    source: Source


class Members(Protocol):
    """What a domain's card says of an ensemble: its members, none if it is one prefix, and what they agree on."""

    @property
    def members(self) -> Sequence[str]: ...

    @property
    def vote(self) -> str: ...


def recognise(
    backbone: Backbone,
    tasks: Sequence[Task],
    bank: PrefixBank,
    *,
    cards: Mapping[str, Members] | None = None,
    batch_size: int = 32,
    free: bool = False,
    search: Search | None = None,
    progress: Report | None = None,
) -> list[Answer]:
    """Find the entities of sentences, each with the prefix or the ensemble of its domain.

    Args:
        tasks: the sentences; each may be of another domain. Their own entities are not looked at.
        bank: has the prefix of each domain that a task names, of an ensemble its members' as `together` lays them out;
            nobody changes it meanwhile.
        cards: they tell which domains are ensembles; a domain without a card is none.
        batch_size: windows decoded at once.
        free: generate without the grammar and read the output tolerantly; the scores are then 1.
        search: finds the entities of a batch where it is not `free`; None is `decode_and_tag`.
        progress: called after every batch.

    Returns:
        For each task its entities, ascending, without overlap, in the sentence's words, with raw scores.

    Raises:
        ConfigError: an ensemble that agrees on probabilities is asked to generate freely, or to search otherwise.
    """
    ensembles = {name: card for name, card in (cards or {}).items() if card.members}
    groups: dict[str | None, list[int]] = {}  # None: all that are no ensemble; they share their batches
    for i, task in enumerate(tasks):
        groups.setdefault(task.domain if task.domain in ensembles else None, []).append(i)
    predictions: list[Answer] = [Answer() for _ in tasks]
    plain_search = _freely if free else search or decode_and_tag
    done = 0
    for name, places in groups.items():
        group = [tasks[i] for i in places]
        report = _part(progress, done, len(group), len(tasks))
        done += len(group)
        if name is None:
            answers = _by_prefix(backbone, group, bank, plain_search, batch_size, report)
        elif ensembles[name].vote == "probabilities":
            joint_search = _joint_search(name, len(ensembles[name].members), free, search)
            answers = _by_prefix(backbone, group, bank, joint_search, batch_size, report)
        else:
            members = bank.apart(name, len(ensembles[name].members))
            answers = _by_vote(backbone, group, members, plain_search, batch_size, report)
        for i, answer in zip(places, answers, strict=True):
            predictions[i] = answer
    return predictions


def _by_prefix(
    backbone: Backbone,
    tasks: Sequence[Task],
    bank: PrefixBank,
    search: Search,
    batch_size: int,
    progress: Report | None,
) -> list[Answer]:
    """The entities of sentences, window by window."""
    windows = [_windows(backbone, task) for task in tasks]
    answers: list[list[Answer]] = [[Answer() for _ in task_windows] for task_windows in windows]
    rows = [
        _Row(i, w, task.prompt.source(part(task.sentence, window)))
        for i, task in enumerate(tasks)
        for w, window in enumerate(windows[i])
    ]
    done = 0
    for batch, prefix in _batches(tasks, rows, bank, batch_size):
        for row, answer in zip(batch, search(backbone, [row.source for row in batch], prefix), strict=True):
            answers[row.task][row.window] = answer
        done += len(batch)
        if progress is not None:
            progress(Progress(done, len(rows)))
    return [_merge(*task_answer) for task_answer in zip(tasks, windows, answers, strict=True)]


def _by_vote(
    backbone: Backbone,
    tasks: Sequence[Task],
    members: Sequence[PrefixBank],
    search: Search,
    batch_size: int,
    progress: Report | None,
) -> list[Answer]:
    """The entities that the members of one ensemble agree on, each of which reads the sentences by itself."""
    answers = [
        _by_prefix(backbone, tasks, bank, search, batch_size, _part(progress, i, 1, len(members)))
        for i, bank in enumerate(members)
    ]
    return [vote(of_members) for of_members in zip(*answers, strict=True)]


def _joint_search(name: str, members: int, free: bool, search: Search | None) -> Search:
    """Greedy search by the members' mean probabilities; refuses what else was asked for."""
    if free:
        raise ConfigError(f"domain {name!r} is an ensemble by probabilities: it can't generate without the grammar")
    if search is not None:
        raise ConfigError(f"domain {name!r} is an ensemble by probabilities: it searches greedily, with one beam")
    return partial(decode, members=members)


def _part(progress: Report | None, before: int, size: int, total: int) -> Report | None:
    """Progress of a part, which is `size` of `total` after `before` others, as progress of all."""
    if progress is None or size == total:
        return progress

    def report(step: Progress) -> None:
        progress(Progress(before * step.total + size * step.done, total * step.total, step.message))

    return report


def room(backbone: Backbone, prompt: Instructor) -> int:
    """Pieces of a sentence that fit in the backbone's window beside the instruction and the options.

    Raises:
        ConfigError: the options alone are longer than any source may be.
    """
    if prompt.overhead > longest_source(backbone):
        raise ConfigError(
            f"the {len(prompt.types):,} types take {prompt.overhead:,} pieces, more than the "
            f"{longest_source(backbone):,} of a source: ask for fewer at once"
        )
    return max(backbone.window - prompt.overhead, int(backbone.window * _LEAST_ROOM), 1)


def warn_if_crowded(backbone: Backbone, prompt: Instructor) -> None:
    """Warn where the types leave no room for a sentence in the backbone's window."""
    if prompt.overhead > backbone.window - int(backbone.window * _LEAST_ROOM):
        warnings.warn(
            f"{len(prompt.types)} types take {prompt.overhead} pieces of the window of {backbone.window}: texts are "
            f"cut into parts of {room(backbone, prompt)} and go beyond it; take fewer types, or shorter names",
            stacklevel=3,
        )


def longest_source(backbone: Backbone) -> int:
    """The most pieces that a source may have."""
    return max(LONGEST_SOURCE, 2 * backbone.window)


def word_lengths(backbone: Backbone, sentence: Sentence) -> list[int]:
    """Pieces of each word."""
    return [len(backbone.vocabulary.word(word)) for word in sentence.word_texts]


def _windows(backbone: Backbone, task: Task) -> list[Window]:
    sentence = task.sentence
    if not sentence.words:
        return []
    lengths = word_lengths(backbone, sentence)
    space = room(backbone, task.prompt)
    overlap = int(space * _OVERLAP)
    if task.by_sentence:
        return cut_at_ends(sentence.with_spans(()), lengths, space, overlap=overlap)
    if sum(lengths) <= space:
        return [Window(0, len(lengths))]
    return cut(sentence.with_spans(()), lengths, space, overlap=overlap)


def _batches(
    tasks: Sequence[Task], rows: Sequence[_Row], bank: PrefixBank, batch_size: int
) -> Iterator[tuple[list[_Row], Prefix | None]]:
    """Rows of about the same length with their prefixes; a batch holds prefixes of one layout only."""
    groups: dict[tuple[str, ...], list[_Row]] = {}
    for row in rows:
        groups.setdefault(bank.layout(tasks[row.task].domain), []).append(row)
    for members in groups.values():
        members.sort(key=lambda row: -len(row.source.ids))  # memory runs out at the first batch or never
        start = 0
        while start < len(members):
            size = min(batch_size, max(1, _PASS_AREA // len(members[start].source.ids) ** 2))
            batch = members[start : start + size]
            start += size
            yield batch, bank.rows([tasks[row.task].domain for row in batch])


def _freely(backbone: Backbone, sources: Sequence[Source], prefix: Prefix | None) -> list[Answer]:
    freely = decode_freely(backbone, sources, prefix)
    return [Answer(Prediction(span, 1.0) for span in parsed.spans) for parsed in freely]


def _merge(task: Task, windows: Sequence[Window], answers: Sequence[Answer]) -> Answer:
    """The entities of windows as those of the sentence; where windows have several readings, the sentence has too."""
    if len(windows) == 1:
        return answers[0]
    best = max((1 + len(answer.others) for answer in answers), default=1)
    joined = []
    for log, readings in combined(answers, best):
        answer = _join(task, windows, readings)
        answer.log = log
        joined.append(answer)
    return ranked(joined, best)


def _join(task: Task, windows: Sequence[Window], answers: Sequence[Answer]) -> Answer:
    """One list of entities in the words of the sentence, of those of each window in its own words."""
    moved = [
        [one._replace(span=_moved(one.span, window.start)) for one in answer]
        for window, answer in zip(windows, answers, strict=True)
    ]
    spans = [[prediction.span for prediction in answer] for answer in moved]
    chosen = [moved[w][i] for w, i in choose(spans, windows, len(task.sentence.words))]
    return Answer(chosen, sum(answer.end for answer in answers))


def _moved(span: Span, words: int) -> Span:
    return Span(span.start + words, span.end + words, span.type)
