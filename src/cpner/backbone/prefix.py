"""Prefixes: keys and values before attention's own, and what yields them in training (section 3.3).

A prefix δ has up to three parts, one for each kind of attention (encoder self, decoder self, decoder cross), each
[L, 2, H, K, D]: layers, keys and values, heads, length, head width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from cpner.backbone.shape import T5Shape
from cpner.errors import ConfigError, PrefixMismatchError

ATTENTIONS = ("encoder", "decoder", "cross")


class Prefix(NamedTuple):
    """Keys and values of one domain, each part [L, 2, H, K, D], or of a batch, each [B, L, 2, H, K, D].

    `mask` [B, K] is false where a row's prefix is shorter than the batch's longest; None when all are as long.
    """

    encoder: Tensor | None = None
    decoder: Tensor | None = None
    cross: Tensor | None = None
    mask: Tensor | None = None

    @property
    def parts(self) -> dict[str, Tensor]:
        """The parts that exist, by kind of attention."""
        return {name: part for name in ATTENTIONS if (part := getattr(self, name)) is not None}

    @property
    def length(self) -> int:
        """K, the number of positions."""
        return max((part.shape[-2] for part in self.parts.values()), default=0)

    def to(self, *args: torch.device | torch.dtype | str) -> Prefix:
        """Move or cast every part."""
        parts: dict[str, Tensor] = {name: part.to(*args) for name, part in self.parts.items()}  # type: ignore[call-overload]
        mask = None if self.mask is None else self.mask.to(next(iter(parts.values())).device)  # keeps its dtype
        return Prefix(**parts, mask=mask)

    def expand(self, batch: int) -> Prefix:
        """Give every row of a batch this one prefix, without a copy."""
        return Prefix(**{name: part.expand(batch, *part.shape) for name, part in self.parts.items()})

    def detached(self) -> Prefix:
        """Copies without a gradient."""
        return Prefix(**{name: part.detach().clone() for name, part in self.parts.items()}, mask=self.mask)

    def select(self, rows: Tensor) -> Prefix:
        """Rows of a batch's prefix."""
        return Prefix(*(None if part is None else part[rows] for part in self))


@dataclass(frozen=True)
class PrefixConfig:
    """The shape of a prefix and of its reparameterisation; `paper` gives the paper's."""

    length: int = 30  # K; on the encoder of a T5-base as many numbers as 10 positions at all attentions
    attentions: tuple[str, ...] = ("encoder",)  # which attentions carry a prefix; in the decoder it overfits first
    reparameterisation: str = "direct"  # P is the prefix itself; "mlp" is Li and Liang's network
    hidden: int = 512  # width of the hidden layer of the "mlp"
    start_seed: int = 0  # every warm-up on a backbone begins at this start, so that prefixes may be averaged
    start_scale: float = 0.5  # standard deviation of the start's keys and values; enough to tell positions apart
    start_logit: float = -2.0  # added to the attention logits of the start's keys, see `start.py`; 0 adds nothing

    @classmethod
    def paper(cls, length: int = 10) -> Self:
        """The paper's prefix: at all three attentions, from a network (section 3.3); 10 positions as in its code."""
        return cls(length, ATTENTIONS, "mlp", start_scale=0.1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "attentions", tuple(self.attentions))
        if self.length < 1:
            raise ConfigError(f"prefix length {self.length} is not possible; it counts positions, from 1")
        if not self.attentions or set(self.attentions) - set(ATTENTIONS):
            raise ConfigError(f"prefix attentions {list(self.attentions)} must be some of {list(ATTENTIONS)}")
        if self.reparameterisation not in ("mlp", "direct"):
            raise ConfigError(f"reparameterisation {self.reparameterisation!r} is neither 'mlp' nor 'direct'")


class Reparameterisation(nn.Module):
    """The trained side of a prefix: the matrix P, and the network that yields δ from it if there is one (section 3.3).

    For each kind of attention a "direct" prefix is `start + P`, where P is [L, 2, H, K, D] and zero at first. With
    "mlp" P is [K, d], a two-layer tanh network maps it to [L, 2, H, K, D], as in Li and Liang, and the prefix is
    `start + network(P)`.

    Reading: the network's last layer is zero at first. Every warm-up on a backbone thus begins at exactly the same
    prefix, which Eq. 9-10 need for an average to mean something, and training may also begin at any given prefix
    (`start`), which collaboration on prefixes uses.

    Args:
        shape: the backbone's.
        config: the prefix's.
        start: where to begin, each part [L, 2, H, K, D]; None for `common_start`.
    """

    def __init__(self, shape: T5Shape, config: PrefixConfig, start: Prefix | None = None) -> None:
        super().__init__()
        self.config = config
        start = start or common_start(shape, config)
        generator = torch.Generator().manual_seed(config.start_seed)
        for name in config.attentions:
            base = getattr(start, name)
            if base is None or base.shape != part_shape(shape, config, name):
                got = None if base is None else tuple(base.shape)
                raise PrefixMismatchError(
                    f"the {name} prefix to start from has shape {got}, this backbone and configuration need "
                    f"{part_shape(shape, config, name)}"
                )
            self.register_buffer(f"{name}_start", base.detach().float().clone())
            if config.reparameterisation == "direct":
                self.register_parameter(f"{name}_matrix", nn.Parameter(torch.zeros(base.shape)))
                continue
            matrix = torch.randn(config.length, shape.d_model, generator=generator)
            hidden = nn.Linear(shape.d_model, config.hidden)
            hidden.weight.data.normal_(0, shape.d_model**-0.5, generator=generator)
            hidden.bias.data.zero_()
            out = nn.Linear(config.hidden, base.numel() // config.length)
            nn.init.zeros_(out.weight)
            nn.init.zeros_(out.bias)
            self.register_parameter(f"{name}_matrix", nn.Parameter(matrix))
            self.add_module(f"{name}_network", nn.Sequential(hidden, nn.Tanh(), out))

    @property
    def lr(self) -> float:
        """A step size of AdamW that suits: keys and values themselves bear larger steps than a network's weights."""
        return 0.2 if self.config.reparameterisation == "direct" else 3e-3

    def forward(self) -> Prefix:
        """The prefix, each part [L, 2, H, K, D], in float32, with gradient."""
        return Prefix(**{name: self._part(name) for name in self.config.attentions})

    def _part(self, name: str) -> Tensor:
        start, matrix = self.get_buffer(f"{name}_start"), self.get_parameter(f"{name}_matrix")
        if self.config.reparameterisation == "direct":
            return start + matrix
        layers, _, heads, length, d_kv = start.shape
        change: Tensor = self.get_submodule(f"{name}_network")(matrix)  # [K, L*2*H*D]
        return start + change.view(length, layers, 2, heads, d_kv).permute(1, 2, 3, 0, 4)

    @torch.no_grad()
    def bake(self) -> Prefix:
        """The prefix as plain tensors: all that prediction needs."""
        return self.forward().detached()


def part_shape(shape: T5Shape, config: PrefixConfig, name: str) -> tuple[int, int, int, int, int]:
    """(L, 2, H, K, D) of a prefix's part on a backbone."""
    layers = shape.encoder_layers if name == "encoder" else shape.decoder_layers
    return (layers, 2, shape.heads, config.length, shape.d_kv)


def common_start(shape: T5Shape, config: PrefixConfig) -> Prefix:
    """The seeded numbers of the prefix at which every warm-up begins; `start.py` turns its keys."""
    generator = torch.Generator().manual_seed(config.start_seed)
    drawn = {
        name: torch.randn(part_shape(shape, config, name), generator=generator) * config.start_scale
        for name in ATTENTIONS  # all are drawn, so that a part is the same whichever attentions are switched on
    }
    return Prefix(**{name: drawn[name] for name in config.attentions})


def start_fingerprint(shape: T5Shape, config: PrefixConfig) -> str:
    """Twelve hexadecimal digits that name the start of warm-ups on one backbone: they differ if the starts do."""
    drawn = fingerprint(common_start(shape, config))
    return hashlib.sha256(f"{drawn} {float(config.start_logit)}".encode()).hexdigest()[:12]


def fingerprint(prefix: Prefix) -> str:
    """Twelve hexadecimal digits that name a prefix's exact values."""
    digest = hashlib.sha256()
    for name, part in prefix.parts.items():
        digest.update(name.encode() + str(tuple(part.shape)).encode())
        digest.update(part.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def mix(prefixes: Sequence[Prefix], weights: Sequence[float] | Tensor) -> Prefix:
    """The weighted sum of prefixes of one shape (Eq. 9).

    Raises:
        PrefixMismatchError: the prefixes differ in shape or in the attentions they serve.
    """
    first = prefixes[0]
    for other in prefixes[1:]:
        shapes = [{name: tuple(part.shape) for name, part in p.parts.items()} for p in (first, other)]
        if shapes[0] != shapes[1]:
            raise PrefixMismatchError(f"prefixes of different shapes can't be combined: {shapes[0]} and {shapes[1]}")
    pairs = list(zip(weights, prefixes, strict=True))
    return Prefix(
        **{name: torch.stack([float(w) * p.parts[name].float() for w, p in pairs]).sum(0) for name in first.parts}
    )


class PrefixBank:
    """The prefixes of many domains on one device; each row of a batch names its own (or none).

    Prefixes of different length share a bank: shorter ones are padded in front and masked.
    """

    def __init__(self, prefixes: dict[str, Prefix], *, device: torch.device | str, dtype: torch.dtype) -> None:
        self.index = {name: i for i, name in enumerate(prefixes)}
        self.length = max((p.length for p in prefixes.values()), default=0)
        self._stacks: dict[str, Tensor] = {}
        for kind in ATTENTIONS:
            shapes = {
                part.shape[:3] + part.shape[4:] for p in prefixes.values() if (part := getattr(p, kind)) is not None
            }
            if not shapes:
                continue
            if len(shapes) > 1:
                raise PrefixMismatchError(f"the {kind} prefixes of one bank differ in shape: {sorted(shapes)}")
            layers, two, heads, d_kv = shapes.pop()
            stack = torch.zeros(len(prefixes), layers, two, heads, self.length, d_kv, dtype=dtype, device=device)
            for i, prefix in enumerate(prefixes.values()):
                part = getattr(prefix, kind)
                if part is None:
                    raise PrefixMismatchError(f"one domain of the bank has a prefix in {kind}, another has none")
                stack[i, ..., self.length - part.shape[-2] :, :] = part.to(device=device, dtype=dtype)
            self._stacks[kind] = stack
        lengths = torch.tensor([p.length for p in prefixes.values()], device=device)
        positions = torch.arange(self.length, device=device)
        self._mask = positions[None, :] >= self.length - lengths[:, None]  # [domains, K]

    def rows(self, domains: Sequence[str | None]) -> Prefix | None:
        """The batch's prefix, row by row; None in `domains` is a row without a prefix."""
        if not self._stacks or all(name is None for name in domains):
            return None
        rows = torch.tensor([0 if name is None else self.index[name] for name in domains], device=self._mask.device)
        parts = {kind: stack[rows] for kind, stack in self._stacks.items()}
        mask = self._mask[rows] & torch.tensor([[name is not None] for name in domains], device=rows.device)
        return Prefix(**parts, mask=None if bool(mask.all()) else mask)


def config_dict(config: PrefixConfig) -> dict[str, object]:
    """A prefix configuration as JSON can hold it."""
    return {**asdict(config), "attentions": list(config.attentions)}
