from __future__ import annotations

import json

import pytest

from cpner.calibration.thresholds import LEVELS
from tests.support import cpner

TEXT = "Johnson joined the Whigs in Baltimore with Ada Lovelace."


def entities(stored, *options) -> list[dict]:
    result = cpner("predict", TEXT, "--domain", "one", "--store", stored, "--format", "jsonl", *options)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["entities"]


def test_thresholds_leave_out_what_is_less_sure(stored):
    everything = entities(stored)
    scores = sorted(entity["score"] for entity in everything)
    assert scores
    middle = scores[len(scores) // 2]

    assert entities(stored, "--threshold", middle - 1e-3) == [e for e in everything if e["score"] >= middle - 1e-3]
    assert entities(stored, "--threshold", 1) == []
    kind = everything[0]["type"]
    assert entities(stored, "--thresholds", f"{kind}=1") == [e for e in everything if e["type"] != kind]


def test_raw_scores_are_others_of_the_same_entities(stored):
    calibrated, raw = entities(stored), entities(stored, "--raw-scores")

    assert [{**e, "score": 0} for e in calibrated] == [{**e, "score": 0} for e in raw]
    assert [e["score"] for e in calibrated] != [e["score"] for e in raw]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--thresholds", "person"), "'person' is not TYPE=SCORE"),
        (("--thresholds", "person=2"), "not TYPE=SCORE"),
        (("--threshold", "high"), "'high' is not a valid float"),
        (("--threshold", "0.5", "--least-precision", "0.9"), "exclude each other"),
        (("--least-precision", "0.9", "--raw-scores"), "leave out --raw-scores"),
        (("--least-precision", str(LEVELS[-1])), "can't be promised"),
    ],
)
def test_mistakes_are_told(stored, options, message):
    result = cpner("predict", TEXT, "--domain", "one", "--store", stored, *options)

    assert result.exit_code == 2
    assert message in result.stderr


def test_evaluate_tells_whether_scores_are_probabilities(corpus, stored, tmp_path):
    picture = tmp_path / "r.png"
    options = ("--domain", "one", "--store", stored, "--calibration")

    printed = json.loads(cpner("evaluate", corpus, *options, "--reliability", picture, "--json").stdout)
    table = cpner("evaluate", corpus, *options, "--calibrator", "two")

    assert set(printed["calibration"]) == {"raw", "calibrated", "sentences", "curve"}
    assert picture.exists()
    assert "calibration error (ECE)" in table.stdout and "least score" in table.stdout
    assert cpner("evaluate", corpus, *options[:-1], "--reliability", picture).exit_code == 2
