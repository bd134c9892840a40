"""The prefix store: a folder with one sub-folder a domain, about a megabyte each.

    STORE/NAME/prefix.safetensors              the baked keys and values, one tensor an attention, [L, 2, H, K, D]
               reparameterisation.safetensors  the matrix P, and its network if it has one, where kept
               domain.json                     the `DomainCard`, the format's version, a sha256 for each tensor file
               README.md                       the card to be read by people

A domain is written into a hidden folder (`.part-*`) that then takes the place of the old one. The old one waits under
`.old-NAME` until that is done: whoever reads sees the old or the new, also after a crash. Writers take turns by a lock
on the store. Readers need none: a store may lie on a disk that can't be written to. Cards are read without torch.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from cpner.errors import StoreError, UnknownDomainError, did_you_mean
from cpner.files import replacing
from cpner.store.card import CARD_BYTES, DomainCard, StoredDomain, check_name, is_name, read_json
from cpner.store.package import CARD, FILES, IMPORT_BYTES, PREFIX, pack, read_zip, sha256_of, unpack

LOCK_SECONDS = 60.0  # a save takes milliseconds, so that a longer wait means that something is wrong
Result = TypeVar("Result")


class Store:
    """A folder of domains; safe to share between threads and processes.

    Args:
        path: the folder.
        create: make the folder where there is none.

    Raises:
        StoreError: there is no such folder, or it can't be made.
    """

    def __init__(self, path: str | os.PathLike[str], create: bool = False) -> None:
        self.path = Path(path)
        if create:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"store {self.path} can't be made: {error.strerror or error}") from error
        if not self.path.is_dir():
            raise StoreError(f"no store at {self.path}; it is the folder that a warm-up saved domains in")

    def names(self) -> list[str]:
        """The stored domains, sorted; damaged ones too."""
        folders = {path.name.removeprefix(".old-") for path in self._folders()}
        return sorted(name for name in folders if self._place(name))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._place(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def card(self, name: str) -> DomainCard:
        """What is known of a domain; reads no tensors and needs no torch.

        Raises:
            UnknownDomainError: no such domain.
            StoreError: its domain.json is missing, damaged, or of a future format.
        """
        return self._read(name, lambda folder: read_json(_read_file(folder / CARD), folder / CARD, name)[0])

    def load(self, name: str, *, reparameterisation: bool = False) -> StoredDomain:
        """A domain with its tensors on the CPU, in the dtype they were stored in, checked against its card.

        Args:
            name: of the domain.
            reparameterisation: load P and its network too; None in the result if they were not kept.

        Raises:
            UnknownDomainError: no such domain.
            StoreError: a file is missing, damaged, of a future format, or disagrees with the card.
        """
        return self._read(
            name, lambda folder: unpack(lambda file: _read_file(folder / file), folder, name, reparameterisation)
        )

    def save(self, domain: StoredDomain, overwrite: bool = True, *, dtype: str | None = "bfloat16") -> None:
        """Store a domain under its card's name, all or nothing.

        Args:
            domain: card, prefix, and P with its network if they are to be kept (in the dtype they have).
            overwrite: replace a stored domain of this name, with everything in its folder.
            dtype: of the stored prefix, "bfloat16" or "float32"; None for the one it has.

        Raises:
            StoreError: the tensors disagree with the card or are not finite, the name is taken, or writing fails.
        """
        self._put(domain.card.name, pack(domain, dtype), overwrite)

    def remove(self, name: str) -> None:
        """Delete a domain, damaged or not.

        Raises:
            UnknownDomainError: no such domain.
            StoreError: it can't be deleted.
        """
        with self._lock():
            part = self._part()
            os.rename(self._find(name), part)
            _delete(part)

    def digest(self, name: str) -> str:
        """What names a domain's contents, tensors and card: 64 hexadecimal digits.

        Raises:
            UnknownDomainError: no such domain.
            StoreError: its domain.json is missing.
        """
        return self._read(name, lambda folder: sha256_of(_read_file(folder / CARD)))

    def size_bytes(self, name: str) -> int:
        """What a domain's files take up together, in bytes.

        Raises:
            UnknownDomainError: no such domain.
        """
        return self._read(name, lambda folder: sum(_size(folder / file) for file in FILES))

    def export(self, name: str, file: str | os.PathLike[str]) -> None:
        """Write a domain to one .zip file, all or nothing; the same domain gives the same bytes.

        Raises:
            UnknownDomainError: no such domain.
            StoreError: the domain is damaged.
            FileError: the file can't be written.
        """
        files = pack(self.load(name, reparameterisation=True), None)
        with replacing(Path(file)) as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry, data in files.items():
                archive.writestr(zipfile.ZipInfo(f"{name}/{entry}"), data, zipfile.ZIP_DEFLATED)

    def import_(
        self,
        file: str | os.PathLike[str],
        name: str | None = None,
        *,
        overwrite: bool = False,
        max_bytes: int = IMPORT_BYTES,
    ) -> DomainCard:
        """Store a domain that `export` wrote; the archive is never unpacked to paths of its own.

        Args:
            file: the .zip file.
            name: to store it under; None for its own.
            overwrite: replace a stored domain of this name.
            max_bytes: refuse what is larger, unpacked.

        Returns:
            The card as stored.

        Raises:
            StoreError: the file is no exported domain, is damaged or too large, or the name is taken.
        """
        if name is not None:
            check_name(name)
        path = Path(file)
        files = read_zip(path, max_bytes)

        def read(file: str) -> bytes:
            if file not in files:
                raise StoreError(f"{path / file} is missing")
            return files[file]

        domain = unpack(read, path, name, whole=True)
        self.save(domain, overwrite, dtype=None)
        return domain.card

    def check_place(self, name: str, *, overwrite: bool = True) -> None:
        """Check that a domain can be stored under this name here.

        Raises:
            StoreError: something is in its way: a name that differs in case only, a folder that is no domain, or, if it
                is not to be overwritten, the domain itself.
        """
        for folder in self._folders():
            if folder.name.lower() != name.lower():
                continue
            if folder.name != name:  # one folder on the disks of macOS and Windows
                raise StoreError(f"domain {name!r} differs from the stored {folder.name!r} in case only; rename it")
            if not _holds_domain(folder):
                raise StoreError(f"{folder} is in the way of domain {name!r} and is none; move it or rename the domain")
            if not overwrite:
                raise StoreError(f"domain {name!r} is in {self.path} already; choose another name or overwrite it")

    def _folders(self) -> list[Path]:
        try:
            return [Path(entry.path) for entry in os.scandir(self.path) if entry.is_dir()]
        except OSError as error:
            raise StoreError(f"store {self.path} can't be read: {error.strerror or error}") from error

    def _place(self, name: str) -> Path | None:
        """The folder of a domain, or the old one while a new one is taking its place (and may just have done so)."""
        if not is_name(name):
            return None
        target = self.path / name
        old = self.path / f".old-{name}"
        return next((folder for folder in (target, old, target) if _holds_domain(folder)), None)

    def _find(self, name: str) -> Path:
        if folder := self._place(name):
            return folder
        stored = self.names()
        listed = ", ".join(stored[:20]) + (f" and {len(stored) - 20} more" if len(stored) > 20 else "")
        raise UnknownDomainError(
            f"no domain {name!r} in {self.path}; stored: {listed or 'none'}.{did_you_mean(name, stored)}"
        )

    def _read(self, name: str, read: Callable[[Path], Result]) -> Result:
        """Read without the lock; what looks wrong may be a swap under way, so it is read again while nothing moves."""
        try:
            return read(self._find(name))
        except (StoreError, UnknownDomainError):
            try:
                with self._lock():
                    return read(self._find(name))
            except _NoLockError:
                time.sleep(0.05)  # a store that we can't write to: give its owner time to end the swap
            return read(self._find(name))

    def tidy(self) -> None:
        """End what a crashed writer began; every writer does so before its own work.

        Raises:
            StoreError: the store can't be written to, or another process has locked it for long.
        """
        with self._lock():
            pass

    def _put(self, name: str, files: Mapping[str, bytes], overwrite: bool) -> None:
        target = self.path / name
        old = self.path / f".old-{name}"
        with self._lock():
            self.check_place(name, overwrite=overwrite)
            part = self._part()
            try:
                part.mkdir()
                for file, data in files.items():
                    _write(part / file, data)
                if target.exists():
                    os.rename(target, old)
                os.rename(part, target)
                if old.exists():
                    os.rename(old, part)  # so that an `.old` folder is whole as long as it has that name
            finally:
                _delete(part)

    def _part(self) -> Path:
        return self.path / f".part-{uuid.uuid4().hex}"

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Keep other writers out, after mending what a crashed one left; errors of the disk become `StoreError`."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.path / ".lock", timeout=LOCK_SECONDS)
        try:
            lock.acquire(poll_interval=0.01)
        except Timeout as error:
            raise StoreError(
                f"store {self.path} has been locked by another process for {LOCK_SECONDS:.0f} s"
            ) from error
        except OSError as error:
            raise _NoLockError(f"store {self.path} can't be written to: {error}") from error
        try:
            self._recover()
            yield
        except OSError as error:
            raise StoreError(f"store {self.path} can't be written to: {error.strerror or error}") from error
        finally:
            lock.release()

    def _recover(self) -> None:
        """End what a crashed writer began: the old domain comes back if the new one is not there; the rest goes."""
        for old in self._folders():
            if old.name.startswith(".old-"):
                target = self.path / old.name.removeprefix(".old-")
                os.rename(old, self._part() if target.exists() else target)
        for part in self.path.glob(".part-*"):  # links to nothing, too
            _delete(part)


class _NoLockError(StoreError):
    """The store can't be locked, as on a disk that is read only."""


def _delete(folder: Path) -> None:
    """Delete a folder; of a link to one, the link alone."""
    if folder.is_symlink():
        folder.unlink(missing_ok=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _holds_domain(folder: Path) -> bool:
    return (folder / CARD).is_file() or (folder / PREFIX).is_file()


def _read_file(path: Path) -> bytes:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe or a device may never end
            raise StoreError(f"{path} is no file")
        if path.name == CARD and path.stat().st_size > CARD_BYTES:
            raise StoreError(f"{path} has more than the {CARD_BYTES:,} bytes that a card may have")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise StoreError(f"{path} is missing") from error
    except OSError as error:
        raise StoreError(f"{path} can't be read: {error.strerror or error}") from error


def _write(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())  # before the folder gets its name, so that a power cut leaves no empty files


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
