"""Pages of HTML, from the templates in the folder beside this module. Values are escaped."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")


def render_page(template: str, **values: Any) -> str:
    """A page as text.

    Args:
        template: The name of a template without its ending, as `demo`.
        values: What the template shows.
    """
    return "".join(stream_page(template, **values))


def stream_page(template: str, **values: Any) -> Iterator[str]:
    """A page piece by piece; values that are iterators are read as the page grows, so that a long one needs no memory.

    Args:
        template: The name of a template without its ending, as `demo`.
        values: What the template shows.
    """
    yield from _environment().get_template(f"{template}.html.j2").generate(**values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("cpner.show"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["figure"] = lambda value, digits: f"{value:.{digits}f}"
    environment.filters["number"] = lambda count: _NUMBERS[count] if count < len(_NUMBERS) else str(count)
    return environment
