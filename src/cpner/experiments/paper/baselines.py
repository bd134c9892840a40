"""What CP-NER is compared with: other ways to tune the same backbone, with the same instructor, data and steps.

All go through the loop of warm-up, with its loss (Eq. 4), its looks at the dev split and its shrinkage. One grammar
reads them, so that only what is trained differs. A prefix among them has warm-up's dropout, too.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpner.backbone.bank import PrefixBank
from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.shape import PrefixConfig
from cpner.backbone.start import fresh
from cpner.corpus import Corpus, Sentence
from cpner.corpus.sentence import Answer
from cpner.errors import ConfigError, MissingExtraError, did_you_mean
from cpner.instructor import Instructor, Source
from cpner.progress import Report
from cpner.recognition.recognise import Task, recognise
from cpner.settings import Settings, above, at_least
from cpner.training import TrainingConfig, check_types
from cpner.training.examples import Examples
from cpner.training.loop import train_epochs
from cpner.training.optimise import Group
from cpner.training.trainable import Trainable


@dataclass(frozen=True)
class BaselineConfig(Settings):
    """Settings of the baselines that a warm-up does not have."""

    lr_full: float = 5e-4  # all weights move, so each by little
    lr_lora: float = 3e-3
    lr_peft_prefix: float = 0.3  # a table of keys and values that begin at a deviation of 1: no network spreads a step
    lr_prompt: float = 0.3  # few numbers, far from the output
    lr_embedding: float = 5e-4  # of the embedding beside a prefix
    rank: int = 8  # of LoRA's products
    positions: int = 10  # of PEFT's prefix
    prompt: int = 20  # embeddings before the source

    called = "baseline setting "
    ranges: ClassVar = {
        above(0): ("lr_full", "lr_lora", "lr_peft_prefix", "lr_prompt", "lr_embedding"),
        at_least(1): ("rank", "positions", "prompt"),
    }


@dataclass(frozen=True)
class Tuned:
    """A backbone tuned by one of METHODS.

    Attributes:
        backbone: with tuned weights; the given one where only a prefix was trained.
        prefix: that was trained; None if none was.
        prompt: how it asks for the domain's entities, as it was trained.
        parameters: how many numbers were trained.
        size_bytes: what has to be kept for the domain in bfloat16; a prefix without the network that yields it.
        best_f1: on the dev split; None without one.
        seconds: of training.
    """

    backbone: Backbone
    prefix: Prefix | None
    prompt: Instructor
    parameters: int
    size_bytes: int
    best_f1: float | None
    seconds: float

    def recognise(self, sentences: Sequence[Sentence], *, progress: Report | None = None) -> list[Answer]:
        """The entities of sentences, as `CPNER.recognise` gives them."""
        prefixes = {} if self.prefix is None else {"": self.prefix}
        bank = PrefixBank(prefixes, device=self.backbone.device, dtype=self.backbone.dtype)
        tasks = [Task(sentence, self.prompt, next(iter(prefixes), None)) for sentence in sentences]
        return recognise(self.backbone, tasks, bank, progress=progress)


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
    config = config or TrainingConfig()
    settings = settings or BaselineConfig()
    check_types(corpus.types, [*corpus.train, *corpus.dev])
    torch.manual_seed(config.seed)  # PEFT draws its first weights from the global state
    work = backbone.with_model(copy.deepcopy(backbone.t5).float())
    examples = Examples(work, corpus.train, corpus.types, config)
    change = METHODS[method](work, config, settings, start)
    if change.prompt:
        examples.prompt = _Prompted(work, corpus.types, change.prompt, config)
    trainable = Trainable(change.groups, config, len(examples.sentences), change.network, change.start)
    course = train_epochs(work, trainable, examples, corpus.dev, progress=progress)
    baked = trainable.baked()
    prefix = None if baked is None else baked.to(torch.bfloat16)  # as dev F1 was measured
    parameters = sum(parameter.numel() for parameter in trainable.parameters.values())
    stored = parameters
    if prefix is not None:
        stored = sum(part.numel() for part in prefix.parts.values())
        if method == "prefix-embedding":
            stored += work.t5.embedding.weight.numel()
    change.finish()
    work.t5.requires_grad_(False)
    tuned = work.with_model(work.t5.to(backbone.dtype))
    return Tuned(tuned, prefix, examples.prompt, parameters, 2 * stored, course.best_f1, course.seconds)


@dataclass
class _Change:
    """What a method trains."""

    groups: list[Group]
    network: Callable[[], Prefix] | None = None  # yields the prefix
    start: Prefix | None = None  # of the prefix
    prompt: Sequence[int] = ()  # pieces before the source
    finish: Callable[[], None] = lambda: None  # puts what was trained into the backbone


def _full(work: Backbone, config: TrainingConfig, settings: BaselineConfig, start: Prefix | None) -> _Change:
    """All weights of the backbone."""
    work.t5.requires_grad_(True)
    return _Change([Group(dict(work.t5.named_parameters()), settings.lr_full)])


def _lora(work: Backbone, config: TrainingConfig, settings: BaselineConfig, start: Prefix | None) -> _Change:
    """LoRA on the projections of all attentions."""
    peft = _peft()
    names = ["qkv", "q", "kv", "o"]  # our T5 keeps projections of one input in one matrix
    lora = peft.LoraConfig(r=settings.rank, lora_alpha=2 * settings.rank, target_modules=names)
    peft.inject_adapter_in_model(lora, work.t5)
    parameters = {name: parameter for name, parameter in work.t5.named_parameters() if ".lora_" in name}

    def merge() -> None:
        layers = [(n, m) for n, m in work.t5.named_modules() if isinstance(m, peft.tuners.lora.LoraLayer)]
        for name, layer in layers:
            layer.merge()
            merged = layer.get_base_layer()
            merged.forget()
            work.t5.set_submodule(name, merged)

    return _Change([Group(parameters, settings.lr_lora)], finish=merge)


def _peft_prefix(work: Backbone, config: TrainingConfig, settings: BaselineConfig, start: Prefix | None) -> _Change:
    """PEFT's encoder with our attention.

    On a T5, PEFT's prefix reaches the self-attention of the decoder alone. Here its positions get no relative
    bias, as all prefixes of ours; in PEFT they get that of their distance.
    """
    peft = _peft()
    shape = work.t5.shape
    tuning = peft.PrefixTuningConfig(
        num_virtual_tokens=settings.positions, token_dim=shape.heads * shape.d_kv,
        num_layers=shape.decoder_layers, num_attention_heads=shape.heads,
    )  # fmt: skip
    encoder = peft.PrefixEncoder(tuning).to(work.device)
    positions = torch.arange(settings.positions, device=work.device)[None]

    def prefix() -> Prefix:
        states = encoder(positions)[0].view(settings.positions, shape.decoder_layers, 2, shape.heads, shape.d_kv)
        return Prefix(None, states.permute(1, 2, 3, 0, 4), None)

    return _Change([Group(dict(encoder.named_parameters()), settings.lr_peft_prefix)], prefix, prefix().detached())


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

    return _Change([Group({"prompt": longer.prompt}, settings.lr_prompt)], prompt=pieces, finish=bake)


def _prefix(work: Backbone, config: TrainingConfig, settings: BaselineConfig, start: Prefix | None) -> _Change:
    """A prefix, as in warm-up."""
    trained = fresh(work) if start is None else Reparameterisation(work.t5.shape, PrefixConfig(), start)
    trained.to(work.device)
    group = Group(dict(trained.named_parameters()), config.lr or trained.lr)
    return _Change([group], trained, trained.start)


def _prefix_embedding(
    work: Backbone, config: TrainingConfig, settings: BaselineConfig, start: Prefix | None
) -> _Change:
    """A prefix and the backbone's embedding, as the authors' code does."""
    change = _prefix(work, config, settings, start)
    embedding = work.t5.embedding.requires_grad_(True)
    change.groups.append(Group(dict(embedding.named_parameters(prefix="embedding")), settings.lr_embedding))
    return change


METHODS = {
    "full": _full,
    "lora": _lora,
    "peft-prefix": _peft_prefix,
    "prompt": _prompt,
    "prefix": _prefix,
    "prefix-embedding": _prefix_embedding,
}


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

    def __init__(self, backbone: Backbone, types: Sequence[str], prompt: Sequence[int], config: TrainingConfig) -> None:
        self.prompt = list(prompt)
        super().__init__(backbone.vocabulary, types, options=config.options)

    def source(self, sentence: Sentence, offered: Sequence[str] | None = None) -> Source:
        """The source with the prompt before it."""
        source = super().source(sentence, offered)
        return replace(source, ids=[*self.prompt, *source.ids], sentence_start=source.sentence_start + len(self.prompt))


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise MissingExtraError("this baseline", "baselines") from error
    return peft
