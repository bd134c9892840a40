"""Worksheets of the page: saved in the store, whole, and never over what another browser has saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.serve.support import Served, running

WORK = {
    "domain": "one",
    "types": [{"name": "person", "on": False}],
    "threshold": 0.25,
    "sentences": [
        {"text": "Ada 💩 left.", "entities": [{"start": 0, "end": 3, "type": "person"}], "done": True, "here": False},
        {"text": "Nobody came.", "entities": None, "done": False, "here": True},
    ],
    "training": {"id": "x", "target": "gigs"},
}
PATH = "/v1/worksheets/abcdefgh1234"


def without_texts(sheet: dict[str, Any]) -> dict[str, Any]:
    for sentence in sheet["sentences"]:
        for mark in sentence["entities"] or []:
            mark.pop("text", None)
    return sheet


def test_a_worksheet_comes_back_as_it_was_also_from_another_server(tiny: Any, store: Path) -> None:
    with running(tiny, store) as served:
        reply = served.client.put(PATH, json=WORK, headers={"If-None-Match": "*"})
        assert reply.status_code == 204
        rows = served.client.get("/v1/worksheets").json()["worksheets"]
    assert [path.name for path in (store / ".worksheets").iterdir()] == ["abcdefgh1234.json"]
    assert [(row["id"], row["types"], row["confirmed"]) for row in rows] == [("abcdefgh1234", ["person"], 1)]
    with running(tiny, store) as served:
        again = served.client.get(PATH)
        assert again.headers["etag"] == reply.headers["etag"] == f'"{rows[0]["version"]}"'
        assert without_texts(again.json()) == WORK
        assert served.client.delete(PATH).status_code == 204
        assert served.client.get(PATH).status_code == 404
        assert served.client.get("/v1/worksheets").json() == {"worksheets": []}


def test_what_another_browser_has_saved_is_not_overwritten(tiny: Any, store: Path) -> None:
    with running(tiny, store, max_worksheets=1) as served:
        first = served.client.put(PATH, json=WORK).headers["etag"]
        second = served.client.put(PATH, json={**WORK, "threshold": 0.5}, headers={"If-Match": first})
        assert second.status_code == 204
        for headers in ({"If-Match": first}, {"If-None-Match": "*"}):
            assert served.client.put(PATH, json=WORK, headers=headers).status_code == 412
        assert served.client.get(PATH).json()["threshold"] == 0.5
        full = served.client.put("/v1/worksheets/another1", json=WORK)
        assert (full.status_code, full.json()["limit"]) == (413, 1)


@pytest.mark.parametrize("name", ["short", "with.dots.in.it", "..%2F..%2Fescaped", "x" * 41])
def test_nothing_but_an_id_becomes_a_path(shared_server: Served, name: str) -> None:
    before = sorted(shared_server.store.parent.rglob("*"))
    for method in ("GET", "PUT", "DELETE"):
        assert shared_server.client.request(method, f"/v1/worksheets/{name}", json=WORK).status_code in (404, 422)
    assert sorted(shared_server.store.parent.rglob("*")) == before


def test_a_damaged_worksheet_hides_no_other(tiny: Any, store: Path) -> None:
    with running(tiny, store) as served:
        served.client.put(PATH, json=WORK)
        (store / ".worksheets" / "damaged1.json").write_text("{", "utf-8")
        assert [row["id"] for row in served.client.get("/v1/worksheets").json()["worksheets"]] == ["abcdefgh1234"]


def test_who_may_only_read_sees_none(tiny: Any, store: Path) -> None:
    with running(tiny, store, read_key="r" * 20, admin_key="a" * 20) as served:
        for method in ("GET", "PUT", "DELETE"):
            key = {"Authorization": f"Bearer {'r' * 20}"}
            assert served.client.request(method, PATH, json=WORK, headers=key).status_code == 403
