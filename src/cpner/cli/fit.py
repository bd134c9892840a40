"""`cpner fit`: warm-up, selection and transfer in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cpner.cli.console import progress_bar
from cpner.cli.options import (
    CorpusOptions,
    Engine,
    MixOptions,
    TrainingOptions,
    corpus_options,
    domain_option,
    engine_options,
    json_option,
    length_option,
    mix_options,
    optional_sources_option,
    prefix_config,
    training_options,
)
from cpner.cli.training import finish, run_folder

if TYPE_CHECKING:
    from cpner.ner import Sources


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
    mixing: MixOptions,
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
    run_dir = run_folder(engine.store, domain, resume=training.resume)
    with progress_bar() as progress:
        result = ner.fit(
            domain,
            corpus,
            sources,
            config,
            prefix=prefix_config(length),
            alpha=mixing.alpha,
            temperature=mixing.temperature,
            top_k=mixing.top_k,
            weighting=mixing.weighting,
            run_dir=run_dir,
            resume=training.resume,
            progress=progress,
        )
    finish(ner, domain, result, engine.store, run_dir, as_json=as_json)
