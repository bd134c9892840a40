"""What a worker does, in whatever process it lives: load a domain once, and find the entities of shards."""

from __future__ import annotations

import tempfile
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cpner.corpus.checks import sentence_of
from cpner.corpus.sentence import Entity
from cpner.errors import CpnerError

if TYPE_CHECKING:
    from cpner.recogniser import Recogniser

Found = list[list[tuple[int, int, str, float | None]]]  # of each text its entities


@dataclass(frozen=True)
class Job:
    """What all workers of a run share.

    Attributes:
        backbone: name or folder of the backbone.
        domain: whose entities to find; None for zero-shot.
        archive: the domain, as `Store.export` writes it, so that a worker needs no store and sees no change of it.
        settings: of `recognise`: types, batch_size, beams, by_sentence.
        device: None picks CUDA where there is one.
        precision: "float32", "bfloat16" or "int8"; None is the fastest there.
    """

    backbone: str
    domain: str | None = None
    archive: bytes | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    device: str | None = None
    precision: str | None = None


class Identity(NamedTuple):
    """What results depend on beside the job: the fingerprint of the weights, and what is computed in."""

    backbone: str
    precision: str


class Reply(NamedTuple):
    """What came of a task.

    Attributes:
        entities: of each text.
        identity: of the worker.
        warnings: what it warned of.
        error: the message of an error that a user can mend.
        crash: the traceback of any other error.
        scores: of each text, the probability that it is right as a whole; None where scores are raw.
    """

    entities: Found
    identity: Identity | None = None
    warnings: tuple[str, ...] = ()
    error: str = ""
    crash: str = ""
    scores: Sequence[float | None] = ()

    def checked(self) -> Reply:
        """The answer itself.

        Raises:
            CpnerError: the worker met an error that a user can mend.
            RuntimeError: it met another one.
        """
        if self.error:
            raise CpnerError(self.error)
        if self.crash:
            raise RuntimeError(f"in a worker: {self.crash}")
        return self


class Annotator:
    """Finds entities for a job; loads what it needs at its first task.

    Args:
        job: what to do.
    """

    def __init__(self, job: Job) -> None:
        self.job = job

    def answer(self, texts: Sequence[str]) -> Reply:
        """The entities of texts; without texts, only who answers. Never raises but where the process must end."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                entities, scores = self._find(texts) if texts else ([], [])
                messages = tuple({str(warning.message): 1 for warning in caught})
                return Reply(entities, self._identity, messages, scores=scores)
            except CpnerError as error:
                return Reply([], error=str(error))
            except MemoryError:
                return Reply([], error="a worker is out of memory: take fewer --workers, or a smaller --batch-size")
            except Exception:  # not swallowed: its traceback goes to the process that asked, and is raised there
                return Reply([], crash=traceback.format_exc())

    def _find(self, texts: Sequence[str]) -> tuple[Found, list[float | None]]:
        sentences = [sentence_of(text) for text in texts]
        answers = self._recogniser.recognise(sentences, self.job.domain, **self.job.settings)
        rows: Found = []
        for sentence, answer in zip(sentences, answers, strict=True):
            entities = [sentence.entity(one.span, one.score) for one in answer]
            rows.append([(start, end, type, score) for start, end, type, _, score in entities])
        return rows, [answer.score for answer in answers]

    @cached_property
    def _recogniser(self) -> Recogniser:
        from cpner.recogniser import Recogniser
        from cpner.store import Store

        job = self.job
        if job.archive is None:
            return Recogniser.load(job.backbone, device=job.device, precision=job.precision)
        with tempfile.TemporaryDirectory(prefix="cpner-") as folder:
            archive = Path(folder, "domain.zip")
            archive.write_bytes(job.archive)
            store = Path(folder, "store")
            Store(store, create=True).import_(archive, job.domain)
            recogniser = Recogniser.load(job.backbone, device=job.device, precision=job.precision, store=store)
            recogniser.predict("", job.domain)  # keeps the domain in memory
        return recogniser

    @cached_property
    def _identity(self) -> Identity:
        backbone = self._recogniser.backbone
        return Identity(backbone.fingerprint, backbone.precision)


def entities_of(texts: Sequence[str], answers: Found) -> list[list[Entity]]:
    """The entities of texts as users see them."""
    return [
        [Entity(start, end, type, text[start:end], score) for start, end, type, score in entities]
        for text, entities in zip(texts, answers, strict=True)
    ]
