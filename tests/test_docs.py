"""The documentation keeps up with the code: examples compile, command lines parse, links lead somewhere."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

import cpner
from cpner.cli import main
from tests.support import random_prefix

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
ROOT_PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md")]
USER_PAGES = [page for page in sorted(DOCS.glob("*.md")) if page.name != "results.md"]  # which is made from results
PAGES = [*ROOT_PAGES, *sorted(DOCS.rglob("*.md"))]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^    (cpner .*)$", re.MULTILINE)
_INLINE = re.compile(r"(?<!`)`(cpner [^`]+)`(?!`)")
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
EXTRAS = {"spacy", "presidio_analyzer", "haystack"}  # libraries that examples use
_SEPARATORS = re.compile(r"&&|\|\||[|;<>]")

sys.path.insert(0, str(DOCS))
architecture = importlib.import_module("architecture")
hooks = importlib.import_module("hooks")


def filled(page: Path) -> str:
    """A page as it is built, but for the parts that mkdocstrings makes."""
    return str(hooks.on_page_markdown(page.read_text("utf-8")))


def whole_commands(text: str) -> Iterator[str]:
    """The command lines in blocks, without the pipes and redirections around them."""
    blocks = [body for language, body in _BLOCK.findall(text) if language in ("sh", "text")]
    for line in "\n".join([*blocks, *_INDENTED.findall(text)]).replace("\\\n", " ").splitlines():
        for part in _split(line):
            if part[:1] == ["cpner"]:
                yield shlex.join(part)


def _split(line: str) -> Iterator[list[str]]:
    part: list[str] = []
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # output of a command, with an apostrophe in it
        return
    for word in words:
        if _SEPARATORS.fullmatch(word):
            yield part
            part = []
        else:
            part.append(word)
    yield part


def check(line: str, *, whole: bool) -> None:
    """Parse a command line without running it; files need not exist.

    Args:
        line: Begins with `cpner`.
        whole: Whether all that the command requires must be there.
    """
    command: click.Command = main
    context = click.Context(main, info_name="cpner")
    words = shlex.split(line)[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"no command {name!r} in {line!r}"
        command, context = found, click.Context(found, parent=context, info_name=name)
    assert not (isinstance(command, click.Group) and whole and not words), f"{line!r} names no command of the group"
    values, rest, _ = command.make_parser(context).parse_args(list(words))
    assert not rest, f"{rest} are too many in {line!r}"
    for parameter in command.params:
        value = values.get(parameter.name)
        given = bool(value) if isinstance(value, str | list | tuple | bool) else False
        if given and not isinstance(parameter.type, click.Path):
            parameter.process_value(context, value)
        helping = any(values.get(name) is True for name in ("help", "version"))
        assert given or helping or not (whole and parameter.required), f"{line!r} lacks {parameter.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples_compile(page: Path) -> None:
    for language, body in _BLOCK.findall(page.read_text("utf-8")):
        if language == "python":
            ast.parse(body)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples_import_what_exists(page: Path) -> None:
    for language, body in _BLOCK.findall(page.read_text("utf-8")):
        if language == "python":
            for node in ast.walk(ast.parse(body)):
                if isinstance(node, ast.ImportFrom) and node.module:
                    module = import_or_skip(node.module)
                    assert all(hasattr(module, name.name) for name in node.names), ast.unparse(node)


def import_or_skip(name: str) -> ModuleType:
    """A module; the test is skipped if it needs a library of an extra that is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name in EXTRAS:
            pytest.skip(f"{error.name} is not installed")
        raise


@pytest.mark.slow
def test_examples_of_integrations_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ner = cpner.CPNER.load(store="store")
    for seed, name in enumerate(("news", "politics")):
        ner.add(name, random_prefix(ner.backbone.t5.shape, 3, seed=seed), ["person", "organization", "event"])
    ner.save()
    monkeypatch.setenv("HAYSTACK_TELEMETRY_ENABLED", "False")
    for library in sorted(EXTRAS):
        pytest.importorskip(library)

    blocks = [body for language, body in _BLOCK.findall((DOCS / "integrations.md").read_text("utf-8"))
              if language == "python"]  # fmt: skip
    assert len(blocks) == 4
    for block in blocks:
        exec(compile(block, "integrations.md", "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_command_lines_parse(page: Path) -> None:
    text = filled(page)

    for line in whole_commands(text):
        check(line, whole=True)
    for line in _INLINE.findall(_BLOCK.sub("", text)):
        check(line, whole=False)


@pytest.mark.parametrize(
    "line",
    [
        "cpner warm-upp sample:news",
        "cpner warm-up sample:news --domain news --stor store",
        "cpner warm-up sample:news --domain news",
        "cpner warm-up sample:news more --domain news --store store",
        "cpner corpora convert in out --format connl",
        "cpner transfer sample:music --target music --sources , --store store",
        "cpner domains",
    ],
)
def test_wrong_command_lines_are_found(line: str) -> None:
    with pytest.raises((AssertionError, click.ClickException)):
        check(line, whole=True)


def test_command_lines_are_found_in_blocks_and_pipes() -> None:
    text = (
        '```sh\ncat x | cpner predict --types a,b > out\ncpner \\\n  demo # all\n```\n\n    cpner a && cpner b "c d"\n'
    )

    assert list(whole_commands(text)) == ["cpner predict --types a,b", "cpner demo", "cpner a", "cpner b 'c d'"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(_BLOCK.sub("", page.read_text("utf-8"))):
        if "://" not in link:
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), f"{page.name} links to {link}"
            assert not anchor or anchor in anchors(target), f"{page.name} links to {link}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as mkdocs makes them."""
    titles = re.findall(r"^#+ (.*)$", _BLOCK.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


def test_readings_of_the_paper_are_all_in_the_method() -> None:
    method = (DOCS / "method.md").read_text("utf-8")
    for path in (ROOT / "src").rglob("*.py"):
        if re.search(r"^\s*Reading: ", path.read_text("utf-8"), re.MULTILINE):
            module = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
            assert f"`{module}`" in method, f"{module} settles something that docs/method.md doesn't list"


def test_modules_that_the_method_names_exist() -> None:
    for module in re.findall(r"`(cpner\.[\w.]+)`", (DOCS / "method.md").read_text("utf-8")):
        assert importlib.util.find_spec(module), module


@pytest.mark.parametrize("number", range(1, 11))
def test_each_equation_stands_on_a_line_of_code_that_the_method_names(number: int) -> None:
    places = architecture.marks().get(number, [])
    row = re.search(rf"^\| {number} \|.*$", (DOCS / "method.md").read_text("utf-8"), re.MULTILINE)

    assert places, f"no line of code ends with '# Eq. {number}'"
    assert row, f"docs/method.md has no row for Eq. {number}"
    missing = [place for place in places if not all(f"`{name}`" in row[0] for name in place)]
    assert not missing, f"the row of Eq. {number} in docs/method.md lacks {missing}"


def test_equations_are_found_behind_code_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "cpner"
    package.mkdir()
    text = "# Eq. 1\nclass A:\n    def f(self):\n        return 1  # [K] Eq. 2, 3\n\n\nx = 1  # Eq. 4 is elsewhere\n"
    (package / "a.py").write_text(text, "utf-8")
    monkeypatch.setattr(architecture, "PACKAGE", package)

    assert architecture.marks() == {2: [("cpner.a", "A.f")], 3: [("cpner.a", "A.f")]}


def test_pictures_show_all_rooms_and_stations_that_exist() -> None:
    rooms = architecture.rooms()

    for room in set().union(*architecture.layers()) - {"__init__", "__main__"}:
        assert f">{room}/<" in rooms or f">{room}.py<" in rooms
    assert "selector" in architecture.way()


@pytest.mark.parametrize("page", USER_PAGES, ids=lambda page: page.name)
def test_user_pages_are_short_and_leave_trials_to_the_notes(page: Path) -> None:
    text = page.read_text("utf-8")

    assert len(text.splitlines()) <= 130
    assert not re.search(r"\b20\d\d-\d\d", text)


def test_each_note_is_linked_by_a_user_page() -> None:
    links = {link for page in USER_PAGES for link in _LINK.findall(page.read_text("utf-8"))}

    assert {f"notes/{note.name}" for note in (DOCS / "notes").glob("*.md")} <= links


def test_no_sentence_stands_on_two_pages() -> None:
    pages: dict[str, str] = {}
    for page in [ROOT / "README.md", *USER_PAGES, *sorted((DOCS / "notes").glob("*.md"))]:
        text = " ".join(_BLOCK.sub("", page.read_text("utf-8")).split())
        for sentence in set(re.split(r"(?<=[.:;]) ", text)):
            if len(sentence.split()) > 10 and "|" not in sentence:
                assert sentence not in pages, f"{page.name} and {pages[sentence]} both say: {sentence}"
                pages[sentence] = page.name


def test_the_python_page_names_all_that_the_package_hands_out() -> None:
    text = (DOCS / "api.md").read_text("utf-8")

    assert not [name for name in cpner.__all__ if not re.search(rf"^::: cpner\.\S+\.{name}$", text, re.MULTILINE)]


@pytest.mark.parametrize("place", ["cpner.training.config:TrainingConfig", "cpner.backbone.prefix:PrefixConfig"])
def test_every_setting_says_what_it_means(place: str) -> None:
    rows = hooks.settings(place).splitlines()[2:]

    assert len(rows) > 5
    assert not [row for row in rows if row.endswith("|  |")]


def test_attributes_keep_lines_that_go_on() -> None:
    assert "`Store.save` fills it in." in hooks.attributes("cpner.store.card:DomainCard")


def test_every_command_is_documented() -> None:
    text = hooks.commands()

    assert all(f"## cpner {name}\n" in text for name in main.list_commands(click.Context(main)))
    assert "## cpner corpora sample\n" in text


@pytest.mark.slow
def test_site_builds(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    pytest.importorskip("material")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert built.returncode == 0, built.stderr[-2000:]
    outside = [
        page.name for page in tmp_path.glob("*.html") if re.search(r'src="(https?:)?//', page.read_text("utf-8"))
    ]
    assert not outside, "pages must not load anything from elsewhere"


def test_each_format_has_its_row():
    from cpner.corpus.formats import FORMATS

    assert hooks.FORMATS.keys() == FORMATS.keys()
    rows = [line.split(" | ") for line in hooks.formats().splitlines()[2:]]
    assert [row[0].strip("| `") for row in rows] == list(FORMATS)
    assert [row[3] for row in rows] == ["yes" if format_.write else "no" for format_ in FORMATS.values()]
