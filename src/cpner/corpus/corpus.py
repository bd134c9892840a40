"""A corpus: the sentences of its splits and the words for its entity types."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from cpner.corpus import sampling
from cpner.corpus.formats import Format, Options, get_written, packing, parse
from cpner.corpus.repairs import Repairs
from cpner.corpus.samples import find_sample
from cpner.corpus.sentence import Sentence, Span
from cpner.corpus.splits import SPLITS, by_share, find_splits, has_known_ending, is_split_name, split_of
from cpner.corpus.type_names import TypeNameError, check_words, line_with, name_types
from cpner.corpus.words import split_words
from cpner.errors import ConfigError, CorpusError
from cpner.files import replacing

_SAMPLE = "sample:"


class Corpus:
    """Labelled sentences of one domain.

    Args:
        name: What the corpus is called.
        splits: Sentences by "train", "dev" and "test"; only those that exist.
        types: The entity types in words; None takes those that occur, the most frequent first.
        type_names: The words for each code of the files it was read from.
        repairs: What the reader mended, and how often.

    Raises:
        CorpusError: A split has another name, a sentence a type that is not among `types`, or a type a
            name that can't stand in the target's template.
    """

    def __init__(
        self,
        name: str,
        splits: Mapping[str, Iterable[Sentence]],
        *,
        types: Iterable[str] | None = None,
        type_names: Mapping[str, str] | None = None,
        repairs: Mapping[str, int] | None = None,
    ) -> None:
        unknown = sorted(splits.keys() - set(SPLITS))
        if unknown:
            raise CorpusError(f"corpus {name!r} has a split {unknown[0]!r}; expected {', '.join(SPLITS)}")
        self.name = name
        self.splits = {split: list(splits[split]) for split in SPLITS if split in splits}
        occurring = _types_by_frequency(self.splits.values())
        self.types = list(dict.fromkeys(types)) if types is not None else occurring
        for type_ in self.types:
            check_words(type_)
        known = set(self.types)
        missing = [type_ for type_ in occurring if type_ not in known]
        if missing:
            raise CorpusError(f"corpus {name!r} has entities of type {missing[0]!r}; its types are {self.types}")
        self.type_names = dict(type_names) if type_names is not None else {type_: type_ for type_ in self.types}
        self.repairs = Repairs(repairs)
        self.origins: dict[str, str] = {}

    @classmethod
    def from_sentences(
        cls,
        train: Iterable[Sentence] = (),
        dev: Iterable[Sentence] = (),
        test: Iterable[Sentence] = (),
        *,
        name: str = "corpus",
        types: Iterable[str] | None = None,
    ) -> Corpus:
        """Make a corpus of sentences whose types are words; empty splits don't exist.

        Raises:
            CorpusError: See the class.
        """
        lists = {"train": list(train), "dev": list(dev), "test": list(test)}
        return cls(name, {split: sentences for split, sentences in lists.items() if sentences}, types=types)

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,
        types: Mapping[str, str] | None = None,
        name: str | None = None,
        snap: Literal["outward"] | None = None,
        options: Options | None = None,
    ) -> Corpus:
        """Read a corpus from a folder, a file, or the sample domains.

        Args:
            path: A folder, whose files are found by their names ("train.txt", "dev.jsonl", "eng.testa",
                "restauranttest.bio"); or a file, which is the train split unless its name says otherwise; or
                "sample:NAME", a domain that cpner brings along. What doesn't exist is looked for in the folder
                that the environment variable CPNER_DATA names.
            format: One of `FORMATS`; None finds out by the content of each file.
            types: Words for the codes of the files; other codes are named by the rules of `name_types`.
            name: What to call the corpus; None takes the name of the folder or file.
            snap: "outward" lets entities of the train split that begin or end inside a word grow to the word's edge;
                None leaves them unreachable, as they always are in dev and test.
            options: Columns, overlaps and names of tags, where a file leaves a choice; and who hears of progress.

        Raises:
            CorpusError: Something can't be read; the message says where and why.
            ConfigError: No such format.
        """
        source, called = _find(path)
        repairs = Repairs()
        files = find_splits(source, repairs) if source.is_dir() else {split_of(source) or "train": [source]}
        splits: dict[str, list[Sentence]] = {}
        origins = {}
        shares = by_share(files, options or Options())
        for split, paths in files.items():
            parts = [parse(path, format, repairs, shares[path]) for path in paths]
            splits[split] = [sentence for sentences, _, _ in parts for sentence in sentences]
            origins[split] = f"{paths[0].name}: {parts[0][1].name} ({parts[0][2]})"
        names = _names(splits, files, types, repairs)
        for sentences in splits.values():
            for sentence in sentences:  # these were made just now and nobody else holds them
                sentence.spans = tuple(Span(start, end, names[code]) for start, end, code in sentence.spans)
                sentence.unreachable = tuple(e._replace(type=names[e.type]) for e in sentence.unreachable)
        if snap and "train" in splits:
            splits["train"] = _snap(splits["train"], repairs)
        corpus = cls(name or called, splits, type_names=names, repairs=repairs)
        corpus.origins = origins
        return corpus

    @property
    def train(self) -> list[Sentence]:
        """The sentences to learn from; empty if there is no such split."""
        return self.splits.get("train", [])

    @property
    def dev(self) -> list[Sentence]:
        """The sentences to choose settings by; empty if there is no such split."""
        return self.splits.get("dev", [])

    @property
    def test(self) -> list[Sentence]:
        """The sentences to report scores on; empty if there is no such split."""
        return self.splits.get("test", [])

    @property
    def words_are_found(self) -> bool:
        """Whether all words are those that the text alone gives, so that a format of texts keeps them."""
        return all(_has_found_words(sentence) for sentence in chain.from_iterable(self.splits.values()))

    def with_other_words(self, split: str) -> int:
        """How many sentences of a split have other words than the text alone gives; `predict` sees the latter."""
        return sum(not _has_found_words(sentence) for sentence in self.splits.get(split, []))

    def sample(self, *, shots: int | None = None, count: int | None = None, seed: int = 0) -> Corpus:
        """Take a few sentences of the train split; dev, test and the types stay.

        Args:
            shots: Sentences per entity type: see `sampling.sample_shots`.
            count: Sentences in all.
            seed: Which sample; the same seed gives the same sentences.

        Raises:
            ConfigError: Not one of `shots` and `count` is given, or it is out of its range.
        """
        if (shots is None) == (count is None):
            raise ConfigError(
                "a sample needs one of shots (sentences per type) and count (sentences), not both or none"
            )
        if not self.train:
            raise ConfigError(
                f"corpus {self.name!r} has no train split to sample from; it has {', '.join(self.splits)}"
            )
        if shots is not None:
            chosen = sampling.sample_shots(self.train, shots, seed)
        elif count is not None:
            chosen = sampling.sample_count(self.train, count, seed)
        return self.with_splits(train=chosen)

    def folds(self, count: int, seed: int = 0) -> list[Corpus]:
        """Part the train split for cross-validation, where there are too few sentences for a test split.

        Args:
            count: Folds.
            seed: Which parting; the same seed gives the same folds.

        Returns:
            A corpus for each fold: `test` is the fold, `train` the others, `dev` as it was. The types stay.

        Raises:
            ConfigError: There are less than 2 folds, or more than sentences.
        """
        return [self.with_splits(train=rest, test=fold) for rest, fold in sampling.folds(self.train, count, seed)]

    def with_splits(self, **splits: list[Sentence]) -> Corpus:
        """This corpus with other sentences in the splits named; the types stay."""
        changed = {**self.splits, **splits}
        return Corpus(self.name, changed, types=self.types, type_names=self.type_names, repairs=self.repairs)

    def statistics(self) -> dict[str, Any]:
        """Count sentences, words and entities of each split.

        Returns:
            `{"splits": {"train": {"sentences", "entities", "types": {"person": N, ...}, "words", "longest" (words of
            the longest sentence), "without_entities" (sentences)}, ...}}`.
        """
        return {"splits": {split: _statistics(sentences) for split, sentences in self.splits.items()}}

    def write(self, path: str | os.PathLike[str], format: str = "jsonl") -> list[Path]:
        """Write the corpus, each file all or nothing; what would be written is read again and compared before.

        Args:
            path: A folder, which gets a file for each split; or, for a corpus of one split, a file (a name with
                an ending of corpora, as "out.jsonl").
            format: One of `FORMATS`.

        Returns:
            The files written.

        Raises:
            CorpusError: Several splits for one file, or a word, an entity or a folder that this format can't be
                written to.
            ConfigError: No such format.
        """
        written = get_written(format)
        target = Path(path)
        files = self._files(target, written)
        self.warn_of_loss(written)
        made = []
        for split, file in files.items():
            for ending in (*written.beside, None):
                place = file if ending is None else file.with_suffix(ending)
                chunks = list(written.chunks(self.splits[split], ending))
                if not written.beside:
                    written.check(place, b"".join(chunks), self.splits[split])
                with replacing(place) as raw, packing(place, raw) as out:
                    out.writelines(chunks)
                made.append(place)
        return made

    def warn_of_loss(self, written: Format) -> None:
        """Warn of what a format has no place for."""
        lost = sum(len(sentence.unreachable) for sentences in self.splits.values() for sentence in sentences)
        if lost and written.words:
            message = f"{written.name} has no place for {lost} entities inside words: left out"
            warnings.warn(message, stacklevel=3)
        sentences = list(chain.from_iterable(self.splits.values()))
        for message in written.losses(sentences) if written.losses else ():
            warnings.warn(f"{written.name} {message}", stacklevel=3)

    def _files(self, path: Path, written: Format) -> dict[str, Path]:
        if path.is_dir() or not has_known_ending(path):
            files = {split: path / f"{split}{written.suffix}" for split in self.splits}
            endings = [written.suffix, *written.beside]
            ours = {file.with_suffix(ending) for file in files.values() for ending in endings}
            before = {file for file in path.iterdir() if split_of(file)} if path.is_dir() else set()
            others = sorted(file.name for file in before - ours)
            if others:
                raise CorpusError(f"already holds {', '.join(others)}; choose an empty folder", path=path)
            return files
        if len(self.splits) != 1:
            message = f"one file can't hold the splits {', '.join(self.splits)}; name a folder"
            raise CorpusError(message, path=path)
        return dict.fromkeys(self.splits, path)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{split} {len(sentences)}" for split, sentences in self.splits.items())
        return f"Corpus({self.name!r}, {sizes or 'empty'}, {len(self.types)} types)"


def _has_found_words(sentence: Sentence) -> bool:
    return tuple(split_words(sentence.text)) == sentence.words


def _find(path: str | os.PathLike[str]) -> tuple[Path, str]:
    """Where a corpus lies, and what to call it."""
    given = os.fspath(path)
    if not given:
        raise CorpusError("the name of the corpus is empty; give a folder, a file or sample:NAME")
    if given.startswith(_SAMPLE):
        return find_sample(given.removeprefix(_SAMPLE)), given.removeprefix(_SAMPLE)
    data = os.environ.get("CPNER_DATA")
    places = [Path(os.path.expanduser(given)), *([Path(data) / given] if data else [])]
    source = next((place for place in places if place.exists()), None)
    if source is None:
        looked = f" (also not in CPNER_DATA, {data})" if data else "; CPNER_DATA can name the folder of your corpora"
        raise CorpusError(f"no such folder or file{looked}", path=given)
    resolved = source.resolve()
    if source.is_dir():
        return source, resolved.name
    return source, resolved.parent.name if is_split_name(source) else source.stem


def _names(
    splits: Mapping[str, list[Sentence]],
    files: Mapping[str, list[Path]],
    types: Mapping[str, str] | None,
    repairs: Repairs,
) -> dict[str, str]:
    """The words for the codes of the files.

    Raises:
        CorpusError: A code can't be named; the file is told.
    """
    counts = {split: _count_types([sentences]) for split, sentences in splits.items()}
    try:
        return name_types(sum(counts.values(), Counter()), types, repairs)
    except TypeNameError as error:
        path = next((files[split][0] for split, counted in counts.items() if error.code in counted), None)
        raise CorpusError(str(error), path=path, line=None if path is None else line_with(error.code, path)) from error


def _snap(sentences: list[Sentence], repairs: Repairs) -> list[Sentence]:
    """Sentences whose unreachable entities grew to the edges of words."""
    snapped = [sentence.snapped() if sentence.unreachable else sentence for sentence in sentences]
    before, after = (sum(len(sentence.unreachable) for sentence in part) for part in (sentences, snapped))
    repairs.mend("entity of the train split grown to the edges of its words", times=before - after)
    return snapped


def _count_types(splits: Iterable[list[Sentence]]) -> Counter[str]:
    return Counter(entity.type for sentences in splits for sentence in sentences for entity in sentence.gold)


def _types_by_frequency(splits: Iterable[list[Sentence]]) -> list[str]:
    counts = _count_types(splits)
    return sorted(counts, key=lambda type_: (-counts[type_], type_))


def _statistics(sentences: list[Sentence]) -> dict[str, Any]:
    types = Counter(entity.type for sentence in sentences for entity in sentence.gold)
    return {
        "sentences": len(sentences),
        "entities": types.total(),
        "types": dict(sorted(types.items(), key=lambda item: (-item[1], item[0]))),
        "words": sum(len(sentence.words) for sentence in sentences),
        "longest": max((len(sentence.words) for sentence in sentences), default=0),
        "without_entities": sum(not sentence.gold for sentence in sentences),
    }
