"""Entity types in words: "politicalparty", "PER" and "Restaurant_Name" become what the model reads as options."""

from __future__ import annotations

import itertools
import json
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import regex

from cpner.corpus.public import names_of_dataset
from cpner.corpus.repairs import Repairs
from cpner.errors import CorpusError, did_you_mean

_MOST_LETTERS = 200  # of a name; every sentence is read with the names of all types
# The template of the target owns these, terminals obey controls, and some signs show letters in another order.
_RESERVED = regex.compile(r"[():\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]")
_SEAMS = regex.compile(r"(?<=\p{Ll})(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})|[\s_\-/():.]+")  # politicalParty, TVShow
_FORMLESS = regex.compile(r"[\s_/():.\p{Cf}\p{Pd}]+")
_SURROGATE = regex.compile(r"\p{Cs}")
_WELL_KNOWN = {
    "per": "person",
    "pers": "person",
    "org": "organization",
    "organisation": "organization",
    "loc": "location",
    "gpe": "geopolitical entity",
    "misc": "miscellaneous",
    "fac": "facility",
    "norp": "nationality or political group",
    "prod": "product",
    "evt": "event",
    "corp": "corporation",
    "grp": "group",
    "cw": "creative work",
    "veh": "vehicle",
    "wea": "weapon",
    "lang": "language",
    "num": "number",
}


class TypeNameError(CorpusError):
    """A type can't be named; `code` is what the files call it."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def name_types(
    codes: Iterable[str], names: Mapping[str, str] | None = None, repairs: Repairs | None = None
) -> dict[str, str]:
    """Give each type of a corpus its words.

    A name that the user gives wins, and may be given to several codes, which then are one type. Next come the names
    that the files themselves give (`Repairs.words`). Then come the names of the public dataset whose types these are,
    well-known codes, and the general rule of `words_of`. Codes that differ in case, blanks, hyphens or invisible signs
    alone are one type, called as the most frequent is. Of two other codes that would get the same words the one that
    is spelt so keeps them, else the more frequent.

    Args:
        codes: The types as the files have them; a Counter tells how often.
        names: The user's words for some of them.
        repairs: Gains a count for each code that is read as another, or could not have the words of the rules.

    Raises:
        TypeNameError: A name is empty or holds ':' or a parenthesis.
    """
    given = dict(names or {})
    counts = codes if isinstance(codes, Counter) else Counter(dict.fromkeys(codes, 1))
    ordered = sorted(counts, key=lambda code: (-counts[code], code))
    repairs = Repairs() if repairs is None else repairs
    _warn_of_unused(given, ordered)
    result = {code: check_words(given[code], code) for code in ordered if code in given}
    leaders = _leaders(ordered, given, repairs)
    known = {**names_of_dataset(sorted(leader for leader in counts if leaders[leader] == leader)), **repairs.words}
    rest = {code: known.get(code) or words_of(code) for code in ordered if leaders[code] == code and code not in given}
    taken = {words: code for code, words in reversed(result.items())}
    for code in sorted(rest, key=lambda code: (rest[code] != code, -counts[code], code)):
        words = _free(rest[code], code, taken)
        taken[check_words(words, code)] = code
        result[code] = words
        if words != rest[code]:
            repairs.note(f"type {code!r} named {words!r}: {rest[code]!r} is {taken[rest[code]]!r}")
    return {code: result[leaders[code]] for code in sorted(counts)}


def _warn_of_unused(given: Mapping[str, str], codes: Sequence[str]) -> None:
    unnamed = sorted(code for code in codes if code not in given)
    for code in given:
        if code not in codes and (hint := did_you_mean(code, unnamed)):  # others may be meant for other corpora
            warnings.warn(f"a name is given for the type {code!r}, which no entity has.{hint}", stacklevel=4)


def _leaders(ordered: Sequence[str], given: Mapping[str, str], repairs: Repairs) -> dict[str, str]:
    """For each code the one that it is read as: itself, or a more frequent one that differs in nothing but form."""
    first: dict[str, str] = {}
    for code in sorted(ordered, key=lambda code: code not in given):
        first.setdefault(_form(code), code)
    leaders = {code: code if code in given else first[_form(code)] for code in ordered}
    for code, leader in leaders.items():
        if code != leader:
            repairs.mend(f"type {code!r} read as {leader!r}, from which it differs in case, blanks or hyphens alone")
    return leaders


def _form(code: str) -> str:
    """A code without case, blanks, hyphens and invisible signs."""
    return _FORMLESS.sub("", unicodedata.normalize("NFKC", code).casefold()) or code


def words_of(code: str) -> str:
    """Turn a code into words: parted at capitals, underscores and hyphens, lower case, well-known codes spelt out.

    A code with blanks is in words and stays as it is.
    """
    if " " in code and can_name_type(code):  # it stands in words already
        return code
    words = " ".join(part for part in _SEAMS.split(code) if part).lower()
    return _WELL_KNOWN.get(words, words)


def code_of(words: str) -> str:
    """Turn the words of a type into a code as constants have it: "political party" is `POLITICAL_PARTY`."""
    code: str = regex.sub(r"\W+", "_", words)
    return code.strip("_").upper()


def can_name_type(words: str) -> bool:
    """Whether words can stand in the target's template as a type."""
    return 0 < len(words) <= _MOST_LETTERS and words == " ".join(words.split()) and not _RESERVED.search(words)


def check_words(words: str, code: str = "") -> str:
    """Return the words of a type as they are, if they can stand in the target's template.

    Raises:
        TypeNameError: They are empty or too long, have blanks at an end or in a row, or hold ':', a parenthesis or a
            control character.
    """
    if not can_name_type(words):
        of_code = f" for the type {code[:80]!r}" if code and code != words else ""
        shown = ascii(words[:80]) if _SURROGATE.search(words) else repr(words[:80])
        raise TypeNameError(
            f"{shown}{of_code} can't name a type; expected words with single blanks between them, "
            f"without ':' and parentheses, at most {_MOST_LETTERS} characters",
            code or words,
        )
    return words


def line_with(code: str, path: Path) -> int | None:
    """The first line of a file that has a code, plainly or as JSON writes it; None of a packed or binary file."""
    written = {code.encode("utf-8", "surrogatepass"), json.dumps(code)[1:-1].encode()}
    if not path.is_file():
        return None
    with path.open("rb") as lines:
        return next((number for number, line in enumerate(lines, 1) if any(form in line for form in written)), None)


def _free(words: str, code: str, taken: Mapping[str, str]) -> str:
    """The words, or where another code has them the code itself, or the words with a number."""
    plain = " ".join(_RESERVED.sub(" ", code.replace("_", " ")).lower().split())
    candidates = itertools.chain([words, plain], (f"{words} {i}" for i in itertools.count(2)))
    return next(name for name in candidates if name not in taken)
