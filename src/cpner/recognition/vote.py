"""Recognition by ensembles of prefixes on one backbone: by probabilities or by predictions (section 4.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix, apart
from cpner.corpus.sentence import Prediction
from cpner.errors import ConfigError
from cpner.progress import Progress, Report
from cpner.recognition.decode import decode
from cpner.recognition.recognise import Search, Task, recognise


class Members(Protocol):
    """What a domain's card says of an ensemble: its members, none if it is one prefix, and what they agree on."""

    @property
    def members(self) -> Sequence[str]: ...

    @property
    def vote(self) -> str: ...


def recognise_all(
    backbone: Backbone,
    tasks: Sequence[Task],
    prefixes: Mapping[str, Prefix],
    cards: Mapping[str, Members],
    *,
    batch_size: int = 32,
    free: bool = False,
    search: Search | None = None,
    progress: Report | None = None,
) -> list[list[Prediction]]:
    """`recognise` where some domains may be ensembles; the others still share their batches.

    Args:
        cards: of the domains that tasks name; they tell which are ensembles. The rest is as in `recognise`.

    Raises:
        ConfigError: an ensemble that agrees on probabilities is asked to generate freely.
    """
    groups: dict[str | None, list[int]] = {}  # None: all that are no ensemble
    for i, task in enumerate(tasks):
        ensemble = task.domain is not None and bool(cards[task.domain].members)
        groups.setdefault(task.domain if ensemble else None, []).append(i)
    found: list[list[Prediction]] = [[] for _ in tasks]
    done = 0
    for name, places in groups.items():
        own = [tasks[i] for i in places]
        report = _part(progress, done, len(own), len(tasks))
        done += len(own)
        if name is None:
            answers = recognise(
                backbone, own, prefixes, batch_size=batch_size, free=free, search=search, progress=report
            )
        else:
            answers = _ensemble(backbone, own, name, prefixes[name], cards[name], batch_size, free, search, report)
        for i, answer in zip(places, answers, strict=True):
            found[i] = answer
    return found


def vote(answers: Sequence[Sequence[Prediction]]) -> list[Prediction]:
    """What at least half of the members found in a sentence; of entities that overlap, the one with more votes.

    An entity's score is the mean over all members, 0 for those that did not find it.
    """
    total = len(answers)
    scores: dict[tuple[int, int, str], list[float]] = {}
    for own in answers:
        for f in own:
            scores.setdefault((f.span.start, f.span.end, f.span.type), []).append(f.score)
    spans = {(f.span.start, f.span.end, f.span.type): f.span for own in answers for f in own}
    kept: list[Prediction] = []
    for key in sorted(scores, key=lambda key: (-len(scores[key]), -sum(scores[key]), key)):
        start, end, _ = key
        free = all(end <= other.span.start or other.span.end <= start for other in kept)
        if 2 * len(scores[key]) >= total and free:
            kept.append(Prediction(spans[key], sum(scores[key]) / total))
    return sorted(kept, key=lambda f: f.span)


def _ensemble(
    backbone: Backbone,
    tasks: Sequence[Task],
    name: str,
    prefix: Prefix,
    card: Members,
    batch_size: int,
    free: bool,
    search: Search | None,
    progress: Report | None,
) -> list[list[Prediction]]:
    members = len(card.members)
    if card.vote == "probabilities":
        if free:
            raise ConfigError(f"domain {name!r} is an ensemble by probabilities: it can't generate without the grammar")
        if search is not None:
            raise ConfigError(f"domain {name!r} is an ensemble by probabilities: it searches greedily, with one beam")
        search = partial(decode, members=members)
        return recognise(backbone, tasks, {name: prefix}, batch_size=batch_size, search=search, progress=progress)
    answers = [
        recognise(
            backbone,
            tasks,
            {name: own},
            batch_size=batch_size,
            free=free,
            search=search,
            progress=_part(progress, i, 1, members),
        )
        for i, own in enumerate(apart(prefix, members))
    ]
    return [vote([own[i] for own in answers]) for i in range(len(tasks))]


def _part(progress: Report | None, before: int, own: int, total: int) -> Report | None:
    """Progress of a part, which is `own` of `total` after `before` others, as progress of all."""
    if progress is None or own == total:
        return progress

    def report(step: Progress) -> None:
        progress(Progress(before * step.total + own * step.done, total * step.total, step.message))

    return report
