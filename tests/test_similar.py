"""Sentences like a domain's are found in a text at large."""

from __future__ import annotations

import lzma

import pytest

from cpner.corpus import Corpus, Sentence, split_words
from cpner.errors import ConfigError, CorpusError
from cpner.similar import similar
from tests.cli.conftest import cpner

MUSIC = [
    "The band released an album with the drummer of another band .",
    "An album by the singer won a prize for the best song of the year .",
    "Her song was on the album of a band from the north .",
]
DOMAIN = [Sentence.from_words(text.split()) for text in MUSIC]
PARAGRAPHS = [
    "The river runs through the valley to the sea. In spring, the band played a song from an old album for us!",
    "Nobody has ever seen the mountain from the other side of the lake.",
    "A band.",
    "the BAND released an album, with the drummer of another band",  # the domain's own, in other letters
    "The council met on Tuesday to vote on the new road to the harbour.",
]


def test_the_likest_sentences_come_first_and_the_domains_own_never():
    found = similar(PARAGRAPHS, DOMAIN, 2, longest=20)

    assert found[0] == "In spring, the band played a song from an old album for us!"
    assert len(found) == 2 and "drummer" not in found[1]


def test_a_sentence_is_selected_once_and_only_of_the_length_asked_for():
    twice = [*PARAGRAPHS, *PARAGRAPHS]

    assert len(similar(twice, DOMAIN, 100)) == len(similar(PARAGRAPHS, DOMAIN, 100)) == 4
    assert similar(twice, DOMAIN, 100, shortest=2, longest=4) == ["A band."]


def test_sentences_that_must_not_be_found_are_not():
    kept_out = [
        Sentence(text, split_words(text)) for text in ("in spring the band played a song from an old album for us",)
    ]

    assert not any("spring" in text for text in similar(PARAGRAPHS, DOMAIN, 100, without=kept_out))


def test_what_is_found_does_not_depend_on_how_much_is_asked_for():
    assert similar(PARAGRAPHS, DOMAIN, 3) == similar(PARAGRAPHS, DOMAIN, 100)[:3]


def test_progress_is_told():
    seen = []
    similar(PARAGRAPHS, DOMAIN, 1, progress=seen.append)

    assert [step.total for step in seen] == [0]


@pytest.mark.parametrize(
    ("domain", "count", "error"), [(DOMAIN, 0, ConfigError), (DOMAIN[:1], 1, CorpusError), ([], 1, CorpusError)]
)
def test_too_little_is_refused(domain, count, error):
    with pytest.raises(error):
        similar(PARAGRAPHS, domain, count)


def test_the_command_reads_packed_text_and_writes_lines(tmp_path):
    packed, out = tmp_path / "text.txt.xz", tmp_path / "found.txt"
    packed.write_bytes(lzma.compress("\n".join(PARAGRAPHS).encode()))
    files = Corpus.from_sentences(DOMAIN, test=[DOMAIN[0]], types=["song"]).write(tmp_path / "music", "jsonl")
    assert files

    printed = cpner("corpora", "similar", packed, "--to", tmp_path / "music", "--count", 2)
    written = cpner("corpora", "similar", packed, "--to", tmp_path / "music", "--count", 2, "--out", out)

    assert (printed.exit_code, printed.stderr) == (0, "")
    assert printed.stdout == out.read_text("utf-8")
    assert printed.stdout.splitlines()[0].startswith("In spring, the band")
    assert written.stderr == f"Wrote {out}, 2 sentences\n"
