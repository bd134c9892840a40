"""The template read backwards: an automaton over a batch that allows only well-formed targets (section 3.2).

    target   = "(" entity* ")" end
    entity   = "(" type ":" mention ")"
    type     = one of the options
    mention  = a slice of the sentence's words that no mention has taken

The automaton never deals with the whole vocabulary. Each row has a short list of *candidates*, the distinct pieces of
its options, its sentence and the template; states, masks and choices are tensors over these. What a row has copied so
far is a mask over positions, so that offsets fall out of decoding: nothing is searched for afterwards.

Reading: mentions don't overlap. Targets list them in order of appearance, but the decoder may go back: a model that
has skipped an entity would otherwise have to name what is left at the end. Of several places that the copied pieces
fit, the first one after the previous mention is meant, else the first; an entity that is repeated is told apart by
being written again.

Axes in comments: B rows, C candidates, N sentence pieces, Y types, M pieces of the longest type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from cpner.corpus.sentence import Span
from cpner.instructor import Source, Vocabulary

OPEN, CLOSE, COLON, END = range(4)  # the template's candidates, the same in every row
BEGIN, LIST, TYPE, MENTION, LAST, DONE = range(6)  # what a row's next piece may be


class State(NamedTuple):
    """Where each row stands; every tensor's first axis is B."""

    mode: Tensor  # [B]
    depth: Tensor  # [B] pieces of the current type or mention so far
    types: Tensor  # [B, Y] types that begin with what is written
    type: Tensor  # [B] the type of the current mention
    ends: Tensor  # [B, N] positions at which a slice that equals the mention so far ends
    free: Tensor  # [B, N] positions that no mention has taken
    after: Tensor  # [B] position after the previous mention

    def select(self, rows: Tensor) -> State:
        """These rows, in this order."""
        return State(*(tensor[rows] for tensor in self))

    @classmethod
    def at(cls, states: Sequence[State], step: Tensor) -> State:
        """Each row as it stood at its own step [B] of several states."""
        if len(states) == 1:
            return states[0]
        rows = torch.arange(len(step), device=step.device)
        return cls(*(torch.stack(parts)[step, rows] for parts in zip(*states, strict=True)))


class Closed(NamedTuple):
    """Mentions that a step closed: rows, and for each its type and its slice of sentence pieces."""

    rows: Tensor
    types: Tensor
    starts: Tensor
    ends: Tensor


@dataclass(frozen=True)
class Grammar:
    """The candidates and tables of a batch of sources."""

    candidates: Tensor  # [B, C] piece ids, padded with the pad id
    real: Tensor  # [B, C] false at padding
    sentence: Tensor  # [B, N] candidate index of each sentence piece, -1 at padding
    word_start: Tensor  # [B, N] true at a word's first piece
    word_end: Tensor  # [B, N] true at a word's last piece
    type_pieces: Tensor  # [B, Y, M + 1] candidate index of each type's pieces and then the colon, -1 after
    type_length: Tensor  # [B, Y] pieces of each type, -1 where there is none

    @classmethod
    def build(cls, sources: Sequence[Source], vocabulary: Vocabulary) -> Grammar:
        """Lay out the tables of a batch."""
        template = [vocabulary.open, vocabulary.close, vocabulary.colon, vocabulary.eos]
        rows, sentences, types = [], [], []
        for source in sources:
            index = {piece: i for i, piece in enumerate(template)}
            sentences.append([index.setdefault(piece, len(index)) for piece in source.pieces])
            types.append([[index.setdefault(p, len(index)) for p in pieces] for pieces in source.type_pieces])
            rows.append(list(index))
        width = max((len(pieces) for row in types for pieces in row), default=0) + 1
        count = max([1, *map(len, types)])
        flat = [
            [[*pieces, COLON] + [-1] * (width - len(pieces) - 1) for pieces in row]
            + [[-1] * width] * (count - len(row))
            for row in types
        ]
        words = pad([source.word_of for source in sources], -1)
        edge = torch.full((len(sources), 1), -1)
        real = words >= 0
        candidates = pad(rows, vocabulary.pad)
        return cls(
            candidates=candidates,
            real=torch.arange(candidates.shape[1]) < torch.tensor([len(row) for row in rows])[:, None],
            sentence=pad(sentences, -1),
            word_start=real & (words != torch.cat([edge, words[:, :-1]], 1)),
            word_end=real & (words != torch.cat([words[:, 1:], edge], 1)),
            type_pieces=torch.tensor(flat, dtype=torch.long).view(len(sources), count, width),
            type_length=pad([[len(pieces) for pieces in row] for row in types], -1, width=count),
        )

    def to(self, device: torch.device | str) -> Grammar:
        """Move all tables."""
        return Grammar(**{name: tensor.to(device) for name, tensor in vars(self).items()})

    def select(self, rows: Tensor) -> Grammar:
        """These rows, in this order."""
        return Grammar(**{name: tensor[rows] for name, tensor in vars(self).items()})

    def start(self) -> State:
        """The state before the first piece."""
        rows, places = self.sentence.shape
        zeros = torch.zeros(rows, dtype=torch.long, device=self.sentence.device)
        none = torch.zeros(rows, places, dtype=torch.bool, device=self.sentence.device)
        return State(zeros + BEGIN, zeros, self.type_length >= 0, zeros, none, self.sentence >= 0, zeros)

    def allowed(self, state: State) -> Tensor:
        """[B, C] candidates that may come next; a row that is done has none."""
        mode, depth = state.mode[:, None], state.depth[:, None]
        mask = torch.zeros_like(self.real)
        starts = self.word_start & state.free  # [B, N]
        copying = mode == MENTION
        mask[:, OPEN] = (state.mode == BEGIN) | ((state.mode == LIST) & starts.any(1) & (self.type_length >= 0).any(1))
        mask[:, CLOSE] = (state.mode == LIST) | ((state.mode == MENTION) & (state.ends & self.word_end).any(1))
        mask[:, END] = state.mode == LAST
        following = torch.where(depth == 0, starts, _after(state.ends) & state.free) & copying
        _mark(mask, self.sentence, following)
        written = self.type_pieces.gather(
            2,
            state.depth[:, None, None]
            .expand(-1, self.type_pieces.shape[1], 1)
            .clamp(max=self.type_pieces.shape[2] - 1),
        )[..., 0]  # [B, Y] each type's next piece
        _mark(mask, written, state.types & (mode == TYPE) & (written >= 0))
        return mask

    def advance(self, state: State, chosen: Tensor) -> tuple[State, Closed]:
        """Write one candidate [B] in every row; a row that is done stays so, whatever is chosen for it."""
        mode, depth, piece = state.mode, state.depth, chosen[:, None]
        places = torch.arange(self.sentence.shape[1], device=chosen.device)

        level = depth[:, None, None].expand(-1, self.type_pieces.shape[1], 1).clamp(max=self.type_pieces.shape[2] - 1)
        types = state.types & (self.type_pieces.gather(2, level)[..., 0] == piece)  # types that go on like this
        named = (mode == TYPE) & (chosen == COLON)
        type_ = torch.where(named, _first(types), state.type)

        following = torch.where(depth[:, None] == 0, self.word_start, _after(state.ends)) & state.free
        closing = (mode == MENTION) & (chosen == CLOSE)
        fits = state.ends & self.word_end
        later = fits & (places >= (state.after + depth - 1)[:, None])
        last = _first(torch.where(later.any(1, keepdim=True), later, fits))  # after the previous mention, if it can be
        taken = closing[:, None] & (places > (last - depth)[:, None]) & (places <= last[:, None])

        opened = (mode == LIST) & (chosen == OPEN)
        inside = ((mode == TYPE) & ~named) | ((mode == MENTION) & ~closing)
        after = torch.where((mode == BEGIN) | closing, LIST, mode)
        after = torch.where(opened, TYPE, torch.where(named, MENTION, after))
        after = torch.where((mode == LIST) & (chosen == CLOSE), LAST, after)
        after = torch.where((mode == LAST) | (mode == DONE), DONE, after)
        new = State(
            mode=after,
            depth=torch.where(inside, depth + 1, 0),
            types=torch.where((after == TYPE)[:, None] & ~opened[:, None], types, self.type_length >= 0),
            type=type_,
            ends=following & (self.sentence == piece) & (after == MENTION)[:, None] & ~named[:, None],
            free=state.free & ~taken,
            after=torch.where(closing, last + 1, state.after),
        )
        rows = closing.nonzero()[:, 0]
        return new, Closed(rows, state.type[rows], last[rows] - depth[rows] + 1, last[rows] + 1)

    def index(self, targets: Sequence[Sequence[int]], vocabulary: Vocabulary) -> Tensor:
        """[B, T] candidate index of each target piece, -1 at padding. Every piece must be a candidate of its row."""
        found = []
        for row, target in zip(self.candidates.tolist(), targets, strict=True):
            lookup = dict(zip(row, range(len(row)), strict=True))  # only padding, which no target has, is there twice
            found.append([lookup[piece] for piece in target])
        return pad(found, -1)

    def guess(self, state: State, allowed: Tensor) -> Tensor:
        """[B] a candidate that is likely next, or -1 where nothing is known, from what is allowed [B, C].

        What must come does come; a mention ends where it can, and another entity follows where one can.
        """
        forced = allowed.sum(1) == 1
        sign = torch.where(state.mode == MENTION, CLOSE, OPEN)
        likely = ((state.mode == MENTION) | (state.mode == LIST)) & allowed.gather(1, sign[:, None])[:, 0]
        guess = torch.where(forced, _first(allowed), torch.where(likely, sign, -1))
        return torch.where((state.mode == LAST) | (state.mode == DONE), -1, guess)

    def walk(self, chosen: Tensor) -> Iterator[tuple[Tensor, Closed]]:
        """Follow given candidates [B, T]: at each step, what was allowed [B, C] and what was closed."""
        state = self.start()
        for t in range(chosen.shape[1]):
            allowed = self.allowed(state)
            state, closed = self.advance(state, chosen[:, t].clamp(min=0))
            yield allowed, closed


def word_span(source: Source, start: int, end: int, type_index: int) -> Span:
    """The entity whose pieces are `source.pieces[start:end]`."""
    return Span(source.word_of[start], source.word_of[end - 1] + 1, source.types[type_index])


class Parsed(NamedTuple):
    """What a free generation held: entities found in the sentence, and how many well- and ill-formed parts."""

    spans: list[Span]
    malformed: int  # parts that are no "(type: mention)"
    unknown: int  # mentions that the sentence does not hold, or types that are no option


def parse(ids: Sequence[int], source: Source, vocabulary: Vocabulary) -> Parsed:
    """Read any sequence of pieces as a target, tolerantly; never fails (used to measure what the grammar is worth).

    A mention is looked for after the previous one, then anywhere that is still free.
    """
    spans: list[Span] = []
    malformed = unknown = 0
    position = 0
    taken: set[int] = set()
    for part in _parts(list(ids), vocabulary):
        name, sign, mention = _partition(part, vocabulary.colon)
        if not sign or not mention or not name:
            malformed += 1
            continue
        type_ = next((t for t, p in zip(source.types, source.type_pieces, strict=True) if p == name), None)
        places = [i for i in range(len(source.pieces)) if _fits(source, mention, i, taken)]
        place = next((i for i in places if i >= position), places[0] if places else None)
        if type_ is None or place is None:
            unknown += 1
            continue
        end = place + len(mention)
        taken.update(range(place, end))
        position = end
        spans.append(Span(source.word_of[place], source.word_of[end - 1] + 1, type_))
    return Parsed(sorted(spans), malformed, unknown)


def _parts(ids: list[int], vocabulary: Vocabulary) -> list[list[int]]:
    """The stretches between an opening and the next closing sign."""
    parts: list[list[int]] = []
    current: list[int] | None = None
    for piece in ids:
        if piece == vocabulary.eos:
            break
        if piece == vocabulary.open:
            if current:
                parts.append(current)
            current = []
        elif piece == vocabulary.close:
            if current:
                parts.append(current)
            current = None
        elif current is not None:
            current.append(piece)
    return [*parts, current] if current else parts


def _partition(part: list[int], sign: int) -> tuple[list[int], bool, list[int]]:
    if sign not in part:
        return part, False, []
    at = part.index(sign)
    return part[:at], True, part[at + 1 :]


def _fits(source: Source, mention: list[int], place: int, taken: set[int]) -> bool:
    end = place + len(mention)
    words = source.word_of
    return (
        source.pieces[place:end] == mention
        and (place == 0 or words[place - 1] != words[place])
        and (end == len(words) or words[end] != words[end - 1])
        and not taken.intersection(range(place, end))
    )


def _after(ends: Tensor) -> Tensor:
    """[B, N] positions that directly follow a marked one."""
    return torch.nn.functional.pad(ends[:, :-1], (1, 0))


def _first(mask: Tensor) -> Tensor:
    """[B] index of the first true entry (0 where there is none)."""
    return mask.to(torch.uint8).argmax(1)


def _mark(mask: Tensor, index: Tensor, where: Tensor) -> None:
    """Set mask[b, index[b, i]] for every i where `where[b, i]`."""
    rows, columns = where.nonzero(as_tuple=True)
    mask[rows, index[rows, columns]] = True


def pad(rows: Sequence[Sequence[int]], value: int, width: int | None = None) -> Tensor:
    """Lists of different length as one tensor, at least one wide: nothing may fail where all are empty."""
    width = max([1, *map(len, rows)]) if width is None else width
    padded = [[*row, *[value] * (width - len(row))] for row in rows]
    return torch.tensor(padded, dtype=torch.long).view(len(rows), width)
