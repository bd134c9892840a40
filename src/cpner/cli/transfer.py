"""`cpner transfer`: a domain trained on from the prefixes of others (Eq. 9-10), by one of several strategies."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING

import click

from cpner.cli.corpus import CorpusOptions, optional_corpus_options, type_names_option
from cpner.cli.options import Engine, engine_options, json_option, open_store, optional_sources_option, target_option
from cpner.cli.settings import TrainingOptions, mix_options, training_options
from cpner.cli.training import train
from cpner.corpus import Corpus
from cpner.store.card import VOTES
from cpner.transfer.mixing import Mixing
from cpner.transfer.strategies import STRATEGIES, summary

if TYPE_CHECKING:
    from cpner.store.domains import Sources

_HELP = f"""Train a stored domain on, from the prefixes of stored source domains, and store it again.

CORPUS is the target's. Each source counts as much as the selector says (see `cpner select`); no source is
needed afterwards.

\b
Strategies:
{indent(chr(10).join(f"{name:<12} {summary(name)}" for name in STRATEGIES), "  ")}

\b
Example:
  cpner transfer sample:music --target music --sources news,politics --store store
  cpner transfer sample:music --target music --sources news,politics --strategy ensemble --store store
  cpner transfer sample:music --target music --strategy ensemble --members 4 --store store
  cpner transfer sample:music --target music --sources news,art --strategy chain --corpus-of art=data/art --store s
  cpner transfer --target food --types dish,restaurant --sources news --strategy zero-label --store store
"""


@click.command(help=_HELP)
@optional_corpus_options
@target_option
@optional_sources_option
@engine_options
@click.option("--strategy", type=click.Choice(list(STRATEGIES)), default="collaborate",
              help="How the sources are used; see above.")  # fmt: skip
@click.option("--corpus-of", "corpora", multiple=True, metavar="NAME=CORPUS",
              help="Where the sentences of a source are; chain needs them for all sources but the first.")  # fmt: skip
@click.option("--vote", type=click.Choice(VOTES), default=VOTES[0],
              help="What an ensemble agrees on, piece by piece or entity by entity.")  # fmt: skip
@click.option("--members", type=click.IntRange(2), default=4,
              help="How many trainings an ensemble without sources has.")  # fmt: skip
@type_names_option
@mix_options
@training_options
@json_option
def transfer(
    data: CorpusOptions,
    target: str,
    sources: Sources,
    engine: Engine,
    strategy: str,
    corpora: tuple[str, ...],
    vote: str,
    members: int,
    type_names: tuple[str, ...],
    mixing: Mixing,
    training: TrainingOptions,
    as_json: bool,
) -> None:
    """Train a stored domain on by one of several strategies."""
    if not sources and strategy not in ("none", "ensemble"):
        raise click.UsageError(f"strategy {strategy} needs --sources A,B or --sources auto")
    if strategy == "zero-label" and not type_names and not data.corpus:
        raise click.UsageError("zero-label needs the types of the target: give --types, or CORPUS")
    if strategy == "zero-label" and type_names:
        corpus = Corpus(target, {}, types=type_names)
    else:
        corpus = training.sample(data.read())
    places = _pairs(corpora)
    if strategy == "chain" and (odd := set(places) - set(sources)):
        raise click.UsageError(f"--corpus-of names {min(odd)!r}, which is none of --sources")
    named = {name: data.read(place) for name, place in places.items()}
    config = training.config()
    known = target in open_store(engine.store) or not sources
    ner = engine.load(target if known else None if sources == "auto" else sources[0])
    train(
        ner,
        target,
        engine.store,
        lambda run: ner.transfer(
            target,
            sources,
            corpus,
            config,
            strategy=strategy,
            corpora=named,
            vote=vote,
            members=members,
            mixing=mixing,
            run=run,
        ),
        resume=training.resume,
        as_json=as_json,
    )


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    """`NAME=CORPUS` as names and places."""
    pairs = [pair.partition("=") for pair in given]
    for pair, (name, sign, place) in zip(given, pairs, strict=True):
        if not (name and sign and place):
            raise click.BadParameter(
                f"{pair!r} is not NAME=CORPUS, as politics=data/politics", param_hint="--corpus-of"
            )
    return {name: place for name, _, place in pairs}
