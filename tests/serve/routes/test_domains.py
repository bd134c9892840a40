from __future__ import annotations

import io
import socket
import threading
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from cpner import CPNER
from cpner.store import Store
from tests.serve.support import DOMAINS, Served, running, wait_until
from tests.support import TYPES, make_domain, random_prefix

TEXT = "Johnson joined the Whigs in Baltimore and met Ada Lovelace."
ZIP = {"Content-Type": "application/zip"}


@pytest.fixture
def served(tiny: Any, store: Path) -> Any:
    with running(tiny, store) as server:
        yield server


def archive(backbone: Any, folder: Path, name: str = "new", seed: int = 7) -> bytes:
    """A domain as `cpner domains export` writes it."""
    ner = CPNER(backbone, folder / f"{name}-{seed}")
    ner.add(name, random_prefix(backbone.t5.shape, 3, seed=seed), TYPES)
    ner.save()
    Store(folder / f"{name}-{seed}").export(name, folder / f"{name}-{seed}.zip")
    return (folder / f"{name}-{seed}.zip").read_bytes()


def predict(served: Served, domain: str) -> Any:
    return served.client.post("/v1/predict", json={"domain": domain, "text": TEXT}).json()["results"][0]["entities"]


def test_domains_are_listed_some_at_a_time(shared_server: Served) -> None:
    whole = shared_server.client.get("/v1/domains").json()
    first = shared_server.client.get("/v1/domains?limit=2").json()
    rest = shared_server.client.get(f"/v1/domains?limit=2&after={first['next']}").json()

    assert [row["name"] for row in whole["domains"]] == list(DOMAINS)
    assert whole["next"] is None
    assert first["domains"] + rest["domains"] == whole["domains"]
    assert shared_server.client.get("/v1/domains?limit=0").status_code == 422


def test_a_damaged_domain_does_not_hide_the_others(served: Served) -> None:
    (served.store / "one" / "domain.json").write_text("{")

    rows = served.client.get("/v1/domains").json()["domains"]

    assert [row["name"] for row in rows] == list(DOMAINS)
    assert [bool(row["error"]) for row in rows] == [True, False, False]
    assert str(served.store) not in served.client.get("/v1/domains/one").text


def test_a_card_has_a_version_that_changes_with_the_domain(tiny: Any, served: Served, tmp_path: Path) -> None:
    first = served.client.get("/v1/domains/one")
    size = Store(served.store).size_bytes("one")
    again = served.client.get("/v1/domains/one", headers={"If-None-Match": first.headers["etag"]})
    served.client.put("/v1/domains/one", content=archive(tiny, tmp_path), headers=ZIP)
    later = served.client.get("/v1/domains/one", headers={"If-None-Match": first.headers["etag"]})

    assert first.json()["card"]["types"] == TYPES
    assert first.json()["bytes"] == size
    assert (again.status_code, again.content) == (304, b"")
    assert later.status_code == 200
    assert later.headers["etag"] != first.headers["etag"]


def test_an_archive_goes_out_and_comes_in_the_same(served: Served) -> None:
    data = served.client.get("/v1/domains/one/archive").content
    reply = served.client.put("/v1/domains/copy", content=data, headers=ZIP)

    assert reply.status_code == 201
    assert reply.headers["location"] == "/v1/domains/copy"
    assert predict(served, "copy") == predict(served, "one") != []


def test_an_upload_replaces_a_domain_at_once(tiny: Any, served: Served, tmp_path: Path) -> None:
    before = predict(served, "one")
    reply = served.client.put("/v1/domains/one", content=archive(tiny, tmp_path), headers=ZIP)
    after = predict(served, "one")

    assert reply.status_code == 200
    assert after != before
    found = CPNER(tiny, served.store).predict(TEXT, "one")
    assert [(one["start"], one["score"]) for one in after] == [(e.start, pytest.approx(e.score)) for e in found]


def test_conditions_are_kept(tiny: Any, served: Served, tmp_path: Path) -> None:
    data = archive(tiny, tmp_path)
    version = served.client.get("/v1/domains/one").headers["etag"]
    before = predict(served, "one")

    def put(name: str, **headers: str) -> int:
        return served.client.put(f"/v1/domains/{name}", content=data, headers={**ZIP, **headers}).status_code

    assert put("one", **{"If-None-Match": "*"}) == 412
    assert put("one", **{"If-Match": '"other"'}) == 412
    assert put("nowhere", **{"If-Match": "*"}) == 412
    assert served.client.delete("/v1/domains/one", headers={"If-Match": '"other"'}).status_code == 412
    assert predict(served, "one") == before
    assert put("one", **{"If-Match": version}) == 200
    assert put("fresh", **{"If-None-Match": "*"}) == 201


@pytest.mark.parametrize("name", ["..", "a b", "con", "x" * 65, "a%2Fb", ".hidden"])
def test_a_name_that_is_no_name_is_refused(tiny: Any, served: Served, tmp_path: Path, name: str) -> None:
    reply = served.client.put(f"/v1/domains/{name}", content=archive(tiny, tmp_path), headers=ZIP)

    assert reply.status_code in (404, 405, 422)
    assert Store(served.store).names() == list(DOMAINS)
    assert sorted(path.name for path in served.store.parent.iterdir() if path.is_dir()) == ["new-7", "store"]


def test_a_path_is_no_name(served: Served) -> None:
    (served.store.parent / "domain.json").write_bytes((served.store / "one" / "domain.json").read_bytes())

    for path in ("%2e%2e", "%2e%2e%2fstore", "%2e"):
        with socket.create_connection(("127.0.0.1", served.client.base_url.port), timeout=20) as connection:
            connection.sendall(f"GET /v1/domains/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            assert connection.recv(64)[9:12] == b"404"


def test_what_is_no_domain_is_refused(tiny: Any, served: Served, tmp_path: Path) -> None:
    def put(data: bytes, name: str = "new", **headers: str) -> httpx.Response:
        return served.client.put(f"/v1/domains/{name}", content=data, headers={**ZIP, **headers})

    other = tmp_path / "other.zip"
    Store(tmp_path / "others", create=True).save(make_domain("new"))
    Store(tmp_path / "others").export("new", other)
    evil = io.BytesIO()
    with zipfile.ZipFile(evil, "w") as file:
        file.writestr("../../evil/domain.json", "{}")

    assert put(b"no zip").status_code == 422
    assert put(b"").status_code == 422
    assert put(evil.getvalue()).status_code == 422
    assert put(other.read_bytes()).status_code == 422  # of another backbone
    assert put(b"x", **{"Content-Type": "text/html"}).status_code == 415
    assert put(archive(tiny, tmp_path), "ONE").status_code == 409  # one folder on some disks
    assert str(served.store) not in put(b"no zip").text
    assert Store(served.store).names() == list(DOMAINS)


def test_what_is_too_large_is_refused_packed_and_unpacked(tiny: Any, store: Path, tmp_path: Path) -> None:
    data = archive(tiny, tmp_path)
    with running(tiny, store, max_archive=1024) as served:
        assert served.client.put("/v1/domains/new", content=data, headers=ZIP).status_code == 413
    with running(tiny, store, max_unpacked=1024) as served:
        assert served.client.put("/v1/domains/new", content=data, headers=ZIP).status_code == 413
    with running(tiny, store, max_domains=3) as served:
        assert served.client.put("/v1/domains/new", content=data, headers=ZIP).status_code == 413
        assert served.client.put("/v1/domains/one", content=data, headers=ZIP).status_code == 200


def test_a_domain_is_copied(served: Served) -> None:
    before = predict(served, "one")
    assert served.client.post("/v1/domains/two/copy", json={"to": "one"}).status_code == 409
    assert predict(served, "one") == before
    reply = served.client.post("/v1/domains/two/copy", json={"to": "one", "overwrite": True})
    assert reply.status_code == 200
    assert predict(served, "one") == predict(served, "two") != before
    assert served.client.post("/v1/domains/two/copy", json={"to": "../x"}).status_code == 422
    assert served.client.post("/v1/domains/nowhere/copy", json={"to": "x"}).status_code == 404


def test_a_deleted_domain_is_gone(served: Served) -> None:
    assert predict(served, "one")
    assert served.client.delete("/v1/domains/one").status_code == 204
    assert served.client.delete("/v1/domains/one").status_code == 404
    reply = served.client.post("/v1/predict", json={"domain": "one", "text": TEXT})
    assert reply.status_code == 404
    assert Store(served.store).names() == ["three", "two"]


def test_what_others_change_in_the_store_is_seen(tiny: Any, store: Path) -> None:
    with running(tiny, store, refresh=0.05) as served:
        before = predict(served, "one")
        other = CPNER(tiny, store)
        other.add("one", random_prefix(tiny.t5.shape, 3, seed=99), TYPES)
        other.save()

        wait_until(lambda: predict(served, "one") != before, 10)


def test_every_answer_under_change_is_that_of_one_version(tiny: Any, store: Path, tmp_path: Path) -> None:
    versions = [archive(tiny, tmp_path, "busy", seed) for seed in (21, 22, 23)]
    allowed: list[Any] = []
    with running(tiny, store, batch_size=1, max_wait=60.0) as served:
        for data in versions:
            served.client.put("/v1/domains/busy", content=data, headers=ZIP)
            allowed.append(predict(served, "busy"))
        assert len({str(one) for one in allowed}) == len(versions)
        stop = threading.Event()
        answers: list[httpx.Response] = []

        def ask() -> None:
            with httpx.Client(base_url=served.url, timeout=30, trust_env=False) as client:
                while not stop.is_set():
                    answers.append(client.post("/v1/predict", json={"domain": "busy", "text": TEXT}))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for i in range(12):
            if i % 4 == 3:
                assert served.client.delete("/v1/domains/busy").status_code == 204
            else:
                reply = served.client.put("/v1/domains/busy", content=versions[i % 3], headers=ZIP)
                assert reply.status_code in (200, 201)
        stop.set()
        for thread in threads:
            thread.join()

    assert {reply.status_code for reply in answers} <= {200, 404}
    good = [reply.json()["results"][0]["entities"] for reply in answers if reply.status_code == 200]
    assert len(good) > 10
    assert all(entities in allowed for entities in good)


def test_a_domain_is_scored_as_the_library_scores_it(served: Served) -> None:
    entities = [{"start": 0, "end": 7, "type": "person"}, {"start": 28, "end": 37, "type": "location"}]
    sentences = [{"text": "Johnson joined the Whigs in Baltimore", "entities": entities}] * 3

    reply = served.client.post("/v1/domains/one/evaluate", json={"sentences": sentences}).json()

    assert reply["support"] == 6
    assert set(reply["per_type"]) == set(TYPES)
    for odd in ({"start": 5, "end": 3, "type": "x"}, {"start": 0, "end": 99, "type": "x"}):
        body = {"sentences": [{"text": "Johnson", "entities": [odd]}]}
        assert served.client.post("/v1/domains/one/evaluate", json=body).status_code == 422


def test_domains_are_models_of_the_backbone(shared_server: Served) -> None:
    models = shared_server.client.get("/v1/models").json()

    assert models["object"] == "list"
    backbone, *domains = models["data"]
    assert [(row["id"], row["parent"]) for row in domains] == [(name, backbone["id"]) for name in DOMAINS]


def test_files_of_labelled_sentences_are_read_and_written(shared_server: Served) -> None:
    data = b"Johnson\tB-PER\nleft\tO\nRome\tB-LOC\n\n"

    read = shared_server.client.post("/v1/corpora/read?name=x.conll", content=data)
    written = shared_server.client.post("/v1/corpora/write?format=conll", json=read.json())

    assert set(read.json()["types"]) == {"person", "location"}
    (sentence,) = read.json()["sentences"]
    assert sentence["text"] == "Johnson left Rome"
    assert written.text.split()[0] == "Johnson"
    again = shared_server.client.post("/v1/corpora/read?name=x.conll", content=written.content).json()
    assert again["sentences"] == read.json()["sentences"]
    assert shared_server.client.post("/v1/corpora/read", content=b"\xff\xff").status_code == 422
    assert shared_server.client.post("/v1/corpora/write?format=odd", json=read.json()).status_code == 422
