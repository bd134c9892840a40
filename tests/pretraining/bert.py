"""A tiny random BERT in a folder, as `transformers` writes it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertModel


def write_bert(folder: Path, words: Iterable[str], *, plain: bool = False, **settings: Any) -> Path:
    """Write config, safetensors and a tokenizer that knows some words whole.

    Args:
        plain: uniform gains and no positions, so that a T5's encoder can say nearly the same.
        settings: of `BertConfig` that differ.
    """
    folder.mkdir(parents=True, exist_ok=True)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,:;()'-"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    pieces += sorted({word.lower() for word in words} - set(pieces))
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", "utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True}), "utf-8"
    )
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    config = BertConfig(vocab_size=len(pieces), initializer_range=0.2, **{**sizes, **settings})
    torch.manual_seed(0)
    bert = BertModel(config, add_pooling_layer=False)
    with torch.no_grad():
        if plain:
            bert.embeddings.position_embeddings.weight.zero_()
        else:
            for name, parameter in bert.named_parameters():
                if name.endswith("LayerNorm.weight"):
                    parameter.uniform_(0.5, 1.5)
                if name.endswith("bias"):
                    parameter.normal_(0, 0.1)
    bert.save_pretrained(folder)
    return folder
