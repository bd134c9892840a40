"""Prefixes do what Eq. 2 and 3 say, reach all three attentions, start at one place and mix as Eq. 9 says."""

from __future__ import annotations

import itertools

import pytest
import torch

from cpner.backbone.attention import Attention, attend
from cpner.backbone.prefix import Prefix, apart, common_start, fingerprint, mix, together
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.shape import ATTENTIONS, PrefixConfig, config_dict, part_shape
from cpner.errors import ConfigError, PrefixMismatchError
from tests.support import SOME_ATTENTIONS, mixed_bank, random_prefix, run_t5, same_prefix


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
        for plain, with_prefix in zip(run_t5(tiny.t5, batch, None), run_t5(tiny.t5, batch, prefix), strict=True):
            torch.testing.assert_close(with_prefix, plain, atol=0, rtol=0)


@pytest.mark.parametrize("attentions", SOME_ATTENTIONS)
def test_prefix_reaches_the_attentions_that_carry_one_and_no_other(tiny, batch, attentions):
    plain_encoded, plain_decoded = run_t5(tiny.t5, batch, None)
    prefix = random_prefix(tiny.t5.shape, attentions=attentions).expand(3)
    encoded, decoded = run_t5(tiny.t5, batch, prefix)

    assert set(prefix.parts) == set(attentions)
    assert torch.equal(encoded, plain_encoded) == ("encoder" not in attentions)
    assert not torch.allclose(decoded, plain_decoded, atol=1e-2)


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_every_layer_key_and_value_of_a_prefix_counts(tiny, batch, kind):
    prefix = random_prefix(tiny.t5.shape)
    _, before = run_t5(tiny.t5, batch, prefix.expand(3))
    for layer, part in itertools.product(range(len(prefix.parts[kind])), range(2)):
        changed = prefix.parts[kind].clone()
        changed[layer, part] += 1
        _, after = run_t5(tiny.t5, batch, prefix._replace(**{kind: changed}).expand(3))
        assert not torch.allclose(before, after, atol=1e-4)


def test_order_of_prefix_positions_does_not_matter(tiny, batch):
    """They have no relative position: a permutation of keys and values changes nothing."""
    prefix = random_prefix(tiny.t5.shape)
    turned = Prefix(**{kind: part.flip(-2) for kind, part in prefix.parts.items()})

    for a, b in zip(run_t5(tiny.t5, batch, prefix.expand(3)), run_t5(tiny.t5, batch, turned.expand(3)), strict=True):
        torch.testing.assert_close(a, b)


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

    assert same_prefix(mix([prefix], [1.0]), prefix)


def test_mix_is_the_weighted_sum(tiny):
    first, second = (random_prefix(tiny.t5.shape, seed=seed) for seed in (1, 2))
    mixed = mix([first, second], torch.tensor([0.25, 0.75]))

    for kind in ATTENTIONS:
        torch.testing.assert_close(mixed.parts[kind], 0.25 * first.parts[kind] + 0.75 * second.parts[kind])
    assert same_prefix(mix([first, first], [0.5, 0.5]), first)


def test_mix_refuses_other_shapes(tiny):
    shape = tiny.t5.shape

    with pytest.raises(PrefixMismatchError, match="prefixes of different shapes can't be combined"):
        mix([random_prefix(shape, 4), random_prefix(shape, 5)], [0.5, 0.5])
    with pytest.raises(PrefixMismatchError, match="prefixes of different shapes can't be combined"):
        mix([random_prefix(shape), random_prefix(shape, attentions=("cross",))], [0.5, 0.5])


@pytest.mark.parametrize("attentions", SOME_ATTENTIONS)
def test_common_start_is_the_same_whichever_attentions_are_on(tiny, attentions):
    shape = tiny.t5.shape
    whole, some = (common_start(shape, PrefixConfig(attentions=kinds)) for kinds in (ATTENTIONS, attentions))

    assert same_prefix(
        some, Prefix(**{kind: whole.parts.get(kind) if kind in attentions else None for kind in ATTENTIONS})
    )
    for kind, part in some.parts.items():
        assert part.shape == part_shape(shape, PrefixConfig(), kind)


def test_start_depends_on_the_seed_alone(tiny):
    shape = tiny.t5.shape
    starts = []
    for seed, noise in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(noise)
        starts.append(fingerprint(common_start(shape, PrefixConfig(start_seed=seed))))

    assert starts[0] == starts[1] != starts[2]


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
        ({"length": 0}, "prefix setting length is 0; expected 1 to 10000"),
        ({"length": 100_000_000}, "prefix setting length is 100000000; expected 1 to 10000"),
        ({"start_seed": 2**64}, "prefix setting start_seed is 18446744073709551616; expected"),
        ({"attentions": ()}, r"attentions is \(\); expected some of encoder, decoder, cross"),
        ({"attentions": ("encoder", "decodr")}, r"attentions is \('encoder', 'decodr'\); expected some of"),
        ({"reparameterisation": "lstm"}, "reparameterisation is 'lstm'; expected one of mlp, direct"),
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


def test_together_and_apart_are_inverse(tiny):
    members = [common_start(tiny.t5.shape, PrefixConfig(3, ATTENTIONS, start_seed=i)) for i in range(3)]

    for member, other in zip(members, apart(together(members), 3), strict=True):
        assert fingerprint(member) == fingerprint(other)
    with pytest.raises(PrefixMismatchError, match="different shapes"):
        together([members[0], common_start(tiny.t5.shape, PrefixConfig(4, ATTENTIONS))])
