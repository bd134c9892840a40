from __future__ import annotations

import hashlib

import pytest

from cpner.corpus.fetch import fetch
from cpner.corpus.public import Dataset, PublicFile, datasets
from cpner.errors import ConfigError, CorpusError
from cpner.progress import Progress
from tests.support import CONTENT


def toy(url: str = "http://127.0.0.1:9") -> dict[str, Dataset]:
    files = {
        name.split(".")[0]: PublicFile(
            name, f"{url}/toy/{name}", len(content), hashlib.sha256(content).hexdigest(), 1, 1
        )
        for name, content in CONTENT.items()
    }
    return {"toy": Dataset("toy", "Toy", "made up", url, "none", "", {"location": "location"}, files)}


def test_files_come_from_their_own_addresses(server, tmp_path):
    seen: list[Progress] = []

    files = fetch(["toy"], tmp_path / "out", table=toy(server.url), progress=seen.append)

    assert {file.name: file.read_bytes() for file in files} == CONTENT
    assert files[0] == tmp_path / "out/toy/train.txt"
    assert seen[0] == Progress(65536, 90000, "toy/train.txt")
    assert seen[-1] == Progress(16, 16, "toy/test.txt")


def test_mirror_is_asked_in_place_of_the_publisher(server, tmp_path):
    assert len(fetch(["toy"], tmp_path / "out", base_url=f"{server.url}/", table=toy())) == 2


def test_files_that_are_right_are_not_fetched_again(server, tmp_path):
    table = toy(server.url)
    files = fetch(["toy"], tmp_path / "out", table=table)
    files[1].unlink()
    server.requests.clear()

    fetch(["toy"], tmp_path / "out", table=table)

    assert server.requests == ["/toy/test.txt"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Bern\tB-location\n", r"test\.txt: is not the published file: sha256 \w{12}\.\.\., expected \w{12}\.\.\."),
        (b"Bonn\t", "5 bytes, expected 16 bytes; nothing was kept"),
        (b"Bonn\tB-location\nand more" * 9000, "bytes, expected 16 bytes"),
    ],
)
def test_another_file_is_refused_and_not_kept(server, tmp_path, content, message):
    (tmp_path / "web/toy/test.txt").write_bytes(content)

    with pytest.raises(CorpusError, match=message):
        fetch(["toy"], tmp_path / "out", table=toy(server.url))

    assert [path.name for path in (tmp_path / "out/toy").iterdir()] == ["train.txt"]


def test_missing_file_is_named_with_the_answer_of_the_server(server, tmp_path):
    (tmp_path / "web/toy/train.txt").unlink()

    with pytest.raises(CorpusError, match=r"/toy/train\.txt: the server answers 404 File not found; .*--base-url"):
        fetch(["toy"], tmp_path / "out", table=toy(server.url))

    assert not list((tmp_path / "out/toy").iterdir())


def test_server_that_does_not_answer_is_named(server, tmp_path):
    table = toy(server.url)
    server.shutdown()
    server.server_close()

    with pytest.raises(CorpusError, match=r"can't be fetched: .*refused; check the network"):
        fetch(["toy"], tmp_path / "out", table=table)


def test_other_files_in_the_way_are_not_overwritten(server, tmp_path):
    mine = tmp_path / "out/toy/train.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")

    with pytest.raises(CorpusError, match="is another file than the published one; move it away"):
        fetch(["toy"], tmp_path / "out", table=toy(server.url))
    assert mine.read_text() == "mine"


def test_unknown_dataset_is_refused_before_anything_is_fetched(server, tmp_path):
    with pytest.raises(ConfigError, match=r"No public dataset 'toi'. Known: toy. Did you mean 'toy'\?"):
        fetch(["toy", "toi"], tmp_path / "out", table=toy(server.url))
    assert not server.requests


def test_only_web_addresses_are_fetched(tmp_path):
    with pytest.raises(ConfigError, match="expected an address with http:// or https://"):
        fetch(["toy"], tmp_path / "out", base_url="file:///etc", table=toy())


def test_the_table_is_whole():
    known = datasets()

    assert list(known) == [
        "conll2003",
        "politics",
        "science",
        "music",
        "literature",
        "ai",
        "mit_movie",
        "mit_restaurant",
    ]
    assert [len(dataset.types) for dataset in known.values()] == [4, 9, 17, 13, 12, 14, 12, 8]
    for dataset in known.values():
        assert dataset.licence and dataset.note and dataset.origin.startswith("https://")
        assert {"train", "test"} <= dataset.files.keys()
        for file in dataset.files.values():
            assert file.url.startswith("https://") and file.url.endswith("/" + file.name)
            assert len(file.sha256) == 64 and min(file.size, file.sentences, file.entities) > 0
