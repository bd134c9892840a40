"""Download of the public datasets, checked against the checksums of the table."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path

from cpner.corpus.public import Dataset, PublicFile, datasets
from cpner.errors import ConfigError, CorpusError, did_you_mean
from cpner.files import replacing
from cpner.progress import Progress, Report, ignore

_CHUNK = 1 << 16  # bytes
_TIMEOUT_S = 60
_ELSEWHERE = "name a mirror that has the files as NAME/FILE (--base-url)"


def fetch(
    names: Iterable[str],
    out: str | Path,
    *,
    base_url: str | None = None,
    table: Mapping[str, Dataset] | None = None,
    progress: Report = ignore,
) -> list[Path]:
    """Download datasets into `out`/NAME/, each file whole and right or not at all.

    Files that are there already and right are not fetched again.

    Args:
        names: Of datasets in the table.
        out: The folder that holds a folder for each dataset; `Corpus.read` reads these.
        base_url: Of a mirror with the files as NAME/FILE; None takes the publishers' own addresses.
        table: What to know of the datasets; None takes `public.datasets()`.
        progress: Called with the bytes of a file that are there, again and again.

    Returns:
        The files, in order of the names.

    Raises:
        ConfigError: No dataset of this name, or an address that is not http or https.
        CorpusError: A file can't be had, is not the one expected, or would replace another.
    """
    known = datasets() if table is None else table
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if name not in known:
            raise ConfigError(f"No public dataset {name!r}. Known: {', '.join(known)}.{did_you_mean(name, known)}")
    fetched = []
    for name in wanted:
        for file in known[name].files.values():
            path = Path(out) / name / file.name
            url = f"{base_url.rstrip('/')}/{name}/{file.name}" if base_url else file.url
            if not _is_there(path, file):
                _download(url, path, file, progress)
            fetched.append(path)
    return fetched


def _is_there(path: Path, file: PublicFile) -> bool:
    if not path.exists():
        return False
    if hashlib.sha256(path.read_bytes()).hexdigest() != file.sha256:
        raise CorpusError("is another file than the published one; move it away or fetch to another folder", path=path)
    return True


def _download(url: str, path: Path, file: PublicFile, progress: Report) -> None:
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"can't fetch from {url!r}; expected an address with http:// or https://")
    digest = hashlib.sha256()
    size = 0
    label = f"{path.parent.name}/{path.name}"
    with replacing(path) as target:
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as source:
                while size <= file.size and (chunk := source.read(_CHUNK)):
                    target.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
                    progress(Progress(size, file.size, label))
        except urllib.error.HTTPError as error:
            error.close()
            raise CorpusError(f"the server answers {error.code} {error.reason}; {_ELSEWHERE}", path=url) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise CorpusError(f"can't be fetched: {reason}; check the network, or {_ELSEWHERE}", path=url) from error
        if digest.hexdigest() != file.sha256:
            got = f"{size} bytes" if size != file.size else f"sha256 {digest.hexdigest()[:12]}..."
            expected = f"{file.size} bytes" if size != file.size else f"{file.sha256[:12]}..."
            message = (
                f"is not the published file: {got}, expected {expected}; nothing was kept: try again, or {_ELSEWHERE}"
            )
            raise CorpusError(message, path=url)
