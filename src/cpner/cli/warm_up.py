"""`cpner warm-up`: a domain's own prefix (Eq. 4)."""

from __future__ import annotations

import click

from cpner.cli.corpus import CorpusOptions, corpus_options
from cpner.cli.options import Engine, domain_option, engine_options, json_option, length_option, prefix_config
from cpner.cli.settings import TrainingOptions, training_options
from cpner.cli.training import train


@click.command("warm-up")
@corpus_options
@domain_option
@engine_options
@training_options
@length_option
@json_option
def warm_up(
    data: CorpusOptions, domain: str, engine: Engine, training: TrainingOptions, length: int | None, as_json: bool
) -> None:
    """Train the prefix of a domain on CORPUS and store it; the backbone stays as it is.

    CORPUS is a folder or file that `cpner corpora stats` can read, or sample:NAME. The dev split, if there is one,
    chooses the best epoch.

    \b
    Example:
      cpner warm-up sample:news --domain news --store store
      cpner warm-up data/ai --domain ai --store store --backbone google/flan-t5-base --shots 20 --seed 1
    """
    corpus = training.sample(data.read())
    config = training.config()
    ner = engine.load(create=True)
    train(
        ner,
        domain,
        engine.store,
        lambda run: ner.warm_up(domain, corpus, config, prefix=prefix_config(length), run=run),
        resume=training.resume,
        as_json=as_json,
    )
