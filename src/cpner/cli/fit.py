"""`cpner fit`: warm-up, selection and transfer in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cpner.cli.corpus import CorpusOptions, corpus_options
from cpner.cli.options import (
    Engine,
    domain_option,
    engine_options,
    json_option,
    length_option,
    optional_sources_option,
    prefix_config,
)
from cpner.cli.settings import TrainingOptions, mix_options, training_options
from cpner.cli.training import train
from cpner.transfer.mixing import Mixing

if TYPE_CHECKING:
    from cpner.store.domains import Sources


@click.command()
@corpus_options
@domain_option
@engine_options
@optional_sources_option
@mix_options
@training_options
@length_option
@json_option
def fit(
    data: CorpusOptions,
    domain: str,
    engine: Engine,
    sources: Sources,
    mixing: Mixing,
    training: TrainingOptions,
    length: int | None,
    as_json: bool,
) -> None:
    """Train a domain on CORPUS with the help of stored domains: warm-up, selection and transfer in one.

    Without --sources there is only the warm-up.

    \b
    Example:
      cpner fit sample:music --domain music --sources auto --store store
    """
    corpus = training.sample(data.read())
    config = training.config()
    ner = engine.load(None if sources == "auto" or not sources else sources[0], create=True)
    train(
        ner,
        domain,
        engine.store,
        lambda run: ner.fit(domain, corpus, sources, config, prefix=prefix_config(length), mixing=mixing, run=run),
        resume=training.resume,
        as_json=as_json,
    )
