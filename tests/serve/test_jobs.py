from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from cpner import CPNER, Corpus, Sentence
from cpner.store import Store
from cpner.training import TrainingConfig
from tests.serve.support import DOMAINS, PATIENCE, QUICK, Served, job, running, wait_until
from tests.support import SENTENCES, stored_prefix


@pytest.fixture
def served(tiny: Any, store: Path) -> Iterator[Served]:
    with running(tiny, store) as server:
        yield server


def start(served: Served, **fields: Any) -> str:
    reply = served.client.post("/v1/jobs", json=job(**fields))
    assert reply.status_code == 202, reply.text
    assert reply.headers["location"] == f"/v1/jobs/{reply.json()['id']}"
    return str(reply.json()["id"])


def show(served: Served, name: str) -> dict[str, Any]:
    found: dict[str, Any] = served.client.get(f"/v1/jobs/{name}").json()
    return found


def finish(served: Served, name: str, state: str = "done") -> dict[str, Any]:
    wait_until(lambda: show(served, name)["state"] not in ("queued", "running"), PATIENCE, pause=0.1)
    told = show(served, name)
    assert told["state"] == state, told["error"]
    return show(served, name)


def events(served: Served, name: str, after: int | None = None) -> list[dict[str, Any]]:
    """The events of a job until the stream ends."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    found = []
    with served.client.stream("GET", f"/v1/jobs/{name}/events", headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for block in "".join(stream.iter_text()).split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if lines:
                found.append({**lines, "data": json.loads(lines["data"])})
    return found


@pytest.mark.slow
def test_a_domain_is_made_from_sentences_and_is_the_librarys(tiny: Any, served: Served, tmp_path: Path) -> None:
    name = start(served, sources="auto")
    result = finish(served, name)["result"]

    library = CPNER(tiny, served.store)
    splits = {
        split: [
            Sentence.from_text(one["text"], [(e["start"], e["end"], e["type"]) for e in one["entities"]])
            for one in sentences
        ]
        for split, sentences in job()["corpus"].items()
    }
    trained = library.fit("new", Corpus("new", splits), [], TrainingConfig(**QUICK))
    assert result["sources"] == {}  # the stored ones have another length
    assert result["dev_f1"] == trained.best_f1
    assert result["before"] is None
    assert set(result["after"]) == {"precision", "recall", "f1", "support"}
    library.save(tmp_path / "by hand", domains=["new"])
    assert stored_prefix(served.store, "new") == stored_prefix(tmp_path / "by hand", "new")
    reply = served.client.post("/v1/predict", json={"domain": "new", "text": SENTENCES[0].text})
    assert reply.status_code == 200


@pytest.mark.slow
def test_events_tell_the_progress_and_resume_where_they_broke_off(served: Served) -> None:
    name = start(served)
    told = events(served, name)

    assert [int(one["id"]) for one in told] == list(range(1, len(told) + 1))
    states = [one["data"]["state"] for one in told if one["event"] == "state"]
    assert states == ["queued", "running", "done"]
    progress = [one["data"] for one in told if one["event"] == "progress"]
    assert progress
    assert progress[-1]["done"] == progress[-1]["total"]
    assert progress[-1]["epoch"] == progress[-1]["epochs"]
    assert events(served, name, after=3) == told[3:]
    assert events(served, name, after=len(told)) == []
    assert served.client.get(f"/v1/jobs/{name}/events", headers={"Last-Event-ID": "x"}).status_code == 422


@pytest.mark.slow
def test_a_trained_domain_is_compared_with_what_it_was(served: Served) -> None:
    first = finish(served, start(served))["result"]
    second = finish(served, start(served, kind="transfer", strategy="none"))["result"]

    assert second["before"] == first["after"]
    assert finish(served, start(served, kind="self-train", text=["Johnson left for Rome."]))["result"]["epochs"] >= 1


@pytest.mark.slow
def test_jobs_run_one_at_a_time_in_their_order(served: Served) -> None:
    names = [start(served, domain=f"d{i}") for i in range(3)]
    seen = set()

    def over() -> bool:
        listed = {one["id"]: one["state"] for one in served.client.get("/v1/jobs").json()["jobs"]}
        states = [listed[name] for name in names]
        seen.add(tuple(states))
        return states[-1] == "done"

    wait_until(over, PATIENCE)
    assert max(states.count("running") for states in seen) == 1
    assert all(states[i] == "done" or states[i + 1] != "done" for states in seen for i in range(2))
    listed = [one["id"] for one in served.client.get("/v1/jobs").json()["jobs"]]
    assert listed == names[::-1]


@pytest.mark.slow
def test_a_cancelled_job_keeps_its_run_and_goes_on(served: Served) -> None:
    long = {"epochs": 60, "max_epochs": 60, "min_steps": 0, "save_seconds": 0.01}
    name = start(served, settings=long)
    run = served.store / ".jobs" / name / "run"
    wait_until(lambda: list(run.rglob("checkpoint.safetensors")), PATIENCE)
    assert served.client.delete(f"/v1/jobs/{name}").status_code == 202
    finish(served, name, "cancelled")
    wait_until(lambda: list(run.rglob("checkpoint.safetensors")))  # one may take the place of another right now
    assert "new" not in Store(served.store)
    assert served.client.post(f"/v1/jobs/{name}/resume").status_code == 202
    finish(served, name)
    assert "new" in Store(served.store)
    assert served.client.post(f"/v1/jobs/{name}/resume").status_code == 409
    assert served.client.delete(f"/v1/jobs/{name}").status_code == 204
    assert served.client.get(f"/v1/jobs/{name}").status_code == 404
    assert not (served.store / ".jobs" / name).exists()


@pytest.mark.slow
def test_a_queued_job_is_cancelled_without_having_run(served: Served) -> None:
    first = start(served, domain="d1")
    second = start(served, domain="d2")
    served.client.delete(f"/v1/jobs/{second}")
    finish(served, first)
    assert show(served, second)["state"] == "cancelled"
    assert "d2" not in Store(served.store)


@pytest.mark.slow
def test_a_job_that_fails_tells_why(served: Served) -> None:
    (served.store / "two" / "prefix.safetensors").write_bytes(b"damaged")
    told = finish(served, start(served, sources=["two"]), "failed")

    assert "damaged" in told["error"]
    assert "Traceback" not in told["error"]
    assert "new" not in Store(served.store)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"domain": "../x"}, 422),
        ({"corpus": {}}, 422),
        ({"kind": "self-train", "domain": "one"}, 422),
        ({"kind": "self-train", "text": ["a"]}, 404),
        ({"kind": "transfer"}, 404),
        ({"kind": "transfer", "domain": "one", "strategy": "odd"}, 422),
        ({"kind": "transfer", "domain": "one", "strategy": "chain", "sources": ["two"]}, 422),
        ({"kind": "odd"}, 422),
        ({"settings": {"epochs": 0}}, 422),
        ({"settings": {"epoch": 1}}, 422),
        ({"sources": ["nowhere"]}, 404),
        ({"mixing": {"temperature": 0}}, 422),
        ({"types": ["person"]}, 422),
        ({"corpus": {"train": [{"text": "a", "entities": [{"start": 0, "end": 9, "type": "x"}]}]}}, 422),
    ],
)
def test_what_can_not_be_trained_is_refused_at_once(shared_server: Served, fields: dict[str, Any], status: int) -> None:
    reply = shared_server.client.post("/v1/jobs", json=job(**fields))

    assert reply.status_code == status, reply.text
    assert shared_server.client.get("/v1/jobs").json() == {"jobs": []}


@pytest.mark.slow
def test_too_many_jobs_are_refused(tiny: Any, store: Path) -> None:
    with running(tiny, store, max_jobs=0) as served:
        start(served)
        reply = served.client.post("/v1/jobs", json=job())
        assert (reply.status_code, reply.headers["retry-after"]) == (429, "60")


@pytest.mark.slow
def test_one_server_of_a_store_trains_and_the_others_show_how_it_goes(tiny: Any, store: Path) -> None:
    with running(tiny, store) as first, running(tiny, store) as second:
        assert second.client.post("/v1/jobs", json=job()).status_code == 503
        name = start(first)
        assert second.client.delete(f"/v1/jobs/{name}").status_code == 503
        told = events(second, name)
        assert told == events(first, name)
        assert told[-1]["data"]["state"] == "done"
        assert show(second, name) == {**show(first, name), "progress": None}
        assert second.client.post("/v1/predict", json={"domain": "new", "text": "a"}).status_code == 200


def test_a_lock_of_another_process_is_kept(tiny: Any, store: Path) -> None:
    (store / ".jobs").mkdir()
    with FileLock(store / ".jobs" / ".lock"), running(tiny, store) as served:
        assert served.client.post("/v1/jobs", json=job()).status_code == 503


@pytest.mark.slow
def test_a_server_that_ends_lets_the_next_one_go_on_with_its_job(tiny: Any, store: Path) -> None:
    long = {"epochs": 60, "max_epochs": 60, "min_steps": 0, "save_seconds": 0.01}
    with running(tiny, store) as served:
        name = start(served, settings=long)
        wait_until(lambda: show(served, name)["progress"], PATIENCE)
        began = time.monotonic()
    assert time.monotonic() - began < 20
    assert "new" not in Store(store)
    with running(tiny, store) as served:
        finish(served, name)
        states = [one["data"]["state"] for one in events(served, name) if one["event"] == "state"]
    assert states == ["queued", "running", "running", "done"]
    assert Store(store).names() == sorted([*DOMAINS, "new"])
