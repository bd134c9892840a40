"""The weights of a BERT as those of a T5's encoder.

A post-norm BERT layer can be written, but for one scalar at each position, as pre-norm T5 layers without biases. Let u
be the stream before a LayerNorm, h = γ ⊙ (u − mean u)/σ + β after it, and C = I − 11ᵀ/d the centring:

- The T5's stream is s = Q(T ⊙ u), and a constant c in a dimension of its own. T ← T ⊙ σ̄/γ at each LayerNorm, so that
  T ⊙ u goes on as the residual stream of a pre-norm model. σ̄ is the median of σ over some text. T is 1 half way
  up: so it stays even, and no few dimensions rule a T5's norm. Q are orthonormal rows: that norm is blind to them.
- A projection W h + b reads the normed stream s/ρ as (ρ̄/σ̄) W diag(γ) C diag(1/T) Qᵀ; ρ̄ is the mean of ρ. Queries take
  BERT's 1/√d_kv, which T5 has not. An output projection writes Q diag(T) W.
- A bias b is read from the constant as b ρ̄/c. What BERT adds to the stream as a constant (biases of outputs, β) is
  carried on paper to the next feed-forward. One spare hidden unit writes it there, and makes c grow as T does.
- A piece's embedding is the mean of LN(word + mean position + type) over the teacher's pieces of its text.

Q leaves room: of the width d, `2·d_kv + 1` dimensions with the least variance are given up. They hold the constant, and
the codes of `copier.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cpner.backbone.attention import mask_bias
from cpner.backbone.padding import pad_masked
from cpner.backbone.t5 import T5, Layer
from cpner.errors import ConfigError
from cpner.instructor import Vocabulary
from cpner.pretraining.copier import Copier
from cpner.pretraining.teacher import Teacher

_LATE = 60  # positions from the third to this one: their mean stands for all
_NOISE = 0.05  # of an embedding, in units of its spread: pieces with the same lower-case text are told apart
_CONSTANT = 0.5  # size of the constant at the start, in units of an embedding's length
_OPEN = 6.0  # what the spare unit is activated by: GELU is the identity there
_QUIET = 0.3  # scale of fresh heads and units: what they read, and what they write in units of what the teacher does


class View(NamedTuple):
    """How the stream after a layer shows the teacher's state h: h − β, centred, is near `stream/ρ @ matrix`."""

    matrix: Tensor  # [d, teacher's d]
    offset: Tensor  # [teacher's d] β


class _Norm(NamedTuple):
    """A LayerNorm on the teacher's way."""

    stream: Tensor  # [pieces, teacher's d] u before it
    sigma: float  # median of σ
    gain: Tensor  # γ
    offset: Tensor  # β
    bias: Tensor  # of the output projection that wrote to the stream just before


@torch.no_grad()
def carry_over(
    t5: T5, teacher: Teacher, vocabulary: Vocabulary, texts: Sequence[Sequence[str]], *, seed: int = 0
) -> list[View]:
    """Put a teacher's weights into a T5's encoder and embedding, and a copier into both stacks.

    Args:
        t5: a model as `initialise` leaves it, of GELU without a gate; changed in place.
        teacher: the BERT.
        vocabulary: of the T5.
        texts: words of some texts, to measure sizes on; a hundred paragraphs are enough.
        seed: of codes and noise.

    Returns:
        For each layer, how its stream shows the teacher's state.

    Raises:
        ConfigError: the T5's sizes can't hold the teacher.
    """
    check_shape(t5, teacher)
    return _CarryOver(t5, teacher, vocabulary, texts, seed).run()


def check_shape(t5: T5, teacher: Teacher) -> None:
    """Refuse sizes that can't hold a teacher and a copier.

    Raises:
        ConfigError: they can't.
    """
    config = teacher.bert.config
    shape = t5.shape
    head = config.hidden_size // config.num_attention_heads
    needs = {
        f"d_model {config.hidden_size} or more": shape.d_model >= config.hidden_size,
        f"d_kv {head}": shape.d_kv == head,
        f"heads {config.num_attention_heads + 1} or more": shape.heads > config.num_attention_heads,
        f"d_ff {config.intermediate_size + 1} or more": shape.d_ff > config.intermediate_size,
        f"encoder_layers {config.num_hidden_layers}": shape.encoder_layers == config.num_hidden_layers,
    }
    lacking = [need for need, met in needs.items() if not met]
    if lacking:
        raise ConfigError(f"the sizes can't hold the teacher: it needs {', '.join(lacking)} (--shape NAME=N,...)")


class _CarryOver:
    """The T5's stream on some text while its layers are filled, and what leads from the teacher's stream to it."""

    def __init__(
        self, t5: T5, teacher: Teacher, vocabulary: Vocabulary, texts: Sequence[Sequence[str]], seed: int
    ) -> None:
        self.t5 = t5
        self.teacher = teacher
        self.generator = torch.Generator().manual_seed(seed)
        self.copier = Copier(t5, teacher.bert.config.num_attention_heads)
        self.constant_place = self.copier.present.start - 1
        self.norms = _norms(teacher, texts)
        self.scales = self._scales()
        self.basis = self._basis()
        sources = [[*(piece for word in words for piece in vocabulary.word(word)), vocabulary.eos] for words in texts]
        self.ids, self.mask = pad_masked(sources, vocabulary.pad)
        self.constant = 0.0  # c
        self._embed(piece_rows(teacher, vocabulary))
        self.stream = t5.embedding(self.ids)

    def run(self) -> list[View]:
        """Carry over the layers, from the lowest to the highest."""
        views = []
        self.t5.encoder.relative_bias.weight.zero_()
        for number, (layer, bert) in enumerate(zip(self.t5.encoder.layers, self.teacher.layers, strict=True)):
            norm = 2 * number  # the LayerNorm between attention and feed-forward
            self._attention(layer, bert, norm - 1)
            pending = self._passed(norm - 1, torch.zeros(self.teacher.width)) + self.norms[norm].bias
            self._feed_forward(layer, bert, norm, pending)
            views.append(self._view(norm + 1))
        self.t5.encoder.norm.weight.fill_(1.0)
        self.copier.ask(self.t5.encoder.norm(self.stream)[self.mask])
        return views

    def _scales(self) -> list[Tensor]:
        """T before each LayerNorm, and after the last."""
        scales = [torch.ones(self.teacher.width)]
        for norm in self.norms:
            scales.append(scales[-1] * norm.sigma / norm.gain)
        middle = scales[len(scales) // 2].abs()
        return [scale / middle for scale in scales]

    def _basis(self) -> Tensor:
        """Q [kept, teacher's d]: the directions of most variance before all LayerNorms together, in a random basis."""
        width = self.teacher.width
        total = torch.zeros(width, width)
        for norm, scale in zip(self.norms, self.scales[:-1], strict=True):
            states = (norm.stream - norm.stream.mean(-1, keepdim=True)) * scale
            states = states - states.mean(0)
            total += states.T @ states / states.pow(2).sum()
        vectors = torch.linalg.eigh(total).eigenvectors  # by rising variance
        directions = vectors[:, max(0, width - self.constant_place) :].T
        rotation = torch.linalg.qr(torch.randn(len(directions), len(directions), generator=self.generator)).Q
        basis: Tensor = rotation @ directions
        return basis

    def _turned(self, rows: Tensor) -> Tensor:
        """Rows [..., teacher's d] in the T5's basis [..., d]; zero at the constant and at the codes."""
        return F.pad(rows @ self.basis.T, (0, self.t5.shape.d_model - len(self.basis)))

    def _embed(self, rows: Tensor) -> None:
        """Fill the embedding from the teacher's rows [pieces, teacher's d]; zero rows stand for unknown pieces."""
        known = rows.any(1, keepdim=True)
        spread = rows[known[:, 0]].std()
        noise = spread * torch.randn(rows.shape, generator=self.generator)
        rows = torch.where(known, rows, rows[known[:, 0]].mean(0) + noise) + _NOISE * noise
        rows = rows * self.scales[0]
        self.constant = _CONSTANT * float(rows.norm(dim=1).mean())
        weight = self.t5.embedding.weight
        weight[: len(rows)] = self._turned(rows)
        weight[:, self.constant_place] = self.constant
        self.copier.embed(float(rows.pow(2).mean().sqrt()), self.generator)

    def _level(self) -> float:
        """ρ̄, the mean root mean square of the stream."""
        return float(self.stream.pow(2).mean(-1).sqrt()[self.mask].mean())

    def _reading(self, linear: Any, number: int, pending: Tensor | None = None) -> Tensor:
        """Rows [out, d] that read W h + b from the normed stream.

        Args:
            linear: the teacher's projection, W and b.
            number: h is what this LayerNorm gives; −1 is the embedding's.
            pending: constants of the teacher's stream that no unit has written to ours yet.
        """
        level = self._level()
        if number < 0:
            weight = level * linear.weight / self.scales[0]
            constant = linear.bias
        else:
            norm = self.norms[number]
            centred = linear.weight * norm.gain @ self._centring()
            weight = level / norm.sigma * centred / self.scales[number]
            constant = linear.bias + linear.weight @ norm.offset
            if pending is not None:
                constant = constant + centred @ pending / norm.sigma
        rows = self._turned(weight)
        rows[:, self.constant_place] = constant * level / self.constant
        return rows

    def _writing(self, linear: Any, number: int) -> Tensor:
        """Columns [d, in] that write W x to our stream as the teacher does before a LayerNorm."""
        return self._turned((self.scales[number][:, None] * linear.weight).T).T

    def _passed(self, number: int, pending: Tensor) -> Tensor:
        """Constants of the teacher's stream after a LayerNorm, from those before it."""
        if number < 0:
            return pending
        norm = self.norms[number]
        return pending * norm.gain / norm.sigma + norm.offset

    def _attention(self, layer: Layer, bert: Any, number: int) -> None:
        """Fill a layer's self-attention, which reads after LayerNorm `number`; −1 is the embedding's."""
        used = self.teacher.width  # rows of the teacher's heads
        attention = layer.self_attention
        projections = (bert.attention.self.query, bert.attention.self.key, bert.attention.self.value)
        for part, linear in zip(attention.qkv.weight.chunk(3), projections, strict=True):
            part[used:] *= _QUIET
            part[:used] = self._reading(linear, number)
        attention.qkv.weight[:used] /= math.sqrt(self.t5.shape.d_kv)
        self._fill_output(attention.o.weight, self._writing(bert.attention.output.dense, number + 1))
        if number < 0:
            self.copier.look_back(self._level())
        positions = torch.arange(self.ids.shape[1])
        bias = self.t5.encoder.relative_bias(positions, positions)[None]
        bias = bias + mask_bias(self.mask, torch.float32)[:, None, None, :]
        self.stream = self.stream + attention(layer.self_norm(self.stream), None, bias, None)

    def _feed_forward(self, layer: Layer, bert: Any, number: int, pending: Tensor) -> None:
        """Fill a layer's feed-forward, which reads after LayerNorm `number`; its spare unit writes `pending`."""
        inner = bert.intermediate.dense
        outer = bert.output.dense
        units = len(inner.weight)
        scale = self.scales[number + 1]
        growth = float((scale / self.scales[number]).mean())
        wi = layer.ff.wi.weight
        wo = layer.ff.wo.weight
        wi[units:] *= _QUIET
        wi[:units] = self._reading(inner, number, pending)
        wi[units] = 0.0
        wi[units, self.constant_place] = _OPEN * self._level() / self.constant
        self._fill_output(wo, self._writing(outer, number + 1))
        wo[:, units] = self._turned(scale * (self._passed(number, pending) + outer.bias)) / _OPEN
        wo[self.constant_place, units] = self.constant * (growth - 1) / _OPEN
        self.stream = self.stream + layer.ff(layer.ff_norm(self.stream))
        self.constant *= growth

    def _fill_output(self, output: Tensor, columns: Tensor) -> None:
        """Put the teacher's columns first; fresh ones after them are quiet, and leave constant and codes alone."""
        used = columns.shape[1]
        output[:, used:] *= _QUIET * columns.pow(2).mean().sqrt() / output[:, used:].pow(2).mean().sqrt()
        output[self.constant_place :, used:] = 0.0
        output[:, :used] = columns

    def _view(self, number: int) -> View:
        norm = self.norms[number]
        basis = F.pad(self.basis, (0, 0, 0, self.t5.shape.d_model - len(self.basis)))  # [d, teacher's d]
        return View(basis / self.scales[number] @ self._centring() * norm.gain, norm.offset)

    def _centring(self) -> Tensor:
        return torch.eye(self.teacher.width) - 1 / self.teacher.width


def piece_rows(teacher: Teacher, vocabulary: Vocabulary) -> Tensor:
    """[pieces, teacher's d] what the teacher's embedding gives for each piece's text; zero for pieces without any."""
    embeddings = teacher.bert.embeddings
    tokenizer = teacher.tokenizer
    constant = embeddings.position_embeddings.weight[2:_LATE].mean(0) + embeddings.token_type_embeddings.weight[0]
    normed = embeddings.LayerNorm(embeddings.word_embeddings.weight + constant)
    known = tokenizer.get_vocab()
    rows = torch.zeros(vocabulary.size, teacher.width)
    special = set(vocabulary.tokenizer.all_special_ids)
    for number, piece in enumerate(vocabulary.tokenizer.convert_ids_to_tokens(range(vocabulary.size))):
        text = piece.removeprefix("▁")
        if number in special or not text or (len(text) > 2 and text.startswith("<0x")):
            continue
        inside = None if piece.startswith("▁") else known.get(f"##{text.lower()}")
        ids = teacher.pieces(text) if inside is None else [inside]
        ids = [i for i in ids if i != tokenizer.unk_token_id]
        if ids:
            rows[number] = normed[ids].mean(0)
    return rows


def _norms(teacher: Teacher, texts: Sequence[Sequence[str]]) -> list[_Norm]:
    """The teacher's LayerNorms on some texts, two of each layer."""
    ids, mask = pad_masked([teacher.row(words).ids for words in texts], teacher.tokenizer.pad_token_id)
    bias = mask_bias(mask, torch.float32)[:, None, None, :]
    norms: list[_Norm] = []

    def normed(stream: Tensor, output: Any) -> Tensor:
        centred = stream - stream.mean(-1, keepdim=True)
        sigma = float(centred.pow(2).mean(-1).sqrt()[mask].median())
        norms.append(_Norm(stream[mask], sigma, output.LayerNorm.weight, output.LayerNorm.bias, output.dense.bias))
        state: Tensor = output.LayerNorm(stream)
        return state

    state = teacher.bert.embeddings(ids)
    for layer in teacher.layers:
        attention = layer.attention
        state = normed(state + attention.output.dense(attention.self(state, bias)[0]), attention.output)
        state = normed(state + layer.output.dense(layer.intermediate(state)), layer.output)
    return norms
