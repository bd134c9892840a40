"""`cpner dapt`: domain-adaptive pre-training on unlabelled text (section 4.2)."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import click

from cpner.cli.console import progress_bar
from cpner.cli.corpus import CorpusOptions, optional_corpus_options, read_lines, text_option, type_names_option
from cpner.cli.options import Engine, domain_option, engine_options, json_option, length_option, prefix_config
from cpner.cli.training import finish
from cpner.errors import ConfigError


@click.command()
@optional_corpus_options
@text_option(required=False)
@domain_option
@engine_options
@type_names_option
@click.option("--steps", type=click.IntRange(min=1), default=300, metavar="N", help="Steps of the optimiser.")
@click.option(
    "--lr", type=click.FloatRange(min=0, min_open=True), show_default="0.2", metavar="X", help="Learning rate."
)
@click.option("--seed", type=int, default=0, metavar="N", help="Of the lines drawn and the spans hidden.")
@length_option
@json_option
def dapt(
    data: CorpusOptions,
    texts: tuple[Path, ...],
    domain: str,
    engine: Engine,
    type_names: tuple[str, ...],
    steps: int,
    lr: float | None,
    seed: int,
    length: int | None,
    as_json: bool,
) -> None:
    """Train a domain's prefix on its text alone, without labels; the backbone stays as it is.

    The text is that of CORPUS (train and dev, never test), of each --text, or of both. What comes of it is a start:
    train it on with `cpner transfer`. To train the backbone itself, see `cpner pretrain --start`.

    \b
    Example:
      cpner dapt sample:music --domain music --store store
      cpner transfer sample:music --target music --strategy none --store store
    """
    from cpner.transfer.dapt import DaptConfig

    corpus = data.read() if data.corpus else None
    lines = [sentence.text for sentence in (*corpus.train, *corpus.dev)] if corpus else []
    types = type_names or (corpus.types if corpus else ())
    if corpus is None and not texts:
        raise click.UsageError("there is no text to learn from: give CORPUS or --text FILE")
    if not types:
        raise ConfigError("a domain needs types: give CORPUS, whose types they are, or --types")
    config = DaptConfig.from_flags(steps=steps, seed=seed, lr=lr)
    ner = engine.load(create=True)
    text = chain(lines, read_lines(texts))
    with progress_bar() as progress:
        result = ner.dapt(domain, text, types, config, prefix=prefix_config(length), progress=progress)
    finish(ner, domain, result, engine.store, as_json=as_json)
