"""Presidio: a recogniser for its analyzer. Types are written as `POLITICAL_PARTY`, unless a map says otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from presidio_analyzer import AnalysisExplanation, EntityRecognizer, RecognizerResult

from cpner.backbone import EMBEDDED
from cpner.corpus.type_names import code_of
from cpner.integrations.finder import Finder


class CpnerRecognizer(EntityRecognizer):
    """Finds the entities of one domain, or of types that the backbone alone is told.

    Args:
        domain: whose prefix to use; None looks for `types` with the backbone alone.
        store: folder of stored domains.
        backbone: "cpner-mini", a folder with a T5 checkpoint, or a repository of the Hugging Face hub.
        device: None picks CUDA where there is one.
        types: look for these instead of the domain's.
        threshold: least score of a result, in [0, 1].
        precision: "float32", "bfloat16" or "int8"; None is the fastest there.
        entity_mapping: Presidio's names of types; None for a type leaves it out, and a type that is not in it has
            its own name in capitals.
        presidio: further arguments of its `EntityRecognizer`: the `supported_language` of the texts, the `name` of the
            recogniser, and as `context` words beside an entity that raise its score.

    Raises:
        UnknownDomainError: there is no such domain.
        ConfigError: there are neither a domain nor types, or a value is out of its range.
        BackboneError: there is no such backbone.
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
        precision: str | None = None,
        entity_mapping: Mapping[str, str | None] | None = None,
        **presidio: Any,
    ) -> None:
        self.finder = Finder(
            backbone, store, device=device, domain=domain, types=types, threshold=threshold, precision=precision
        )
        self.entity_mapping = dict(entity_mapping or {})
        names = dict.fromkeys(map(self._name, self.finder.types()))
        super().__init__(supported_entities=[entity for entity in names if entity is not None], **presidio)

    def load(self) -> None:
        """Load the backbone; Presidio calls this when the recogniser is made."""
        self.finder.load()

    def analyze(self, text: str, entities: list[str] | None = None, nlp_artifacts: Any = None) -> list[Any]:
        """Find the entities of a text.

        Args:
            text: of any length.
            entities: Presidio's names of the types that are asked for; None or nothing for all.
            nlp_artifacts: not looked at.

        Returns:
            Presidio's `RecognizerResult`s, ascending, without overlap.

        Raises:
            CorpusError: the text is no Unicode.
        """
        results = []
        for entity in self.finder.find([text])[0]:
            name = self._name(entity.type)
            if name is None or (entities and name not in entities):
                continue
            why = AnalysisExplanation(
                recognizer=self.name,
                original_score=entity.score,
                textual_explanation=f"cpner took it for {entity.type!r}"
                + (f" in domain {self.finder.domain!r}" if self.finder.domain else ""),
            )
            origin = {
                RecognizerResult.RECOGNIZER_NAME_KEY: self.name,
                RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
            }
            results.append(RecognizerResult(name, entity.start, entity.end, entity.score, why, origin))
        return results

    def to_dict(self) -> dict[str, Any]:
        """The arguments that make the same recogniser; `from_dict` takes them."""
        settings = self.finder.settings()
        del settings["batch_size"]
        return {
            **settings,
            "entity_mapping": self.entity_mapping,
            "supported_language": self.supported_language,
            "name": self.name,
            "context": self.context,
        }

    def _name(self, type: str) -> str | None:
        return self.entity_mapping.get(type, code_of(type))
