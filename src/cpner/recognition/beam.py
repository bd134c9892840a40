"""Beam search under the grammar: the most probable of several outputs that are written side by side (Eq. 1).

Reading: outputs are compared by their probability as a whole, without a reward for length. As no piece can make an
output more probable, the search of a sentence ends when its best output does; that for several readings, when all do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from cpner.backbone.load import Backbone
from cpner.backbone.padding import mask_of, pad
from cpner.backbone.prefix import Prefix
from cpner.corpus.sentence import Answer, Prediction
from cpner.instructor import Source
from cpner.instructor.grammar import DONE, LIST, Grammar, State, word_span
from cpner.instructor.options import CLOSE, OPEN
from cpner.recognition.cache import Cache, keep_rows
from cpner.recognition.decode import check_number
from cpner.recognition.encode import encode
from cpner.recognition.readings import ranked
from cpner.recognition.trail import Trail


class Output(NamedTuple):
    """One of the outputs of a sentence."""

    state: State
    piece: int  # the candidate that was written last
    total: float  # log-probability of all
    trail: Trail  # of the entity that is being written
    predictions: tuple[Prediction, ...]
    end: float = 0.0  # log-probability of no further entity

    @property
    def done(self) -> bool:
        """Whether the target is complete."""
        return self.state.mode == DONE

    def allowed(self, grammar: Grammar) -> int:
        """What may follow: for an output that is done any one candidate, which then is certain."""
        return 1 << OPEN if self.done else grammar.allowed(self.state)

    def longer(self, source: Source, grammar: Grammar, piece: int, log: float, total: float) -> Output:
        """With one candidate more, of this log-probability."""
        if self.done or total == -math.inf:  # impossible outputs stand where a sentence has too few possible ones
            return self._replace(state=self.state._replace(mode=DONE), total=total)
        state, mention = grammar.advance(self.state, piece)
        trail = self.trail.longer(self.state.mode, self.allowed(grammar), log)
        predictions = self.predictions
        if mention is not None:
            evidence = trail.evidence()
            predictions = (*predictions, Prediction(word_span(source, mention), evidence.raw, evidence))
        ends = self.state.mode == LIST and piece == CLOSE
        return Output(state, piece, total, trail, predictions, log if ends else self.end)


@torch.inference_mode()
def beam_search(
    backbone: Backbone, sources: Sequence[Source], prefix: Prefix | None = None, *, beams: int, readings: int = 1
) -> list[Answer]:
    """Recognise the entities of a batch by beam search under the grammar.

    Args:
        sources: B sentences with their options.
        prefix: the rows' prefixes, each part [B, L, 2, H, K, D]; None for none.
        beams: outputs that each sentence keeps, k; one is greedy search.
        readings: how many readings of a sentence to tell, at most k.

    Returns:
        For each source its entities, ascending, without overlap, with raw scores. The evidence of each tells which
        share of the outputs' probability holds it. Further readings are the answer's `others`.

    Raises:
        BackboneError: what the model computes is not finite.
    """
    if not sources:
        return []
    t5 = backbone.reader
    vocabulary = backbone.vocabulary
    device = backbone.device
    encoded, mask = encode(backbone, sources, prefix)
    wide = torch.arange(len(sources), device=device).repeat_interleave(beams)  # [B * k]
    cache = Cache(t5, encoded[wide], mask[wide], prefix and prefix.select(wide))
    cache.step(torch.full((len(wide), 1), vocabulary.pad, device=device))
    grammars = [Grammar(source) for source in sources]
    candidates = pad([grammar.candidates for grammar in grammars], vocabulary.pad).to(device)
    weights = t5.output_weight[candidates]  # [B, C, d]
    outputs = []
    for grammar in grammars:
        first = Output(grammar.advance(grammar.start(), OPEN)[0], OPEN, 0.0, Trail(), ())
        outputs.append([first] + [first._replace(total=-math.inf)] * (beams - 1))
    going = list(range(len(sources)))  # sentences
    while going:
        rows = [(grammars[i], output) for i in going for output in outputs[i]]
        pieces = [[grammar.candidates[output.piece]] for grammar, output in rows]
        hidden = cache.step(torch.tensor(pieces, device=device))
        logits = t5.logits(hidden.view(len(going), beams, -1), weights)  # [B, k, C]
        allowed = mask_of([[output.allowed(grammar)] for grammar, output in rows], logits.shape[2]).view_as(logits)
        logs = logits.masked_fill(~allowed.to(device), -torch.inf).log_softmax(-1)
        totals = torch.tensor([output.total for _, output in rows], device=device).view(len(going), beams, 1)
        best, place = (totals + logs).flatten(1).topk(beams)  # [B, k]
        choices = zip(going, place.tolist(), logs.flatten(1).gather(1, place).tolist(), best.tolist(), strict=True)
        parents = []
        for row, (i, *chosen) in enumerate(choices):
            before = outputs[i]
            outputs[i] = []
            for at, log, total in zip(*chosen, strict=True):
                check_number(total)
                parent, piece = divmod(at, logits.shape[2])
                parents.append(row * beams + parent)
                outputs[i].append(before[parent].longer(sources[i], grammars[i], piece, log, total))
        cache.turn(parents)
        stay = [row for row, i in enumerate(going) if not all(one.done for one in _told(outputs[i], readings))]
        if len(stay) < len(going):
            cache.keep([row * beams + k for row in stay for k in range(beams)])
            weights = keep_rows(weights, stay)
            going = [going[row] for row in stay]
    return [ranked([_answer(output, row) for output in _told(row, readings)], readings) for row in outputs]


def _told(outputs: Sequence[Output], readings: int) -> Sequence[Output]:
    """The outputs that a sentence waits for: the best one, and for several readings all that are possible."""
    return outputs[:1] if readings == 1 else [output for output in outputs if output.total > -math.inf]


def _answer(output: Output, outputs: Sequence[Output]) -> Answer:
    """The entities of an output, each with the share of all outputs' probability that holds it."""
    shares = [math.exp(other.total - outputs[0].total) for other in outputs]
    answer = Answer(end=output.end, log=min(0.0, output.total))
    for prediction in sorted(output.predictions, key=lambda prediction: prediction.span):
        holding = sum(
            share
            for share, other in zip(shares, outputs, strict=True)
            if any(one.span == prediction.span for one in other.predictions)
        )
        evidence = prediction.evidence and prediction.evidence._replace(mass=min(1.0, holding / sum(shares)))
        answer.append(prediction._replace(evidence=evidence))
    return answer
