"""`cpner calibrate`: fit the scores and thresholds of a stored domain on labelled sentences."""

from __future__ import annotations

import click

from cpner.cli.console import print_json, progress_bar
from cpner.cli.corpus import CorpusOptions, corpus_options
from cpner.cli.options import Engine, domain_option, engine_options, json_option
from cpner.corpus.sampling import spread
from cpner.corpus.splits import SPLITS
from cpner.errors import CorpusError


@click.command()
@corpus_options
@domain_option
@engine_options
@click.option("--split", type=click.Choice(SPLITS), default="dev", show_default=True,
              help="The sentences to calibrate on; none that the domain has learnt from.")  # fmt: skip
@click.option("--count", type=click.IntRange(min=1), metavar="N", show_default="all",
              help="Calibrate on N sentences, spread evenly.")  # fmt: skip
@json_option
def calibrate(data: CorpusOptions, domain: str, engine: Engine, split: str, count: int | None, as_json: bool) -> None:
    """Fit the scores of a stored domain anew, and its thresholds, on sentences that it has not learnt from.

    Trainings with a dev split end so by themselves. What the domain finds stays the same.

    \b
    Example:
      cpner calibrate sample:news --domain news --store store
      cpner calibrate checked.jsonl --split train --domain news --store store
    """
    corpus = data.read()
    if split not in corpus.splits:
        raise CorpusError(f"corpus {corpus.name!r} has no split {split!r}; it has {', '.join(corpus.splits)}")
    ner = engine.load(domain)
    with progress_bar() as progress:
        card = ner.calibrate(domain, spread(corpus.splits[split], count), progress=progress)
    ner.save(domains=[domain])
    if as_json:
        print_json(card.calibration)
        return
    thresholds = card.calibration["thresholds"]
    promised = ", ".join(f"{level} from {score:.2f}" for level, score in thresholds["precision"].items())
    counts = f"{card.calibration['entities']:,} entities in {card.calibration['sentences']:,} sentences"
    click.echo(f"calibrator  {card.calibration['kind']}, on {counts}")
    click.echo(f"best F1     from a score of {thresholds['best']:.2f}")
    click.echo(f"precision   {promised or 'too few entities to promise any'}")
