"""Whether what a caller gives is a corpus, and a text is one."""

from __future__ import annotations

from cpner.corpus.corpus import Corpus
from cpner.corpus.sentence import Sentence
from cpner.errors import ConfigError, CorpusError


def check_corpus(corpus: object) -> None:
    """Refuse anything else in the place of a corpus, as the path of one.

    Raises:
        ConfigError: It is no corpus.
    """
    if not isinstance(corpus, Corpus):
        raise ConfigError(f"expected a Corpus, got {corpus!r}; Corpus.read(path) reads one")


def sentence_of(text: str) -> Sentence:
    """The words of a text.

    Raises:
        CorpusError: it is no Unicode.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CorpusError(
            f"character {error.start} of a text is half of a surrogate pair, which is no letter"
        ) from error
    return Sentence.from_text(text)
