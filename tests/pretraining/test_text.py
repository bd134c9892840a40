"""Plain text: reading, encoding, and span corruption."""

from __future__ import annotations

import itertools
import lzma
from pathlib import Path

import numpy as np
import pytest

from cpner.corpus.formats import open_lines
from cpner.corpus.words import split_words
from cpner.errors import FileError
from cpner.pretraining.prepare import Prepared
from cpner.pretraining.text import encode_text, in_turn
from cpner.training.span_corruption import SpanCorruption


def undo(source: list[int], target: list[int], corrupt: SpanCorruption) -> list[int]:
    """Put what the target tells back into the source."""
    hidden: dict[int, list[int]] = {}
    for piece in target[:-1]:
        if piece in corrupt.sentinels:
            current = hidden[piece] = []
        else:
            current.append(piece)
    return [p for piece in source[:-1] for p in hidden.get(piece, [piece])]


@pytest.mark.parametrize("biased", [0.0, 0.5, 1.0])
def test_span_corruption_can_be_undone(data: Prepared, biased: float) -> None:
    assert data.text is not None
    pieces, bounds = data.text
    corrupt = SpanCorruption(data.vocabulary, noise=0.15, mean_span=3, biased=biased)
    rng = np.random.default_rng(0)
    for line in range(60):
        own = pieces[bounds[line] : bounds[line + 1]]
        source, target = corrupt(own, rng)
        used = [piece for piece in target if piece in corrupt.sentinels]
        assert source[-1] == target[-1] == data.vocabulary.eos
        assert undo(source, target, corrupt) == own.tolist()
        assert used == corrupt.sentinels[: len(used)]  # in order, and one more at the end
        assert [piece for piece in source if piece in corrupt.sentinels] == used[:-1]


def test_span_corruption_hides_about_the_noise(data: Prepared) -> None:
    assert data.text is not None
    corrupt, rng = SpanCorruption(data.vocabulary, noise=0.15, mean_span=3, biased=0.0), np.random.default_rng(0)
    own = data.text[0][:128]

    hidden = [sum(piece not in corrupt.sentinels for piece in corrupt(own, rng)[1][:-1]) for _ in range(200)]

    assert 0.08 < np.mean(hidden) / 128 < 0.25


def test_hidden_spans_are_whole_words(data: Prepared) -> None:
    assert data.text is not None
    corrupt, rng = SpanCorruption(data.vocabulary, noise=0.15, mean_span=3, biased=0.5), np.random.default_rng(0)
    target = corrupt(data.text[0][:128], rng)[1]
    for before, piece in itertools.pairwise(target[:-1]):
        if before in corrupt.sentinels and piece not in corrupt.sentinels:
            assert corrupt.starts_word[piece]


def test_text_is_encoded_word_by_word_and_every_tenth_line_in_lower_case(data: Prepared, tmp_path: Path) -> None:
    lines = ["New York, at NIGHT\n", *["Ada met Carl.\n"] * 9, "São Paulo\n"]
    (tmp_path / "a.txt").write_text("".join(lines), "utf-8")

    pieces, bounds = encode_text([tmp_path / "a.txt"], data.vocabulary)

    read = [lines[0].lower(), *lines[1:10], lines[10].lower()]
    expected = [[p for a, b in split_words(line) for p in data.vocabulary.word(line[a:b])] for line in read]
    assert [pieces[bounds[i] : bounds[i + 1]].tolist() for i in range(11)] == expected
    assert len(bounds) == 12


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_processes_encode_the_same(data: Prepared, corpus: Path) -> None:
    alone = encode_text([corpus / "text.txt"], data.vocabulary, 30)
    together = encode_text([corpus / "text.txt"], data.vocabulary, 30, workers=2)

    assert len(alone[1]) == 31
    assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(alone, together, strict=True))


def test_lines_are_taken_in_turn() -> None:
    assert "".join(in_turn([(2, iter("abcde")), (1, iter("xy"))])) == "abxcdye"


def test_packed_files_are_read_as_plain_ones(tmp_path: Path) -> None:
    (tmp_path / "a.txt.xz").write_bytes(lzma.compress("é\nb\n".encode()))

    assert list(open_lines(tmp_path / "a.txt.xz")) == ["é\n", "b\n"]


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt.xz").write_bytes(lzma.compress(b"many words " * 100)[:60])
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "d.txt.xz").write_bytes(lzma.compress(b"fine\nb\xe9te\n"))
    told = {
        "a.txt.xz": ": can't be read",
        "b.txt": ", line 1: byte 0xff is not UTF-8",
        "c.txt": ": can't be read",
        "d.txt.xz": ", line 2: byte 0xe9 is not UTF-8",
    }
    for name, message in told.items():
        with pytest.raises(FileError, match=name + message):
            list(open_lines(tmp_path / name))
