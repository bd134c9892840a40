"""Settings of Eq. 7-10 are checked where they are made, and against the sources they are used on."""

from __future__ import annotations

import pytest

from cpner.errors import ConfigError
from cpner.transfer import Mixing


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"alpha": 1.5}, "alpha=1.5"),
        ({"alpha": [0.5, -0.1]}, "alpha="),
        ({"alpha": {"a": float("nan")}}, "alpha="),
        ({"temperature": 0.0}, "temperature=0.0"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"top_k": 0}, "top_k=0"),
        ({"weighting": "median"}, "no weighting 'median'"),
        ({"space": "both"}, "space='both' and share=None"),
        ({"share": 1.5}, "space='prefix' and share=1.5"),
    ],
)
def test_settings_out_of_range_are_refused(settings, told):
    with pytest.raises(ConfigError, match=told):
        Mixing(**settings)


@pytest.mark.parametrize("alpha", [[0.5], {"a": 0.5}, {"a": 0.5, "b": 0.5, "c": 0.5}])
def test_alpha_is_one_or_one_for_each_source(alpha):
    with pytest.raises(ConfigError, match="alpha"):
        Mixing(alpha=alpha).resolve(["a", "b"])


@pytest.mark.parametrize(("sources", "top_k"), [([], None), (["a", "b"], 3)])
def test_top_k_is_at_most_the_number_of_sources(sources, top_k):
    with pytest.raises(ConfigError, match=f"among {len(sources)} sources with top_k={top_k}"):
        Mixing(top_k=top_k).resolve(sources)


@pytest.mark.parametrize("alpha", [0.25, [0.25, 0.25], {"b": 0.25, "a": 0.25}])
def test_alpha_is_told_by_name_in_the_order_of_the_sources(alpha):
    assert list(Mixing(alpha=alpha).resolve(["a", "b"]).items()) == [("a", 0.25), ("b", 0.25)]
