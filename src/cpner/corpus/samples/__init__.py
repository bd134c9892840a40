"""The sample domains that cpner brings along: folders NAME/{train,dev,test}.jsonl."""

from __future__ import annotations

from pathlib import Path

from cpner.errors import CorpusError, did_you_mean

_HOME = Path(__file__).parent


def sample_names() -> list[str]:
    """The names of the sample domains, in order; `Corpus.read("sample:NAME")` reads one."""
    return sorted(folder.name for folder in _HOME.iterdir() if (folder / "train.jsonl").is_file())


def find_sample(name: str) -> Path:
    """The folder of a sample domain.

    Raises:
        CorpusError: There is none of this name.
    """
    names = sample_names()
    if name not in names:
        raise CorpusError(
            f"no sample domain {name!r}; there are {', '.join(names) or 'none'}.{did_you_mean(name, names)}"
        )
    return _HOME / name
