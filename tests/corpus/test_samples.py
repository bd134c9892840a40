"""The laws that the sample corpora keep."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cpner.corpus import words

SAMPLES = Path(words.__file__).parent / "samples"
SIZES = {"train": 60, "dev": 20, "test": 40}
DOMAINS = ("cooking", "music", "news", "politics", "science")

Record = dict[str, Any]


def read(domain: str, split: str) -> list[Record]:
    lines = (SAMPLES / domain / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def whole(domain: str) -> list[Record]:
    return [record for split in SIZES for record in read(domain, split)]


def mentions(records: list[Record]) -> set[str]:
    return {r["text"][e["start"] : e["end"]].casefold() for r in records for e in r["entities"]}


def type_counts(records: list[Record]) -> Counter[str]:
    return Counter(entity["type"] for record in records for entity in record["entities"])


def unmarked(mention: str, record: Record) -> list[str]:
    """The places where a mention stands in a text, in any case, outside every entity."""
    found = re.finditer(rf"(?<!\w){re.escape(mention)}(?!\w)", record["text"], re.IGNORECASE)
    covered = [(entity["start"], entity["end"]) for entity in record["entities"]]
    return [m[0] for m in found if not any(start <= m.start() and m.end() <= end for start, end in covered)]


def test_the_folder_holds_the_five_domains_and_nothing_else() -> None:
    assert sorted(path.name for path in SAMPLES.iterdir() if path.is_dir()) == list(DOMAINS)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("split", SIZES)
def test_size_of_each_split(domain: str, split: str) -> None:
    assert len(read(domain, split)) == SIZES[split]


@pytest.mark.parametrize("domain", DOMAINS)
def test_records_have_the_documented_shape(domain: str) -> None:
    for record in whole(domain):
        assert list(record) == ["text", "entities"]
        assert record["text"] == record["text"].strip() != ""
        assert all(list(entity) == ["start", "end", "type"] for entity in record["entities"])


@pytest.mark.parametrize("domain", DOMAINS)
def test_five_to_nine_types_each_in_train_and_test(domain: str) -> None:
    types = set(type_counts(whole(domain)))
    assert 5 <= len(types) <= 9
    assert set(type_counts(read(domain, "train"))) == types == set(type_counts(read(domain, "test")))


@pytest.mark.parametrize("domain", DOMAINS)
def test_entities_start_and_end_at_word_boundaries(domain: str) -> None:
    for record in whole(domain):
        starts, ends = zip(*words.split_words(record["text"]), strict=True)
        assert {entity["start"] for entity in record["entities"]} <= set(starts), record["text"]
        assert {entity["end"] for entity in record["entities"]} <= set(ends), record["text"]


@pytest.mark.parametrize("domain", DOMAINS)
def test_entities_ascend_without_overlap(domain: str) -> None:
    for record in whole(domain):
        position = 0
        for entity in record["entities"]:
            assert position <= entity["start"] < entity["end"] <= len(record["text"]), record["text"]
            position = entity["end"]


def test_no_sentence_stands_twice_in_any_domain() -> None:
    texts = Counter(record["text"].casefold() for domain in DOMAINS for record in whole(domain))
    assert [text for text, count in texts.items() if count > 1] == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_most_test_mentions_are_unseen_in_train(domain: str) -> None:
    test = mentions(read(domain, "test"))
    assert len(test - mentions(read(domain, "train"))) >= 0.7 * len(test)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_mention_of_several_words_is_marked_wherever_it_stands(domain: str) -> None:
    records = whole(domain)
    names = [mention for mention in mentions(records) if " " in mention]
    assert [(name, record["text"]) for name in names for record in records if unmarked(name, record)] == []


def test_the_readme_counts_what_the_files_hold() -> None:
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| ([\w ]+) \| (\d+) \| (\d+) \| (\d+) \|$", readme, re.M)
    stated = {(domain, kind): tuple(map(int, counts)) for domain, kind, *counts in rows if not kind.isdigit()}
    held = {
        (domain, kind): tuple(type_counts(read(domain, split))[kind] for split in SIZES)
        for domain in DOMAINS
        for kind in type_counts(whole(domain))
    }
    assert stated == held
