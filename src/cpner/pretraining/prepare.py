"""What a run needs before its first step, kept in its folder: vocabulary, and sentences, text and lexicon as arrays."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cpner.backbone.checkpoint import read_tokenizer
from cpner.backbone.load import locate
from cpner.corpus.formats import open_lines
from cpner.errors import ConfigError
from cpner.files import replacing, replacing_folder
from cpner.instructor import Vocabulary
from cpner.pretraining.config import PretrainConfig
from cpner.pretraining.pool import Pool, labelled_files, labelled_texts, read_pool
from cpner.pretraining.start import lexicon
from cpner.pretraining.text import Text, encode_text, in_turn
from cpner.pretraining.tokenizer import save_tokenizer, train_tokenizer
from cpner.progress import Report, counted, ignore

_MADE_WITH = ("start", "vocabulary", "vocabulary_lines", "text_lines")  # settings that the arrays depend on


class Prepared(NamedTuple):
    """The data of a run."""

    vocabulary: Vocabulary
    pool: Pool | None
    text: Text | None
    lexicon: Tensor | None  # [V, d] embeddings to start with, see `start.lexicon`


def prepare(
    text: Sequence[Path], labelled: Path | None, out: Path, config: PretrainConfig, *, progress: Report = ignore
) -> Prepared:
    """Make what the run folder `out` lacks, and read it all.

    Args:
        text: files of plain text, one paragraph a line (.txt or .txt.xz).
        labelled: folder of labelled sentences, see `read_pool`.
        out: the run folder; neither text nor labelled sentences are needed once it holds their arrays.
        config: how large a vocabulary, how much text, and whether any is needed.
        progress: called now and then with how much of the data is read.

    Raises:
        ConfigError: data that the run needs is not given, or `out` was made with other settings.
        CorpusError: a file can't be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    _claim(out, config)
    vocabulary = _vocabulary(text, labelled, out, config, progress)
    pool = _pool(labelled, out, progress) if config.data.needs_labels else None
    lines = _text(text, vocabulary, out, config, progress) if config.data.needs_text else None
    wanted = config.lexicon and config.start is None and config.teacher is None
    rows = _lexicon(lines, vocabulary, out, config, progress) if wanted and lines is not None else None
    return Prepared(vocabulary, pool, lines, rows)


def _claim(out: Path, config: PretrainConfig) -> None:
    """Refuse arrays that were made with other settings."""
    path = out / "data.json"
    settings = {name: getattr(config, name) for name in _MADE_WITH}
    if path.is_file():
        made = json.loads(path.read_text("utf-8"))
        differing = ", ".join(f"{name} {made.get(name)}" for name in settings if made.get(name) != settings[name])
        if differing:
            raise ConfigError(f"the data in {out} was made with {differing}: use the same, or choose another folder")
    elif not (out / "tokenizer").is_dir():
        with replacing(path) as file:
            file.write(json.dumps(settings).encode())


def _vocabulary(
    text: Sequence[Path], labelled: Path | None, out: Path, config: PretrainConfig, progress: Report
) -> Vocabulary:
    from transformers import AutoTokenizer

    folder = out / "tokenizer"
    if not folder.is_dir():
        if config.start is None and not text and labelled is None:
            raise ConfigError(f"{out} holds no vocabulary yet: give --text or --ner to learn it from")
        with replacing_folder(folder) as new:
            if config.start is not None:
                read_tokenizer(locate(config.start), config.start).save_pretrained(str(new))
            else:
                lines = counted(_lines(text, labelled), progress, "vocabulary", "lines")
                tokenizer = train_tokenizer(lines, config.vocabulary, sample=config.vocabulary_lines)
                save_tokenizer(tokenizer, new)
    return Vocabulary(AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False))


def _lines(text: Sequence[Path], labelled: Path | None) -> Iterator[str]:
    """Lines of all files in turn, three of each text for one of each labelled file."""
    sentences = [] if labelled is None else [(1, labelled_texts(path)) for path in labelled_files(labelled)]
    return in_turn([*((3, open_lines(path)) for path in text), *sentences])


def _pool(labelled: Path | None, out: Path, progress: Report) -> Pool:
    if not Pool.saved(out):
        if labelled is None:
            raise ConfigError(
                "no labelled sentences are given: pass --ner DIR, or --text-share 1 to train on text alone"
            )
        read_pool(labelled, progress).save(out)
    return Pool.load(out)


def _text(text: Sequence[Path], vocabulary: Vocabulary, out: Path, config: PretrainConfig, progress: Report) -> Text:
    names = ("text.npy", "text-bounds.npy")
    if not (out / names[-1]).is_file():
        if not text:
            raise ConfigError("no plain text is given: pass --text FILE, or --text-share 0 to train without")
        arrays = encode_text(text, vocabulary, config.text_lines, workers=config.workers, progress=progress)
        if len(arrays[1]) < 2:
            raise ConfigError(f"{', '.join(map(str, text))} hold no line of text")
        for name, array in zip(names, arrays, strict=True):
            with replacing(out / name) as file:
                np.save(file, array)
    return np.load(out / names[0], mmap_mode="r"), np.load(out / names[1])


def _lexicon(text: Text, vocabulary: Vocabulary, out: Path, config: PretrainConfig, progress: Report) -> Tensor:
    path = out / "lexicon.npy"
    shape = (vocabulary.size, config.sizes["d_model"])
    if not path.is_file() or np.load(path, mmap_mode="r").shape != shape:
        with replacing(path) as file:
            np.save(file, lexicon(text, *shape, progress=progress).numpy())
    return torch.from_numpy(np.load(path))
