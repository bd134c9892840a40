"""A stored domain as the contents of its files, checked when they are read, and as a .zip."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from cpner.errors import StoreError, one_line
from cpner.store.card import (
    CARD_BYTES,
    FORMAT,
    DomainCard,
    StoredDomain,
    read_json,
    readme,
    write_json,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor


CARD = "domain.json"
README = "README.md"
PREFIX = "prefix.safetensors"
REPARAMETERISATION = "reparameterisation.safetensors"
FLOATS = ("torch.bfloat16", "torch.float16", "torch.float32", "torch.float64")  # that can be checked and computed with
FILES = (CARD, PREFIX, REPARAMETERISATION, README)
_TAIL = 22  # bytes of the record that ends an archive, without a comment
_LONGEST_TAIL = _TAIL + (1 << 16)
_TAIL_SIGN = b"PK\5\6"
_LARGE = 20  # bytes of the record before that one
_LARGE_SIGN = b"PK\6\7"  # in archives with more files, or larger ones, than a domain has
_LONGEST_LIST = 4096  # bytes; that of a domain has some 400
IMPORT_BYTES = 1 << 30  # of an unpacked domain: far above any real one, far below what fills a disk


def pack(domain: StoredDomain, dtype: str | None) -> dict[str, bytes]:
    """The contents of a domain's files, by name."""
    import torch
    from safetensors.torch import save

    if dtype not in (None, "bfloat16", "float32"):
        raise StoreError(f"dtype {dtype!r} of a stored prefix is neither 'bfloat16' nor 'float32'")
    parts = _own(domain.prefix.parts, getattr(torch, dtype) if dtype else None)
    card = dataclasses.replace(domain.card, shapes={kind: list(part.shape) for kind, part in parts.items()})
    where = Path(card.name)
    _check_parts(parts, card, where / PREFIX)
    made = {"format": FORMAT, "backbone": card.backbone, "backbone_fingerprint": card.backbone_fingerprint}
    metadata = {"cpner": json.dumps(made)}  # one entry, as safetensors writes several in any order
    files = {PREFIX: save(parts, metadata)}
    if domain.reparameterisation is not None:
        state = _own(domain.reparameterisation)
        _check_finite(state, where / REPARAMETERISATION)
        files[REPARAMETERISATION] = save(state, metadata)
    text = write_json(card, {file: sha256_of(data) for file, data in files.items()})
    return {CARD: text, README: readme(card).encode(), **files}


def digest(domain: StoredDomain, dtype: str | None = "bfloat16") -> str:
    """What names the contents of a domain as a store holds them, tensors and card; `Store.digest` gives the same."""
    return sha256_of(pack(domain, dtype)[CARD])


def unpack(read: Callable[[str], bytes], where: Path, name: str | None, whole: bool) -> StoredDomain:
    """A domain from the contents of its files, checked; `whole` is with its reparameterisation, if it has one."""
    from cpner.backbone.prefix import Prefix

    card, sha256 = read_json(read(CARD), where / CARD, name)

    def tensors(file: str) -> dict[str, Tensor]:
        data = read(file)
        if sha256_of(data) != sha256.get(file):
            raise StoreError(f"{where / file} is damaged: its sha256 is not the one in {CARD}")
        return _parse(data, where / file)

    parts = tensors(PREFIX)
    _check_parts(parts, card, where / PREFIX)
    state = tensors(REPARAMETERISATION) if whole and REPARAMETERISATION in sha256 else None
    _check_finite(state or {}, where / REPARAMETERISATION)
    return StoredDomain(card, Prefix(**parts), state)


def _parse(data: bytes, path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(data)
    except (SafetensorError, LookupError, ValueError, RuntimeError) as error:
        raise StoreError(f"{path} is damaged: {one_line(error)}") from error


def _own(tensors: Mapping[str, Tensor], dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """Copies on the CPU that share no memory, as safetensors needs them."""
    return {name: tensor.detach().to("cpu", dtype, copy=True).contiguous() for name, tensor in tensors.items()}


def _check_parts(parts: Mapping[str, Tensor], card: DomainCard, path: Path) -> None:
    """Check that a prefix is the one that its card speaks of: attentions, length, shapes that agree, finite values."""
    shapes = {kind: list(part.shape) for kind, part in parts.items()}
    if set(shapes) != set(card.prefix["attentions"]):
        raise StoreError(f"{path} holds {sorted(shapes)}, its card speaks of {sorted(card.prefix['attentions'])}")
    for kind, shape in shapes.items():
        if len(shape) != 5 or shape[1] != 2 or shape[3] != card.prefix["length"]:
            length = card.prefix["length"]
            raise StoreError(f"{path}: {kind} has shape {shape}; its card asks for [layers, 2, heads, {length}, width]")
    if shapes != card.shapes:
        raise StoreError(f"{path} has shapes {shapes}, its card has {card.shapes}")
    if odd := {str(part.dtype) for part in parts.values()} - {"torch.bfloat16", "torch.float32"}:
        raise StoreError(f"{path} is in {min(odd)}; a stored prefix is in bfloat16 or float32")
    _check_finite(parts, path)


def _check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    for name, tensor in tensors.items():
        if str(tensor.dtype) not in FLOATS:
            raise StoreError(f"{path}: {name} is in {tensor.dtype}; expected one of {', '.join(FLOATS)}")
        if not tensor.isfinite().all():
            raise StoreError(f"{path}: {name} has values that are not finite; the training went astray")


def read_zip(path: Path, max_bytes: int) -> dict[str, bytes]:
    """The files of an exported domain; only names that a domain has, in one folder or none, are taken.

    Args:
        path: the .zip file.
        max_bytes: that all files may have together, unpacked; the texts may have `CARD_BYTES` each.

    Raises:
        StoreError: it is no .zip, is damaged, or holds what no exported domain does.
    """
    try:
        if path.exists() and not path.is_file():
            raise StoreError(f"{path} is no file; expected the .zip of an exported domain")
        if path.stat().st_size > max_bytes:
            raise StoreError(f"{path} has {path.stat().st_size:,} bytes, more than the {max_bytes:,} that are allowed")
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_entries(path, entries, max_bytes)
            # reading stops at the sizes checked above
            return {PurePosixPath(entry.filename).name: archive.read(entry) for entry in entries}
    except StoreError:
        raise
    except FileNotFoundError as error:
        raise StoreError(f"no file {path} to import") from error
    except Exception as error:  # zipfile and zlib raise a dozen kinds for a damaged archive, and list none of them
        raise StoreError(f"{path} can't be read as a .zip: {one_line(error)}") from error


def _check_directory(path: Path) -> None:
    """Check that the list of files in an archive is short, before zipfile makes objects of it."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LONGEST_TAIL))
        tail = file.read()
    at = len(tail) - _TAIL
    if not (tail[-_TAIL:].startswith(_TAIL_SIGN) and tail.endswith(b"\0\0")):  # a comment follows
        at = tail.rfind(_TAIL_SIGN)
    if at < 0:
        return  # no archive, as zipfile will tell
    listed = int.from_bytes(tail[at + 12 : at + 16], "little")
    if listed > _LONGEST_LIST or tail[max(0, at - _LARGE) : at].startswith(_LARGE_SIGN):
        raise StoreError(f"{path} lists more than the {len(FILES)} files of an exported domain")


def _check_entries(path: Path, entries: list[zipfile.ZipInfo], max_bytes: int) -> None:
    """Check what an archive says of its files, before any is read."""
    for entry in entries:
        name = PurePosixPath(entry.filename)
        if name.name not in FILES or len(name.parts) > 2 or ".." in name.parts or name.is_absolute():
            raise StoreError(f"{path} holds {entry.filename!r}, which is no file of an exported domain")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise StoreError(f"{path} holds {entry.filename!r} compressed in a way that `domains export` never uses")
        if name.name in (CARD, README) and entry.file_size > CARD_BYTES:
            raise StoreError(
                f"{path} unpacks to {entry.file_size} bytes of {name.name}, more than the {CARD_BYTES} that are allowed"
            )
    if len({PurePosixPath(entry.filename).parent for entry in entries}) > 1:
        raise StoreError(f"{path} holds more than one domain; import one at a time")
    if len({entry.filename for entry in entries}) < len(entries):
        raise StoreError(f"{path} holds a file twice; export the domain again")
    if (total := sum(entry.file_size for entry in entries)) > max_bytes:
        raise StoreError(f"{path} unpacks to {total} bytes, more than the {max_bytes} that are allowed")


def sha256_of(data: bytes) -> str:
    """64 hexadecimal digits that name these bytes."""
    return hashlib.sha256(data).hexdigest()
