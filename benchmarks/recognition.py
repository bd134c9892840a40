"""Speed from text to entities beside an encoder's: `python benchmarks/recognition.py --help`.

Eight sentences of 40 words, 12 types to look for. cpner writes four entities for each sentence: with a backbone of
T5-base's shape and random weights, which is told what to choose as in `decoding.py`, and with the embedded one, which
finds what it finds. GLiNER reads the same with a random DeBERTa of its small and base shapes, in one pass, and finds
nothing. Ways take turns (A B A B); medians of the wall clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import command
from decoding import DTYPE_NAME, T5_BASE, random_backbone, scripted
from peers import peer_ways

from cpner.backbone.bank import PrefixBank
from cpner.backbone.load import Backbone, load
from cpner.backbone.prefix import Prefix, common_start
from cpner.backbone.shape import PrefixConfig, T5Shape
from cpner.bench.measure import TYPES, Call, interleaved, sentences
from cpner.corpus.sentence import Prediction, Span
from cpner.instructor import Instructor, Source
from cpner.recognition.decode import decode
from cpner.recognition.recognise import Task, recognise

ROWS, WORDS = 8, 40
ALL_TYPES = [*TYPES, "country", "river", "university", "book"]
SPANS = [Span(4, 5, "location"), Span(9, 11, "person"), Span(14, 16, "organization"), Span(22, 23, "location")]
DEBERTA = {"small": 6, "base": 12}  # layers


def own_way(backbone: Backbone, *, script: bool) -> Call:
    """Text to entities; with `script` the entities are SPANS."""
    sentence, prompt = sentences(1, WORDS)[0], Instructor(backbone.vocabulary, ALL_TYPES)
    tasks = [Task(sentence, prompt, "d")] * ROWS
    start = common_start(backbone.t5.shape, PrefixConfig())
    bank = PrefixBank({"d": start}, device=backbone.device, dtype=backbone.dtype)
    target = prompt.target(prompt.source(sentence), sentence.with_spans(SPANS))

    def scripted_search(backbone: Backbone, sources: Sequence[Source], prefix: Prefix | None) -> list[list[Prediction]]:
        with scripted([target] * len(sources)):
            return decode(backbone, sources, prefix)

    search = scripted_search if script else None
    return lambda: recognise(backbone, tasks, bank, batch_size=ROWS, search=search)


def measure(rounds: int, shape: T5Shape = T5_BASE, peers: Path | None = None) -> dict[str, Any]:
    """Seconds of every way, and how many times as long each takes as cpner of T5-base's shape."""
    base = "cpner, T5-base's shape"
    ways = {base: own_way(random_backbone(shape), script=True), "cpner-mini": own_way(load(), script=False)}
    text = sentences(1, WORDS)[0].text
    sizes = {"texts": [text] * ROWS, "types": ALL_TYPES, "sizes": DEBERTA, "dtype": DTYPE_NAME}
    with peer_ways(peers, "recognition", **sizes) as others:
        seconds = interleaved({**ways, **others}, rounds)
    return command.beside(seconds, base)


def main() -> None:
    """Measure and print, or write, the figures."""
    arguments = command.parser(__doc__, rounds=9).parse_args()
    figures = measure(arguments.rounds, peers=arguments.peers)
    command.tell(figures)
    command.write(figures, arguments.json)


if __name__ == "__main__":
    main()
