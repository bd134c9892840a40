from __future__ import annotations

from rich.console import Console

from cpner.corpus.sentence import Sentence, Span
from cpner.evaluation import evaluate
from cpner.show.tables import markdown_table, report
from tests.support import PREDICTED, SENTENCE


def shown(evaluation, **settings):
    console = Console(width=140, **settings)
    with console.capture() as capture:
        console.print(report(evaluation, "politics [dev]"))
    return capture.get()


def test_tables_show_scores_errors_and_examples():
    text = shown(evaluate([SENTENCE], [PREDICTED]))
    rows = [line.split() for line in text.splitlines()]

    assert ["politician", "100.00", "100.00", "100.00", "1"] in rows
    assert ["all", "(micro)", "33.33", "33.33", "33.33", "3"] in rows
    assert ["boundary", "1", "33.3", "%"] in rows
    assert "politics [dev]" in text
    assert "[bold]city: Bonn" in text  # names are shown as they are, not read as markup


def test_long_sentence_is_cut_to_its_error():
    words = ["word"] * 100
    text = shown(evaluate([Sentence.from_words(words, [Span(50, 51, "x")])], [[]]))

    assert sum(line.count("word") for line in text.splitlines()) < 20
    assert text.count("…") == 2


def test_tables_of_nothing_are_zero():
    assert "0.00" in shown(evaluate([], []))


def test_markdown_escapes_bars_once():
    assert markdown_table(("name", "n"), [("a|b", 1), ("a\\|b", 2)]) == [
        "| name | n |",
        "| --- | --- |",
        "| a\\|b | 1 |",
        "| a\\|b | 2 |",
    ]
