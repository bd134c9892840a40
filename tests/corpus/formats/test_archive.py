from __future__ import annotations

import json
import zipfile

import pytest

from cpner.corpus import Corpus
from cpner.errors import CorpusError
from tests.corpus.support import MARKS, NAMES, TEXT, names

LINE = json.dumps({"text": TEXT, "label": MARKS})
OTHER = json.dumps({"text": TEXT, "label": []})


def pack(path, files: dict[str, str], kind: int = zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_of_several_annotators_the_shared_file_counts(tmp_path):
    more = json.dumps({"text": "So did Bo.", "label": []})
    path = pack(tmp_path / "export.zip", {"ada.jsonl": f"{OTHER}\n{more}", "all.jsonl": LINE, "__MACOSX/x": "?"})

    corpus = Corpus.read(path)

    assert names(corpus) == NAMES
    assert [sentence.text for sentence in corpus.train] == [TEXT, "So did Bo."]
    assert corpus.repairs == {"text of a further file of the archive left out": 1}


def test_types_beside_a_document_are_left_out(tmp_path):
    structures = [
        {"%ID": 1, "%TYPE": "uima.cas.Sofa", "sofaString": "Ida left."},
        {"%TYPE": "a.NamedEntity", "@sofa": 1, "begin": 0, "end": 3, "value": "person"},
    ]
    document = json.dumps({"%FEATURE_STRUCTURES": structures})

    corpus = Corpus.read(pack(tmp_path / "export.zip", {"TypeSystem.xml": "<a/>", "ada.json": document}))

    assert names(corpus) == [("person", "Ida")]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.jsonl": " " * (20 << 20)}, "unpacks to 1 files of 20,971,520 bytes"),
        ({f"{i}.jsonl": "" for i in range(10_001)}, "unpacks to 10,001 files"),
        ({"a.txt": "Ida", "a.ann": "T1\tperson 0 3\tIda"}, r"holds 'a\.ann'; unpack it and read the folder"),
        ({"b.zip": "x"}, r"holds 'b\.zip'; unpack it"),
        ({"a.jsonl": "{"}, r"export\.zip/a\.jsonl, line 1: not JSON"),
        ({}, "is no|can't be read|holds no sentence"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, files, message):
    with pytest.raises(CorpusError, match=message):
        Corpus.read(pack(tmp_path / "export.zip", files), format="zip")


def test_a_rare_way_to_pack_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="packed in a rare way"):
        Corpus.read(pack(tmp_path / "export.zip", {"a.jsonl": LINE}, zipfile.ZIP_LZMA))


@pytest.mark.parametrize("length", [30, 100, -10])
def test_a_damaged_archive_is_one_line(tmp_path, length):
    path = pack(tmp_path / "export.zip", {"a.jsonl": LINE})
    path.write_bytes(path.read_bytes()[:length])

    with pytest.raises(CorpusError, match=r"can't be read as a \.zip"):
        Corpus.read(path)
