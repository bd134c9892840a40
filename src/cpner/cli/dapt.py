"""`cpner dapt`: domain-adaptive pre-training on unlabelled text (section 4.2)."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import click

from cpner.backbone import EMBEDDED
from cpner.cli.console import print_json, progress_bar
from cpner.cli.options import (
    CorpusOptions,
    Engine,
    backbone_option,
    device_option,
    json_option,
    length_option,
    optional_corpus_options,
    optional_store_option,
    prefix_config,
    read_lines,
    text_option,
    type_names_option,
)
from cpner.cli.training import finish
from cpner.errors import ConfigError


@click.command()
@optional_corpus_options
@text_option(required=False)
@click.option("--domain", metavar="NAME", help="Store the trained prefix as this domain.")
@optional_store_option
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR",
              help="Train the backbone itself and write the new one here; nothing is stored.")  # fmt: skip
@backbone_option
@device_option
@type_names_option
@click.option("--steps", type=click.IntRange(min=1), default=300, show_default=True, metavar="N", help="Updates.")
@click.option(
    "--lr",
    type=click.FloatRange(min=0, min_open=True),
    metavar="X",
    help="Learning rate; default: 0.2, or 0.0003 with --out.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, metavar="N", help="Of the lines drawn and the spans hidden."
)
@length_option
@json_option
def dapt(
    data: CorpusOptions,
    texts: tuple[Path, ...],
    domain: str | None,
    store: Path | None,
    out: Path | None,
    backbone: str | None,
    device: str | None,
    type_names: tuple[str, ...],
    steps: int,
    lr: float | None,
    seed: int,
    length: int | None,
    as_json: bool,
) -> None:
    """Train a domain's prefix on its text alone, without labels; the backbone stays as it is.

    The text is that of CORPUS (train and dev, never test), of each --text, or of both. What comes of it is a start:
    train it on with `cpner transfer`. With --out the backbone itself is trained, and a new one written.

    \b
    Example:
      cpner dapt sample:music --domain music --store store
      cpner transfer sample:music --target music --strategy none --store store
      cpner dapt --text reviews.txt --out backbones/reviews
    """
    from cpner.ner import CPNER
    from cpner.transfer.dapt import DaptConfig, dapt_backbone, write_tuned

    if (domain is None or store is None) == (out is None):
        raise click.UsageError("give --domain and --store for a prefix, or --out for a backbone")
    corpus = data.read() if data.corpus else None
    lines = [sentence.text for sentence in (*corpus.train, *corpus.dev)] if corpus else []
    types = type_names or (corpus.types if corpus else ())
    if corpus is None and not texts:
        raise click.UsageError("no text: give CORPUS or --text")
    if out is None and not types:
        raise ConfigError("a domain needs types: give CORPUS, whose types they are, or --type-names")
    config = DaptConfig.from_flags(steps=steps, seed=seed, lr=lr, backbone_lr=lr)
    if store is not None:
        ner = Engine(store, backbone, device).load(create=True)
    else:
        ner = CPNER.load(backbone or EMBEDDED, device=device)
    with progress_bar() as progress:
        if out is not None:
            if out.exists():
                raise ConfigError(f"{out} is there already: choose a new folder for the backbone")
            write_tuned(dapt_backbone(ner.backbone, chain(lines, read_lines(texts)), config, progress=progress), out)
        elif domain is not None and store is not None:
            text = chain(lines, read_lines(texts))
            result = ner.dapt(domain, text, types, config, prefix=prefix_config(length), progress=progress)
            finish(ner, domain, result, store, as_json=as_json)
            return
    if as_json:
        print_json({"backbone": str(out)})
    else:
        click.echo(f"Wrote    {out}; use it as --backbone {out}")
