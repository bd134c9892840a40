"""The bench measures what it says, on a model that takes milliseconds."""

from __future__ import annotations

import pytest
import torch

from cpner.backbone.linear import Linear
from cpner.bench import Bench
from cpner.bench.measure import BATCHES, DOMAINS, LENGTHS, interleaved, operations, sentences


def test_all_figures_are_positive(measured: Bench) -> None:
    assert list(map(int, measured.sentences_per_second)) == list(BATCHES)
    assert list(map(int, measured.milliseconds_per_sentence)) == list(LENGTHS)
    assert list(map(int, measured.mixed_domains)) == list(DOMAINS)
    figures = [*measured.sentences_per_second.values(), *measured.mixed_domains.values(), *measured.training.values()]
    assert min(*figures, *measured.domain.values(), measured.memory_megabytes) > 0
    assert measured.mixed_domains["1"] == 1.0
    assert measured.start["import_seconds"] < 5
    assert 0 < measured.training["of_roofline"] < 1


def test_ways_take_turns_and_are_warmed_up() -> None:
    calls: list[str] = []

    seconds = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)

    assert calls == list("ababab") and set(seconds) == {"a", "b"}


@pytest.mark.parametrize("learns", [False, True])
def test_products_are_counted_packed_or_not(learns: bool) -> None:
    layer, x = Linear(32, 48).requires_grad_(learns), torch.randn(2, 5, 32, requires_grad=True)

    forward, backward = operations(lambda: layer(x)), operations(lambda: layer(x).sum().backward())

    assert forward == 2 * (2 * 5 * 32 * 48)
    assert backward == forward * (3 if learns else 2)


def test_sentences_have_the_words_asked_for() -> None:
    made = sentences(5, 120)

    assert [len(s.words) for s in made] == [120] * 5
    assert len({s.text for s in made}) == 5
