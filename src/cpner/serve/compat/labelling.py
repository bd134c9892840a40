"""The labelling configuration in a request of Label Studio."""

from __future__ import annotations

from cpner.corpus.labelling import Labelling, read_labelling
from cpner.errors import ConfigError
from cpner.serve.problems import ProblemError


def labelling_of(config: str) -> Labelling:
    """Read the labelling configuration of a request.

    Raises:
        ProblemError: 422, it is no XML, or has no labels for a text.
    """
    try:
        return read_labelling(config)
    except ConfigError as error:
        raise ProblemError(422, "invalid", str(error), path="$.label_config") from error
