"""Predicting in 8 bits."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from torch import nn

from cpner import CPNER, Corpus, TrainingConfig
from cpner.backbone.attention import attend
from cpner.backbone.eight_bit import EightBitLinear, EightBitT5, attend_moved, attend_on_grids, multiplies_in_eight_bits
from cpner.backbone.load import Backbone, load
from cpner.backbone.ranges import Range, measure_ranges
from cpner.calibration.assess import assess

pytestmark = pytest.mark.skipif(not multiplies_in_eight_bits(), reason="FBGEMM is for x86")


@pytest.fixture(scope="module")
def mini() -> CPNER:
    return CPNER(load("cpner-mini", device="cpu", precision="int8"))


def answers(ner: CPNER, texts: list[str], **options: int) -> list[list[tuple[int, int, str, float]]]:
    types = ["person", "organization", "location", "event"]
    return [[(e.start, e.end, e.type, e.score) for e in row] for row in ner.predict(texts, types=types, **options)]


@pytest.mark.parametrize("low", [0.0, -5.0])
def test_a_product_is_near_that_of_floats(low: float) -> None:
    torch.manual_seed(0)
    x = torch.rand(9, 64) * (4 - low) + low
    weight = torch.randn(32, 64)
    product = EightBitLinear(weight, Range(low, 4.0, (1.0,)), parts=1, on_grids=False)(x)

    assert (product - x @ weight.T).norm() < 0.03 * (x @ weight.T).norm()


def test_all_of_a_range_is_used_without_overflow() -> None:
    """Sums of two products of 8-bit numbers have 16 bits on processors without VNNI."""
    x = torch.full((3, 512), 7.0)
    weight = torch.full((16, 512), -2.0)
    product = EightBitLinear(weight, Range(0.0, 7.0, (1.0,)), parts=1, on_grids=False)(x)

    torch.testing.assert_close(product, x @ weight.T, rtol=1e-5, atol=0)


def test_what_is_beyond_the_range_is_taken_for_its_end() -> None:
    layer = EightBitLinear(torch.eye(16), Range(-1.0, 1.0, (1.0,)), parts=1, on_grids=False)

    torch.testing.assert_close(layer(torch.full((1, 16), 5.0)), torch.ones(1, 16), atol=0.01, rtol=0)


@pytest.mark.parametrize("way", [attend_on_grids, attend_moved])
def test_attention_on_grids_is_near_that_of_floats(way) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    q, k, v = ((torch.randn(2, 3, n, 16) * 64).round() / 64 for n in (5, 40, 40))
    bias = torch.randn(1, 3, 5, 40)

    torch.testing.assert_close(way(q, k, v, bias), attend(q, k, v, bias), atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("way", [attend_on_grids, attend_moved])
def test_masked_columns_change_no_bit(way) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    q, k, v = ((torch.randn(2, 3, n, 64) * 64).round() / 64 for n in (5, 40, 40))
    bias = torch.randn(1, 3, 5, 40)
    for more in (1, 7, 30):
        hidden = torch.full((1, 3, 5, more), torch.finfo(torch.float32).min)
        longer = [torch.cat([x, torch.randn(2, 3, more, 64)], dim=2) for x in (k, v)]
        assert torch.equal(way(q, *longer, torch.cat([bias, hidden], dim=-1)), way(q, k, v, bias))


def test_large_attention_in_parts_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    q, k, v = ((torch.randn(6, 3, n, 16) * 64).round() / 64 for n in (5, 40, 40))
    bias = torch.randn(1, 3, 5, 40)
    whole = attend_on_grids(q, k, v, bias)
    monkeypatch.setattr("cpner.backbone.eight_bit._LOGITS", 2 * 3 * 5 * 40)

    assert torch.equal(attend_on_grids(q, k, v, bias), whole)


def test_it_shares_what_is_not_multiplied(tiny: Backbone) -> None:
    twin = EightBitT5(tiny.t5, measure_ranges(tiny.t5, tiny.vocabulary))

    assert twin.embedding is tiny.t5.embedding
    assert twin.encoder.norm is tiny.t5.encoder.norm
    assert not any(parameter.is_meta for parameter in twin.parameters())
    assert not any(isinstance(module, nn.Linear) for module in twin.encoder.modules())


@pytest.mark.slow
def test_a_sentence_has_the_same_scores_in_any_batch(mini: CPNER) -> None:
    texts = [sentence.text for sentence in Corpus.read("sample:politics").splits["test"]][:40]
    together = answers(mini, texts)
    order = list(range(len(texts)))
    random.Random(0).shuffle(order)
    shuffled = answers(mini, [texts[i] for i in order], batch_size=7)

    assert answers(mini, texts, batch_size=1) == together
    assert [shuffled[order.index(i)] for i in range(len(texts))] == together
    assert sum(map(len, together)) > 40


@pytest.mark.slow
def test_it_finds_what_floats_find(mini: CPNER) -> None:
    corpus = Corpus.read("sample:news")
    floats = CPNER(load("cpner-mini", device="cpu", precision="float32"))
    f1 = [ner.evaluate(corpus, None, types=corpus.types).f1 for ner in (mini, floats)]

    assert f1[0] == pytest.approx(f1[1], abs=2.5)


def test_a_domain_trains_in_floats_and_predicts_in_eight_bits(mini: CPNER) -> None:
    corpus = Corpus.read("sample:news")
    small = Corpus("small", {"train": corpus.splits["train"][:4]}, types=corpus.types)
    mini.warm_up("small", small, config=TrainingConfig(max_epochs=1))
    (found,) = mini.predict([corpus.splits["test"][0].text], domain="small")

    assert mini.backbone.precision == "int8"
    assert all(0 <= entity.score <= 1 for entity in found)


@pytest.mark.slow
@pytest.mark.parametrize("domain", [None, "politics"])
def test_a_calibrator_of_floats_holds_in_eight_bits(mini: CPNER, tmp_path: Path, domain: str | None) -> None:
    corpus = Corpus.read("sample:politics")
    floats = CPNER(load("cpner-mini", device="cpu", precision="float32"), tmp_path)
    if domain:
        few = Corpus("few", {"train": corpus.train[:20], "dev": corpus.dev[:40]}, types=corpus.types)
        floats.warm_up(domain, few, TrainingConfig(epochs=4, min_steps=0, eval_every=4))
        floats.save()
    test = corpus.test[:80]
    scores = []
    errors = []
    for ner in (floats, CPNER(mini.backbone, tmp_path)):
        answers = ner.recognise(test, domain, types=corpus.types)
        scores.append({(i, one.span): one.score for i, answer in enumerate(answers) for one in answer})
        assessed = assess(test, answers).calibrated
        assert assessed is not None
        errors.append(assessed.ece)
    both = scores[0].keys() & scores[1].keys()
    differences = [abs(scores[0][entity] - scores[1][entity]) for entity in both]

    assert len(both) > 40 and len(both) > 0.9 * max(map(len, scores))
    assert sum(differences) / len(differences) < 0.02
    assert errors[0] == pytest.approx(errors[1], abs=0.03)


def test_types_are_compared_in_eight_bits_too(mini: CPNER) -> None:
    text = "She moved from Paris to London in 1990."
    types = ["city", "country", "person"]
    (found,) = mini.type_sets([text], types=types, reach=0.9)

    assert [one.entity for one in found] == mini.predict(text, types=types) != []
    assert all(0.9 <= sum(one.shares.values()) <= 1 + 1e-6 for one in found)
