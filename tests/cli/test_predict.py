from __future__ import annotations

import gzip
import itertools
import json
import socket
import zipfile

import pytest

from cpner.corpus import Corpus
from cpner.corpus.formats import LONGEST_LINE
from tests.support import TEXT, cpner, shell


def test_predict_searches_with_beams(stored):
    results = [cpner("predict", "--domain", "one", "--store", stored, *more, TEXT) for more in ([], ["--beams", 3])]

    assert [result.exit_code for result in results] == [0, 0]
    assert {json.loads(result.stdout)["text"] for result in results} == {TEXT}


def test_the_best_readings_come_with_their_probabilities(stored):
    options = ("predict", "--domain", "one", "--store", stored, "--best", 3)

    result = cpner(*options, "--format", "jsonl", TEXT)
    table = cpner(*options, "--format", "table", TEXT)

    record = json.loads(result.stdout)
    readings = record["readings"]
    assert (result.exit_code, table.exit_code, len(readings)) == (0, 0, 3)
    assert readings[0]["entities"] == record["entities"]
    probabilities = [reading["probability"] for reading in readings]
    assert probabilities == sorted(probabilities, reverse=True) and sum(probabilities) <= 1
    spans = [[(e["start"], e["end"], e["type"]) for e in reading["entities"]] for reading in readings]
    assert all(a != b for a, b in itertools.combinations(spans, 2))
    assert all(f"{probability:.2f}" in table.stdout for probability in probabilities)


def test_type_sets_have_the_entities_of_predict(stored):
    options = ("predict", "--domain", "one", "--store", stored, "--format")

    plain = json.loads(cpner(*options, "jsonl", TEXT).stdout)
    result = cpner(*options, "jsonl", "--type-sets", 0.9, TEXT)
    table = cpner(*options, "table", "--type-sets", 0.9, TEXT)

    entities = json.loads(result.stdout)["entities"]
    shares = [entity.pop("types") for entity in entities]
    assert entities == plain["entities"] and entities
    assert all(sum(row.values()) >= 0.899 and set(row) <= {"person", "location"} for row in shares)
    name, share = next(iter(shares[0].items()))
    assert f"{name} {share:.2f}" in table.stdout


def test_passes_ask_for_parts_of_the_types(stored):
    options = ("predict", "--domain", "one", "--store", stored, "--format", "jsonl")

    result = cpner(*options, "--passes", 2, TEXT)
    parts = [json.loads(cpner(*options, "--types", name, TEXT).stdout)["entities"] for name in ("person", "location")]

    entities = json.loads(result.stdout)["entities"]
    assert sorted(entities, key=str) == sorted(itertools.chain(*parts), key=str)
    assert entities == sorted(entities, key=lambda entity: (entity["start"], -entity["end"])) != []


@pytest.mark.parametrize("what", [("--best", 3), ("--type-sets", 0.9), ("--passes", 2)])
@pytest.mark.parametrize("more", [("--format", "conll"), ("--threshold", "0.5"), ("--output", "found.html")])
def test_what_else_is_meant_is_whole_and_has_a_place(stored, what, more):
    result = cpner("predict", "--domain", "one", "--store", stored, *what, *more, TEXT)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "--best, --type-sets, --passes are of jsonl and table" in result.stderr


def test_readings_never_take_the_place_of_a_record_s_key(stored, tmp_path):
    source = tmp_path / "texts.jsonl"
    source.write_text(json.dumps({"text": TEXT, "readings": 3}), "utf-8")
    options = ("predict", "--domain", "one", "--store", stored, "--input", source)

    refused = cpner(*options, "--best", 2)

    assert refused.exit_code == 2 and "readings" in refused.stderr
    assert json.loads(cpner(*options).stdout)["readings"] == 3


def test_predict_prints_one_line_for_each_input(stored, tmp_path):
    lines = [TEXT, "", "  ", "Regan met Joseph.", TEXT]
    source = tmp_path / "texts.txt"
    source.write_bytes("\ufeff".encode() + "\r\n".join(lines).encode())

    result = cpner("predict", "--domain", "one", "--store", stored, "--input", source, "--batch-size", 2)

    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.stderr == ""
    assert [record["text"] for record in records] == lines
    assert {record["domain"] for record in records} == {"one"}
    for record in records:
        for entity in record["entities"]:
            assert list(entity) == ["start", "end", "type", "text", "score"]
            assert record["text"][entity["start"] : entity["end"]] == entity["text"]
            assert entity["type"] in ("person", "location")
            assert 0 <= entity["score"] <= 1


def test_predict_reads_standard_input_and_its_argument_alike(stored):
    arguments = ("predict", "--domain", "one", "--store", stored)

    piped = cpner(*arguments, input=f"{TEXT}\n").stdout

    assert piped == cpner(*arguments, "--input", "-", input=TEXT).stdout == cpner(*arguments, TEXT).stdout
    assert piped == cpner(*arguments, "-", input=TEXT).stdout
    assert piped.count("\n") == 1


def test_predict_says_when_its_text_is_the_name_of_a_file(stored, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts.txt").write_text(TEXT, encoding="utf-8")

    result = cpner("predict", "--domain", "one", "--store", stored, "texts.txt", "--format", "jsonl")

    assert (result.exit_code, json.loads(result.stdout)["text"]) == (0, "texts.txt")
    assert result.stderr.count("--input texts.txt") == 1
    assert "--input" not in cpner("predict", "--domain", "one", "--store", stored, "Ada " * 3000).stderr


def test_predict_zero_shot_finds_the_types_it_is_told(tiny_folder):
    result = cpner("predict", TEXT, "--types", "river, music award", "--backbone", tiny_folder)

    record = json.loads(result.stdout)
    assert record["domain"] is None
    assert {entity["type"] for entity in record["entities"]} <= {"river", "music award"}


@pytest.mark.parametrize(("format", "start"), [("conll", "Ada\t"), ("table", TEXT), ("html", "<!doctype html>")])
def test_predict_writes_every_format(stored, format, start):
    result = cpner("predict", TEXT, "--domain", "one", "--store", stored, "--format", format)

    assert result.stdout.startswith(start)
    assert "\x1b" not in result.stdout


def test_predict_chooses_the_format_by_the_ending_of_the_output(stored, tmp_path):
    for name, start in {"a.html": "<!doctype", "a.conll": "Ada\t", "a.jsonl": "{", "a.txt": "{"}.items():
        result = cpner("predict", TEXT, "--domain", "one", "--store", stored, "--output", tmp_path / name)

        assert (result.stdout, result.stderr) == ("", f"Wrote {tmp_path / name}\n")
        assert (tmp_path / name).read_text("utf-8").startswith(start)


def test_bytes_that_are_no_text_are_refused_with_their_line(stored, tmp_path):
    output = tmp_path / "out.jsonl"

    result = cpner("predict", "--domain", "one", "--store", stored, "--output", output, input=b"good\nb\xffd\n")

    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        f"Wrote {output}",
        "cpner: error: standard input, line 2: byte 0xff is not UTF-8; save the file as UTF-8",
    ]
    assert [json.loads(line)["text"] for line in output.read_text("utf-8").splitlines()] == ["good"]


def test_a_domain_of_another_backbone_is_refused(stored, tmp_path):
    from tests.support import make_backbone

    other = make_backbone(tmp_path / "other", seed=9)

    result = cpner("predict", TEXT, "--domain", "one", "--store", stored, "--backbone", other)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "was made for" in result.stderr


def test_a_stranger_s_card_never_makes_cpner_fetch_a_backbone(store, monkeypatch):
    import huggingface_hub

    asked = []
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_: asked.append(name))
    card = store / "one" / "domain.json"
    card.write_text(json.dumps({**json.loads(card.read_text("utf-8")), "backbone": "attacker/model"}), "utf-8")

    result = cpner("predict", TEXT, "--domain", "one", "--store", store)

    assert (result.exit_code, result.stdout, asked) == (2, "", [])
    assert "the domain 'one' was made for the backbone 'attacker/model', which is not on this machine" in result.stderr
    assert "--backbone attacker/model" in result.stderr


def test_an_imported_archive_makes_no_look_up_of_the_network(store, tmp_path, monkeypatch):
    hosts = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: hosts.append(host) or [])
    cpner("domains", "export", "one", tmp_path / "one.zip", "--store", store)
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    card = next(name for name in files if name.endswith("domain.json"))
    files[card] = json.dumps({**json.loads(files[card]), "backbone": "attacker/model"}).encode()
    with zipfile.ZipFile(tmp_path / "stranger.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    new = tmp_path / "new"

    imported = cpner("domains", "import", tmp_path / "stranger.zip", "--name", "two", "--store", new)
    results = [
        cpner("predict", TEXT, "--domain", "two", "--store", new),
        cpner("fit", "sample:music", "--domain", "x", "--sources", "two", "--store", new),
        cpner("transfer", "sample:music", "--target", "two", "--sources", "auto", "--store", new),
        cpner("evaluate", "sample:music", "--domain", "two", "--store", new),
        cpner("select", "--target", "two", "--sources", "auto", "--store", new),
        cpner("self-train", "--text", __file__, "--domain", "two", "--store", new),
    ]

    assert imported.exit_code == 0
    assert [result.exit_code for result in results] == [2] * len(results)
    assert all("'attacker/model', which is not on this machine" in result.stderr for result in results)
    assert hosts == []


@pytest.mark.parametrize("option", ["--batch-size", "--beams"])
def test_numbers_beyond_all_bounds_are_refused(stored, option):
    result = cpner("predict", TEXT, "--domain", "one", "--store", stored, option, 10**23)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "is not in the range" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory"), RuntimeError("CUDA out of memory")],
)
def test_a_lack_of_memory_is_one_line(stored, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("cpner.query.recognise", fail)

    result = cpner("predict", TEXT, "--domain", "one", "--store", stored)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("cpner: error: out of memory: try smaller batches")
    assert result.stderr.count("\n") == 1


@pytest.mark.slow
def test_predict_in_a_pipe(stored, tmp_path):
    command = (
        f"yes 'Ada left Rome.' | head -n 100 | cpner predict --domain one --store {stored} --batch-size 2 | head -n 2"
    )

    result = shell(command, tmp_path)

    assert result.stderr == ""
    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == ["Ada left Rome."] * 2


def test_output_never_takes_the_place_of_the_input(stored, tmp_path):
    texts = tmp_path / "texts"
    texts.write_text("Ada left Rome.\n", encoding="utf-8")
    where = ("--domain", "one", "--store", stored, "--input", texts, "--output")

    refused, printed = cpner("predict", *where, texts), cpner("predict", *where, "-")

    assert refused.exit_code == 2 and "is the input, which would be lost" in refused.stderr
    assert texts.read_text("utf-8") == "Ada left Rome.\n" and printed.stdout.startswith('{"text": "Ada left Rome."')


def test_conll_output_is_a_corpus(stored, tmp_path):
    cpner("predict", "Ada left Rome.", "--domain", "one", "--store", stored, "--output", tmp_path / "p.conll")

    assert [s.text for s in Corpus.read(tmp_path / "p.conll").train] == ["Ada left Rome ."]


def test_types_that_the_domain_does_not_know_are_named(stored):
    result = cpner("evaluate", "sample:cooking", "--domain", "one", "--store", stored, "--split", "dev", "--json")

    assert result.stderr.startswith("one does not know these types, so it misses them: cuisine, dish,")
    assert json.loads(result.stdout)["per_type"]["dish"]["recall"] == 0


RECORDS = [{"id": 7, "text": "Ada left Rome.", "meta": {"source": "x"}}, {"text": "Regan met Joseph.", "id": None}]


@pytest.mark.parametrize(("name", "first"), [("in.jsonl", ""), ("in.txt", "\n")])
def test_records_keep_their_keys(stored, tmp_path, name, first):
    source = tmp_path / name
    source.write_text(first + "\n".join(map(json.dumps, RECORDS)), "utf-8")

    result = cpner("predict", "--domain", "one", "--store", stored, "--input", source)

    written = [json.loads(line) for line in result.stdout.splitlines() if line]
    written = [record for record in written if record["text"]]  # a blank line of texts is a text
    assert [{key: record[key] for key in known} for record, known in zip(written, RECORDS, strict=True)] == RECORDS
    assert all(isinstance(record["entities"], list) for record in written)


def test_lines_may_be_told_to_be_texts(stored, tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps(RECORDS[0]), "utf-8")

    result = cpner("predict", "--domain", "one", "--store", stored, "--input", source, "--from", "lines")

    assert json.loads(result.stdout)["text"] == json.dumps(RECORDS[0])


def test_a_file_of_types_is_no_type(stored, tmp_path):
    (tmp_path / "types.toml").write_text('PER = "person"\n', "utf-8")

    result = cpner("predict", TEXT, "--domain", "one", "--store", stored, "--types", tmp_path / "types.toml")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "is a file; expected the types themselves" in result.stderr


def test_a_line_without_end_is_refused_within_bounds(stored, tmp_path):
    source = tmp_path / "in.txt"
    source.write_bytes(b"Ada left Rome.\n" + b"a" * (LONGEST_LINE + 9) + b"\nRegan met Joseph.")
    arguments = ("predict", "--domain", "one", "--store", stored, "--input", source)

    stopped = cpner(*arguments)
    skipped = cpner(*arguments, "--on-error", "skip")
    endless = cpner(*arguments[:-1], "/dev/zero")

    assert (stopped.exit_code, stopped.stdout.count("\n")) == (2, 1)
    assert "line 2: is longer than 16 MB; break it up" in stopped.stderr
    assert (skipped.exit_code, skipped.stdout.count("\n")) == (3, 2)
    assert endless.exit_code == 2
    assert "/dev/zero, line 1: is longer than 16 MB" in endless.stderr


@pytest.mark.parametrize("key", ["entities", "domain"])
def test_a_key_of_a_record_is_never_replaced(stored, tmp_path, key):
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps({"text": "Ada left Rome.", key: "mine"}), "utf-8")
    arguments = ("predict", "--domain", "one", "--store", stored, "--input", source)

    refused = cpner(*arguments)
    named = cpner(*arguments, "--into", "predicted")

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert f"line 1: has '{key}' already" in refused.stderr and "--into KEY" in refused.stderr
    record = json.loads(named.stdout)
    assert list(record) == ["text", key, "predicted"] and record[key] == "mine"
    assert isinstance(record["predicted"], list)


def test_tables_and_packed_files_are_read(stored, tmp_path):
    table = tmp_path / "in.csv.gz"
    table.write_bytes(gzip.compress(b'id,body\n7,"Ada left Rome, at last."\n'))

    result = cpner("predict", "--domain", "one", "--store", stored, "--input", table, "--text-key", "body")

    record = json.loads(result.stdout)
    assert list(record) == ["id", "body", "domain", "entities"]
    assert (record["id"], record["body"]) == ("7", "Ada left Rome, at last.")


BAD = [b"{", b"[]", b'{"text": 3}', b'{"text": "\\ud800"}', b'{"text": "b\xff"}']


@pytest.mark.parametrize("bad", BAD)
def test_one_bad_line_does_not_lose_the_rest(stored, tmp_path, bad):
    source = tmp_path / "in.jsonl"
    output = tmp_path / "out.jsonl"
    lines = [json.dumps(record).encode() for record in RECORDS]
    source.write_bytes(b"\n".join([lines[0], bad, lines[1]]))
    arguments = ("predict", "--domain", "one", "--store", stored, "--input", source, "--output", output)

    stopped = cpner(*arguments)
    first = [json.loads(line)["text"] for line in output.read_text("utf-8").splitlines()]
    skipped = cpner(*arguments, "--on-error", "skip")
    rest = [json.loads(line)["text"] for line in output.read_text("utf-8").splitlines()]

    assert (stopped.exit_code, first) == (2, ["Ada left Rome."])
    assert stopped.stderr.count("line 2: ") == 1
    assert (skipped.exit_code, rest) == (3, ["Ada left Rome.", "Regan met Joseph."])
    assert "line 2: " in skipped.stderr and skipped.stderr.endswith("1 of 3 lines left out\n")


CONFIG = """<View><Labels name="ner" toName="body"><Label value="PER"/><Label value="Location" alias="Place"/></Labels>
<Text name="body" value="$post"/></View>"""


def test_predict_gives_tasks_of_label_studio_their_predictions(stored, tmp_path):
    tasks = [
        {"id": 11, "data": {"post": f"💩 {TEXT}", "page": 3}, "annotations": [{"result": []}]},
        {"id": 12, "data": {"post": ""}, "annotations": []},
    ]
    source, config, out = (tmp_path / name for name in ("tasks.json", "config.xml", "predictions.json"))
    source.write_text(json.dumps(tasks), encoding="utf-8")
    config.write_text(CONFIG, encoding="utf-8")
    where = ("--domain", "one", "--store", stored)

    result = cpner("predict", *where, "--input", source, "--format", "label-studio", "--label-config", config,
                   "--output", out)  # fmt: skip
    text = cpner("predict", *where, f"💩 {TEXT}").stdout

    assert result.exit_code == 0, result.stderr
    first, second = json.loads(out.read_text("utf-8"))
    assert [list(task) for task in (first, second)] == [["id", "data", "predictions"]] * 2
    assert (first["id"], first["data"]) == (11, tasks[0]["data"])
    [prediction] = first["predictions"]
    assert prediction["model_version"].startswith("one-")
    assert 0 <= prediction["score"] <= 1
    assert second["predictions"][0]["result"] == []
    entities = json.loads(text)["entities"]
    assert entities, "the domain must find something for this test to say anything"
    names = {"person": "PER", "location": "Place"}
    units = first["data"]["post"].encode("utf-16-le")
    for region, entity in zip(prediction["result"], entities, strict=True):
        value = region["value"]
        assert (region["from_name"], region["to_name"], region["type"]) == ("ner", "body", "labels")
        assert units[2 * value["start"] : 2 * value["end"]].decode("utf-16-le") == value["text"] == entity["text"]
        assert value["start"] > entity["start"]  # behind a sign of two units
        assert value["labels"] == [names[entity["type"]]]
        assert region["score"] == pytest.approx(entity["score"], abs=1e-4)


def test_predict_makes_tasks_of_lines(stored):
    result = cpner("predict", "--domain", "one", "--store", stored, "--format", "label-studio", input=f"{TEXT}\nNo.\n")

    assert [task["data"] for task in json.loads(result.stdout)] == [{"text": TEXT}, {"text": "No."}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "jsonl"), "is of --format label-studio"),
        (("--format", "label-studio", "--types", "river"), "has no label for 'river'; it has person, location"),
        (("--format", "label-studio", "--text-key", "body"), "is not what"),
        (("--format", "label-studio", "--into", "found"), "--into"),
        (("--format", "label-studio", "--from", "label-studio"), "--input tasks.json"),
    ],
)
def test_predict_refuses_what_does_not_suit_a_labelling_configuration(stored, tmp_path, options, message):
    config = tmp_path / "config.xml"
    config.write_text(CONFIG, encoding="utf-8")

    result = cpner("predict", TEXT, "--domain", "one", "--store", stored, "--label-config", config, *options)

    assert result.exit_code == 2
    assert message in result.stderr
