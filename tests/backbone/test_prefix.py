"""Prefixes do what Eq. 2 and 3 say, reach all three attentions, start at one place and mix as Eq. 9 says."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from cpner.backbone.bank import PrefixBank
from cpner.backbone.prefix import (
    ATTENTIONS,
    Prefix,
    PrefixConfig,
    common_start,
    config_dict,
    fingerprint,
    mix,
    part_shape,
)
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.shape import T5Shape
from cpner.backbone.t5 import T5, Attention, attend
from cpner.errors import ConfigError, PrefixMismatchError
from cpner.recognition.cache import Cache

SOME = [kinds for n in (1, 2, 3) for kinds in itertools.combinations(ATTENTIONS, n)]


def random_prefix(shape: T5Shape, length: int = 4, attentions: tuple[str, ...] = ATTENTIONS, seed: int = 1) -> Prefix:
    return common_start(shape, PrefixConfig(length, attentions, start_seed=seed, start_scale=1.0))


def equal(first: Prefix, second: Prefix) -> bool:
    return first.parts.keys() == second.parts.keys() and all(
        torch.equal(part, second.parts[name]) for name, part in first.parts.items()
    )


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Source ids, their mask and decoder input of three rows."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, 900, (3, 20), generator=generator)
    mask = torch.arange(20) < torch.tensor([20, 7, 13])[:, None]
    return ids.masked_fill(~mask, 0), mask, torch.randint(3, 900, (3, 40), generator=generator)


@torch.no_grad()
def run(t5: T5, batch: tuple[Tensor, Tensor, Tensor], prefix: Prefix | None) -> tuple[Tensor, Tensor]:
    """States of encoder and decoder."""
    ids, mask, target = batch
    encoded = t5.encode(ids, mask, prefix)
    return encoded, t5.decode(target, encoded, mask, prefix)


@pytest.mark.parametrize("queries", [1, 5])
def test_attention_over_prefix_and_text_is_the_lambda_mix_of_both(queries):
    """Eq. 2: Attn(q, [δ; x]) = λ Attn(q, δ) + (1 - λ) Attn(q, x), λ the prefix's share of the softmax."""
    q, k, v = torch.randn(3, 2, 3, 9, 8, generator=torch.Generator().manual_seed(0)).unbind(0)
    q = q[:, :, :queries]
    bias = torch.randn(1, 3, queries, 9, generator=torch.Generator().manual_seed(1))
    bias[..., :4] = 0  # prefix positions get none
    weights = (q @ k.transpose(-1, -2) + bias).softmax(-1)
    share = weights[..., :4].sum(-1, keepdim=True)  # λ

    mixed = share * attend(q, k[:, :, :4], v[:, :, :4], bias[..., :4])
    mixed += (1 - share) * attend(q, k[:, :, 4:], v[:, :, 4:], bias[..., 4:])

    torch.testing.assert_close(attend(q, k, v, bias), mixed)


def test_both_ways_to_attend_agree():
    q, k, v = torch.randn(3, 2, 3, 9, 8, generator=torch.Generator().manual_seed(0)).unbind(0)
    bias = torch.randn(1, 3, 9, 9, generator=torch.Generator().manual_seed(1))

    torch.testing.assert_close(attend(q, k, v, bias), attend(q, k, v, bias.clone().requires_grad_()))


def test_prefix_comes_before_the_text_in_an_attention(tiny):
    shape = tiny.t5.shape
    torch.manual_seed(0)
    attention = Attention(shape, cross=False)
    x, prefix = torch.randn(2, 5, shape.d_model), torch.randn(2, 2, shape.heads, 3, shape.d_kv)
    q, k, v = attention.split(attention.qkv(x), 3)
    bias = torch.randn(1, shape.heads, 5, 8)
    expected = attend(q, torch.cat([prefix[:, 0], k], 2), torch.cat([prefix[:, 1], v], 2), bias)

    torch.testing.assert_close(attention(x, None, bias, prefix), attention.merge(expected))


def test_prefix_of_length_zero_is_the_plain_model(tiny, batch):
    shape = tiny.t5.shape
    empty = Prefix(**{kind: part[..., :0, :] for kind, part in random_prefix(shape).parts.items()})

    for prefix in (empty.expand(3), Prefix(None, None, None)):
        for plain, with_prefix in zip(run(tiny.t5, batch, None), run(tiny.t5, batch, prefix), strict=True):
            torch.testing.assert_close(with_prefix, plain, atol=0, rtol=0)


@pytest.mark.parametrize("attentions", SOME)
def test_prefix_reaches_the_attentions_that_carry_one_and_no_other(tiny, batch, attentions):
    plain_encoded, plain_decoded = run(tiny.t5, batch, None)
    prefix = random_prefix(tiny.t5.shape, attentions=attentions).expand(3)
    encoded, decoded = run(tiny.t5, batch, prefix)

    assert set(prefix.parts) == set(attentions)
    assert torch.equal(encoded, plain_encoded) == ("encoder" not in attentions)
    assert not torch.allclose(decoded, plain_decoded, atol=1e-2)


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_every_layer_key_and_value_of_a_prefix_counts(tiny, batch, kind):
    prefix = random_prefix(tiny.t5.shape)
    _, before = run(tiny.t5, batch, prefix.expand(3))
    for layer, part in itertools.product(range(len(prefix.parts[kind])), range(2)):
        changed = prefix.parts[kind].clone()
        changed[layer, part] += 1
        _, after = run(tiny.t5, batch, prefix._replace(**{kind: changed}).expand(3))
        assert not torch.allclose(before, after, atol=1e-4)


def test_order_of_prefix_positions_does_not_matter(tiny, batch):
    """They have no relative position: a permutation of keys and values changes nothing."""
    prefix = random_prefix(tiny.t5.shape)
    turned = Prefix(**{kind: part.flip(-2) for kind, part in prefix.parts.items()})

    for a, b in zip(run(tiny.t5, batch, prefix.expand(3)), run(tiny.t5, batch, turned.expand(3)), strict=True):
        torch.testing.assert_close(a, b)


def mixed_bank(shape: T5Shape) -> tuple[dict[str, Prefix], PrefixBank]:
    prefixes = {name: random_prefix(shape, length, seed=length) for name, length in [("a", 2), ("b", 6), ("c", 4)]}
    return prefixes, PrefixBank(prefixes, device="cpu", dtype=torch.float32)


@pytest.mark.parametrize("kinds", [None, *SOME])
def test_cache_equals_teacher_forcing(tiny, batch, kinds):
    t5, (_, mask, target) = tiny.t5, batch
    prefix = None if kinds is None else random_prefix(t5.shape, attentions=kinds).expand(3)
    encoded, expected = run(t5, batch, prefix)
    with torch.no_grad():
        cache = Cache(t5, encoded, mask, prefix)
        states = [cache.step(part) for part in target.split([2, 1, 5, *[1] * 32], dim=1)]  # 40: the cache grows

    torch.testing.assert_close(torch.cat(states, 1), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kinds", [None, *SOME])
def test_pieces_that_are_taken_back_leave_no_trace(tiny, batch, kinds):
    """Rows feed 3 pieces at a time, of which some are padding or wrong, and go on where they were right."""
    t5, (_, mask, target) = tiny.t5, batch
    prefix = None if kinds is None else random_prefix(t5.shape, attentions=kinds).expand(3)
    encoded, expected = run(t5, batch, prefix)
    generator, done = torch.Generator().manual_seed(5), torch.zeros(3, dtype=torch.long)
    with torch.no_grad():
        cache = Cache(t5, encoded, mask, prefix)
        while int(done.min()) < 8:
            fed = torch.randint(1, 4, (3,), generator=generator)
            right = torch.minimum(fed, torch.randint(1, 4, (3,), generator=generator))
            columns = torch.arange(3)
            ids = target.gather(1, done[:, None] + columns)
            ids = torch.where(columns < right[:, None], ids, (ids + 7) % 50)
            states = cache.step(ids, fed.tolist())
            cache.take_back(right.tolist(), 3)
            for row in range(3):
                own = slice(int(done[row]), int(done[row] + right[row]))
                torch.testing.assert_close(states[row, : right[row]], expected[row, own], atol=1e-5, rtol=1e-5)
            done += right


def test_cache_equals_teacher_forcing_with_rows_of_different_prefixes(tiny, batch):
    t5, (_, mask, target) = tiny.t5, batch
    prefix = mixed_bank(t5.shape)[1].rows(["c", None, "b"])
    encoded, expected = run(t5, batch, prefix)
    keep = [2, 1]
    with torch.no_grad():
        cache = Cache(t5, encoded, mask, prefix)
        first = cache.step(target[:, :3])
        cache.keep(keep)
        second = torch.cat([cache.step(part) for part in target[keep, 3:].split(1, 1)], 1)

    torch.testing.assert_close(first, expected[:, :3], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(second, expected[keep, 3:], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("rows", [["a", "b", "c"], ["b", None, "a"], [None, "c", "c"]])
def test_bank_rows_equal_single_prefixes(tiny, batch, rows):
    prefixes, bank = mixed_bank(tiny.t5.shape)
    together = run(tiny.t5, batch, bank.rows(rows))

    for i, name in enumerate(rows):
        alone = run(tiny.t5, tuple(part[i : i + 1] for part in batch), name and prefixes[name].expand(1))
        length = int(batch[1][i].sum())
        torch.testing.assert_close(together[0][i, :length], alone[0][0, :length], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(together[1][i], alone[1][0], atol=1e-5, rtol=1e-5)


def test_bank_needs_no_mask_for_prefixes_of_one_length(tiny):
    shape = tiny.t5.shape
    prefixes = {name: random_prefix(shape, 3, seed=i) for i, name in enumerate("ab")}
    rows = PrefixBank(prefixes, device="cpu", dtype=torch.float32).rows(["b", "a", "b"])

    assert rows is not None and rows.mask is None
    assert equal(Prefix(*(part[0] for part in rows[:3])), prefixes["b"])
    assert equal(Prefix(*(part[1] for part in rows[:3])), prefixes["a"])


def test_bank_has_no_rows_without_a_prefix(tiny):
    _, bank = mixed_bank(tiny.t5.shape)

    assert bank.rows([None, None]) is None
    assert PrefixBank({}, device="cpu", dtype=torch.float32).rows([None]) is None


def test_bank_refuses_prefixes_that_differ_in_more_than_length(tiny):
    shape = tiny.t5.shape
    whole, part = random_prefix(shape), random_prefix(shape, attentions=("cross",))
    wide = Prefix(**{kind: torch.cat([tensor, tensor], -1) for kind, tensor in whole.parts.items()})

    with pytest.raises(PrefixMismatchError, match="one domain of the bank has a prefix in encoder, another has none"):
        PrefixBank({"a": whole, "b": part}, device="cpu", dtype=torch.float32)
    with pytest.raises(PrefixMismatchError, match="the encoder prefixes of one bank differ in shape"):
        PrefixBank({"a": whole, "b": wide}, device="cpu", dtype=torch.float32)


def test_prefix_moves_with_its_mask(tiny):
    _, bank = mixed_bank(tiny.t5.shape)
    rows = bank.rows(["a", "b"])
    moved = rows.to("cpu", torch.bfloat16)

    assert {part.dtype for part in moved.parts.values()} == {torch.bfloat16}
    assert torch.equal(moved.mask, rows.mask)
    assert rows.to("meta").mask.device.type == "meta"
    assert torch.equal(rows.select(torch.tensor([1])).mask, rows.mask[1:])
    assert (rows.length, Prefix(None, None, None).length) == (6, 0)


def test_mix_of_one_prefix_is_that_prefix(tiny):
    prefix = random_prefix(tiny.t5.shape)

    assert equal(mix([prefix], [1.0]), prefix)


def test_mix_is_the_weighted_sum(tiny):
    first, second = (random_prefix(tiny.t5.shape, seed=seed) for seed in (1, 2))
    mixed = mix([first, second], torch.tensor([0.25, 0.75]))

    for kind in ATTENTIONS:
        torch.testing.assert_close(mixed.parts[kind], 0.25 * first.parts[kind] + 0.75 * second.parts[kind])
    assert equal(mix([first, first], [0.5, 0.5]), first)


def test_mix_refuses_other_shapes(tiny):
    shape = tiny.t5.shape

    with pytest.raises(PrefixMismatchError, match="prefixes of different shapes can't be combined"):
        mix([random_prefix(shape, 4), random_prefix(shape, 5)], [0.5, 0.5])
    with pytest.raises(PrefixMismatchError, match="prefixes of different shapes can't be combined"):
        mix([random_prefix(shape), random_prefix(shape, attentions=("cross",))], [0.5, 0.5])


@pytest.mark.parametrize("attentions", SOME)
def test_common_start_is_the_same_whichever_attentions_are_on(tiny, attentions):
    shape = tiny.t5.shape
    whole, some = (common_start(shape, PrefixConfig(attentions=kinds)) for kinds in (ATTENTIONS, attentions))

    assert equal(some, Prefix(**{kind: whole.parts.get(kind) if kind in attentions else None for kind in ATTENTIONS}))
    for kind, part in some.parts.items():
        assert part.shape == part_shape(shape, PrefixConfig(), kind)


def test_start_depends_on_the_seed_alone(tiny):
    shape = tiny.t5.shape
    starts = []
    for seed, noise in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(noise)
        starts.append(fingerprint(common_start(shape, PrefixConfig(start_seed=seed))))

    assert starts[0] == starts[1] != starts[2]


@pytest.mark.parametrize("kind", ["mlp", "direct"])
@pytest.mark.parametrize("given", [False, True])
def test_reparameterisation_begins_exactly_at_its_start(tiny, kind, given):
    shape, config = tiny.t5.shape, PrefixConfig(4, ATTENTIONS, kind, hidden=8)
    start = random_prefix(shape, 4, seed=9) if given else common_start(shape, config)
    network = Reparameterisation(shape, config, start if given else None)

    assert equal(network(), start)
    assert equal(network.bake(), start)


@pytest.mark.parametrize("kind", ["mlp", "direct"])
def test_reparameterisation_learns_and_bakes_what_it_yields(tiny, batch, kind):
    t5, config = tiny.t5, PrefixConfig(4, ATTENTIONS, kind, hidden=8)
    network = Reparameterisation(t5.shape, config)
    before, weights = network.bake(), {name: weight.clone() for name, weight in t5.state_dict().items()}
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    for _ in range(2):  # the network's last layer is zero at first, so that P moves from the second step on
        optimizer.zero_grad()
        encoded = t5.encode(batch[0], batch[1], network().expand(3))
        t5.decode(batch[2], encoded, batch[1], network().expand(3)).square().sum().backward()
        optimizer.step()

    after = network.bake()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())
    assert all(not torch.equal(before.parts[name], after.parts[name]) for name in ATTENTIONS)
    assert equal(after, network()) and not any(part.requires_grad for part in after.parts.values())
    assert all(torch.equal(weight, weights[name]) for name, weight in t5.state_dict().items())  # Eq. 4: frozen


def test_reparameterisation_is_the_same_for_the_same_seed(tiny):
    states = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        states.append(Reparameterisation(tiny.t5.shape, PrefixConfig.paper()).state_dict())

    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def test_reparameterisation_refuses_a_start_of_another_shape(tiny):
    shape = tiny.t5.shape

    with pytest.raises(PrefixMismatchError, match=r"the encoder prefix to start from has shape \(2, 2, 3, 5, 8\)"):
        Reparameterisation(shape, PrefixConfig(4, ATTENTIONS), random_prefix(shape, 5))
    with pytest.raises(PrefixMismatchError, match="the encoder prefix to start from has shape None"):
        Reparameterisation(shape, PrefixConfig(4, ATTENTIONS), random_prefix(shape, 4, ("cross",)))


def test_fingerprint_names_exact_values(tiny):
    prefix = random_prefix(tiny.t5.shape)
    changed = prefix.cross.clone()
    changed[0, 0, 0, 0, 0] = torch.nextafter(changed[0, 0, 0, 0, 0], torch.tensor(9.0))

    assert fingerprint(prefix) == fingerprint(Prefix(*(part.clone() for part in prefix[:3])))
    others = [
        prefix._replace(cross=changed), prefix._replace(cross=None),
        prefix._replace(decoder=prefix.cross, cross=prefix.decoder),
        prefix._replace(cross=prefix.cross.view(3, 2, 4, 3, 8)),
    ]  # fmt: skip
    assert len({fingerprint(p) for p in [prefix, *others]}) == 5


def test_fingerprint_does_not_see_how_exact_values_are_held(tiny):
    prefix = random_prefix(tiny.t5.shape).to(torch.bfloat16)

    assert fingerprint(prefix) == fingerprint(prefix.to(torch.float32))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": 0}, "prefix length 0 is not possible"),
        ({"attentions": ()}, r"prefix attentions \[\] must be some of"),
        ({"attentions": ("encoder", "decodr")}, r"\['encoder', 'decodr'\] must be some of"),
        ({"reparameterisation": "lstm"}, "reparameterisation 'lstm' is neither 'mlp' nor 'direct'"),
    ],
)
def test_config_refuses_what_is_not_possible(settings, message):
    with pytest.raises(ConfigError, match=message):
        PrefixConfig(**settings)


def test_the_papers_prefix_is_at_all_attentions_and_from_a_network(tiny):
    network = Reparameterisation(tiny.t5.shape, PrefixConfig.paper(4))

    assert tuple(network().parts) == ATTENTIONS and network().length == 4
    assert {name.partition(".")[0] for name, _ in network.named_parameters()} == {
        f"{attention}_{part}" for attention in ATTENTIONS for part in ("matrix", "network")
    }


def test_config_goes_through_a_dictionary():
    config = PrefixConfig(length=3, attentions=["cross", "encoder"])

    assert PrefixConfig(**config_dict(config)) == config
