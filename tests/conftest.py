"""Tiny random backbones that the tests make themselves: nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

torch.set_num_threads(1)  # tiny models are faster so, and sums are the same in every process

VARIANTS: dict[str, dict[str, Any]] = {
    # 3 heads of width 8 on a width of 16, and stacks of different depth: nothing may assume otherwise
    "t5": {"feed_forward_proj": "relu"},
    "t5-v1.1": {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    "mt5": {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
}
WORDS = (
    "Johnson joined the Whigs in Baltimore and Paris . Ada Lovelace met Charles Babbage at a party , "
    "then left for Rome find entities person political party location organization singer song band city "
    "country bank river music award "
    "( ) : , ; - Joseph and Joseph met Orioles manager Regan Phil replacing New York York"
)


def make_tokenizer(folder: Path) -> None:
    """A small vocabulary of our own kind, trained on a few words."""
    from cpner.pretraining.tokenizer import save_tokenizer, train_tokenizer

    save_tokenizer(train_tokenizer([WORDS] * 30, 1000), folder)


def make_backbone(folder: Path, variant: str = "t5", seed: int = 0, shard_size: str = "5GB") -> Path:
    """A random checkpoint written by `transformers`, with a tokenizer beside it."""
    from transformers import MT5Config, MT5ForConditionalGeneration, T5Config, T5ForConditionalGeneration

    torch.manual_seed(seed)
    config_class, model_class = (
        (MT5Config, MT5ForConditionalGeneration) if variant == "mt5" else (T5Config, T5ForConditionalGeneration)
    )
    config = config_class(
        vocab_size=1024, d_model=16, d_kv=8, d_ff=32, num_heads=3, num_layers=2, num_decoder_layers=3,
        decoder_start_token_id=0, **VARIANTS[variant],
    )  # fmt: skip
    model = model_class(config).float().eval()
    if variant != "t5":  # published checkpoints of these variants hold an output layer of their own
        model.config.tie_word_embeddings = False
        model.lm_head.weight = torch.nn.Parameter(torch.randn(1024, 16) * 0.2)
    for parameter in model.parameters():  # norms and biases too, so that parity tests see them
        parameter.data += torch.randn_like(parameter) * 0.05
    model.save_pretrained(folder, max_shard_size=shard_size)
    make_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random T5."""
    return make_backbone(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Any:
    """A tiny random T5 in float32, loaded by cpner. Shared: tests must not change it."""
    from cpner.backbone.load import load

    return load(str(tiny_folder), device="cpu", dtype=torch.float32)
