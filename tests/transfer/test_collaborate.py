"""Laws of collaboration (Eq. 9-10)."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from cpner.backbone.load import Backbone, digest
from cpner.backbone.prefix import Prefix, common_start, fingerprint
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.shape import ATTENTIONS, PrefixConfig
from cpner.backbone.start import fresh, quiet_start
from cpner.corpus import Sentence
from cpner.errors import ConfigError, PrefixMismatchError
from cpner.training import TrainingConfig, TrainingResult, train_prefix
from cpner.transfer import Mixing, collaboration_start, combine, combine_parameters
from cpner.transfer.collaborate import warn_of_starts
from tests.support import SENTENCES, SMALL, TYPES

QUICK = TrainingConfig(epochs=2, min_steps=0, lr=0.01)
STILL = TrainingConfig(epochs=1, min_steps=0, lr=1e-30)  # trains nothing: shows where training begins


class Warm(NamedTuple):
    """A domain that was warmed up."""

    prefix: Prefix
    reparameterisation: dict[str, Tensor] | None


def close(first: Prefix, second: Prefix) -> None:
    assert first.parts.keys() == second.parts.keys()
    for name, part in first.parts.items():
        torch.testing.assert_close(part, second.parts[name], atol=1e-5, rtol=1e-5)


def random_prefixes(tiny: Backbone, count: int) -> list[Prefix]:
    return [common_start(tiny.t5.shape, replace(SMALL, start_seed=i, start_scale=1.0)) for i in range(count)]


def warm_up(
    tiny: Backbone, sentences: list[Sentence], config: TrainingConfig, prefix: PrefixConfig = SMALL
) -> TrainingResult:
    return train_prefix(tiny, fresh(tiny, prefix), sentences, [], TYPES, config)


@pytest.fixture(scope="module")
def warm(tiny: Backbone) -> list[Warm]:
    """A target and two sources, warmed up on different sentences."""
    config = TrainingConfig(epochs=3, min_steps=0, lr=0.01)
    results = [warm_up(tiny, SENTENCES[i : i + 2], config) for i in range(3)]
    return [Warm(result.prefix, result.reparameterisation) for result in results]


def run(tiny: Backbone, warm: list[Warm], config: TrainingConfig = STILL, weights=(0.3, 0.7), **kwargs):
    sources = {f"s{i}": domain for i, domain in enumerate(warm[1:])}
    start = collaboration_start(tiny, warm[0], sources, weights, **{"prefix": SMALL, **kwargs})
    return train_prefix(tiny, start, SENTENCES, [], TYPES, config)


def test_the_mix_is_half_the_target_and_half_the_weighted_sources(tiny):
    target, first, second = random_prefixes(tiny, 3)

    mixed = combine(target, [first, second], [0.25, 0.75])

    for name, part in mixed.parts.items():
        sources = 0.25 * first.parts[name] + 0.75 * second.parts[name]  # Eq. 9
        torch.testing.assert_close(part, (target.parts[name] + sources) / 2)  # Eq. 10


def test_a_single_source_is_kept_as_it_is(tiny):
    """Footnote 3, whatever weight is given."""
    target, source = random_prefixes(tiny, 2)

    close(combine(target, [source], [0.1]), combine(target, [source], [1.0]))
    close(combine(target, [source], [1.0], share=1.0), source)


def test_share_zero_keeps_the_target_and_share_one_the_sources(tiny):
    target, first, second = random_prefixes(tiny, 3)

    close(combine(target, [first, second], [0.5, 0.5], share=0.0), target)
    close(combine(target, [first, second], [1.0, 0.0], share=1.0), first)


def test_a_domain_mixed_with_itself_stays_itself(tiny):
    (target,) = random_prefixes(tiny, 1)

    close(combine(target, [target, target], [0.4, 0.6]), target)


def test_training_on_prefixes_begins_at_the_mix(tiny, warm):
    result = run(tiny, warm)

    close(result.prefix, combine(warm[0].prefix, [warm[1].prefix, warm[2].prefix], [0.3, 0.7]))


def test_training_on_parameters_begins_at_the_average_of_matrix_and_network(tiny, warm):
    result = run(tiny, warm, mixing=Mixing(space="parameters"))

    states = [domain.reparameterisation for domain in warm]
    for name, tensor in result.reparameterisation.items():
        expected = states[0][name] / 2 + (0.3 * states[1][name] + 0.7 * states[2][name]) / 2
        torch.testing.assert_close(tensor, expected, atol=1e-6, rtol=1e-6)


def test_the_two_spaces_agree_where_nothing_is_to_average(tiny, warm):
    same = [warm[0]] * 3

    close(run(tiny, same).prefix, run(tiny, same, mixing=Mixing(space="parameters")).prefix)
    close(run(tiny, same).prefix, warm[0].prefix)


@pytest.mark.parametrize("reparameterisation", ["mlp", "direct"])
def test_the_two_spaces_differ_through_the_network_alone(tiny, reparameterisation):
    """A direct P is the prefix, so that an average of one is the average of the other."""
    prefix = PrefixConfig(3, ATTENTIONS, reparameterisation, hidden=16)
    results = [warm_up(tiny, SENTENCES[i : i + 2], QUICK, prefix) for i in range(3)]
    domains = [Warm(result.prefix, result.reparameterisation) for result in results]
    first, second = (
        run(tiny, domains, prefix=prefix, mixing=Mixing(space=space)).prefix for space in ("prefix", "parameters")
    )

    differs = any(not torch.allclose(part, second.parts[name], atol=1e-7) for name, part in first.parts.items())
    assert differs == (reparameterisation == "mlp")


@pytest.mark.parametrize("space", ["prefix", "parameters"])
def test_what_comes_of_it_is_trained_on_and_the_backbone_and_the_sources_stay(tiny, warm, space):
    before, prints = digest(tiny.t5), [fingerprint(domain.prefix) for domain in warm]

    result = run(tiny, warm, QUICK, mixing=Mixing(space=space))

    assert fingerprint(result.prefix) != fingerprint(run(tiny, warm, mixing=Mixing(space=space)).prefix)
    assert result.curve[-1]["loss"] < result.curve[0]["loss"]
    assert digest(tiny.t5) == before and [fingerprint(domain.prefix) for domain in warm] == prints


def test_parameters_of_other_starts_are_refused(tiny, warm):
    other = Reparameterisation(tiny.t5.shape, replace(SMALL, start_seed=1))

    with pytest.raises(PrefixMismatchError, match="different starts can't be averaged"):
        run(tiny, [*warm[:2], Warm(other.bake(), other.state_dict())], mixing=Mixing(space="parameters"))


def test_parameters_that_were_not_kept_are_refused(tiny, warm):
    with pytest.raises(PrefixMismatchError, match="'s1' was stored without its reparameterisation"):
        run(tiny, [*warm[:2], Warm(warm[2].prefix, None)], mixing=Mixing(space="parameters"))


def test_parameters_of_other_shapes_are_refused(tiny, warm):
    narrow = replace(SMALL, hidden=8)
    other = Reparameterisation(tiny.t5.shape, narrow, quiet_start(tiny, narrow))

    with pytest.raises(PrefixMismatchError, match="different shapes can't be averaged"):
        combine_parameters(warm[0].reparameterisation, [other.state_dict()], [1.0])
    with pytest.raises(PrefixMismatchError, match="other prefix settings"):
        run(tiny, warm, mixing=Mixing(space="parameters"), prefix=replace(SMALL, hidden=8))


def test_prefixes_of_other_shapes_are_refused(tiny, warm):
    longer = common_start(tiny.t5.shape, PrefixConfig.paper(4))

    with pytest.raises(PrefixMismatchError, match="different shapes can't be combined"):
        run(tiny, [*warm[:2], Warm(longer, None)])


def test_as_many_weights_as_sources_are_needed(tiny, warm):
    with pytest.raises(ConfigError, match="collaboration of 2 sources by 1 weights"):
        run(tiny, warm, weights=(1.0,))


def test_different_starts_are_warned_of():
    with pytest.warns(UserWarning, match="'b' and 'a' were warmed up from different starts"):
        warn_of_starts("a", {"a": "1", "b": "2"})


def test_a_warm_up_on_no_step_is_the_quiet_start(tiny):
    result = warm_up(tiny, SENTENCES, STILL)

    close(result.prefix, quiet_start(tiny, SMALL))
