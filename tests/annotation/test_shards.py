"""Shards are cut the same way each time, and their folder mixes no two runs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from cpner.annotation.inputs import Inputs
from cpner.annotation.outputs import JsonLines
from cpner.annotation.shards import Parts, Shard, cut
from cpner.annotation.texts import Keys
from cpner.annotation.worker import Reply
from cpner.errors import ConfigError, CpnerError, FileError
from tests.annotation.support import TEXTS

SETTINGS = {"domain": "news", "batch_size": 32, "types": None, "backbone": "abc"}


def shards_of(lines: list[str], size: int = 2) -> list[Shard]:
    data = io.BytesIO("".join(f"{line}\n" for line in lines).encode())
    return list(cut(Inputs(Path("-"), data), size, arrow=False))


def test_all_texts_are_in_shards_in_order():
    lines = TEXTS * 3

    for size in (1, 5, 12, 100):
        shards = shards_of(lines, size)

        assert [text for shard in shards for text in shard.texts] == lines
        assert [shard.number for shard in shards] == list(range(len(shards)))
        assert {len(shard.rows) for shard in shards[:-1]} <= {size}


def test_a_change_changes_the_name_of_its_shard_alone():
    before = [shard.name for shard in shards_of(TEXTS)]
    after = [shard.name for shard in shards_of([*TEXTS[:3], "other"])]

    assert before == [shard.name for shard in shards_of(TEXTS)]
    assert before[0] == after[0] and before[1] != after[1]


def test_what_stands_before_a_bad_line_is_cut_into_whole_shards_alone():
    lines = [json.dumps({"text": text}) for text in TEXTS[:3]]

    assert [len(shard.rows) for shard in shards_of([*lines, "{"])] == [2]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"batch_size": 16}, "with --batch-size 32, this one has 16: give what it had, or remove that folder"),
        ({"types": ["a", "b"]}, "with --types unset, this one has a,b"),
        ({"backbone": "def"}, "with another backbone (abc, now def): bring that back, or remove that folder"),
    ],
)
def test_a_run_never_goes_on_with_other_settings(tmp_path, changed, said):
    parts = Parts(tmp_path / "out.jsonl")
    (shard,) = shards_of(TEXTS, 9)
    with parts.locked():
        assert parts.begin(SETTINGS) == 0
        parts.put(shard, b"")
    with parts.locked():
        assert parts.begin(SETTINGS) == 1 and parts.has(shard)

    with parts.locked(), pytest.raises(ConfigError) as refused:
        parts.begin({**SETTINGS, **changed})

    assert said in str(refused.value)
    assert parts.has(shard)


@pytest.mark.parametrize("manifest", [b"", b"{", b"[]", b"\x89PNG", b"[" * 100_000])
def test_a_run_whose_manifest_is_damaged_is_refused(manifest, tmp_path):
    parts = Parts(tmp_path / "out.jsonl")
    parts.folder.mkdir()
    (parts.folder / "00000-x.jsonl").write_text("{}\n")
    (parts.folder / "manifest.json").write_bytes(manifest)

    with pytest.raises(CpnerError, match=r"manifest\.json"):
        parts.begin({"precision": "float32"})
    with pytest.raises(CpnerError, match=r"manifest\.json"):
        _ = parts.precision


def test_one_process_at_a_time(tmp_path):
    with (
        Parts(tmp_path / "out.jsonl").locked(),
        pytest.raises(FileError, match="another process is at work here"),
        Parts(tmp_path / "out.jsonl").locked(),
    ):
        pass


def test_nothing_is_left_where_nothing_was_done(tmp_path):
    parts = Parts(tmp_path / "out.jsonl")

    with parts.locked():
        parts.begin(SETTINGS)

    assert list(tmp_path.iterdir()) == []


def test_a_joined_file_has_all_rows_or_is_none(tmp_path):
    parts = Parts(tmp_path / "out.jsonl")
    shards = shards_of(TEXTS)
    output = JsonLines(None, Keys(), parts.out)
    with parts.locked():
        parts.begin(SETTINGS)
        for shard in reversed(shards):
            parts.put(shard, output.write(shard, Reply([[] for _ in shard.rows], scores=[None] * len(shard.rows))))
        (parts.folder / ".0000000-left.12").touch()

        with pytest.raises(CpnerError, match="has 4 rows in place of 5"):
            parts.join([shard.name for shard in shards], 5, output.join)
        assert not parts.out.exists()
        parts.begin(SETTINGS)
        parts.join([shard.name for shard in shards], 4, output.join)

    assert [json.loads(line)["text"] for line in parts.out.read_text("utf-8").splitlines()] == TEXTS
    assert list(tmp_path.iterdir()) == [parts.out]


def test_a_file_that_is_there_stays_unless_it_is_what_the_parts_become(tmp_path):
    shards = shards_of(TEXTS)
    out = tmp_path / "out.jsonl"
    for before, overwrite in ((None, False), ("same", False), ("other", True)):
        parts = Parts(out, overwrite=overwrite)
        if before == "other":
            out.write_text("mine", "utf-8")
        with parts.locked():
            fill_and_join(parts, shards)
        assert out.read_text("utf-8").count("\n") == len(TEXTS) and not parts.folder.exists()

    out.write_text("mine", "utf-8")
    parts = Parts(out, overwrite=False)
    with parts.locked(), pytest.raises(FileError, match="is there already, with another content"):
        fill_and_join(parts, shards)
    assert out.read_text("utf-8") == "mine" and all(map(parts.has, shards))


def fill_and_join(parts, shards):
    """Make OUT of shards without entities."""
    output = JsonLines(None, Keys(), parts.out)
    parts.begin(SETTINGS)
    for shard in shards:
        parts.put(shard, output.write(shard, Reply([[] for _ in shard.rows], scores=[None] * len(shard.rows))))
    parts.join([shard.name for shard in shards], len(TEXTS), output.join)
