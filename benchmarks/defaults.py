"""Fit a backbone's zero-shot calibrator on labelled files: `python benchmarks/defaults.py --help`.

Each file counts as much as another. A file of many types is asked for some of them. Sentences of files that the
backbone was pretrained on make scores far too high: leave those files out with --without.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import replace
from pathlib import Path

import numpy as np

from cpner import CPNER
from cpner.calibration.fit import fit_default
from cpner.corpus import Sentence, Span
from cpner.corpus.sentence import Answer
from cpner.pretraining.pool import Pool, read_pool

MOST_TYPES = 16
LONGEST = 60  # words


def predictions(ner: CPNER, pool: Pool, file: int, count: int) -> tuple[list[Sentence], list[Answer]]:
    """Labelled sentences of a file, and what is found in them without any training."""
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
    return sentences, ner.recognise(sentences, types=types, calibrated=False)


def main() -> None:
    """Predict, fit, and write the calibrator beside the backbone's weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", type=Path, required=True, help="a folder; its calibration.json is replaced")
    parser.add_argument("--ner", type=Path, required=True, help="a folder of labelled files, as for pretraining")
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME", help="files to leave out")
    parser.add_argument("--count", type=int, default=75, help="sentences of a file")
    arguments = parser.parse_args()
    ner = CPNER.load(str(arguments.backbone))
    pool = read_pool(arguments.ner)
    names = [name for name in pool.files if name not in arguments.without]
    pairs = [predictions(ner, pool, pool.files.index(name), arguments.count) for name in names]
    default = fit_default(pairs)
    before = ner.calibration
    facts = {"fitted_on": names}
    replace(before, zero_shot=default, fitted=True).write(arguments.backbone, ner.backbone.fingerprint, facts)
    print(f"zero-shot: {default.entities:,} entities in {default.sentences:,} sentences of {len(names)} files")


if __name__ == "__main__":
    main()
