"""What is written in any format comes back: texts, words and entities, as far as the format has a place for them."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cpner.corpus import Corpus, Sentence
from cpner.corpus.formats import FORMATS, WRITTEN
from cpner.corpus.sentence import Span
from cpner.errors import CorpusError

TEXTS = [name for name, format_ in WRITTEN.items() if not format_.binary]
WITH_TEXT = [name for name in TEXTS if not WRITTEN[name].words]
# Letters with accents, right to left, emoji of several signs, signs without width, blanks of all kinds, line ends.
SIGNS = "ab1.'-,\"\t\n\u00e9e\u0301\u05d0\u0628\u4e2d\u0e19\u0e49\U0001f600\U0001f1eb\u200d\u200b\ufeff\u00a0\u2028 "
TYPES = ("person", "political party", "EU body")


@st.composite
def labelled(draw: st.DrawFn) -> Sentence:
    """A text of any signs, with entities that may lie inside words."""
    text = "x" + "".join(draw(st.lists(st.sampled_from([*SIGNS, "\r\n", "ab "]), max_size=25)))
    edges = sorted(draw(st.lists(st.integers(0, len(text)), unique=True, max_size=6)))
    marks = [(a, b, draw(st.sampled_from(TYPES))) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    words = Sentence.from_text(text)
    inside = [(a, b, t) for a, b, t in marks if text[a:b] == text[a:b].strip(BLANKS) and text[a:b]]
    return Sentence.from_text(words.text, inside)


BLANKS = " \t\r\n\u00a0\u2028\u200b\ufeff"


def entities(sentence: Sentence) -> list[tuple[int, int, str]]:
    return [entity[:3] for entity in sentence.entities]


def in_line(text: str) -> str:
    """A text as brat's files have it, where a line is a sentence."""
    return text.replace("\n", " ").replace("\r", " ")


@given(st.lists(labelled(), min_size=1, max_size=4), st.sampled_from(WITH_TEXT))
def test_texts_and_entities_come_back(tmp_path_factory, sentences, name):
    path = tmp_path_factory.mktemp("out") / f"train{WRITTEN[name].suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of offsets that other counts might explain
        Corpus.from_sentences(sentences).write(path, name)
        corpus = Corpus.read(path, format=name)

    assume(not any(repair.endswith("read so") for repair in corpus.repairs))  # all lay inside words: another count fits
    same = in_line if name == "brat" else str
    written = [same(sentence.text) for sentence in sentences]
    assert [sentence.text.rstrip("\n") for sentence in corpus.train] == [text.rstrip("\n") for text in written]
    if name != "brat":  # whose types have no blanks
        assert [entities(sentence) for sentence in corpus.train] == [entities(sentence) for sentence in sentences]


@given(st.lists(labelled(), min_size=1, max_size=4), st.sampled_from([n for n in TEXTS if WRITTEN[n].words]))
def test_words_and_spans_come_back(tmp_path_factory, sentences, name):
    path = tmp_path_factory.mktemp("out") / f"train{WRITTEN[name].suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of entities inside words, for which there is no place
        Corpus.from_sentences(sentences).write(path, name)
    corpus = Corpus.read(path, format=name)

    assert [sentence.word_texts for sentence in corpus.train] == [sentence.word_texts for sentence in sentences]
    spans = [[(span[:2], span.type.lower()) for span in sentence.spans] for sentence in corpus.train]
    assert spans == [[(span[:2], span.type.lower()) for span in sentence.spans] for sentence in sentences]


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_written_is_recognised(tmp_path, name):
    sentence = Sentence.from_text("Ida Storm left Lund.", [(0, 9, "person"), (15, 19, "place")])
    corpus = Corpus.from_sentences([sentence, Sentence.from_text("So did Bo.")])
    path = tmp_path / f"train{WRITTEN[name].suffix}"

    corpus.write(path, name)
    read = Corpus.read(path)

    assert [[(e.type, e.text) for e in s.entities] for s in read.train] == [
        [("person", "Ida Storm"), ("place", "Lund")],
        [],
    ]
    assert read.origins["train"].split(": ")[1].startswith(name)


@pytest.mark.parametrize("name", [name for name in FORMATS if FORMATS[name].example != "(binary)" and name != "brat"])
def test_the_example_of_a_format_is_read(tmp_path, name):
    format_ = FORMATS[name]
    path = tmp_path / f"train{'.csv' if name == 'csv' else ''}"
    path.write_text(format_.example + "\n", "utf-8")
    (tmp_path / "vane.txt").write_text("Vane left.", "utf-8")  # that some examples name

    corpus = Corpus.read(path)

    assert [(entity.type, entity.text) for entity in corpus.train[0].entities] == [("person", "Vane")]
    assert corpus.origins["train"].startswith(f"{path.name}: {name} (")


def test_names_that_no_rule_gives_come_back(tmp_path):
    corpus = Corpus.from_sentences([Sentence.from_text("Ida DNA", [(0, 3, "e-mail user"), (4, 7, "DNA")])])

    for name, format_ in WRITTEN.items():
        if format_.losses is None:
            path = tmp_path / name / f"train{format_.suffix}"
            corpus.write(path, name)
            assert Corpus.read(path).types == corpus.types, name


@pytest.mark.parametrize("name", [name for name in TEXTS if WRITTEN[name].losses is not None])
def test_names_that_change_are_told(tmp_path, name):
    corpus = Corpus.from_sentences([Sentence.from_text("Ida DNA", [(0, 3, "person"), (4, 7, "DNA")])])
    path = tmp_path / f"train{WRITTEN[name].suffix}"

    with pytest.warns(UserWarning, match=f"{name} has no place for the names of 1 types: 'DNA' comes back as 'dna'"):
        corpus.write(path, name)

    assert set(Corpus.read(path).types) == {"person", "dna"}


def test_signs_that_brat_cannot_keep_are_told(tmp_path):
    corpus = Corpus.from_sentences([Sentence.from_text("Ida\nleft", [(0, 3, "user's name")])])

    with pytest.warns(UserWarning) as caught:
        corpus.write(tmp_path / "train.txt", "brat")

    assert [str(warning.message) for warning in caught] == [
        "brat has no place for line ends in 1 sentences: written as blanks",
        "brat has no place for the names of 1 types: \"user's name\" comes back as 'user s name'",
    ]


def test_a_word_that_conll_would_read_otherwise_is_refused(tmp_path):
    corpus = Corpus.from_sentences([Sentence.from_words(["\ufeff", "Ida"])])

    with pytest.raises(CorpusError, match=r"the word '\\ufeff' can't stand in a CoNLL file"):
        corpus.write(tmp_path / "train.conll", "conll")


@pytest.mark.parametrize("sign", ["\r", "\n", '"', ","])
def test_words_with_signs_of_tables_come_back_from_csv(tmp_path, sign):
    words = ["Ada", f"Love{sign}lace", "left"]
    Corpus.from_sentences([Sentence.from_words(words, [Span(0, 2, "person")])]).write(tmp_path / "train.csv", "csv")

    [sentence] = Corpus.read(tmp_path / "train.csv", format="csv").train

    assert (sentence.word_texts, sentence.spans) == (words, (Span(0, 2, "person"),))
