from __future__ import annotations

import json
import subprocess
import sys

import pytest

from cpner.evaluation import evaluate
from tests.support import PREDICTED, SENTENCE


def test_json_follows_the_contract():
    result = json.loads(json.dumps(evaluate([SENTENCE], [PREDICTED]).to_json()))

    third = pytest.approx(100 / 3)
    assert {key: result[key] for key in ("precision", "recall", "f1", "support")} == {
        "precision": third,
        "recall": third,
        "f1": third,
        "support": 3,
    }
    assert result["per_type"]["politician"] == {"precision": 100, "recall": 100, "f1": 100, "support": 1}
    assert result["string"] == {"precision": third, "recall": third, "f1": third}
    assert result["errors"] == {
        "right": 1,
        "type": 1,
        "boundary": 1,
        "boundary_and_type": 0,
        "missed": 0,
        "spurious": 0,
    }
    assert result["confusion"]["types"] == ["[bold]city", "location", "political party", "politician", "none"]
    assert result["confusion"]["counts"][1] == [1, 0, 0, 0, 0]


def test_json_examples_have_character_offsets():
    examples = evaluate([SENTENCE], [PREDICTED]).to_json()["examples"]

    assert examples[1] == {
        "outcome": "boundary",
        "text": "Konrad Adenauer led the CDU in Bonn",
        "gold": {"start": 24, "end": 27, "type": "political party", "text": "CDU"},
        "predicted": {"start": 20, "end": 27, "type": "political party", "text": "the CDU"},
    }


def test_json_shows_missed_entity_without_prediction():
    example = evaluate([SENTENCE], [PREDICTED[:2]]).to_json()["examples"][1]

    assert (example["outcome"], example["gold"]["text"], example["predicted"]) == ("missed", "Bonn", None)


def test_import_is_light():
    code = "import sys, cpner.evaluation; print(*{'torch', 'transformers', 'matplotlib'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded.strip() == ""
