"""Label Studio's machine learning backend. A project P is the domain `ls-P`, which its annotations train.

Until it is trained, a project has the domain that its set-up names (extra parameter `domain`), or none: then the
backbone alone looks for the labels. Offsets of regions count UTF-16 units.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from cpner.corpus.labelling import model_version
from cpner.serve import work
from cpner.serve.compat.annotations import Annotations
from cpner.serve.compat.labelling import labelling_of
from cpner.serve.context import Context, Endpoint
from cpner.serve.problems import ProblemError
from cpner.serve.routes.jobs import submit
from cpner.serve.schema import JobRequest, Splits
from cpner.serve.wire import answer, read_json

_NOTES = 10_000  # projects whose first domain is remembered
_LEAST_FOR_DEV = 25  # annotations from which every fifth chooses the best epoch
_CHANGES = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_CREATED")
_DELETIONS = ("ANNOTATION_DELETED", "ANNOTATIONS_DELETED")


class LabelTask(msgspec.Struct):
    """A task with its data."""

    data: dict[str, Any] = {}
    id: int | str | None = None


class TasksRequest(msgspec.Struct):
    """Tasks to predict."""

    tasks: list[LabelTask]
    label_config: str
    project: str | int | None = None


class SetupRequest(msgspec.Struct):
    """A project's configuration."""

    project: str | int | None = None
    schema: str | None = None
    extra_params: Any = None


class Project(msgspec.Struct):
    """A project in a webhook."""

    id: int | str
    label_config: str | None = None


class WebhookRequest(msgspec.Struct):
    """Something that happened in Label Studio."""

    action: str
    project: Project | None = None
    task: Any = None
    annotation: Any = None
    annotations: Any = None


async def health(context: Context, request: Request) -> Response:
    """Say that the backend is up."""
    return answer({"status": "UP", "model_class": "cpner"})


async def no_metrics(context: Context, request: Request) -> Response:
    """Give nothing: the metrics are elsewhere."""
    return answer({})


async def setup(context: Context, request: Request) -> Response:
    """Take a project's configuration, and tell the version of its model."""
    asked = await read_json(request, SetupRequest, context.settings.max_body)
    project = project_id(asked.project)
    if asked.schema:
        labelling_of(asked.schema)
    parameters = asked.extra_params
    if isinstance(parameters, str) and parameters.strip():
        try:
            parameters = msgspec.json.decode(parameters)
        except msgspec.DecodeError as error:
            raise ProblemError(422, "invalid", "extra_params is no JSON", path="$.extra_params") from error
    if isinstance(parameters, dict) and isinstance(name := parameters.get("domain"), str):
        context.engine.check_known(name)
        context.notes["label-studio", project] = name
        while len(context.notes) > _NOTES:
            del context.notes[next(iter(context.notes))]
    return answer({"model_version": _version(context, _domain(context, project))})


async def predict(context: Context, request: Request) -> Response:
    """Predict the regions of tasks; the score is the probability that a task is right as a whole."""
    asked = await read_json(request, TasksRequest, context.settings.max_body)
    labelling = labelling_of(asked.label_config)
    domain = _domain(context, project_id(asked.project))
    version = _version(context, domain)
    texts = [task.data.get(labelling.text_key) for task in asked.tasks]
    answers = await work.find_scored(
        context, request, [text if isinstance(text, str) else "" for text in texts], [domain] * len(texts),
        work.Ask(labelling.types),
    )  # fmt: skip
    results = [
        labelling.prediction(text if isinstance(text, str) else "", entities, score, version)
        for text, (entities, score) in zip(texts, answers, strict=True)
    ]
    return answer({"results": results})


async def webhook(context: Context, request: Request) -> Response:
    """Keep annotations, and train the project's domain by a job when that is asked for."""
    asked = await read_json(request, WebhookRequest, context.settings.max_bulk)
    if asked.action not in (*_CHANGES, *_DELETIONS, "START_TRAINING") or asked.project is None:
        return answer({"status": "Unknown event"})
    annotations = Annotations(context.engine.store.path, project_id(asked.project.id), context.settings.max_lines)
    given = asked.annotations if isinstance(asked.annotations, list) else [asked.annotation]
    given = [one for one in given if isinstance(one, dict) and "id" in one]
    if asked.action in _DELETIONS:
        await asyncio.to_thread(annotations.remove, given)
        return answer({"result": {}, "status": "ok"}, 201)
    if asked.action in _CHANGES:
        if given and asked.project.label_config and isinstance(asked.task, dict):
            labelling = labelling_of(asked.project.label_config)
            await asyncio.to_thread(annotations.add, given, asked.task, labelling)
        return answer({"result": {}, "status": "ok"}, 201)
    result = await _train(context, asked.project, annotations)
    return answer({"result": result, "status": "ok"}, 201)


async def _train(context: Context, project: Project, annotations: Annotations) -> dict[str, Any]:
    if project.label_config is None:
        raise ProblemError(422, "invalid", "training needs the project's labelling configuration")
    labelling = labelling_of(project.label_config)
    sentences = await asyncio.to_thread(annotations.sentences, labelling)
    if not sentences:
        raise ProblemError(422, "invalid", "nothing to learn from: no annotation has been sent yet")
    dev = sentences[::5] if len(sentences) >= _LEAST_FOR_DEV else []
    train = [one for i, one in enumerate(sentences) if not dev or i % 5]
    name = f"ls-{project_id(project.id)}"
    asked = JobRequest("fit", name, corpus=Splits(train, dev), types=list(labelling.types), sources="auto")
    job = await submit(context, asked)
    return {"job": job.record.id, "sentences": len(sentences)}


def project_id(project: str | int | None) -> str:
    """The number of a project, which Label Studio writes as `ID.TIMESTAMP` too."""
    match = re.match(r"[A-Za-z0-9_-]{1,40}", str(project or ""))
    return match[0] if match else "0"


def _domain(context: Context, project: str) -> str | None:
    trained = f"ls-{project}"
    if trained in context.engine.store:
        return trained
    noted: str | None = context.notes.get(("label-studio", project))
    return noted if noted is not None and noted in context.engine.store else None


def _version(context: Context, domain: str | None) -> str:
    """Changes with every training, so that Label Studio asks again."""
    return model_version(domain, context.engine.fingerprint if domain is None else context.engine.version(domain))


_ROOT = "/label-studio"
ENDPOINTS = [
    Endpoint("GET", _ROOT, health, "open", result=dict),
    Endpoint("GET", f"{_ROOT}/health", health, "open", result=dict),
    Endpoint("GET", f"{_ROOT}/metrics", no_metrics, "open", result=dict),
    Endpoint("POST", f"{_ROOT}/setup", setup, body=SetupRequest, result=dict, errors=(404, 422)),
    Endpoint(
        "POST", f"{_ROOT}/predict", predict, body=TasksRequest, result=dict, errors=(404, 413, 422, 429, 503, 504)
    ),
    Endpoint(
        "POST", f"{_ROOT}/webhook", webhook, "admin", body=WebhookRequest, result=dict, status=201,
        errors=(200, 413, 422, 429, 503),
    ),
]  # fmt: skip
