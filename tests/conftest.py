"""Tiny random backbones that the tests make themselves: nothing is downloaded."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from torch import Tensor

from cpner.corpus import Corpus
from tests.support import CONTENT, Server, environment, make_backbone

# What stands in for each public dataset.
SAMPLES = {
    "ai": "science", "science": "science", "conll2003": "news", "politics": "politics", "literature": "music",
    "music": "music", "mit_movie": "cooking", "mit_restaurant": "cooking",
}  # fmt: skip

settings.register_profile("all", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=25)

torch.set_num_threads(1)  # tiny models are faster so, and sums are the same in every process


def pytest_configure(config: pytest.Config) -> None:
    """Where slow tests are left out, a law is tried on fewer random examples; not where the variable CI is set."""
    settings.load_profile("quick" if config.option.markexpr == "not slow" and "CI" not in os.environ else "all")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random T5."""
    return make_backbone(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Any:
    """A tiny random T5 in float32, loaded by cpner. Shared: tests must not change it."""
    from cpner.backbone.load import load

    return load(str(tiny_folder), device="cpu", precision="float32")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a file byte for byte and return its path."""

    def write_file(name: str, content: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
        return path

    return write_file


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A web server of tmp_path/web, which holds the files as toy/NAME."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "web/toy").mkdir(parents=True)
    for name, content in CONTENT.items():
        (tmp_path / "web/toy" / name).write_bytes(content)

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            running.requests.append(self.path)

    running = Server(("127.0.0.1", 0), partial(Handler, directory=tmp_path / "web"))
    running.requests = []
    running.url = f"http://127.0.0.1:{running.server_port}"
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Source ids, their mask and decoder input of three rows."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, 900, (3, 20), generator=generator)
    mask = torch.arange(20) < torch.tensor([20, 7, 13])[:, None]
    return ids.masked_fill(~mask, 0), mask, torch.randint(3, 900, (3, 40), generator=generator)


@pytest.fixture(scope="session")
def public_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like the public datasets, filled from the samples. Shared: tests must not change it."""
    folder = tmp_path_factory.mktemp("data")
    for name, sample in SAMPLES.items():
        corpus = Corpus.read(f"sample:{sample}")
        splits = {"train": corpus.train[:6], "dev": corpus.dev[:2], "test": corpus.test[:3]}
        if name.startswith("mit"):
            del splits["dev"]
        Corpus(name, splits, types=corpus.types).write(folder / name, "jsonl")
    return folder


@pytest.fixture
def ray_cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """A real cluster of a head and one more machine's processes, with a core each.

    It writes its address; for a line it kills the other machine's processes, and writes that this is done.
    """
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # Ray's workers give way to all else, and starve on a busy machine
    script = (
        "import sys\n"
        "from ray.cluster_utils import Cluster\n"
        "arguments = {'num_cpus': 1, 'object_store_memory': 100 << 20, 'include_dashboard': False}\n"
        "cluster = Cluster(initialize_head=True, head_node_args=arguments)\n"
        "other = cluster.add_node(num_cpus=1, object_store_memory=100 << 20)\n"
        "print(cluster.address, flush=True)\n"
        "for line in sys.stdin:\n"
        "    cluster.remove_node(other, allow_graceful=False)\n"
        "    print('removed', flush=True)\n"
        "cluster.shutdown()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    yield process
    process.communicate(timeout=60)
