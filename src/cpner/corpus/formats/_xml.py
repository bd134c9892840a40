"""XML without the parts of it that can harm: no entities of its own, no files from elsewhere, bounded depth."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from cpner.errors import CorpusError

_DEEPEST = 100  # elements inside each other; annotation formats have ten


def parse_xml(data: bytes, path: Path) -> Element:
    """The root of a document; names are "NAMESPACE}NAME", or "NAME" without a namespace.

    Raises:
        CorpusError: It is no XML, defines entities, or nests deeper than any format does.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    depth = 0

    def refuse(*_: object) -> None:
        raise CorpusError("defines entities, which no tool writes", path=path, line=parser.CurrentLineNumber)

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise CorpusError(f"nests more than {_DEEPEST} elements", path=path, line=parser.CurrentLineNumber)
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, CorpusError):
            raise
        raise CorpusError(f"is no XML: {error}", path=path) from error
    return builder.close()
