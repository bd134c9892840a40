"""Entities by the tagger alone: the encoder's states of the sentence against those of the options, without a decoder.

A reading of a sentence says of each word whether it is outside, opens an entity of a type, or goes on with one. What is
found is the likeliest reading. Sums over all readings tell how likely each of its entities is.

Axes in comments: B rows, W words, Y options.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cpner.backbone.load import Backbone
from cpner.backbone.padding import pad
from cpner.backbone.prefix import Prefix
from cpner.backbone.tagger import Tagger
from cpner.corpus.evidence import Evidence
from cpner.corpus.sentence import Answer, Prediction, Span
from cpner.errors import BackboneError
from cpner.instructor import Source
from cpner.recognition.decode import lay_out


class Words(NamedTuple):
    """Log-probabilities of each word, in nats; a row's padding is certainly outside."""

    outside: Tensor  # [B, W]
    opens: Tensor  # [B, W, Y] it opens an entity of a type
    goes_on: Tensor  # [B, W, Y] it goes on with one, given that there is one of this type


@torch.inference_mode()
def tag(backbone: Backbone, sources: Sequence[Source], prefix: Prefix | None = None) -> list[Answer]:
    """Recognise the entities of a batch by the backbone's tagger.

    Args:
        backbone: comes with a tagger.
        sources: B sentences, each with its options told.
        prefix: the rows' prefixes, each part [B, L, 2, H, K, D]; None for none.

    Returns:
        For each source its entities, ascending, without overlap. Their raw scores are how likely they are among all
        readings of the sentence.

    Raises:
        BackboneError: the backbone has no tagger, or what it computes is not finite.
    """
    if backbone.tagger is None:
        raise BackboneError(f"backbone {backbone.name!r} has no tagger")
    if not sources:
        return []
    ids, mask = lay_out(backbone, sources)
    encoded = backbone.reader.encode(ids, mask, prefix)
    if not bool(encoded.isfinite().all()):
        raise BackboneError("the backbone computes no numbers: its weights are broken, or too large for this dtype")
    words = words_of(backbone.tagger, encoded, sources)
    return [_answer(*row) for row in zip(sources, likeliest(words), _rows(words), strict=True)]


def words_of(tagger: Tagger, encoded: Tensor, sources: Sequence[Source]) -> Words:
    """What the tagger says of each word: the mean over its pieces; the first one tells whether an entity begins.

    Args:
        encoded: [B, S, d] states of the encoder.
    """
    options = pad([source.option_starts for source in sources], -1).to(encoded.device)
    owners, begins = (logits.double().cpu() for logits in tagger(encoded.float(), options))
    size = max(len(source.words) for source in sources)
    words = [_words_of_row(*row) for row in zip(owners.log_softmax(-1), begins, sources, strict=True)]
    return Words(
        torch.stack([F.pad(row.outside, (0, size - len(row.outside))) for row in words]),
        torch.stack([F.pad(row.opens, (0, 0, 0, size - len(row.opens)), value=-torch.inf) for row in words]),
        torch.stack([F.pad(row.goes_on, (0, 0, 0, size - len(row.goes_on)), value=-torch.inf) for row in words]),
    )


def likeliest(words: Words) -> list[list[tuple[int, int, int]]]:
    """Of each row the entities of its likeliest reading, ascending: first word, end, option."""
    rows, size, options = words.opens.shape
    best = words.outside.new_zeros(rows)  # log-probability of the best reading of the words before
    open_ = words.outside.new_full((rows, options), -torch.inf)  # of the best one that may go on with an option
    start = torch.zeros(rows, options, dtype=torch.long)  # where its entity starts
    ends = []  # at each word the option of the entity that ends with it, -1 for none, and where it starts
    for word in range(size):
        opened = best[:, None] + words.opens[:, word]
        going = open_ + words.goes_on[:, word]
        start = torch.where(opened >= going, word, start)
        open_ = torch.maximum(opened, going)
        inside, option = open_.max(-1) if options else (best.new_full((rows,), -torch.inf), start.new_zeros(rows))
        outside = best + words.outside[:, word]
        ended = inside > outside
        first = start.gather(1, option[:, None])[:, 0] if options else option
        ends.append(torch.stack([torch.where(ended, option, -1), first], -1))
        best = torch.maximum(inside, outside)
    chosen = torch.stack(ends, 1).tolist() if ends else [[] for _ in range(rows)]
    return [_walk_back(row) for row in chosen]


def _walk_back(ends: list[list[int]]) -> list[tuple[int, int, int]]:
    entities = []
    end = len(ends)
    while end > 0:
        option, start = ends[end - 1]
        if option < 0:
            end -= 1
        else:
            entities.append((start, end, option))
            end = start
    return entities[::-1]


class _Row(NamedTuple):
    """A row's words, with the log-sums over the readings of all words before and after each place."""

    words: Words
    before: Tensor  # [W + 1]
    after: Tensor  # [W + 1]
    after_open: Tensor  # [W + 1, Y] of the words after, where an entity of an option may go on


def _rows(words: Words) -> list[_Row]:
    """Sums over all readings, forward and backward."""
    rows, size, options = words.opens.shape
    before = [words.outside.new_zeros(rows)]
    open_ = words.outside.new_full((rows, options), -torch.inf)
    for word in range(size):
        open_ = torch.logaddexp(open_ + words.goes_on[:, word], before[-1][:, None] + words.opens[:, word])
        ways = torch.cat([(before[-1] + words.outside[:, word])[:, None], open_], 1)
        before.append(ways.logsumexp(1))
    after = [words.outside.new_zeros(rows)]
    after_open = [words.outside.new_zeros(rows, options)]
    for word in reversed(range(size)):
        opened = words.opens[:, word] + after_open[-1]
        ways = torch.cat([(words.outside[:, word] + after[-1])[:, None], opened], 1)
        going = words.goes_on[:, word] + after_open[-1]
        after.append(ways.logsumexp(1))
        after_open.append(torch.logaddexp(after[-1][:, None], going))
    parts = (torch.stack(before, 1), torch.stack(after[::-1], 1), torch.stack(after_open[::-1], 1))
    return [_Row(Words(*row[:3]), *row[3:]) for row in zip(*words, *parts, strict=True)]


def _answer(source: Source, entities: list[tuple[int, int, int]], row: _Row) -> Answer:
    """A row's entities, with how likely they are."""
    words = row.words
    total = row.before[-1]
    answer = Answer()
    inside: set[int] = set()
    for start, end, option in entities:
        written = row.before[start] + words.opens[start] + words.goes_on[start + 1 : end].sum(0)  # [Y]
        types = written + row.after[end] - total
        opened = float((row.before[start] + words.opens[start] + row.after_open[start + 1] - total).logsumexp(0))
        span = float(types.logsumexp(0))
        parts = [min(0.0, opened), min(0.0, float(types[option]) - span), min(0.0, span - opened)]
        evidence = Evidence(math.exp(sum(parts)), *parts, min(parts), 1 + end - start)
        name = source.options.types[option]
        answer.append(Prediction(Span(start, end, name), evidence.raw, evidence))
        inside.update(range(start, end))
    left = [word for word in range(len(source.words)) if word not in inside]
    none = row.before[:-1] + words.outside + row.after[1:] - total  # [W]
    answer.end = min(0.0, float(none[left].sum()))
    return answer


def _words_of_row(owners: Tensor, begins: Tensor, source: Source) -> Words:
    """The words [W] of one row, of logs [S, 1 + Y] and logits [S]."""
    pieces = slice(source.sentence_start, source.sentence_start + len(source.pieces))
    word_of = torch.tensor(source.word_of, dtype=torch.long)
    logs = owners.new_zeros(len(source.words), owners.shape[1]).index_add(0, word_of, owners[pieces])
    logs = (logs / word_of.bincount(minlength=len(source.words))[:, None]).log_softmax(-1)
    first = torch.searchsorted(word_of, torch.arange(len(source.words)))
    begin = begins[pieces][first]
    opens = logs[:, 1:] + F.logsigmoid(begin)[:, None]
    goes_on = logs[:, 1:] + F.logsigmoid(-begin)[:, None]
    return Words(logs[:, 0] + F.logsigmoid(-begin), opens, goes_on)
