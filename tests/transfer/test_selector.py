"""Laws of the selector (Eq. 5-8)."""

from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cpner.backbone.prefix import Prefix
from cpner.errors import ConfigError, PrefixMismatchError
from cpner.transfer import DualQuery, Mixing, Selection, select_domains


def domain(seed: int, types: int = 3, name: str | None = None, length: int = 2) -> DualQuery:
    """A random domain: 2 encoder layers, 3 decoder layers, no prefix in the cross-attention."""
    generator = torch.Generator().manual_seed(seed)
    encoder = torch.randn(2, 2, 3, length, 8, generator=generator)
    decoder = torch.randn(3, 2, 3, length, 8, generator=generator)
    return DualQuery(name or f"d{seed}", torch.randn(types, 16, generator=generator), Prefix(encoder, decoder, None))


seeds = st.lists(st.integers(1, 1000), min_size=1, max_size=6, unique=True)


@given(seeds, st.floats(0, 1), st.floats(0.01, 10))
def test_weights_sum_to_one_and_similarities_are_cosines(chosen, alpha, temperature):
    sources = [domain(s, types=1 + s % 4) for s in chosen]
    selection = select_domains(domain(0), sources, Mixing(alpha, temperature))

    assert sum(selection.weights) == pytest.approx(1, abs=1e-12)
    assert all(0 <= w <= 1 for w in selection.weights)
    for values in (selection.entity_similarity, selection.prefix_similarity, selection.total):
        assert all(-1 <= x <= 1 for x in values)


@given(seeds, st.randoms(use_true_random=False), st.one_of(st.none(), st.integers(1, 6)))
def test_weights_permute_with_the_sources(chosen, random, top_k):
    top_k = None if top_k is None else min(top_k, len(chosen))
    shuffled = random.sample(chosen, len(chosen))
    alphas = {f"d{s}": s / 1000 for s in chosen}

    def weights(order):
        s = select_domains(domain(0), [domain(x) for x in order], Mixing(alphas, 0.3, top_k))
        return dict(zip(s.sources, s.weights, strict=True))

    first, second = weights(chosen), weights(shuffled)

    assert first == pytest.approx(second, abs=1e-12)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_equal_sources_share_equally(count):
    selection = select_domains(domain(0), [domain(5, name=f"s{i}") for i in range(count)])

    assert selection.weights == pytest.approx([1 / count] * count, abs=1e-15)


@given(st.integers(1, 1000), st.floats(0, 1), st.floats(0.01, 10))
def test_a_single_source_weighs_one(seed, alpha, temperature):
    assert select_domains(domain(0), [domain(seed)], Mixing(alpha, temperature)).weights == (1.0,)


def test_a_domain_is_most_like_itself():
    selection = select_domains(domain(0), [domain(0, name="same"), domain(1)])

    assert selection.entity_similarity[0] == pytest.approx(1)
    assert selection.prefix_similarity[0] == pytest.approx(1)
    assert selection.weights[0] > selection.weights[1]


def test_the_numbers_are_those_of_the_equations():
    """Two types of width 2 and one layer with two keys and values, by hand."""

    def by_hand(name: str, types: list[list[float]], keys_and_values: list[float]) -> DualQuery:
        return DualQuery(
            name, torch.tensor(types), Prefix(torch.tensor(keys_and_values).view(1, 2, 1, 1, 1), None, None)
        )

    target = by_hand("t", [[1.0, 0.0], [1.0, 2.0]], [3.0, 4.0])
    near, far = by_hand("n", [[0.0, 3.0]], [6.0, 8.0]), by_hand("f", [[-1.0, -1.0]], [4.0, -3.0])

    selection = select_domains(target, [near, far], Mixing([0.5, 0.25], 0.5))

    entity = [math.sqrt(0.5), -1.0]  # the target's mean is (1, 1)
    total = [0.5 * entity[0] + 0.5 * 1.0, 0.25 * entity[1] + 0.75 * 0.0]
    powers = [math.exp(x / 0.5) for x in total]
    assert selection.entity_similarity == pytest.approx(entity, abs=1e-7)
    assert selection.prefix_similarity == pytest.approx([1.0, 0.0], abs=1e-7)
    assert selection.total == pytest.approx(total, abs=1e-7)
    assert selection.weights == pytest.approx([p / sum(powers) for p in powers], abs=1e-7)


def test_each_layer_of_each_attention_counts_alike_whatever_its_size():
    """Eq. 6 as read here: one cosine a layer and attention, then their average."""
    target, source = domain(0), domain(1)
    sizes = torch.tensor([1.0, 100.0, 0.01]).view(3, 1, 1, 1, 1)
    scaled = source._replace(prefix=Prefix(source.prefix.encoder * 100, source.prefix.decoder * sizes, None))

    first, second = (select_domains(target, [s]).prefix_similarity[0] for s in (source, scaled))

    assert first == pytest.approx(second, abs=1e-6)


def test_alpha_one_looks_at_types_alone_and_zero_at_prefixes_alone():
    sources = [domain(1), domain(2)]

    assert (
        select_domains(domain(0), sources, Mixing(alpha=1)).total
        == select_domains(domain(0), sources).entity_similarity
    )
    assert (
        select_domains(domain(0), sources, Mixing(alpha=0)).total
        == select_domains(domain(0), sources).prefix_similarity
    )


def test_a_low_temperature_sharpens_and_a_high_one_evens_out():
    sources = [domain(1), domain(2), domain(3)]
    sharp, plain, even = (select_domains(domain(0), sources, Mixing(temperature=t)).weights for t in (0.05, 1.0, 100.0))

    assert max(sharp) > max(plain) > max(even)
    assert even == pytest.approx([1 / 3] * 3, abs=0.01)


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_top_k_keeps_the_largest_and_their_ratio(top_k):
    sources = [domain(1), domain(2), domain(3)]
    whole, kept = (
        select_domains(domain(0), sources).weights,
        select_domains(domain(0), sources, Mixing(top_k=top_k)).weights,
    )

    chosen = sorted(range(3), key=lambda i: -whole[i])[:top_k]
    share = sum(whole[i] for i in chosen)
    assert kept == pytest.approx([whole[i] / share if i in chosen else 0 for i in range(3)], abs=1e-12)


def test_a_selection_is_json():
    selection: Selection = select_domains(domain(0), [domain(1), domain(2)], Mixing(top_k=1))

    assert json.loads(json.dumps(selection.to_json())) == {
        "target": "d0",
        "sources": ["d1", "d2"],
        "entity_similarity": list(selection.entity_similarity),
        "prefix_similarity": list(selection.prefix_similarity),
        "total": list(selection.total),
        "weights": list(selection.weights),
        "alpha": [0.5, 0.5],
        "temperature": 1.0,
        "top_k": 1,
        "weighting": "softmax",
    }


def test_no_source_is_refused():
    with pytest.raises(ConfigError, match="among 0 sources"):
        select_domains(domain(0), [])


def test_prefixes_of_different_shapes_are_refused():
    with pytest.raises(PrefixMismatchError, match=r"the prefix of 'd1' has shapes .* that of 'd0'"):
        select_domains(domain(0), [domain(1, length=3)])
