"""A process that trains and evaluates all day does not grow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import environment

ROUNDS = int(os.environ.get("CPNER_ROUNDS", "6"))  # 50 take five minutes
CODE = """
import sys
from cpner import CPNER, Corpus, TrainingConfig

def resident() -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

corpus, ner = Corpus.read("sample:news"), CPNER.load()
for seed in range(int(sys.argv[1])):
    few = corpus.sample(count=32, seed=seed)
    some = Corpus.from_sentences(few.train, test=corpus.test[seed % 8 :: 8], types=corpus.types)
    ner.fit("news", some, config=TrainingConfig(epochs=1, min_steps=0, seed=seed))
    ner.evaluate(some, "news")
    print(resident(), flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells how much memory is resident")
def test_memory_stays_as_it_is_after_two_rounds():
    kept = {name: value for name, value in environment().items() if not name.endswith("CACHE_CAPACITY")}

    run = subprocess.run(
        [sys.executable, "-c", CODE, str(ROUNDS)], env=kept, capture_output=True, text=True, check=True
    )

    resident = [int(line) for line in run.stdout.split()]
    assert max(resident[2:]) < 1.1 * resident[1], resident
