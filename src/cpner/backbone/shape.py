"""The sizes and variants of a T5, and of its prefixes. Needs no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar, Self

from cpner.settings import Settings, above, between, one_of

ATTENTIONS = ("encoder", "decoder", "cross")  # the kinds that a prefix may serve


@dataclass(frozen=True)
class T5Shape(Settings):
    """Sizes and variants of a T5; the names follow the field, `checkpoint.py` reads them from a Hugging Face config."""

    called = "size "
    ranges: ClassVar = {  # far above any published T5, and far below what a machine would choke on
        between(1, 10_000_000): ("vocab_size",),
        between(1, 100_000): ("d_model", "d_kv"),
        between(1, 1_000_000): ("d_ff",),
        between(1, 1000): ("heads", "encoder_layers", "decoder_layers"),
        between(4, 10_000): ("buckets",),
        between(5, 1_000_000): ("max_distance",),
        above(0): ("eps",),
    }

    vocab_size: int
    d_model: int
    d_kv: int
    d_ff: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    activation: str = "gelu_new"
    gated: bool = True
    scale_output: bool = True  # hidden states times d_model^-0.5 before the output layer
    tied: bool = True  # the output layer is the embedding
    buckets: int = 32
    max_distance: int = 128
    eps: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        self.expect("max_distance", self.max_distance > self.buckets // 2, "more than half of the buckets")


@dataclass(frozen=True)
class PrefixConfig(Settings):
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

    called = "prefix setting "
    ranges: ClassVar = {
        between(1, 10_000): ("length",),
        between(1, 100_000): ("hidden",),
        between(0, 1000): ("start_scale",),
        between(-1000, 1000): ("start_logit",),
        between(-(2**63), 2**64 - 1): ("start_seed",),  # torch takes no others
        one_of(("mlp", "direct")): ("reparameterisation",),
    }

    def __post_init__(self) -> None:
        if isinstance(self.attentions, list):
            object.__setattr__(self, "attentions", tuple(self.attentions))
        super().__post_init__()
        known = all(name in ATTENTIONS for name in self.attentions)
        self.expect("attentions", bool(self.attentions) and known, f"some of {', '.join(ATTENTIONS)}")


def part_shape(shape: T5Shape, config: PrefixConfig, name: str) -> tuple[int, int, int, int, int]:
    """(L, 2, H, K, D) of a prefix's part on a backbone."""
    layers = shape.encoder_layers if name == "encoder" else shape.decoder_layers
    return (layers, 2, shape.heads, config.length, shape.d_kv)


def config_dict(config: PrefixConfig) -> dict[str, object]:
    """A prefix configuration as JSON can hold it."""
    return {**asdict(config), "attentions": list(config.attentions)}
