"""Trainings: ask for one, see how it goes, stop it, let it go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from cpner.errors import ConfigError
from cpner.serve.context import Context, Endpoint
from cpner.serve.job_folder import JobFolder
from cpner.serve.problems import ProblemError
from cpner.serve.routes.domains import check_room, sentences_of
from cpner.serve.schema import JobAnswer, JobList, JobRequest
from cpner.serve.wire import answer, read_json
from cpner.store import check_name
from cpner.training import TrainingConfig, check_types
from cpner.transfer.mixing import Mixing
from cpner.transfer.strategies import check_strategy

_HEARTBEAT = 15  # signs of life, a second each, of which one is sent


async def start_job(context: Context, request: Request) -> Response:
    """Train a domain: "fit" on its sentences, "transfer" from sources, or "self-train" on text without labels."""
    asked = await read_json(request, JobRequest, context.settings.max_bulk)
    job = await submit(context, asked)
    return answer(job.answer(), 202, {"Location": f"/v1/jobs/{job.record.id}"})


async def submit(context: Context, asked: JobRequest) -> JobFolder:
    """Check what is asked for, and put it into the queue.

    Raises:
        ProblemError: 404 no such domain, 413 too much, 422 something is wrong, 429 too many jobs wait.
        CpnerError: a setting or a type is wrong.
    """
    context.jobs.check_room()
    await asyncio.to_thread(_check, context, asked)
    check_room(context, asked.domain)
    ner = context.engine.ner
    job = await asyncio.to_thread(
        JobFolder.create,
        context.jobs.root,
        asked,
        _sources(context, asked),
        backbone=ner.backbone.name,
        device=str(ner.backbone.device),
        precision=ner.backbone.precision,
        threads=context.settings.job_threads,
        store=str(context.engine.store.path.resolve()),
    )
    await context.jobs.add(job)
    return job


def _check(context: Context, asked: JobRequest) -> None:
    try:
        check_name(asked.domain)
    except ValueError as error:
        raise ProblemError(422, "invalid", str(error), path="$.domain") from error
    TrainingConfig.from_dict(asked.settings)
    Mixing(**msgspec.structs.asdict(asked.mixing))
    splits = (asked.corpus.train, asked.corpus.dev, asked.corpus.test)
    count = sum(map(len, splits)) + len(asked.text)
    if count > context.settings.max_lines:
        raise ProblemError(413, "too_large", f"{count:,} sentences; at most {context.settings.max_lines:,}")
    sentences = [sentence for split in splits for sentence in sentences_of(split)]
    if asked.types is not None:
        check_types(asked.types, sentences)
    if asked.kind == "self-train" and not asked.text:
        raise ProblemError(422, "invalid", "self-training learns from text: give some", path="$.text")
    if asked.kind != "self-train" and asked.strategy != "zero-label" and not asked.corpus.train:
        raise ProblemError(422, "invalid", "nothing to learn from: give train sentences", path="$.corpus.train")
    needs_target = asked.kind == "self-train" or (asked.kind == "transfer" and asked.strategy != "zero-label")
    if needs_target:
        context.engine.check_known(asked.domain)
    if asked.kind == "transfer":
        if asked.strategy == "chain":
            raise ConfigError("a chain needs the sentences of its sources, which a job does not have")
        check_strategy(asked.strategy, asked.sources)
    for name in () if asked.sources == "auto" else asked.sources:
        context.engine.check_known(name)


def _sources(context: Context, asked: JobRequest) -> list[str]:
    """The names of the sources; "auto" is settled now, so that a job that is stopped goes on with the same."""
    if asked.sources != "auto":
        return list(asked.sources)
    return context.engine.fitting(asked.domain)


async def list_jobs(context: Context, request: Request) -> Response:
    """List the trainings, the newest first."""
    await context.jobs.refresh()
    return answer(JobList([job.answer() for job in reversed(context.jobs.folders.values())]))


async def show_job(context: Context, request: Request) -> Response:
    """Show how a training stands."""
    job = await context.jobs.get(request.path_params["id"])
    return answer(job.answer())


async def watch_job(context: Context, request: Request) -> Response:
    """Stream the events of a training (SSE); `Last-Event-ID` goes on where a stream broke off."""
    job = await context.jobs.get(request.path_params["id"])
    last = request.headers.get("last-event-id", "0")
    if not (last.isascii() and last.isdigit() and len(last) < 10):
        raise ProblemError(422, "invalid", "Last-Event-ID must be a number")
    return StreamingResponse(_stream(context, job, int(last)), media_type="text/event-stream")


async def _stream(context: Context, job: JobFolder, last: int) -> AsyncIterator[bytes]:
    silent = 0
    async for event in context.jobs.events(job, last):
        silent = 0 if event else silent + 1
        if silent and silent % _HEARTBEAT == 0:
            yield b": still here\n\n"
        if event:
            data = msgspec.json.encode(event["data"]).decode()
            yield f"id: {event['id']}\nevent: {event['event']}\ndata: {data}\n\n".encode()
        if context.gate.draining:
            return


async def stop_job(context: Context, request: Request) -> Response:
    """Stop a training, whose checkpoints stay; one that is over is removed."""
    job = await context.jobs.get(request.path_params["id"])
    context.jobs.check_owned()
    if job.is_open:
        await context.jobs.cancel(job)
        return answer(job.answer(), 202)
    await context.jobs.remove(job)
    return Response(status_code=204)


async def resume_job(context: Context, request: Request) -> Response:
    """Let a training that was stopped or failed go on from its last checkpoint."""
    job = await context.jobs.get(request.path_params["id"])
    context.jobs.check_owned()
    if job.record.state not in ("cancelled", "failed"):
        raise ProblemError(409, "conflict", f"the job is {job.record.state}")
    await context.jobs.resume(job)
    return answer(job.answer(), 202)


_JOB = "/v1/jobs/{id}"
ENDPOINTS = [
    Endpoint(
        "POST", "/v1/jobs", start_job, "admin", body=JobRequest, result=JobAnswer, status=202,
        errors=(404, 413, 422, 429, 503),
    ),
    Endpoint("GET", "/v1/jobs", list_jobs, result=JobList),
    Endpoint("GET", _JOB, show_job, result=JobAnswer, errors=(404,)),
    Endpoint(
        "GET", f"{_JOB}/events", watch_job, result="text/event-stream", errors=(404, 422), headers=("Last-Event-ID",)
    ),
    Endpoint("DELETE", _JOB, stop_job, "admin", result=JobAnswer, status=202, errors=(204, 404)),
    Endpoint("POST", f"{_JOB}/resume", resume_job, "admin", result=JobAnswer, status=202, errors=(404, 409, 429, 503)),
]  # fmt: skip
