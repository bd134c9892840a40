"""Which column holds the words, and which the tags."""

from __future__ import annotations

import pytest

from cpner.corpus import Corpus
from cpner.corpus.formats import Options
from cpner.errors import ConfigError, CorpusError

WORDS = [["Ida", "Storm", "sang"], ["Bo", "left"]]
NAMES = [["Ida Storm"], ["Bo"]]
LAYOUTS = {
    "number of the word from 1": "1 Ida B-PER\n2 Storm I-PER\n3 sang O\n\n1 Bo B-PER\n2 left O\n",
    "number over the whole file": "7 Ida B-PER\n8 Storm I-PER\n9 sang O\n\n10 Bo B-PER\n11 left O\n",
    "padded number": "01 Ida B-PER\n02 Storm I-PER\n03 sang O\n\n01 Bo B-PER\n02 left O\n",
    "number with a full stop": "1. Ida B-PER\n2. Storm I-PER\n3. sang O\n\n1. Bo B-PER\n2. left O\n",
    "number of sentence and word": "1-1 Ida B-PER\n1-2 Storm I-PER\n1-3 sang O\n\n2-1 Bo B-PER\n2-2 left O\n",
    "unparted, number of the sentence first": "1 Ida B-PER\n1 Storm I-PER\n1 sang O\n2 Bo B-PER\n2 left O\n",
    "unparted, name of the sentence last": "Ida B-PER s8\nStorm I-PER s8\nsang O s8\nBo B-PER s10\nleft O s10\n",
    "types alone": "Ida PERSON\nStorm PERSON\nsang O\n\nBo PERSON\nleft O\n",
    "language of several parts": "zh-min-nan:Ida B-PER\nzh-min-nan:Storm I-PER\nzh-min-nan:sang O\n\n"
    "zh-min-nan:Bo B-PER\nzh-min-nan:left O\n",
    "white space in a tag": "Ida\tB-P\u200bER\nStorm\tI-PER\nsang\tO\n\nBo\tB-PER\nleft\tO\n",
    "offsets of the words": "0 3 Ida B-PER\n4 9 Storm I-PER\n10 14 sang O\n\n0 2 Bo B-PER\n3 7 left O\n",
    "sentence and word": "4 0 Ida B-PER\n4 1 Storm I-PER\n4 2 sang O\n\n5 0 Bo B-PER\n5 1 left O\n",
    "name of the document": "a.txt Ida B-PER\na.txt Storm I-PER\na.txt sang O\n\nb.txt Bo B-PER\nb.txt left O\n",
    "tag in the middle": "Ida B-PER yes\nStorm I-PER no\nsang O yes\n\nBo B-PER no\nleft O no\n",
    "tag first with numbers": "B-PER 1 Ida\nI-PER 2 Storm\nO 3 sang\n\nB-PER 1 Bo\nO 2 left\n",
    "chunks before names": "Ida N I-NP I-PER\nStorm N I-NP I-PER\nsang V I-VP O\n\nBo N I-NP I-PER\nleft V I-VP O\n",
    "language before each word": "de:Ida B-PER\nde:Storm I-PER\nde:sang O\n\nde:Bo B-PER\nde:left O\n",
    "byte order marks": "\ufeffIda B-PER\nStorm I-PER\nsang O\n\n\ufeffBo B-PER\nleft O\n",
    "line of a no-break space": "Ida B-PER\nStorm I-PER\nsang O\n\u00a0\nBo B-PER\nleft O\n",
    "line of a form feed": "Ida B-PER\nStorm I-PER\nsang O\n\x0c\nBo B-PER\nleft O\n",
    "word of a no-break space": "Ida\tB-PER\nStorm\tI-PER\n\u2003\tB-X\nsang\tO\n\nBo\tB-PER\nleft\tO\n",
    "white space behind a tag": "Ida\tB-PER\u00a0\nStorm\tI-PER\nsang\tO\n\nBo\tB-PER\u200b\nleft\tO\n",
}
SILENT = {
    name for name in LAYOUTS if name.split()[0] in ("number", "padded", "offsets", "sentence", "name", "tag", "chunks")
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_words_and_names_are_found(write, name):
    corpus = Corpus.read(write("train.conll", LAYOUTS[name]))

    assert [sentence.word_texts for sentence in corpus.train] == WORDS
    assert [[entity.text for entity in sentence.entities] for sentence in corpus.train] == NAMES
    assert corpus.types == ["person"]
    assert bool(corpus.repairs) == (name not in SILENT)  # what was mended is told


@pytest.mark.parametrize("sign", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_other_line_ends_are_refused_where_they_would_join_a_tag_and_a_word(write, sign):
    path = write("train.conll", f"Ida\tB-PER{sign}left\tO{sign}")

    with pytest.raises(CorpusError, match=f"line 1: .*U\\+{ord(sign):04X}, which ends no line here"):
        Corpus.read(path)


@pytest.mark.parametrize(
    "content",
    [
        "Ida N\nsang V\nloud A\n",  # parts of speech: no O
        "I O\nsing V\nloud A\n",  # parts of speech with an O
        "Ida PER-B\nsang O\n",
        "Ida B_PER\nsang O\n",
        "Ida B–PER\nsang O\n",
        "Ida PERSON\nStorm B-PER\nsang O\n",
    ],
)
def test_what_may_be_no_type_alone_is_refused(write, content):
    with pytest.raises(CorpusError, match="is no tag"):
        Corpus.read(write("train.conll", content))


def test_a_number_that_ascends_with_the_words_parts_no_sentences(write):
    corpus = Corpus.read(write("train.tsv", "1\tIda\tB-PER\n2\tsang\tO\n3\tloud\tO\n"))

    assert [sentence.word_texts for sentence in corpus.train] == [["Ida", "sang", "loud"]]


def test_sentences_of_one_word_may_be_numbered(write):
    corpus = Corpus.read(write("train.tsv", "1\tIda\tB-PER\n\n1\tsang\tO\n"))

    assert [sentence.word_texts for sentence in corpus.train] == [["Ida"], ["sang"]]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("1\tAC\tB-ORG\tO\n2\tLund\tI-ORG\tB-LOC\n", ["AC Lund"]),  # the outer, then the inner ones
        ("Ida N B-PER B-PER\nStorm N I-PER O\nLund N B-LOC B-ORG\n", ["Ida Storm", "Lund"]),  # gold, then predicted
    ],
)
def test_of_two_columns_of_tags_the_first_is_read_and_the_other_told(write, content, names):
    path = write("train.tsv", content)
    corpus = Corpus.read(path)

    assert [entity.text for entity in corpus.train[0].entities] == names
    assert corpus.repairs.lines() == [
        f"Note 1 x: column 4 has tags too: column 3 is read (--columns chooses) (first: {path}, line 1)"
    ]


def test_columns_can_be_named(write):
    path = write("train.tsv", "1\tAC\tB-ORG\tO\n2\tLund\tI-ORG\tB-LOC\n")

    corpus = Corpus.read(path, options=Options(columns=("2", "4")))

    assert [(entity.text, entity.type) for entity in corpus.train[0].entities] == [("Lund", "location")]
    assert not corpus.repairs
    with pytest.raises(ConfigError, match="columns '2,5'; expected numbers from 1 to 4"):
        Corpus.read(path, options=Options(columns=("2", "5")))


@pytest.mark.parametrize("overlaps", ["longest", "first"])
def test_two_tags_in_a_column_are_refused_or_the_first_is_read(write, overlaps):
    path = write("train.conll", "AC B-ORG\nLund I-ORG|B-LOC\nwon O\n")

    with pytest.raises(CorpusError, match=r"line 2: 'I-ORG\|B-LOC' is two tags in one column"):
        Corpus.read(path)
    corpus = Corpus.read(path, options=Options(overlaps=overlaps))
    assert [entity.text for entity in corpus.train[0].entities] == ["AC Lund"]
    assert corpus.repairs == {"second tag in a column left out": 1}


def test_a_missing_word_is_told(write):
    with pytest.raises(CorpusError, match="line 2: the column of the word is empty"):
        Corpus.read(write("train.tsv", "Ida\tB-PER\n\tO\nsang\tO\n"))


SCHEMES = {
    "BMES": "Ida B-PER\nStorm E-PER\nsang O\nin O\nAlt B-LOC\nBad M-LOC\nIschl E-LOC\n",
    "BMEWO": "Ida B-PER\nStorm E-PER\nsang O\nin O\nAlt B-LOC\nBad M-LOC\nIschl E-LOC\n\nBo W-PER\n",
    "IOE2": "Ida I-PER\nStorm E-PER\nsang O\nin O\nAlt I-LOC\nBad I-LOC\nIschl E-LOC\n\nBo E-PER\n",
    "IOE1": "Ida I-PER\nStorm E-PER\nBo I-PER\nsang O\nin O\nAlt I-LOC\nBad I-LOC\nIschl I-LOC\n",
    "IOB1": "Ida I-PER\nStorm I-PER\nBo B-PER\nsang O\nin O\nAlt I-LOC\nBad I-LOC\nIschl I-LOC\n",
}


@pytest.mark.parametrize("name", SCHEMES)
def test_schemes_are_read_without_a_repair(write, name):
    corpus = Corpus.read(write("train.txt", SCHEMES[name]))

    found = [entity.text for sentence in corpus.train for entity in sentence.entities]
    assert [text for text in found if text != "Bo"] == ["Ida Storm", "Alt Bad Ischl"]
    assert not corpus.repairs


def test_tags_without_a_type_are_of_one_type(write):
    path = write("train.tsv", "a\tO\nred\tB\nfever\tI\n\nno\tO\nflu\tB\n")

    corpus = Corpus.read(path, types={"entity": "disease"})

    assert [entity.text for sentence in corpus.train for entity in sentence.entities] == ["red fever", "flu"]
    assert corpus.types == ["disease"]
    assert corpus.repairs.notes == {"file whose tags name no type: called 'entity'"}


def test_tags_in_lower_case_are_read_and_counted(write):
    corpus = Corpus.read(write("train.conll", "ida b-per\nstorm i-per\nsang o\n"))

    assert [entity.text for entity in corpus.train[0].entities] == ["ida storm"]
    assert corpus.repairs == {"tag in lower case read": 3}


CSV = {
    "quotes": 'Ida,B-PER\n"Storm",I-PER\nsang,O\n,\nBo,B-PER\nleft,O\n',
    "documents and empty words": "-DOCSTART-,O\n,O\nIda,I-PER\nStorm,I-PER\nsang,O\n,O\nBo,I-PER\nleft,O\n",
    "names of columns": (
        "Sentence #,Word,POS,Tag\nSentence: 1,Ida,NNP,B-PER\n,Storm,NNP,I-PER\n,sang,VBD,O\n"
        "Sentence: 2,Bo,NNP,B-PER\n,left,VBD,O\n"
    ),
    "semicolons": "word;tag\nIda;B-PER\nStorm;I-PER\nsang;O\n;\nBo;B-PER\nleft;O\n",
}


@pytest.mark.parametrize("name", CSV)
def test_tables_with_commas_are_read(write, name):
    corpus = Corpus.read(write("train.csv", CSV[name]))

    assert [sentence.word_texts for sentence in corpus.train] == WORDS
    assert [[entity.text for entity in sentence.entities] for sentence in corpus.train] == NAMES
    assert corpus.origins == {"train": "train.csv: csv (the ending .csv)"}


def test_words_of_a_table_may_hold_commas(write):
    corpus = Corpus.read(write("train.txt", '"Storm, Inc.",B-ORG\nfell,O\n'))

    assert corpus.train[0].word_texts == ["Storm, Inc.", "fell"]
