from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cpner.corpus.sentence import Sentence, Span
from cpner.instructor import Instructor
from cpner.instructor.parse import parse
from tests.strategies import tasks


@given(task=tasks(), data=st.data())
def test_parse_accepts_any_pieces_and_invents_nothing(lexicon, task, data):
    types, sentence = task
    source = Instructor(lexicon, types).source(sentence)
    signs = [lexicon.open, lexicon.close, lexicon.colon, lexicon.comma]
    known = st.sampled_from([*signs, *source.pieces, *(piece for pieces in source.options.pieces for piece in pieces)])
    ids = data.draw(st.lists(known | st.integers(-3, lexicon.size + 3), max_size=40))
    parsed = parse(ids, source, lexicon)

    assert {span.type for span in parsed.spans} <= set(types)
    assert list(sentence.with_spans(parsed.spans).spans) == parsed.spans
    assert len(parsed.spans) + parsed.malformed + parsed.unknown <= ids.count(lexicon.open)


def test_parse_counts_what_it_drops(lexicon):
    sentence = Sentence.from_words(["Ada", "met", "Charles", "Babbage"])
    source = Instructor(lexicon, ["person"]).source(sentence)
    o, c, colon = lexicon.open, lexicon.close, lexicon.colon
    person, ada, charles = lexicon.word("person"), lexicon.word("Ada"), lexicon.word("Charles")

    def parsed(*parts: tuple[int, ...]) -> tuple[list[Span], int, int]:
        return parse([o, *(piece for part in parts for piece in part), c, lexicon.eos], source, lexicon)

    assert parsed((o, *person, colon, *charles, c), (o, *person, colon, *ada, c)) == (
        [Span(0, 1, "person"), Span(2, 3, "person")], 0, 0,
    )  # out of order  # fmt: skip
    assert parsed((o, *person, colon, *ada, c), (o, *person, colon, *ada, c)) == ([Span(0, 1, "person")], 0, 1)
    assert parsed((o, *lexicon.word("song"), colon, *ada, c)) == ([], 0, 1)
    assert parsed((o, *person, *ada, c)) == ([], 1, 0)
    assert parsed((o, *person, colon, *ada)) == ([Span(0, 1, "person")], 0, 0)  # never closed
    assert parsed() == ([], 0, 0)
