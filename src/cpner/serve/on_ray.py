"""The same application as a deployment of Ray Serve, for those who outgrow one machine; needs the extra `ray`.

Example:
    >>> from ray import serve  # doctest: +SKIP
    >>> serve.run(application("/shared/store", replicas=4))  # doctest: +SKIP
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import serve
from starlette.types import ASGIApp

from cpner.ner import CPNER
from cpner.serve.app import make_app
from cpner.serve.settings import ServeSettings


def application(
    store: str | Path,
    settings: ServeSettings | None = None,
    *,
    backbone: str = "cpner-mini",
    replicas: int = 2,
    **options: Any,
) -> serve.Application:
    """Replicas that share a store, which all of them must reach under the same path.

    Args:
        store: folder of the domains.
        settings: of each replica; None for the defaults. Its host and port are Ray's to choose.
        backbone: of all domains.
        replicas: how many.
        options: further options of `ray.serve.deployment`, such as `ray_actor_options={"num_gpus": 1}`.
    """
    chosen = settings or ServeSettings()

    def build() -> ASGIApp:
        ner = CPNER.load(backbone, store=store)
        return make_app(ner, Path(store), chosen)[0]

    deployment = serve.deployment(
        serve.ingress(build)(),
        name="cpner",
        num_replicas=replicas,
        max_ongoing_requests=chosen.max_concurrent_requests,
        graceful_shutdown_timeout_s=chosen.grace,
        **options,
    )
    return deployment.bind()
