"""The settings of the server: each is a field here, a flag of `cpner serve`, and a variable `CPNER_*`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cpner.errors import ConfigError
from cpner.settings import Range, Settings, above, at_least, between

_UNITS = {"": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
_LOCAL = ("localhost", "127.0.0.1", "[::1]")
SIZES = frozenset({"max_body", "max_bulk", "max_archive", "max_unpacked"})  # settings in bytes
SECRETS = ("read_key", "admin_key")
_SHORTEST_KEY = 16  # characters: a shorter one can be guessed


def _knob(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


def parse_bytes(text: str | int) -> int:
    """A number of bytes from `2MB`, `500KB` or `1048576`.

    Raises:
        ConfigError: it is written otherwise.
    """
    match = re.fullmatch(r"(\d+)\s*(KB|MB|GB)?", str(text).strip().upper())
    if match is None:
        raise ConfigError(f"{text!r} is no size; write a number of bytes, or one with KB, MB or GB")
    return int(match[1]) * _UNITS[match[2] or ""]


@dataclass(frozen=True)
class ServeSettings(Settings):
    """How the server listens, what it allows, and how it makes batches.

    Raises:
        ConfigError: a number is out of its range, or other machines could reach the server without a key.
    """

    host: str = _knob("127.0.0.1", "Address to listen on; another one than this machine's needs a key.")
    port: int = _knob(8000, "Port to listen on; 0 takes a free one.")
    read_key: str | None = _knob(None, "Key that a client must send to read and predict. Better as a variable.")
    admin_key: str | None = _knob(None, "Key that a client must send to change domains and to train.")
    insecure: bool = _knob(False, "Listen on another address without a key.")
    allowed_hosts: str | None = _knob(None, "Names that a client may ask for as host, with commas; * for any.")
    max_concurrent_requests: int = _knob(512, "Requests in work; more are refused (429).")
    max_batch_pieces: int = _knob(2048, "Pieces of text in one batch.")
    batch_size: int = _knob(32, "Sentences decoded at once; 1 makes each answer independent of the load to the bit.")
    batch_wait_ms: float = _knob(2.0, "Longest time that a sentence waits for others to share its batch.")
    queue: int = _knob(1024, "Sentences that wait; more are refused (429).")
    max_wait: float = _knob(0.4, "Expected seconds in the queue above which a request is refused (429).")
    max_client_batch: int = _knob(64, "Texts in one request; as JSON lines there may be more.")
    max_lines: int = _knob(10_000, "Texts in one request of JSON lines.")
    max_body: int = _knob(2_000_000, "Bytes of a request, also unpacked.")
    max_bulk: int = _knob(64_000_000, "Bytes of a request of JSON lines, of a corpus or of labelled sentences.")
    max_text_chars: int = _knob(200_000, "Characters of a text.")
    max_types: int = _knob(200, "Entity types of a request.")
    max_beams: int = _knob(4, "Beams of a request.")
    max_archive: int = _knob(64_000_000, "Bytes of an uploaded domain.")
    max_unpacked: int = _knob(256_000_000, "Bytes of an uploaded domain, unpacked.")
    max_domains: int = _knob(10_000, "Domains in the store; more can't be uploaded or trained.")
    max_jobs: int = _knob(32, "Trainings that wait.")
    max_worksheets: int = _knob(200, "Worksheets of the page that the store keeps; 0 leaves them in browsers.")
    job_threads: int = _knob(1, "Threads of a training.")
    timeout: float = _knob(30.0, "Seconds until a request must be answered (504).")
    refresh: float = _knob(2.0, "Seconds between looks at the store for what others have changed.")
    grace: float = _knob(30.0, "Seconds that requests in work have after SIGTERM.")

    ranges: ClassVar[Mapping[Range, Sequence[str]]] = {
        at_least(1): (
            *("max_concurrent_requests", "max_batch_pieces", "batch_size", "queue", "max_client_batch"),
            *("max_text_chars", "max_types", "max_beams", "max_domains", "max_lines", "job_threads"),
        ),
        at_least(1024): ("max_body", "max_bulk", "max_archive", "max_unpacked"),
        at_least(0): ("batch_wait_ms", "grace", "max_jobs", "max_worksheets"),
        above(0): ("timeout", "refresh", "max_wait"),
        between(0, 65535): ("port",),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in SECRETS:
            key = getattr(self, name)
            if key is not None and (len(key) < _SHORTEST_KEY or not key.isascii() or not key.isprintable()):
                raise ConfigError(f"{name} must have at least {_SHORTEST_KEY} characters, printable ASCII")
        if not self.local and not self.insecure and self.read_key is None and self.admin_key is None:
            raise ConfigError(
                f"other machines can reach {self.host}: set CPNER_READ_KEY and CPNER_ADMIN_KEY, or say --insecure"
            )

    @property
    def local(self) -> bool:
        """Whether this machine alone can reach the server."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def hosts(self) -> frozenset[str] | None:
        """Names that a request's Host header may have, without a port; None for any."""
        if self.allowed_hosts is None:
            return frozenset({*_LOCAL, self.host}) if self.local else None
        names = frozenset(name.strip().lower() for name in self.allowed_hosts.split(",") if name.strip())
        return None if "*" in names else names
