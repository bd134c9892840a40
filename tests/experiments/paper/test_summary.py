"""What is told of an experiment."""

from __future__ import annotations

from cpner.corpus import Corpus, Sentence, Span
from cpner.experiments.paper.summary import find_cases


def test_cases_are_entities_that_a_source_has_too():
    gold = [Sentence.from_words(["Ada", "met", "Joseph"], [Span(2, 3, "person")])]
    source = Sentence.from_words(["joseph", "sang"], [Span(0, 1, "singer")])
    corpora = {"music": Corpus("music", {"train": [source]})}
    wrong, right = [[Span(1, 3, "place")]], [[Span(2, 3, "person")]]

    assert find_cases(gold, wrong, right, corpora) == [
        {
            "sentence": "Ada met Joseph", "entity": "Joseph", "type": "person", "without": ["place: met Joseph"],
            "source": "music", "source_sentence": "joseph sang",
        }
    ]  # fmt: skip
    assert find_cases(gold, right, right, corpora) == find_cases(gold, wrong, wrong, corpora) == []
