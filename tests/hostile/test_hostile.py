"""A short run of the campaigns of hostile inputs and of kills; `make hostile` runs the long ones."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import warnings

import pytest
import torch

from cpner.corpus import Corpus
from cpner.corpus.formats import FORMATS
from cpner.errors import CorpusError, CpnerError
from tests.hostile.campaign import campaign
from tests.hostile.counts import COUNTS
from tests.hostile.kills import Killer, Tally
from tests.hostile.mutate import MOST_BYTES, spoil_bytes, spoil_json
from tests.hostile.targets import Targets, command
from tests.support import environment

MOST_MB = 300  # what a run of a few hundred inputs may add
KINDS = [None, True, 5, 10**30, 1.5, float("inf"), "x", "9" * 5000, [], [5], [[]], {}, {"a": 5}]
RICHER = {  # than the examples of the formats
    "azure": {"assets": {"documents": [{"location": "vane.txt", "dataset": "Train", "entities": []}]}},
    "bioc": {
        "documents": [{"passages": [{"sentences": [{"text": "Vane left.", "annotations": []}], "relations": []}]}]
    },
    "spacy": {"paragraphs": [{"sentences": [{"tokens": [{"orth": "Vane", "ner": "U-person"}]}]}]},
    "uie": {"tokens": ["Vane"], "entity": [], "relation": [], "event": []},
}
IN_JSON = [(name, f.example) for name, f in FORMATS.items() if f.example.startswith(("{", "["))]


def test_hostile_inputs_give_no_traceback_no_hang_and_no_silent_loss(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    outcome = campaign(400, seed=7)

    assert outcome.first == {}
    assert outcome.inputs == 400
    assert 50 < outcome.accepted < 350  # neither all nonsense nor all right
    assert outcome.peak_mb - outcome.start_mb < MOST_MB
    assert list(tmp_path.iterdir()) == []  # whatever paths commands were given


def test_an_input_finds_one_thread_and_the_first_environment(tmp_path):
    targets = Targets(tmp_path)
    before = dict(os.environ)
    threads = []
    asked = []

    def ask(rng: random.Random) -> None:
        threads.append(torch.get_num_threads())
        asked.append(dict(os.environ))
        command("predict", "Ada", "--domain", "music", "--store", targets.store, "--threads", "3")
        os.environ["CPNER_DATA"] = "nowhere"
        threads.append(torch.get_num_threads())

    targets.ways["threads"] = (0.0, ask)
    try:
        for _ in range(2):
            targets.run("threads", random.Random(0))
    finally:
        torch.set_num_threads(1)
        os.environ.clear()
        os.environ.update(before)

    assert threads == [1, 3, 1, 3]
    assert asked == [before, before]


@pytest.mark.slow
def test_threads_of_the_campaign_rest_while_they_wait():
    kept = {name: value for name, value in environment().items() if not name.startswith("OMP_")}
    run = [sys.executable, "-m", "tests.hostile.campaign", "--inputs", "1"]

    shown = subprocess.run(run, env=kept | {"OMP_DISPLAY_ENV": "true"}, capture_output=True, text=True, check=True)

    assert "OMP_WAIT_POLICY = 'PASSIVE'" in shown.stderr
    assert "1 inputs" in shown.stdout


def test_inputs_of_a_seed_are_the_same():
    value = {"text": "Ada left.", "entities": [{"start": 0, "end": 3, "type": "person"}]}

    assert spoil_bytes(random.Random(3), b"Ada\tO\n" * 9) == spoil_bytes(random.Random(3), b"Ada\tO\n" * 9)
    assert repr(spoil_json(random.Random(3), value)) == repr(spoil_json(random.Random(3), value))
    assert value["entities"] == [{"start": 0, "end": 3, "type": "person"}]


def test_inputs_are_not_made_hostile_by_their_size_alone():
    lengths = [len(spoil_bytes(random.Random(seed), b"Ada\tO\n" * 9_000)) for seed in range(300)]

    assert max(lengths) == MOST_BYTES


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("jsonl", '{"text": "Ada left.", "entities": [{"start": 0, "end": 3, "type": "person"}]}\n', 1),
        ("jsonl", '{"text": "Ada left.", "entities": [{"start": 0, "end": 30, "type": "person"}]}\n', None),
        ("jsonl", '{"text": "Ada", "entities": [], "entities": []}\n', None),
        ("tokens", '{"tokens": ["Ada", "left"], "spans": [[0, 1, "person"]]}\n', 1),
        ("conll", "Ada\tB-person\nLovelace\tI-person\nleft\tO\n", 1),
        ("conll", "Ada\tperson\n", None),
        ("csv", 'Ada,B-person\n",",O\n', 1),
    ],
)
def test_plain_readings_count_entities_of_plain_files(name, text, expected):
    assert COUNTS[name](text) == expected


@pytest.fixture(scope="module")
def killer(tmp_path_factory):
    return Killer(tmp_path_factory.mktemp("killed"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["warm-up", "transfer", "fit", "self-train", "save", "import", "export", "convert", "annotate"]
)
def test_a_command_killed_and_run_again_gives_what_it_gives_undisturbed(killer, name):
    tally = Tally()
    killer.reference(name)
    events = killer.events[name]

    for at in ([events // 3], [2 * events // 3], [events - 2], [events // 2, 1]):
        killer.kill(name, at, tally)

    assert tally.first == {}
    assert tally.kills >= 3


def test_brat_marks_at_one_place_with_and_without_their_text_are_read(tmp_path):
    (tmp_path / "train.txt").write_text("Ada left.\n", "utf-8")
    (tmp_path / "train.ann").write_text("T1\tperson 0 3\tAda\nT2\tperson 0 3;0 3\tAda\n", "utf-8")

    try:
        assert len(Corpus.read(tmp_path / "train.txt").train) == 1
    except CorpusError as error:
        assert "train.ann" in str(error)


@pytest.mark.parametrize(("name", "example"), [*IN_JSON, *((name, json.dumps(one)) for name, one in RICHER.items())])
def test_a_value_of_any_kind_in_any_place_is_read_or_refused(name, example, tmp_path):
    (tmp_path / "vane.txt").write_text("Vane left.", "utf-8")
    path = tmp_path / f"train{FORMATS[name].suffix}"
    whole = [json.loads(example)]
    refused = 0
    for holder, key in places(whole):
        right = holder[key]
        for kind in KINDS:
            holder[key] = kind
            path.write_text(json.dumps(whole[0]), "utf-8")
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    Corpus.read(path, format=name)
            except CpnerError:
                refused += 1
        holder[key] = right

    assert refused > 0


def places(value):
    """Where values stand in a JSON value, outer ones first: the list or object, and the number or key."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    here = [(value, key) for key in keys]
    return here + [place for key in keys for place in places(value[key])]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train.tsv", "Vane\tB-person\nleft\tNINES\n"),
        ("train.csv", "File,Line,Begin Offset,End Offset,Type\nvane.txt,0,0,NINES,person\n"),
        ("train.txt", "1|t|Vane left.\n1\t0\tNINES\tVane\tperson\n"),
        ("train.jsonl", '{"text": "Vane", "entities": [[0, NINES, "person"]]}'),
        ("train.jsonl", '{"tokens": ["Vane"], "entity": [{"type": "person", "offset": [0, 1000000000000000000000]}]}'),
    ],
)
def test_numbers_of_thousands_of_digits_are_refused(name, text, tmp_path):
    (tmp_path / "vane.txt").write_text("Vane left.", "utf-8")
    (tmp_path / name).write_text(text.replace("NINES", "9" * 5000), "utf-8")

    with pytest.raises(CorpusError):
        Corpus.read(tmp_path / name)
