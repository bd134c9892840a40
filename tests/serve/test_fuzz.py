"""Whatever comes, the server answers with no error of its own, and goes on."""

from __future__ import annotations

import random
import socket

from cpner.serve.app import ENDPOINTS
from cpner.serve.openapi import describe
from tests.serve.support import DOMAINS, Served

BODIES = [
    b'{"domain": "one", "text": "Johnson left Rome."}',
    b'{"inputs": [{"text": "a"}], "domain": "two", "thresholds": {"person": 0.5}}',
    b'{"text": "a", "labels": ["person"]}',
    b'{"inputs": "a", "parameters": {"domain": "one"}}',
    b'{"kind": "fit", "domain": "new", "corpus": {"train": [{"text": "a", "entities": []}]}}',
    b'{"tasks": [{"data": {"text": "a"}}], "label_config": "<View/>"}',
]
ROUTES = [one for one in ENDPOINTS if one.path != "/v1/jobs" and not one.path.endswith("/events")]
TOKENS = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b"null",
    b"1e999",
    b"-1",
    b"\x00",
    b"\xff",
    b"\\ud800",
    b"true",
    b'"a"',
    b",",
    b":",
]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Bytes with some of them changed, left out, or said twice."""
    for _ in range(chance.randrange(4)):
        place = chance.randrange(len(data) + 1)
        length = chance.randrange(6)
        data = data[:place] + chance.choice([b"", data[place : place + length] * 2, *TOKENS]) + data[place + length :]
    return data


def request(chance: random.Random) -> bytes:
    """A request to a route, more or less."""
    endpoint = chance.choice(ROUTES)
    path = endpoint.path.replace("{name}", chance.choice(["nowhere", "one" if endpoint.method != "DELETE" else "x"]))
    body = mutated(chance.choice(BODIES), chance) if endpoint.method in ("POST", "PUT") else b""
    kind = chance.choice([b"application/json", b"application/json", b"application/x-ndjson", b"application/zip", b"x"])
    head = b"%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
    whole = head % (endpoint.method.encode(), path.encode(), kind, len(body)) + body
    return mutated(whole, chance) if chance.random() < 0.3 else whole


def answer(port: int, data: bytes) -> bytes:
    """The first bytes that come back; none if the server waits for more or hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(64)
        except ConnectionError:
            return b""


def test_raw_bytes_bring_no_error_of_the_server(shared_server: Served) -> None:
    chance = random.Random(7)
    port = shared_server.client.base_url.port
    assert port
    seen = set()
    for _ in range(1500):
        data = request(chance)
        status = answer(port, data)[9:12]
        assert status[:2] != b"50" or status == b"503", data
        seen.add(status)
    assert {b"200", b"400", b"404", b"422"} <= seen
    names = [row["name"] for row in shared_server.client.get("/v1/domains").json()["domains"]]
    assert names == list(DOMAINS)


def test_every_route_is_described_and_every_reference_is_there(shared_server: Served) -> None:
    description = shared_server.client.get("/openapi.json").json()

    assert description == describe(ENDPOINTS)
    described = {(method.upper(), path) for path, methods in description["paths"].items() for method in methods}
    assert described == {(one.method, one.path) for one in ENDPOINTS}
    schemas = description["components"]["schemas"]
    references = set(_references(description))
    assert references
    assert {reference.removeprefix("#/components/schemas/") for reference in references} <= set(schemas)


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for inner in value.values() for found in _references(inner)]
    return [found for inner in value for found in _references(inner)] if isinstance(value, list) else []


def test_the_page_of_routes_needs_nothing_from_elsewhere(shared_server: Served) -> None:
    page = shared_server.client.get("/docs")

    assert page.headers["content-type"].startswith("text/html")
    assert all(one.path in page.text for one in ENDPOINTS)
    assert "http://" not in page.text
    assert "https://" not in page.text
    style = page.text.split('href="/static/')[1].split('"')[0]
    reply = shared_server.client.get(f"/static/{style}")
    assert (reply.status_code, reply.headers["content-type"].split(";")[0]) == (200, "text/css")
    assert "immutable" in reply.headers["cache-control"]
    assert shared_server.client.get("/static/0/docs.css").status_code == 404
    assert shared_server.client.get(f"/static/{style.split('/')[0]}/..%2Fapp.py").status_code == 404
