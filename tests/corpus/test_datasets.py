"""Every figure that the eight public datasets are known to have; they are read from the folder CPNER_DATA."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cpner.corpus import Corpus
from cpner.corpus.public import datasets

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not os.environ.get("CPNER_DATA"), reason="CPNER_DATA names no folder with the public datasets"),
]

# Per split: sentences, words, words of the longest sentence, entities, sentences without entities
SIZES = {
    "conll2003": {
        "train": (14041, 203621, 113, 23429, 2909),
        "dev": (3250, 51362, 109, 5938, 645),
        "test": (3453, 46435, 124, 5628, 697),
    },
    "politics": {
        "train": (200, 8384, 84, 1304, 0),
        "dev": (541, 24624, 84, 3482, 0),
        "test": (651, 27585, 81, 4209, 0),
    },
    "science": {"train": (200, 7100, 84, 1075, 0), "dev": (450, 16139, 82, 2538, 0), "test": (543, 19487, 84, 3089, 0)},
    "music": {"train": (100, 3909, 84, 648, 0), "dev": (380, 15591, 79, 2679, 0), "test": (465, 19605, 82, 3336, 0)},
    "literature": {
        "train": (100, 3782, 76, 541, 0),
        "dev": (400, 14503, 82, 2130, 0),
        "test": (416, 16157, 82, 2266, 0),
    },
    "ai": {"train": (100, 3782, 73, 532, 0), "dev": (350, 10919, 83, 1549, 0), "test": (431, 12991, 84, 1809, 1)},
    "mit_movie": {"train": (9775, 99491, 47, 21295, 55), "test": (2443, 24686, 38, 5339, 11)},
    "mit_restaurant": {"train": (7660, 70525, 35, 15363, 87), "test": (1521, 14256, 26, 3151, 4)},
    "mit_movie/few_shot/10-shot-train.txt": {"train": (51, 505, 29, 107, 0)},
    "mit_movie/few_shot/20-shot-train.txt": {"train": (143, 1394, 22, 307, 0)},
    "mit_movie/few_shot/50-shot-train.txt": {"train": (286, 2923, 27, 636, 0)},
    "mit_restaurant/few_shot/10-shot-train.txt": {"train": (40, 414, 22, 94, 0)},
    "mit_restaurant/few_shot/20-shot-train.txt": {"train": (81, 826, 21, 178, 0)},
    "mit_restaurant/few_shot/50-shot-train.txt": {"train": (182, 1835, 21, 428, 0)},
}

# Per type: entities in each split
TYPES = {
    "conll2003": {
        "location": (7129, 1837, 1662),
        "person": (6600, 1842, 1617),
        "organization": (6297, 1341, 1656),
        "miscellaneous": (3403, 918, 693),
    },
    "politics": {
        "politician": (359, 411, 485),
        "location": (297, 211, 599),
        "political party": (195, 1053, 953),
        "organization": (152, 431, 513),
        "election": (123, 528, 434),
        "miscellaneous": (80, 193, 258),
        "country": (62, 183, 418),
        "event": (22, 186, 195),
        "person": (14, 286, 354),
    },
    "science": {
        "miscellaneous": (169, 360, 520),
        "scientist": (127, 328, 471),
        "astronomical object": (121, 373, 337),
        "organization": (118, 278, 273),
        "person": (97, 153, 230),
        "chemical compound": (72, 193, 160),
        "protein": (69, 101, 156),
        "location": (65, 142, 170),
        "university": (56, 138, 130),
        "award": (56, 140, 146),
        "academic journal": (28, 149, 180),
        "enzyme": (22, 48, 80),
        "discipline": (22, 41, 73),
        "event": (20, 36, 31),
        "chemical element": (16, 23, 85),
        "country": (9, 28, 27),
        "theory": (8, 7, 20),
    },
    "music": {
        "band": (125, 402, 462),
        "musical artist": (104, 472, 515),
        "album": (91, 282, 332),
        "music genre": (88, 360, 487),
        "award": (69, 230, 260),
        "organization": (36, 136, 208),
        "location": (30, 187, 343),
        "country": (27, 130, 160),
        "song": (27, 177, 227),
        "miscellaneous": (22, 124, 171),
        "person": (15, 65, 80),
        "event": (12, 72, 69),
        "musical instrument": (2, 42, 22),
    },
    "literature": {
        "writer": (133, 544, 567),
        "book": (91, 336, 418),
        "miscellaneous": (58, 212, 239),
        "person": (48, 194, 175),
        "poem": (47, 79, 120),
        "literary genre": (36, 152, 194),
        "award": (34, 124, 141),
        "country": (25, 127, 101),
        "location": (25, 111, 99),
        "organization": (18, 115, 110),
        "magazine": (16, 71, 57),
        "event": (10, 65, 45),
    },
    "ai": {
        "algorithm": (80, 178, 177),
        "task": (60, 147, 219),
        "product": (58, 173, 198),
        "researcher": (54, 142, 160),
        "organization": (48, 94, 145),
        "miscellaneous": (43, 180, 181),
        "field": (39, 178, 207),
        "university": (32, 59, 28),
        "country": (29, 44, 44),
        "metrics": (27, 147, 191),
        "programming language": (25, 35, 60),
        "conference": (24, 89, 93),
        "location": (7, 42, 39),
        "person": (6, 41, 67),
    },
    "mit_movie": {
        "genre": (4354, 1117),
        "actor": (3220, 812),
        "year": (2858, 720),
        "title": (2376, 562),
        "age rating": (2007, 500),
        "plot": (1927, 491),
        "viewer rating": (1869, 451),
        "director": (1720, 456),
        "character": (385, 90),
        "song": (245, 54),
        "review": (221, 56),
        "trailer": (113, 30),
    },
    "mit_restaurant": {
        "location": (3817, 812),
        "cuisine": (2839, 532),
        "amenity": (2541, 533),
        "restaurant name": (1901, 402),
        "dish": (1475, 288),
        "rating": (1070, 201),
        "hours": (990, 212),
        "price": (730, 171),
    },
    "mit_movie/few_shot/10-shot-train.txt": {
        "title": (17,),
        "genre": (17,),
        "actor": (13,),
        "review": (9,),
        "character": (8,),
        "song": (8,),
        "trailer": (7,),
        "year": (7,),
        "viewer rating": (6,),
        "age rating": (6,),
        "director": (6,),
        "plot": (3,),
    },
    "mit_movie/few_shot/20-shot-train.txt": {
        "title": (44,),
        "genre": (53,),
        "actor": (31,),
        "review": (20,),
        "character": (24,),
        "song": (23,),
        "trailer": (20,),
        "year": (28,),
        "viewer rating": (16,),
        "age rating": (18,),
        "director": (14,),
        "plot": (16,),
    },
    "mit_movie/few_shot/50-shot-train.txt": {
        "title": (85,),
        "genre": (95,),
        "actor": (63,),
        "review": (41,),
        "character": (45,),
        "song": (45,),
        "trailer": (39,),
        "year": (69,),
        "viewer rating": (30,),
        "age rating": (44,),
        "director": (37,),
        "plot": (43,),
    },
    "mit_restaurant/few_shot/10-shot-train.txt": {
        "location": (23,),
        "cuisine": (13,),
        "restaurant name": (12,),
        "rating": (11,),
        "amenity": (10,),
        "dish": (9,),
        "price": (8,),
        "hours": (8,),
    },
    "mit_restaurant/few_shot/20-shot-train.txt": {
        "location": (44,),
        "cuisine": (29,),
        "restaurant name": (19,),
        "rating": (16,),
        "amenity": (28,),
        "dish": (17,),
        "price": (15,),
        "hours": (10,),
    },
    "mit_restaurant/few_shot/50-shot-train.txt": {
        "location": (115,),
        "cuisine": (68,),
        "restaurant name": (40,),
        "rating": (40,),
        "amenity": (53,),
        "dish": (41,),
        "price": (36,),
        "hours": (35,),
    },
}


@pytest.mark.parametrize("name", SIZES)
def test_counts_are_those_of_the_files(name):
    corpus = Corpus.read(name)
    splits = corpus.statistics()["splits"]

    keys = ("sentences", "words", "longest", "entities", "without_entities")
    assert {split: tuple(counts[key] for key in keys) for split, counts in splits.items()} == SIZES[name]
    assert {
        type_: tuple(counts["types"].get(type_, 0) for counts in splits.values()) for type_ in corpus.types
    } == TYPES[name]
    assert not corpus.repairs


@pytest.mark.parametrize("name", datasets())
def test_table_describes_the_files(name):
    dataset, corpus = datasets()[name], Corpus.read(name)

    assert corpus.types == list(dataset.types.values())
    assert corpus.type_names == dataset.types
    assert list(corpus.splits) == list(dataset.files)
    for split, file in dataset.files.items():
        content = (Path(os.environ["CPNER_DATA"]) / name / file.name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)
        assert len(corpus.splits[split]) == file.sentences


@pytest.mark.parametrize("name", datasets())
@pytest.mark.parametrize("format", ["conll", "jsonl", "tokens"])
def test_written_datasets_are_read_back(name, format, tmp_path):
    corpus = Corpus.read(name)
    corpus.write(tmp_path, format)

    back = Corpus.read(tmp_path)

    assert back.types == corpus.types
    assert [[s.entities for s in split] for split in back.splits.values()] == [
        [s.entities for s in split] for split in corpus.splits.values()
    ]
    if format != "jsonl":  # there words are split anew
        assert back.splits == corpus.splits


def test_the_largest_dataset_is_read_in_seconds():
    code = (
        "import time; from cpner import Corpus; start = time.process_time(); Corpus.read('conll2003'); "
        "print(time.process_time() - start)"
    )  # in a process of its own: measuring coverage makes it three times as slow
    read = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert float(read.stdout) < 15  # about 1 s; the rest is for slow machines
