"""Are scores probabilities? Trains domains of the public sets with few sentences, and compares scores with the labels.

A default calibrator is tried on sets that it was not fitted on. What is written with --defaults is fitted on all.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from matplotlib.figure import Figure

from cpner import CPNER, Corpus
from cpner.calibration.assess import Assessment, assess
from cpner.calibration.calibrator import Calibrator
from cpner.calibration.defaults import Defaults
from cpner.calibration.fit import Held, fit, fit_default
from cpner.calibration.report import describe
from cpner.corpus import Sentence, Span
from cpner.corpus.evidence import Evidence
from cpner.corpus.sampling import spread
from cpner.corpus.sentence import Answer, Prediction
from cpner.files import replacing
from cpner.show.pictures import BLUE, GREY, plain, save
from cpner.show.reliability import draw_bins
from cpner.show.tables import markdown_table
from cpner.training import TrainingConfig

SETS = ("mit_restaurant", "ai", "mit_movie", "literature", "science", "politics", "music")  # quick ones first
SIZES = (0, 50, 10, 200)  # sentences to learn from, in the order in which they are run; 200 or all of CrossNER's
LEAST_DEV = 50  # sentences of the dev split, or twice those to learn from: as the command line takes of few
TIGHT = 100.0  # on trained domains weights of parts help; zero-shot they don't carry over
Pair = tuple[list[Sentence], list[Answer]]


class Cell(NamedTuple):
    """A training and what it found: the set, sentences learnt from, and predictions beside labels by split."""

    name: str
    size: int
    seed: int
    pairs: dict[str, Pair]


def choose(corpus: Corpus, size: int, seed: int, test: int) -> tuple[list[Sentence], dict[str, list[Sentence]]]:
    """The sentences to learn from, and those that are looked at; sets without a dev split spare one."""
    count = min(size, len(corpus.train))
    train = corpus.sample(count=count, seed=seed).train if size else []
    held = list(corpus.dev)
    if not held:
        known = {id(sentence) for sentence in train}
        held = [sentence for sentence in spread(corpus.train, 2000) if id(sentence) not in known]
    dev = spread(held, max(LEAST_DEV, 2 * count) if size else LEAST_DEV)
    return train, {"dev": dev, "test": spread(corpus.test, test)}


def gather(ner: CPNER, corpus: Corpus, size: int, seed: int, test: int) -> dict[str, Any]:
    """Train on so many sentences, if any, and tell what was found in others, and whether it is right."""
    started = time.perf_counter()
    train, splits = choose(corpus, size, seed, test)
    record: dict[str, Any] = {"set": corpus.name, "size": size, "sentences": len(train), "seed": seed}
    if size:
        few = Corpus(corpus.name, {"train": train, "dev": splits["dev"]}, types=corpus.types)
        ner.warm_up("domain", few, TrainingConfig(seed=seed, eval_limit=LEAST_DEV))
    record["training_seconds"] = time.perf_counter() - started
    for name, sentences in splits.items():
        started = time.perf_counter()
        answers = ner.recognise(sentences, "domain" if size else None, types=corpus.types, calibrated=False)
        record[f"{name}_seconds"] = time.perf_counter() - started
        record[name] = [
            {
                "words": len(sentence.words),
                "end": answer.end,
                "entities": [[*one.evidence, one.span in sentence.spans, *one.span] for one in answer],
            }
            for sentence, answer in zip(sentences, answers, strict=True)
        ]
    return record


def read(path: Path, corpora: dict[str, Corpus]) -> Cell:
    """What a run has found, beside the labels."""
    record = json.loads(path.read_text("utf-8"))
    _, splits = choose(corpora[record["set"]], record["size"], record["seed"], len(record["test"]))
    pairs = {}
    for name, sentences in splits.items():
        answers = [
            Answer([Prediction(Span(*row[9:]), row[0], Evidence(*row[:8])) for row in line["entities"]], line["end"])
            for line in record[name]
        ]
        pairs[name] = (sentences[: len(answers)], answers)
    return Cell(record["set"], record["size"], record["seed"], pairs)


def calibrator_of(cell: Cell, cells: Sequence[Cell]) -> Calibrator:
    """A domain's calibrator, drawn to a default of other sets; zero-shot that default itself."""
    others = [other for other in cells if other.name != cell.name and bool(other.size) == bool(cell.size)]
    default = default_of(others)
    return fit(*cell.pairs["dev"], default) if cell.size else default


def default_of(cells: Sequence[Cell]) -> Calibrator:
    """The default of cells that are zero-shot, or of cells that are not."""
    if not cells[0].size:
        return fit_default([cell.pairs["test"] for cell in cells])
    return fit_default([cell.pairs["dev"] for cell in cells], TIGHT)


def apply(calibrator: Calibrator, pair: Pair) -> list[Answer]:
    """Calibrated answers."""
    return [calibrator.apply(*both) for both in zip(*pair, strict=True)]


def promises(calibrator: Calibrator, pair: Pair) -> list[bool]:
    """For each precision that is promised, whether the binomial interval of the test's precision reaches it."""
    held = Held.of(*pair)
    scores = np.array([one.score for answer in apply(calibrator, pair) for one in answer])
    kept = []
    for level, threshold in calibrator.thresholds.precision.items():
        right = held.y[scores >= threshold]
        if len(right):
            p = float(level)
            kept.append(bool(right.mean() + 1.96 * np.sqrt(p * (1 - p) / len(right)) >= p))
    return kept


def table(cells: Sequence[Cell]) -> tuple[list[str], dict[str, list[Assessment]]]:
    """A row for each set and size, means over seeds; and the assessments by what they are of."""
    rows = []
    assessments: dict[str, list[Assessment]] = defaultdict(list)
    kept: list[bool] = []
    fitted = {id(cell): calibrator_of(cell, cells) for cell in cells}
    for size, name in sorted({(cell.size, cell.name) for cell in cells}):
        group = [cell for cell in cells if (cell.size, cell.name) == (size, name)]
        found = []
        foreign = []
        for cell in group:
            pair = cell.pairs["test"]
            found.append(assess(pair[0], apply(fitted[id(cell)], pair)))
            if size:
                kept += promises(fitted[id(cell)], pair)
                others = [other for other in cells if other.name != name and other.size == size]
                foreign += [assess(pair[0], apply(fitted[id(other)], pair)).calibrated for other in others]
        assessments["trained" if size else "zero-shot"] += found
        raw = [one.raw for one in found]
        ours = [one.calibrated for one in found]
        whole = [one.sentences for one in found]
        rows.append(
            (
                name,
                size or "none",
                len(group),
                f"{mean(part.entities for part in ours):,.0f}",
                f"{mean(part.ece for part in raw):.3f}",
                f"**{mean(part.ece for part in ours):.3f}** ({mean(part.low for part in ours):.3f} to "
                f"{mean(part.high for part in ours):.3f})",
                f"{mean(part.noise for part in ours):.3f}",
                f"{mean(part.ece for part in foreign):.3f}" if foreign else "",
                f"{mean(p.brier for p in raw):.3f}, {mean(p.brier for p in ours):.3f}",
                f"{mean(p.aurc for p in raw):.3f}, {mean(p.aurc for p in ours):.3f}",
                ", ".join(f"{100 * mean(p.precision_at[at] for p in ours):.0f}" for at in (50, 80, 100)),
                f"{mean(part.ece for part in whole):.3f}",
            )
        )
    head = ("set", "sentences", "seeds", "entities", "ECE raw", "ECE", "by chance", "ECE by other domains'",
            "Brier raw, ours", "AURC raw, ours", "precision at 50, 80, 100 %", "ECE of sentences")  # fmt: skip
    lines = markdown_table(head, rows)
    return [*lines, "", f"Promised precisions that held: {sum(kept)} of {len(kept)}."], assessments


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
            if bool(cell.size) == (kind == "trained"):
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


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="The public datasets.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("calibration-out"), help="A file for each run.")
@click.option("--seeds", default=3, show_default=True)
@click.option("--test", default=250, show_default=True, help="Test sentences.")
@click.option("--report-only", is_flag=True, help="Run nothing: report what is there.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw what is right by score.")
@click.option("--defaults", type=click.Path(path_type=Path), help="Write the defaults of a backbone into its folder.")
def main(
    data: Path, out: Path, seeds: int, test: int, report_only: bool, plot: Path | None, defaults: Path | None
) -> None:
    """Train and predict, one file a run; what is there is not run again. Then report."""
    out.mkdir(parents=True, exist_ok=True)
    ner = CPNER.load("cpner-mini" if defaults is None else str(defaults))
    corpora = {name: Corpus.read(data / name) for name in SETS}
    runs = [(seed, size, name) for seed in range(seeds) for size in SIZES if size or not seed for name in SETS]
    for seed, size, name in runs:
        path = out / f"{name}-{size}-{seed}.json"
        if not report_only and not path.exists():
            record = gather(ner, corpora[name], size, seed, test)
            with replacing(path) as file:
                file.write(json.dumps(record).encode())
            click.echo(f"{path.stem}: {record['training_seconds']:.0f} s", err=True)
    cells = [read(path, corpora) for path in sorted(out.glob("*.json"))]
    click.echo("\n".join(table(cells)[0]))
    if plot:
        draw(cells, plot)
    if defaults:
        zero_shot = default_of([cell for cell in cells if not cell.size])
        trained = default_of([cell for cell in cells if cell.size])
        facts = {"fitted_on": sorted({f"{cell.name}, {cell.size} sentences" for cell in cells})}
        Defaults(zero_shot, trained, True).write(defaults, ner.backbone.fingerprint, facts)


if __name__ == "__main__":
    main()
