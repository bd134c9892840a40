"""Files, packed files, folders and streams give the same texts."""

from __future__ import annotations

import gzip
import io
import json
import lzma
from pathlib import Path

import pytest

from cpner.annotation.inputs import Inputs
from cpner.annotation.lines import read_lines
from cpner.corpus.formats import LONGEST_LINE
from cpner.errors import CorpusError, FileError
from tests.annotation.support import TEXTS

LINES = "".join(f"{json.dumps({'text': text, 'id': i})}\n" for i, text in enumerate(TEXTS)).encode()


def test_packed_files_and_streams_read_as_plain_ones(tmp_path: Path):
    (tmp_path / "a.jsonl").write_bytes(LINES)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(LINES))
    (tmp_path / "c.jsonl.xz").write_bytes(lzma.compress(LINES))

    inputs = [Inputs(file) for file in sorted(tmp_path.iterdir())]
    plain, *others = [list(source.texts()) for source in inputs]
    stream = list(Inputs(Path("-"), io.BytesIO(LINES)).texts())
    folder = list(Inputs(tmp_path).texts())

    assert [text for text, _ in plain] == TEXTS
    assert [*others, stream] == [plain] * 3
    assert folder == plain * 3
    assert all(source.size == source.position == source.files[0].stat().st_size for source in inputs)


def test_a_folder_is_read_by_name_and_what_is_passed_over_is_told(tmp_path: Path):
    for name in ("b/2.txt", "a.csv", "README.md", ".hidden.txt", "_SUCCESS"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text\nAda\n", "utf-8")
    told: list[str] = []

    inputs = Inputs(tmp_path, tell=told.append)

    assert [text for text, _ in inputs.texts()] == ["Ada", "text", "Ada"]
    assert told == [f"passed over, for their endings: 1 of 3 files, such as {tmp_path / 'README.md'}"]


@pytest.mark.parametrize("cut", [10, 40, 60])
def test_a_torn_file_ends_the_reading_even_where_bad_lines_are_left_out(tmp_path: Path, cut: int):
    file = tmp_path / "in.jsonl.gz"
    file.write_bytes(gzip.compress(LINES)[:-cut])
    inputs = Inputs(file, skip=True)

    texts = list(inputs.texts())

    assert len(texts) < len(TEXTS) or cut == 10
    assert isinstance(inputs.error, FileError)
    assert f"{file}: can't be read behind line " in str(inputs.error)


def test_what_is_not_there_or_not_known_is_told(tmp_path: Path):
    (tmp_path / "x.pdf").touch()

    with pytest.raises(FileError, match="no such file"):
        Inputs(tmp_path / "none")
    with pytest.raises(CorpusError, match="no file here ends in"):
        Inputs(tmp_path)
    not_gz = tmp_path / "x.txt.gz"
    not_gz.write_bytes(b"Ada\n")
    inputs = Inputs(not_gz)
    assert list(inputs.texts()) == []
    assert "can't be read behind line 0: Not a gzipped file" in str(inputs.error)


def test_of_a_line_without_end_the_start_is_read():
    data = b"a\n" + b"x" * (40 << 20) + b"\nb\n"

    lines = list(read_lines(io.BytesIO(data), "in"))

    assert [len(line) for line in lines] == [2, LONGEST_LINE + 1, 2]
