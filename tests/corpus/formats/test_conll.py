from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given

from cpner.corpus import Corpus, Sentence, Span
from cpner.corpus.formats import parse
from cpner.corpus.formats._tags import decode
from cpner.corpus.repairs import Repairs
from cpner.errors import CorpusError, FileError
from tests.strategies import corpora, word_sentences

EU = [
    Sentence.from_words(["EU", "rejects", "German", "call"], [Span(0, 1, "organization"), Span(2, 3, "miscellaneous")]),
    Sentence.from_words(["Peter", "Blackburn"], [Span(0, 2, "person")]),
]
DIALECTS = {
    "tag last, tabs": "EU\tB-ORG\nrejects\tO\nGerman\tB-MISC\ncall\tO\n\nPeter\tB-PER\nBlackburn\tI-PER\n\n",
    "tag last, blanks": "EU B-ORG\nrejects O\nGerman B-MISC\ncall O\n\nPeter B-PER\nBlackburn I-PER\n",
    "tag first": "B-ORG\tEU\nO\trejects\nB-MISC\tGerman\nO\tcall\n\nB-PER\tPeter\nI-PER\tBlackburn\n\n",
    "four columns, IOB1": (
        "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\nrejects VBZ I-VP O\nGerman JJ I-NP I-MISC\ncall NN I-NP O\n\n"
        "Peter NNP I-NP I-PER\nBlackburn NNP I-NP I-PER\n"
    ),
    "three columns": "EU NNP B-ORG\nrejects VBZ O\nGerman JJ B-MISC\ncall NN O\n\nPeter NNP B-PER\nBlackburn NNP I-PER",
    "five columns, tag first": (
        "B-ORG EU a b c\nO rejects a b c\nB-MISC German a b c\nO call a b c\n\n"
        "B-PER Peter a b c\nI-PER Blackburn a b c\n"
    ),
    "tabs and blanks on a line": (
        "EU NNP\tB-ORG\nrejects\tVBZ O\nGerman JJ\tB-MISC\ncall\tNN\tO\n\nPeter  NNP \tB-PER\nBlackburn NNP I-PER\n"
    ),
    "BIOES": "EU S-ORG\nrejects O\nGerman S-MISC\ncall O\n\nPeter B-PER\nBlackburn E-PER\n",
    "BILOU": "EU U-ORG\nrejects O\nGerman U-MISC\ncall O\n\nPeter B-PER\nBlackburn L-PER\n",
    "IO": "EU I-ORG\nrejects O\nGerman I-MISC\ncall O\n\nPeter I-PER\nBlackburn I-PER\n",
    "CRLF": "EU\tB-ORG\r\nrejects\tO\r\nGerman\tB-MISC\r\ncall\tO\r\n\r\nPeter\tB-PER\r\nBlackburn\tI-PER\r\n",
    "CR": "EU\tB-ORG\rrejects\tO\rGerman\tB-MISC\rcall\tO\r\rPeter\tB-PER\rBlackburn\tI-PER\r",
    "byte order mark": "\ufeffEU\tB-ORG\nrejects\tO\nGerman\tB-MISC\ncall\tO\n\nPeter\tB-PER\nBlackburn\tI-PER\n",
    "many empty lines": "\n\n\nEU B-ORG\nrejects O\nGerman B-MISC\ncall O\n\n\n\n\nPeter B-PER\nBlackburn I-PER\n\n\n",
    "document lines": (
        "-DOCSTART-\tO\n\nEU B-ORG\nrejects O\nGerman B-MISC\ncall O\n-DOCSTART- O\nPeter B-PER\nBlackburn I-PER\n"
    ),
    "document lines, tag first": (
        "O -DOCSTART-\n\nB-ORG EU\nO rejects\nB-MISC German\nO call\nO -DOCSTART-\nB-PER Peter\nI-PER Blackburn\n"
    ),
    "running numbers": (
        "1\tEU\tB-ORG\n2\trejects\tO\n3\tGerman\tB-MISC\n4\tcall\tO\n\n1\tPeter\tB-PER\n2\tBlackburn\tI-PER\n"
    ),
    "running numbers from 0": (
        "0 EU B-ORG\n1 rejects O\n2 German B-MISC\n3 call O\n\n0 Peter B-PER\n1 Blackburn I-PER\n"
    ),
}


def read(path: Path) -> Corpus:
    return Corpus.read(path)


@pytest.mark.parametrize("content", DIALECTS.values(), ids=DIALECTS)
def test_dialects_give_the_same_sentences(write, content):
    corpus = read(write("train.txt", content))

    assert corpus.train == EU
    assert not corpus.repairs


@pytest.mark.parametrize("first", [False, True])
def test_words_that_look_like_tags_do_not_move_the_tag_column(write, first):
    rows = [("O", "O"), ("B-52", "B-plane"), ("flies", "O"), ("I-90", "B-road"), ("O", "O"), ("B-2", "O")]
    content = "\n".join("\t".join(reversed(row) if first else row) for row in rows)

    sentence = read(write("train.txt", content)).train[0]

    assert sentence.word_texts == [word for word, _ in rows]
    assert sentence.spans == (Span(1, 2, "plane"), Span(3, 4, "road"))


def test_words_and_types_with_blanks_are_read_between_tabs(write):
    corpus = read(write("train.txt", "New York\tB-big city\nis\tO\nlarge\tO\n"))

    assert corpus.train[0].word_texts == ["New York", "is", "large"]
    assert corpus.types == ["big city"]


def test_no_break_space_belongs_to_its_word(write):
    assert read(write("train.txt", "1\u00a0000 O\nmen O\n")).train[0].word_texts == ["1\u00a0000", "men"]


def test_neighbours_of_one_type_stay_two_entities(write):
    iob2 = read(write("a/train.txt", "x B-P\ny B-P\nz I-P\nw O\nq B-P\n")).train[0].spans
    iob1 = read(write("b/train.txt", "x I-P\ny B-P\nz I-P\nw O\nq I-P\n")).train[0].spans

    assert iob1 == iob2 == (Span(0, 1, "p"), Span(1, 3, "p"), Span(4, 5, "p"))


def test_comments_before_a_sentence_are_left_out_and_counted(write):
    content = "# id 5239 domain=en\n# another\nEU _ _ B-ORG\nis _ _ O\n\n# id\tdomain=en\n# _ _ O\n1 _ _ O\n"

    corpus = read(write("train.conll", content))

    assert [sentence.word_texts for sentence in corpus.train] == [["EU", "is"], ["#", "1"]]
    assert corpus.repairs == {"comment line left out": 3}


def test_hash_words_are_words(write):
    assert read(write("train.txt", "#\tO\n#ai\tO\n\n#NER\tB-tag\n")).train[1].word_texts == ["#NER"]


@pytest.mark.parametrize(
    ("content", "spans", "repair"),
    [
        ("x I-P\ny B-Q\nz O", [Span(0, 1, "p"), Span(1, 2, "q")], "entity that began with I- without B-"),
        ("x B-P\ny I-Q\nz O", [Span(0, 1, "p"), Span(1, 2, "q")], "entity that began with I- without B-"),
        ("x S-P\ny E-Q\nz O", [Span(0, 1, "p"), Span(1, 2, "q")], "entity that began with E- or L- without B-"),
        ("x B-P\ny I-P\nz O\nw S-P", [Span(0, 2, "p"), Span(3, 4, "p")], "entity without its closing E- or L-"),
        ("x B-P\ny I-P  \nz O", [Span(0, 2, "p")], "line with blanks at an end"),
        ("x B-P\n  \ny B-P\nz I-P", [Span(0, 1, "p")], "line with blanks at an end"),
    ],
)
def test_repairs_are_counted(write, content, spans, repair):
    corpus = read(write("train.txt", content))

    assert list(corpus.train[0].spans) == spans
    assert corpus.repairs == {repair: 1}


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("EU B-ORG\nrejects\nGerman O\n", 2, "1 column where the other lines have 2"),
        ("EU B-ORG\nrejects O\nNew York B-LOC\n", 3, "3 columns where the other lines have 2"),
        ("EU\tB-ORG\n\nx\tO\nrejects\tX-LOC\n", 4, "'X-LOC' in the last column is no tag"),
        ("O EU\nO is\nB- here\n", 3, "'B-' in the first column is no tag"),
        ("EU\tb-org\nx\tO\n", 1, "'b-org' in the last column is no tag"),
        ("New York\tO\na b c\tO\n\tO\n", 3, "the column of the word is empty"),
        ("Just a text.\n", 1, "is no tag"),
        ("text\nmore\n", 1, "a word alone: 'text'"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(write, content, line, message):
    path = write("train.txt", content)

    with pytest.raises(CorpusError, match=message) as caught:
        read(path)

    assert (caught.value.path, caught.value.line) == (path, line)


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "is empty"), ("\n \n", "is empty"), ("-DOCSTART- O\n", "holds no"), ("# only comments\n", "holds no")],
)
def test_files_without_sentences_are_refused(write, content, message):
    with pytest.raises(CorpusError, match=message):
        read(write("train.txt", content))


def test_bytes_that_are_not_utf8_are_named_with_their_line(tmp_path):
    path = tmp_path / "train.txt"
    path.write_bytes(b"EU\tO\nZ\xfcrich\tB-LOC\n")

    with pytest.raises(FileError, match="line 2: byte 0xfc is not UTF-8"):
        read(path)


@given(corpora(word_sentences()))
@example([Sentence.from_words(["#", "O"], [Span(0, 1, "person"), Span(1, 2, "person")]), Sentence.from_words(["x"])])
def test_write_then_read_gives_the_same(tmp_path_factory, sentences):
    sentences = [*sentences, Sentence.from_words(["word"])]  # at least one word that could not be a tag
    path = tmp_path_factory.mktemp("conll") / "train.conll"
    Corpus.from_sentences(sentences).write(path, "conll")

    corpus = read(path)

    assert corpus.train == sentences
    assert not corpus.repairs


def test_words_that_conll_cannot_hold_are_refused(tmp_path):
    corpus = Corpus.from_sentences([Sentence("New York", [(0, 8)])])

    with pytest.raises(CorpusError, match="'New York' can't stand in a CoNLL file; write 'jsonl' or 'tokens'"):
        corpus.write(tmp_path / "out", "conll")
    assert not list(tmp_path.glob("out/*"))


@given(corpora(word_sentences()))
def test_all_schemes_decode_to_the_same_entities(sentences):
    def bilou(sentence: Sentence) -> list[str]:
        tags = ["O"] * len(sentence.words)
        for start, end, type_ in sentence.spans:
            inner = [f"I-{type_}"] * (end - start - 2)
            tags[start:end] = [f"U-{type_}"] if end - start == 1 else [f"B-{type_}", *inner, f"L-{type_}"]
        return tags

    repairs = Repairs()

    assert decode([bilou(s) for s in sentences], repairs) == [list(s.spans) for s in sentences]
    assert not +repairs


def test_reader_says_nothing_of_types(write):
    path = write("train.txt", "EU B-ORG\n")

    assert parse(path, "conll", Repairs())[0][0].spans == (Span(0, 1, "ORG"),)
