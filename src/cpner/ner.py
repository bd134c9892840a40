"""CPNER: one frozen backbone and the prefixes of its domains, to train, to transfer between, and to predict with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from cpner.alternatives import Alternatives
from cpner.backbone.prefix import Prefix
from cpner.backbone.shape import PrefixConfig
from cpner.calibrating import with_calibrator
from cpner.corpus import Corpus, Sentence
from cpner.corpus.checks import check_corpus, sentence_of
from cpner.corpus.sampling import spread
from cpner.errors import ConfigError, TrainingError
from cpner.progress import Report
from cpner.store import DomainCard, StoredDomain
from cpner.store.card import VOTES
from cpner.store.domains import Sources
from cpner.training import TrainingConfig, TrainingResult, check_types
from cpner.training.run import Run
from cpner.transfer.dapt import DaptConfig, dapt_prefix
from cpner.transfer.mixing import Mixing
from cpner.transfer.plan import run_plan, self_training, warm_up
from cpner.transfer.selector import DualQuery, Selection, select_domains
from cpner.transfer.self_training import pseudo_label
from cpner.transfer.strategies import STRATEGIES, Job, Plan, check_strategy, collaborate


class CPNER(Alternatives):
    """A named-entity recogniser for any number of domains.

    A domain changes once, when its training has ended: who predicts meanwhile gets answers of what it was before.

    Args:
        backbone: the frozen model that all domains share.
        store: folder of stored domains; read when a domain is first used, written by `save` only.
    """

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
        self._domains.check_shape(name, prefix, config)
        card = self._domains.new_card(name, types, config, options=options)
        self._domains.put(StoredDomain(card, prefix))

    def warm_up(
        self,
        domain: str,
        corpus: Corpus,
        config: TrainingConfig | None = None,
        *,
        prefix: PrefixConfig | None = None,
        run: Run | None = None,
    ) -> TrainingResult:
        """Train a domain's prefix on its own sentences (Eq. 4); what the domain had before is replaced.

        Args:
            corpus: `train` is learnt from, `dev` (if any) chooses the best epoch, `types` are the domain's.
            config: settings of training; None for the defaults.
            prefix: shape of the prefix; None for the defaults.
            run: where checkpoints go, whether to go on from them, and whom to report to; None keeps none.

        Raises:
            StoreError: the domain's name can't be stored.
            ConfigError: the corpus has no types, or types that can't be written.
            TrainingError: there is nothing to learn from, the loss is not a number, or the folder can't be used.
        """
        check_corpus(corpus)
        self._domains.check_name(domain)
        plan = warm_up(self.backbone, corpus, prefix or PrefixConfig(), config or TrainingConfig())
        return self._carry_out(domain, "warm-up", plan, run)

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
            config: settings; None for the defaults.
            prefix: shape of the prefix; None for the defaults.
            progress: called after every step.

        Raises:
            StoreError: the domain's name can't be stored.
            BackboneError: the backbone's vocabulary has no pieces to hide spans behind.
            TrainingError: there is no text, or the loss is not a number.
        """
        self._domains.check_name(domain)
        check_types(types, ())
        config = config or DaptConfig()
        prefix = prefix or PrefixConfig()
        result = dapt_prefix(self.backbone, text, config, prefix=prefix, progress=progress)
        plan = Plan(Corpus(domain, {}, types=types), prefix, TrainingConfig(seed=config.seed))
        self._domains.put(self._made(domain, "dapt", plan, result))
        return result

    def self_train(
        self,
        domain: str,
        text: Iterable[str | Sentence],
        corpus: Corpus | None = None,
        config: TrainingConfig | None = None,
        *,
        least_score: float = 0.4,
        run: Run | None = None,
    ) -> TrainingResult:
        """Train a new prefix on what a domain finds in unlabelled text; the domain gets it in place of what it had.

        Best begun with an ensemble: four members teach more than one. What comes of it is one prefix again, as small
        and as fast as any.

        Args:
            domain: the teacher: any domain, an ensemble too.
            text: a sentence or a paragraph each.
            corpus: its `train` is learnt from as well, its `dev` chooses the best epoch; None for no labels.
            config: settings of training; None for the defaults.
            least_score: texts with an entity of a lower raw score, in [0, 1], are left out.
            run: where checkpoints go, whether to go on from them, and whom to report to; None keeps none.

        Raises:
            UnknownDomainError: there is no such domain.
            ConfigError: the score is out of its range, or the corpus has types that the domain lacks.
            TrainingError: nothing is left to learn from, the loss is not a number, or the folder can't be used.
        """
        if isinstance(text, str):
            raise ConfigError("text must be a list of texts, or anything else that gives them one by one")
        if not 0 <= least_score <= 1:
            raise ConfigError(f"least_score={least_score} is out of range; expected 0 to 1")
        teacher = self._domains.get(domain)
        corpus = corpus or Corpus(domain, {}, types=())
        check_corpus(corpus)
        check_types(teacher.card.types, (*corpus.train, *corpus.dev))
        read = (one if isinstance(one, Sentence) else sentence_of(one) for one in text)
        sentences = [sentence for sentence in read if sentence.words]
        predictions = self.recognise(sentences, domain, calibrated=False, progress=run.progress if run else None)
        labelled = pseudo_label(sentences, predictions, least_score)
        if not labelled and not corpus.train:
            raise TrainingError(
                f"nothing to learn from: of {len(sentences):,} texts with words, none is without an entity of a score "
                f"below least_score={least_score}"
            )
        plan = self_training(self.backbone, teacher, corpus, labelled, config or TrainingConfig())
        return self._carry_out(domain, "self-training", plan, run, pseudo_labelled=len(labelled))

    def select(self, target: str, sources: Sources, *, mixing: Mixing | None = None) -> Selection:
        """Weigh source domains by their likeness to a target (Eq. 5-8).

        Args:
            sources: names of domains; "auto" takes all others whose prefixes fit the target's.
            mixing: how to weigh; None takes the paper's settings.

        Raises:
            UnknownDomainError: there is no such domain.
            ConfigError: a source is named twice or is the target, none fits, or a setting does not suit them.
            PrefixMismatchError: a prefix was made for another backbone, has another shape, or is an ensemble's.
        """
        names = [target, *self._domains.sources(target, sources)]
        queries = [DualQuery.of(self._domains.get_single(name), self.backbone) for name in names]
        return select_domains(queries[0], queries[1:], mixing)

    def transfer(
        self,
        target: str,
        sources: Sources,
        corpus: Corpus,
        config: TrainingConfig | None = None,
        *,
        strategy: str = "collaborate",
        corpora: Mapping[str, Corpus] | None = None,
        vote: str = VOTES[0],
        members: int = 4,
        mixing: Mixing | None = None,
        run: Run | None = None,
    ) -> TrainingResult:
        """Train a target with the help of source domains, by one of several strategies (section 4.3).

        Args:
            target: warmed up, but for "chain" and "zero-label", which begin at the sources.
            sources: names of domains; "auto" takes all others whose prefixes fit the target's.
            corpus: the target's; its types are among those of the warm-up. "zero-label" takes its types alone.
            config: settings of each training; None for the defaults.
            strategy: one of `cpner.transfer.STRATEGIES`; the default puts the sources' prefixes into the target's and
                trains that on (Eq. 5-10).
            corpora: for "chain", the corpora of all sources but the first, by name.
            vote: for "ensemble", whether members agree on "probabilities", piece by piece, or on "predictions".
            members: of an "ensemble" without sources: trainings, with seeds from `members * config.seed` on.
            mixing: how the sources are weighed and mixed in; None takes the paper's settings.
            run: where checkpoints go, whether to go on from them, and whom to report to; None keeps none.

        Returns:
            How the training went; of an ensemble, of all members together.

        Raises:
            UnknownDomainError: there is no such domain.
            ConfigError: no such strategy, too few or too many sources, a corpus is missing, or a setting is out of
                its range.
            PrefixMismatchError: a prefix was made for another backbone, has another shape, or is an ensemble's.
            TrainingError: there is nothing to learn from, the loss is not a number, or the folder can't be used.
        """
        check_corpus(corpus)
        check_strategy(strategy, sources)
        names = self._domains.sources(target, sources)
        if vote not in VOTES:
            raise ConfigError(f"no vote on {vote!r}; an ensemble agrees on {' or '.join(VOTES)}")
        self._domains.check_name(target)
        mixing = mixing or Mixing()
        find = partial(self._domains.get_single, whole=mixing.space == "parameters")
        config = config or TrainingConfig()
        job = Job(self.backbone, target, names, corpus, config, find, mixing, corpora or {}, members, vote)
        return self._carry_out(target, strategy, STRATEGIES[strategy](job), run)

    def fit(
        self,
        domain: str,
        corpus: Corpus,
        sources: Sources = (),
        config: TrainingConfig | None = None,
        *,
        prefix: PrefixConfig | None = None,
        mixing: Mixing | None = None,
        run: Run | None = None,
    ) -> TrainingResult:
        """Warm a domain up, select among source domains, and collaborate with them (Eq. 4-10).

        Args:
            corpus: `train` is learnt from, `dev` (if any) chooses the best epoch, `types` are the domain's.
            sources: names of domains; "auto" takes all others whose prefixes fit; none is a warm-up alone.
            config: settings of each training; None for the defaults.
            prefix: shape of the prefix; None for that of the first named source, or for the defaults.
            mixing: how the sources are weighed and mixed in; None takes the paper's settings.
            run: where checkpoints go, each stage's in a folder of its own, whether to go on from them, and whom to
                report to; None keeps none.

        Returns:
            How the last training went.

        Raises:
            StoreError: the domain's name can't be stored.
            UnknownDomainError: there is no such source.
            ConfigError: a source is named twice or is the domain, or a setting does not suit the sources.
            PrefixMismatchError: a source was made for another backbone, has another shape, or is an ensemble.
            TrainingError: there is nothing to learn from, the loss is not a number, or the folder can't be used.
        """
        check_corpus(corpus)
        mixing = mixing or Mixing()
        run = run or Run()
        config = config or TrainingConfig()
        prefix, names = self._domains.sources_to_fit(domain, sources, prefix)
        if names:
            mixing.resolve(names)
        self._domains.check_name(domain)
        plan = warm_up(self.backbone, corpus, prefix, config)
        result = run_plan(self.backbone, plan, run.part("warm-up"))
        warm = self._made(domain, "warm-up", plan, result)
        if names:
            find = partial(self._domains.get_single, whole=mixing.space == "parameters", instead=warm)
            shared = collaborate(Job(self.backbone, domain, names, corpus, config, find, mixing))
            if shared.lessons:  # else the sources don't help
                result = run_plan(self.backbone, shared, run.part("collaborate"))
                warm = self._made(domain, "collaborate", shared, result)
        self._domains.put(self._calibrated(warm, plan))
        return result

    def calibrate(self, domain: str, sentences: Sequence[Sentence], *, progress: Report | None = None) -> DomainCard:
        """Fit a domain's calibrator and thresholds; trainings with a dev split end so. Returns the new card.

        Args:
            sentences: labelled, like those that it will read, and none that it has learnt from.
            progress: called after every batch.

        Raises:
            UnknownDomainError: there is no such domain.
            ConfigError: there is no sentence, or one has entities of types that the domain lacks.
        """
        stored = self._domains.get(domain)
        if not sentences:
            raise ConfigError("no sentence to calibrate on: give labelled ones that the domain has not learnt from")
        check_types(stored.card.types, sentences)
        made = with_calibrator(self.backbone, stored, sentences, self.calibration.trained, progress=progress)
        self._domains.put(made)
        return made.card

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
        self._domains.save(folder, domains, reparameterisation=reparameterisation)

    def remove(self, name: str) -> None:
        """Forget a domain, and delete it from the store if it is there.

        Raises:
            UnknownDomainError: there is no such domain.
            StoreError: it can't be deleted.
        """
        self._domains.remove(name)

    def _carry_out(self, name: str, strategy: str, plan: Plan, run: Run | None, **metrics: float) -> TrainingResult:
        """Train, and then let the domain be what came of it."""
        result = run_plan(self.backbone, plan, run or Run())
        self._domains.put(self._calibrated(self._made(name, strategy, plan, result, **metrics), plan))
        return result

    def _calibrated(self, domain: StoredDomain, plan: Plan) -> StoredDomain:
        """With a calibrator that was fitted on the dev sentences that training has looked at, if there are any."""
        looked_at = spread(plan.corpus.dev, plan.config.eval_limit)
        return with_calibrator(self.backbone, domain, looked_at, self.calibration.trained)

    def _made(self, name: str, strategy: str, plan: Plan, result: TrainingResult, **metrics: float) -> StoredDomain:
        """What a training has made, as the store will give it back."""
        types = plan.corpus.types
        card = self._domains.new_card(name, types, plan.whole_prefix, strategy=strategy, **plan.facts(result, metrics))
        return StoredDomain(card, result.prefix, result.reparameterisation or None).as_stored()
