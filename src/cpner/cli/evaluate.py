"""`cpner evaluate`: precision, recall, F1 and the errors of a domain."""

from __future__ import annotations

from pathlib import Path

import click

from cpner.backbone.known_types import warn_of_unread
from cpner.calibration.assess import assess
from cpner.cli.console import print_json, print_rich, progress_bar
from cpner.cli.corpus import CorpusOptions, corpus_options
from cpner.cli.options import NEW_FILE, Reader, batch_option, by_sentence_option, json_option, reader_options
from cpner.cli.scores import ScoreOptions, score_options
from cpner.corpus.sampling import spread
from cpner.corpus.splits import SPLITS
from cpner.corpus.words import WORDS
from cpner.evaluation import evaluate as compare
from cpner.show.tables import calibration_tables, report


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
@click.option("--plot", type=NEW_FILE, metavar="FILE.png", help="Draw the scores.")
@score_options
@click.option("--calibration", is_flag=True, help="Also tell whether scores are probabilities, and what thresholds do.")
@click.option("--calibrator", metavar="NAME", show_default="that of the domain",
              help="With --calibration: the stored domain whose calibrator to use.")  # fmt: skip
@click.option("--reliability", type=NEW_FILE, metavar="FILE.png",
              help="With --calibration: draw scores against what is right.")  # fmt: skip
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
    scores: ScoreOptions,
    calibration: bool,
    calibrator: str | None,
    reliability: Path | None,
    as_json: bool,
) -> None:
    """Compare what a stored domain finds in CORPUS with its labels: scores by type and what went wrong.

    \b
    Example:
      cpner evaluate sample:news --domain news --store store
      cpner evaluate sample:news --zero-shot --json
      cpner evaluate sample:news --domain news --store store --calibration --reliability scores.png
    """
    if zero_shot == (domain is not None):
        raise click.UsageError("give --domain NAME, or --zero-shot for the bare backbone, not both or none")
    if not calibration and (calibrator or reliability):
        raise click.UsageError("--calibrator and --reliability go with --calibration")
    if calibration and (free or scores.raw_scores):
        raise click.UsageError("--calibration compares raw scores with calibrated ones: leave out --free, --raw-scores")
    cut = scores.cut
    corpus = data.read()
    if split in corpus.splits:
        corpus.splits[split] = spread(corpus.splits[split], count)
    ner = engine.load(domain)
    types = corpus.types if zero_shot else None
    warn_of_unread(ner.backbone.known_types, types or ())
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
        gold, answers = ner.answers(
            corpus, domain, split,
            types=types, free=free, batch_size=batch_size, by_sentence=by_sentence, words=words, progress=progress,
            calibrated=not scores.raw_scores, cut=cut,
        )  # fmt: skip
    evaluation = compare(gold, answers, types or ner.card(domain or "").types)
    if calibrator is not None:
        other = ner.card(calibrator).calibrator or ner.calibration.trained
        answers = [other.apply(sentence, answer) for sentence, answer in zip(gold, answers, strict=True)]
    assessment = assess(gold, answers) if calibration else None
    if reliability and assessment:
        from cpner.show.reliability import draw_reliability

        draw_reliability(assessment, reliability, f"{domain or 'zero-shot'} on {corpus.name} ({split})")
        click.echo(f"Wrote {reliability}", err=True)
    if plot:
        from cpner.show.pictures import draw_evaluation  # matplotlib takes long to load

        draw_evaluation(evaluation, plot, f"{domain or 'zero-shot'} on {corpus.name} ({split})")
        click.echo(f"Wrote {plot}", err=True)
    if as_json:
        extra = {"calibration": assessment.to_json()} if assessment else {}
        print_json({**evaluation.to_json(), **extra})
    else:
        title = f"{domain or 'zero-shot'} on {corpus.name} ({split})"
        print_rich(report(evaluation, title), *(calibration_tables(assessment) if assessment else ()))
