"""The selector's alpha and temperature, and the share of the sources, searched on dev (section 3.4, Eq. 7-10)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from cpner.corpus import Sentence
from cpner.evaluation import evaluate
from cpner.ner import CPNER
from cpner.transfer import Mixing, combine

ALPHAS = (0.0, 0.5, 1.0)
TEMPERATURES = (1.0, 0.1, 0.02)
SHARES = (0.5, 0.25, 0.1)


def search(
    ner: CPNER,
    target: str,
    sources: Sequence[str],
    dev: Sequence[Sentence],
    *,
    alphas: Sequence[float] = ALPHAS,
    temperatures: Sequence[float] = TEMPERATURES,
    shares: Sequence[float] = SHARES,
) -> dict[str, Any]:
    """Try settings of the selector by the dev F1 of the average that they give, before it is trained on.

    Training each would be the better measure and cost as many trainings; the average costs one decoding of `dev`.

    Args:
        target: warmed up.
        dev: labelled sentences of the target; without any, the paper's settings are taken.

    Returns:
        `alpha`, `temperature` and `share`, the best (the first of equals), and `tried`: each triple with its F1.
    """
    tried: list[dict[str, float]] = []
    types = ner.card(target).types
    for alpha, temperature in product(alphas, temperatures) if dev else ():
        weights = ner.select(target, sources, mixing=Mixing(alpha, temperature)).weights
        for share in shares:
            start = combine(ner.prefix(target), [ner.prefix(name) for name in sources], weights, share)
            ner.add("search", start, types)
            f1 = evaluate(dev, ner.recognise(dev, "search"), types).f1
            tried.append({"alpha": alpha, "temperature": temperature, "share": share, "f1": f1})
    best = max(tried, key=lambda row: row["f1"], default={"alpha": 0.5, "temperature": 1.0, "share": 0.5})
    return {**{name: best[name] for name in ("alpha", "temperature", "share")}, "tried": tried}
