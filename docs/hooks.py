"""Parts of the pages that are made from the source, so that they can't go stale.

A line `<!-- make: NAME ARGUMENT -->` of a page is replaced by what the function NAME of `MAKERS` returns.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import architecture
import click

_MARK = re.compile(r"^<!-- make: (\w+) ?(\S*) -->$", re.MULTILINE)
_SOURCE_LINK = re.compile(r"\[([^\]]+)\]\((?:\.\./)+(?:src/|tests/|CONTRIBUTING)[^)]*\)")
_WIDTH = 100  # columns of help texts


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in a page; mkdocs calls this by its name. Links to source files, which the site lacks, become plain."""
    markdown = _SOURCE_LINK.sub(r"\1", markdown)
    return _MARK.sub(lambda mark: MAKERS[mark[1]](*filter(None, [mark[2]])), markdown)


def commands() -> str:
    """The help of every command."""
    from cpner.cli import main

    context = click.Context(main, info_name="cpner", terminal_width=_WIDTH, **main.context_settings)
    return "\n\n".join(f"## {path}\n\n```text\n{text}\n```" for path, text in _helps(main, context))


def _helps(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _helps(child, click.Context(child, parent=context, info_name=name))


def settings(place: str) -> str:
    """The settings of a dataclass: name, default, and the comment beside it."""
    kind = _find(place)
    comments = dict(re.findall(r"^    (\w+): .*?  # (.*)$", inspect.getsource(kind), re.MULTILINE))
    rows = []
    for field in fields(kind):
        value = field.default if field.default_factory is MISSING else field.default_factory()
        if not is_dataclass(value):
            shown = "none" if value is None else json.dumps(value)
            rows.append((f"`{field.name}`", f"`{shown}`", comments.get(field.name, "")))
    return _table(("setting", "default", "meaning"), rows)


def attributes(place: str) -> str:
    """The attributes that a class's docstring lists."""
    listed = (inspect.getdoc(_find(place)) or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    rows = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", listed, re.MULTILINE)
    return _table(("field", "what it is"), [(f"`{name}`", " ".join(text.split())) for name, text in rows])


def datasets() -> str:
    """The public datasets."""
    from cpner.corpus.public import datasets as known

    rows = [
        (
            f"`{name}`",
            dataset.title,
            ", ".join(f"{split} {file.sentences:,}" for split, file in dataset.files.items()),
            str(len(dataset.types)),
            dataset.licence,
        )
        for name, dataset in known().items()
    ]
    return _table(("name", "dataset", "sentences", "types", "licence"), rows)


_OWN = "files that cpner writes, and hand-made ones"
_MADE = "hand-made files of its keys"
_WORDS = "blanks of the text, entities inside words"
_NAMES = "names of types that rules change, told"
_LEFT_OUT = "relations"
FORMATS = {  # what does not come through, and what it was tested on
    "argilla": ("drafts, suggestions, further responses", _MADE),
    "azure": ("which data set a document is of", _MADE),
    "bioc": (f"{_LEFT_OUT}, gaps in entities", "files that `bioc` writes"),
    "brat": (f"{_LEFT_OUT}, events, attributes, gaps in entities; line ends, {_NAMES}", _OWN),
    "comprehend": ("nothing; an entity list is refused, as it has no sentences", _MADE),
    "conll": (f"{_WORDS}; other columns", "public datasets, and Label Studio's export, which loses labels"),
    "conllu": ("other columns", _MADE),
    "csv": (f"{_WORDS}, {_NAMES}", _OWN),
    "docbin": (f"groups of spans; entities inside words, {_NAMES}", "files that spaCy writes"),
    "doccano": (_LEFT_OUT, _OWN),
    "gliner": (_WORDS, _OWN),
    "gliner2": ("which of several mentions is meant; classes and relations", _MADE),
    "huggingface": (f"{_WORDS}, {_NAMES}", "files that `datasets` writes, which reads ours"),
    "jsonl": ("nothing", _OWN),
    "label-studio": (f"further annotations of a task, {_LEFT_OUT}", "files that `label-studio-sdk` converts from ours"),
    "prodigy": ("answers that judge one entity alone, or that were not accepted", _OWN),
    "pubtator": (f"{_LEFT_OUT}, identifiers", _MADE),
    "sagemaker": ("confidences", _MADE),
    "spacy": ("words of the tokenizer", _MADE),
    "tokens": (_WORDS, _OWN),
    "uie": (f"{_LEFT_OUT}, events, gaps in entities", _MADE),
    "uima": ("other layers, annotations without a type", "files that `dkpro-cassis` writes"),
    "vertex": ("texts that lie in Google's cloud", _MADE),
    "zip": ("the same text in a further file", "archives of these files"),
}


def formats() -> str:
    """The formats of corpora."""
    from cpner.corpus import formats as known

    rows = [
        (f"`{name}`", about.about, "yes", "yes" if about.write else "no", *FORMATS[name])
        for name, about in known.FORMATS.items()
    ]
    return _table(("format", "what it is", "read", "written", "what is lost", "tested on"), rows)


def errors() -> str:
    """The classes of errors."""
    from cpner.errors import CpnerError

    rows = [
        (f"`{kind.__name__}`", f"`{kind.__bases__[1].__name__}`", (inspect.getdoc(kind) or "").splitlines()[0])
        for kind in CpnerError.__subclasses__()
        if kind.__module__ == CpnerError.__module__
    ]
    return _table(("error", "is also a", "when"), rows)


def sizes() -> str:
    """The sizes that a backbone can be pretrained in, with their parameters."""
    import torch

    from cpner.backbone.t5 import T5, T5Shape
    from cpner.pretraining.config import SIZES, PretrainConfig

    rows = []
    for name, shape in SIZES.items():
        with torch.device("meta"):
            t5 = T5(T5Shape(vocab_size=PretrainConfig().vocabulary, **shape))
        parameters = sum(p.numel() for p in t5.parameters())
        rows.append((f"`{name}`", *map(str, shape.values()), f"{parameters / 1e6:.1f} million"))
    return _table(("size", *(f"`{key}`" for key in next(iter(SIZES.values()))), "parameters"), rows)


def strategies() -> str:
    """The strategies of transfer."""
    from cpner.transfer.strategies import STRATEGIES, summary

    return _table(("strategy", "what it does"), [(f"`{name}`", summary(name)) for name in STRATEGIES])


MAKERS: dict[str, Callable[..., str]] = {
    "attributes": attributes,
    "commands": commands,
    "datasets": datasets,
    "errors": errors,
    "formats": formats,
    "rooms": architecture.rooms,
    "settings": settings,
    "sizes": sizes,
    "strategies": strategies,
    "way": architecture.way,
}


def _find(place: str) -> Any:
    """The object at `module:name`."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
