"""What a format is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cpner.corpus.formats._file import File
from cpner.corpus.formats._options import Options
from cpner.corpus.repairs import Repairs
from cpner.corpus.sentence import Sentence
from cpner.errors import ConfigError, CorpusError

Write = Callable[[Iterable[Sentence]], Iterator[str]]
WriteBytes = Callable[[Iterable[Sentence]], bytes]


@dataclass(frozen=True)
class Format:
    """One way to keep a corpus in files.

    Attributes:
        name: What it is called.
        about: What it is, in a few words.
        example: A sentence in it.
        sniff: Tells why a file is likely in this format; None if it isn't.
        read: Reads a file; types stay the codes of the file.
        write: Gives the lines of a file; None for a format that is only read.
        suffix: The ending of files that are written.
        words: Whether its entities are words, so that one inside a word can't be written.
        binary: Whether it writes bytes and no lines.
        losses: Tells what of sentences would not come back from a file, beside entities inside words; None: nothing.
        beside: Further files that are written, by their endings.
    """

    name: str
    about: str
    example: str
    sniff: Callable[[File], str | None]
    read: Callable[[File, Options, Repairs], list[Sentence]]
    write: Write | WriteBytes | None = None
    suffix: str = ".jsonl"
    words: bool = False
    binary: bool = False
    losses: Callable[[Sequence[Sentence]], Iterable[str]] | None = None
    beside: Mapping[str, Write] = field(default_factory=dict)

    def chunks(self, sentences: Sequence[Sentence], beside: str | None = None) -> Iterator[bytes]:
        """The bytes of a file.

        Args:
            sentences: What it holds.
            beside: The ending of a further file; None for the file itself.
        """
        write = self.write if beside is None else self.beside[beside]
        if write is None:
            raise ConfigError(f"{self.name} is only read")
        written = write(sentences)
        if isinstance(written, bytes):
            yield written
        else:
            yield from (f"{line}\n".encode() for line in written)

    def check(self, path: Path, data: bytes, sentences: Sequence[Sentence]) -> None:
        """Read what was written, and see that nothing of it is lost.

        Args:
            path: Where it will lie.
            data: The bytes of the file.
            sentences: What it must hold.

        Raises:
            CorpusError: It can't be read, or letters or entities are missing.
        """
        repairs = Repairs()
        try:
            again = self.read(File(path, data), Options(), repairs) if sentences else []
        except CorpusError as error:
            message = f"{self.name} could not be read again, so it is not written: {error}"
            raise CorpusError(message, path=path) from error
        lost = _entities(sentences, self.words) - _entities(again, self.words)
        if any(repair.endswith("read so") for repair in repairs):  # all lie inside words: told where it is read
            lost.clear()
        if lost or _length(again) < _length(sentences):
            what = f"entities, as {next(iter(lost))!r}" if lost else "letters"
            raise CorpusError(f"{self.name} would lose {what}, so it is not written; choose another format", path=path)


def _entities(sentences: Sequence[Sentence], in_words: bool) -> Counter[str]:
    """The letters of all entities; of those of whole words, where a format has words."""
    gold = ((sentence, mark) for sentence in sentences for mark in (sentence.spans if in_words else sentence.gold))
    return Counter(_letters(sentence.entity(mark).text) for sentence, mark in gold)


def _letters(text: str) -> str:
    """A text without blanks and signs without width."""
    return "".join(sign for sign in text if sign != " " and sign.isprintable())


def _length(sentences: Sequence[Sentence]) -> int:
    return sum(len(_letters(sentence.text)) for sentence in sentences)
