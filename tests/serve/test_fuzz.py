"""Whatever comes, the server answers with no error of its own, and goes on."""

from __future__ import annotations

import random

from cpner.serve.app import ENDPOINTS
from cpner.serve.openapi import describe
from tests.hostile.http import Outcome, ask_raw, raw_request
from tests.serve.support import DOMAINS, Served


def test_raw_bytes_bring_no_error_of_the_server(shared_server: Served) -> None:
    chance = random.Random(7)
    port = shared_server.client.base_url.port
    assert port
    outcome = Outcome()
    for _ in range(1500):
        data = raw_request(chance, may_train=False)
        outcome.add(ask_raw(port, data), data)
    assert outcome.faults == []
    assert {200, 400, 404, 422} <= set(outcome.statuses)
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
