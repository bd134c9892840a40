"""A small world of text and labelled sentences that the tests make themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cpner.pretraining.config import DataConfig, PretrainConfig
from cpner.pretraining.prepare import Prepared, prepare

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
    frame, entities, text = FRAMES[rng.integers(len(FRAMES))], [], ""
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


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small world."""
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def tiny_config(**values: Any) -> PretrainConfig:
    """A run of a few steps on a model of two narrow layers."""
    data = {"batch_pieces": 400, "text_share": 0.4, "text_pieces": 48, "max_source": 160} | values.pop("data", {})
    shape = {"d_model": 32, "d_kv": 8, "d_ff": 48, "heads": 2, "encoder_layers": 1, "decoder_layers": 1}
    settings = {"size": "tiny", "shape": shape, "vocabulary": 1000, "steps": 6, "ramp": 2, "held_out": 12} | values
    return PretrainConfig(data=DataConfig(**data), **settings)


@pytest.fixture(scope="session")
def prepared_folder(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with vocabulary and arrays; tests must not change it."""
    out = tmp_path_factory.mktemp("prepared")
    prepare([corpus / "text.txt"], corpus / "ner", out, tiny_config())
    return out


@pytest.fixture(scope="session")
def data(prepared_folder: Path) -> Prepared:
    """What a run reads."""
    return prepare([], None, prepared_folder, tiny_config())
