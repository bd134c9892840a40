"""What is known of a stored domain: the card, its JSON, and the page that people read. Needs no torch."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cpner.backbone.shape import ATTENTIONS, PrefixConfig
from cpner.calibration.calibrator import Calibrator
from cpner.corpus.ends import SINGLE
from cpner.corpus.type_names import can_name_type
from cpner.errors import ConfigError, PrefixMismatchError, StoreError, one_line
from cpner.settings import wrong_kinds
from cpner.store.plain import check_plain, check_shapes, check_statistics, check_texts, is_number

if TYPE_CHECKING:
    from torch import Tensor

    from cpner.backbone.load import Backbone
    from cpner.backbone.prefix import Prefix

FORMAT = 1  # of domain.json and the tensor files; raised when older versions of cpner could misread them
NAME_LENGTH = 64  # characters
CARD_BYTES = 1_000_000  # of domain.json; a card in memory takes up to thirty times as much
VOTES = ("probabilities", "predictions")  # what the members of an ensemble agree on
LIBRARIES = ("adapterhub", "peft")  # that domains are exchanged with, see `exchange.py`
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9_-])?")
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)  # no file on Windows has such a name


@dataclass(frozen=True)
class DomainCard:
    """What is known of a domain, as `domain.json` holds it.

    Attributes:
        name: of the domain; letters, digits, '-', '_' and '.'.
        types: its entity types in words, in the order of the instructor's options.
        backbone: name of the backbone as it was asked for.
        backbone_fingerprint: of the backbone's weights; decides whether the prefix fits.
        prefix: the `PrefixConfig`; `length` and `attentions` must agree with the tensors.
        start_fingerprint: of the prefix at which training began; averages need a common one.
        statistics: of the corpus, as `Corpus.statistics()` gives them, and whether its texts are "single_sentences".
        sources: weight of each source domain; empty if there was none.
        strategy: how the prefix came about: "warm-up", "dapt", "self-training", or one of
            `cpner.transfer.strategies.STRATEGIES`.
        metrics: scores, nested as one likes; figures from 0 to 100.
        seed: of the training.
        versions: of cpner and of the packages it ran on.
        created: date and time, ISO 8601.
        options: whether the instructor lists the entity types.
        instruction: the instructor's first words.
        members: of an ensemble, by the source or seed that each came from; their prefixes stand one after another, so
            that each has `length / len(members)` positions. Empty: one prefix.
        vote: how members agree: on "probabilities" or on "predictions".
        shapes: of the tensors by attention, [L, 2, H, K, D]; `Store.save` fills it in.
        calibration: what turns raw scores into probabilities, as `Calibrator.to_json` gives it; empty: the backbone's.

    Raises:
        StoreError: a field is of the wrong kind, or the name can't be stored.
    """

    name: str
    types: list[str]
    backbone: str
    backbone_fingerprint: str
    prefix: dict[str, Any]
    start_fingerprint: str
    statistics: dict[str, Any]
    sources: dict[str, float]
    strategy: str
    metrics: dict[str, Any]
    seed: int
    versions: dict[str, str]
    created: str
    options: bool = True
    instruction: str = "find entities"
    members: list[str] = field(default_factory=list)
    vote: str = "probabilities"
    shapes: dict[str, list[int]] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)

    @property
    def calibrator(self) -> Calibrator | None:
        """The domain's calibrator; None: the backbone's default."""
        return Calibrator.from_json(self.calibration)

    @property
    def config(self) -> PrefixConfig:
        """The settings of the prefix."""
        known = {row.name for row in dataclasses.fields(PrefixConfig)}
        plain = {"start_logit": 0.0}  # of a card that does not tell it
        return PrefixConfig(**plain | {name: value for name, value in self.prefix.items() if name in known})

    @property
    def by_sentence(self) -> bool:
        """Whether the domain learnt from single sentences, and is to be asked so."""
        return self.statistics.get(SINGLE) is True

    def _check_prefix(self) -> PrefixConfig:
        missing = {"length", "attentions"} - set(self.prefix)
        try:
            config = self.config
        except ConfigError as error:
            raise StoreError(str(error)) from error
        if missing or len(set(config.attentions)) < len(config.attentions):
            raise StoreError(f"prefix {_short(self.prefix)} needs a length from 1 and attentions of {list(ATTENTIONS)}")
        return config

    def __post_init__(self) -> None:
        for name, kind in wrong_kinds(self):
            raise StoreError(f"{name} is {_short(getattr(self, name))}; expected {kind}")
        check_name(self.name)
        if not self.types or not all(isinstance(name, str) and name.strip() for name in self.types):
            raise StoreError(f"types {_short(self.types)} must be the names of the entity types, at least one")
        if len(set(self.types)) < len(self.types) or not all(map(can_name_type, self.types)):
            raise StoreError(f"types {_short(self.types)} must be words without ':' and parentheses, each named once")
        for name, weight in self.sources.items():
            if not is_number(weight):
                raise StoreError(f"the weight of source {name!r} is {_short(weight)}, which is no number")
        for row in dataclasses.fields(self):
            check_plain(row.name, getattr(self, row.name))
        check_texts("members", self.members)
        check_texts("versions", self.versions.values())
        check_statistics(self.statistics)
        if odd := set(self.shapes) - set(ATTENTIONS):
            raise StoreError(f"shapes are of {_short(min(odd))}, which is none of {list(ATTENTIONS)}")
        check_shapes(self.shapes)
        Calibrator.from_json(self.calibration)
        length = self._check_prefix().length
        if self.vote not in VOTES or (self.members and length % len(self.members)):
            raise StoreError(
                f"an ensemble of {len(self.members)} by {_short(self.vote)} does not fit {length} positions: "
                f"each member has as many, and votes are on {' or '.join(VOTES)}"
            )


def is_name(name: str) -> bool:
    """Whether a domain may be stored under this name, on any system."""
    return len(name) <= NAME_LENGTH and _NAME.fullmatch(name) is not None and not _DEVICE.fullmatch(name)


def check_name(name: str) -> None:
    """Check that a domain may be stored under this name.

    Raises:
        StoreError: it may not.
    """
    if not is_name(name):
        raise StoreError(
            f"{_short(name)} can't name a domain: use letters a-z, digits, '-', '_' and '.', at most {NAME_LENGTH}, "
            "a letter or digit first, no '.' last, and no device of Windows such as 'con'"
        )


def check_fits(card: DomainCard, backbone: Backbone) -> None:
    """Check that a domain's prefix was made for a backbone: for the same weights, whatever their name or dtype.

    Raises:
        PrefixMismatchError: it was made for others.
    """
    shape = backbone.shape
    layers = {"encoder": shape.encoder_layers, "decoder": shape.decoder_layers, "cross": shape.decoder_layers}
    needed = {kind: [layers[kind], 2, shape.heads, card.prefix["length"], shape.d_kv] for kind in card.shapes}
    theirs = card.backbone_fingerprint
    ours = backbone.fingerprint
    if theirs == ours and needed == card.shapes:
        return
    if needed != card.shapes:
        theirs = f"{theirs}, prefix {card.shapes}"
        ours = f"{ours}, prefix {needed}"
    raise PrefixMismatchError(
        f"domain {card.name!r} was made for the backbone {card.backbone} ({theirs}), this one is {backbone.name} "
        f"({ours}); load the backbone that it was made for, or warm up again"
    )


def write_json(card: DomainCard, sha256: Mapping[str, str]) -> bytes:
    """`domain.json`: the card, the format, and the sha256 of each tensor file.

    Raises:
        StoreError: the card is too large to be read again.
    """
    record = {"format": FORMAT, **asdict(card), "sha256": dict(sha256)}
    data = json.dumps(record, ensure_ascii=False, indent=1, allow_nan=False).encode()
    if len(data) > CARD_BYTES:
        raise StoreError(f"the card of {card.name!r} has {len(data):,} bytes, more than the {CARD_BYTES:,} it may have")
    return data


def read_json(data: bytes, path: Path, name: str | None = None) -> tuple[DomainCard, dict[str, str]]:
    """The card of a `domain.json` and the sha256 of each tensor file.

    Args:
        data: the file's contents.
        path: its name in messages.
        name: the domain's name, where it is known better than by the file (whose folder may have been renamed).

    Raises:
        StoreError: it is no card, or one of a future format.
    """
    if len(data) > CARD_BYTES:
        raise StoreError(f"{path} has {len(data):,} bytes, more than the {CARD_BYTES:,} that a card may have")
    try:
        record = json.loads(data, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path} is damaged: no JSON ({one_line(error)})") from error
    version = record.get("format") if isinstance(record, dict) else None
    if type(version) is not int:
        raise StoreError(f"{path} is damaged: it names no format")
    if version > FORMAT:
        raise StoreError(f"{path} is of format {version}, this version of cpner reads up to {FORMAT}; upgrade cpner")
    if name is not None:
        record["name"] = name
    fields = {row.name: record[row.name] for row in dataclasses.fields(DomainCard) if row.name in record}
    try:
        card = DomainCard(**fields)
    except (StoreError, TypeError) as error:  # a TypeError names the fields that are missing
        raise StoreError(f"{path} is damaged: {str(error).removeprefix('DomainCard.__init__() ')}") from error
    sha256 = record.get("sha256")
    if not isinstance(sha256, dict) or not all(isinstance(digest, str) for digest in sha256.values()):
        raise StoreError(f"{path} is damaged: it has no sha256 of the tensor files")
    return card, sha256


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A table of JSON without a key twice, of which one value would be lost."""
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a key twice in one table")
    return table


def members_row(card: DomainCard) -> dict[str, str]:
    """What a listing of the card's facts says of an ensemble; nothing of a single prefix."""
    return {"members": f"{', '.join(card.members)}; they agree on {card.vote}"} if card.members else {}


def readme(card: DomainCard) -> str:
    """The card as Markdown."""
    facts = {
        "backbone": f"{card.backbone}, weights {card.backbone_fingerprint}",
        "prefix": f"{card.prefix['length']} positions before the attentions {', '.join(card.prefix['attentions'])}",
        "made by": card.strategy,
        **members_row(card),
        "instruction": f"{card.instruction}, {'with' if card.options else 'without'} options",
        "seed": card.seed,
        "created": card.created,
    }
    python = [
        "from cpner import CPNER",
        "",
        f'ner = CPNER.load({card.backbone!r}, store="STORE")  # the folder that holds this domain\'s folder',
        f'ner.predict("Some text.", domain="{card.name}")',
    ]
    shell = [f'cpner predict --domain {card.name} --store STORE "Some text."']
    sections = {
        "Data": _table(("count", ""), _leaves(card.statistics)),
        "Sources": _table(("domain", "weight"), card.sources.items()),
        "Metrics": _table(("metric", "value"), _leaves(card.metrics)),
        "Use": ["```python", *python, "```", "", "```sh", *shell, "```"],
        "Versions": _table(("package", "version"), card.versions.items()),
    }
    lines = [
        f"# {card.name}",
        "",
        "A domain of cpner: a prefix with which a frozen T5 finds entities of these types:",
        "",
        *(f"- {_plain(type)}" for type in card.types),
        "",
        *_table(("", ""), facts.items()),
    ]
    for title, body in sections.items():
        lines += ["", f"## {title}", "", *body] if body else []
    return "\n".join(lines) + "\n"


def _leaves(nested: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The single values of nested mappings, by their path."""
    for key, value in nested.items():
        name = f"{path} › {key}" if path else str(key)
        if isinstance(value, Mapping):
            yield from _leaves(value, name)
        elif not isinstance(value, list | tuple):
            yield name, value


def _table(head: tuple[str, str], rows: Iterable[tuple[str, Any]]) -> list[str]:
    """A Markdown table; nothing for no rows."""
    from cpner.show.tables import markdown_table  # loads rich, which a card's reader does not need

    body = [(_plain(name), _plain(value)) for name, value in rows]
    return markdown_table(head, body) if body else []


def _plain(value: object) -> str:
    """A value as it can stand in a line of Markdown."""
    text = f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


@dataclass(frozen=True)
class StoredDomain:
    """A domain with its tensors: the baked prefix, and P with its network where they were kept."""

    card: DomainCard
    prefix: Prefix
    reparameterisation: dict[str, Tensor] | None = None

    @property
    def config(self) -> PrefixConfig:
        """The settings of its prefix."""
        return self.card.config

    def as_stored(self) -> StoredDomain:
        """The domain as a store gives it back: its prefix on the CPU in bfloat16, so that saving changes nothing."""
        import torch

        prefix = self.prefix.to("cpu").to(torch.bfloat16)
        shapes = {kind: list(part.shape) for kind, part in prefix.parts.items()}
        return dataclasses.replace(self, card=dataclasses.replace(self.card, shapes=shapes), prefix=prefix)
