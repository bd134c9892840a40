from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cpner.corpus import Corpus, Sentence
from cpner.errors import CorpusError, FileError
from cpner.files import digest, old_folder, read_small, replacing, replacing_folder, write_text
from tests.corpus.support import sentence


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
        with pytest.raises(FileError, match=f"can't be written{reason}"), replacing(place):
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


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a folder of files under /dev")
def test_a_file_in_memory_is_replaced_like_any_other():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path = Path(folder, "out.txt")
        write_text(path, ["a long line of the old file"])
        write_text(path, ["new"])

        assert path.read_text("utf-8") == "new\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_full_disk_is_an_error_about_the_file_that_is_written():
    with pytest.raises(FileError, match=r"^/dev/full: can't be written: No space left on device$"):
        write_text(Path("/dev/full"), ["x" * 100_000])


def test_error_of_a_file_that_is_read_meanwhile_is_not_one_of_writing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.txt"), replacing(tmp_path / "out") as file:
        file.write((tmp_path / "missing.txt").read_bytes())

    assert list(tmp_path.iterdir()) == []


def test_closed_pipe_is_no_error_of_writing(tmp_path):
    with pytest.raises(BrokenPipeError), replacing(tmp_path / "out"):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


@pytest.mark.skipif(os.name == "nt", reason="has no /dev/stdout")
def test_standard_output_may_be_named_as_a_file(tmp_path):
    code = "from pathlib import Path; from cpner.files import write_text; write_text(Path('/dev/stdout'), ['new'])"
    piped = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    log = tmp_path / "log"
    log.write_text("old\n")
    with log.open("a") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)

    assert piped.stdout == b"new\n"
    assert log.read_text() == "old\nnew\n"


def test_folder_is_replaced_when_it_is_whole(tmp_path):
    folder = tmp_path / "run"
    for content in ("one", "two"):
        with replacing_folder(folder) as new:
            (new / content).write_text(content)
    with pytest.raises(ZeroDivisionError), replacing_folder(folder) as new:
        (new / "three").write_text(str(1 // 0))

    assert [path.name for path in folder.iterdir()] == ["two"]
    assert list(tmp_path.iterdir()) == [folder]


def test_folder_survives_a_stop_between_the_two_renamings(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    with replacing_folder(folder) as new:
        (new / "one").write_text("")
    replace = os.replace

    def stop(source, target):
        if target == folder:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt), replacing_folder(folder) as new:
        (new / "two").write_text("")

    assert not folder.exists()
    assert [path.name for path in old_folder(folder).iterdir()] == ["one"]


def test_digest_names_the_bytes_however_they_are_cut():
    assert digest([b"ab", b"c"]) == digest([b"abc"]) == hashlib.sha256(b"abc").hexdigest()[:12]
    assert digest([b"abd"]) != digest([b"abc"])


def test_a_read_only_file_is_not_replaced(tmp_path):
    file = tmp_path / "kept.txt"
    file.write_text("old\n")
    file.chmod(0o444)

    with pytest.raises(FileError, match=r"kept.txt: can't be written: is read-only"):
        write_text(file, ["new"])

    assert file.read_text() == "old\n" and list(tmp_path.iterdir()) == [file]


def test_a_file_of_settings_that_is_not_utf_8_is_told_by_name_and_line(tmp_path):
    (tmp_path / "labels.xml").write_bytes(b"<View>\n\x89PNG")

    with pytest.raises(FileError, match=r"labels\.xml, line 2: byte 0x89 is not UTF-8"):
        read_small(tmp_path / "labels.xml")
