"""Recognition gives each sentence its own answer, whatever else is in the call, and long texts are merged."""

from __future__ import annotations

import itertools
from functools import partial

import pytest
import torch

from cpner.backbone.bank import PrefixBank
from cpner.backbone.prefix import common_start
from cpner.backbone.shape import ATTENTIONS, PrefixConfig
from cpner.corpus.sentence import Answer, Prediction, Sentence, Span
from cpner.corpus.words import split_words
from cpner.errors import ConfigError
from cpner.instructor import Instructor
from cpner.progress import Progress
from cpner.recognition.beam import beam_search
from cpner.recognition.decode import decode
from cpner.recognition.recognise import Task, recognise, room
from tests.support import SENTENCES, TYPES, long_sentence


@pytest.fixture(scope="module")
def prefixes(tiny):
    shape = tiny.t5.shape
    prefixes = {
        "a": common_start(shape, PrefixConfig(3, ATTENTIONS, start_seed=7, start_scale=3.0)),
        "b": common_start(shape, PrefixConfig(5, ATTENTIONS, start_seed=8, start_scale=3.0)),
        "decoder only": common_start(shape, PrefixConfig(4, ("decoder", "cross"), start_seed=9, start_scale=3.0)),
    }
    return PrefixBank(prefixes, device=tiny.device, dtype=tiny.dtype)


def task(tiny, sentence: Sentence, domain: str | None = None, types=TYPES) -> Task:
    return Task(sentence, Instructor(tiny.vocabulary, types), domain)


def test_one_sentence_is_what_decoding_gives(tiny, prefixes):
    source = Instructor(tiny.vocabulary, TYPES).source(SENTENCES[0])

    assert recognise(tiny, [task(tiny, SENTENCES[0], "a")], prefixes) == decode(tiny, [source], prefixes.rows(["a"]))


def test_a_mixed_call_gives_each_row_what_it_gets_alone(tiny, prefixes):
    names = ["a", "b", None, "decoder only"]
    tasks = [task(tiny, s, names[i % 4], TYPES[: 1 + i % 3]) for i, s in enumerate(SENTENCES * 4)]

    together = recognise(tiny, tasks, prefixes, batch_size=7)
    alone = [recognise(tiny, [own], prefixes)[0] for own in tasks]

    assert [[f.span for f in own] for own in together] == [[f.span for f in own] for own in alone]
    scores = [[f.score for own in answers for f in own] for answers in (together, alone)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)
    assert all(0 <= x <= 1 for x in scores[0]) and scores[0]


def test_prefixes_of_domains_make_a_difference(tiny, prefixes):
    answers = [
        [[f.span for f in own] for own in recognise(tiny, [task(tiny, s, name) for s in SENTENCES], prefixes)]
        for name in ("a", "b", None)
    ]

    assert answers[0] != answers[1] and answers[1] != answers[2] and answers[0] != answers[2]


@pytest.mark.parametrize("free", [False, True])
def test_sentences_without_words_have_no_entities_and_keep_their_place(tiny, prefixes, free):
    tasks = [task(tiny, s, "a") for s in (Sentence("", ()), SENTENCES[0], Sentence(" \n ", ()), SENTENCES[1])]

    found = recognise(tiny, tasks, prefixes, free=free)

    assert found[0] == found[2] == []
    assert found[1] == recognise(tiny, [tasks[1]], prefixes, free=free)[0]
    assert recognise(tiny, [], prefixes) == []
    assert recognise(tiny, tasks[:1], prefixes) == [[]]


def test_progress_counts_windows(tiny, prefixes):
    told: list[Progress] = []

    recognise(tiny, [task(tiny, s, "a") for s in SENTENCES], prefixes, batch_size=2, progress=told.append)

    assert told == [(2, 5, ""), (4, 5, ""), (5, 5, "")]


def test_a_long_text_has_the_entities_of_its_windows_at_their_places(tiny, prefixes, monkeypatch):
    """The decoder is replaced by one that finds every place name: what is tested is windows and merging."""
    import cpner.recognition.recognise as module

    sentence = long_sentence()
    names = {"Baltimore", "Rome"}
    longest = []

    def finds_places(backbone, sources, prefix):
        longest.extend(len(source.ids) for source in sources)
        return [
            Answer(
                Prediction(Span(w, w + 1, "location"), 0.5)
                for w, pieces in enumerate(by_word(source))
                if pieces in [list(backbone.vocabulary.word(name)) for name in names]
            )
            for source in sources
        ]

    def by_word(source):
        pairs = zip(source.word_of, source.pieces, strict=True)
        return [[p for _, p in own] for _, own in itertools.groupby(pairs, key=lambda pair: pair[0])]

    monkeypatch.setattr(module, "decode_and_tag", finds_places)

    found = recognise(tiny, [task(tiny, sentence, "a")], prefixes)[0]

    assert len(longest) > 3 and max(longest) <= tiny.window
    expected = [i for i, word in enumerate(sentence.word_texts) if word in names]
    assert [f.span for f in found] == [Span(i, i + 1, "location") for i in expected]


def test_long_texts_with_line_breaks_and_very_long_words_work(tiny, prefixes):
    text = "Johnson joined\r\nthe Whigs.\n\n" * 60 + "x" * 100_000 + " in Rome " + "a-b" * 2000 + "\n" + "中" * 5000
    sentence = Sentence(text, split_words(text))

    found = recognise(tiny, [task(tiny, sentence, "a")], prefixes)[0]

    assert all(0 <= a.span.start < a.span.end <= b.span.start for a, b in itertools.pairwise(found))
    assert all(f.span.end <= len(sentence.words) for f in found)


def test_options_that_fill_the_window_leave_room_for_the_sentence(tiny, prefixes):
    types = [
        f"{a} {b} {c}" for a in ("song", "band", "city") for b in ("river", "bank", "music") for c in "abcdefghijkl"
    ]
    long = task(tiny, long_sentence(4), None, types)

    assert len(long.prompt.source(long.sentence).ids) > tiny.window
    assert room(tiny, long.prompt) == tiny.window // 4
    [found] = recognise(tiny, [long], prefixes)
    assert all(f.span.type in types and f.span.end <= len(long.sentence.words) for f in found)


def test_nothing_is_left_to_train(tiny, prefixes):
    with torch.enable_grad():
        recognise(tiny, [task(tiny, SENTENCES[0], "a")], prefixes)

    assert not any(p.grad is not None for p in tiny.t5.parameters())


def test_types_beyond_all_bounds_are_refused(tiny, prefixes):
    types = [f"type {i}" for i in range(1500)]

    with pytest.raises(ConfigError, match=r"the 1,500 types take [\d,]+ pieces, more than the 4,096 of a source"):
        recognise(tiny, [task(tiny, SENTENCES[0], "a", types)], prefixes)


def test_long_sources_are_decoded_fewer_at_once(tiny, prefixes):
    types = [f"type {i}" for i in range(200)]
    tasks = [task(tiny, SENTENCES[3], "a", types)] * 16
    pieces = len(tasks[0].prompt.source(SENTENCES[3]).ids)
    done: list[int] = []

    recognise(tiny, tasks, prefixes, batch_size=16, progress=lambda progress: done.append(progress.done))

    assert 1448 < pieces < 2048
    assert done[0] == 32 * 1024**2 // pieces**2 < 16
    assert done[-1] == 16


def test_a_long_text_has_readings_too(tiny, prefixes):
    long = task(tiny, long_sentence(), "a")
    search = partial(beam_search, beams=6, readings=3)

    [answer] = recognise(tiny, [long], prefixes, search=search)

    readings = [answer, *answer.others]
    spans = [[one.span for one in reading] for reading in readings]
    assert 1 < len(spans) <= 3 and all(a != b for a, b in itertools.combinations(spans, 2))
    assert [reading.log for reading in readings] == sorted([reading.log for reading in readings], reverse=True)
    assert all(a.end <= b.start for row in spans for a, b in itertools.pairwise(row))
