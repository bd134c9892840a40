"""Do few sentences ever hurt, or a source? Zero-shot beside domains of few sentences, on the seven public sets.

"fit" is a warm-up on the sample. With --members, "soup" is the average of as many warm-ups of one start, a seed each,
and "vote" the ensemble of them. With --source, "zero-label" is that source without a sentence, and "source" a fit with
it.
Samples that --out holds are not run again; those of other settings or weights are kept beside them.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import torch

from cpner import CPNER, Corpus, TrainingConfig
from cpner.backbone.bank import PrefixBank
from cpner.backbone.load import load_in_floats
from cpner.backbone.prefix import Prefix, mix, together
from cpner.cli.console import report_line
from cpner.corpus import Sentence
from cpner.corpus.sampling import spread
from cpner.evaluation import evaluate
from cpner.files import write_text
from cpner.instructor import Instructor
from cpner.progress import Progress
from cpner.recognition.recognise import Task, recognise
from cpner.show.tables import markdown_table

SETS = ("mit_restaurant", "mit_movie", "ai", "literature", "politics", "science", "music")  # quick ones first
Record = dict[str, Any]


class Vote(NamedTuple):
    """What recognition asks of an ensemble's card."""

    members: Sequence[str]
    vote: str = "probabilities"


class Bench(NamedTuple):
    """What all samples share: the recogniser, which sentences are scored, and how many trainings vote."""

    ner: CPNER
    split: str
    sentences: int
    members: int
    source: str | None

    def run(self, corpus: Corpus, count: int, seed: int, zero_shot: float | None) -> Record:
        """F1 of each way for one sample, and the seconds of a warm-up.

        Args:
            zero_shot: the set's, where it is known.
        """
        held = looked_at(corpus, self.split, self.sentences)
        few = learnt_from(corpus, self.split, count, seed)
        fits: list[Prefix] = []
        started = time.perf_counter()
        for member in range(self.members):
            fits.append(self.ner.warm_up("fit", few, TrainingConfig(seed=self.members * seed + member)).prefix)
            if member == 0:
                seconds = time.perf_counter() - started
        prefixes: dict[str, Prefix | None] = {} if zero_shot is not None else {"zero-shot": None}
        prefixes["fit"] = fits[0]
        if self.members > 1:
            prefixes |= {"soup": mix(fits, [1 / self.members] * self.members), "vote": together(fits)}
        if self.source:
            unlabelled = Corpus(corpus.name, {}, types=corpus.types)
            label_free = self.ner.transfer("fit", [self.source], unlabelled, strategy="zero-label")
            with_source = self.ner.fit("fit", few, [self.source], TrainingConfig(seed=self.members * seed))
            prefixes |= {"zero-label": label_free.prefix, "source": with_source.prefix}
        scores = self.score(corpus.types, held, prefixes)
        return {"f1": {"zero-shot": zero_shot, **scores}, "seconds": round(seconds, 1)}

    def score(
        self, types: Sequence[str], sentences: Sequence[Sentence], prefixes: Mapping[str, Prefix | None]
    ) -> dict[str, float]:
        """Strict F1 with each of the prefixes, as it would be stored, or with none."""
        backbone = self.ner.backbone
        stored = {way: prefix.to(torch.bfloat16) for way, prefix in prefixes.items() if prefix is not None}
        bank = PrefixBank(stored, device=backbone.device, dtype=backbone.dtype)
        cards = {"vote": Vote([str(member) for member in range(self.members)])} if "vote" in stored else {}
        prompt = Instructor(backbone.vocabulary, types)
        tasks = [Task(sentence, prompt, way if way in stored else None) for way in prefixes for sentence in sentences]
        answers = iter(recognise(backbone, tasks, bank, cards=cards))
        found = {way: [next(answers) for _ in sentences] for way in prefixes}
        return {way: round(float(evaluate(sentences, rows, types).f1), 2) for way, rows in found.items()}


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


def read(path: Path) -> list[Record]:
    """The samples that were run before, of any settings."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def summary(records: Iterable[Record]) -> list[Record]:
    """For each size and set the mean F1 of each way, and how many samples are at or above zero-shot."""
    groups: dict[tuple[int, str], list[dict[str, float]]] = {}
    for record in records:
        groups.setdefault((record["count"], record["set"]), []).append(record["f1"])
    return [
        {
            "sentences": count,
            "set": name,
            "samples": len(samples),
            "f1": {way: round(statistics.mean(f1[way] for f1 in samples), 2) for way in samples[0]},
            "fit at or above zero-shot": sum(f1["fit"] >= f1["zero-shot"] for f1 in samples),
        }
        for (count, name), samples in sorted(groups.items())
    ]


def table(rows: Sequence[Record]) -> list[str]:
    """The summary in Markdown, with the mean of the sets of each size."""
    ways = list(rows[0]["f1"])
    body = []
    for size in dict.fromkeys(row["sentences"] for row in rows):
        of_size = [row for row in rows if row["sentences"] == size]
        for row in of_size:
            share = f"{row['fit at or above zero-shot']} of {row['samples']}"
            body.append((size, row["set"], share, *(f"{row['f1'][way]:.1f}" for way in ways)))
        means = (statistics.mean(row["f1"][way] for row in of_size) for way in ways)
        body.append((size, "mean", "", *(f"{mean:.1f}" for mean in means)))
    return markdown_table(("sentences", "set", "fit at or above zero-shot", *ways), body)


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="The public datasets.")
@click.option("--backbone", default="cpner-mini", show_default=True, help="Name or folder.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("few-shot.jsonl"), show_default=True,
              help="File of samples, a line each.")  # fmt: skip
@click.option("--sets", "names", default=",".join(SETS), show_default=True, help="Sets, with commas between.")
@click.option("--counts", default="10,50", show_default=True, help="Sizes of samples, with commas between.")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Samples of each size.")
@click.option("--members", type=click.IntRange(1), default=1, show_default=True, help="Trainings of a soup and a vote.")
@click.option("--source", help="A set to learn from first, such as conll2003.")
@click.option("--source-sentences", type=click.IntRange(1), default=500, show_default=True, help="Spread evenly.")
@click.option("--split", type=click.Choice(["test", "dev"]), default="test", show_default=True)
@click.option("--sentences", type=click.IntRange(1), default=250, show_default=True, help="That are scored.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write the summary to this file.")
def main(
    data: Path, backbone: str, out: Path, names: str, counts: str, seeds: int, members: int, source: str | None,
    source_sentences: int, split: str, sentences: int, json_path: Path | None,
) -> None:  # fmt: skip
    """Run what `--out` lacks, and print the table."""
    ner = CPNER(load_in_floats(backbone, None))
    bench = Bench(ner, split, sentences, members, source)
    identity: Record = {"backbone": ner.backbone.fingerprint, "settings": TrainingConfig().written()}
    identity |= {
        "members": members,
        "source": source and [source, source_sentences],
        "split": split,
        "sentences": sentences,
    }
    known = read(out)
    records = [record for record in known if identity.items() <= record.items()]
    done = {(record["set"], record["count"], record["seed"]) for record in records}
    todo = [
        (name, int(count), seed) for seed in range(seeds) for count in counts.split(",") for name in names.split(",")
    ]
    todo = [cell for cell in todo if cell not in done]
    if source and todo:
        news = Corpus.read(data / source)
        few = Corpus(news.name, {"train": spread(news.train, source_sentences)}, types=news.types)
        ner.warm_up(source, few, TrainingConfig(epochs=3))
    for number, (name, count, seed) in enumerate(todo, 1):
        zero_shot = next((record["f1"]["zero-shot"] for record in records if record["set"] == name), None)
        record = bench.run(Corpus.read(data / name), count, seed, zero_shot)
        records.append({**identity, "set": name, "count": count, "seed": seed, **record})
        known.append(records[-1])
        write_text(out, map(json.dumps, known))
        report_line(Progress(number, len(todo), f"{count} of {name}, seed {seed}: {record['f1']}"))
    rows = summary(records)
    click.echo("\n".join(table(rows)))
    if json_path:
        write_text(json_path, [json.dumps({**identity, "rows": rows}, indent=1)])


if __name__ == "__main__":
    main()
