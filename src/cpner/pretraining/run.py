"""Pretraining of a backbone: span corruption and NER instruction tuning, from text to a folder that loads.

One command on CPU or CUDA, on one device or several (Accelerate). A run folder holds the vocabulary, the data as
arrays, checkpoints, a log of losses and scores (`log.jsonl`), and at the end the backbone.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from cpner.backbone.decode import decode
from cpner.backbone.load import Backbone, hugging_face_state
from cpner.backbone.t5 import T5, T5Shape
from cpner.corpus.sentence import Sentence, Span
from cpner.errors import ConfigError, TrainingError
from cpner.evaluation import evaluate
from cpner.instructor import Instructor, Vocabulary
from cpner.pretraining.data import Batch, Batches, DataConfig, Pool, encode_text, in_turn, open_lines, read_pool
from cpner.pretraining.optimizer import ScaledAdamW, clip_
from cpner.pretraining.tokenizer import save_tokenizer, train_tokenizer

# Width, head width, feed-forward width, heads, encoder and decoder layers.
SIZES: dict[str, dict[str, int]] = {
    "tiny": {"d_model": 64, "d_kv": 16, "d_ff": 128, "heads": 4, "encoder_layers": 2, "decoder_layers": 2},
    "cpu": {"d_model": 256, "d_kv": 64, "d_ff": 704, "heads": 4, "encoder_layers": 4, "decoder_layers": 2},
    "full": {"d_model": 384, "d_kv": 64, "d_ff": 1024, "heads": 6, "encoder_layers": 8, "decoder_layers": 4},
}
_SHARD_BYTES = 15_000_000


@dataclass(frozen=True)
class PretrainConfig:
    """One pretraining run."""

    size: str = "cpu"  # a key of SIZES
    vocabulary: int = 16_384  # pieces
    vocabulary_lines: int = 150_000  # lines that the vocabulary is learnt from
    text_lines: int | None = None  # lines of plain text to use; None for all
    steps: int = 10_000  # optimiser steps of the whole run
    minutes: float | None = None  # stop the schedule after this time instead; not exactly repeatable
    lr: float = 1.5e-2  # relative to each parameter's size, see ScaledAdamW
    ramp: int = 150  # steps of linear rise
    floor: float = 0.02  # share of lr at the end of the cosine
    accumulation: int = 1  # batches of one optimiser step
    clip: float = 1.0
    log_every: int = 50  # steps
    evaluate_every: int = 1000  # steps; teacher-forced accuracies, and F1 of decoding
    save_every: int = 500  # steps
    held_out: int = 2000  # labelled sentences kept from training
    workers: int = 0  # processes that make batches; 0 makes them in the training process
    compile: bool = False  # torch.compile; pays on CUDA
    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ConfigError(f"size {self.size!r} is unknown; known are {', '.join(SIZES)}")
        if self.steps < 1 or self.accumulation < 1 or self.lr <= 0:
            raise ConfigError("steps and accumulation must be at least 1, lr above 0")


Report = Callable[[dict[str, Any]], None]


def pretrain(
    text: list[Path],
    labelled: Path,
    out: Path,
    config: PretrainConfig,
    *,
    resume: bool = False,
    report: Report = lambda _: None,
) -> Path:
    """Train a backbone and write it to `out/backbone`.

    Args:
        text: files of plain text, one paragraph a line (.txt or .txt.xz); may be empty when `data.text_share` is 0.
        labelled: folder of labelled sentences (NAME.jsonl or NAME.jsonl.xz, with types.json).
        out: the run folder; vocabulary and arrays that it holds already are used again.
        resume: go on from the folder's last checkpoint.
        report: called with each record of the log.

    Raises:
        ConfigError: `out` holds a checkpoint of another configuration, or one and `resume` is false.
        TrainingError: the loss is not a number.
    """
    from accelerate import Accelerator
    from accelerate.utils import set_seed

    accelerator = Accelerator(mixed_precision="bf16", gradient_accumulation_steps=1)
    set_seed(config.seed)
    out.mkdir(parents=True, exist_ok=True)
    with accelerator.main_process_first():
        vocabulary = _vocabulary(text, labelled, out, config)
        pool = _pool(labelled, out)
        paragraphs = _text(text, vocabulary, out, config)
    order = np.random.default_rng(config.seed).permutation(len(pool))
    held = pool.part(np.sort(order[: config.held_out]))
    pool = pool.part(np.sort(order[config.held_out :]))

    shape = T5Shape(vocab_size=-(-vocabulary.size // 128) * 128, **SIZES[config.size])
    t5 = T5(shape)
    t5.initialise(config.seed)
    optimizer = ScaledAdamW(t5, lr=config.lr)
    checkpoint = out / "checkpoint"
    done, elapsed = _restore(checkpoint, t5, optimizer, config) if resume and checkpoint.is_dir() else (0, 0.0)
    if not resume and checkpoint.is_dir():
        raise ConfigError(f"{out} holds a checkpoint already: go on with --resume, or choose another folder")

    world, rank = accelerator.num_processes, accelerator.process_index
    per_step = config.accumulation * world
    batches = Batches(pool, paragraphs, vocabulary, config.data, config.steps * per_step)
    own = range(done * per_step + rank, len(batches), world)
    loader = DataLoader(
        Subset(batches, own), batch_size=None, num_workers=config.workers,
        prefetch_factor=8 if config.workers else None, pin_memory=accelerator.device.type == "cuda",
    )  # fmt: skip
    model, optimizer = accelerator.prepare(_Loss(t5), optimizer)
    step_loss = torch.compile(model, dynamic=True) if config.compile else model
    examples = held_out_examples(held, Batches(held, None, vocabulary, config.data, 1))

    log = out / "log.jsonl"
    losses: dict[str, list[Tensor]] = {"entities": [], "text": []}
    started, pieces = time.monotonic() - elapsed, 0
    stream = iter(loader)
    for step in range(done, config.steps):
        elapsed = time.monotonic() - started
        share = elapsed / (60 * config.minutes) if config.minutes else step / config.steps
        if share >= 1:
            break
        lr = _schedule(step, share, config)
        for group in optimizer.param_groups:
            group["lr"] = lr
        for _ in range(config.accumulation):
            batch = _to(next(stream), accelerator.device)
            loss = step_loss(batch)
            accelerator.backward(loss / config.accumulation)
            losses["text" if batch.candidates is None else "entities"].append(loss.detach())
            pieces += int(batch.mask.sum()) + int((batch.labels >= 0).sum())
        norm = clip_(t5.parameters(), config.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        last = step + 1 == config.steps
        if accelerator.is_main_process and ((step + 1) % config.log_every == 0 or last):
            record = {"step": step + 1, "seconds": round(elapsed, 1), "lr": round(lr, 6), "norm": round(float(norm), 3)}
            record |= {f"loss_{k}": round(float(torch.stack(v).mean()), 4) for k, v in losses.items() if v}
            record |= {
                "million_pieces": round(pieces / 1e6, 3),
                "pieces_per_second": round(pieces / max(elapsed, 1e-9)),
            }
            if not all(math.isfinite(float(v)) for k, v in record.items() if k.startswith("loss")):
                raise TrainingError(f"the loss is not a number at step {step + 1}: lower lr ({config.lr}) and resume")
            if (step + 1) % config.evaluate_every == 0 or last:
                record |= measure(t5, vocabulary, examples, batches)
            losses = {"entities": [], "text": []}
            _append(log, record)
            report({**record, "steps": config.steps, "share": share})
        if accelerator.is_main_process and ((step + 1) % config.save_every == 0 or last):
            _save(checkpoint, t5, optimizer, config, step + 1, time.monotonic() - started)
    if accelerator.is_main_process:
        _append(log, {"final": measure(t5, vocabulary, examples, batches)})
        write_backbone(t5, out / "tokenizer", out / "backbone", window=config.data.max_source)
    accelerator.wait_for_everyone()
    return out / "backbone"


class _Loss(nn.Module):
    """Mean cross-entropy of a batch: over a row's candidates for entities, over the vocabulary for text."""

    def __init__(self, t5: T5) -> None:
        super().__init__()
        self.t5 = t5

    def forward(self, batch: Batch) -> Tensor:
        return F.cross_entropy(logits(self.t5, batch).flatten(0, 1), batch.labels.flatten(), ignore_index=-1)


def logits(t5: T5, batch: Batch) -> Tensor:
    """[B, T, C] over each row's candidates, or [B, T, V] over the vocabulary when the batch has none; float32."""
    hidden = t5.decode(batch.inputs, t5.encode(batch.source, batch.mask), batch.mask)
    if batch.candidates is None or batch.real is None:
        return F.linear(hidden, t5.output_weight.to(hidden.dtype)).float()
    rows = t5.output_weight[batch.candidates].to(hidden.dtype)
    return (hidden @ rows.transpose(1, 2)).float().masked_fill(~batch.real[:, None, :], -1e4)


def held_out_examples(pool: Pool, batches: Batches, count: int = 400) -> list[tuple[Sentence, list[str]]]:
    """Fixed held-out sentences with fixed options, drawn evenly over the files."""
    rng = np.random.default_rng(1)
    weight = 1.0 / np.bincount(pool.origin)[pool.origin]
    chosen = rng.choice(len(pool), size=min(count, len(pool)), replace=False, p=weight / weight.sum())
    return [batches.example(int(i), rng) for i in sorted(chosen)]


@torch.no_grad()
def measure(
    t5: T5, vocabulary: Vocabulary, examples: list[tuple[Sentence, list[str]]], batches: Batches
) -> dict[str, Any]:
    """Scores on held-out sentences: teacher-forced accuracy by kind of piece, and strict F1 of greedy decoding.

    Copying is watched apart: `start` is a mention's first piece, `copy` each later one.
    """
    device = t5.embedding.weight.device
    hits = dict.fromkeys(("structure", "type", "start", "copy"), 0)
    counts = dict(hits)
    backbone = Backbone("training", t5, vocabulary)
    instructor = Instructor(vocabulary)
    predicted: list[list[Span]] = []
    ordered = sorted(examples, key=lambda e: len(e[0].words))
    with torch.autocast(device.type, torch.bfloat16):
        for i in range(0, len(ordered), 32):
            part = ordered[i : i + 32]
            batch = _to(batches.entity_batch(part), device)
            right = logits(t5, batch).argmax(-1) == batch.labels
            for kind, mask in _kinds(batch.labels).items():
                hits[kind] += int((right & mask).sum())
                counts[kind] += int(mask.sum())
            found = decode(backbone, [instructor.source(sentence, types) for sentence, types in part])
            predicted += [[f.span for f in row] for row in found]
    t5.requires_grad_(True)  # Backbone froze it
    result: dict[str, Any] = {f"right_{kind}": round(100 * hits[kind] / max(1, counts[kind]), 1) for kind in hits}
    return {**result, "f1": round(evaluate([sentence for sentence, _ in ordered], predicted).f1, 2)}


def _kinds(labels: Tensor) -> dict[str, Tensor]:
    """Masks [B, T] of the target's pieces by kind; labels below 4 are the template's signs."""
    colons, closes = (labels == 2).cumsum(1), (labels == 1).cumsum(1)
    word = labels > 3
    mention = word & (colons > closes)
    first = F.pad(labels[:, :-1] == 2, (1, 0))
    return {
        "structure": (labels >= 0) & ~word,
        "type": word & ~mention,
        "start": mention & first,
        "copy": mention & ~first,
    }


def write_backbone(t5: T5, tokenizer: Path, folder: Path, *, window: int) -> None:
    """Write a backbone that cpner and `transformers` load: bfloat16 safetensors in shards, config and tokenizer."""
    from huggingface_hub import split_torch_state_dict_into_shards
    from transformers import T5Config

    folder.mkdir(parents=True, exist_ok=True)
    s = t5.shape
    T5Config(
        vocab_size=s.vocab_size, d_model=s.d_model, d_kv=s.d_kv, d_ff=s.d_ff, num_heads=s.heads,
        num_layers=s.encoder_layers, num_decoder_layers=s.decoder_layers, feed_forward_proj="gated-gelu",
        dropout_rate=0.0, decoder_start_token_id=0, n_positions=window, architectures=["T5ForConditionalGeneration"],
        dtype="bfloat16",
    ).save_pretrained(folder)  # fmt: skip
    state = {name: tensor.detach().to("cpu", torch.bfloat16) for name, tensor in hugging_face_state(t5).items()}
    split = split_torch_state_dict_into_shards(state, max_shard_size=_SHARD_BYTES)
    for file, names in split.filename_to_tensors.items():
        save_file({name: state[name] for name in names}, folder / file, metadata={"format": "pt"})
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1), "utf-8")
    for file in tokenizer.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())


def _schedule(step: int, share: float, config: PretrainConfig) -> float:
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
    return config.lr * min(1.0, (step + 1) / config.ramp) * (config.floor + (1 - config.floor) * cosine)


def _to(batch: Batch, device: torch.device) -> Batch:
    moved = {k: None if v is None else v.to(device, non_blocking=True) for k, v in vars(batch).items()}
    return Batch(**moved)  # type: ignore[arg-type]


def _vocabulary(text: list[Path], labelled: Path, out: Path, config: PretrainConfig) -> Vocabulary:
    from transformers import AutoTokenizer

    folder = out / "tokenizer"
    if not folder.is_dir():
        save_tokenizer(
            train_tokenizer(_lines(text, labelled), config.vocabulary, sample=config.vocabulary_lines), folder
        )
    return Vocabulary(AutoTokenizer.from_pretrained(str(folder)))


def _lines(text: list[Path], labelled: Path) -> Iterator[str]:
    """Lines of all files in turn, three of each text for one of each labelled file."""
    files = sorted(labelled.glob("*.jsonl*"))
    sentences = [(1, (json.loads(line)["text"] for line in open_lines(path))) for path in files]
    return in_turn([*((3, open_lines(path)) for path in text), *sentences])


def _pool(labelled: Path, out: Path) -> Pool:
    arrays, lists = out / "labelled.npz", out / "labelled.json"
    if not lists.is_file():
        pool = read_pool(labelled)
        np.savez(arrays, **{k: v for k, v in vars(pool).items() if isinstance(v, np.ndarray)})
        lists.write_text(json.dumps({k: v for k, v in vars(pool).items() if isinstance(v, list)}), "utf-8")
    return Pool(**json.loads(lists.read_text("utf-8")), **np.load(arrays))


def _text(text: list[Path], vocabulary: Vocabulary, out: Path, config: PretrainConfig) -> Any:
    if not text or config.data.text_share == 0:
        return None
    pieces, bounds = out / "text.npy", out / "text-bounds.npy"
    if not bounds.is_file():
        encoded = encode_text(text, vocabulary, config.text_lines)
        np.save(pieces, encoded[0])
        np.save(bounds, encoded[1])
    return np.load(pieces, mmap_mode="r"), np.load(bounds)


def _save(folder: Path, t5: T5, optimizer: Any, config: PretrainConfig, step: int, seconds: float) -> None:
    """Write a checkpoint beside the old one, then take its place."""
    new = folder.with_name(f"{folder.name}-{step}")
    new.mkdir(exist_ok=True)
    save_file({k: v.contiguous() for k, v in t5.state_dict().items()}, new / "weights.safetensors")
    state = _inner(optimizer).state
    for kind in ("mean", "square"):
        save_file({n: state[p][kind] for n, p in t5.named_parameters() if p in state}, new / f"{kind}.safetensors")
    (new / "state.json").write_text(json.dumps({"step": step, "seconds": seconds, "config": asdict(config)}), "utf-8")
    old = folder.with_name(f"{folder.name}-old")
    if folder.exists():
        os.replace(folder, old)
    os.replace(new, folder)
    for file in old.glob("*"):
        file.unlink()
    if old.exists():
        old.rmdir()


def _restore(folder: Path, t5: T5, optimizer: Any, config: PretrainConfig) -> tuple[int, float]:
    saved = json.loads((folder / "state.json").read_text("utf-8"))
    differing = [k for k, v in asdict(config).items() if saved["config"].get(k) != v and k not in _MAY_CHANGE]
    if differing:
        raise ConfigError(
            f"{folder} is of another configuration ({', '.join(differing)} differ): choose another folder"
        )
    t5.load_state_dict(load_file(folder / "weights.safetensors"))
    kinds = {kind: load_file(folder / f"{kind}.safetensors") for kind in ("mean", "square")}
    for name, parameter in t5.named_parameters():
        if name in kinds["mean"]:
            own = {kind: tensors[name].to(parameter.device) for kind, tensors in kinds.items()}
            _inner(optimizer).state[parameter] = {"step": saved["step"], **own}
    return saved["step"], saved["seconds"]


_MAY_CHANGE = {"workers", "compile", "log_every", "save_every", "evaluate_every", "minutes"}


def _inner(optimizer: Any) -> Any:
    return getattr(optimizer, "optimizer", optimizer)


def _append(log: Path, record: dict[str, Any]) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
