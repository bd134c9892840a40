"""Label Studio's labelling configuration, as commands take it that give its tasks predictions."""

from __future__ import annotations

from pathlib import Path

import click

from cpner.annotation.texts import TEXT
from cpner.cli.options import FILE
from cpner.corpus.labelling import Labelling, read_labelling
from cpner.errors import ConfigError
from cpner.files import read_small

label_config_option = click.option(
    "--label-config", type=FILE, metavar="FILE",
    help="The labelling configuration of a project in Label Studio, whose labels are the types to look for.",
)  # fmt: skip


def chosen_labelling(file: Path | None, text_key: str, types: tuple[str, ...]) -> Labelling:
    """How regions are named: as the file says, if it suits the other options; by default as in files of cpner.

    Raises:
        ConfigError: The file is no labelling configuration.
        UsageError: It labels another text, or has no label for a type.
    """
    if file is None:
        return Labelling(text_key=text_key)
    try:
        labelling = read_labelling(read_small(file))
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error
    if text_key not in (TEXT, labelling.text_key):
        raise click.UsageError(f"--text-key {text_key} is not what {file} labels: ${labelling.text_key}")
    if unknown := [type for type in types if type not in labelling.labels]:
        raise click.UsageError(f"{file} has no label for {unknown[0]!r}; it has {', '.join(labelling.types)}")
    return labelling


def asked_types(labelling: Labelling, types: tuple[str, ...], learnt: list[str] | None) -> tuple[str, ...]:
    """The types to look for: those that were named, else the labels; none if that is what the domain learnt.

    Args:
        labelling: With labels, or none.
        types: That were named.
        learnt: By the domain, in its order; None without a domain.
    """
    types = types or labelling.types
    return () if labelling.labels and learnt is not None and set(types) == set(learnt) else types
