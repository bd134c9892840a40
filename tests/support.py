"""What tests share: tiny models, a few labelled sentences, corpora, stores, and the command line."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import subprocess
import sys
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file
from torch import Tensor

from cpner.backbone.bank import PrefixBank
from cpner.backbone.prefix import Prefix, common_start
from cpner.backbone.shape import ATTENTIONS, PrefixConfig, T5Shape, config_dict
from cpner.backbone.t5 import T5
from cpner.cli import main
from cpner.corpus import Corpus
from cpner.corpus.sentence import Sentence, Span
from cpner.ner import CPNER
from cpner.pretraining.config import DataConfig, PretrainConfig
from cpner.store import DomainCard, StoredDomain
from cpner.training import TrainingConfig
from cpner.training.batch import Batch

TYPES = ["person", "political party", "location"]
SENTENCES = [
    Sentence.from_words(
        ["Johnson", "joined", "the", "Whigs", "in", "Baltimore", "."],
        [Span(0, 1, "person"), Span(3, 4, "political party"), Span(5, 6, "location")],
    ),
    Sentence.from_words(["Ada", "Lovelace", "left", "for", "Rome"], [Span(0, 2, "person"), Span(4, 5, "location")]),
    Sentence.from_words(["Joseph", "met", "Joseph"], [Span(0, 1, "person"), Span(2, 3, "person")]),
    Sentence.from_words(["at", "a", "party", "."]),
    Sentence.from_words(["New", "York", "replacing", "York"], [Span(0, 2, "location"), Span(3, 4, "location")]),
]
SMALL = PrefixConfig(3, ATTENTIONS, "mlp", hidden=16)
QUICK = TrainingConfig(epochs=2, min_steps=0, lr=0.05, batch_sentences=2)
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
CONTENT = {"train.txt": b"EU\tB-organisation\n" * 5000, "test.txt": b"Bonn\tB-location\n"}  # what the server has
NAMES = {
    "actor": ["Ada Byron", "Carl Gauss", "Emmy Noether", "Grace Hopper"],
    "athlete": ["Jesse Owens", "Mia Hamm", "Paavo Nurmi"],
    "city": ["Paris", "New York", "Rome", "São Paulo"],
    "gene": ["BRCA1", "TP53", "p21-ras"],
}
FRAMES = [
    "Yesterday {} met {} near the old bridge .",
    "{} was seen with {} ( and {} ) in the morning , as the papers wrote at great length : nobody knows why .",
    "Nothing of note happened here today .",
    "{} left .",
]
SENTENCE = Sentence.from_words(
    ["Konrad", "Adenauer", "led", "the", "CDU", "in", "Bonn"],
    [Span(0, 2, "politician"), Span(4, 5, "political party"), Span(6, 7, "location")],
)
PREDICTED = [Span(0, 2, "politician"), Span(3, 5, "political party"), Span(6, 7, "[bold]city")]
SHAPE = T5Shape(vocab_size=50, d_model=16, d_kv=8, d_ff=32, heads=3, encoder_layers=2, decoder_layers=3)
LAYERS = {"encoder": 2, "decoder": 3, "cross": 3}
SOME_ATTENTIONS = [kinds for n in (1, 2, 3) for kinds in itertools.combinations(ATTENTIONS, n)]
TEXT = "Ada Lovelace left 東京 😀 for Rome."


def corpus(name: str = "c", first: int = 0) -> Corpus:
    return Corpus(name, {"train": SENTENCES[first:], "dev": SENTENCES, "test": SENTENCES}, types=TYPES)


def copy_of(ner: CPNER) -> CPNER:
    """The same domains in a recogniser of their own, none of them saved; what they were trained by is left out."""
    copy = CPNER(ner.backbone)
    for name in ner.domains:
        card = ner.card(name)
        copy.add(name, ner.prefix(name), card.types, config=card.config, options=card.options)
    return copy


def long_sentence(repeats: int = 40) -> Sentence:
    """One text of many sentences, far beyond any window used in tests."""
    words: list[str] = []
    spans: list[Span] = []
    for _ in range(repeats):
        for sentence in SENTENCES:
            spans += [Span(s.start + len(words), s.end + len(words), s.type) for s in sentence.spans]
            words += [*sentence.word_texts, "."]
    return Sentence.from_words(words, spans)


def make_tokenizer(folder: Path) -> None:
    """A small vocabulary of our own kind, trained on a few words."""
    from cpner.pretraining.tokenizer import save_tokenizer, train_tokenizer

    save_tokenizer(train_tokenizer([WORDS] * 30, 1000), folder)


def make_backbone(folder: Path, variant: str = "t5", seed: int = 0, shard_size: str = "5GB") -> Path:
    """A random checkpoint written by `transformers`, with a tokenizer beside it."""
    from transformers import MT5Config, MT5ForConditionalGeneration, T5Config, T5ForConditionalGeneration

    torch.manual_seed(seed)
    config_class = MT5Config if variant == "mt5" else T5Config
    model_class = MT5ForConditionalGeneration if variant == "mt5" else T5ForConditionalGeneration
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


class Server(ThreadingHTTPServer):
    requests: list[str]  # paths asked for
    url: str

    def handle_error(self, *_: object) -> None:
        """Say nothing when a client hangs up in the middle of a file, as it may."""


def cpner(*arguments: object, input: str | bytes | None = None) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=input)


def environment() -> dict[str, str]:
    """Variables under which `python -m cpner` is this checkout's."""
    source = Path(__file__).parents[1] / "src"
    return {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `cpner ...` in a real shell."""
    function = f'cpner() {{ "{sys.executable}" -m cpner "$@"; }}\n'
    return subprocess.run(
        ["bash", "-c", function + command], cwd=folder, env=environment(), capture_output=True, text=True, timeout=120
    )


def make_corpus(folder: Path, sentences: int = 120) -> Path:
    """Write `text.txt` and, in `ner`, a file of people and places and one of genes, whose types have groups."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [" ".join(_sentence(rng, list(NAMES))[0] for _ in range(rng.integers(1, 12))) for _ in range(60)]
    (folder / "text.txt").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "ner").mkdir(exist_ok=True)
    for name, types in {"people": ["actor", "athlete", "city"], "genes": ["gene"]}.items():
        records = [_record(*_sentence(rng, types)) for _ in range(sentences)]
        (folder / "ner" / f"{name}.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n", "utf-8")
    listed = {"people": {"types": ["actor", "athlete", "city", "river"]}}
    (folder / "ner" / "types.json").write_text(json.dumps(listed), "utf-8")
    return folder


def _sentence(rng: np.random.Generator, types: list[str]) -> tuple[str, list[tuple[int, int, str]]]:
    frame = FRAMES[rng.integers(len(FRAMES))]
    entities: list[tuple[int, int, str]] = []
    text = ""
    for i, part in enumerate(frame.split("{}")):
        if i:
            type_ = types[rng.integers(len(types))]
            name = NAMES[type_][rng.integers(len(NAMES[type_]))]
            entities.append((len(text), len(text) + len(name), type_))
            text += name
        text += part
    return text, entities


def _record(text: str, entities: list[tuple[int, int, str]]) -> dict[str, Any]:
    coarse = {"actor": "person", "athlete": "person"}
    marks = [
        {"start": a, "end": b, "type": t, **({"coarse": coarse[t]} if t in coarse else {})} for a, b, t in entities
    ]
    return {"text": text, "entities": marks}


def tiny_config(**values: Any) -> PretrainConfig:
    """A run of a few steps on a model of two narrow layers."""
    data = {"batch_pieces": 400, "text_share": 0.4, "text_pieces": 48, "max_source": 160} | values.pop("data", {})
    shape = {"d_model": 32, "d_kv": 8, "d_ff": 48, "heads": 2, "encoder_layers": 1, "decoder_layers": 1}
    settings = {"size": "tiny", "shape": shape, "vocabulary": 1000, "steps": 6, "ramp": 2, "held_out": 12} | values
    return PretrainConfig(data=DataConfig(**data), **settings)


def random_prefix(shape: T5Shape, length: int = 4, attentions: tuple[str, ...] = ATTENTIONS, seed: int = 1) -> Prefix:
    return common_start(shape, PrefixConfig(length, attentions, start_seed=seed, start_scale=1.0))


def same_prefix(first: Prefix, second: Prefix) -> bool:
    return first.parts.keys() == second.parts.keys() and all(
        torch.equal(part, second.parts[name]) for name, part in first.parts.items()
    )


@torch.no_grad()
def run_t5(t5: T5, batch: tuple[Tensor, Tensor, Tensor], prefix: Prefix | None) -> tuple[Tensor, Tensor]:
    """States of encoder and decoder."""
    ids, mask, target = batch
    encoded = t5.encode(ids, mask, prefix)
    return encoded, t5.decode(target, encoded, mask, prefix)


def mixed_bank(shape: T5Shape) -> tuple[dict[str, Prefix], PrefixBank]:
    prefixes = {name: random_prefix(shape, length, seed=length) for name, length in [("a", 2), ("b", 6), ("c", 4)]}
    return prefixes, PrefixBank(prefixes, device="cpu", dtype=torch.float32)


def make_card(name: str = "music", **changes) -> DomainCard:
    card = DomainCard(
        name=name,
        types=["musical artist", "song"],
        backbone="cpner-mini",
        backbone_fingerprint="0123456789ab",
        prefix=config_dict(PrefixConfig.paper(4)),
        start_fingerprint="ba9876543210",
        statistics={"splits": {"train": {"sentences": 12, "entities": 30, "types": {"song": 30}}}},
        sources={"news": 0.625, "politics": 0.375},
        strategy="collaborate",
        metrics={"dev": {"f1": 71.25}},
        seed=3,
        versions={"cpner": "0.1.0"},
        created="2025-01-02T03:04:05+00:00",
    )
    return dataclasses.replace(card, **changes)


def make_prefix(value: float | None = None, length: int = 4) -> Prefix:
    """Random keys and values, or all of them `value`, in bfloat16."""
    shapes = {kind: (layers, 2, 3, length, 8) for kind, layers in LAYERS.items()}
    parts = {kind: torch.randn(s) if value is None else torch.full(s, value) for kind, s in shapes.items()}
    return Prefix(**parts).to(torch.bfloat16)


def make_domain(name: str = "music", value: float | None = None, **changes) -> StoredDomain:
    return StoredDomain(make_card(name, **changes), make_prefix(value))


def stored_prefix(store: Path, domain: str) -> dict[str, list[float]]:
    return {name: part.flatten().tolist() for name, part in load_file(store / domain / "prefix.safetensors").items()}


def tensors_of(batch: Batch) -> dict[str, Tensor]:
    """All tensors of a batch by name, extras among them."""
    tensors = {name: value for name, value in vars(batch).items() if isinstance(value, Tensor)}
    return tensors | {name: extra.tensor for name, extra in batch.extras.items()}
