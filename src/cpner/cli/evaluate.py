"""`cpner evaluate`: precision, recall, F1 and the errors of a domain."""

from __future__ import annotations

from pathlib import Path

import click

from cpner.cli.console import print_json, print_rich, progress_bar
from cpner.cli.corpus import CorpusOptions, corpus_options
from cpner.cli.options import Reader, batch_option, by_sentence_option, json_option, reader_options
from cpner.corpus.sampling import spread
from cpner.corpus.splits import SPLITS
from cpner.corpus.words import WORDS
from cpner.show.tables import report


@click.command()
@corpus_options
@click.option("--domain", metavar="NAME", help="The stored domain to score.")
@click.option("--zero-shot", is_flag=True, help="Score the bare backbone, which is told the corpus's types.")
@reader_options
@click.option(
    "--split", type=click.Choice(SPLITS), default="test", show_default=True, help="The sentences to score on."
)
@click.option(
    "--count", type=click.IntRange(min=1), metavar="N", show_default="all", help="Score on N sentences, spread evenly."
)
@click.option("--words", type=click.Choice(WORDS), default=WORDS[0], show_default=True,
              help="Words of the corpus, as published scores have them, or of its text, as predict does.")  # fmt: skip
@click.option("--free", is_flag=True, help="Generate without the grammar, to see what it is worth.")
@by_sentence_option
@batch_option
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.png", help="Draw the scores.")
@json_option
def evaluate(
    data: CorpusOptions,
    domain: str | None,
    zero_shot: bool,
    engine: Reader,
    split: str,
    count: int | None,
    words: str,
    free: bool,
    by_sentence: bool | None,
    batch_size: int,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Compare what a stored domain finds in CORPUS with its labels: scores by type and what went wrong.

    \b
    Example:
      cpner evaluate sample:news --domain news --store store
      cpner evaluate sample:news --zero-shot --json
    """
    if zero_shot == (domain is not None):
        raise click.UsageError("give --domain NAME, or --zero-shot for the bare backbone, not both or none")
    corpus = data.read()
    if split in corpus.splits:
        corpus.splits[split] = spread(corpus.splits[split], count)
    ner = engine.load(domain)
    types = corpus.types if zero_shot else None
    if domain is not None and (unknown := set(corpus.types) - set(ner.card(domain).types)):
        click.echo(f"{domain} does not know these types, so it misses them: {', '.join(sorted(unknown))}", err=True)
    others = corpus.with_other_words(split) if words == WORDS[0] else 0
    if others:
        click.echo(
            f"{others:,} of {len(corpus.splits[split]):,} sentences have words that predict cuts otherwise; "
            f"--words text gives the score of predict",
            err=True,
        )
    with progress_bar() as progress:
        evaluation = ner.evaluate(
            corpus, domain, split,
            types=types, free=free, batch_size=batch_size, by_sentence=by_sentence, words=words, progress=progress,
        )  # fmt: skip
    if plot:
        from cpner.show.pictures import draw_evaluation  # matplotlib takes long to load

        draw_evaluation(evaluation, plot, f"{domain or 'zero-shot'} on {corpus.name} ({split})")
        click.echo(f"Wrote {plot}", err=True)
    if as_json:
        print_json(evaluation.to_json())
    else:
        title = f"{domain or 'zero-shot'} on {corpus.name} ({split})"
        print_rich(report(evaluation, title))
