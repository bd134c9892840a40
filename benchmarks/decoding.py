"""Speed of decoding beside its peers: `python benchmarks/decoding.py --help`.

A backbone of T5-base's shape with random weights reads 128 pieces and writes 64 more. Random weights would not write
entities, so cpner is told what to choose: a *scripted* cache computes all that decoding computes, and then lets the
pieces of a target win. Its target has mentions of one to three words, as in news. The peers write 64 pieces freely.

Ways take turns (A B A B). What is reported is the median of the wall clock, on all cores.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import command
import torch
from peers import peer_ways
from torch import Tensor

import cpner.recognition.decode as decoder
from cpner.backbone.bank import PrefixBank
from cpner.backbone.eight_bit import EightBitT5, multiplies_in_eight_bits
from cpner.backbone.hardware import dtype_name, native_dtype
from cpner.backbone.load import Backbone, load
from cpner.backbone.padding import pad
from cpner.backbone.prefix import common_start
from cpner.backbone.ranges import measure_ranges
from cpner.backbone.shape import PrefixConfig, T5Shape
from cpner.backbone.t5 import T5
from cpner.bench.measure import Call, interleaved
from cpner.corpus.sentence import Sentence, Span
from cpner.instructor import Instructor, Source
from cpner.recognition.cache import Cache

T5_BASE = T5Shape(32128, 768, 64, 3072, 12, 12, 12, activation="relu", gated=False)
TYPES = ["person", "organization", "location", "political party", "chemical compound", "event", "award", "product"]
READ, WRITE = 128, 64  # pieces
DTYPE = native_dtype("cpu")  # of cpner, and of all peers but those in int8
DTYPE_NAME = dtype_name(DTYPE)


def random_backbone(shape: T5Shape = T5_BASE) -> Backbone:
    """A backbone with random weights and the words of the embedded one."""
    t5 = T5(shape)
    t5.initialise(seed=0)
    return Backbone("random", t5.to(DTYPE), load().vocabulary)


def in_eight_bits(backbone: Backbone) -> Backbone:
    """The same backbone, predicting in 8 bits."""
    t5 = backbone.t5.float()
    twin = EightBitT5(t5, measure_ranges(t5, backbone.vocabulary))
    return Backbone("random", t5, backbone.vocabulary, eight_bit=twin)


def task(backbone: Backbone, rows: int) -> tuple[list[Source], list[list[int]]]:
    """Sources of READ pieces, and targets of about WRITE pieces: mentions of 1, 2 or 3 words, by 65, 25 and 10 %."""
    vocabulary, prompt, dice = backbone.vocabulary, Instructor(backbone.vocabulary, TYPES), random.Random(0)
    known = [w[1:] for w in sorted(vocabulary.tokenizer.get_vocab()) if w[:1] == "▁" and w[1:].isalpha()]
    sources, targets = [], []
    for _ in range(rows):
        words: list[str] = []
        while len(prompt.source(Sentence.from_words(words)).ids) < READ:
            words.append("".join(dice.choices(known, k=dice.choice((1, 1, 2)))))
        source, spans, place, target = prompt.source(Sentence.from_words(words)), list[Span](), 0, [0]
        while len(target) < WRITE:
            end = (place := place + dice.randint(0, 2)) + dice.choices((1, 2, 3), (65, 25, 10))[0]
            spans.append(Span(place, end, dice.choice(TYPES)))
            target, place = prompt.target(source, Sentence.from_words(words, spans)), end
        sources.append(source)
        targets.append(target)
    return sources, targets


@contextmanager
def scripted(targets: Sequence[Sequence[int]]) -> Iterator[None]:
    """Within, every batch that is decoded chooses the pieces of these targets, at the cost of a real choice."""

    class Scripted(Cache):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.script = pad(targets, 0).to(self.next.device)

        def step(self, ids: Tensor, lengths: Sequence[int] | None = None) -> Tensor:
            after = (self.next[:, None] + torch.arange(ids.shape[1], device=ids.device)).clamp(
                max=self.script.shape[1] - 1
            )
            hidden = super().step(ids, lengths)
            return self.t5.output_weight[self.script.gather(1, after)].to(hidden.dtype)

        def keep(self, rows: Sequence[int]) -> None:
            super().keep(rows)
            self.script = self.script[rows]

    original, decoder.Cache = decoder.Cache, Scripted  # type: ignore[misc, attr-defined]
    try:
        yield
    finally:
        decoder.Cache = original  # type: ignore[misc, attr-defined]


def own_ways(backbone: Backbone, rows: int, eight_bit: Backbone | None = None) -> dict[str, Call]:
    """cpner with the paper's prefix, 10 on all attentions: as it is, piece by piece, and in 8 bits."""
    sources, targets = task(backbone, rows)

    def way(backbone: Backbone, draft: int = decoder.DRAFT) -> Call:
        start = common_start(backbone.shape, PrefixConfig.paper())
        prefix = PrefixBank({"d": start}, device="cpu", dtype=backbone.dtype).rows(["d"] * rows)

        def run() -> object:
            with scripted(targets):
                return decoder.decode(backbone, sources, prefix, draft=draft)

        return run

    ways = {"cpner": way(backbone), "cpner, piece by piece": way(backbone, 0)}
    return ways | ({} if eight_bit is None else {"cpner int8": way(eight_bit)})


def transformers_model(shape: T5Shape) -> Any:
    """The same shape with random weights in `transformers`."""
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(
        vocab_size=shape.vocab_size, d_model=shape.d_model, d_kv=shape.d_kv, d_ff=shape.d_ff, num_heads=shape.heads,
        num_layers=shape.encoder_layers, num_decoder_layers=shape.decoder_layers, decoder_start_token_id=0,
    )  # fmt: skip
    return T5ForConditionalGeneration(config).eval()


def transformers_way(model: Any, rows: int) -> Call:
    """Greedy generation of WRITE pieces."""
    ids = torch.randint(5, model.config.vocab_size, (rows, READ), generator=torch.Generator().manual_seed(0))
    return lambda: model.generate(input_ids=ids, max_new_tokens=WRITE, min_new_tokens=WRITE, do_sample=False)


def measure(batches: Sequence[int], rounds: int, shape: T5Shape = T5_BASE, peers: Path | None = None) -> dict[str, Any]:
    """Seconds of every way at every batch size, and how many times as long each takes as cpner."""
    backbone, model = random_backbone(shape), transformers_model(shape)
    eight_bit = in_eight_bits(random_backbone(shape)) if multiplies_in_eight_bits() else None
    config = model.config.to_dict()
    model = model.to(DTYPE)
    figures: dict[str, Any] = {}
    sizes = {"config": config, "batches": list(batches), "read": READ, "write": WRITE}
    with peer_ways(peers, "decoding", **sizes) as others, torch.inference_mode():
        for rows in batches:
            ways = own_ways(backbone, rows, eight_bit) | {f"transformers {DTYPE_NAME}": transformers_way(model, rows)}
            ways |= {name.rpartition(" ")[0]: way for name, way in others.items() if name.endswith(f" {rows}")}
            figures[f"batch {rows}"] = command.beside(interleaved(ways, rounds))
    return figures


def main() -> None:
    """Measure and print, or write, the figures."""
    parser = command.parser(__doc__, rounds=5)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32])
    arguments = parser.parse_args()
    figures = measure(arguments.batch, arguments.rounds, peers=arguments.peers)
    for name, figure in figures.items():
        command.tell(figure, f"{name:9} ")
    command.write(figures, arguments.json)


if __name__ == "__main__":
    main()
