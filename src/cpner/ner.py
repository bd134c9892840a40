"""CPNER: one frozen backbone and the prefixes of its domains, to train, to transfer between, and to predict with."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, overload

import torch

from cpner.backbone import EMBEDDED
from cpner.backbone.load import Backbone, load
from cpner.backbone.prefix import Prefix, mix
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.shape import PrefixConfig
from cpner.backbone.start import fresh, quiet_start
from cpner.corpus import Corpus, Entity, Sentence
from cpner.corpus.sentence import Prediction
from cpner.errors import ConfigError, CorpusError, TrainingError
from cpner.evaluation import Evaluation, evaluate
from cpner.instructor import Instructor
from cpner.progress import Report
from cpner.recognition.beam import beam_search
from cpner.recognition.recognise import Task
from cpner.recognition.vote import recognise_all
from cpner.store import DomainCard, StoredDomain
from cpner.store.card import VOTES
from cpner.store.domains import Domains, prefix_config, prompt_of
from cpner.training import TrainingConfig, TrainingResult, check_types, train_prefix
from cpner.transfer import (
    DaptConfig,
    DualQuery,
    Selection,
    alpha_of_each,
    check_collaboration,
    check_selection,
    check_strategy,
    collaboration_start,
    dapt_prefix,
    gather,
    pseudo_label,
    select_domains,
    untrained,
)
from cpner.transfer.collaborate import warn_of_starts

Alpha = float | Sequence[float] | Mapping[str, float]
Names = str | None | Sequence[str | None]
Sources = Sequence[str] | Literal["auto"]


class _Run(NamedTuple):
    """How to train, and where its checkpoints go."""

    config: TrainingConfig
    run_dir: str | Path | None
    resume: bool
    progress: Report | None

    def asking(self, card: DomainCard) -> _Run:
        """With or without options, as a domain learnt it that the training starts from."""
        return self._replace(config=replace(self.config, options=card.options))

    def part(self, name: str) -> _Run:
        """One of several trainings, in a folder of its own."""
        return self._replace(run_dir=_within(self.run_dir, name))


class CPNER:
    """A named-entity recogniser for any number of domains.

    Args:
        backbone: the frozen model that all domains share.
        store: folder of stored domains; read when a domain is first used, written by `save` only.
    """

    def __init__(self, backbone: Backbone, store: str | Path | None = None) -> None:
        self.backbone = backbone
        self._known = Domains(backbone, None if store is None else Path(store))

    @classmethod
    def load(
        cls,
        backbone: str = EMBEDDED,
        *,
        store: str | Path | None = None,
        device: str | None = None,
        dtype: torch.dtype | None = None,
    ) -> CPNER:
        """Load a backbone, and the domains of a store when they are used.

        Args:
            backbone: "cpner-mini", a folder with a T5 checkpoint, or a repository of the Hugging Face hub.
            store: folder of stored domains; need not exist yet.
            device: None picks CUDA where there is one.
            dtype: bfloat16 or float32; None is the one that the device is faster in.

        Raises:
            BackboneError: see `cpner.backbone.load`.
        """
        return cls(load(backbone, device=device, dtype=dtype), store)

    def __repr__(self) -> str:
        return f"CPNER({self.backbone.name!r} on {self.backbone.device}, {len(self.domains)} domains)"

    @property
    def domains(self) -> list[str]:
        """Names of all domains, in memory and in the store, sorted."""
        return self._known.names()

    @property
    def store(self) -> Path | None:
        """Folder of the stored domains, if there is one."""
        return self._known.store

    def card(self, name: str) -> DomainCard:
        """What is known of a domain.

        Raises:
            UnknownDomainError: there is no such domain.
        """
        return self._known.card(name)

    def prefix(self, name: str) -> Prefix:
        """A domain's baked prefix on the CPU, each part [L, 2, H, K, D].

        Raises:
            UnknownDomainError: there is no such domain.
            PrefixMismatchError: it was made for another backbone.
        """
        return self._known.find(name).prefix

    def add(
        self,
        name: str,
        prefix: Prefix,
        types: Sequence[str],
        *,
        config: PrefixConfig | None = None,
        options: bool = True,
    ) -> None:
        """Take a prefix that was made elsewhere as a domain; `save` stores it.

        Raises:
            PrefixMismatchError: the prefix has another shape than `config` gives it here (default: the configuration
                of its length and attentions).
        """
        config = config or PrefixConfig(length=prefix.length or 1, attentions=tuple(prefix.parts))
        check_types(types, ())
        self._known.check_shape(name, prefix, config)
        self._known.keep(StoredDomain(replace(self._known.new_card(name, types, config), options=options), prefix))

    def warm_up(
        self,
        domain: str,
        corpus: Corpus,
        config: TrainingConfig | None = None,
        *,
        prefix: PrefixConfig | None = None,
        run_dir: str | Path | None = None,
        resume: bool = False,
        progress: Report | None = None,
    ) -> TrainingResult:
        """Train a domain's prefix on its own sentences (Eq. 4); what the domain had before is replaced.

        Args:
            corpus: `train` is learnt from, `dev` (if any) chooses the best epoch, `types` are the domain's.
            config: training settings; None for the defaults.
            prefix: shape of the prefix; None for the defaults.
            run_dir: folder for checkpoints and the curve; with `resume`, a stopped run goes on from there.
            progress: called after every step.

        Raises:
            StoreError: the domain's name can't be stored.
            ConfigError, TrainingError: see `train_prefix`.
        """
        self._known.check_name(domain)
        run, prefix = _Run(config or TrainingConfig(), run_dir, resume, progress), prefix or PrefixConfig()
        result = self._train(fresh(self.backbone, prefix), corpus, corpus.types, run)
        self._learn(domain, corpus, prefix, run.config, result)
        return result

    def dapt(
        self,
        domain: str,
        text: Iterable[str],
        types: Sequence[str],
        config: DaptConfig | None = None,
        *,
        prefix: PrefixConfig | None = None,
        progress: Report | None = None,
    ) -> TrainingResult:
        """Train a domain's prefix on unlabelled text (section 4.2, DAPT); `transfer` trains it on with labels.

        Args:
            text: a sentence or a paragraph each.
            types: the domain's, for later.
            config: settings; None for the defaults. The rest is as in `warm_up`.

        Raises:
            BackboneError, TrainingError: see `dapt_prefix`.
        """
        self._known.check_name(domain)
        check_types(types, ())
        config, prefix = config or DaptConfig(), prefix or PrefixConfig()
        result = dapt_prefix(self.backbone, text, config, prefix=prefix, progress=progress)
        corpus = Corpus(domain, {}, types=types)
        self._learn(domain, corpus, prefix, TrainingConfig(seed=config.seed), result, "dapt")
        return result

    def self_train(
        self,
        domain: str,
        text: Iterable[str | Sentence],
        corpus: Corpus | None = None,
        config: TrainingConfig | None = None,
        *,
        least_score: float = 0.4,
        run_dir: str | Path | None = None,
        resume: bool = False,
        progress: Report | None = None,
    ) -> TrainingResult:
        """Train a new prefix on what a domain finds in unlabelled text; the domain gets it in place of what it had.

        Best begun with an ensemble: four members teach more than one, and what comes of it is one prefix again, as
        small and as fast as any.

        Args:
            domain: the teacher: any domain, an ensemble too.
            text: a sentence or a paragraph each.
            corpus: its `train` is learnt from as well, its `dev` chooses the best epoch; None for no labels.
            least_score: texts with an entity of a lower score, in [0, 1], are left out.
            The rest is as in `warm_up`.

        Raises:
            UnknownDomainError: there is no such domain.
            ConfigError: the score is out of its range, or the corpus has types that the domain lacks.
            TrainingError: nothing is left to learn from, or see `train_prefix`.
        """
        if isinstance(text, str):
            raise ConfigError("text must be a list of texts, or anything else that gives them one by one")
        if not 0 <= least_score <= 1:
            raise ConfigError(f"least_score={least_score} is out of range; expected 0 to 1")
        card, corpus = self.card(domain), corpus or Corpus(domain, {}, types=())
        check_types(card.types, (*corpus.train, *corpus.dev))
        read = (one if isinstance(one, Sentence) else _sentence(one) for one in text)
        sentences = [sentence for sentence in read if sentence.words]
        labelled = pseudo_label(sentences, self.recognise(sentences, domain, progress=progress), least_score)
        if not labelled and not corpus.train:
            raise TrainingError(
                f"nothing to learn from: of {len(sentences):,} texts with words, none is without an entity of a score "
                f"below least_score={least_score}"
            )
        whole = prefix_config(card)
        prefix = replace(whole, length=whole.length // max(1, len(card.members)))
        run = _Run(config or TrainingConfig(), run_dir, resume, progress).asking(card)
        lesson = Corpus(corpus.name, {"train": [*corpus.train, *labelled], "dev": corpus.dev}, types=card.types)
        result = self._train(fresh(self.backbone, prefix), lesson, card.types, run)
        corpus = Corpus(corpus.name, corpus.splits, types=card.types)
        self._learn(
            domain, corpus, prefix, run.config, result, "self-training", card.sources, pseudo_labelled=len(labelled)
        )
        return result

    def select(
        self,
        target: str,
        sources: Sources,
        *,
        alpha: Alpha = 0.5,
        temperature: float = 1.0,
        top_k: int | None = None,
        weighting: str = "softmax",
    ) -> Selection:
        """Weigh source domains by their likeness to a target (Eq. 5-8); see `select_domains`.

        Args:
            sources: names of domains; "auto" takes all others whose prefixes fit the target's.

        Raises:
            UnknownDomainError: there is no such domain.
            ConfigError: a source is named twice or is the target, none fits, or a setting is out of its range.
            PrefixMismatchError: a prefix was made for another backbone, has another shape, or is an ensemble's.
        """
        sources = self._sources(target, sources)
        queries = [self._query(name) for name in (target, *sources)]
        return select_domains(
            queries[0], queries[1:], alpha=alpha, temperature=temperature, top_k=top_k, weighting=weighting
        )

    def collaborate(
        self,
        target: str,
        sources: Sources,
        corpus: Corpus,
        config: TrainingConfig | None = None,
        *,
        alpha: Alpha = 0.5,
        temperature: float = 1.0,
        top_k: int | None = None,
        weighting: str = "softmax",
        space: str = "prefix",
        share: float = 0.5,
        run_dir: str | Path | None = None,
        resume: bool = False,
        progress: Report | None = None,
    ) -> TrainingResult:
        """Put source prefixes into a warmed-up target's and train that on (Eq. 5-10).

        Args:
            corpus: the target's; its types are among those of the warm-up.
            space: average baked prefixes ("prefix"), or P and its network ("parameters", as Eq. 9-10 are written).
            share: what the sources make up of the average; 1/2 is the paper's.
            The rest is as in `select` and `warm_up`.

        Raises:
            UnknownDomainError, ConfigError, PrefixMismatchError, TrainingError: see `select`, `collaboration_start` and
                `train_prefix`.
        """
        sources = self._sources(target, sources)
        selection = self.select(target, sources, alpha=alpha, temperature=temperature, top_k=top_k, weighting=weighting)
        warm = {name: self._known.single(name, whole=space == "parameters") for name in (target, *sources)}
        run = _Run(config or TrainingConfig(), run_dir, resume, progress).asking(warm[target].card)
        warn_of_starts(target, {name: domain.card.start_fingerprint for name, domain in warm.items()})
        types, prefix = warm[target].card.types, prefix_config(warm[target].card)
        start = collaboration_start(
            self.backbone, warm.pop(target), warm, selection.weights, prefix=prefix, space=space, share=share
        )
        result = self._train(start, corpus, types, run)
        corpus = Corpus(corpus.name, corpus.splits, types=types)
        weights = dict(zip(selection.sources, selection.weights, strict=True))
        self._learn(target, corpus, prefix, run.config, result, "collaborate", weights)
        return result

    def transfer(
        self,
        target: str,
        sources: Sources,
        corpus: Corpus,
        config: TrainingConfig | None = None,
        *,
        strategy: str = "collaborate",
        corpora: Mapping[str, Corpus] | None = None,
        vote: str = "probabilities",
        members: int = 4,
        alpha: Alpha = 0.5,
        temperature: float = 1.0,
        top_k: int | None = None,
        weighting: str = "softmax",
        space: str = "prefix",
        share: float = 0.5,
        run_dir: str | Path | None = None,
        resume: bool = False,
        progress: Report | None = None,
    ) -> TrainingResult:
        """Train a target with the help of source domains, by one of several strategies (section 4.3).

        Args:
            target: warmed up, but for "chain" and "zero-label", which begin at the sources.
            strategy: one of `cpner.transfer.STRATEGIES`.
            corpora: for "chain", the corpora of all sources but the first, by name.
            vote: for "ensemble", whether members agree on "probabilities", piece by piece, or on "predictions".
            members: of an "ensemble" without sources: trainings, with seeds from `members * config.seed` on.
            The rest is as in `collaborate`; "zero-label" takes nothing of the corpus but its types.

        Returns:
            How the training went; of an ensemble, of all members together.

        Raises:
            ConfigError: no such strategy, too few or too many sources, or a corpus is missing. The rest is as in
                `collaborate`.
        """
        check_strategy(strategy, sources)
        sources = self._sources(target, sources)
        if vote not in VOTES:
            raise ConfigError(f"no vote on {vote!r}; an ensemble agrees on {' or '.join(VOTES)}")
        run = _Run(config or TrainingConfig(), run_dir, resume, progress)
        if strategy == "none":
            return self._train_on(target, corpus, run)
        if strategy == "ensemble" and not sources:
            return self._seeds(target, corpus, run, members, vote)
        if strategy == "chain":
            return self._chain(target, sources, corpus, corpora or {}, run)
        if strategy == "zero-label":
            return self._zero_label(target, sources, corpus, run, temperature, top_k, weighting)
        alphas = alpha_of_each(alpha, sources)
        if strategy == "single":
            weights = self.select(target, sources, alpha=alphas).weights
            sources = [sources[max(range(len(sources)), key=lambda i: weights[i])]]
        top_k = None if strategy in ("single", "ensemble") else top_k
        weighting = "uniform" if strategy == "uniform" else weighting
        warm, results = self._known.single(target, whole=space == "parameters"), {}
        for names in [[name] for name in sources] if strategy == "ensemble" else [list(sources)]:
            self._known.keep(warm)  # each member of an ensemble begins at the warm-up
            results[names[0]] = self.collaborate(
                target, names, corpus, run.config, alpha={name: alphas[name] for name in names},
                temperature=temperature, top_k=top_k,
                weighting=weighting, space=space, share=share,
                run_dir=_within(run_dir, names[0]) if strategy == "ensemble" else run_dir,
                resume=resume, progress=progress,
            )  # fmt: skip
        if strategy == "ensemble":
            return self._gather(target, sources, results, corpus, run, vote)
        made = self._known.find(target)
        self._known.keep(replace(made, card=replace(made.card, strategy=strategy)))
        return results[sources[0]]

    def fit(
        self,
        domain: str,
        corpus: Corpus,
        sources: Sources = (),
        config: TrainingConfig | None = None,
        *,
        prefix: PrefixConfig | None = None,
        alpha: Alpha = 0.5,
        temperature: float = 1.0,
        top_k: int | None = None,
        weighting: str = "softmax",
        space: str = "prefix",
        share: float = 0.5,
        run_dir: str | Path | None = None,
        resume: bool = False,
        progress: Report | None = None,
    ) -> TrainingResult:
        """Warm a domain up, select among source domains, and collaborate with them.

        Args:
            sources: names of domains; "auto" takes all others whose prefixes fit; none is a warm-up alone.
            prefix: shape of the prefix; None for that of the first named source, or for the defaults.
            run_dir: the two stages have folders of their own in it.
            The rest is as in `warm_up`, `select` and `collaborate`.
        """
        names = [] if sources == "auto" else self._sources(domain, sources)
        prefix = prefix or (prefix_config(self.card(names[0])) if names else PrefixConfig())
        if sources == "auto":
            names, others = self._known.fitting(domain, prefix)
            if others and not names:
                warnings.warn(f"{_no_source(others)}; a source that is named gives its shape", stacklevel=2)
        for name in names:
            self._known.check_shape(name, self._known.single(name).prefix, prefix)
        check_collaboration(space, share)
        if names:
            check_selection(names, alpha=alpha, temperature=temperature, top_k=top_k, weighting=weighting)
        result = self.warm_up(
            domain, corpus, config,
            prefix=prefix, run_dir=_within(run_dir, "warm-up"), resume=resume, progress=progress,
        )  # fmt: skip
        if not names:
            return result
        return self.collaborate(
            domain, names, corpus, config, alpha=alpha, temperature=temperature, top_k=top_k, weighting=weighting,
            space=space, share=share, run_dir=_within(run_dir, "collaborate"), resume=resume, progress=progress,
        )  # fmt: skip

    @overload
    def predict(  # type: ignore[overload-overlap]
        self,
        text: str,
        domain: str | None = None,
        *,
        types: Sequence[str] | None = None,
        batch_size: int = 32,
        beams: int = 1,
    ) -> list[Entity]: ...

    @overload
    def predict(
        self,
        text: Sequence[str],
        domain: Names = None,
        *,
        types: Sequence[str] | None = None,
        batch_size: int = 32,
        beams: int = 1,
    ) -> list[list[Entity]]: ...

    def predict(
        self,
        text: str | Sequence[str],
        domain: Names = None,
        *,
        types: Sequence[str] | None = None,
        batch_size: int = 32,
        beams: int = 1,
    ) -> list[Entity] | list[list[Entity]]:
        """Find the entities of texts.

        Args:
            text: one text or several, of any length.
            domain: whose prefix to use: one domain for all, or one for each text. None needs `types`: zero-shot, the
                backbone alone is told what to look for.
            types: look for these types instead of the domain's.
            batch_size: sentences decoded at once.
            beams: outputs that the search keeps for each sentence; 1 is greedy search, more are slower.

        Returns:
            The entities of the text (or of each text), with offsets in characters and scores in [0, 1].

        Raises:
            UnknownDomainError: there is no such domain.
            ConfigError: neither a domain nor types, or as many domains as texts are not there.
            CorpusError: a text is no Unicode.
            PrefixMismatchError: the domain was made for another backbone.
        """
        texts = [text] if isinstance(text, str) else list(text)
        odd = next((t for t in texts if not isinstance(t, str)), None)
        if odd is not None or (isinstance(text, str) and not isinstance(domain, str | None)):
            raise ConfigError(f"predict takes a text and a domain, or lists of them; got {odd or domain!r}")
        sentences = [_sentence(text) for text in texts]
        found = self.recognise(sentences, domain, types=types, batch_size=batch_size, beams=beams)
        entities = [
            [sentence.entity(f.span, f.score) for f in own] for sentence, own in zip(sentences, found, strict=True)
        ]
        return entities[0] if isinstance(text, str) else entities

    def recognise(
        self,
        sentences: Sequence[Sentence],
        domain: Names = None,
        *,
        types: Sequence[str] | None = None,
        batch_size: int = 32,
        beams: int = 1,
        free: bool = False,
        progress: Report | None = None,
    ) -> list[list[Prediction]]:
        """Find the entities of sentences as spans of their words, with scores.

        Args:
            free: generate without the grammar, greedily; the scores are then 1.
            progress: called after every batch. The rest is as in `predict`.
        """
        names = [domain] * len(sentences) if domain is None or isinstance(domain, str) else list(domain)
        if len(names) != len(sentences) or batch_size < 1:
            raise ConfigError(
                f"{len(names)} domains for {len(sentences)} texts with batch_size={batch_size}; "
                "expected one domain for all or one for each, and at least 1"
            )
        if beams < 1 or (free and beams > 1):
            raise ConfigError(f"beams={beams} with free={free}; expected at least 1, and 1 without the grammar")
        if types is not None:
            check_types(types, ())
        prompts = {name: self._prompt(name, types) for name in dict.fromkeys(names)}
        tasks = [Task(sentence, prompts[name], name) for sentence, name in zip(sentences, names, strict=True)]
        prefixes = {name: self._known.prefix(name) for name in prompts if name is not None}
        cards = {name: self._known.find(name).card for name in prefixes}
        search = None if beams == 1 else partial(beam_search, beams=beams)
        return recognise_all(
            self.backbone, tasks, prefixes, cards, batch_size=batch_size, free=free, search=search, progress=progress
        )

    def evaluate(
        self,
        corpus: Corpus,
        domain: str | None,
        split: str = "test",
        *,
        types: Sequence[str] | None = None,
        free: bool = False,
        batch_size: int = 32,
        progress: Report | None = None,
    ) -> Evaluation:
        """Score a domain on a split of a corpus.

        Args:
            domain: None scores the backbone alone, zero-shot, on the corpus's types.
            free: generate without the grammar, to see what it is worth. The rest is as in `predict`.

        Raises:
            CorpusError: the corpus has no such split.
        """
        if split not in corpus.splits:
            raise CorpusError(f"corpus {corpus.name!r} has no split {split!r}; it has {', '.join(corpus.splits)}")
        gold = corpus.splits[split]
        types = list(types or (corpus.types if domain is None else self.card(domain).types))
        found = self.recognise(gold, domain, types=types, batch_size=batch_size, free=free, progress=progress)
        return evaluate(gold, found, types)

    def save(
        self, store: str | Path | None = None, *, domains: Iterable[str] | None = None, reparameterisation: bool = False
    ) -> None:
        """Store domains.

        Args:
            store: folder; made if it doesn't exist. None takes that of `load`.
            domains: which; None for all that were trained or added since they were last saved.
            reparameterisation: keep P and its network too, for collaboration on parameters; a network has
                millions of numbers.

        Raises:
            ConfigError: there is no folder to save to.
            UnknownDomainError: there is no such domain.
        """
        folder = None if store is None else Path(store)
        self._known.save(folder, domains, reparameterisation=reparameterisation)

    def reload(self) -> None:
        """Read stored domains anew when they are next used; what is not saved stays."""
        self._known.reload()

    def _train(self, start: Reparameterisation, corpus: Corpus, types: Sequence[str], run: _Run) -> TrainingResult:
        if not corpus.train:
            raise TrainingError(f"corpus {corpus.name!r} has no sentence to train on; it has {list(corpus.splits)}")
        return train_prefix(
            self.backbone, start, corpus.train, corpus.dev, types, run.config,
            run_dir=run.run_dir, resume=run.resume, progress=run.progress,
        )  # fmt: skip

    def _train_on(self, target: str, corpus: Corpus, run: _Run) -> TrainingResult:
        """Go on from a warm-up, without a source."""
        warm = self._known.single(target)
        prefix, run = prefix_config(warm.card), run.asking(warm.card)
        start = Reparameterisation(self.backbone.t5.shape, prefix, warm.prefix)
        result = self._train(start, corpus, warm.card.types, run)
        corpus = Corpus(corpus.name, corpus.splits, types=warm.card.types)
        self._learn(target, corpus, prefix, run.config, result, "none")
        return result

    def _chain(
        self, target: str, sources: Sequence[str], corpus: Corpus, corpora: Mapping[str, Corpus], run: _Run
    ) -> TrainingResult:
        """Train one prefix on several domains in turn (section 4.3, chain transfer); each has its run folder."""
        self._known.check_name(target)
        if missing := [name for name in sources[1:] if name not in corpora]:
            raise ConfigError(
                f"a chain trains on the sentences of {missing[0]!r} too: give its corpus (the first source needs none)"
            )
        first = self._known.single(sources[0])
        prefix, learnt, run = prefix_config(first.card), first.prefix, run.asking(first.card)
        links = {**{name: corpora[name] for name in sources[1:]}, target: corpus}
        for i, (name, link) in enumerate(links.items()):
            start = Reparameterisation(self.backbone.t5.shape, prefix, learnt)
            result = self._train(start, link, link.types, run.part(f"{i}-{name}"))
            learnt = result.prefix
        self._learn(target, corpus, prefix, run.config, result, "chain", dict.fromkeys(sources, 1.0))
        return result

    def _seeds(self, target: str, corpus: Corpus, run: _Run, members: int, vote: str) -> TrainingResult:
        """An ensemble without sources."""
        if members < 2:
            raise ConfigError(f"an ensemble of {members} members; expected at least 2")
        warm, results = self._known.single(target), {}
        for seed in range(members * run.config.seed, members * (run.config.seed + 1)):
            self._known.keep(warm)
            one = run.part(f"seed-{seed}")._replace(config=replace(run.config, seed=seed))
            results[f"seed {seed}"] = self._train_on(target, corpus, one)
        return self._gather(target, (), results, corpus, run, vote)

    def _gather(
        self,
        target: str,
        sources: Sequence[str],
        results: Mapping[str, TrainingResult],
        corpus: Corpus,
        run: _Run,
        vote: str,
    ) -> TrainingResult:
        """Keep the members of an ensemble as one domain."""
        card, result = self.card(target), gather(results)
        one, run = prefix_config(card), run.asking(card)
        prefix = replace(one, length=one.length * len(results))
        corpus = Corpus(corpus.name, corpus.splits, types=card.types)
        equal = {name: 1 / len(results) for name in sources}
        self._learn(target, corpus, prefix, run.config, result, "ensemble", equal, members=list(results), vote=vote)
        return result

    def _zero_label(
        self,
        target: str,
        sources: Sequence[str],
        corpus: Corpus,
        run: _Run,
        temperature: float,
        top_k: int | None,
        weighting: str,
    ) -> TrainingResult:
        self._known.check_name(target)
        check_types(corpus.types, ())
        queries, first = [self._query(name) for name in sources], self.card(sources[0])
        prefix, run = prefix_config(first), run.asking(first)
        own = DualQuery(target, self.backbone.embed_types(corpus.types), queries[0].prefix)  # alpha leaves it out
        selection = select_domains(own, queries, alpha=1.0, temperature=temperature, top_k=top_k, weighting=weighting)
        weights = dict(zip(selection.sources, selection.weights, strict=True))
        result = untrained(mix([self._known.find(name).prefix for name in sources], selection.weights))
        corpus = Corpus(corpus.name, {}, types=corpus.types)
        self._learn(target, corpus, prefix, run.config, result, "zero-label", weights)
        return result

    def _sources(self, target: str, sources: Sources) -> Sequence[str]:
        """The names of source domains, each once; "auto" is all that fit the target, stored or not yet there."""
        if sources == "auto":
            prefix = prefix_config(self.card(target)) if target in self.domains else PrefixConfig()
            sources, others = self._known.fitting(target, prefix)
            if not sources:
                raise ConfigError(_no_source(others) if others else f"{target!r} is alone: no domain to learn from")
        if isinstance(sources, str) or target in sources or len(set(sources)) < len(sources):
            raise ConfigError(f"sources {sources!r} of {target!r} must be a list of other domains, each named once")
        return sources

    def _prompt(self, name: str | None, types: Sequence[str] | None) -> Instructor:
        """How to ask for a domain's entities, or for these types."""
        if name is None:
            if types is None:
                raise ConfigError("neither a domain nor types to look for: name one of them")
            return Instructor(self.backbone.vocabulary, types)
        return (
            self._known.prompt(name) if types is None else prompt_of(self._known.find(name).card, self.backbone, types)
        )

    def _query(self, name: str) -> DualQuery:
        domain = self._known.single(name)
        start = quiet_start(self.backbone, prefix_config(domain.card))
        learnt = mix([domain.prefix, start], [1.0, -1.0])  # what all have in common would make any two alike
        return DualQuery(name, self.backbone.embed_types(domain.card.types), learnt)

    def _learn(
        self,
        name: str,
        corpus: Corpus,
        prefix: PrefixConfig,
        config: TrainingConfig,
        result: TrainingResult,
        strategy: str = "warm-up",
        sources: dict[str, float] | None = None,
        *,
        members: Sequence[str] = (),
        vote: str = VOTES[0],
        pseudo_labelled: int | None = None,
    ) -> None:
        """Keep what a training made."""
        metrics = {
            "pseudo_labelled": pseudo_labelled,
            "dev_f1": result.best_f1,
            "best_epoch": result.best_epoch,
            "epochs": result.epochs,
            "steps": result.steps,
            "seconds": round(result.seconds, 1),
        }
        card = replace(
            self._known.new_card(name, corpus.types, prefix),
            statistics=corpus.statistics(),
            sources=sources or {},
            strategy=strategy,
            metrics={key: value for key, value in metrics.items() if value is not None},
            seed=config.seed,
            options=config.options,
            members=list(members),
            vote=vote,
        )
        self._known.keep(StoredDomain(card, result.prefix, result.reparameterisation or None))


def _no_source(others: Sequence[str]) -> str:
    return (
        f"{len(others)} stored domain{'s' * (len(others) > 1)} can't be a source, as ensembles or prefixes of another "
        f"shape or backbone: {others[0]!r}"
    )


def _within(run_dir: str | Path | None, name: str) -> Path | None:
    """The folder of one of several trainings; None where none has one."""
    return None if run_dir is None else Path(run_dir) / name


def _sentence(text: str) -> Sentence:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CorpusError(
            f"character {error.start} of a text is half of a surrogate pair, which is no letter"
        ) from error
    return Sentence.from_text(text)
