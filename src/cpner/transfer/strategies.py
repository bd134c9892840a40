"""Ways to use source domains (section 4.3): collaboration, its rivals, and what they are compared with.

A strategy makes a plan of trainings and touches no domain. All but `chain` and `zero_label` go on from the target's
warm-up, for as many steps, so that help is not mistaken for more training. Loads no torch before it plans: the command
line shows what each strategy does.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from cpner.corpus import Corpus
from cpner.corpus.ends import SINGLE, are_single
from cpner.errors import ConfigError, did_you_mean
from cpner.transfer.mixing import Mixing

if TYPE_CHECKING:
    from cpner.backbone.load import Backbone
    from cpner.backbone.prefix import Prefix
    from cpner.backbone.reparameterisation import Reparameterisation
    from cpner.backbone.shape import PrefixConfig
    from cpner.training import TrainingConfig, TrainingResult
    from cpner.transfer.domain import Domain


_AGAIN = 3  # times as many sentences as the start of a warm-up counts for
UNLABELLED_SHARE = 0.25  # of sources without a target sentence that could tell whether they help


@dataclass(frozen=True)
class Job:
    """What a strategy is to make a plan for.

    Attributes:
        backbone: that all domains share.
        target: name of the domain to learn.
        sources: names of the domains to learn from.
        corpus: the target's.
        config: settings of each training.
        find: gives a domain by its name; raises `UnknownDomainError`, and `PrefixMismatchError` for an ensemble.
        mixing: how the sources are weighed and mixed in.
        corpora: of sources, by name.
        members: of an ensemble without sources.
        vote: what the members of an ensemble agree on.
    """

    backbone: Backbone
    target: str
    sources: Sequence[str]
    corpus: Corpus
    config: TrainingConfig
    find: Callable[[str], Domain]
    mixing: Mixing = field(default_factory=Mixing)
    corpora: Mapping[str, Corpus] = field(default_factory=dict)
    members: int = 4
    vote: str = "probabilities"


class Lesson(NamedTuple):
    """One training of a plan.

    `start` gives what is trained, from the prefix that the lesson before gave. `name` is a member's in an ensemble;
    `folder` holds the checkpoints, within the run's folder (empty: that folder itself).
    """

    start: Callable[[Prefix | None], Reparameterisation]
    corpus: Corpus
    config: TrainingConfig
    name: str = ""
    folder: str = ""


@dataclass(frozen=True)
class Plan:
    """Trainings, one after another, and what is known of the domain that they make.

    Attributes:
        corpus: whose types the domain has; its statistics go on the card.
        prefix: settings of the prefix of each lesson.
        config: settings of training that go on the card.
        lessons: the trainings; none where `start` is the domain's prefix.
        start: prefix that the first lesson goes on from; None where that lesson brings its own.
        weights: of the sources, by name.
        share: of the sources in the prefix that the last lesson begins at; None where there is no such average.
        vote: what the lessons' prefixes agree on, as members of an ensemble; None: the last one is the domain's prefix.
    """

    corpus: Corpus
    prefix: PrefixConfig
    config: TrainingConfig
    lessons: Sequence[Lesson] = ()
    start: Prefix | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    share: float | None = None
    vote: str | None = None

    @property
    def members(self) -> list[str]:
        """The members of an ensemble; empty for a single prefix."""
        return [lesson.name for lesson in self.lessons] if self.vote else []

    @property
    def whole_prefix(self) -> PrefixConfig:
        """The settings of the domain's prefix, in which an ensemble's members stand one after another."""
        return replace(self.prefix, length=self.prefix.length * max(1, len(self.members)))

    def facts(self, result: TrainingResult, metrics: Mapping[str, float]) -> dict[str, Any]:
        """What a card tells of the training, by the card's fields."""
        figures = {
            **metrics,
            "dev_f1": result.best_f1,
            "best_epoch": result.best_epoch,
            "epochs": result.epochs,
            "steps": result.steps,
            "seconds": round(result.seconds, 1),
            "source_share": self.share,
        }
        learnt = self.lessons[-1].corpus if self.lessons else self.corpus
        facts = {
            "statistics": {**self.corpus.statistics(), SINGLE: are_single(learnt.train)},
            "sources": dict(self.weights),
            "metrics": {name: value for name, value in figures.items() if value is not None},
            "seed": self.config.seed,
            "options": self.config.options,
            "members": self.members,
        }
        return facts | ({} if self.vote is None else {"vote": self.vote})


def none(job: Job) -> Plan:
    """Train the target on, without a source."""
    warm = job.find(job.target)
    corpus = of_types(job.corpus, warm.card.types)
    config = _going_on(job.config, warm)
    lesson = Lesson(lambda _: _begin(job, warm.config, warm.prefix), corpus, config)
    return Plan(corpus, warm.config, config, [lesson])


def single(job: Job) -> Plan:
    """Collaborate with the source that the selector weighs most."""
    alphas = job.mixing.resolve(job.sources)
    weights = _select(job, job.sources, Mixing(alpha=alphas))
    best = max(job.sources, key=lambda name: weights[name])
    return _collaboration(job, [best], _of_one(job.mixing, best, alphas))


def collaborate(job: Job) -> Plan:
    """Average the sources, weighed by the selector, with the target, and train on (Eq. 5-10)."""
    return _collaboration(job, job.sources, job.mixing)


def uniform(job: Job) -> Plan:
    """Collaborate with equal weights for all sources."""
    return _collaboration(job, job.sources, replace(job.mixing, weighting="uniform"))


def chain(job: Job) -> Plan:
    """Train the first source's prefix on the second source, and so on, then on the target."""
    if missing := [name for name in job.sources[1:] if name not in job.corpora]:
        raise ConfigError(
            f"a chain trains on the sentences of {missing[0]!r} too: give its corpus (the first source needs none)"
        )
    first = job.find(job.sources[0])
    config = replace(job.config, options=first.card.options)
    corpora = {**{name: job.corpora[name] for name in job.sources[1:]}, job.target: job.corpus}
    lessons = [
        Lesson(lambda learnt: _begin(job, first.config, learnt), corpus, config, name, f"{i}-{name}")
        for i, (name, corpus) in enumerate(corpora.items())
    ]
    return Plan(job.corpus, first.config, config, lessons, first.prefix, dict.fromkeys(job.sources, 1.0))


def ensemble(job: Job) -> Plan:
    """Collaborate with each source alone, or without any train on with several seeds; all decide together."""
    if not job.sources:
        return _seeds(job)
    alphas = job.mixing.resolve(job.sources)
    mixing = replace(job.mixing, share=job.mixing.paper_share)  # members are to differ
    plans = {name: _collaboration(job, [name], _of_one(mixing, name, alphas)) for name in job.sources}
    lessons = [plan.lessons[0]._replace(name=name, folder=name) for name, plan in plans.items()]
    equal = dict.fromkeys(plans, 1 / len(plans))
    return replace(plans[job.sources[0]], lessons=lessons, weights=equal, vote=job.vote)


def zero_label(job: Job) -> Plan:
    """Average the sources by their types' likeness to the target's, and with no training; takes no target sentence."""
    from cpner.backbone.start import quiet_start
    from cpner.transfer.collaborate import combine
    from cpner.transfer.selector import DualQuery, select_domains

    corpus = of_types(Corpus(job.corpus.name, {}), job.corpus.types)
    sources = [job.find(name) for name in job.sources]
    queries = [DualQuery.of(source, job.backbone) for source in sources]
    target = DualQuery(job.target, job.backbone.embed_types(corpus.types), queries[0].prefix)  # alpha leaves it out
    selection = select_domains(target, queries, replace(job.mixing, alpha=1.0))
    untrained = quiet_start(job.backbone, sources[0].config)
    share = job.mixing.share if job.mixing.share is not None else UNLABELLED_SHARE
    start = combine(untrained, [source.prefix for source in sources], selection.weights, share)  # Eq. 9
    config = replace(job.config, options=sources[0].card.options)
    return Plan(corpus, sources[0].config, config, start=start, weights=selection.by_source, share=share)


STRATEGIES: dict[str, Callable[[Job], Plan]] = {
    "none": none,
    "single": single,
    "collaborate": collaborate,
    "uniform": uniform,
    "chain": chain,
    "ensemble": ensemble,
    "zero-label": zero_label,
}


def summary(strategy: str) -> str:
    """What a strategy does, in a line."""
    return str(STRATEGIES[strategy].__doc__).partition("\n")[0].removesuffix(".")


def check_strategy(strategy: str, sources: Sequence[str] | Literal["auto"]) -> None:
    """Refuse an unknown strategy, and sources that it can't use.

    Raises:
        ConfigError: there is no such strategy, it takes no sources or needs some, or it needs them in order.
    """
    if strategy not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise ConfigError(f"no strategy {strategy!r}; there are {known}.{did_you_mean(strategy, STRATEGIES)}")
    if strategy == "none" and sources:
        raise ConfigError(f"strategy none has no source: leave out {sources!r}, or choose another strategy")
    if strategy not in ("none", "ensemble") and not sources:
        raise ConfigError(f"strategy {strategy} needs sources, at least one; only none has no source")
    if strategy == "chain" and sources == "auto":
        raise ConfigError("a chain trains on one source after another: name them in order")


def of_types(corpus: Corpus, types: Sequence[str]) -> Corpus:
    """A corpus as one of a domain with these types.

    Raises:
        ConfigError: it has sentences to learn from with entities of other types, or the types are none.
    """
    from cpner.training import check_types

    check_types(types, (*corpus.train, *corpus.dev))
    return Corpus(corpus.name, corpus.splits, types=types)


def _going_on(config: TrainingConfig, warm: Domain) -> TrainingConfig:
    """The settings to train a warm-up on: it has learnt its sentences once, so it counts for more of them."""
    return replace(config, options=warm.card.options, prior_sentences=_AGAIN * config.prior_sentences)


def _begin(job: Job, config: PrefixConfig, prefix: Prefix | None) -> Reparameterisation:
    """What trains a given prefix on."""
    from cpner.backbone.reparameterisation import Reparameterisation

    return Reparameterisation(job.backbone.shape, config, prefix)


def _select(job: Job, sources: Sequence[str], mixing: Mixing) -> dict[str, float]:
    """The weights of sources, by name."""
    from cpner.transfer.selector import DualQuery, select_domains

    queries = [DualQuery.of(job.find(name), job.backbone) for name in (job.target, *sources)]
    return select_domains(queries[0], queries[1:], mixing).by_source


def _collaboration(job: Job, sources: Sequence[str], mixing: Mixing) -> Plan:
    """One training that begins at the target's prefix with those of the sources in it; none if they don't help."""
    from cpner.backbone.start import quiet_start
    from cpner.transfer.collaborate import collaboration_start, warn_of_starts
    from cpner.transfer.share import choose_share

    weights = _select(job, sources, mixing)
    warm = job.find(job.target)
    others = {name: job.find(name) for name in sources}
    starts = {name: domain.card.start_fingerprint for name, domain in others.items()}
    warn_of_starts(job.target, {job.target: warm.card.start_fingerprint, **starts})
    corpus = of_types(job.corpus, warm.card.types)
    config = _going_on(job.config, warm)
    share = mixing.share
    if share is None:
        start = quiet_start(job.backbone, warm.config)
        prefixes = [source.prefix for source in others.values()]
        share = choose_share(job.backbone, start, prefixes, list(weights.values()), corpus, config)
    plan = Plan(corpus, warm.config, config, weights=weights, share=share)
    if not share and mixing.share is None:
        warnings.warn(
            f"with {', '.join(sources)} the sentences of {job.target!r} are no likelier than without: it stays as it "
            "is, unless a share is given",
            stacklevel=4,  # who called CPNER.transfer
        )
        return replace(plan, start=warm.prefix)
    mixing = replace(mixing, share=share)

    def begin(_: Prefix | None) -> Reparameterisation:
        return collaboration_start(
            job.backbone, warm, others, list(weights.values()), prefix=warm.config, mixing=mixing
        )

    return replace(plan, lessons=[Lesson(begin, corpus, config)])


def _of_one(mixing: Mixing, source: str, alphas: Mapping[str, float]) -> Mixing:
    """The settings for one of the sources alone."""
    return replace(mixing, alpha={source: alphas[source]}, top_k=None)


def _seeds(job: Job) -> Plan:
    """An ensemble without sources: the same training with several seeds."""
    if job.members < 2:
        raise ConfigError(f"an ensemble of {job.members} members; expected at least 2")
    plan = none(job)
    first = job.members * job.config.seed
    lessons = [
        plan.lessons[0]._replace(config=replace(plan.config, seed=seed), name=f"seed {seed}", folder=f"seed-{seed}")
        for seed in range(first, first + job.members)
    ]
    return replace(plan, lessons=lessons, vote=job.vote)
