"""A domain with a calibrator of its own, fitted on what it finds in labelled sentences that it has not learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cpner.backbone.bank import PrefixBank
from cpner.backbone.load import Backbone
from cpner.calibration.calibrator import Calibrator
from cpner.calibration.fit import fit
from cpner.corpus.sentence import Sentence
from cpner.progress import Report
from cpner.recognition.recognise import Task, recognise
from cpner.store import StoredDomain
from cpner.store.domains import prompt_of


def with_calibrator(
    backbone: Backbone,
    domain: StoredDomain,
    sentences: Sequence[Sentence],
    default: Calibrator,
    *,
    progress: Report | None = None,
) -> StoredDomain:
    """The same domain with a calibrator on its card; without sentences, with none.

    Args:
        sentences: labelled, and not learnt from.
        default: the backbone's, which the domain's is drawn to.
        progress: called after every batch.
    """
    card = domain.card
    if not sentences:
        return replace(domain, card=replace(card, calibration={}))
    bank = PrefixBank({card.name: domain.prefix}, device=backbone.device, dtype=backbone.dtype)
    prompt = prompt_of(card, backbone)
    tasks = [Task(sentence, prompt, card.name, card.by_sentence) for sentence in sentences]
    answers = recognise(backbone, tasks, bank, cards={card.name: card}, progress=progress)
    calibrator = fit(sentences, answers, default)
    return replace(domain, card=replace(card, calibration=calibrator.to_json()))
