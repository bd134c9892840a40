"""`cpner annotate` in processes of its own: killed, stopped, with a full disk, on a cluster."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import cpner, environment, shell

WORDS = ("Ada Lovelace", "Joseph", "Regan", "Charles Babbage", "Phil")
SIZE = 96


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Texts of all lengths, no two alike."""
    lines = [
        {"id": i, "body": " ".join(f"{WORDS[(i + j) % 5]} left Rome for New York {i}." for j in range(1 + i % 4))}
        for i in range(SIZE)
    ]
    file = tmp_path / "in.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    return file


def words(source: object, out: Path, store: Path, *more: object) -> list[str]:
    options = ("--domain", "one", "--store", store, "--text-key", "body", "--shard-size", 8, *more)
    return [str(word) for word in ("annotate", source, out, *options)]


def start(arguments: list[str], **settings: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cpner", *arguments]
    return subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings
    )


def run(arguments: list[str]) -> str:
    """Run to a good end; gives what was said."""
    with start(arguments) as process:
        _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    return said


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 300
    while not happened():
        assert process.poll() is None, process.communicate()
        if time.monotonic() > until:
            process.kill()
        time.sleep(0.02)


def shards(out: Path) -> list[str]:
    return sorted(path.name for path in Path(f"{out}.parts").glob("0*"))


def members(group: int) -> list[int]:
    """The processes of a group that live."""
    listed = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [int(pid) for pid, pgid, state in rows if int(pgid) == group and not state.startswith("Z")]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="kills groups of processes")
def test_kills_and_workers_change_nothing(stored, source, tmp_path):
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    run(words(source, whole, stored, "--workers", 1))

    for kill in range(3):
        with start(words(source, out, stored, "--workers", 2), start_new_session=True) as process:
            wait_for(lambda before=kill: len(shards(out)) >= 2 * before + 2, process)
            process.kill()  # the parent alone: workers must not live on
            process.communicate()
        until = time.monotonic() + 30
        while members(process.pid) and time.monotonic() < until:
            time.sleep(0.05)
        assert members(process.pid) == [] and not out.exists()
    said = run(words(source, out, stored, "--workers", 2))

    assert out.read_bytes() == whole.read_bytes()
    assert [json.loads(line)["id"] for line in out.read_text("utf-8").splitlines()] == list(range(SIZE))
    assert " were there" in said and not list(tmp_path.glob("*.parts"))


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced(stored, source, tmp_path):
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    run(words(source, whole, stored, "--workers", 1))

    with start(words(source, out, stored, "--workers", 1), start_new_session=True) as process:
        wait_for(lambda: len(shards(out)) >= 2, process)
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text():
                os.kill(int(child), signal.SIGKILL)
        _, said = process.communicate(timeout=600)

    assert process.returncode == 0, said
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.slow
def test_ctrl_c_tells_the_way_on(stored, source, tmp_path):
    out = tmp_path / "out.jsonl"
    with start(words(source, out, stored, "--workers", 1), start_new_session=True) as process:
        wait_for(lambda: len(shards(out)) >= 2, process)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert said.splitlines()[-1] == "cpner: stopped. Run the same command to go on from there."
    refused = cpner(*words(source, out, stored, "--batch-size", 16))
    assert refused.exit_code == 2 and refused.stderr.count("\n") == 1
    assert "keeps a stopped run with --batch-size 128, this one has 16: give what it had, or remove" in refused.stderr
    assert " were there" in run(words(source, out, stored))


@pytest.mark.slow
def test_a_domain_that_was_changed_is_refused(store, corpus, source, tmp_path):
    out = tmp_path / "out.jsonl"
    with start(words(source, out, store, "--workers", 1), start_new_session=True) as process:
        wait_for(lambda: len(shards(out)) >= 2, process)
        process.kill()
        process.communicate()
    shutil.copytree(store / "two", tmp_path / "two")
    exported = cpner("domains", "export", "two", tmp_path / "two.zip", "--store", store)
    imported = cpner("domains", "import", tmp_path / "two.zip", "--name", "one", "--overwrite", "--store", store)
    assert (exported.exit_code, imported.exit_code) == (0, 0)

    refused = cpner(*words(source, out, store))

    assert refused.exit_code == 2 and refused.stderr.count("\n") == 1
    assert "with another contents of the domain (" in refused.stderr and "remove that folder" in refused.stderr
    assert shards(out)


@pytest.mark.slow
def test_a_pipe_a_table_and_a_folder_give_what_the_file_gives(stored, source, tmp_path):
    records = [json.loads(line) for line in source.read_text("utf-8").splitlines()[:30]]
    lines = "".join(f"{json.dumps(record)}\n" for record in records)
    (tmp_path / "all").mkdir()
    (tmp_path / "all/a.jsonl").write_text("\n".join(lines.splitlines()[:11]), "utf-8")
    (tmp_path / "all/b.jsonl").write_text("\n".join(lines.splitlines()[11:]), "utf-8")
    table = "id,body\n" + "".join(f'{record["id"]},"{record["body"]}"\n' for record in records)
    (tmp_path / "in.csv").write_text(table, "utf-8")

    outs = [tmp_path / f"{name}.jsonl" for name in ("pipe", "folder", "table")]
    results = [
        cpner(*words("-", outs[0], stored, "--workers", 1), input=lines),
        cpner(*words(tmp_path / "all", outs[1], stored, "--workers", 1)),
        cpner(*words(tmp_path / "in.csv", outs[2], stored, "--workers", 1)),
    ]

    assert [result.exit_code for result in results] == [0, 0, 0], results[0].output
    piped, folder, of_table = ([json.loads(line) for line in out.read_text("utf-8").splitlines()] for out in outs)
    assert piped == folder == [{**record, "id": int(record["id"])} for record in of_table]
    assert [record["id"] for record in piped] == list(range(30))
    assert any(record["entities"] for record in piped)


@pytest.mark.slow
def test_a_full_disk_loses_nothing(stored, source, tmp_path):
    arguments = " ".join(words(source, tmp_path / "out.jsonl", stored, "--workers", 1))

    full = shell(f"ulimit -f 4; cpner {arguments}", tmp_path)  # no file may have more than 4 blocks of 1,024 bytes
    rest = shell(f"cpner {arguments}", tmp_path)

    assert (full.returncode, full.stdout) == (2, ""), full.stderr
    assert full.stderr.splitlines()[-1].startswith("cpner: error: ") and "File too large" in full.stderr
    assert rest.returncode == 0, rest.stderr
    assert len((tmp_path / "out.jsonl").read_text("utf-8").splitlines()) == SIZE


@pytest.mark.slow
def test_bad_lines_are_left_out_where_asked(stored, source, tmp_path):
    source.write_text(source.read_text("utf-8") + '{"id": 1}\n{"body": "Ada", "entities": []}\n', "utf-8")
    arguments = words(source, tmp_path / "out.jsonl", stored, "--workers", 1)

    stopped = cpner(*arguments)
    skipped = cpner(*arguments, "--on-error", "skip")

    assert stopped.exit_code == 2 and f"line {SIZE + 1}: no text under 'body'" in stopped.stderr
    assert skipped.exit_code == 3 and skipped.stderr.endswith("2 of 98 lines left out\n")
    assert "has 'entities' already" in skipped.stderr and f"{SIZE} were there" in skipped.stderr


@pytest.mark.slow
def test_parquet_in_and_out(stored, source, tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    records = [json.loads(line) for line in source.read_text("utf-8").splitlines()[:50]]
    table = pa.Table.from_pylist([{**record, "raw": b"\xff"} for record in records])
    pq.write_table(table, tmp_path / "in.parquet")
    more = ("--into", "found", "--workers", 1)

    results = [
        cpner(*words(tmp_path / "in.parquet", tmp_path / "a.parquet", stored, *more)),
        cpner(*words(tmp_path / "in.parquet", tmp_path / "b.jsonl", stored, *more)),
        cpner(*words(tmp_path / "b.jsonl", tmp_path / "c.parquet", stored, "--workers", 1)),
    ]

    assert [result.exit_code for result in results] == [0, 0, 0], results[0].output
    written = pq.read_table(tmp_path / "a.parquet")
    assert written.drop_columns("found").equals(table)
    listed = [json.loads(line)["found"] for line in (tmp_path / "b.jsonl").read_text("utf-8").splitlines()]
    assert written["found"].to_pylist() == listed
    assert pq.read_table(tmp_path / "c.parquet")["entities"].to_pylist() == listed


@pytest.mark.slow
def test_tasks_of_label_studio_get_the_predictions_of_predict(stored, tmp_path):
    tasks = [
        {"id": 40 + i, "data": {"post": f"💩 {word} left Rome."}, "annotations": []} for i, word in enumerate(WORDS)
    ]
    source, config, out = (tmp_path / name for name in ("tasks.json", "config.xml", "out.json"))
    source.write_text(json.dumps(tasks), encoding="utf-8")
    config.write_text(
        '<View><Labels name="ner" toName="body"><Label value="PER"/><Label value="Location" alias="Place"/></Labels>'
        '<Text name="body" value="$post"/></View>'
    )
    more = ("--domain", "one", "--store", stored, "--label-config", config, "--batch-size", 2)

    annotated = cpner("annotate", source, out, *more, "--workers", 1, "--shard-size", 2)
    predicted = cpner("predict", "--input", source, "--format", "label-studio", *more)

    assert (annotated.exit_code, predicted.exit_code) == (0, 0), annotated.stderr
    expected = json.loads(predicted.stdout)
    written = json.loads(out.read_text("utf-8"))
    assert any(task["predictions"][0]["result"] for task in expected)
    assert [task["id"] for task in written] == [task["id"] for task in tasks]
    assert without_scores(written) == without_scores(expected)  # batches differ, and so do the last digits of scores
    scores = [task["predictions"][0]["score"] for task in written]
    assert scores == pytest.approx([task["predictions"][0]["score"] for task in expected], abs=1e-3)


def without_scores(value: Any) -> Any:
    """JSON without its keys `score`."""
    if isinstance(value, dict):
        return {key: without_scores(inner) for key, inner in value.items() if key != "score"}
    return [without_scores(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["in.jsonl", "out.txt", "--domain", "x"],
            "out.txt must end in .jsonl, .jsonl.gz, .jsonl.xz, .parquet or .json",
        ),
        (["in.jsonl", "in.jsonl", "--domain", "x"], "in.jsonl is the input, which would be lost"),
        (["in.jsonl", "there.jsonl", "--domain", "x"], "there.jsonl is there already; choose another name or give"),
        ([".", "out.jsonl", "--domain", "x"], "out.jsonl lies in the folder that is read"),
        (["in.jsonl", "out.jsonl"], "give --domain NAME, or --types A,B"),
        (["none.jsonl", "out.jsonl", "--types", "a"], "none.jsonl: no such file or folder"),
        (["in.jsonl", "out.jsonl", "--domain", "x"], "give --store DIR"),
        (["in.jsonl", "out.jsonl", "--types", "a", "--into", "text"], "where the text stands"),
        (["in.jsonl", "out.json", "--types", "a", "--into", "x"], "the tasks of a .json have predictions"),
        (["in.jsonl", "out.jsonl", "--types", "a", "--label-config", "in.jsonl"], "labelling configuration is no XML"),
        (["-", "out.json", "--types", "a", "--from", "label-studio"], "read from a file, not from standard input"),
        (["-", "out.jsonl", "--types", "a", "--from", "parquet"], "read from a file, not from standard input"),
        (["in.jsonl", "out.jsonl", "--types", "a", "--review", "9", "--raw-scores"], "leave out --raw-scores"),
        (["in.jsonl", "checked.jsonl", "--types", "a", "--review", "9"], "checked.review.jsonl is there already"),
    ],
    ids=lambda value: "-".join(value)[:60] if isinstance(value, list) else "",
)
def test_what_can_t_be_is_told_at_once(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["checked.review.jsonl", "in.jsonl", "there.jsonl"]
    for name in names:
        Path(name).write_text('{"text": "a"}\n', "utf-8")

    result = cpner("annotate", *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1 and said in result.stderr
    assert sorted(os.listdir()) == names


def test_a_labelling_configuration_that_is_no_text_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").write_text('{"text": "a"}\n', "utf-8")
    Path("labels.xml").write_bytes(b"\x89PNG")

    result = cpner("annotate", "in.jsonl", "out.jsonl", "--types", "a", "--label-config", "labels.xml")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "cpner: error: labels.xml, line 1: byte 0x89 is not UTF-8; save the file as UTF-8\n"


@pytest.mark.slow
def test_a_cluster_that_loses_a_machine_gives_what_one_machine_gives(stored, source, tmp_path, ray_cluster):
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    run(words(source, whole, stored, "--workers", 1, "--shard-size", 4))
    address = ray_cluster.stdout.readline().strip()
    arguments = words(source, out, stored, "--engine", "ray", "--ray-address", address, "--shard-size", 4)

    with start(arguments) as process:
        wait_for(lambda: len(shards(out)) >= 3, process)
        ray_cluster.stdin.write("\n")
        ray_cluster.stdin.flush()
        assert ray_cluster.stdout.readline().strip() == "removed"
        left = len(shards(out))
        _, said = process.communicate(timeout=600)

    assert process.returncode == 0, said
    assert left < SIZE // 4, "all was done before the machine was lost"
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.slow
def test_without_a_cluster_there_is_one_line(stored, source, tmp_path):
    pytest.importorskip("ray")
    arguments = words(source, tmp_path / "out.jsonl", stored, "--engine", "ray", "--ray-address", "127.0.0.1:1")

    with start(arguments) as process:
        _, said = process.communicate(timeout=120)

    assert process.returncode == 2
    assert "cpner: error: no Ray cluster at 127.0.0.1:1: start one with `ray start --head`" in said
