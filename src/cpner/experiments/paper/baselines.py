"""What CP-NER is compared with: other ways to tune the same backbone, with the same instructor, data and steps.

All are trained by the loss of Eq. 4 and read by the same grammar, so that only what is trained differs. Dev F1 chooses
the best state, as in warm-up.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix, PrefixConfig
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.start import fresh
from cpner.corpus import Corpus, Sentence
from cpner.corpus.sentence import Prediction
from cpner.errors import ConfigError, MissingExtraError, TrainingError, did_you_mean
from cpner.evaluation import evaluate
from cpner.instructor import Instructor, Source
from cpner.progress import Progress, Report
from cpner.recognition.recognise import Task, recognise
from cpner.training import TrainingConfig, check_types
from cpner.training.batch import cross_entropy
from cpner.training.examples import Examples

METHODS = {
    "full": "all weights of the backbone",
    "lora": "LoRA (PEFT) on the projections of all attentions",
    "peft-prefix": "PEFT's prefix encoder: keys and values before the decoder's self-attention alone",
    "prompt": "embeddings before the source",
    "prefix": "a prefix, as in warm-up",
    "prefix-embedding": "the same, and the backbone's embedding, as the authors' code does",
}
_LOOKS = 8  # at the dev split


@dataclass(frozen=True)
class BaselineConfig:
    """Settings of the baselines that a warm-up does not have."""

    lr_full: float = 5e-4  # all weights move, so each by little
    lr_lora: float = 3e-3
    lr_peft_prefix: float = 0.3  # a table of keys and values that begin at a deviation of 1: no network spreads a step
    lr_prompt: float = 0.3  # few numbers, far from the output
    lr_embedding: float = 5e-4  # of the embedding beside a prefix
    rank: int = 8  # of LoRA's products
    positions: int = 10  # of PEFT's prefix
    prompt: int = 20  # embeddings before the source


@dataclass(frozen=True)
class Tuned:
    """A backbone tuned by one of METHODS.

    Attributes:
        backbone: with tuned weights; the given one where only a prefix was trained.
        prefix: that was trained; None if none was.
        types: the domain's entity types in words.
        instructor: as it was trained.
        parameters: how many numbers were trained.
        size_bytes: what has to be kept for the domain in bfloat16; a prefix without the network that yields it.
        best_f1: on the dev split; None without one.
        seconds: of training.
    """

    backbone: Backbone
    prefix: Prefix | None
    types: list[str]
    instructor: Instructor
    parameters: int
    size_bytes: int
    best_f1: float | None
    seconds: float

    def recognise(self, sentences: Sequence[Sentence], *, progress: Report | None = None) -> list[list[Prediction]]:
        """The entities of sentences, as `CPNER.recognise` gives them."""
        return _find(self.backbone, sentences, self.types, self.instructor, self.prefix, progress)


def tune(
    backbone: Backbone,
    method: str,
    corpus: Corpus,
    config: TrainingConfig | None = None,
    settings: BaselineConfig | None = None,
    *,
    start: Prefix | None = None,
    progress: Report | None = None,
) -> Tuned:
    """Tune a copy of a backbone in float32; the given one stays as it is.

    Args:
        method: one of METHODS.
        config: epochs, batches, seed and so on; None for the defaults. Its `lr` is that of a prefix.
        start: where a prefix begins, such as the average of sources; None for the start that warm-ups share.

    Raises:
        ConfigError: no such method, or PEFT is needed and not installed.
        TrainingError: there is nothing to learn from, or the loss is not a number.
    """
    if method not in METHODS:
        raise ConfigError(f"no baseline {method!r}; there are {', '.join(METHODS)}.{did_you_mean(method, METHODS)}")
    config, settings = config or TrainingConfig(), settings or BaselineConfig()
    check_types(corpus.types, [*corpus.train, *corpus.dev])
    started = time.monotonic()
    torch.manual_seed(config.seed)  # PEFT draws its first weights from the global state
    work = Backbone(backbone.name, copy.deepcopy(backbone.t5).float(), backbone.vocabulary, backbone.window)
    change = _CHANGES[method](work, config, settings, start)
    examples = Examples(work, corpus.train, corpus.types, config)
    if change.prompt:
        examples.instructor = _Prompted(work, change.prompt, config)
    best = _train(work, change, examples, corpus.dev, config, progress)
    prefix = None if change.prefix is None else change.prefix().detached()
    parameters = sum(p.numel() for group in change.groups for p in group["params"])
    kept = parameters
    if prefix is not None:
        kept = sum(part.numel() for part in prefix.parts.values())
        if method == "prefix-embedding":
            kept += work.t5.embedding.weight.numel()
    change.finish()
    work.t5.requires_grad_(False)
    return Tuned(
        replace(work, t5=work.t5.to(backbone.dtype)), prefix, corpus.types, examples.instructor, parameters, 2 * kept,
        best, time.monotonic() - started,
    )  # fmt: skip


@dataclass
class _Change:
    """What a method trains: groups of parameters with their step sizes, a prefix, pieces before the source."""

    groups: list[dict[str, Any]]
    prefix: Callable[[], Prefix] | None = None
    prompt: Sequence[int] = ()
    finish: Callable[[], None] = lambda: None


def _full(work: Backbone, config: TrainingConfig, settings: BaselineConfig, start: Prefix | None) -> _Change:
    work.t5.requires_grad_(True)
    return _Change([{"params": list(work.t5.parameters()), "lr": settings.lr_full}])


def _lora(work: Backbone, config: TrainingConfig, settings: BaselineConfig, start: Prefix | None) -> _Change:
    peft = _peft()
    names = ["qkv", "q", "kv", "o"]  # our T5 keeps projections of one input in one matrix
    lora = peft.LoraConfig(r=settings.rank, lora_alpha=2 * settings.rank, target_modules=names)
    peft.inject_adapter_in_model(lora, work.t5)
    parameters = [p for name, p in work.t5.named_parameters() if ".lora_" in name]

    def merge() -> None:
        layers = [(n, m) for n, m in work.t5.named_modules() if isinstance(m, peft.tuners.lora.LoraLayer)]
        for name, layer in layers:
            layer.merge()
            merged = layer.get_base_layer()
            merged.forget()
            work.t5.set_submodule(name, merged)

    return _Change([{"params": parameters, "lr": settings.lr_lora}], finish=merge)


def _peft_prefix(work: Backbone, config: TrainingConfig, settings: BaselineConfig, start: Prefix | None) -> _Change:
    """PEFT's encoder with our attention.

    On a T5, PEFT's prefix reaches the self-attention of the decoder alone. Here its positions get no relative
    bias, as all prefixes of ours; in PEFT they get that of their distance.
    """
    peft, shape = _peft(), work.t5.shape
    layers, heads, width = shape.decoder_layers, shape.heads, shape.d_kv
    tuning = peft.PrefixTuningConfig(
        num_virtual_tokens=settings.positions, token_dim=heads * width, num_layers=layers, num_attention_heads=heads
    )
    encoder = peft.PrefixEncoder(tuning).to(work.device)
    positions = torch.arange(settings.positions, device=work.device)[None]

    def prefix() -> Prefix:
        states = encoder(positions)[0].view(settings.positions, layers, 2, heads, width)
        return Prefix(None, states.permute(1, 2, 3, 0, 4), None)

    return _Change([{"params": list(encoder.parameters()), "lr": settings.lr_peft_prefix}], prefix)


def _prompt(work: Backbone, config: TrainingConfig, settings: BaselineConfig, start: Prefix | None) -> _Change:
    """Prompt tuning: new pieces after the vocabulary, whose embeddings begin at those of other pieces."""
    embedding = work.t5.embedding.weight
    pieces = list(range(embedding.shape[0], embedding.shape[0] + settings.prompt))
    drawn = torch.Generator().manual_seed(config.seed)
    first = torch.randperm(work.vocabulary.size, generator=drawn)[: settings.prompt]
    longer = _LongerEmbedding(embedding.detach(), embedding[first.to(work.device)].detach().clone())
    work.t5.set_submodule("embedding", longer)

    def bake() -> None:
        work.t5.set_submodule("embedding", _embedding(longer.weight.detach()))

    return _Change([{"params": [longer.prompt], "lr": settings.lr_prompt}], prompt=pieces, finish=bake)


def _prefix(work: Backbone, config: TrainingConfig, settings: BaselineConfig, start: Prefix | None) -> _Change:
    trained = fresh(work) if start is None else Reparameterisation(work.t5.shape, PrefixConfig(), start)
    trained.to(work.device)
    return _Change([{"params": list(trained.parameters()), "lr": config.lr or trained.lr}], trained)


def _prefix_embedding(
    work: Backbone, config: TrainingConfig, settings: BaselineConfig, start: Prefix | None
) -> _Change:
    change = _prefix(work, config, settings, start)
    weight = work.t5.embedding.weight.requires_grad_(True)
    change.groups.append({"params": [weight], "lr": settings.lr_embedding})
    return change


_CHANGES = {
    "full": _full,
    "lora": _lora,
    "peft-prefix": _peft_prefix,
    "prompt": _prompt,
    "prefix": _prefix,
    "prefix-embedding": _prefix_embedding,
}


def _train(
    work: Backbone,
    change: _Change,
    examples: Examples,
    dev: Sequence[Sentence],
    config: TrainingConfig,
    progress: Report | None,
) -> float | None:
    """Train, and end at the state with the best dev F1, which is returned; with the last one without a dev split."""
    parameters = [p for group in change.groups for p in group["params"]]
    optimizer = torch.optim.AdamW(change.groups, weight_decay=config.weight_decay)
    epochs = range(config.epochs_of(len(examples.epoch(0))))
    steps = [(epoch, rows) for epoch in epochs for rows in examples.epoch(epoch)]
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda i: min(1.0, (i + 1) / max(1, config.lr_ramp_steps)) * 0.5 * (1 + math.cos(math.pi * i / len(steps))),
    )
    looks = {round(len(steps) * (i + 1) / _LOOKS) for i in range(_LOOKS)} if dev else set()
    begun, back = [p.detach().clone() for p in parameters], config.taken_back(len(examples.sentences))
    best: float | None = None
    kept: list[Tensor] = []

    def shrunk() -> list[Tensor]:
        return [p.detach().lerp(begin, back) for p, begin in zip(parameters, begun, strict=True)]

    for i, (epoch, rows) in enumerate(steps, start=1):
        batch = examples.batch(epoch, rows)
        prefix = None if change.prefix is None else change.prefix().expand(batch.source.shape[0])
        loss = cross_entropy(work.t5, batch, prefix)
        if not loss.isfinite():
            raise TrainingError(f"the loss is not a number in step {i}: try a smaller learning rate")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, config.clip)
        optimizer.step()
        schedule.step()
        if i in looks:
            trained = [p.detach().clone() for p in parameters]
            less = shrunk()
            _put(parameters, less)
            own = None if change.prefix is None else change.prefix().detached()
            found = _find(work, dev, examples.types, examples.instructor, own)
            f1 = evaluate(dev, found, examples.types).f1
            if best is None or f1 > best:
                best, kept = f1, less
            _put(parameters, trained)
        if progress is not None:
            progress(Progress(i, len(steps), f"loss {loss.item():.3f}"))
    _put(parameters, kept or shrunk())
    return best


@torch.no_grad()
def _put(parameters: Sequence[nn.Parameter], values: Sequence[Tensor]) -> None:
    for parameter, value in zip(parameters, values, strict=True):
        parameter.copy_(value)


def _find(
    backbone: Backbone,
    sentences: Sequence[Sentence],
    types: Sequence[str],
    instructor: Instructor,
    prefix: Prefix | None,
    progress: Report | None = None,
) -> list[list[Prediction]]:
    tasks = [Task(sentence, types, instructor, None if prefix is None else "") for sentence in sentences]
    return recognise(backbone, tasks, {} if prefix is None else {"": prefix}, progress=progress)


def _embedding(weight: Tensor) -> nn.Embedding:
    rows, width = weight.shape
    return nn.Embedding(rows, width, _weight=weight)


class _LongerEmbedding(nn.Module):
    """A frozen embedding with trained rows after it."""

    def __init__(self, frozen: Tensor, prompt: Tensor) -> None:
        super().__init__()
        self.register_buffer("frozen", frozen)
        self.prompt = nn.Parameter(prompt)

    @property
    def weight(self) -> Tensor:
        """[V + K, d] all rows."""
        return torch.cat([self.get_buffer("frozen"), self.prompt])

    def forward(self, ids: Tensor) -> Tensor:
        """Look rows up."""
        return F.embedding(ids, self.weight)


class _Prompted(Instructor):
    """An instructor whose sources begin with the pieces of a trained prompt."""

    def __init__(self, backbone: Backbone, prompt: Sequence[int], config: TrainingConfig) -> None:
        super().__init__(backbone.vocabulary, options=config.options)
        self.prompt = list(prompt)

    def source(self, sentence: Sentence, types: Sequence[str]) -> Source:
        """The source with the prompt before it."""
        source = super().source(sentence, types)
        return replace(source, ids=[*self.prompt, *source.ids], sentence_start=source.sentence_start + len(self.prompt))


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise MissingExtraError("this baseline", "baselines") from error
    return peft
