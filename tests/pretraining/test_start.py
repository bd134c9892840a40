"""What a backbone starts with: copying by construction, and embeddings from words' company."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from cpner.backbone.shape import T5Shape
from cpner.backbone.t5 import T5
from cpner.errors import ConfigError
from cpner.pretraining.start import blend, copying_heads, grown, lexicon
from cpner.pretraining.text import Text

SHAPE = T5Shape(vocab_size=1000, d_model=256, d_kv=64, d_ff=704, heads=4, encoder_layers=4, decoder_layers=2)


def found(t5: T5) -> float:
    """The share of a random source's pieces at which the copying head looks most at the source's next piece."""
    source = torch.randperm(900, generator=torch.Generator().manual_seed(1))[:60][None] + 50
    layer, width = t5.decoder.layers[0], t5.shape.d_kv
    with torch.no_grad():
        encoded = t5.encode(source, torch.ones_like(source, dtype=torch.bool))[0]
        asked = layer.cross_attention.q(layer.cross_norm(t5.embedding(source[0, :-1])))[:, :width]
        keys = layer.cross_attention.kv(encoded)[:, :width]
    return float(((asked @ keys.T).argmax(1) == torch.arange(1, 60)).float().mean())


def test_the_copying_head_finds_the_next_piece_without_any_training() -> None:
    t5 = T5(SHAPE)
    t5.initialise(0)
    assert found(t5) < 0.1
    copying_heads(t5)
    assert found(t5) > 0.5


def test_the_other_heads_are_left_as_they_are() -> None:
    t5, other = T5(SHAPE), T5(SHAPE)
    t5.initialise(0)
    other.initialise(0)
    copying_heads(t5)
    changed = {n for (n, a), b in zip(t5.named_parameters(), other.parameters(), strict=True) if not torch.equal(a, b)}
    cross = "decoder.layers.0.cross_attention"
    assert changed == {"encoder.relative_bias.weight", *(f"{cross}.{part}.weight" for part in ("q", "kv", "o"))}
    assert torch.equal(t5.encoder.relative_bias.weight[:, 1:], other.encoder.relative_bias.weight[:, 1:])
    assert torch.equal(
        t5.decoder.layers[0].cross_attention.q.weight[64:], other.decoder.layers[0].cross_attention.q.weight[64:]
    )


@pytest.fixture(scope="module")
def text() -> Text:
    """Lines "THE x RUNS ." and "IN y IT RAINS": pieces 10 to 19 are animals, 20 to 29 towns; 31 occurs three times."""
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(2000):
        lines.append([1, 10 + int(rng.integers(10)), 2 + int(rng.integers(2)), 4])
        lines.append([5, 20 + int(rng.integers(10)), 6, 7 + int(rng.integers(2))])
    lines += [[31, 1, 4]] * 3
    bounds = np.cumsum([0, *(len(line) for line in lines)])
    return np.array([piece for line in lines for piece in line], np.uint16), bounds


def test_pieces_in_the_same_company_are_alike(text: Text) -> None:
    rows = lexicon(text, 40, 16)
    unit = torch.nn.functional.normalize(rows, dim=1)
    alike = unit @ unit.T

    def mean(a: slice, b: slice) -> float:
        return float(alike[a, b].mean())

    animals, towns = slice(10, 20), slice(20, 30)
    assert mean(animals, animals) > 0.8 and mean(towns, towns) > 0.8
    assert mean(animals, towns) < 0.2


def test_rare_pieces_have_no_embedding_and_others_mean_square_one(text: Text) -> None:
    rows = lexicon(text, 40, 16)
    assert rows.shape == (40, 16)
    assert not rows[31].any() and not rows[35].any()
    assert torch.allclose(rows[10:30].square().mean(1), torch.ones(20), atol=1e-4)


def test_few_contexts_and_a_width_beyond_the_vocabulary_will_do(text: Text) -> None:
    assert lexicon(text, 40, 128, contexts=5).shape == (40, 128)
    assert torch.equal(lexicon(text, 40, 16), lexicon(text, 40, 16))


def test_neighbours_are_of_the_same_line_only() -> None:
    def company(bounds: list[int]) -> Tensor:
        pieces = np.array([1, 2] * 100, np.uint16)
        return lexicon((pieces, np.array(bounds)), 3, 4, least=1)

    assert company([0, 200]).any()
    assert not company(list(range(201))).any()


def test_a_blend_keeps_what_has_no_embedding() -> None:
    t5 = T5(SHAPE)
    t5.initialise(0)
    before = t5.embedding.weight.detach().clone()
    rows = torch.zeros(500, 256)
    rows[7] = 1.0
    blend(t5, rows, share=0.8)
    after = t5.embedding.weight.detach()
    assert torch.allclose(after[7], 0.8 + 0.6 * before[7])
    assert torch.equal(after[8:], before[8:])


def states(t5: T5) -> Tensor:
    source, target = torch.randint(100, (2, 20)), torch.randint(100, (2, 6))
    mask = torch.ones_like(source, dtype=torch.bool)
    with torch.no_grad():
        return t5.decode(target, t5.encode(source, mask), mask)


def test_a_grown_model_has_more_layers_and_says_almost_the_same() -> None:
    t5 = T5(SHAPE)
    t5.initialise(0)
    same, larger, other = grown(t5), grown(t5, encoder_layers=6, decoder_layers=3), T5(SHAPE)
    other.initialise(1)
    outcomes = []
    for model in (t5, same, larger, other):
        torch.manual_seed(0)
        outcomes.append(states(model))

    assert (len(larger.encoder.layers), len(larger.decoder.layers)) == (6, 3)
    assert torch.equal(outcomes[0], outcomes[1])
    apart = [float((outcome - outcomes[0]).norm() / outcomes[0].norm()) for outcome in outcomes[2:]]
    assert 0 < apart[0] < 0.2 < apart[1]
    copies = [layer.ff.wi.weight for layer in larger.encoder.layers]
    assert [[torch.equal(a, b.ff.wi.weight) for b in t5.encoder.layers].index(True) for a in copies] == [
        0,
        0,
        1,
        2,
        2,
        3,
    ]


@pytest.mark.parametrize("layers", [{"encoder_layers": 3}, {"d_model": 512}])
def test_nothing_else_can_grow_and_nothing_shrinks(layers: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="can only add layers"):
        grown(T5(SHAPE), **layers)
