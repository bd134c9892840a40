"""What is scored is what a user gets: the words of a labelled text are those of the bare text, in every format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cpner import CPNER
from cpner.corpus import Corpus, Sentence, Span
from cpner.corpus.formats import WRITTEN

TEXTS = [
    ("The Vienna-based firm sued the Oslo-listed bank.", [(4, 10, "location"), (31, 35, "location")]),
    ("Critics of the Thatcher-era law met Barack Obama.", [(15, 23, "person"), (36, 48, "person")]),
    ("Hamburgers are sold in Kiel.", [(0, 7, "location"), (23, 27, "location")]),  # the first lies inside a word
    ("彼は東京に住む。", [(2, 4, "location")]),
    ("Angela Merkel flew to Paris in 2015 .", [(0, 13, "person"), (22, 27, "location")]),
]


TOKENS = [  # as treebanks cut them: hyphens whole, clitics otherwise, brackets by name
    ("The Vienna-based firm sued the Oslo bank .", [(1, 2, "location"), (5, 6, "location")]),
    (
        "Dr. Barack Obama did n't go to U.K.-held Gibraltar .",
        [(1, 3, "person"), (7, 8, "location"), (8, 9, "location")],
    ),
    ("Angela Merkel flew to Paris in mid-2015 .", [(0, 2, "person"), (4, 5, "location")]),
    ("-LRB- Reuters -RRB- 東京 shares fell 5km .", [(1, 2, "organization"), (3, 4, "location")]),
]


@pytest.fixture(scope="module")
def mini() -> CPNER:
    return CPNER.load("cpner-mini")


def f1_of_predictions(ner: CPNER, corpus: Corpus) -> float:
    """The score of what raw text gives, by characters."""
    right = found = gold = 0
    predictions: list[Any] = ner.predict([sentence.text for sentence in corpus.train], types=corpus.types)
    for sentence, entities in zip(corpus.train, predictions, strict=True):
        wanted = {entity[:3] for entity in sentence.entities}
        given = {entity[:3] for entity in entities}
        right, found, gold = right + len(wanted & given), found + len(given), gold + len(wanted)
    return 200 * right / (found + gold)


@pytest.mark.filterwarnings("ignore:.*inside words")
@pytest.mark.parametrize("format", [name for name in WRITTEN if not WRITTEN[name].binary])
def test_evaluate_and_predict_agree(format: str, mini: CPNER, tmp_path: Path) -> None:
    corpus = Corpus.from_sentences([Sentence.from_text(*labelled) for labelled in TEXTS])
    corpus.write(tmp_path / "train.txt", format)
    read = Corpus.read(tmp_path / "train.txt", format=format)

    evaluation = mini.evaluate(read, None, "train", types=read.types)

    assert evaluation.f1 == pytest.approx(f1_of_predictions(mini, read))
    assert evaluation.f1 > 0


@pytest.mark.filterwarnings("ignore:.*inside words")
@pytest.mark.parametrize("format", [name for name in WRITTEN if WRITTEN[name].words and not WRITTEN[name].binary])
def test_evaluate_with_the_words_of_the_text_is_predict_on_every_file_of_words(
    format: str, mini: CPNER, tmp_path: Path
) -> None:
    sentences = [Sentence.from_words(text.split(), [Span(*span) for span in spans]) for text, spans in TOKENS]
    Corpus.from_sentences(sentences).write(tmp_path / "train.txt", format)
    corpus = Corpus.read(tmp_path / "train.txt", format=format)

    of_text = mini.evaluate(corpus, None, "train", types=corpus.types, words="text")
    of_corpus = mini.evaluate(corpus, None, "train", types=corpus.types)

    assert corpus.train == sentences
    assert corpus.with_other_words("train") == 4
    assert of_text.f1 == pytest.approx(f1_of_predictions(mini, corpus))
    assert of_text.support == of_corpus.support == 9  # none is lost by cutting anew
    assert of_text.f1 > 0
