"""Are scores probabilities? Trains domains of the public sets with few sentences, and keeps what was found."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from cpner import CPNER, Corpus
from cpner.corpus import Sentence
from cpner.corpus.sampling import spread
from cpner.files import replacing
from cpner.training import TrainingConfig

SETS = ("mit_restaurant", "ai", "mit_movie", "literature", "science", "politics", "music")  # quick ones first
SIZES = (0, 50, 10, 200)  # sentences to learn from, in the order in which they are run; 200 or all of CrossNER's
LEAST_DEV = 50  # sentences of the dev split, or twice those to learn from: as the command line takes of few


def gather(ner: CPNER, corpus: Corpus, size: int, seed: int, test: int) -> dict[str, Any]:
    """Train on so many sentences, if any, and tell what was found in others, and whether it is right."""
    started = time.perf_counter()
    count = min(size, len(corpus.train))
    held = list(corpus.dev)
    train: list[Sentence] = []
    if size:
        train = corpus.sample(count=count, seed=seed).train
    if not held:
        known = {id(sentence) for sentence in train}
        held = [sentence for sentence in spread(corpus.train, 2000) if id(sentence) not in known]
    splits = {"dev": spread(held, max(LEAST_DEV, 2 * count) if size else LEAST_DEV), "test": spread(corpus.test, test)}
    record: dict[str, Any] = {"set": corpus.name, "size": size, "sentences": count, "seed": seed}
    domain = None
    if size:
        domain = "domain"
        few = Corpus(corpus.name, {"train": train, "dev": splits["dev"]}, types=corpus.types)
        ner.warm_up(domain, few, TrainingConfig(seed=seed, eval_limit=LEAST_DEV))
    record["training_seconds"] = time.perf_counter() - started
    for name, sentences in splits.items():
        started = time.perf_counter()
        answers = ner.recognise(sentences, domain, types=corpus.types)
        record[f"{name}_seconds"] = time.perf_counter() - started
        record[name] = [
            {
                "words": len(sentence.words),
                "gold": [span.type for span in sentence.gold],
                "end": answer.end,
                "entities": [[*one.evidence, one.span in sentence.spans, *one.span] for one in answer],
            }
            for sentence, answer in zip(sentences, answers, strict=True)
        ]
    return record


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="The public datasets.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("calibration-out"), help="A file for each run.")
@click.option("--seeds", default=3)
@click.option("--test", default=250, help="Test sentences.")
def main(data: Path, out: Path, seeds: int, test: int) -> None:
    """Train and predict, one file a run; what is there is not run again."""
    out.mkdir(parents=True, exist_ok=True)
    ner = CPNER.load("cpner-mini")
    corpora = {name: Corpus.read(data / name) for name in SETS}
    cells = [(seed, size, name) for seed in range(seeds) for size in SIZES if size or not seed for name in SETS]
    for seed, size, name in cells:
        path = out / f"{name}-{size}-{seed}.json"
        if not path.exists():
            record = gather(ner, corpora[name], size, seed, test)
            with replacing(path) as file:
                file.write(json.dumps(record).encode())
            click.echo(f"{path.stem}: {record['training_seconds']:.0f} s", err=True)


if __name__ == "__main__":
    main()
