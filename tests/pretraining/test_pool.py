"""Labelled sentences as arrays."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cpner.errors import CorpusError
from cpner.pretraining.pool import Pool, read_pool
from cpner.pretraining.renaming import SYNONYMS


def test_pool_gives_the_sentences_back(corpus: Path) -> None:
    pool = read_pool(corpus / "ner")
    records = [
        json.loads(line)
        for name in ("genes", "people")
        for line in (corpus / "ner" / f"{name}.jsonl").read_text("utf-8").splitlines()
    ]

    assert pool.files == ["genes", "people"] and len(pool) == len(records)
    for i, record in enumerate(records):
        words, spans = pool.sentence(i)
        assert "".join(words) == record["text"].replace(" ", "")
        found = [("".join(words[a:b]), t) for a, b, t in spans]
        mentions = [(record["text"][e["start"] : e["end"]], e["type"]) for e in record["entities"]]
        assert found == [(mention.replace(" ", ""), type_) for mention, type_ in mentions]


def test_types_come_from_the_list_or_the_file(corpus: Path) -> None:
    pool = read_pool(corpus / "ner")

    assert pool.file_types == [["gene"], ["actor", "athlete", "city", "river"]]
    assert pool.groups == [{}, {"actor": "person", "athlete": "person"}]


def test_names_are_types_with_their_synonyms_and_groups_and_no_rare_ones(corpus: Path) -> None:
    pool = read_pool(corpus / "ner")
    counts = {name: (pool.spans[:, 2] == i).sum() for i, name in enumerate(pool.types)}

    names = pool.names()

    assert {name for name, count in counts.items() if count >= 10} <= names
    assert {"person", *SYNONYMS["city"]} <= names
    assert not pool.part(np.arange(3)).names()


def test_part_and_saved_pools_are_equal(corpus: Path, tmp_path: Path) -> None:
    pool = read_pool(corpus / "ner")
    part = pool.part(np.array([3, 200, 7]))
    part.save(tmp_path)

    loaded = Pool.load(tmp_path)

    assert Pool.saved(tmp_path) and len(loaded) == 3
    assert [loaded.sentence(i) for i in range(3)] == [pool.sentence(i) for i in (3, 200, 7)]


def test_split_parts_all_sentences(corpus: Path) -> None:
    pool = read_pool(corpus / "ner")

    train, held = pool.split(10, seed=0)

    assert (len(train), len(held)) == (230, 10)
    assert len(pool.split(10**6, seed=0)[1]) == 24
    everything = sorted(str(p.sentence(i)) for p in (train, held) for i in range(len(p)))
    assert everything == sorted(str(pool.sentence(i)) for i in range(len(pool)))


def test_entities_cut_words(tmp_path: Path) -> None:
    line = {"text": "a p21mutant", "entities": [{"start": 2, "end": 5, "type": "gene"}]}
    (tmp_path / "a.jsonl").write_text(json.dumps(line), "utf-8")

    assert read_pool(tmp_path).sentence(0) == (["a", "p21", "mutant"], [(1, 2, "gene")])


def test_signs_without_width_at_the_ends_of_an_entity_are_left_out(tmp_path: Path) -> None:
    line = {"text": "a \u2060p21\u2060 mutant", "entities": [{"start": 2, "end": 7, "type": "gene"}]}
    (tmp_path / "a.jsonl").write_text(json.dumps(line), "utf-8")

    assert read_pool(tmp_path).sentence(0) == (["a", "p21", "mutant"], [(1, 2, "gene")])


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"text": "a b"}', '{"text": "a b", "entities": [{"start": 1, "end": 2}]}']
)
def test_lines_that_are_no_sentences_are_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "entities": []}\n' + line, "utf-8")

    with pytest.raises(CorpusError, match=r"a\.jsonl, line 2: is no labelled sentence"):
        read_pool(tmp_path)


def test_an_entity_between_words_is_refused(tmp_path: Path) -> None:
    line = {"text": "a  b", "entities": [{"start": 1, "end": 2, "type": "x"}]}
    (tmp_path / "a.jsonl").write_text(json.dumps(line), "utf-8")

    with pytest.raises(CorpusError, match="line 1"):
        read_pool(tmp_path)


def write(folder: Path, *entities: tuple[int, int, str]) -> None:
    marks = [{"start": start, "end": end, "type": type_} for start, end, type_ in entities]
    (folder / "a.jsonl").write_text(json.dumps({"text": "a p21mutant", "entities": marks}), "utf-8")


@pytest.mark.parametrize(
    ("entities", "message"),
    [
        ([(2, 11, "x"), (2, 5, "gene")], r"a\.jsonl, line 1: .* overlap"),
        ([(2, 5, "gene"), (5, 5, "x")], r"a\.jsonl, line 1: the entity 'x' at characters 5 to 5 is empty"),
    ],
)
def test_entities_that_overlap_or_are_empty_are_refused(
    tmp_path: Path, entities: list[tuple[int, int, str]], message: str
) -> None:
    write(tmp_path, *entities)

    with pytest.raises(CorpusError, match=message):
        read_pool(tmp_path)


def test_the_same_entity_twice_counts_once(tmp_path: Path) -> None:
    write(tmp_path, (2, 5, "gene"), (2, 5, "gene"))

    assert read_pool(tmp_path).sentence(0)[1] == [(1, 2, "gene")]


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ("{", r"types\.json: can't be read as JSON"),
        ("[]", r"types\.json: is no table of types"),
        ('{"a": ["gene"]}', r"types\.json: has no list of types for 'a'"),
        ('{"a": {"types": "gene"}}', r"types\.json: has no list of types for 'a'"),
        ('{"a": {"types": [1]}}', r"types\.json: has no list of types for 'a'"),
        ('{"a": {"types": ["x"]}}', r"a\.jsonl, line 1: the type 'gene' is not in the list of 'a' in types\.json"),
    ],
)
def test_lists_of_types_are_checked(tmp_path: Path, listed: str, message: str) -> None:
    write(tmp_path, (2, 5, "gene"))
    (tmp_path / "types.json").write_text(listed, "utf-8")

    with pytest.raises(CorpusError, match=message):
        read_pool(tmp_path)


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no labelled file"):
        read_pool(tmp_path)
