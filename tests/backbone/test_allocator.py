import os
import platform
import subprocess
import sys

import pytest

CODE = """
import resource, torch
from cpner.backbone.hardware import keep_freed_memory
print(keep_freed_memory(), keep_freed_memory())
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


def run(**environment):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_") and k != "GLIBC_TUNABLES"}
    out = subprocess.run(
        [sys.executable, "-c", CODE], env=kept | environment, capture_output=True, text=True, check=True
    )
    told, faults = out.stdout.splitlines()
    return told, int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is told")
def test_memory_that_was_freed_is_taken_again_without_fresh_pages():
    told, faults = run()
    assert told == "True True"
    assert faults < 100


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is told")
def test_an_environment_that_has_a_say_is_obeyed():
    told, faults = run(MALLOC_ARENA_MAX="2")
    assert told == "False False"
    assert faults > 1000  # 40 megabytes of fresh pages each time
