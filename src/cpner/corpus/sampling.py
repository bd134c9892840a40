"""Few-shot samples of a corpus: k sentences per entity type, or a plain number of sentences."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from cpner.corpus.sentence import Sentence
from cpner.errors import ConfigError


def sample_shots(sentences: Sequence[Sentence], shots: int, seed: int) -> list[Sentence]:
    """Choose sentences until every type occurs in at least `shots` of them, or in all that have it.

    Greedy, the rarest type first, so that its sentences already serve the frequent ones. What is chosen among
    is in an order drawn from the seed. The sample keeps the order of the corpus.

    Raises:
        ConfigError: `shots` is less than 1.
    """
    if shots < 1:
        raise ConfigError(f"shots={shots} asks for no sentence; expected 1 or more")
    types = [{span.type for span in sentence.spans} for sentence in sentences]
    frequency = Counter(type_ for present in types for type_ in present)
    order = _shuffled(len(sentences), seed)
    chosen: set[int] = set()
    served: Counter[str] = Counter()
    for type_ in sorted(frequency, key=lambda name: (frequency[name], name)):
        for i in order:
            if served[type_] >= shots:
                break
            if type_ in types[i] and i not in chosen:
                chosen.add(i)
                served.update(types[i])
    return [sentences[i] for i in sorted(chosen)]


def sample_count(sentences: Sequence[Sentence], count: int, seed: int) -> list[Sentence]:
    """Choose `count` sentences at random; a larger sample of the same seed holds every smaller one.

    Raises:
        ConfigError: `count` is less than 1, or more than there are.
    """
    if not 1 <= count <= len(sentences):
        raise ConfigError(
            f"count={count} sentences asked for; expected 1 to {len(sentences)}, the size of the train split"
        )
    return [sentences[i] for i in sorted(_shuffled(len(sentences), seed)[:count])]


def spread(sentences: Sequence[Sentence], limit: int | None) -> list[Sentence]:
    """At most `limit` sentences, evenly spread, in their order; None takes all."""
    if limit is None or len(sentences) <= limit:
        return list(sentences)
    return [sentences[i * len(sentences) // limit] for i in range(limit)]


def hold_out(sentences: Sequence[Sentence], share: float, seed: int) -> tuple[list[Sentence], list[Sentence]]:
    """Part sentences at random into those to learn from and a share to choose the best epoch by, at least one each.

    Raises:
        ConfigError: there are fewer than two.
    """
    if len(sentences) < 2:
        raise ConfigError(f"{len(sentences)} training sentences have none to spare for a dev split")
    count = min(max(1, round(share * len(sentences))), len(sentences) - 1)
    held = set(_shuffled(len(sentences), seed)[:count])
    rest = [sentence for i, sentence in enumerate(sentences) if i not in held]
    return rest, [sentences[i] for i in sorted(held)]


def folds(sentences: Sequence[Sentence], count: int, seed: int) -> list[tuple[list[Sentence], list[Sentence]]]:
    """Part sentences at random into so many folds of about the same size, each with all the others, in their order.

    Returns:
        For each fold the others, and itself; every sentence is in one fold.

    Raises:
        ConfigError: `count` is less than 2, or more than there are.
    """
    if not 2 <= count <= len(sentences):
        raise ConfigError(f"count={count} folds asked for; expected 2 to {len(sentences)}, the size of the train split")
    order = _shuffled(len(sentences), seed)
    parts = [set(order[i::count]) for i in range(count)]
    numbered = list(enumerate(sentences))
    return [
        ([one for i, one in numbered if i not in part], [one for i, one in numbered if i in part]) for part in parts
    ]


def _shuffled(length: int, seed: int) -> list[int]:
    order = list(range(length))
    random.Random(seed).shuffle(order)
    return order
