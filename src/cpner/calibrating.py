"""What a card gets from labelled sentences that its domain has not learnt from: a calibrator, and F1 by type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cpner.backbone.bank import PrefixBank
from cpner.backbone.load import Backbone
from cpner.calibration.calibrator import Calibrator
from cpner.calibration.fit import fit
from cpner.corpus.sentence import Sentence
from cpner.evaluation import evaluate
from cpner.progress import Report
from cpner.recognition.recognise import Task, recognise
from cpner.store import StoredDomain
from cpner.store.domains import prompt_of

HELD_OUT = "held_out"  # among a card's metrics: sentences, F1, and F1 by type


def with_calibrator(
    backbone: Backbone,
    domain: StoredDomain,
    sentences: Sequence[Sentence],
    default: Calibrator,
    *,
    progress: Report | None = None,
) -> StoredDomain:
    """The same domain with a calibrator on its card, and under `held_out` its F1 by type; without sentences, with none.

    Args:
        sentences: labelled, and not learnt from.
        default: the backbone's, which the domain's is drawn to.
        progress: called after every batch.
    """
    card = domain.card
    metrics = {name: value for name, value in card.metrics.items() if name != HELD_OUT}
    if not sentences:
        return replace(domain, card=replace(card, calibration={}, metrics=metrics))
    bank = PrefixBank({card.name: domain.prefix}, device=backbone.device, dtype=backbone.dtype)
    prompt = prompt_of(card, backbone)
    tasks = [Task(sentence, prompt, card.name, card.by_sentence) for sentence in sentences]
    answers = recognise(backbone, tasks, bank, cards={card.name: card}, progress=progress)
    calibrator = fit(sentences, answers, default)
    result = evaluate(sentences, answers, card.types)
    metrics[HELD_OUT] = {
        "sentences": len(sentences),
        "f1": round(result.f1, 2),
        "f1_by_type": {name: round(score.f1, 2) for name, score in result.per_type.items() if score.support},
    }
    return replace(domain, card=replace(card, calibration=calibrator.to_json(), metrics=metrics))
