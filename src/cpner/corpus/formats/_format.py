"""What a format is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cpner.corpus.formats._file import File
from cpner.corpus.formats._options import Options
from cpner.corpus.repairs import Repairs
from cpner.corpus.sentence import Sentence
from cpner.errors import ConfigError

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
