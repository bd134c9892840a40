"""`cpner transfer`: a domain trained on from the prefixes of others (Eq. 9-10)."""

from __future__ import annotations

import click

from cpner.cli._common import (
    CorpusOptions,
    Engine,
    MixOptions,
    TrainingOptions,
    corpus_options,
    engine_options,
    json_option,
    mix_options,
    progress_bar,
    sources_option,
    target_option,
    training_options,
)
from cpner.cli._training import finish, run_folder


@click.command()
@corpus_options
@target_option
@sources_option
@engine_options
@click.option("--strategy", type=click.Choice(["collaborate"]), default="collaborate", show_default=True,
              help="How several sources are used.")  # fmt: skip
@mix_options
@training_options
@json_option
def transfer(
    data: CorpusOptions,
    target: str,
    sources: tuple[str, ...],
    engine: Engine,
    strategy: str,
    mixing: MixOptions,
    training: TrainingOptions,
    as_json: bool,
) -> None:
    """Train a stored domain on, from the prefixes of stored source domains, and store it again.

    CORPUS is the target's. Each source counts as much as the selector says (see `cpner select`); no source is
    needed afterwards.

    \b
    Example:
      cpner transfer sample:music --target music --sources news,politics --store store
    """
    run_dir = run_folder(engine.store, target, resume=training.resume)
    corpus = training.sample(data.read())
    config = training.config()
    ner = engine.load(target)
    with progress_bar() as progress:
        result = ner.collaborate(
            target,
            sources,
            corpus,
            config,
            alpha=mixing.alpha,
            temperature=mixing.temperature,
            top_k=mixing.top_k,
            run_dir=run_dir,
            resume=training.resume,
            progress=progress,
        )
    finish(ner, target, result, engine.store, as_json=as_json)
