"""The JSON of the native routes. Fields are checked when a body is read; those that are not named here are refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

Share = Annotated[float, Meta(ge=0, le=1)]
Key = Annotated[str, Meta(max_length=200)]
Offsets = Literal["codepoint", "utf16"]
JobKind = Literal["fit", "transfer", "self-train"]


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """A body in which a misspelt field is an error."""


class Input(Strict):
    """A text, and the domain to use if it differs from the request's."""

    text: str
    id: Key | int | None = None
    domain: str | None = None


class PredictRequest(Strict):
    """Texts whose entities to find; either `text` or `inputs`. Without a domain, `types` says what to look for."""

    text: str | UnsetType = UNSET
    inputs: list[Input] | UnsetType = UNSET
    domain: str | None = None
    types: list[str] | None = None
    threshold: Share = 0.0
    thresholds: dict[str, Share] = {}
    beams: Annotated[int, Meta(ge=1)] = 1
    offsets: Offsets = "codepoint"


class FoundEntity(msgspec.Struct):
    """An entity: characters from `start` up to, not including, `end`."""

    start: int
    end: int
    text: str
    type: str
    score: float


class PredictResult(msgspec.Struct):
    """The entities of one text, and the probability that they are right and none is missing."""

    id: str | int | None
    domain: str | None
    entities: list[FoundEntity]
    score: float


class PredictAnswer(msgspec.Struct):
    """The results, in the order of the inputs."""

    backbone: str
    results: list[PredictResult]
    took_ms: float


class Mark(Strict):
    """A labelled entity: characters from `start` up to, not including, `end`."""

    start: Annotated[int, Meta(ge=0)]
    end: Annotated[int, Meta(ge=1)]
    type: str
    text: str | None = None


class Labelled(Strict):
    """A text with its entities."""

    text: str
    entities: list[Mark] = []


class EvaluateRequest(Strict):
    """Labelled sentences to score a domain on."""

    sentences: Annotated[list[Labelled], Meta(min_length=1)]


class CompareRequest(Strict):
    """Two domains and texts to see what they find differently."""

    domains: Annotated[list[str], Meta(min_length=2, max_length=2)]
    texts: Annotated[list[str], Meta(min_length=1)]
    threshold: Share = 0.0


class Comparison(msgspec.Struct):
    """What two domains find in one text."""

    both: list[FoundEntity]
    first: list[FoundEntity]
    second: list[FoundEntity]


class CompareAnswer(msgspec.Struct):
    """What two domains find, text by text; `first` and `second` hold what one of them alone finds."""

    domains: list[str]
    results: list[Comparison]


class CopyRequest(Strict):
    """The other name of a domain."""

    to: str
    overwrite: bool = False


class DomainRow(msgspec.Struct):
    """A domain in a list; `error` says why a damaged one can't be used."""

    name: str
    types: list[str] = []
    strategy: str | None = None
    f1: float | None = None
    created: str | None = None
    version: str | None = None
    error: str | None = None


class DomainList(msgspec.Struct):
    """Domains by name; `next` is the last name if there are more."""

    domains: list[DomainRow]
    next: str | None


class DomainAnswer(msgspec.Struct):
    """What is known of a domain: its card as stored, its size, and the version that is its ETag."""

    name: str
    version: str
    bytes: int
    loaded: bool
    card: dict[str, Any]


class Splits(Strict):
    """Labelled sentences: to learn from, to choose the best epoch by, and to score old and new by."""

    train: list[Labelled] = []
    dev: list[Labelled] = []
    test: list[Labelled] = []


class MixingRequest(Strict):
    """How sources are weighed and mixed in, as in `cpner.Mixing`."""

    alpha: Share = 0.5
    temperature: float = 1.0
    top_k: int | None = None
    weighting: str = "softmax"
    share: Share | None = None
    space: str = "prefix"


class JobRequest(Strict):
    """A training: what to train, on what, from which sources, with which settings."""

    kind: JobKind
    domain: str
    corpus: Splits = msgspec.field(default_factory=Splits)
    types: list[str] | None = None
    text: list[str] = []
    sources: list[str] | Literal["auto"] = []
    strategy: str = "collaborate"
    mixing: MixingRequest = msgspec.field(default_factory=MixingRequest)
    settings: dict[str, Any] = {}


class JobAnswer(msgspec.Struct):
    """Where a training stands; `result` holds F1 on dev, and of the old and the new domain on test."""

    id: str
    kind: str
    domain: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    created: str
    progress: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    error: str | None = None


class JobList(msgspec.Struct):
    """Trainings, the newest first."""

    jobs: list[JobAnswer]


class WorksheetType(Strict):
    """A type on the page, and whether it is shown."""

    name: str
    on: bool = True


class WorksheetSentence(Strict):
    """A sentence on the page; `entities` is null as long as nobody has corrected it.

    `done`: the user has confirmed it; `here`: it belongs to the text on screen.
    """

    text: str
    entities: list[Mark] | None = None
    done: bool = False
    here: bool = True


class Worksheet(Strict):
    """Unfinished work of the page; `training` is what the page notes of a training."""

    domain: str | None = None
    types: list[WorksheetType] = []
    threshold: Share = 0.5
    sentences: list[WorksheetSentence] = []
    training: dict[str, Any] | None = None


class WorksheetRow(msgspec.Struct):
    """A worksheet in a list."""

    id: str
    version: str
    saved: str
    domain: str | None
    types: list[str]
    confirmed: int


class WorksheetList(msgspec.Struct):
    """Worksheets, the newest first."""

    worksheets: list[WorksheetRow]


class Problem(msgspec.Struct):
    """An error; some kinds have further fields, such as the `path` of a wrong one."""

    error: str
    error_type: str


class ModelRow(msgspec.Struct):
    """A domain, or the backbone, as a model."""

    id: str
    parent: str | None
    root: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "cpner"


class ModelList(msgspec.Struct):
    """Backbone and domains as models."""

    data: list[ModelRow]
    object: Literal["list"] = "list"


class Sentences(Strict):
    """Labelled sentences, and what the reader mended."""

    sentences: list[Labelled]
    types: list[str] = []
    repairs: dict[str, int] = {}
