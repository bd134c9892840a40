from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cpner.errors import ConfigError
from cpner.serve.settings import ServeSettings, parse_bytes
from tests.serve.support import Served, running

READ = "a key to read with, long"
ADMIN = "a key to change with, long"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_only_with_a_key_other_machines_may_come() -> None:
    with pytest.raises(ConfigError, match="CPNER_READ_KEY"):
        ServeSettings(host="0.0.0.0")
    assert ServeSettings(host="0.0.0.0", read_key=READ).hosts is None
    assert ServeSettings(host="0.0.0.0", insecure=True).hosts is None
    assert ServeSettings(host="::1").local


def test_a_short_key_is_refused_without_being_told() -> None:
    with pytest.raises(ConfigError) as refused:
        ServeSettings(read_key="secret")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(("text", "size"), [("2MB", 2_000_000), ("1 kb", 1000), ("77", 77), (5, 5)])
def test_sizes_are_read(text: str | int, size: int) -> None:
    assert parse_bytes(text) == size


def test_a_size_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="no size"):
        parse_bytes("2 moons")


@pytest.mark.parametrize("setting", ["port", "queue", "timeout", "max_body"])
def test_settings_have_ranges(setting: str) -> None:
    with pytest.raises(ConfigError, match=setting):
        ServeSettings(**{setting: -1})


def test_keys_open_what_they_are_for(tiny: Any, store: Path) -> None:
    with running(tiny, store, read_key=READ, admin_key=ADMIN) as served:
        client = served.client
        for path, method in [("/v1/domains", "GET"), ("/metrics", "GET"), ("/info", "GET"), ("/v1/jobs", "GET")]:
            assert client.request(method, path).status_code == 401
            assert client.request(method, path, headers=bearer("wrong")).status_code == 401
            assert client.request(method, path, headers=bearer(READ)).status_code == 200
            assert client.request(method, path, headers=bearer(ADMIN)).status_code == 200
        assert client.get("/v1/domains", auth=("anyone", READ)).status_code == 200
        assert client.delete("/v1/domains/one").status_code == 401
        assert client.delete("/v1/domains/one", headers=bearer(READ)).status_code == 403
        assert client.delete("/v1/domains/one", headers=bearer(ADMIN)).status_code == 204
        for path in ("/livez", "/readyz", "/health", "/", "/docs", "/openapi.json"):
            assert client.get(path).status_code == 200


def test_a_server_with_a_key_to_read_alone_can_not_be_changed(tiny: Any, store: Path) -> None:
    with running(tiny, store, read_key=READ) as served:
        assert served.client.delete("/v1/domains/one", headers=bearer(READ)).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""])
def test_another_name_of_the_server_is_refused(shared_server: Served, host: str) -> None:
    assert shared_server.client.get("/v1/domains", headers={"Host": host}).status_code in (400, 421)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_pages_of_other_servers_are_refused(shared_server: Served, origin: str) -> None:
    reply = shared_server.client.get("/v1/domains", headers={"Origin": origin})

    assert reply.status_code == 403
    assert "access-control-allow-origin" not in reply.headers


def test_its_own_page_is_not(shared_server: Served) -> None:
    assert shared_server.client.get("/v1/domains", headers={"Origin": shared_server.url}).status_code == 200


def test_every_answer_has_the_headers_of_safety(shared_server: Served) -> None:
    for path in ("/", "/v1/domains", "/nowhere", "/docs"):
        headers = shared_server.client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_the_id_of_a_request_comes_back(shared_server: Served) -> None:
    assert shared_server.client.get("/livez", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = shared_server.client.get("/livez", headers={"X-Request-ID": "no good\tid"}).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", made)


def test_too_many_at_once_are_refused(tiny: Any, domain_store: Path) -> None:
    with running(tiny, domain_store, max_concurrent_requests=1) as served:
        served.context.gate.in_flight += 1
        reply = served.client.get("/v1/domains")
        assert (reply.status_code, reply.headers["retry-after"]) == (429, "1")
        assert reply.json()["error_type"] == "overloaded"
        assert served.client.get("/livez").status_code == 200
        served.context.gate.in_flight -= 1


def test_while_it_drains_it_is_not_ready_and_refuses(tiny: Any, domain_store: Path) -> None:
    with running(tiny, domain_store) as served:
        assert served.client.get("/readyz").json() == {"status": "ok"}
        served.context.gate.draining = True
        assert served.client.get("/readyz").status_code == 503
        assert served.client.get("/health").json() == {"status": "draining"}
        assert served.client.get("/livez").status_code == 200
        refused = served.client.post("/v1/predict", json={"domain": "one", "text": "a"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


def test_metrics_count_and_hold_no_text(shared_server: Served) -> None:
    secret = "Zaphod Beeblebrox"
    shared_server.client.post("/v1/predict", json={"domain": "one", "text": secret})
    shared_server.client.get(f"/v1/domains/{secret}")
    shared_server.client.get(f"/{secret}")

    text = shared_server.client.get("/metrics").text

    assert 'cpner_requests_total{code="200",route="/v1/predict"}' in text
    assert 'cpner_requests_total{code="404",route="/v1/domains/{name}"}' in text
    assert 'route="other"' in text
    for name in ("queue_wait_seconds", "inference_duration_seconds", "batch_sentences", "batch_pieces", "queue_depth"):
        assert f"cpner_{name}" in text
    assert "Zaphod" not in text


def test_logs_hold_no_text(shared_server: Served, caplog: pytest.LogCaptureFixture) -> None:
    secret = "Zaphod Beeblebrox"
    with caplog.at_level("DEBUG", logger="cpner"):
        shared_server.client.post("/v1/predict?q=Zaphod", json={"domain": "one", "text": secret})
        shared_server.client.post("/v1/predict", json={"domain": secret, "text": secret})
        shared_server.client.get(f"/{secret}")

    assert caplog.records
    assert "Zaphod" not in caplog.text


def test_paths_and_methods_that_are_not_there_are_told_as_json(shared_server: Served) -> None:
    assert shared_server.client.get("/nowhere").json()["error_type"] == "not_found"
    reply = shared_server.client.patch("/v1/domains/one")
    assert reply.status_code == 405
    assert reply.headers["allow"] == "DELETE, GET, PUT"
    assert reply.json()["error_type"] == "method_not_allowed"
