"""Haystack: a component that writes the entities of documents into `meta["named_entities"]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict

from cpner.backbone import EMBEDDED
from cpner.integrations.finder import Finder

KEY = "named_entities"


@dataclass
class NamedEntityAnnotation:
    """An entity, with the fields that Haystack's extractors give it.

    Attributes:
        entity: the type in words.
        start: first character.
        end: after the last character.
        score: in [0, 1].
    """

    entity: str
    start: int
    end: int
    score: float | None = None


@component
class CpnerEntityExtractor:
    """Finds the entities of documents, each with the domain that it names.

    Args:
        domain: for documents that name none; None looks for `types` with the backbone alone.
        store: folder of stored domains.
        backbone: "cpner-mini", a folder with a T5 checkpoint, or a repository of the Hugging Face hub.
        device: None picks CUDA where there is one.
        types: look for these instead of the domain's.
        threshold: least score of an entity, in [0, 1].
        batch_size: sentences decoded at once.
        precision: "float32", "bfloat16" or "int8"; None is the fastest there.
        domain_key: where in its `meta` a document names its domain; None looks nowhere.

    Raises:
        ConfigError: a value is of the wrong kind, or out of its range.
    """

    def __init__(
        self,
        domain: str | None = None,
        store: str | None = None,
        *,
        backbone: str = EMBEDDED,
        device: str | None = None,
        types: Sequence[str] | None = None,
        threshold: float = 0.0,
        batch_size: int = 32,
        precision: str | None = None,
        domain_key: str | None = None,
    ) -> None:
        self.finder = Finder(
            backbone, store, device=device, domain=domain, types=types, threshold=threshold, batch_size=batch_size,
            precision=precision,
        )  # fmt: skip
        self.domain_key = domain_key

    def warm_up(self) -> None:
        """Load the backbone; Haystack calls this before a pipeline runs.

        Raises:
            BackboneError: there is no such backbone.
        """
        self.finder.load()

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, list[Document]]:
        """Find the entities of documents; those without text have none.

        Returns:
            "documents": copies whose `meta["named_entities"]` are lists of `NamedEntityAnnotation`.

        Raises:
            UnknownDomainError: there is no such domain.
            ConfigError: a document has neither a domain nor types to look for.
            CorpusError: a text is no Unicode.
        """
        texts = [document.content or "" for document in documents]
        domains = [document.meta.get(self.domain_key) if self.domain_key else None for document in documents]
        annotated = []
        for document, entities in zip(documents, self.finder.find(texts, domains), strict=True):
            annotations = [NamedEntityAnnotation(one.type, one.start, one.end, one.score) for one in entities]
            annotated.append(replace(document, meta={**document.meta, KEY: annotations}))
        return {"documents": annotated}

    @classmethod
    def get_stored_annotations(cls, document: Document) -> list[NamedEntityAnnotation] | None:
        """The entities of a document that went through `run`; None of any other."""
        annotations: list[NamedEntityAnnotation] | None = document.meta.get(KEY)
        return annotations

    def to_dict(self) -> dict[str, Any]:
        """The component as a pipeline's file has it."""
        data: dict[str, Any] = default_to_dict(self, **self.finder.settings(), domain_key=self.domain_key)
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> CpnerEntityExtractor:
        """A component of what `to_dict` gave. A pipeline's `load` wants `allowed_modules=["cpner.*"]` for it."""
        made: CpnerEntityExtractor = default_from_dict(cls, data)
        return made
