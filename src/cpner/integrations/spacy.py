"""spaCy: the component "cpner", which writes entities into `doc.ents` or `doc.spans`.

    nlp.add_pipe("cpner", config={"store": "store", "domain": "news"})

`doc._.cpner_domain` names another domain for a document. `span._.cpner_score` has the score of an entity,
`span._.score` too unless another library has an extension of that name.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from weakref import finalize

import numpy as np
import srsly
from spacy.language import Language
from spacy.pipeline import Pipe
from spacy.tokens import Doc, Span, SpanGroup
from spacy.util import filter_spans, minibatch

from cpner.backbone import EMBEDDED
from cpner.corpus import Entity
from cpner.errors import ConfigError, CpnerError, StoreError, did_you_mean
from cpner.files import replacing_folder
from cpner.integrations.finder import Finder
from cpner.store import Store
from cpner.store.package import pack, unpack

STYLES = ("ent", "span")
ALIGNMENTS = ("strict", "contract", "expand")
_STORE = "store"  # folder of the domains in that of a saved component
_OWN_SCORE = "cpner_score"
_SCORES = (_OWN_SCORE, "score")
_made: dict[str, Any] = {}  # the extensions of spans that were made here; those of others are left alone
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Marking:
    """How entities are written into a document.

    Attributes:
        style: "ent" writes `doc.ents`, "span" a group of `doc.spans`.
        spans_key: the group's key.
        overwrite_ents: whether entities that are there give way to those that overlap them, or stay in their place.
        alignment_mode: what becomes of an entity that begins or ends inside a token: it grows ("expand"), shrinks
            ("contract"), or is left out ("strict").
        labels: labels of types; a type without one is its label.

    Raises:
        ConfigError: there is no such style or mode.
    """

    style: str = "ent"
    spans_key: str = "sc"
    overwrite_ents: bool = False
    alignment_mode: str = "expand"
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value, known in (
            ("style", self.style, STYLES),
            ("alignment_mode", self.alignment_mode, ALIGNMENTS),
        ):
            if value not in known:
                raise ConfigError(f"no {name} {value!r}; expected {' or '.join(known)}.{did_you_mean(value, known)}")


class EntityComponent(Pipe):
    """A component of a spaCy pipeline that finds entities, each document with the domain that it names.

    Args:
        name: of the component in its pipeline.
        finder: finds the entities.
        marking: how they are written.
        scorer: scores examples; spaCy's own.

    Attributes:
        counts: entities that were "written", grew or shrank to tokens ("moved"), lie on no tokens ("misaligned"), or
            gave way to others ("overlapping"), since the component was made.
    """

    def __init__(
        self,
        name: str,
        finder: Finder,
        marking: Marking,
        scorer: Callable[..., dict[str, Any]] | None = None,
    ) -> None:
        self.name = name
        self.finder = finder
        self.marking = marking
        self.scorer = scorer
        self.counts: Counter[str] = Counter()
        if not Doc.has_extension("cpner_domain"):
            Doc.set_extension("cpner_domain", default=None)
        for extension in _SCORES:
            if not Span.has_extension(extension):
                Span.set_extension(extension, default=None)
                _made[extension] = Span.get_extension(extension)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the component's own domain; none where it has none, or the store is elsewhere."""
        with suppress(CpnerError):
            return tuple(dict.fromkeys(map(self._label, self.finder.types())))
        return ()

    def __call__(self, doc: Doc) -> Doc:
        """Write the entities of a document.

        Raises:
            UnknownDomainError: there is no such domain.
            ConfigError: there are neither a domain nor types.
        """
        self._write(doc, self._find([doc])[0])
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Write the entities of documents, `batch_size` of which are read at a time.

        A document that fails goes to the pipeline's error handler; the others of its batch don't suffer.
        """
        for docs in minibatch(stream, size=batch_size):
            answers: Sequence[list[Entity] | None]
            try:
                answers = self._find(docs)
            except Exception:  # which document it is shows below
                answers = [None] * len(docs)
            for doc, entities in zip(docs, answers, strict=True):
                try:
                    self._write(doc, self._find([doc])[0] if entities is None else entities)
                except Exception as error:  # the pipeline's handler decides
                    self.get_error_handler()(self.name, self, [doc], error)
                else:
                    yield doc

    def _find(self, docs: Sequence[Doc]) -> list[list[Entity]]:
        return self.finder.find([doc.text for doc in docs], [doc._.cpner_domain for doc in docs])

    def _write(self, doc: Doc, entities: Iterable[Entity]) -> None:
        counts: Counter[str] = Counter()
        spans = self._spans(doc, entities, counts)
        if self.marking.style == "ent":
            self._write_entities(doc, spans, counts)
        else:
            self._write_group(doc, spans, counts)
        self.counts += counts
        if counts["misaligned"]:
            _log.warning(
                "%s: %d of a document's entities begin or end inside tokens and were left out (alignment_mode %r)",
                self.name, counts["misaligned"], self.marking.alignment_mode,
            )  # fmt: skip
        if counts["moved"] or counts["overlapping"]:
            _log.info(
                "%s: of a document's entities %d were moved to tokens, %d gave way to others",
                self.name, counts["moved"], counts["overlapping"],
            )  # fmt: skip

    def _spans(self, doc: Doc, entities: Iterable[Entity], counts: Counter[str]) -> dict[Span, float]:
        """The spans of entities, with their scores."""
        spans: dict[Span, float] = {}
        for entity in entities:
            span = doc.char_span(
                entity.start, entity.end, label=self._label(entity.type), alignment_mode=self.marking.alignment_mode
            )
            if span is None or len(span) == 0:
                counts["misaligned"] += 1
                continue
            counts["moved"] += (span.start_char, span.end_char) != (entity.start, entity.end)
            spans[span] = max(entity.score or 0.0, spans.get(span, 0.0))
        return spans

    def _write_entities(self, doc: Doc, spans: Mapping[Span, float], counts: Counter[str]) -> None:
        there = list(doc.ents)
        new = filter_spans(spans)
        if self.marking.overwrite_ents:
            there = [entity for entity in there if not _overlaps(entity, new)]
        else:
            new = [span for span in new if not _overlaps(span, there)]
        doc.ents = sorted([*there, *new], key=lambda span: span.start)
        counts["overlapping"] += len(spans) - len(new)
        counts["written"] += len(new)
        _set_scores({span: spans[span] for span in new})

    def _write_group(self, doc: Doc, spans: Mapping[Span, float], counts: Counter[str]) -> None:
        """Add spans to a group, whose others stay, with their scores if they have any."""
        key = self.marking.spans_key
        group = doc.spans.get(key)
        attributes = dict(group.attrs) if group is not None else {}
        there = list(group) if group is not None else []
        scores = list(attributes.get("scores", ()))
        if len(scores) != len(there):
            scores = [np.nan] * len(there)
        stay = [(span, score) for span, score in zip(there, scores, strict=True) if span not in spans]
        rows = [*stay, *spans.items()]
        attributes["scores"] = np.array([score for _, score in rows], dtype="float32")
        doc.spans[key] = SpanGroup(doc, name=key, attrs=attributes, spans=[span for span, _ in rows])
        counts["written"] += len(spans)
        _set_scores(spans)

    def _label(self, type: str) -> str:
        return self.marking.labels.get(type, type)

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Write the domains of the store into a folder; the settings are in the pipeline's own.

        Raises:
            StoreError: a domain is damaged.
            FileError: the folder can't be written.
        """
        Path(path).mkdir(parents=True, exist_ok=True)
        target = Path(path) / _STORE
        store = self._store()
        if store is None or _STORE in exclude or (target.is_dir() and target.samefile(store.path)):
            return
        with replacing_folder(target) as folder:
            copy = Store(folder)
            for name in store.names():
                copy.save(store.load(name), dtype=None)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> EntityComponent:
        """Use the domains of a folder that `to_disk` wrote. They are read when they are first asked for."""
        folder = Path(path) / _STORE
        if folder.is_dir() and _STORE not in exclude:
            self.finder.use_store(folder)
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The domains of the store as bytes.

        Raises:
            StoreError: a domain is damaged.
        """
        store = None if _STORE in exclude else self._store()
        domains = {name: pack(store.load(name), None) for name in store.names()} if store else {}
        data: bytes = srsly.msgpack_dumps({_STORE: domains})
        return data

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> EntityComponent:
        """Use the domains of `to_bytes`, which are kept in a temporary folder as long as the component lives.

        Raises:
            StoreError: the bytes are none of `to_bytes`, or damaged.
        """
        try:
            domains = dict(srsly.msgpack_loads(data)[_STORE])
        except Exception as error:  # msgpack raises many kinds
            raise StoreError("the bytes are none of a cpner component") from error
        if not domains or _STORE in exclude:
            return self
        store = Store(mkdtemp(prefix="cpner-"))
        finalize(self.finder, shutil.rmtree, store.path, ignore_errors=True)
        for name, files in domains.items():
            store.save(unpack(_reader(files), Path(name), name, whole=False), dtype=None)
        self.finder.use_store(store.path)
        return self

    def _store(self) -> Store | None:
        path = self.finder.store
        return Store(path) if path is not None and path.is_dir() else None


@Language.factory(
    "cpner",
    assigns=["doc.ents", "doc.spans", "token.ent_iob", "token.ent_type", "span._.cpner_score"],
    default_config={
        "backbone": EMBEDDED,
        "store": None,
        "device": None,
        "domain": None,
        "types": None,
        "threshold": 0.0,
        "batch_size": 32,
        "precision": None,
        "style": "ent",
        "spans_key": "sc",
        "overwrite_ents": False,
        "alignment_mode": "expand",
        "labels": {},
        "scorer": {"@scorers": "spacy.ner_scorer.v1"},
    },
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_component(
    nlp: Language,
    name: str,
    backbone: str,
    store: str | None,
    device: str | None,
    domain: str | None,
    types: list[str] | None,
    threshold: float,
    batch_size: int,
    precision: str | None,
    style: str,
    spans_key: str,
    overwrite_ents: bool,
    alignment_mode: str,
    labels: dict[str, str],
    scorer: Callable[..., Any] | None,
) -> EntityComponent:
    """Make the component of a pipeline; `Finder` and `Marking` say what the settings mean.

    Raises:
        ConfigError: a setting is out of its range.
    """
    finder = Finder(
        backbone, store, device=device, domain=domain, types=types, threshold=threshold, batch_size=batch_size,
        precision=precision,
    )  # fmt: skip
    return EntityComponent(name, finder, Marking(style, spans_key, overwrite_ents, alignment_mode, labels), scorer)


def _overlaps(span: Span, others: Iterable[Span]) -> bool:
    return any(span.start < other.end and other.start < span.end for other in others)


def _set_scores(scores: Mapping[Span, float]) -> None:
    """Give spans their scores, but not where another library has an extension of the name."""
    ours = [name for name in _SCORES if Span.has_extension(name) and Span.get_extension(name) is _made.get(name)]
    for name in {_OWN_SCORE, *ours}:
        for span, score in scores.items():
            span._.set(name, score)


def _reader(files: Mapping[str, bytes]) -> Callable[[str], bytes]:
    def read(file: str) -> bytes:
        if file not in files:
            raise StoreError(f"{file} is missing")
        return files[file]

    return read
