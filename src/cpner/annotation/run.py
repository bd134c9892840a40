"""The way through an annotation: shards that are not there yet go to workers, what they find is kept, all is joined."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cpner import __version__
from cpner.annotation.engine import Engine
from cpner.annotation.inputs import Inputs
from cpner.annotation.outputs import JsonLines, LinesToParquet, Output, ParquetRows, PredictedTasks
from cpner.annotation.review import gather, review_lines, review_path
from cpner.annotation.shards import Parts, Shard, cut
from cpner.annotation.texts import Keys
from cpner.annotation.worker import Identity
from cpner.corpus.labelling import Labelling, model_version
from cpner.errors import CorpusError, CpnerError
from cpner.files import replacing
from cpner.progress import Progress, Report, ignore

_MINUTE = 60
_HOUR = 3600


@dataclass(frozen=True)
class Plan:
    """What is made.

    Attributes:
        domain: whose entities are looked for; None for zero-shot.
        keys: of the texts in records, and of the entities.
        shard_size: texts of a shard.
        settings: what else results depend on, by name; a run that goes on must have the same.
        contents: what names those of the domain; None for zero-shot.
        labelling: how regions of Label Studio are named, where OUT has its tasks.
        review: how many of the least sure texts also go to a file of their own, for people to check; None for none.
    """

    domain: str | None
    keys: Keys
    shard_size: int
    settings: dict[str, Any]
    contents: str | None = None
    labelling: Labelling | None = None
    review: int | None = None


class Summary(NamedTuple):
    """What was done.

    Attributes:
        texts: in the output.
        annotated: of these in this run; the rest was there.
        skipped: lines that were left out.
        read: lines that were read.
        seconds: from the first shard given to a worker to the last answer.
    """

    texts: int
    annotated: int
    skipped: int
    read: int
    seconds: float


def annotate(inputs: Inputs, parts: Parts, engine: Engine, plan: Plan, report: Report = ignore) -> Summary:
    """Find the entities of all texts of an input, and write them to one file in their order.

    What is done of it is kept if the run is stopped, in whatever way, and need not be done again.

    Args:
        inputs: read as workers need texts.
        parts: where the output goes, and shards until all are there.
        engine: the workers; closed in the end.
        plan: what is made.
        report: called after each shard.

    Raises:
        FileError: something can't be read or written.
        CorpusError: a line is bad, or there is no text.
        ConfigError: the shards that are there were made with other settings.
        CpnerError: workers can't do it.
    """
    arrow = parts.out.suffix.lower() == ".parquet" and inputs.all_parquet()
    try:
        with parts.locked():
            identity = engine.begin(parts.precision)
            output = _output(parts.out, plan, identity, arrow=arrow)
            parts.begin(_manifest(plan, identity, output))
            tally = _Tally(inputs, report)
            shards = tally.missing(cut(inputs, plan.shard_size, arrow=arrow), parts)
            warned: set[str] = set()
            for shard, answer in engine.run(shards):
                answer.checked()
                if answer.identity is not None and answer.identity != identity:
                    raise CpnerError(f"workers differ: one has {_words(answer.identity)}, the first {_words(identity)}")
                for message in set(answer.warnings) - warned:
                    warned.add(message)
                    warnings.warn(message, stacklevel=2)
                if plan.review:  # first, so that a shard that is there has it
                    lines = review_lines(shard, answer, shard.number * plan.shard_size, plan.review)
                    with replacing(parts.review(shard.name), sync=True) as file:
                        file.write(lines)
                parts.put(shard, output.write(shard, answer))
                tally.add(shard)
            seconds = tally.seconds
            if inputs.error is not None:
                raise inputs.error
            if not tally.names:
                raise CorpusError("no text to annotate" + (": every line was left out" if inputs.skipped else ""))
            if plan.review:
                with replacing(review_path(parts.out), sync=True) as file:
                    file.write(gather([parts.review(name) for name in tally.names], plan.review))
            parts.join(tally.names, tally.texts, output.join)
    finally:
        engine.close()
    return Summary(tally.texts, tally.annotated, inputs.skipped, inputs.count, seconds)


def _output(out: Path, plan: Plan, identity: Identity, *, arrow: bool) -> Output:
    """The form that the ending of OUT asks for."""
    ending = out.suffix.lower()
    if arrow:
        return ParquetRows(plan.domain, plan.keys)
    if ending == ".parquet":
        return LinesToParquet(plan.domain, plan.keys, out)
    if ending == ".json":
        labelling = plan.labelling or Labelling(text_key=plan.keys.text)
        version = model_version(plan.domain, plan.contents or identity.backbone)
        return PredictedTasks(plan.domain, plan.keys, out, labelling, version)
    return JsonLines(plan.domain, plan.keys, out)


def _manifest(plan: Plan, identity: Identity, output: Output) -> dict[str, Any]:
    """What a run that goes on must have in common with the one that was stopped."""
    return {
        "domain": plan.domain,
        **plan.settings,
        "contents of the domain": plan.contents,
        "labels": plan.labelling and asdict(plan.labelling),
        "review": plan.review,
        "into": plan.keys.into,
        "shard_size": plan.shard_size,
        "records": output.of_shards,
        "backbone": identity.backbone,
        "precision": identity.precision,
        "version": __version__,
    }


class _Tally:
    """What is done, and how fast."""

    def __init__(self, inputs: Inputs, report: Report) -> None:
        self._inputs = inputs
        self._report = report
        self._started = time.monotonic()
        self._bytes = 0  # of shards that are done
        self._new_bytes = 0  # of these in this run
        self.names: list[str] = []
        self.texts = 0
        self.annotated = 0

    @property
    def seconds(self) -> float:
        """Since the first shard was given to a worker."""
        return time.monotonic() - self._started

    def missing(self, shards: Iterator[Shard], parts: Parts) -> Iterator[Shard]:
        """The shards that are not done; all are counted."""
        is_first = True
        for shard in shards:
            self.names.append(shard.name)
            self.texts += len(shard.rows)
            if parts.has(shard):
                self._bytes += shard.bytes
                continue
            if is_first:
                self._started = time.monotonic()
                is_first = False
            yield shard

    def add(self, shard: Shard) -> None:
        """Count a shard that was done, and report."""
        self.annotated += len(shard.rows)
        self._bytes += shard.bytes
        self._new_bytes += shard.bytes
        rate = self.annotated / self.seconds
        message = f"{self.annotated:,} texts, {rate:,.{0 if rate >= 10 else 1}f} a second"
        total = self._inputs.size
        if total and self._new_bytes:
            left = max(total - self._bytes, 0) * self.seconds / self._new_bytes
            message += f", {duration(left)} left"
        self._report(Progress(min(self._bytes, total), total, message))


def duration(seconds: float) -> str:
    """A time for people: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{int(seconds // _HOUR)} h {int(seconds % _HOUR // _MINUTE)} min"


def _words(identity: Identity) -> str:
    return f"weights {identity.backbone} in {identity.precision}"
