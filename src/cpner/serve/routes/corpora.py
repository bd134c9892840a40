"""Labelled sentences from files and into files, in every format that the library knows."""

from __future__ import annotations

import asyncio
import io
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from starlette.requests import Request
from starlette.responses import Response

from cpner.corpus import Corpus
from cpner.corpus.formats import FORMATS, get_format
from cpner.errors import CpnerError
from cpner.serve.context import Context, Endpoint
from cpner.serve.problems import ProblemError, problem_of
from cpner.serve.routes.domains import sentences_of
from cpner.serve.schema import Labelled, Mark, Sentences
from cpner.serve.wire import answer, read_body, read_json

_ANY = "application/octet-stream"


async def list_formats(context: Context, request: Request) -> Response:
    """List the formats of labelled sentences."""
    return answer({"formats": list(FORMATS)})


async def read_corpus(context: Context, request: Request) -> Response:
    """Read a file of labelled sentences; `format` is found out by its content if it is not given."""
    name = PurePosixPath(request.query_params.get("name", "corpus.txt")).name or "corpus.txt"
    format = request.query_params.get("format")
    data = await read_body(request, context.settings.max_bulk)
    return answer(await asyncio.to_thread(_read, data, name, format))


def _read(data: bytes, name: str, format: str | None) -> Sentences:
    suffix = "".join(letter for letter in Path(name).suffix[:12] if letter.isalnum() or letter == ".")
    with tempfile.TemporaryDirectory(prefix="cpner-") as folder:
        file = Path(folder) / f"train{suffix or '.txt'}"
        file.write_bytes(data)
        try:
            corpus = Corpus.read(file, format=format)
        except (CpnerError, OSError) as error:
            raise ProblemError(422, "invalid", str(error).replace(str(file), "the file")) from error
    sentences = [
        Labelled(one.text, [Mark(e.start, e.end, e.type, e.text) for e in one.entities]) for one in corpus.train
    ]
    return Sentences(sentences, corpus.types, dict(corpus.repairs))


async def write_corpus(context: Context, request: Request) -> Response:
    """Write labelled sentences as a file of a format; a format of several files comes as .zip."""
    format = request.query_params.get("format", "jsonl")
    get_format(format)
    asked = await read_json(request, Sentences, context.settings.max_bulk)
    data, suffix = await asyncio.to_thread(_write, asked, format)
    headers = {"Content-Disposition": f'attachment; filename="corpus{suffix}"'}
    return Response(data, headers=headers, media_type=_ANY)


def _write(asked: Sentences, format: str) -> tuple[bytes, str]:
    corpus = Corpus.from_sentences(sentences_of(asked.sentences), types=asked.types or None)
    with tempfile.TemporaryDirectory(prefix="cpner-") as folder:
        try:
            files = corpus.write(Path(folder) / "out", format)
        except CpnerError as error:
            raise problem_of(error, status=422) from error
        if len(files) == 1 and files[0].is_file():
            return files[0].read_bytes(), files[0].suffix
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(path for path in (Path(folder) / "out").rglob("*") if path.is_file()):
                archive.write(file, file.relative_to(Path(folder) / "out"))
        return buffer.getvalue(), ".zip"


ENDPOINTS = [
    Endpoint("GET", "/v1/corpora/formats", list_formats, result=dict),
    Endpoint(
        "POST", "/v1/corpora/read", read_corpus, body=_ANY, result=Sentences, errors=(413, 422),
        query={"name": "of the file", "format": "its format"},
    ),
    Endpoint(
        "POST", "/v1/corpora/write", write_corpus, body=Sentences, result=_ANY, errors=(413, 422),
        query={"format": "to write; jsonl if not given"},
    ),
]  # fmt: skip
