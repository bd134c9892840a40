from __future__ import annotations

import io
import json
import random
import zipfile

import pytest

from cpner.corpus import Corpus
from cpner.errors import CorpusError
from tests.corpus.support import ENTITY, MARKS, NAMES, TEXT, names, xmi

LINE = json.dumps({"text": TEXT, "label": MARKS})
OTHER = json.dumps({"text": TEXT, "label": []})


def pack(path, files: dict[str, str | bytes], kind: int = zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def packed(files: dict[str, str | bytes]) -> bytes:
    """The bytes of an archive."""
    file = io.BytesIO()
    pack(file, files)
    return file.getvalue()


WIDE = random.Random(1).randbytes(100_000) + bytes(10 * (1 << 20) - 100_000)  # packs to a hundredth


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


def document(*marks: tuple[int, int, str], text: str = "Ida left. Bo too.") -> bytes:
    """A document as INCEpTION packs it, with its types."""
    inside = "".join(
        f'<ner:NamedEntity xmi:id="{i}" sofa="1" begin="{start}" end="{end}" value="{type}"/>'
        for i, (start, end, type) in enumerate(marks, 2)
    )
    return packed({"TypeSystem.xml": "<a/>", "ada.xmi": xmi(inside, text)})


def test_a_project_is_read_with_the_zip_of_each_document(tmp_path):
    path = pack(
        tmp_path / "project.zip",
        {
            "exportedproject.json": '{"name": "one"}',
            "source/a.txt": "Ida left. Bo too.",
            "annotation_ser/a.txt/ada.ser": b"\xac\xed",
            "annotation/a.txt/INITIAL_CAS.zip": document(),
            "annotation/a.txt/ada.zip": document((0, 3, "odd")),
            "annotation/b.txt/ada.zip": document((0, 4, "place"), text="Lund slept."),
            "curation/a.txt/CURATION_USER.zip": document((0, 3, "person"), (10, 12, "person")),
            "event.log": "{",
        },
    )

    corpus = Corpus.read(path)

    assert names(corpus) == [("person", "Ida"), ("person", "Bo"), ("place", "Lund")]
    assert corpus.repairs == {"text of a further file of the archive left out": 1}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of cassis, which reads its resources in an old way
def test_a_project_of_documents_that_cassis_writes_is_read(tmp_path):
    cassis = pytest.importorskip("cassis")
    types = cassis.load_dkpro_core_typesystem()
    files: dict[str, str | bytes] = {"exportedproject.json": "{}"}
    for name, text, marks in [("a.txt", TEXT, MARKS), ("b.txt", "So did Bo.", [(7, 9, "person")])]:
        cas = cassis.Cas(typesystem=types)
        cas.sofa_string = text
        cas.sofa_mime = "text/plain"
        cas.add_all([types.get_type(ENTITY)(begin=start, end=end, value=type) for start, end, type in marks])
        inner: dict[str, str | bytes] = {"TypeSystem.xml": types.to_xml(), "ada.xmi": cas.to_xmi()}
        files[f"annotation/{name}/ada.zip"] = packed(inner)

    corpus = Corpus.read(pack(tmp_path / "project.zip", files))

    assert [sentence.text for sentence in corpus.train] == [TEXT, "So did Bo."]
    assert names(corpus) == [*NAMES, ("person", "Bo")]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.jsonl": " " * (20 << 20)}, "unpacks to 1 files of 20,971,520 bytes"),
        ({f"{i}.jsonl": "" for i in range(10_001)}, "unpacks to 10,001 files"),
        ({"a.txt": "Ida", "a.ann": "T1\tperson 0 3\tIda"}, r"holds 'a\.ann'; unpack it and read the folder"),
        (
            {"b.zip": packed({"c": packed({"d": packed({"a.jsonl": LINE})})})},
            r"export\.zip/b\.zip/c: is an archive in",
        ),
        ({f"{i}.zip": packed({f"{j}.txt": "" for j in range(90)}) for i in range(120)}, "unpacks to 90 files"),
        ({f"{i}.zip": packed({"a.txt": WIDE}) for i in range(30)}, "unpacks to 1 files of 10,485,760 bytes"),
        ({"a.jsonl": "{"}, r"export\.zip/a\.jsonl, line 1: not JSON"),
        ({"b.zip": packed({"x/../a.jsonl": "{"})}, r"export\.zip/b\.zip/a\.jsonl, line 1: not JSON"),
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
