"""The selector's alpha and temperature, searched on the dev split (section 3.4, Eq. 7-8)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from cpner.corpus import Sentence
from cpner.evaluation import evaluate
from cpner.ner import CPNER
from cpner.transfer import combine

ALPHAS = (0.0, 0.5, 1.0)
TEMPERATURES = (1.0, 0.1, 0.02)


def search(
    ner: CPNER,
    target: str,
    sources: Sequence[str],
    dev: Sequence[Sentence],
    *,
    alphas: Sequence[float] = ALPHAS,
    temperatures: Sequence[float] = TEMPERATURES,
) -> dict[str, Any]:
    """Try settings of the selector by the dev F1 of the average that they give, before it is trained on.

    Training each would be the better measure and cost as many trainings; the average costs one decoding of `dev`.

    Args:
        target: warmed up.
        dev: labelled sentences of the target; without any, the paper's settings are taken.

    Returns:
        `alpha` and `temperature`, the best (the first of equals), and `tried`: each pair with its F1.
    """
    tried: list[dict[str, float]] = []
    types = ner.card(target).types
    for alpha, temperature in product(alphas, temperatures) if dev else ():
        weights = ner.select(target, sources, alpha=alpha, temperature=temperature).weights
        ner.add("search", combine(ner.prefix(target), [ner.prefix(name) for name in sources], weights), types)
        f1 = evaluate(dev, ner.predict_spans(dev, "search"), types).f1
        tried.append({"alpha": alpha, "temperature": temperature, "f1": f1})
    best = max(tried, key=lambda row: row["f1"], default={"alpha": 0.5, "temperature": 1.0})
    return {"alpha": best["alpha"], "temperature": best["temperature"], "tried": tried}
