from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cpner.corpus import Corpus
from cpner.corpus.public import datasets
from cpner.corpus.repairs import Repairs
from cpner.corpus.type_names import TypeNameError, check_words, name_types, words_of
from cpner.errors import CorpusError


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("PER", "person"),
        ("ORG", "organization"),
        ("LOC", "location"),
        ("MISC", "miscellaneous"),
        ("misc", "miscellaneous"),
        ("GPE", "geopolitical entity"),
        ("organisation", "organization"),
        ("Restaurant_Name", "restaurant name"),
        ("politicalParty", "political party"),
        ("TVShow", "tv show"),
        ("work-of-art", "work of art"),
        ("WORK_OF_ART", "work of art"),
        ("f(x):y", "f x y"),
        ("политическаяПартия", "политическая партия"),
        ("already in words", "already in words"),
    ],
)
def test_codes_become_words(code, words):
    assert words_of(code) == words


@given(st.text(min_size=1))
def test_words_of_words_are_the_same(code):
    words = words_of(code)

    assert words_of(words) == words


@given(st.sets(st.text("aBR_-: (O", min_size=1), max_size=6))
def test_names_are_distinct_and_fit_the_template(codes):
    assume(all(words_of(code) for code in codes))

    names = name_types(codes)

    assert names.keys() == codes
    for one, other in itertools.combinations(codes, 2):
        assert (names[one] == names[other]) == (form(one) == form(other))
    assert all(check_words(words) for words in names.values())


def form(code: str) -> str:
    """What of a code remains without case and the signs between words."""
    return "".join(sign for sign in code.lower() if sign not in " _-:()/.") or code


def test_codes_with_the_same_words_stay_apart_and_are_told():
    repairs = Repairs()

    names = name_types(["ORG", "organization"], repairs=repairs)

    assert names == {"ORG": "org", "organization": "organization"}
    assert repairs == {"type 'ORG' named 'org': 'organization' is 'organization'": 1}


def test_codes_that_differ_in_form_alone_are_one_type_and_told():
    repairs = Repairs()

    names = name_types(
        Counter({"Company_Name": 1, "company-name": 3, "COMPANY NAME": 2, "company\u200bname": 1}), repairs=repairs
    )

    assert set(names.values()) == {"company name"}
    assert repairs.total() == 3
    assert (
        "type 'Company_Name' read as 'company-name', from which it differs in case, blanks or hyphens alone" in repairs
    )


def test_the_frequent_code_keeps_the_name():
    assert name_types(Counter(LOC=1, LOCATION=1026)) == {"LOC": "loc", "LOCATION": "location"}


def test_names_of_the_user_merge_types():
    assert name_types(["PER", "ORG"], {"PER": "who", "ORG": "who"}) == {"PER": "who", "ORG": "who"}


@pytest.mark.parametrize("code", ["EU body", "e-mail user", "Political Party"])
def test_a_code_in_words_is_kept(code):
    assert name_types([code]) == {code: code}


def test_half_a_surrogate_pair_is_no_name():
    with pytest.raises(CorpusError, match=r"'p\\ud800x' .*can't name a type"):
        name_types(["p\ud800x"])


def test_names_of_the_user_win():
    types = {"programlang": "language of programs", "ORG": "company", "unseen": "x"}

    assert name_types(["programlang", "ORG"], types) == {"programlang": "language of programs", "ORG": "company"}


def test_a_name_of_the_user_is_not_given_to_another_code():
    assert name_types(["PER", "person"], {"person": "person"}) == {"PER": "per", "person": "person"}


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ({"PER": "a: b"}, r"'a: b' for the type 'PER' can't name a type"),
        ({"PER": ""}, r"'' for the type 'PER' can't name a type"),
        ({"PER": "a (b)"}, "can't name a type"),
    ],
)
def test_names_of_the_user_are_checked(types, message):
    with pytest.raises(CorpusError, match=message):
        name_types(["PER", "ORG"], types)


def test_code_without_a_letter_asks_for_a_name():
    with pytest.raises(CorpusError, match="'' for the type '::' can't name a type"):
        name_types(["::"])
    assert name_types(["::"], {"::": "colon"}) == {"::": "colon"}


@pytest.mark.parametrize("dataset", datasets().values(), ids=datasets())
def test_datasets_have_names_of_their_own(dataset):
    assert name_types(dataset.types) == dataset.types
    assert name_types(list(dataset.types)[:3]) == {code: dataset.types[code] for code in list(dataset.types)[:3]}


def test_datasets_agree_on_the_words_of_shared_codes():
    words: dict[str, set[str]] = {}
    for dataset in datasets().values():
        for code, name in dataset.types.items():
            words.setdefault(code, set()).add(name)

    assert all(len(names) == 1 for names in words.values())


def test_ratings_are_two_types():
    assert name_types(["RATING", "RATINGS_AVERAGE", "YEAR"]) == {
        "RATING": "age rating",
        "RATINGS_AVERAGE": "viewer rating",
        "YEAR": "year",
    }


def test_corpus_has_types_in_words_and_the_mapping(write):
    corpus = Corpus.read(
        write("train.txt", "x B-politicalparty\ny B-organisation\n"), types={"politicalparty": "party"}
    )

    assert [span.type for span in corpus.train[0].spans] == ["party", "organization"]
    assert corpus.type_names == {"organisation": "organization", "politicalparty": "party"}


def test_a_name_for_a_type_that_is_not_there_is_told_where_another_was_meant():
    with pytest.warns(UserWarning, match=r"the type 'politican', which no entity has\. Did you mean 'politician'\?"):
        names = name_types(["politician"], {"politican": "statesman"})

    assert names == {"politician": "politician"}
    assert name_types(["ORG"], {"ORG": "company", "GENE": "gene"}) == {"ORG": "company"}  # of another corpus


def test_a_name_has_an_end():
    assert check_words("a" * 200) == "a" * 200
    with pytest.raises(TypeNameError, match="at most 200 characters"):
        check_words("a" * 201)
