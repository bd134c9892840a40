"""Tagging: what the encoder is told of each piece while it is pretrained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cpner.backbone.load import load
from cpner.backbone.shape import T5Shape
from cpner.backbone.t5 import T5
from cpner.backbone.tagger import Tagger
from cpner.corpus.sentence import Sentence, Span
from cpner.errors import ConfigError
from cpner.pretraining.config import PretrainConfig
from cpner.pretraining.objectives import Loss
from cpner.pretraining.prepare import Prepared
from cpner.pretraining.tagging import TaggedBatch, tagging_loss
from tests.pretraining.support import fresh, make_batches, run
from tests.support import tiny_config

WORDS = ["Ada", "Byron", "left", "São", "Paulo", "."]
SENTENCE = Sentence.from_words(WORDS, [Span(0, 2, "actor"), Span(3, 5, "city")])
SHAPE = T5Shape(vocab_size=1024, d_model=32, d_kv=8, d_ff=48, heads=2, encoder_layers=2, decoder_layers=1)
PLAIN = Sentence.from_words(["Nothing", "happened", "."], [])


@pytest.fixture
def tagged(data: Prepared) -> TaggedBatch:
    """A sentence of two entities, of the third and the first of its options, and one of none."""
    return make_batches(data).entity_batch([(SENTENCE, ["city", "river", "actor"]), (PLAIN, ["gene"])])


def test_each_piece_of_an_entity_belongs_to_its_option(data: Prepared, tagged: TaggedBatch) -> None:
    vocabulary = data.vocabulary
    lengths = [len(vocabulary.word(word)) for word in WORDS]
    per_word = [3, 3, 0, 1, 1, 0]

    inside = tagged.owners[0] >= 0
    assert tagged.owners[0][inside].tolist() == [o for o, n in zip(per_word, lengths, strict=True) for _ in range(n)]
    starts = [sum(lengths[:i]) for i in range(len(WORDS))]
    assert tagged.begins[0][inside].nonzero()[:, 0].tolist() == [starts[0], starts[3]]
    assert tagged.owners[1].max() == 0 and not tagged.begins[1].any()
    assert not (tagged.owners >= 0)[~tagged.mask].any()


def test_options_are_where_their_first_piece_is(data: Prepared, tagged: TaggedBatch) -> None:
    for row, types in enumerate([["city", "river", "actor"], ["gene"]]):
        places = tagged.options[row][: len(types)].tolist()
        for place, name in zip(places, types, strict=True):
            pieces = data.vocabulary.phrase(name)
            assert tagged.source[row, place : place + len(pieces)].tolist() == pieces
    assert tagged.options[1, 1:].tolist() == [-1, -1]


def test_alignment_adds_padding_only(data: Prepared, tagged: TaggedBatch) -> None:
    tagger, wide = Tagger(16), tagged.aligned(data.vocabulary.pad)
    states = torch.randn(*wide.source.shape, 16)

    narrow = states[:, : tagged.source.shape[1]]
    torch.testing.assert_close(tagging_loss(tagger, states, wide), tagging_loss(tagger, narrow, tagged))


def test_right_states_have_no_loss(tagged: TaggedBatch) -> None:
    tagger = Tagger(8, width=8)
    with torch.no_grad():
        for layer in (tagger.piece, tagger.option):
            layer.weight.copy_(torch.eye(8) * 20)
        tagger.begin.weight.copy_(torch.eye(8)[7:] * 20)
    states = torch.zeros(*tagged.source.shape, 8)
    for row, places in enumerate(tagged.options):
        for option, place in enumerate(places[places >= 0]):
            states[row, place, 1 + option] = 1.0
    inside = tagged.owners >= 0
    owned = tagged.owners > 0
    states[owned] = torch.nn.functional.one_hot(tagged.owners[owned], 8).float()
    states[inside, 1:7] -= 0.5
    states[..., 7] = torch.where(tagged.begins.bool(), 1.0, -1.0) * inside

    with torch.no_grad():
        assert float(tagging_loss(tagger, states, tagged)) < 0.01
        assert float(tagging_loss(tagger, states.flip(1), tagged)) > 1.0


def test_the_encoder_learns_to_tag(data: Prepared, tagged: TaggedBatch) -> None:
    t5 = T5(SHAPE)
    t5.initialise(0)
    loss = Loss(t5, tagging=1.0)
    assert loss.tagger is not None
    optimizer = torch.optim.Adam(loss.parameters(), lr=3e-3)

    def tags() -> float:
        assert loss.tagger is not None
        with torch.no_grad():
            return float(tagging_loss(loss.tagger, t5.encode(tagged.source, tagged.mask), tagged))

    before = tags()
    for _ in range(120):
        optimizer.zero_grad()
        loss(tagged).backward()
        optimizer.step()
    assert tags() < 0.1 * before


def test_tagger_is_a_file_beside_the_model(prepared_folder: Path, tmp_path: Path) -> None:
    out = fresh(prepared_folder, tmp_path / "run")
    run(out, tiny_config(steps=2))

    saved = load_file(out / "checkpoint" / "weights.safetensors")
    backbone = load(str(out / "backbone"), device="cpu", precision="float32")
    assert not any("tagger" in name for name in load_file(out / "backbone" / "model.safetensors"))
    assert backbone.tagger is not None
    for name, tensor in backbone.tagger.state_dict().items():
        torch.testing.assert_close(tensor.float(), saved[f"tagger.{name}"].bfloat16().float(), rtol=0, atol=0)


def test_weight_of_tagging_may_be_nought_but_not_negative() -> None:
    assert Loss(T5(SHAPE), tagging=0.0).tagger is None
    with pytest.raises(ConfigError, match=r"tagging is -1.0; expected at least 0"):
        PretrainConfig(tagging=-1.0)
