"""Are scores probabilities? `python benchmarks/calibration.py --help`.

A run learns from some sentences of a public set, and looks at what its scores are worth on the test. It leaves a file
under --out, so that a stopped command goes on. Calibrators are those that `warm-up` fits, on dev sentences: twice as
many as there are to learn from, and from 50 to 500. Sets without a dev split spare them. Defaults are tried on sets
that they were not fitted on: each is fitted on dev sentences of the others.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from cpner import CPNER, Corpus
from cpner.calibration.assess import Assessment, assess
from cpner.calibration.calibrator import Calibrator
from cpner.calibration.fit import Held, fit, fit_default
from cpner.calibration.fit import plain as unfitted
from cpner.calibration.report import Calibration, describe, ece
from cpner.cli.console import report_line
from cpner.corpus import Sentence, Span
from cpner.corpus.evidence import Evidence
from cpner.corpus.sampling import spread
from cpner.corpus.sentence import Answer, Prediction
from cpner.files import replacing
from cpner.progress import Progress
from cpner.show.pictures import BLUE, GREY, plain, save
from cpner.show.reliability import draw_bins
from cpner.show.tables import markdown_table
from cpner.training import TrainingConfig

SETS = ("mit_restaurant", "ai", "mit_movie", "literature", "science", "politics", "music")  # quick ones first
SIZES = ("0", "50", "10", "all")  # sentences to learn from, in the order in which they are run
LEAST_DEV, MOST_DEV = 50, 500  # sentences of the dev split
LARGE = 1000  # training sentences; to learn from all of more takes hours, and comes last
PRECISION = 0.9  # what is promised
Pair = tuple[list[Sentence], list[Answer]]


class Run(NamedTuple):
    """A set, how many of its sentences are learnt from ("all", or "0" for zero-shot), and a seed."""

    name: str
    size: str
    seed: int

    def __str__(self) -> str:
        return f"{self.name}, {'zero-shot' if self.size == '0' else f'{self.size} sentences'}, seed {self.seed}"


class Cell(NamedTuple):
    """A run and what it found: the seconds that it took, and predictions beside labels by split."""

    run: Run
    seconds: float
    pairs: dict[str, Pair]

    @property
    def trained(self) -> bool:
        """Whether it learnt anything."""
        return self.run.size != "0"


def choose(corpus: Corpus, run: Run, count: int) -> dict[str, list[Sentence]]:
    """The sentences to learn from, and those that are looked at; sets without a dev split spare one of train."""
    train = list(corpus.train)
    spared: list[Sentence] = []
    if not corpus.dev:
        spared = spread(train, MOST_DEV)
        known = set(map(id, spared))
        train = [sentence for sentence in train if id(sentence) not in known]
    if run.size == "0":
        return {"train": [], "dev": spread(corpus.dev or spared, count), "test": spread(corpus.test, count)}
    if run.size != "all":
        few = Corpus(corpus.name, {"train": train}, types=corpus.types)
        train = few.sample(count=min(int(run.size), len(train)), seed=run.seed).train
    dev = spread(corpus.dev or spared, min(MOST_DEV, max(LEAST_DEV, 2 * len(train))))
    return {"train": train, "dev": dev, "test": spread(corpus.test, count)}


def gather(ner: CPNER, corpus: Corpus, run: Run, count: int) -> dict[str, Any]:
    """Learn, and tell what was found in the other splits, and whether it is right."""
    started = time.perf_counter()
    splits = choose(corpus, run, count)
    train = splits.pop("train")
    if train:
        ner.warm_up("domain", Corpus(corpus.name, {"train": train, "dev": splits["dev"]}, types=corpus.types),
                    TrainingConfig(seed=run.seed))  # fmt: skip
    record: dict[str, Any] = {"run": run, "count": count, "sentences": len(train)}
    for name, sentences in splits.items():
        answers = ner.recognise(sentences, "domain" if train else None, types=corpus.types, calibrated=False)
        record[name] = [
            {"end": answer.end, "entities": [[*one.evidence, *one.span] for one in answer if one.evidence]}
            for answer in answers
        ]
    return {**record, "seconds": round(time.perf_counter() - started, 1)}


def read(path: Path, corpora: dict[str, Corpus]) -> Cell:
    """What a run has found, beside the labels."""
    record = json.loads(path.read_text("utf-8"))
    run = Run(*record["run"])
    splits = choose(corpora[run.name], run, record["count"])
    fields = len(Evidence._fields)
    pairs = {}
    for name in ("dev", "test"):
        answers = [
            Answer(
                [Prediction(Span(*row[fields:]), row[0], Evidence(*row[:fields])) for row in line["entities"]],
                line["end"],
            )
            for line in record[name]
        ]
        pairs[name] = (splits[name], answers)
    return Cell(run, record["seconds"], pairs)


def calibrator_of(cell: Cell, cells: Sequence[Cell]) -> Calibrator:
    """A domain's calibrator, drawn to a default of other sets; zero-shot that default itself."""
    default = default_of([other for other in cells if other.run.name != cell.run.name], cell.trained)
    return fit(*cell.pairs["dev"], default) if cell.trained else default


def default_of(cells: Sequence[Cell], trained: bool) -> Calibrator:
    """The default of the cells that have learnt, or of the others; of none the one that was never fitted."""
    pairs = [cell.pairs["dev"] for cell in cells if cell.trained == trained]
    return fit_default(pairs) if pairs else unfitted()


def apply(calibrator: Calibrator, pair: Pair) -> list[Answer]:
    """Calibrated answers."""
    return [calibrator.apply(*both) for both in zip(*pair, strict=True)]


class Promise(NamedTuple):
    """What became of a promised precision on the test: how many entities were taken, and how many of them are right."""

    taken: int
    right: int

    @property
    def held(self) -> bool:
        """Whether the precision lies within the binomial interval of the promise, or above it."""
        deviation = np.sqrt(PRECISION * (1 - PRECISION) * max(1, self.taken))
        return bool(self.right >= PRECISION * self.taken - 1.96 * deviation)


def promise(calibrator: Calibrator, pair: Pair) -> Promise | None:
    """What became of the promised precision; None if the held-out entities were too few to promise it."""
    threshold = calibrator.thresholds.precision.get(str(PRECISION))
    if threshold is None:
        return None
    right = Held.of(*pair).y[scores_of(calibrator, pair) >= threshold]
    return Promise(len(right), int(right.sum()))


def scores_of(calibrator: Calibrator, pair: Pair) -> np.ndarray:
    """[n] calibrated scores of all entities."""
    return np.array([one.score for answer in apply(calibrator, pair) for one in answer])


class Row(NamedTuple):
    """What was measured of a set and a size, a member for each seed."""

    name: str
    size: str
    raw: list[Calibration]
    ours: list[Calibration]
    whole: list[Calibration]
    foreign: list[float]  # calibration error with calibrators of other domains
    promises: list[Promise]

    def cells(self) -> list[str]:
        """The cells of its line in the table; means over seeds."""
        ours = self.ours
        kept = [promise for promise in self.promises if promise.held]
        taken = sum(promise.taken for promise in self.promises)
        share = sum(promise.right for promise in self.promises) / max(1, taken)
        return [
            self.name,
            "none" if self.size == "0" else self.size,
            str(len(ours)),
            f"{mean(part.entities for part in ours):,.0f}",
            f"{mean(part.ece for part in self.raw):.3f}",
            f"**{mean(part.ece for part in ours):.3f}** ({mean(part.low for part in ours):.3f} to "
            f"{mean(part.high for part in ours):.3f})",
            f"{mean(part.noise for part in ours):.3f}",
            f"{mean(self.foreign):.3f}" if self.foreign else "",
            f"{mean(part.brier for part in self.raw):.3f}, {mean(part.brier for part in ours):.3f}",
            f"{mean(part.aurc for part in self.raw):.3f}, {mean(part.aurc for part in ours):.3f}",
            ", ".join(f"{100 * mean(part.precision_at[at] for part in ours):.0f}" for at in (50, 80, 100)),
            f"{mean(part.ece for part in self.whole):.3f}",
            f"{share:.2f} of {taken:,}, {len(kept)} of {len(self.promises)}" if taken else "",
        ]


HEAD = ("set", "sentences", "seeds", "entities", "ECE raw", "ECE", "by chance", "ECE by other domains'",
        "Brier raw, ours", "AURC raw, ours", "precision at 50, 80, 100 %", "ECE of sentences",
        f"precision where {PRECISION:g} is promised, seeds that hold")  # fmt: skip


def measure(cells: Sequence[Cell]) -> list[Row]:
    """A row for each set and size."""
    fitted = {cell.run: calibrator_of(cell, cells) for cell in cells}
    sizes = sorted({cell.run.size for cell in cells}, key=lambda size: (size == "all", len(size), size))
    rows = []
    for size in sizes:
        same_size = [cell for cell in cells if cell.run.size == size]
        for name in sorted({cell.run.name for cell in same_size}):
            group = [cell for cell in same_size if cell.run.name == name]
            found = [assess(cell.pairs["test"][0], apply(fitted[cell.run], cell.pairs["test"])) for cell in group]
            others = [cell.run for cell in same_size if cell.run.name != name] if size != "0" else []
            foreign = [
                ece(scores_of(fitted[other], cell.pairs["test"]), Held.of(*cell.pairs["test"]).y)
                for cell in group
                for other in others
            ]
            promises = [promise(fitted[cell.run], cell.pairs["test"]) for cell in group]
            rows.append(
                Row(
                    name,
                    size,
                    parts(found, "raw"),
                    parts(found, "calibrated"),
                    parts(found, "sentences"),
                    foreign,
                    [one for one in promises if one is not None],
                )
            )
    return rows


def parts(assessments: Iterable[Assessment], name: str) -> list[Calibration]:
    """One part of assessments, where there is one."""
    found = [getattr(assessment, name) for assessment in assessments]
    return [part for part in found if part is not None]


def aims(rows: Sequence[Row]) -> list[list[str]]:
    """In how many rows, or trainings, each aim is reached."""
    zero_shot = [row for row in rows if row.size == "0"]
    trained = [row for row in rows if row.size not in ("0", "10")]
    promises = [promise for row in rows for promise in row.promises]

    def better(figure: str) -> str:
        wins = [
            mean(getattr(part, figure) for part in row.ours) < mean(getattr(part, figure) for part in row.raw)
            for row in rows
        ]
        return f"{sum(wins)} of {len(rows)} rows"

    def low(some: Sequence[Row], most: float) -> str:
        good = sum(mean(part.ece for part in row.ours) <= most for row in some)
        maybe = sum(mean(part.low for part in row.ours) <= most for row in some)
        return f"{good} of {len(some)} rows; the interval of {maybe} reaches it"

    return [
        ["ECE at most 0.05 from 50 sentences", low(trained, 0.05)],
        ["ECE at most 0.10 zero-shot", low(zero_shot, 0.10)],
        ["Brier better than raw", better("brier")],
        ["AURC better than raw", better("aurc")],
        [
            f"a promised precision of {PRECISION:g} holds",
            f"{sum(promise.held for promise in promises)} of {len(promises)} trainings that could promise it",
        ],
    ]


def mean(values: Iterable[float]) -> float:
    """Their mean."""
    return float(np.mean(list(values)))


def draw(cells: Sequence[Cell], path: Path) -> None:
    """Draw the scores of all cells, zero-shot and trained, against what is right."""
    figure = Figure(figsize=(9.6, 3.8), dpi=150, facecolor="white", layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, kind in zip(panels, ("zero-shot", "trained"), strict=True):
        raw: list[float] = []
        ours: list[float] = []
        right: list[bool] = []
        for cell in cells:
            if cell.trained == (kind == "trained"):
                sentences, answers = cell.pairs["test"]
                scored = apply(calibrator_of(cell, cells), cell.pairs["test"])
                raw += [one.raw for answer in answers for one in answer]
                ours += [one.score for answer in scored for one in answer]
                right += [
                    one.span in sentence.spans
                    for sentence, answer in zip(sentences, answers, strict=True)
                    for one in answer
                ]
        draw_bins(axes, describe(raw, right, range(len(right))), GREY)
        draw_bins(axes, describe(ours, right, range(len(right))), BLUE)
        plain(axes, f"{kind}: raw (grey) and calibrated (blue), {len(right):,} entities")
    save(figure, path)


def main() -> None:
    """Run what `--out` lacks, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public sets")
    parser.add_argument("--backbone", default="cpner-mini", help="name or folder of a backbone")
    parser.add_argument("--out", type=Path, default=Path("calibration-out"), help="a file for each run")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument(
        "--sizes", nargs="+", default=SIZES, help="sentences to learn from: numbers, 0 for zero-shot, all"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--count", type=int, default=250, help="test sentences, spread evenly")
    parser.add_argument("--report-only", action="store_true", help="run nothing: report what is there")
    parser.add_argument("--plot", type=Path, help="draw what is right by score")
    parser.add_argument(
        "--write", type=Path, metavar="FOLDER", help="the backbone's: gets the default of trained domains"
    )
    options = parser.parse_args()
    ner = CPNER.load(options.backbone)
    folder = options.out / f"{ner.backbone.fingerprint}-{options.count}"
    folder.mkdir(parents=True, exist_ok=True)
    corpora = {name: Corpus.read(options.data / name) for name in options.sets}
    runs = [
        Run(name, size, seed)
        for seed in range(options.seeds)
        for size in options.sizes
        if size != "0" or not seed
        for name in options.sets
    ]
    runs.sort(key=lambda run: run.size == "all" and len(corpora[run.name].train) > LARGE)
    paths = {run: folder / f"{run.name}-{run.size}-{run.seed}.json" for run in runs}
    if not options.report_only:
        carry_out(ner, corpora, {run: path for run, path in paths.items() if not path.exists()}, options.count)
    cells = [read(path, corpora) for path in paths.values() if path.exists()]
    rows = measure(cells)
    print("\n".join(markdown_table(HEAD, [row.cells() for row in rows])), end="\n\n")
    print("\n".join(markdown_table(["aim", "reached in"], aims(rows))))
    if options.plot:
        draw(cells, options.plot)
    if options.write:
        facts = {**ner.calibration.facts, "trained_fitted_on": [str(cell.run) for cell in cells if cell.trained]}
        defaults = replace(ner.calibration, trained=default_of(cells, True), fitted=True, facts=facts)
        defaults.write(options.write, ner.backbone.fingerprint)


def carry_out(ner: CPNER, corpora: dict[str, Corpus], paths: dict[Run, Path], count: int) -> None:
    """Run what is missing, one file a run, and tell how long the rest may take."""
    seconds: dict[str, list[float]] = defaultdict(list)  # by size
    for done, (run, path) in enumerate(paths.items(), 1):
        record = gather(ner, corpora[run.name], run, count)
        with replacing(path) as file:
            file.write(json.dumps(record).encode())
        seconds[run.size].append(record["seconds"])
        left = sum(mean(seconds.get(other.size, seconds[run.size])) for other in list(paths)[done:])
        message = f"{run}: {record['seconds']:.0f} s; about {left / 60:.0f} min left"
        report_line(Progress(done, len(paths), message))


if __name__ == "__main__":
    main()
