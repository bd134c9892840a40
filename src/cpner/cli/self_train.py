"""`cpner self-train`: one new prefix from what a stored domain finds in unlabelled text."""

from __future__ import annotations

from pathlib import Path

import click

from cpner.cli.corpus import CorpusOptions, optional_corpus_options, read_lines, text_option
from cpner.cli.options import Engine, domain_option, engine_options, json_option
from cpner.cli.settings import TrainingOptions, training_options
from cpner.cli.training import train


@click.command()
@optional_corpus_options
@text_option(required=True)
@domain_option
@engine_options
@click.option("--least-score", type=click.FloatRange(0, 1), default=0.4,
              help="Leave out sentences with an entity that the domain is less sure of.")  # fmt: skip
@training_options
@json_option
def self_train(
    data: CorpusOptions,
    texts: tuple[Path, ...],
    domain: str,
    engine: Engine,
    least_score: float,
    training: TrainingOptions,
    as_json: bool,
) -> None:
    """Train a new prefix on what a stored domain finds in unlabelled text, and store it as that domain.

    The domain's own answers are the labels, so the better it is the better what comes of it. Begin with an ensemble:
    a single prefix then takes its place, as small and as fast as any. CORPUS, if given, are labelled sentences to
    learn from as well; its dev split chooses the best epoch.

    \b
    Example:
      cpner fit films/ --domain films --store store
      cpner transfer films/ --target films --strategy ensemble --members 4 --store store
      cpner self-train films/ --text unlabelled.txt --domain films --store store
    """
    corpus = training.sample(data.read()) if data.corpus else None
    config = training.config()
    lines = list(read_lines(texts))
    ner = engine.load(domain)
    train(
        ner,
        domain,
        engine.store,
        lambda run: ner.self_train(domain, lines, corpus, config, least_score=least_score, run=run),
        resume=training.resume,
        as_json=as_json,
    )
    learnt = ner.card(domain).metrics["pseudo_labelled"]
    click.echo(f"Learnt from {learnt:,} of {len(lines):,} lines without labels", err=True)
