"""Files that the tools' own libraries write, and what these read of ours; skipped where they are not installed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time

import httpx
import pytest

from cpner.corpus import Corpus, Sentence
from cpner.corpus.labelling import read_labelling
from tests.corpus.support import MARKS, NAMES, TEXT, names

CONFIG = (
    '<View><Labels name="label" toName="text"><Label value="person"/></Labels><Text name="text" value="$text"/></View>'
)
LABEL_STUDIO = os.environ.get("CPNER_LABEL_STUDIO")  # the command label-studio of an environment that has it
SENTENCES = [Sentence.from_text(TEXT, MARKS), Sentence.from_text("So did Bo.")]


@pytest.fixture
def corpus() -> Corpus:
    return Corpus.from_sentences(SENTENCES)


@pytest.mark.filterwarnings("ignore")  # of the libraries themselves
@pytest.mark.parametrize("kind", ["JSON", "JSON_MIN"])
def test_exports_of_label_studio_are_read(corpus, tmp_path, kind):
    sdk = pytest.importorskip("label_studio_sdk.converter")
    tasks = json.loads("".join(corpus_lines(corpus, tmp_path)))
    for number, task in enumerate(tasks):  # as the server numbers them
        task["id"] = number
        for annotation in task["annotations"]:
            annotation["id"] = number
            annotation["completed_by"] = {"id": 1}
    (tmp_path / "tasks.json").write_text(json.dumps(tasks), "utf-8")

    sdk.Converter(CONFIG, str(tmp_path)).convert(
        str(tmp_path / "tasks.json"), str(tmp_path / "out"), kind, is_dir=False
    )

    made = next(path for path in (tmp_path / "out").iterdir() if path.is_file())
    read = Corpus.read(made)
    assert names(read) == NAMES
    assert [sentence.text for sentence in read.train] == [sentence.text for sentence in SENTENCES]


@pytest.mark.filterwarnings("ignore")
def test_that_label_studio_loses_labels_in_conll_is_told(corpus, tmp_path):
    sdk = pytest.importorskip("label_studio_sdk.converter")
    tasks = [{**task, "id": 1} for task in json.loads("".join(corpus_lines(corpus, tmp_path)))]
    tasks[0]["annotations"][0].update(id=1, completed_by={"id": 1})
    (tmp_path / "tasks.json").write_text(json.dumps(tasks[:1]), "utf-8")

    sdk.Converter(CONFIG, str(tmp_path)).convert(
        str(tmp_path / "tasks.json"), str(tmp_path / "out"), "CONLL2003", is_dir=False
    )

    read = Corpus.read(next((tmp_path / "out").iterdir()))
    assert names(read) == [("person", "Ida Storm"), ("place", "Lund .")]  # the emoji moved its offsets
    assert read.repairs == {"file of Label Studio's export to CoNLL, which loses labels: its JSON has all": 1}


@pytest.fixture(scope="module")
def label_studio(tmp_path_factory):
    """A client of Label Studio's own server, with an empty database; it takes a minute or more to start."""
    folder = tmp_path_factory.mktemp("label-studio")
    port = free_port()
    token = "0123456789abcdef" * 2
    environment = {
        **os.environ,
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "data"),
        "LABEL_STUDIO_USERNAME": "ida@example.org",
        "LABEL_STUDIO_PASSWORD": "no-secret",
        "LABEL_STUDIO_USER_TOKEN": token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "COLLECT_ANALYTICS": "false",
    }
    command = [LABEL_STUDIO or "", "start", "--no-browser", "--port", str(port), "--internal-host", "127.0.0.1"]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Token {token}"}) as client,
    ):
        try:
            wait_for(client, server)
            yield client
        finally:
            server.terminate()


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(client, server) -> None:
    """Wait until a server answers; it makes its database first."""
    while server.poll() is None:
        try:
            client.get("/health", timeout=5).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(1)
    raise AssertionError("Label Studio ended")


@pytest.mark.slow
@pytest.mark.skipif(not LABEL_STUDIO, reason="CPNER_LABEL_STUDIO names no command label-studio of an environment")
@pytest.mark.parametrize(("tag", "text"), [("Labels", "Text"), ("HyperTextLabels", "HyperText")])
def test_label_studio_shows_predictions_and_exports_annotations(label_studio, tmp_path, tag, text):
    config = f"""<View><{tag} name="ner" toName="doc"><Label value="person"/><Label value="place"/></{tag}>
    <{text} name="doc" value="$text"/></View>"""
    labelling = read_labelling(config)
    tasks = [
        {"data": {"text": s.text}, "predictions": [labelling.prediction(s.text, s.entities, 0.5, "one-1")]}
        for s in SENTENCES
    ]

    def call(method: str, route: str, **content):
        answer = label_studio.request(method, route, timeout=60, **content)
        assert answer.is_success, answer.text
        return answer.json()

    project = call("POST", "/api/projects", json={"title": "one", "label_config": config})["id"]
    call("POST", f"/api/projects/{project}/import", json=tasks)
    shown = call("GET", "/api/tasks", params={"project": project, "fields": "all"})["tasks"]
    annotations = [
        call("POST", f"/api/tasks/{task['id']}/annotations/", json={"result": task["predictions"][0]["result"]})
        for task in shown
    ]
    export = tmp_path / "export.json"
    export.write_text(json.dumps(call("GET", f"/api/projects/{project}/export", params={"exportType": "JSON"})))

    assert [(task["total_predictions"], task["predictions"][0]["score"]) for task in shown] == [(1, 0.5)] * len(tasks)
    regions = [{region["id"] for region in one["result"]} for one in annotations]  # the server counts them by their id
    assert list(map(len, regions)) == [len(sentence.entities) for sentence in SENTENCES]
    assert names(Corpus.read(export)) == NAMES


def corpus_lines(corpus: Corpus, folder) -> list[str]:
    """What is written for Label Studio."""
    [path] = corpus.write(folder / "written.json", "label-studio")
    return path.read_text("utf-8").splitlines()


@pytest.mark.filterwarnings("ignore")
def test_datasets_reads_what_is_written_and_writes_what_is_read(corpus, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    pytest.importorskip("pyarrow")
    monkeypatch.setitem(os.environ, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    corpus.write(tmp_path / "written.jsonl", "huggingface")

    table = datasets.Dataset.from_json(str(tmp_path / "written.jsonl"), cache_dir=str(tmp_path / "cache"))
    tags = ["O", "B-person", "I-person", "B-place"]
    features = datasets.Features(
        {
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=tags)),
        }
    )
    table = table.cast(features)
    table.to_parquet(str(tmp_path / "train.parquet"))
    table.to_json(str(tmp_path / "numbers.jsonl"))
    table.save_to_disk(str(tmp_path / "disk" / "train"))

    read = Corpus.read(tmp_path / "train.parquet")
    assert [sentence.word_texts for sentence in read.train] == [sentence.word_texts for sentence in SENTENCES]
    assert names(read) == NAMES
    assert names(Corpus.read(tmp_path / "disk")) == NAMES
