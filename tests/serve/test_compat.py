from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cpner.serve.problems import ProblemError
from cpner.serve.work import codepoints
from cpner.store import Store
from tests.serve.support import Served, running, wait_until
from tests.support import SENTENCES

TEXT = "💩 Johnson joined the Whigs in Baltimore and met Ada Lovelace."
CONFIG = """<View><Labels name="label" toName="text"><Label value="person"/><Label value="party" alias="PARTY"
  predicted_values="political party, movement"/><Label value="location"/></Labels>
  <Text name="text" value="$body"/></View>"""


@pytest.fixture
def served(tiny: Any, store: Path) -> Iterator[Served]:
    with running(tiny, store) as server:
        yield server


def library(served: Served, text: str = TEXT, domain: str | None = "one", **options: Any) -> Any:
    return served.ner.predict(text, domain, batch_size=1, **options)


def places(found: Any) -> list[tuple[Any, ...]]:
    return [(one.start, one.end, one.type) for one in found]


def test_gliner(shared_server: Served) -> None:
    ask = {"text": TEXT, "threshold": 0.0, "adapter_id": "one", "flat_ner": True}
    found = shared_server.client.post("/gliner", json=ask).json()["entities"]

    assert [(e["start"], e["end"], e["label"]) for e in found] == places(library(shared_server)) != []
    assert all(TEXT[e["start"] : e["end"]] == e["text"] and 0 <= e["score"] <= 1 for e in found)
    plain = {"text": TEXT, "labels": ["person", "city"], "threshold": 0.0}
    found = shared_server.client.post("/gliner", json=plain).json()["entities"]
    expected = places(library(shared_server, domain=None, types=["person", "city"]))
    assert [(e["start"], e["end"], e["label"]) for e in found] == expected
    assert shared_server.client.post("/gliner", json={"labels": ["a"]}).status_code == 422  # not 404
    assert shared_server.client.post("/gliner", json={"text": "a", "adapter_id": "nowhere"}).status_code == 404


def test_hugging_face(shared_server: Served) -> None:
    one = shared_server.client.post("/hf/one", json={"inputs": TEXT}).json()
    many = shared_server.client.post("/hf", json={"inputs": [TEXT, ""], "parameters": {"domain": "one"}}).json()

    assert [(e["start"], e["end"], e["entity_group"]) for e in one] == places(library(shared_server)) != []
    assert all(e["word"] == TEXT[e["start"] : e["end"]] for e in one)
    assert many == [[{**e, "score": pytest.approx(e["score"], abs=1e-5)} for e in one], []]
    assert shared_server.client.post("/hf", json={"inputs": TEXT}).status_code == 422


def test_presidio(shared_server: Served) -> None:
    ask = {"text": TEXT, "language": "en"}
    found = shared_server.client.post("/presidio/one/analyze", json=ask).json()
    by_query = shared_server.client.post("/analyze?domain=one", json=ask).json()
    names = shared_server.client.get("/presidio/one/supportedentities?language=en").json()

    assert names == ["PERSON", "POLITICAL_PARTY", "LOCATION"]
    expected = [(e.start, e.end, e.type.upper().replace(" ", "_")) for e in library(shared_server)]
    assert [(e["start"], e["end"], e["entity_type"]) for e in found] == expected
    assert found == by_query
    for name in names:
        some = shared_server.client.post("/presidio/one/analyze", json={**ask, "entities": [name]}).json()
        assert some == [{**e, "score": pytest.approx(e["score"])} for e in found if e["entity_type"] == name]
    zero = shared_server.client.post("/analyze", json={**ask, "entities": ["PERSON", "PHONE_NUMBER"]}).json()
    assert {e["entity_type"] for e in zero} <= {"PERSON", "PHONE_NUMBER"}


def test_kserve(shared_server: Served) -> None:
    client = shared_server.client
    tensor = {"name": "text", "shape": [2], "datatype": "BYTES", "data": [TEXT, ""]}
    reply = client.post("/v2/models/one/infer", json={"id": "7", "inputs": [tensor]}).json()

    assert (reply["model_name"], reply["id"]) == ("one", "7")
    (output,) = reply["outputs"]
    assert (output["name"], output["shape"], output["datatype"]) == ("entities", [2], "BYTES")
    first, second = map(json.loads, output["data"])
    assert [(e["start"], e["end"], e["type"]) for e in first] == places(library(shared_server))
    assert second == []
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/one/ready").json() == {"name": "one", "ready": True}
    assert client.get("/v2/models/nowhere/ready").status_code == 404
    assert client.get("/v2/models/one").json()["inputs"][0]["datatype"] == "BYTES"
    for odd in ({**tensor, "shape": [3]}, {**tensor, "datatype": "FP32"}):
        assert client.post("/v2/models/one/infer", json={"inputs": [odd]}).status_code == 422


def task(text: str, number: int = 1) -> dict[str, Any]:
    return {"id": number, "data": {"body": text}}


def test_label_studio_predicts_with_the_labels_of_its_configuration(served: Served) -> None:
    setup = {"project": "7.1700000000", "schema": CONFIG, "extra_params": '{"domain": "one"}', "hostname": ""}
    version = served.client.post("/label-studio/setup", json=setup).json()["model_version"]
    ask = {"tasks": [task(TEXT), task("")], "project": "7.1700000000", "label_config": CONFIG, "params": {}}
    reply = served.client.post("/label-studio/predict", json=ask).json()

    types = ["political party", "movement", "person", "location"]
    expected = library(served, types=types)
    first, second = reply["results"]
    assert first["model_version"] == version
    assert 0 < first["score"] <= min(e.score for e in expected) + 1e-5  # of the task as a whole
    assert (second["result"], second["score"]) == ([], 1.0)
    labels = {"political party": "PARTY", "movement": "PARTY", "person": "person", "location": "location"}
    assert [one["value"]["labels"] for one in first["result"]] == [[labels[e.type]] for e in expected]
    units = TEXT.encode("utf-16-le")
    for one in first["result"]:
        value = one["value"]
        assert units[2 * value["start"] : 2 * value["end"]].decode("utf-16-le") == value["text"]
        assert (one["from_name"], one["to_name"], one["type"]) == ("label", "text", "labels")


@pytest.mark.slow
def test_label_studio_trains_a_project_by_a_job_and_then_has_another_version(served: Served) -> None:
    project = {"id": 9, "label_config": CONFIG}
    ask = {"tasks": [task(TEXT)], "project": "9.17", "label_config": CONFIG}
    before = served.client.post("/label-studio/predict", json=ask).json()["results"][0]["model_version"]

    def post(action: str, **fields: Any) -> Any:
        return served.client.post("/label-studio/webhook", json={"action": action, "project": project, **fields})

    for i, sentence in enumerate(SENTENCES):
        text = f"💩 {sentence.text}"
        regions = [
            {"type": "labels", "value": {"start": e.start + 3, "end": e.end + 3, "labels": [label(e.type)]}}
            for e in sentence.entities
        ]
        annotation = {"id": i, "result": regions}
        assert post("ANNOTATION_CREATED", annotation=annotation, task=task(text, i)).status_code == 201
    assert post("ANNOTATION_UPDATED").json()["status"] == "ok"  # without an annotation, as it may come
    assert post("ANNOTATION_DELETED", annotation={"id": 4}).status_code == 201
    assert post("PROJECT_UPDATED").json() == {"status": "Unknown event"}
    kept = json.loads((served.store / ".label-studio" / "9.json").read_text())
    assert sorted(kept) == ["0", "1", "2", "3"]
    reply = post("START_TRAINING")
    assert reply.status_code == 201
    name = reply.json()["result"]["job"]
    corpus = json.loads((served.store / ".jobs" / name / "corpus.json").read_text())["corpus"]["train"]
    assert [[(e["start"] - 2, e["end"] - 2, e["type"]) for e in one["entities"]] for one in corpus] == [
        [(e.start, e.end, e.type) for e in sentence.entities] for sentence in SENTENCES[:4]
    ]
    wait_until(lambda: served.client.get(f"/v1/jobs/{name}").json()["state"] in ("done", "failed"), 300)
    assert "ls-9" in Store(served.store)
    after = served.client.post("/label-studio/predict", json=ask).json()["results"][0]["model_version"]
    assert after.startswith("ls-9")
    assert after != before


def label(type: str) -> str:
    return {"political party": "PARTY"}.get(type, type)


def test_label_studio_is_up(shared_server: Served) -> None:
    for path in ("/label-studio", "/label-studio/health"):
        assert shared_server.client.get(path).json() == {"status": "UP", "model_class": "cpner"}
    assert shared_server.client.get("/label-studio/metrics").json() == {}


@pytest.mark.parametrize(
    "config",
    [
        "no xml",
        "<View/>",
        '<View><Labels name="l" toName="t"/><Text name="t" value="$x"/></View>',
        '<View><Labels name="l" toName="t"><Label value="a"/></Labels></View>',
        '<!DOCTYPE x [<!ENTITY a "b">]><View><Labels name="l" toName="t"><Label value="a"/></Labels></View>',
    ],
)
def test_a_configuration_that_labels_no_text_is_refused(shared_server: Served, config: str) -> None:
    ask = {"tasks": [], "label_config": config}

    assert shared_server.client.post("/label-studio/predict", json=ask).status_code == 422


def test_places_in_utf16_are_places_in_characters() -> None:
    text = "a💩b"
    assert codepoints(text, [0, 1, 2, 3, 4]) == [0, 1, 1, 2, 3]
    with pytest.raises(ProblemError):
        codepoints(text, [5])
