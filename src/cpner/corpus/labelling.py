"""Label Studio's labelling configuration: which types an annotator can choose, where the text is, and its regions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from cpner.corpus.sentence import Entity, utf16
from cpner.corpus.type_names import name_types
from cpner.errors import ConfigError, CpnerError

_LABELS = ("Labels", "HyperTextLabels")
_LONGEST = 200_000  # characters of a configuration


@dataclass(frozen=True)
class Labelling:
    """How regions of a text are named; the defaults are those of the files that cpner writes.

    Attributes:
        from_name: of the tag with the labels.
        to_name: of the tag with the text.
        kind: of a region, "labels" or "hypertextlabels".
        text_key: where the text is in a task's data.
        labels: Label Studio's name of each type in words; a type that is not there is called by its words.
    """

    from_name: str = "label"
    to_name: str = "text"
    kind: str = "labels"
    text_key: str = "text"
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def types(self) -> tuple[str, ...]:
        """The types in words."""
        return tuple(self.labels)

    def type_of(self, label: str) -> str | None:
        """The type of a label; None if the configuration has no such label."""
        return next((type for type, name in self.labels.items() if name == label), None)

    def regions(self, text: str, entities: Iterable[Entity]) -> list[dict[str, Any]]:
        """The result of an annotation or prediction: a region for each entity, whose offsets count UTF-16 units.

        Each has an `id`: Label Studio counts the regions of a result by it.
        """
        return [
            {
                "id": f"{one.start}-{one.end}",
                "from_name": self.from_name,
                "to_name": self.to_name,
                "type": self.kind,
                "value": {
                    "start": one.start,
                    "end": one.end,
                    "text": one.text,
                    "labels": [self.labels.get(one.type, one.type)],
                },
                **({} if one.score is None else {"score": one.score}),
            }
            for one in utf16(text, entities)
        ]

    def prediction(self, text: str, entities: Iterable[Entity], score: float | None, version: str) -> dict[str, Any]:
        """A prediction of a task.

        Args:
            text: the task's.
            entities: of the text, with offsets in characters.
            score: the probability that all of them are right and none is missing; None if that is not known.
            version: of the model.
        """
        given = {} if score is None else {"score": score}
        return {"model_version": version, **given, "result": self.regions(text, entities)}


def model_version(domain: str | None, contents: str) -> str:
    """Names a model in Label Studio, so that each training has a name of its own.

    Args:
        domain: None for zero-shot.
        contents: what names those of the domain, or of the backbone without one; its first 16 signs are taken.
    """
    return f"{domain or 'zero-shot'}-{contents[:16]}"


def read_labelling(config: str) -> Labelling:
    """Read a labelling configuration.

    Raises:
        ConfigError: it is no XML, or has no labels for a text.
    """
    if len(config) > _LONGEST or "<!DOCTYPE" in config or "<!ENTITY" in config:
        raise _wrong("is too long, or declares entities")
    try:
        root = ElementTree.fromstring(config)
    except ElementTree.ParseError as error:
        raise _wrong(f"is no XML: {error}") from error
    tag = next((tag for tag in root.iter() if tag.tag in _LABELS), None)
    if tag is None:
        raise _wrong("has no tag Labels or HyperTextLabels")
    to_name = tag.get("toName", "")
    text = next((one for one in root.iter() if one.get("name") == to_name), None)
    if text is None or not text.get("value", "").startswith("$"):
        raise _wrong("labels no text that comes from a task's data")
    labels = _labels(tag)
    if not labels:
        raise _wrong("has no Label")
    return Labelling(tag.get("name", "label"), to_name, tag.tag.lower(), text.get("value", "")[1:], labels)


def _labels(tag: ElementTree.Element) -> dict[str, str]:
    """Label Studio's name of each type: its own words, or those that `predicted_values` names."""
    named: dict[str, str] = {}
    plain: dict[str, str] = {}
    for label in tag.iter("Label"):
        value = label.get("value", "")
        shown = label.get("alias") or value
        if predicted := [name.strip() for name in label.get("predicted_values", "").split(",") if name.strip()]:
            named |= dict.fromkeys(predicted, shown)
        elif value:
            plain[value] = shown
    try:
        words = name_types(set(plain))
    except CpnerError as error:
        raise _wrong(f"has a label that can't name a type: {error}") from error
    return {**named, **{words[value]: shown for value, shown in plain.items()}}


def _wrong(message: str) -> ConfigError:
    return ConfigError(f"the labelling configuration {message}")
