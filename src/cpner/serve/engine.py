"""The one place of the server that calls the library: the model, and the store of its domains."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cpner.backbone.shape import PrefixConfig
from cpner.corpus import Sentence
from cpner.errors import StoreError, UnknownDomainError, did_you_mean, shorten
from cpner.ner import CPNER
from cpner.progress import Progress
from cpner.recognition.recognise import word_lengths
from cpner.serve.batcher import Item, Predictions
from cpner.serve.problems import ProblemError
from cpner.store import DomainCard, Store
from cpner.store.package import CARD

_VERSION = 16  # hexadecimal digits that name a state of a domain


class Engine:
    """A recogniser with its store.

    What touches the model (`pieces`, `recognise`, `forget`) is called in the model's thread. What reads and writes the
    store alone may be called in any.

    Args:
        ner: with a store.
        max_batch_pieces: pieces in one pass of the model, about.
        batch_size: sentences in one pass.
    """

    def __init__(self, ner: CPNER, store: Path, *, max_batch_pieces: int, batch_size: int) -> None:
        self.ner = ner
        self.store = Store(store, create=True)
        self.max_batch_pieces = max_batch_pieces
        self.batch_size = batch_size
        self._used: dict[str, tuple[int, int] | None] = {}  # domains that may be in memory, and what marks their files

    # in the model's thread

    def pieces(self, sentence: Sentence) -> int:
        """Pieces of a sentence."""
        return sum(word_lengths(self.ner.backbone, sentence))

    def recognise(self, items: Sequence[Item], between: Callable[[], None]) -> list[Predictions]:
        """The entities of sentences that ask for the same types and beams.

        Args:
            items: the sentences; their domains may differ.
            between: called between two passes of the model, where a text is too long for one.

        Raises:
            CpnerError: see `CPNER.recognise`.
        """
        for name in {item.domain for item in items if item.domain is not None} - self._used.keys():
            self._used[name] = self._mark(name)

        def report(progress: Progress) -> None:
            if is_long and progress.done < progress.total:
                between()

        window = self.ner.backbone.window
        is_long = any(item.pieces > window for item in items)
        longest = min(max(item.pieces for item in items), window)
        size = max(1, min(self.batch_size, self.max_batch_pieces // max(1, longest)))
        return self.ner.recognise(
            [item.sentence for item in items],
            [item.domain for item in items],
            types=items[0].types,
            batch_size=size,
            beams=items[0].beams,
            progress=report,
        )

    def forget(self, name: str) -> None:
        """Read a domain anew when it is next used."""
        self._used.pop(name, None)
        self.ner.reload(name)

    def changed(self) -> list[str]:
        """Domains in memory that somebody else has changed in the store."""
        return [name for name, mark in list(self._used.items()) if mark != self._mark(name)]

    # in any thread

    def loaded(self, name: str) -> bool:
        """Whether a domain may be in memory."""
        return name in self._used

    @property
    def fingerprint(self) -> str:
        """Of the backbone's weights."""
        return self.ner.backbone.fingerprint

    def names(self) -> list[str]:
        """Stored domains, sorted."""
        return self.store.names()

    def check_known(self, name: str) -> None:
        """Check that a domain is stored.

        Raises:
            UnknownDomainError: it is not; the message names one that is nearly called so.
        """
        if name not in self.store:
            raise UnknownDomainError(f"no domain {shorten(name)!r}.{did_you_mean(name[:64], self.names())}")

    def card(self, name: str) -> DomainCard:
        """What is known of a domain.

        Raises:
            UnknownDomainError: there is no such domain.
            StoreError: it is damaged.
        """
        return self.store.card(name)

    def version(self, name: str) -> str:
        """Names the state of a domain: another card or other tensors have another version.

        Raises:
            UnknownDomainError: there is no such domain.
        """
        self.check_known(name)  # first: nothing but a name may become part of a path
        try:
            data = (self.store.path / name / CARD).read_bytes()  # holds the tensors' digests
        except OSError as error:
            raise StoreError(f"domain {name!r} can't be read: {error.strerror or error}") from error
        return hashlib.sha256(data).hexdigest()[:_VERSION]

    def fitting(self, target: str) -> list[str]:
        """Domains that a training of another can have as sources: of this backbone, no ensemble, of the same shape."""
        config = self.card(target).config if target in self.store else PrefixConfig()
        names = []
        for name in self.names():
            with contextlib.suppress(StoreError):
                card = self.card(name)
                alike = (card.config.length, card.config.attentions) == (config.length, config.attentions)
                if name != target and alike and not card.members and card.backbone_fingerprint == self.fingerprint:
                    names.append(name)
        return names

    def archive(self, name: str) -> bytes:
        """A domain as the .zip file that `cpner domains export` writes."""
        with self._temporary() as file:
            self.store.export(name, file)
            return file.read_bytes()

    def upload(self, name: str, archive: bytes, *, max_bytes: int) -> DomainCard:
        """Store a domain from such a file, in place of one of this name.

        Raises:
            ProblemError: 413, it is too large unpacked.
            StoreError: it is no such file.
            PrefixMismatchError: it was made for another backbone.
        """
        with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(archive)) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > max_bytes:
                raise ProblemError(413, "too_large", f"the archive unpacks to more than {max_bytes:,} bytes")
        with self._temporary() as file, tempfile.TemporaryDirectory() as folder:
            file.write_bytes(archive)
            try:
                Store(folder).import_(file, name, max_bytes=max_bytes)  # beside the store, until it is checked
            except StoreError as error:
                raise StoreError(str(error).replace(str(file), "the archive")) from error
            CPNER(self.ner.backbone, folder).prefix(name)
            return self.store.import_(file, name, overwrite=True, max_bytes=max_bytes)

    def copy(self, name: str, to: str) -> DomainCard:
        """Store a domain under another name too, in place of one of that name.

        Raises:
            UnknownDomainError: there is no such domain.
            StoreError: it is damaged.
        """
        with self._temporary() as file:
            self.store.export(name, file)
            return self.store.import_(file, to, overwrite=True)

    def remove(self, name: str) -> None:
        """Delete a domain from the store.

        Raises:
            UnknownDomainError: there is no such domain.
        """
        self.store.remove(name)

    def _mark(self, name: str) -> tuple[int, int] | None:
        """What tells one state of a domain's files from another: when its card was written, and its place on disk."""
        with contextlib.suppress(OSError):
            status = os.stat(self.store.path / name / CARD)
            return status.st_mtime_ns, status.st_ino
        return None

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="cpner-") as folder:
            yield Path(folder) / "domain.zip"
