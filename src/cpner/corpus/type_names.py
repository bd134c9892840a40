"""Entity types in words: "politicalparty", "PER" and "Restaurant_Name" become what the model reads as options."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping

import regex

from cpner.corpus.public import names_of_dataset
from cpner.corpus.repairs import Repairs
from cpner.errors import CorpusError, did_you_mean

_RESERVED = regex.compile(r"[():\p{Cc}]")  # the template of the target owns these, and terminals obey controls
_SEAMS = regex.compile(r"(?<=\p{Ll})(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})|[\s_\-/():.]+")  # politicalParty, TVShow
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


def name_types(
    codes: Iterable[str], names: Mapping[str, str] | None = None, repairs: Repairs | None = None
) -> dict[str, str]:
    """Give each type of a corpus its words, no two the same.

    A name that the user gives wins, then the own names of the public dataset whose types these are,
    then well-known codes and the general rule of `words_of`. Of two codes that would get the same words the one
    that is spelt so keeps them.

    Args:
        codes: The types as the files have them.
        names: The user's words for some of them.
        repairs: Gains a count for each code that could not have the words of the rules.

    Raises:
        CorpusError: A name is empty or holds ':' or a parenthesis, or the user gives two codes the same.
    """
    given, ordered = dict(names or {}), sorted(set(codes))
    unnamed = [code for code in ordered if code not in given]
    for code in given:
        if code not in ordered and (hint := did_you_mean(code, unnamed)):  # others may be meant for other corpora
            warnings.warn(f"a name is given for the type {code!r}, which no entity has.{hint}", stacklevel=3)
    own = names_of_dataset(ordered)
    taken: dict[str, str] = {}  # words: code
    for code in ordered:
        if code in given:
            other = taken.setdefault(check_words(given[code], code), code)
            if other != code:
                raise CorpusError(
                    f"{other!r} and {code!r} are both named {given[code]!r}; each type needs its own name"
                )
    rest = {code: own.get(code) or words_of(code) for code in unnamed}
    for code in sorted(rest, key=lambda code: (rest[code] != code, code)):
        words = _free(rest[code], code, taken)
        taken[check_words(words, code)] = code
        if words != rest[code] and repairs is not None:
            repairs[f"type {code!r} named {words!r}: {rest[code]!r} is {taken[rest[code]]!r}"] += 1
    by_code = {code: words for words, code in taken.items()}
    return {code: by_code[code] for code in ordered}


def words_of(code: str) -> str:
    """Turn a code into words: parted at capitals, underscores and hyphens, lower case, well-known codes spelt out."""
    words = " ".join(part for part in _SEAMS.split(code) if part).lower()
    return _WELL_KNOWN.get(words, words)


def can_name_type(words: str) -> bool:
    """Whether words can stand in the target's template as a type."""
    return bool(words) and words == " ".join(words.split()) and not _RESERVED.search(words)


def check_words(words: str, code: str = "") -> str:
    """Return the words of a type as they are, if they can stand in the target's template.

    Raises:
        CorpusError: They are empty, have blanks at an end or in a row, or hold ':', a parenthesis or a control
            character.
    """
    if not can_name_type(words):
        of_code = f" for the type {code!r}" if code and code != words else ""
        raise CorpusError(
            f"{words!r}{of_code} can't name a type; expected words with single blanks between them, "
            "without ':' and parentheses"
        )
    return words


def _free(words: str, code: str, taken: Mapping[str, str]) -> str:
    """The words, or where another code has them the code itself, or the words with a number."""
    plain = " ".join(_RESERVED.sub(" ", code.replace("_", " ")).lower().split())
    candidates = [words, plain, *(f"{words} {i}" for i in range(2, len(taken) + 3))]
    return next(name for name in candidates if name not in taken)
