from __future__ import annotations

import pytest

from cpner.corpus.labelling import Labelling, read_labelling
from cpner.corpus.sentence import Entity
from cpner.errors import ConfigError


def test_hyper_text_and_codes_are_read() -> None:
    labels = '<HyperTextLabels name="n" toName="t"><Label value="PER"/></HyperTextLabels>'
    config = f'<View>{labels}<HyperText name="t" value="$html"/></View>'

    labelling = read_labelling(config)

    assert (labelling.kind, labelling.text_key) == ("hypertextlabels", "html")
    assert labelling.labels == {"person": "PER"}
    assert labelling.type_of("PER") == "person"


def test_regions_count_utf16_and_have_the_names_of_the_labels() -> None:
    text = "💩 Ada saw 🌋 Rome."
    found = [
        Entity(text.index(name), text.index(name) + len(name), type, name, 0.5)
        for name, type in (("Ada", "person"), ("Rome", "place"))
    ]

    prediction = Labelling("ner", "body", labels={"person": "PER"}).prediction(text, found, 0.25, "v1")

    assert (prediction["model_version"], prediction["score"]) == ("v1", 0.25)
    values = [region["value"] for region in prediction["result"]]
    assert [(v["start"], v["end"], v["labels"]) for v in values] == [(3, 6, ["PER"]), (14, 18, ["place"])]
    units = text.encode("utf-16-le")
    assert [units[2 * v["start"] : 2 * v["end"]].decode("utf-16-le") for v in values] == ["Ada", "Rome"]
    assert {(one["from_name"], one["to_name"], one["type"], one["score"]) for one in prediction["result"]} == {
        ("ner", "body", "labels", 0.5)
    }


def test_what_has_no_score_says_none() -> None:
    prediction = Labelling().prediction("Ada", [Entity(0, 3, "person", "Ada")], None, "v1")

    assert "score" not in prediction
    assert "score" not in prediction["result"][0]


def test_a_configuration_without_labels_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no tag Labels"):
        read_labelling("<View/>")
