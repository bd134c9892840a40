"""Speed of a training step beside its peers: `python benchmarks/training.py --help`.

A backbone of T5-base's shape with random weights; a batch of 8 rows reads 128 pieces and learns 64. A step is forward,
backward and update. cpner trains the paper's prefix, 10 on all three attentions, from its network and *direct*, without
one, as PEFT trains its prefix on the decoder's self-attention; PEFT trains LoRA of rank 8, too, AdapterHub prefixes as
cpner's from a network, transformers the whole model. Ways take turns (A B A B); medians.

The roofline is the time that the step's own matrix products would take at the rate of one large product of the
backbone's type, measured between the rounds.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import command
import torch
from decoding import DTYPE, DTYPE_NAME, READ, T5_BASE, WRITE, random_backbone, transformers_model
from peers import peer_ways

from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.shape import ATTENTIONS, PrefixConfig, T5Shape
from cpner.bench.measure import Call, interleaved, operations, product_rate
from cpner.training.batch import Batch
from cpner.training.loss import cross_entropy

ROWS = 8
CANDIDATES = 160  # pieces that a row of some types and some thirty words could write


def own_way(
    shape: T5Shape,
    dtype: torch.dtype = DTYPE,
    *,
    prefix: PrefixConfig = PrefixConfig.paper(),  # noqa: B008 - it is frozen
    all_pieces: bool = False,
) -> Call:
    """cpner's step; with `all_pieces` the softmax runs over all of them, as the peers' does."""
    dice = torch.Generator().manual_seed(0)
    source = torch.randint(5, shape.vocab_size, (ROWS, READ), generator=dice)
    candidates = torch.randint(5, shape.vocab_size, (ROWS, CANDIDATES), generator=dice)
    places = torch.randint(0, CANDIDATES, (ROWS, WRITE), generator=dice)
    written = candidates.gather(1, places)
    inputs = torch.cat([torch.zeros_like(written[:, :1]), written[:, :-1]], 1)
    mask, real = torch.ones_like(source, dtype=torch.bool), torch.ones_like(candidates, dtype=torch.bool)
    batch = Batch(source, mask, inputs, places, candidates, real)
    if all_pieces:
        batch = Batch(source, mask, inputs, written, None, None)
    backbone = random_backbone(shape)
    backbone.t5.to(dtype).requires_grad_(False)
    network = Reparameterisation(shape, prefix)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(backbone.t5, batch, network().expand(len(batch.source))).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def library_ways(shape: T5Shape) -> dict[str, Call]:
    """PEFT and transformers; none where PEFT is not installed."""
    try:
        from peft import LoraConfig, PrefixTuningConfig, TaskType, get_peft_model
    except ImportError:
        return {}
    dice = torch.Generator().manual_seed(0)
    ids = torch.randint(5, shape.vocab_size, (ROWS, READ), generator=dice)
    labels = torch.randint(5, shape.vocab_size, (ROWS, WRITE), generator=dice)

    def way(model: Any) -> Call:
        model.train()
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3, fused=True)

        def step() -> None:
            optimizer.zero_grad(set_to_none=True)
            model(input_ids=ids, labels=labels).loss.backward()
            optimizer.step()

        return step

    def model() -> Any:
        return transformers_model(shape).to(DTYPE)

    task = TaskType.SEQ_2_SEQ_LM
    return {
        "PEFT prefix, decoder only": way(get_peft_model(model(), PrefixTuningConfig(task, num_virtual_tokens=10))),
        "PEFT LoRA": way(get_peft_model(model(), LoraConfig(task_type=task, r=8))),
        "full fine-tuning": way(model()),
    }


def measure(rounds: int, shape: T5Shape = T5_BASE, peers: Path | None = None) -> dict[str, Any]:
    """Seconds of every way, how many times as long each takes as cpner, and cpner's share of the roofline."""
    ways = {
        "cpner": own_way(shape),
        "cpner, direct": own_way(shape, prefix=PrefixConfig(10, ATTENTIONS)),
        "cpner, all pieces": own_way(shape, all_pieces=True),
        **library_ways(shape),
    }
    if DTYPE_NAME != "float32":
        ways["cpner, float32"] = own_way(shape, torch.float32)
    states, weights = (torch.randn(n, m, dtype=DTYPE) for n, m in ((ROWS * READ, 768), (768, 3072)))
    rates: list[float] = []
    config = transformers_model(shape).config.to_dict()
    with peer_ways(peers, "training", config=config, rows=ROWS, read=READ, write=WRITE, dtype=DTYPE_NAME) as others:
        rounds_of = {**ways, **others, "products": lambda: rates.append(product_rate(states, weights, 1.0))}
        seconds = interleaved(rounds_of, rounds)
    del seconds["products"]
    rate, count = statistics.median(rates), operations(ways["cpner"])
    return {
        **command.beside(seconds),
        "operations": count,
        "operations_a_second": rate,
        "of_roofline": count / rate / seconds["cpner"],
    }


def main() -> None:
    """Measure and print, or write, the figures."""
    arguments = command.parser(__doc__, rounds=5).parse_args()
    figures = measure(arguments.rounds, peers=arguments.peers)
    command.tell(figures)
    print(f"{figures['operations']:.3g} operations, {figures['operations_a_second']:.3g} a second in a large product")
    print(f"cpner reaches {figures['of_roofline']:.0%} of the roofline")
    command.write(figures, arguments.json)


if __name__ == "__main__":
    main()
