"""Fit a backbone's zero-shot calibrator, and tell what it is worth: `python benchmarks/defaults.py --help`.

It is fitted on dev sentences of the public sets, each of which counts as much as another. Sets without a dev split lend
train sentences: nothing is learnt from them. Each set is then tried with a fit on the others, on its test sentences.
With --ner a fit on labelled files of pretraining is tried too. Those were learnt from, so its scores are too high.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cpner import CPNER, Corpus
from cpner.calibration.assess import Assessment, assess
from cpner.calibration.calibrator import Calibrator
from cpner.calibration.fit import fit_default
from cpner.calibration.report import Calibration
from cpner.corpus import Sentence, Span
from cpner.corpus.sampling import spread
from cpner.corpus.sentence import Answer
from cpner.pretraining.pool import Pool, read_pool
from cpner.show.tables import markdown_table

SETS = ("ai", "literature", "science", "politics", "music", "mit_movie", "mit_restaurant", "conll2003")
MOST_TYPES = 16  # that a file of pretraining is asked for
LONGEST = 60  # words of its sentences
Pair = tuple[list[Sentence], list[Answer]]


def found(ner: CPNER, sentences: list[Sentence], types: Sequence[str]) -> Pair:
    """Labelled sentences, and what is found in them without any training."""
    return sentences, ner.recognise(sentences, types=types, calibrated=False)


def found_in_file(ner: CPNER, pool: Pool, file: int, count: int) -> Pair:
    """The same of a file of pretraining; one of many types is asked for some of them."""
    rng = random.Random(pool.files[file])
    types = pool.file_types[file]
    types = rng.sample(types, min(MOST_TYPES, len(types)))
    rows = np.flatnonzero(pool.origin == file).tolist()
    rng.shuffle(rows)
    sentences: list[Sentence] = []
    for row in rows:
        words, spans = pool.sentence(row)
        if words and len(words) <= LONGEST:
            sentences.append(Sentence.from_words(words, [Span(*span) for span in spans if span[2] in types]))
        if len(sentences) == count:
            break
    return found(ner, sentences, types)


def tried(calibrator: Calibrator, pair: Pair) -> Assessment:
    """What the scores of a calibrator are worth on labelled sentences."""
    sentences, answers = pair
    return assess(sentences, [calibrator.apply(*both) for both in zip(sentences, answers, strict=True)])


def table(dev: Mapping[str, Pair], test: Mapping[str, Pair], pretraining: Calibrator | None) -> list[str]:
    """A row for each set: its test sentences by a fit on the others' dev sentences."""
    rows = []
    errors: list[list[float]] = []
    for name, pair in test.items():
        left_out = tried(fit_default([dev[other] for other in dev if other != name]), pair)
        ways = [left_out.raw, left_out.calibrated, pretraining and tried(pretraining, pair).calibrated]
        figures = [way for way in ways if way is not None]
        if figures:
            errors.append([figure.ece for figure in figures])
            entities = f"{figures[0].entities:,}"
            rows.append([name, entities, *map(told, figures), f"{figures[1].noise:.3f}", *better(figures)])
    head = ["set left out", "entities", "ECE raw", "ECE by the others", *["ECE by pretraining"] * bool(pretraining)]
    head += ["by chance", "Brier raw, ours", "AURC raw, ours"]
    means = [f"{mean:.3f}" for mean in np.mean(errors, axis=0)]
    low = [f"{sum(row[1] <= 0.1 for row in errors)} of {len(errors)} at most 0.10"]
    return markdown_table(head, [*rows, ["mean", "", *means, "", *low, ""]])


def told(figure: Calibration) -> str:
    """A calibration error with its interval."""
    return f"{figure.ece:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def better(figures: Sequence[Calibration]) -> list[str]:
    """Brier and AURC of raw scores and of ours."""
    raw, ours = figures[:2]
    return [f"{raw.brier:.3f}, {ours.brier:.3f}", f"{raw.aurc:.3f}, {ours.aurc:.3f}"]


def main() -> None:
    """Predict, try, fit on all, and write the calibrator beside the backbone's weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", type=Path, required=True, help="a folder")
    parser.add_argument("--data", type=Path, required=True, help="a folder of the public sets")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--count", type=int, default=250, help="sentences of a split, spread evenly")
    parser.add_argument("--ner", type=Path, help="a folder of labelled files, as for pretraining")
    parser.add_argument("--ner-count", type=int, default=75, help="sentences of such a file")
    parser.add_argument(
        "--write", action="store_true", help="replace the zero-shot calibrator of the backbone's folder"
    )
    options = parser.parse_args()
    ner = CPNER.load(str(options.backbone))
    dev: dict[str, Pair] = {}
    test: dict[str, Pair] = {}
    for name in options.sets:
        corpus = Corpus.read(options.data / name)
        dev[name] = found(ner, spread(corpus.dev or corpus.train, options.count), corpus.types)
        test[name] = found(ner, spread(corpus.test, options.count), corpus.types)
        print(f"{name}: {sum(map(len, dev[name][1])):,} entities of dev", flush=True)
    pretraining = None
    if options.ner:
        pool = read_pool(options.ner)
        files = range(len(pool.files))
        pretraining = fit_default([found_in_file(ner, pool, file, options.ner_count) for file in files])
    print("\n".join(table(dev, test, pretraining)))
    if options.write:
        facts = {
            **ner.calibration.facts,
            "zero_shot_fitted_on": [f"{name}, {len(pair[0])}" for name, pair in dev.items()],
        }
        defaults = replace(ner.calibration, zero_shot=fit_default(list(dev.values())), fitted=True, facts=facts)
        defaults.write(options.backbone, ner.backbone.fingerprint)
        print(f"Wrote the zero-shot calibrator into {options.backbone}")


if __name__ == "__main__":
    main()
