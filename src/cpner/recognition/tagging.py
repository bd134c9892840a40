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
from cpner.recognition.encode import encode


class Words(NamedTuple):
    """Log-probabilities of each word, in nats; a row's padding is certainly outside."""

    outside: Tensor  # [B, W]
    opens: Tensor  # [B, W, Y] it opens an entity of a type
    goes_on: Tensor  # [B, W, Y] it goes on with one, given that there is one of this type


class View(NamedTuple):
    """What the tagger says of one sentence.

    Attributes:
        source: the sentence with its options.
        words: of this row.
        before: [W + 1] log-sum over the readings of all words before each place.
        after: [W + 1] that over all words after it.
        after_open: [W + 1, Y] that over all words after it, where an entity of an option may go on.
        spans: the entities of the likeliest reading, ascending.
    """

    source: Source
    words: Words
    before: Tensor
    after: Tensor
    after_open: Tensor
    spans: list[Span]

    def prediction(self, span: Span) -> Prediction:
        """Any entity with how likely it is: that one begins here, that it ends there, and that it has this type."""
        words = self.words
        start = span.start
        total = self.before[-1]
        types = self.types(span)
        option = self.source.options.types.index(span.type)
        beginning = float((self.before[start] + words.opens[start] + self.after_open[start + 1] - total).logsumexp(0))
        either = float(types.logsumexp(0))
        # in float32, as the last bits of a sum depend on the batch
        opens = _rounded(beginning)
        type_ = _rounded(_ratio(float(types[option]), either))
        mention = _rounded(_ratio(either, beginning))
        choices = 1 + span.end - span.start
        raw = math.exp(opens + type_ + mention)
        return Prediction(span, raw, Evidence(raw, opens, type_, mention, min(opens, type_, mention), choices))

    def types(self, span: Span) -> Tensor:
        """[Y] the log-probability that an entity of each type has the words of a span."""
        words = self.words
        written = self.before[span.start] + words.opens[span.start] + words.goes_on[span.start + 1 : span.end].sum(0)
        return written + self.after[span.end] - self.before[-1]

    def answer(self) -> Answer:
        """The likeliest reading, and how likely it is that nothing stands between its entities."""
        return Answer(map(self.prediction, self.spans), self.end())

    def end(self) -> float:
        """The log-probability that nothing stands between the entities of the likeliest reading."""
        inside = {word for span in self.spans for word in range(span.start, span.end)}
        outside = [word for word in range(len(self.source.words)) if word not in inside]
        logs = self.before[:-1] + self.words.outside + self.after[1:] - self.before[-1]  # [W]
        return _rounded(float(logs[outside].sum()))


def _ratio(part: float, whole: float) -> float:
    """The logarithm of a share, of the logarithms of a part and its whole."""
    return -math.inf if part == -math.inf else part - whole


def _rounded(log: float) -> float:
    """A log-probability in float32, at most 0."""
    return float(torch.tensor(min(0.0, log), dtype=torch.float32))


@torch.inference_mode()
def tag(backbone: Backbone, sources: Sequence[Source], prefix: Prefix | None = None) -> list[Answer]:
    """Recognise the entities of a batch by the backbone's tagger alone.

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
    if not sources:
        return []
    encoded, _ = encode(backbone, sources, prefix)
    return [view.answer() for view in views(backbone, sources, encoded)]


def views(backbone: Backbone, sources: Sequence[Source], encoded: Tensor) -> list[View]:
    """What the backbone's tagger says of each sentence.

    Args:
        encoded: [B, S, d] states of the encoder.

    Raises:
        BackboneError: the backbone has no tagger, or computes no numbers.
    """
    if backbone.tagger is None:
        raise BackboneError(f"backbone {backbone.name!r} has no tagger")
    if not sources:
        return []
    words = words_of(backbone.tagger, encoded, sources)
    if bool(words.outside.isnan().any()):
        raise BackboneError("the backbone computes no numbers: its weights are broken, or too large for this dtype")
    entities = [
        [Span(start, end, source.options.types[option]) for start, end, option in row]
        for source, row in zip(sources, likeliest(words), strict=True)
    ]
    rows = [Words(*row) for row in zip(*words, strict=True)]
    return [View(*row) for row in zip(sources, rows, *_sums(words), entities, strict=True)]


def views_by_row(backbone: Backbone, sources: Sequence[Source], encoded: Tensor) -> dict[int, View]:
    """What the tagger says of the sentences whose options are told; of none where the backbone has no tagger."""
    rows = [row for row, source in enumerate(sources) if source.tells_options and backbone.tagger is not None]
    return dict(zip(rows, views(backbone, [sources[row] for row in rows], encoded[rows]), strict=True)) if rows else {}


def words_of(tagger: Tagger, encoded: Tensor, sources: Sequence[Source]) -> Words:
    """What the tagger says of each word: the mean over its pieces; the first one tells whether an entity begins.

    Args:
        encoded: [B, S, d] states of the encoder.
    """
    options = pad([source.option_starts for source in sources], -1).to(encoded.device)
    logits = tagger(encoded.to(tagger.none.dtype), options)
    owners, begins = (numbers.float().double().cpu() for numbers in logits)
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


def _sums(words: Words) -> tuple[Tensor, Tensor, Tensor]:
    """Log-sums over all readings, as a `View` has them, of all rows."""
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
    return torch.stack(before, 1), torch.stack(after[::-1], 1), torch.stack(after_open[::-1], 1)


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
