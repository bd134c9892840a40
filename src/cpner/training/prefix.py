"""Training of a prefix with the backbone frozen (section 3.4, Eq. 4)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from cpner.backbone.hardware import dtype_name
from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.shape import config_dict
from cpner.corpus.sentence import Sentence
from cpner.corpus.type_names import check_words
from cpner.errors import ConfigError
from cpner.progress import Report
from cpner.training.config import TrainingConfig
from cpner.training.examples import Examples
from cpner.training.loop import Course, train_epochs
from cpner.training.optimise import Group
from cpner.training.run_dir import RunDir, digest_sentences, digest_tensors
from cpner.training.trainable import Trainable

_FREE = ("save_seconds", "checkpointing")  # settings that change no number: a resumed run may have others


@dataclass(frozen=True)
class TrainingResult:
    """A trained prefix, and how its training went.

    Attributes:
        prefix: the best prefix, shrunk and baked, in float32 on the CPU.
        reparameterisation: the state that yields it: P, its network if it has one, the start.
        curve: for each epoch `epoch`, `step`, `loss` (nats a target piece), `lr`, and `f1` (dev, 0 to 100, or None).
        best_f1: strict F1 on the dev split (0 to 100) of the prefix; None without a dev split.
        best_epoch: the epoch after which the prefix was taken, from 1.
        epochs: how many were trained.
        steps: how many updates that were.
        seconds: how long it took, all parts of a resumed run together.
    """

    prefix: Prefix = field(repr=False)
    reparameterisation: dict[str, Tensor] = field(repr=False)
    curve: list[dict[str, Any]] = field(repr=False)
    best_f1: float | None
    best_epoch: int
    epochs: int
    steps: int
    seconds: float

    @classmethod
    def of(cls, reparameterisation: Reparameterisation, course: Course) -> TrainingResult:
        """What a reparameterisation yields now."""
        state = {name: t.detach().cpu().clone() for name, t in reparameterisation.state_dict().items()}
        return cls(reparameterisation.bake().to("cpu"), state, **vars(course))


def train_prefix(
    backbone: Backbone,
    reparameterisation: Reparameterisation,
    train: Sequence[Sentence],
    dev: Sequence[Sentence],
    types: Sequence[str],
    config: TrainingConfig | None = None,
    *,
    run_dir: str | Path | None = None,
    resume: bool = False,
    progress: Report | None = None,
) -> TrainingResult:
    """Minimise E[-log p(y | x)] over P, with LM_θ frozen (Eq. 4).

    Args:
        reparameterisation: where to begin; it ends as the best state.
        train: sentences to learn from; one that is longer than the backbone's window is cut.
        dev: sentences by whose strict F1 the best state is chosen; none keeps the last state.
        types: the domain's entity types in words; all that occur in `train` are among them.
        config: settings; None takes the defaults.
        run_dir: folder for checkpoints and the curve; None keeps nothing.
        resume: go on from the checkpoint in `run_dir`, if there is one. On a CPU with as many threads the result is the
            same to the bit as that of a run that was never stopped.
        progress: called after every step.

    Raises:
        ConfigError: a type can't be a type, or a sentence has an entity of another.
        TrainingError: there is nothing to learn from, the loss is not a number, or `run_dir` can't be used.
    """
    config = config or TrainingConfig()
    check_types(types, [*train, *dev])
    examples = Examples(backbone, train, types, config)
    reparameterisation.to(backbone.device)
    run = None
    if run_dir is not None:
        identity = _identity(backbone, reparameterisation, train, dev, types, config)
        run = RunDir(run_dir, identity, resume=resume)
    group = Group(dict(reparameterisation.named_parameters()), config.lr or reparameterisation.lr)
    start = reparameterisation.start
    trainable = Trainable([group], config, len(examples.sentences), reparameterisation, start)
    with run or nullcontext():
        course = train_epochs(backbone, trainable, examples, dev, run=run, progress=progress)
    return TrainingResult.of(reparameterisation, course)


def check_types(types: Sequence[str], sentences: Sequence[Sentence]) -> None:
    """Refuse types that the template can't hold, doubles, none at all, and entities of other types.

    Raises:
        ConfigError: see above.
        CorpusError: a type's words can't stand in the template.
    """
    is_list = isinstance(types, Sequence) and not isinstance(types, str) and all(isinstance(one, str) for one in types)
    if not is_list or not types or len(set(types)) < len(types):
        hint = "" if types else "; a corpus without entities has none"
        raise ConfigError(f"types {types!r} must be a list of at least one type, each named once{hint}")
    for type_ in types:
        check_words(type_)
    others = {span.type for sentence in sentences for span in sentence.spans} - set(types)
    if others:
        raise ConfigError(f"sentences have entities of type {sorted(others)[0]!r}, which is none of {list(types)}")


def _identity(
    backbone: Backbone,
    reparameterisation: Reparameterisation,
    train: Sequence[Sentence],
    dev: Sequence[Sentence],
    types: Sequence[str],
    config: TrainingConfig,
) -> dict[str, Any]:
    """What two runs must share to be the same one."""
    settings = {name: value for name, value in config.written().items() if name not in _FREE}
    return {
        "backbone": backbone.fingerprint,
        "dtype": dtype_name(backbone.dtype),
        **{f"prefix {name}": value for name, value in config_dict(reparameterisation.config).items()},
        "start": digest_tensors(reparameterisation.state_dict()),
        "types": list(types),
        "train sentences": digest_sentences(train),
        "dev sentences": digest_sentences(dev),
        **settings,
    }
