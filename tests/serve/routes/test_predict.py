from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from cpner.corpus.sentence import Sentence
from tests.serve.support import DOMAINS, Served, running
from tests.support import SENTENCES, TYPES

TEXTS = [
    "Johnson joined the Whigs in Baltimore.",
    "Ada Lovelace left for Rome",
    "💩 Joseph met Joseph 👨‍👩‍👧 in New York",
    "at a party.",
    "",
    "Phil Regan, manager of the Orioles, met Ada in Paris. " * 12,
]


def expected(served: Served, text: str, domain: str | None, **options: Any) -> list[dict[str, Any]]:
    """What the library finds, as the server writes it."""
    found = served.ner.predict(text, domain, batch_size=1, **options)
    return [{"start": e.start, "end": e.end, "text": e.text, "type": e.type, "score": e.score} for e in found]


def rounded(entities: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entities with scores as far as the sums of a batch leave them the same."""
    return [{**one, "score": pytest.approx(one["score"], abs=1e-5)} for one in entities]


def test_a_text_has_the_entities_that_the_library_finds(shared_server: Served) -> None:
    for domain in DOMAINS:
        reply = shared_server.client.post("/v1/predict", json={"domain": domain, "text": TEXTS[0]})

        assert reply.status_code == 200
        assert reply.json()["backbone"] == shared_server.ner.backbone.fingerprint
        (result,) = reply.json()["results"]
        assert result["domain"] == domain
        assert result["entities"] == rounded(expected(shared_server, TEXTS[0], domain))


def test_the_domains_differ(shared_server: Served) -> None:
    answers = {str(expected(shared_server, TEXTS[0], domain)) for domain in DOMAINS}

    assert len(answers) == len(DOMAINS)  # else the tests of mixed domains could not fail


def test_one_request_may_mix_domains_and_keeps_its_order(shared_server: Served) -> None:
    inputs = [{"id": i, "text": text, "domain": DOMAINS[i % 3]} for i, text in enumerate(TEXTS)]

    reply = shared_server.client.post("/v1/predict", json={"inputs": inputs}).json()

    for one, result in zip(inputs, reply["results"], strict=True):
        assert (result["id"], result["domain"]) == (one["id"], one["domain"])
        assert result["entities"] == rounded(expected(shared_server, one["text"], one["domain"]))


def test_answers_are_the_librarys_to_the_bit_whatever_the_load(tiny: Any, domain_store: Path) -> None:
    with running(tiny, domain_store, batch_size=1, max_wait=60.0) as served:
        asked = [(text, domain) for text in TEXTS for domain in (*DOMAINS, None)] * 4

        def ask(question: tuple[str, str | None]) -> Any:
            text, domain = question
            body = {"text": text, "domain": domain, "types": TYPES if domain is None else None}
            reply = httpx.post(f"{served.url}/v1/predict", json=body, timeout=60, trust_env=False)
            return reply.json()["results"][0]["entities"]

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(ask, asked))

        library = {
            (text, domain): expected(served, text, domain, types=TYPES if domain is None else None)
            for text, domain in set(asked)
        }
    assert answers == [library[question] for question in asked]


@pytest.mark.slow
def test_requests_of_many_clients_share_batches_and_get_their_own_answers(tiny: Any, domain_store: Path) -> None:
    with running(tiny, domain_store, batch_wait_ms=50.0, max_wait=60.0) as served:
        asked = [(text, domain) for text in TEXTS for domain in DOMAINS] * 4

        def ask(question: tuple[str, str]) -> Any:
            body = {"text": question[0], "domain": question[1]}
            return httpx.post(f"{served.url}/v1/predict", json=body, timeout=60, trust_env=False).json()["results"]

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(ask, asked))
        batches = served.context.metrics.registry.get_sample_value("cpner_batch_sentences_count")

    for (text, domain), (result,) in zip(asked, answers, strict=True):
        assert result["entities"] == rounded(expected(served, text, domain))
    assert batches is not None
    assert batches < len(asked)


def test_types_without_a_domain_are_looked_for_by_the_backbone_alone(shared_server: Served) -> None:
    body = {"text": TEXTS[0], "types": ["person", "location"]}

    (result,) = shared_server.client.post("/v1/predict", json=body).json()["results"]

    assert result["entities"] == rounded(expected(shared_server, TEXTS[0], None, types=["person", "location"]))


def test_thresholds_leave_out_entities_and_change_no_other(shared_server: Served) -> None:
    plain = [one for domain in DOMAINS for text in TEXTS for one in expected(shared_server, text, domain)]
    middle = sorted(one["score"] for one in plain)[len(plain) // 2]
    for domain in DOMAINS:
        body = {"inputs": [{"text": text} for text in TEXTS], "domain": domain, "threshold": middle}
        reply = shared_server.client.post("/v1/predict", json=body).json()
        found = [one for result in reply["results"] for one in result["entities"]]
        assert all(one["score"] >= middle for one in found)
    body["thresholds"] = dict.fromkeys(TYPES, 0.0)
    reply = shared_server.client.post("/v1/predict", json=body).json()
    found = [one for result in reply["results"] for one in result["entities"]]
    assert found == rounded([one for text in TEXTS for one in expected(shared_server, text, domain)])


def test_offsets_may_count_utf16(shared_server: Served) -> None:
    text = TEXTS[2]
    body = {"text": text, "domain": "one", "offsets": "utf16"}

    (result,) = shared_server.client.post("/v1/predict", json=body).json()["results"]

    assert result["entities"], "a test of offsets needs entities"
    units = text.encode("utf-16-le")
    for one in result["entities"]:
        assert units[2 * one["start"] : 2 * one["end"]].decode("utf-16-le") == one["text"]


def test_lines_come_back_in_their_order_with_errors_in_their_places(shared_server: Served) -> None:
    lines = [{"id": i, "text": text, "domain": DOMAINS[i % 3]} for i, text in enumerate(TEXTS * 30)]
    body = "\n".join(map(json.dumps, [*lines, {"id": "x", "text": "a", "domain": "nowhere"}])) + "\nno json\n"
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}

    reply = shared_server.client.post("/v1/predict", content=gzip.compress(body.encode()), headers=headers)

    assert reply.headers["content-type"] == "application/x-ndjson"
    results = [json.loads(line) for line in reply.text.splitlines()]
    assert [result.get("id") for result in results[:-2]] == list(range(len(lines)))
    for line, result in zip(lines[:6], results, strict=False):
        assert result["entities"] == rounded(expected(shared_server, line["text"], line["domain"]))
    assert [result["error_type"] for result in results[-2:]] == ["not_found", "malformed"]


def test_lines_without_a_domain_have_that_of_the_query(shared_server: Served) -> None:
    headers = {"Content-Type": "application/x-ndjson"}
    body = json.dumps({"text": TEXTS[0]})

    reply = shared_server.client.post("/v1/predict?domain=two&beams=2", content=body, headers=headers)

    assert reply.json()["entities"] == rounded(expected(shared_server, TEXTS[0], "two", beams=2))


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        ({"domain": "nowhere", "text": "a"}, 404, None),
        ({"domain": "one"}, 422, "$"),
        ({"text": "a"}, 422, None),
        ({"domain": "one", "text": 5}, 422, "$.text"),
        ({"domain": "one", "inputs": [{"text": "a"}, {}]}, 422, "$.inputs[1]"),
        ({"domain": "one", "text": "a", "treshold": 1}, 422, "$"),
        ({"domain": "one", "text": "a", "threshold": 2}, 422, "$.threshold"),
        ({"domain": "one", "text": "a", "types": ["a:b"]}, 422, None),
        ({"domain": "one", "text": "a", "types": []}, 422, None),
        ({"domain": "one", "text": "a" * 200_001}, 413, None),
        ({"domain": "one", "inputs": [{"text": "a"}] * 65}, 413, None),
        ({"domain": "one", "text": "a", "beams": 100}, 413, "$.beams"),
        ({"domain": "one", "text": "a" * 2_000_001}, 413, None),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    shared_server: Served, body: dict[str, Any], status: int, path: str | None
) -> None:
    reply = shared_server.client.post("/v1/predict", json=body)

    assert reply.status_code == status
    assert reply.json()["error"]
    assert path is None or reply.json()["path"] == path


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 400),
        (b'{"domain": "one", "text": "\\ud800"}', {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[" * 100_000, {}, 422),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Content-Encoding": "br"}, 415),
        (b"no gzip", {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b" " * 3_000_000, mtime=0), {"Content-Encoding": "gzip"}, 413),
        (gzip.compress(b"{}", mtime=0)[:-4], {"Content-Encoding": "gzip"}, 400),
    ],
)
def test_a_body_that_is_no_json_is_refused(
    shared_server: Served, content: bytes, headers: dict[str, str], status: int
) -> None:
    headers = {"Content-Type": "application/json", **headers}

    reply = shared_server.client.post("/v1/predict", content=content, headers=headers)

    assert reply.status_code == status
    assert reply.json()["error_type"]


def test_domains_are_compared_text_by_text(shared_server: Served) -> None:
    texts = [sentence.text for sentence in SENTENCES]
    body = {"domains": ["one", "two"], "texts": texts}

    reply = shared_server.client.post("/v1/compare", json=body).json()

    for text, result in zip(texts, reply["results"], strict=True):
        places = {name: {(e["start"], e["end"], e["type"]) for e in result[name]} for name in result}
        first = {(e["start"], e["end"], e["type"]) for e in expected(shared_server, text, "one")}
        second = {(e["start"], e["end"], e["type"]) for e in expected(shared_server, text, "two")}
        assert places == {"both": first & second, "first": first - second, "second": second - first}


def test_each_text_has_the_score_of_the_whole(shared_server: Served) -> None:
    inputs = [{"id": i, "text": text, "domain": DOMAINS[0]} for i, text in enumerate(TEXTS)]
    reply = shared_server.client.post("/v1/predict", json={"inputs": inputs}).json()
    lines = shared_server.client.post(
        "/v1/predict",
        content="\n".join(json.dumps(one) for one in inputs),
        headers={"Content-Type": "application/x-ndjson"},
    ).text.splitlines()
    whole = shared_server.ner.recognise([Sentence.from_text(text) for text in TEXTS], DOMAINS[0], batch_size=1)

    for result, line, answer in zip(reply["results"], lines, whole, strict=True):
        assert result["score"] == pytest.approx(answer.score, abs=1e-5)
        assert json.loads(line)["score"] == pytest.approx(answer.score, abs=1e-5)
