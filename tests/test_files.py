from __future__ import annotations

import os

import pytest

from cpner.corpus import Corpus, Sentence
from cpner.errors import CorpusError
from cpner.files import replacing, write_text
from tests.corpus.test_corpus import sentence


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "train.conll"
    Corpus.from_sentences([sentence("a")]).write(path, "conll")
    before = path.read_text()

    with pytest.raises(CorpusError):
        Corpus.from_sentences([sentence("a"), Sentence("a b", [(0, 3)])]).write(path, "conll")

    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


def test_place_that_cannot_be_written_is_named(write, tmp_path):
    for place, reason in ((write("file", "") / "out.jsonl", ""), (tmp_path, ": is a folder")):
        with pytest.raises(CorpusError, match=f"can't be written{reason}"), replacing(place):
            pass


@pytest.mark.skipif(os.name == "nt", reason="links, pipes and modes are those of Unix")
def test_written_files_keep_links_modes_and_pipes(tmp_path):
    file, link, pipe = tmp_path / "file", tmp_path / "link", tmp_path / "pipe"
    umask = os.umask(0o077)
    try:
        write_text(file, ["old"])
        assert file.stat().st_mode & 0o777 == 0o600
        file.chmod(0o640)
        link.symlink_to(file)
        write_text(link, ["new"])
    finally:
        os.umask(umask)
    assert link.is_symlink() and file.read_text() == "new\n" and file.stat().st_mode & 0o777 == 0o640

    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_text(pipe, ["through"])
    assert os.read(reader, 99) == b"through\n" and pipe.is_fifo()
    os.close(reader)
