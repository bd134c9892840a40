"""Greedy decoding under the grammar, several pieces in a pass (Eq. 1).

A pass looks at a row's candidates only: the output layer is gathered once for a batch, and no pass multiplies with the
whole vocabulary. A draft goes ahead of the model: what must follow, as the rest of a type's name, and what is likely
to. One pass of the model verifies it. What is drafted right is written, and the first piece that is not is replaced by
the model's choice. The outcome is that of choosing piece by piece, in a third of the passes. Rows that are done leave
the batch.

The members of an ensemble are rows that read the same source with different prefixes. They write what is likeliest by
the mean of their probabilities (section 4.3, ensemble).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cpner.backbone.load import Backbone
from cpner.backbone.padding import mask_of, pad
from cpner.backbone.prefix import Prefix, rows_of_members
from cpner.corpus.sentence import Answer, Prediction
from cpner.errors import BackboneError
from cpner.instructor import Source
from cpner.instructor.draft import Draft
from cpner.instructor.grammar import DONE, LAST, LIST, Grammar, Mention, State, word_span
from cpner.instructor.options import CLOSE, OPEN
from cpner.instructor.parse import Parsed, parse
from cpner.recognition.cache import Cache, keep_rows
from cpner.recognition.encode import encode
from cpner.recognition.sizes import sizes_of
from cpner.recognition.trail import Trail

DRAFT = 12  # pieces drafted for a pass of one row at most; of n rows, where each piece costs more, 12 / √n


class Writer:
    """Writes the target of one sentence: goes ahead of the model, and takes what the model chooses.

    Attributes:
        grammar: what may be written.
        pieces: candidates to feed to the model: the one that was chosen last, and what is drafted after it.
        allowed: for each of `pieces`, the set of candidates that may follow it.
        answer: entities so far, with raw scores.
        done: nothing is left to choose.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.grammar = Grammar(source)
        self._draft = Draft(source, self.grammar)
        self.answer = Answer()
        self.done = False
        self._trail = Trail()  # of the entity that is being written
        self._go_on(OPEN, self.grammar.advance(self.grammar.start(), OPEN)[0])  # the template's first sign is no choice

    @property
    def ids(self) -> list[int]:
        """The vocabulary's ids of `pieces`."""
        return [self.grammar.candidates[piece] for piece in self.pieces]

    def draft(self, length: int) -> None:
        """Go ahead of the model by up to so many pieces."""
        grammar = self.grammar
        while len(self._closed) < length:
            guess = self._draft.guess(self._states[-1], self.allowed[-1])
            if guess is None:
                return
            state, mention = grammar.advance(self._states[-1], guess)
            self.pieces.append(guess)
            self.allowed.append(grammar.allowed(state))
            self._states.append(state)
            self._closed.append(mention)

    def take(self, choice: Sequence[int], best: Sequence[float]) -> int:
        """Write what the model chose after each piece, up to the first choice that was not drafted.

        Args:
            choice: after each of `pieces` the candidate that the model puts next.
            best: its log-probability.

        Returns:
            How many of `pieces` are right.

        Raises:
            BackboneError: what the model computes is not finite.
        """
        for i, state in enumerate(self._states):
            check_number(best[i])
            self._trail = self._trail.longer(state.mode, self.allowed[i], best[i])
            if state.mode == LIST and choice[i] == CLOSE:
                self.answer.end = best[i]
            drafted = i < len(self._closed) and self.pieces[i + 1] == choice[i]
            if drafted:
                after = self._states[i + 1]
                mention = self._closed[i]
            else:
                after, mention = self.grammar.advance(state, choice[i])
            if mention is not None:
                evidence = self._trail.evidence()
                self.answer.append(Prediction(word_span(self.source, mention), evidence.raw, evidence))
            if not drafted:
                break
        self._go_on(choice[i], after)
        self.done = after.mode in (LAST, DONE)
        return i + 1

    def _go_on(self, piece: int, state: State) -> None:
        self.pieces = [piece]
        self.allowed = [self.grammar.allowed(state)]
        self._states = [state]  # after each of `pieces`
        self._closed: list[Mention | None] = []  # by each of `pieces` but the first


@torch.inference_mode()
def decode(
    backbone: Backbone,
    sources: Sequence[Source],
    prefix: Prefix | None = None,
    *,
    members: int = 1,
    draft: int = DRAFT,
    encoded: tuple[Tensor, Tensor] | None = None,
) -> list[Answer]:
    """Recognise the entities of a batch by greedy search under the grammar.

    Args:
        sources: B sentences with their options.
        prefix: the rows' prefixes, each part [B, L, 2, H, members * K, D]; None for none.
        members: prefixes that decide together on each sentence, laid out as `together` does.
        draft: pieces that the grammar may go ahead of the model in a pass of one row, and draft / √n in one of n rows;
            0 is a pass for each piece. The outcome is the same.
        encoded: what `encode` gives for the sources, each of them for each member, where that is known.

    Returns:
        For each source its entities, ascending, without overlap, with raw scores.

    Raises:
        BackboneError: what the model computes is not finite.
    """
    if not sources:
        return []
    t5 = backbone.reader
    sizes = sizes_of(t5)
    vocabulary = backbone.vocabulary
    device = backbone.device
    if prefix is not None and members > 1:
        prefix = rows_of_members(prefix, members)
    if encoded is None:
        encoded = encode(backbone, [source for source in sources for _ in range(members)], prefix)
    states, mask = encoded
    cache = Cache(t5, states, mask, prefix)
    cache.step(torch.full((len(mask), 1), vocabulary.pad, device=device))
    writers = [Writer(source) for source in sources]
    candidates = [writer.grammar.candidates for writer in writers]
    width = sizes.candidates(max(map(len, candidates)))
    output = F.embedding(pad(candidates, vocabulary.pad, width).to(device), t5.output_weight)  # [B, C, d]
    going = writers
    while going:
        rows = len(output)  # those of `going`, and some that are idle
        ahead = math.ceil(draft / math.sqrt(rows * members))
        for writer in going:
            writer.draft(ahead)
        idle: list[list[int]] = [[]] * (rows - len(going))
        ids = [*(writer.ids for writer in going), *idle]
        pieces = pad(ids, vocabulary.pad, sizes.target(ahead)).to(device)  # [B, n]
        hidden = cache.step(_for_each(pieces, members), _repeated([len(row) for row in ids], members))
        hidden = hidden.view(rows, members, *hidden.shape[1:])  # [B, I, n, d]
        logits = t5.logits(hidden, output[:, None])  # [B, I, n, C]
        allowed = [*(writer.allowed for writer in going), *idle]
        possible = mask_of(allowed, output.shape[1], pieces.shape[1]).to(device)  # [B, n, C]
        best, choice = _agree(logits.masked_fill(~possible[:, None], -torch.inf)).max(-1)  # [B, n]
        chosen = zip(going, choice[: len(going)].tolist(), best[: len(going)].tolist(), strict=True)
        right = [writer.take(pieces_chosen, logs) for writer, pieces_chosen, logs in chosen]
        cache.take_back(_repeated([*right, *map(len, idle)], members), pieces.shape[1])
        stay = _stay([not writer.done for writer in going])
        if len(stay) < len(going):
            going = [going[row] for row in stay]
            stay += range(len(stay), min(rows, sizes.rows(len(stay))) if stay else 0)
            cache.keep([row * members + i for row in stay for i in range(members)])
            output = keep_rows(output, stay)
    for writer in writers:
        writer.answer.sort(key=lambda prediction: prediction.span)
    return [writer.answer for writer in writers]


@torch.inference_mode()
def decode_freely(
    backbone: Backbone, sources: Sequence[Source], prefix: Prefix | None = None, *, limit: int = 192
) -> list[Parsed]:
    """Generate without the grammar and read the output tolerantly: what the grammar is measured against."""
    if not sources:
        return []
    t5 = backbone.reader
    vocabulary = backbone.vocabulary
    device = backbone.device
    cache = Cache(t5, *encode(backbone, sources, prefix), prefix)
    written = torch.full((len(sources), 1), vocabulary.pad, device=device)
    output: list[Tensor] = []
    done = torch.zeros(len(sources), dtype=torch.bool, device=device)
    while len(output) < limit and not bool(done.all()):
        written = (cache.step(written)[:, -1:] @ t5.output_weight.T).argmax(-1)
        output.append(written[:, 0])
        done |= written[:, 0] == vocabulary.eos
    rows = torch.stack(output, 1).tolist()
    return [parse(row, source, vocabulary) for row, source in zip(rows, sources, strict=True)]


def check_number(log: float) -> None:
    """Refuse a log-probability that is no number.

    Raises:
        BackboneError: it is not.
    """
    if math.isnan(log):
        raise BackboneError("the backbone computes no numbers: its weights are broken, or too large for this dtype")


def _for_each(rows: Tensor, members: int) -> Tensor:
    """Rows of sentences [B, ...] as rows of their members [B * I, ...]."""
    return rows if members == 1 else rows.repeat_interleave(members, 0)


def _repeated(numbers: Sequence[int], members: int) -> list[int]:
    """Numbers of sentences as numbers of their members."""
    return [number for number in numbers for _ in range(members)]


def _agree(logits: Tensor) -> Tensor:
    """[B, n, C] the logarithm of the members' mean probability, of logits [B, I, n, C]."""
    logs = logits.log_softmax(-1)
    return logs[:, 0] if logs.shape[1] == 1 else logs.logsumexp(1) - math.log(logs.shape[1])


def _stay(going: Sequence[bool]) -> list[int]:
    """Rows that go on: each where it was, but for the last ones, which take the places of those that end."""
    left = [row for row, goes in enumerate(going) if goes]
    last = [row for row in left if row >= len(left)]
    return [row if going[row] else last.pop() for row in range(len(left))]
