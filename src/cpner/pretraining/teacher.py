"""A pretrained encoder of BERT's kind, as a teacher: its states of words, and the numbers it was loaded with.

It is needed while pretraining only: `carry_over` starts a T5's encoder from its weights, `distillation` brings the
encoder's states near its own. What a run writes is a plain T5.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from cpner.errors import ConfigError
from cpner.files import read_small

_NEEDED = {  # settings that other encoders have otherwise, and that the carrying-over rests on
    "model_type": ("bert",),
    "hidden_act": ("gelu",),
    "position_embedding_type": ("absolute", None),
    "is_decoder": (False, None),
}


class TeacherRow(NamedTuple):
    """A text as the teacher reads it: piece ids, and for each the index of its word, -1 at the first and the last."""

    ids: list[int]
    word_of: list[int]


class Teacher:
    """A frozen BERT and its tokenizer.

    Attributes:
        bert: `transformers.BertModel`, in evaluation mode.
        tokenizer: its tokenizer.
    """

    def __init__(self, bert: Any, tokenizer: Any) -> None:
        self.bert = bert
        self.tokenizer = tokenizer
        self._pieces: dict[str, list[int]] = {}

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a folder with config.json, safetensors and a tokenizer.

        Raises:
            ConfigError: it holds no encoder of this kind.
        """
        folder = Path(folder)
        _check(folder)
        from transformers import AutoTokenizer, BertModel
        from transformers.utils import logging as transformers_logging

        verbosity = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity(logging.ERROR)  # else it lists the weights of the pooler
        try:
            tokenizer = AutoTokenizer.from_pretrained(str(folder), use_fast=True, trust_remote_code=False)
            bert = BertModel.from_pretrained(
                str(folder),
                use_safetensors=True,
                trust_remote_code=False,
                add_pooling_layer=False,
                attn_implementation="sdpa",
            )
        except (ImportError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise ConfigError(f"the teacher in {folder} can't be loaded: {reason}") from error
        finally:
            transformers_logging.set_verbosity(verbosity)
        bert.eval()  # type: ignore[no-untyped-call]
        return cls(bert.requires_grad_(False), tokenizer)

    @property
    def longest(self) -> int:
        """Pieces that it reads of a text, its first and last included."""
        return int(self.bert.config.max_position_embeddings)

    @property
    def width(self) -> int:
        """Numbers of a state."""
        return int(self.bert.config.hidden_size)

    @property
    def layers(self) -> Sequence[Any]:
        """The layers' modules."""
        layers: Sequence[Any] = self.bert.encoder.layer
        return layers

    @cached_property
    def _ends(self) -> tuple[int, int]:
        return self.tokenizer.cls_token_id, self.tokenizer.sep_token_id

    def pieces(self, word: str) -> list[int]:
        """The teacher's pieces of a word; at least one."""
        if word not in self._pieces:
            pieces = self.tokenizer(word, add_special_tokens=False)["input_ids"]
            self._pieces[word] = pieces or [self.tokenizer.unk_token_id]
        return self._pieces[word]

    def row(self, words: Sequence[str]) -> TeacherRow:
        """Cut a text's words into the teacher's pieces; what is longer than it reads is left out."""
        first, last = self._ends
        row = TeacherRow([first], [-1])
        for i, word in enumerate(words):
            pieces = self.pieces(word)
            if len(row.ids) + len(pieces) >= self.longest:
                break
            row.ids.extend(pieces)
            row.word_of.extend([i] * len(pieces))
        return TeacherRow([*row.ids, last], [*row.word_of, -1])

    @torch.no_grad()
    def states(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """States [B, S, d] after each layer of piece ids [B, S]; `mask` is false at padding."""
        states = self.bert(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True).hidden_states
        return tuple(states[1:])


def _check(folder: Path) -> None:
    path = folder / "config.json"
    try:
        config = json.loads(read_small(path))
    except OSError as error:
        raise ConfigError(f"{folder} holds no teacher: {path} can't be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{folder} holds no teacher: {path} is no JSON") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{folder} holds no teacher: {path} is no table of settings")
    for name, known in _NEEDED.items():
        value = config.get(name, known[-1] if None in known else None)
        if value not in known:
            kinds = " or ".join(repr(kind) for kind in known if kind is not None)
            raise ConfigError(f"the teacher in {folder} has {name} {value!r}; known are encoders with {kinds}")


def pool_words(states: Tensor, word_of: Tensor, words: int) -> tuple[Tensor, Tensor]:
    """The mean state of each word.

    Args:
        states: [B, S, d].
        word_of: [B, S] the word of each piece, -1 for none.
        words: W, more than any of `word_of`.

    Returns:
        [B, W, d] means, and [B, W] which words there are.
    """
    batch, _, width = states.shape
    place = (word_of + 1 + torch.arange(batch, device=states.device)[:, None] * (words + 1)).flatten()
    sums = states.new_zeros(batch * (words + 1), width).index_add(0, place, states.flatten(0, 1))
    counts = states.new_zeros(batch * (words + 1)).index_add(0, place, states.new_ones(place.shape))
    means = (sums / counts.clamp(min=1)[:, None]).view(batch, words + 1, width)[:, 1:]
    return means, counts.view(batch, words + 1)[:, 1:] > 0
