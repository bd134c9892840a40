"""Do few sentences ever hurt? Zero-shot beside prefixes of few sentences, and remedies, on the seven public sets.

A cell trains `--members` prefixes from one start with a seed each. "fit" is the first of them, "half" lies half way
between the start and it, "soup" is the average of all, and "vote" the ensemble of all. With `--source NAME` "source" is
a fit that collaborates with that set's prefix. Cells that `--out` holds are not run again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from cpner import CPNER, Corpus, TrainingConfig
from cpner.backbone.bank import PrefixBank
from cpner.backbone.load import load_in_floats
from cpner.backbone.prefix import Prefix, mix, together
from cpner.backbone.shape import PrefixConfig
from cpner.backbone.start import quiet_start
from cpner.corpus import Sentence
from cpner.corpus.sampling import spread
from cpner.evaluation import evaluate
from cpner.instructor import Instructor
from cpner.recognition.recognise import Task, recognise
from cpner.show.tables import markdown_table

SETS = ("mit_restaurant", "mit_movie", "ai", "literature", "politics", "science", "music")  # quick ones first
SOURCE_SENTENCES = 500


class Vote(NamedTuple):
    """What recognition asks of an ensemble's card."""

    members: Sequence[str]
    vote: str = "probabilities"


def looked_at(corpus: Corpus, split: str, count: int) -> list[Sentence]:
    """The first sentences of the test split, or some of dev; sets without a dev split lend the last to learn from."""
    if split == "test":
        return corpus.test[:count]
    return spread(corpus.dev or corpus.train[len(corpus.train) // 2 :], count)


def learnt_from(corpus: Corpus, split: str, count: int, seed: int) -> Corpus:
    """The few sentences; where dev sentences are lent by the train split, of its other half."""
    lent = split == "dev" and not corpus.dev
    train = corpus.train[: len(corpus.train) // 2] if lent else corpus.train
    few = Corpus(corpus.name, {"train": train}, types=corpus.types)
    return few.sample(count=min(count, len(train)), seed=seed)


def cell(
    ner: CPNER, corpus: Corpus, sentences: Sequence[Sentence], few: Corpus, seed: int, members: int, source: str | None
) -> dict[str, Any]:
    """F1 of each way for one sample, and the seconds of its first training."""
    fits: list[Prefix] = []
    started = time.perf_counter()
    for member in range(members):
        fits.append(ner.warm_up("fit", few, TrainingConfig(seed=members * seed + member)).prefix)
        if member == 0:
            seconds = time.perf_counter() - started
    prefixes = {"fit": fits[0], "half": mix([quiet_start(ner.backbone, PrefixConfig()), fits[0]], [0.5, 0.5])}
    if members > 1:
        prefixes |= {"soup": mix(fits, [1 / members] * members), "vote": together(fits)}
    if source:
        prefixes["source"] = ner.fit("fit", few, [source], TrainingConfig(seed=members * seed)).prefix
    bank = {name: prefix.to(torch.bfloat16) for name, prefix in prefixes.items()}
    f1 = {name: score(ner, corpus, sentences, bank, name, members) for name in bank}
    return {"f1": f1, "seconds": round(seconds, 1)}


def score(
    ner: CPNER,
    corpus: Corpus,
    sentences: Sequence[Sentence],
    prefixes: Mapping[str, Prefix],
    way: str | None,
    members: int,
) -> float:
    """Strict F1 with one of the prefixes, or with none."""
    backbone = ner.backbone
    bank = PrefixBank(prefixes, device=backbone.device, dtype=backbone.dtype)
    prompt = Instructor(backbone.vocabulary, corpus.types)
    cards = {"vote": Vote([str(member) for member in range(members)])} if way == "vote" else {}
    answers = recognise(backbone, [Task(sentence, prompt, way) for sentence in sentences], bank, cards=cards)
    return round(float(evaluate(sentences, answers, corpus.types).f1), 2)


def rows(records: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """For each size and set the mean of seeds by way, and for each size the mean of sets."""
    cells: dict[int, dict[str, dict[str, list[float]]]] = {}
    for record in records:
        ways = cells.setdefault(record["count"], {}).setdefault(record["set"], {})
        for way, f1 in record["f1"].items():
            ways.setdefault(way, []).append(f1)
    head = list(dict.fromkeys(way for sets in cells.values() for ways in sets.values() for way in ways))
    table = [["sentences", "set", "seeds", *head]]
    for count, sets in sorted(cells.items()):
        means = {name: {way: statistics.mean(f1) for way, f1 in ways.items()} for name, ways in sets.items()}
        for name, mean in means.items():
            table.append([str(count), name, str(len(sets[name]["fit"])), *(f"{mean[way]:.1f}" for way in head)])
        whole = [f"{statistics.mean(mean[way] for mean in means.values()):.1f}" for way in head]
        table.append([str(count), "mean", "", *whole])
    return table


def main() -> None:
    """Measure what `--out` lacks, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public sets")
    parser.add_argument("--backbone", default="cpner-mini")
    parser.add_argument("--out", type=Path, required=True, help="file of cells, a line each")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--counts", nargs="+", type=int, default=[10, 50])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--source", help="a set to collaborate with, such as conll2003")
    parser.add_argument("--split", choices=["test", "dev"], default="test")
    parser.add_argument("--sentences", type=int, default=250, help="that are scored")
    options = parser.parse_args()
    ner = CPNER(load_in_floats(options.backbone, None))
    identity = {"backbone": ner.backbone.fingerprint, "members": options.members, "source": options.source}
    identity |= {"split": options.split, "sentences": options.sentences}
    lines = options.out.read_text("utf-8").splitlines() if options.out.exists() else []
    records = [record for line in lines if identity.items() <= (record := json.loads(line)).items()]
    known = {(record["set"], record["count"], record["seed"]) for record in records}
    if options.source:
        news = Corpus.read(options.data / options.source)
        few = Corpus(news.name, {"train": spread(news.train, SOURCE_SENTENCES)}, types=news.types)
        ner.warm_up(options.source, few, TrainingConfig(epochs=3))
    for seed in range(options.seeds):
        for count in options.counts:
            for name in options.sets:
                if (name, count, seed) in known:
                    continue
                corpus = Corpus.read(options.data / name)
                sentences = looked_at(corpus, options.split, options.sentences)
                few = learnt_from(corpus, options.split, count, seed)
                zero = score(ner, corpus, sentences, {}, None, 0)
                record = cell(ner, corpus, sentences, few, seed, options.members, options.source)
                record["f1"] = {"zero-shot": zero, **record["f1"]}
                records.append({**identity, "set": name, "count": count, "seed": seed, **record})
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(records[-1]) + "\n")
                print(name, count, seed, record, flush=True)
    head, *body = rows(records) if records else [[]]
    print("\n".join(markdown_table(head, body)))


if __name__ == "__main__":
    main()
