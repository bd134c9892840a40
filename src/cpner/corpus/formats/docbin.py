"""spaCy's DocBin (`.spacy`), read and written by spaCy itself."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

from cpner.corpus.formats._file import File
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._sentences import at_least_one, sentence_of_text
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence
from cpner.errors import CorpusError, MissingExtraError

_MOST_BYTES = 256 << 20  # unpacked


def sniff(file: File) -> str | None:
    """Tell a file by its ending."""
    return "the ending .spacy" if file.ending == ".spacy" else None


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of a file: `doc.ents`, with words cut by cpner from the text.

    Raises:
        CorpusError: It is no DocBin.
        MissingExtraError: spaCy is not installed.
    """
    spacy = _spacy(file.path.name)
    try:
        unpacking = zlib.decompressobj()
        unpacking.decompress(file.data, _MOST_BYTES)
        if unpacking.unconsumed_tail:
            raise ValueError(f"it unpacks to more than {_MOST_BYTES >> 20} MB")
        documents = spacy.tokens.DocBin().from_bytes(file.data).get_docs(spacy.blank("xx").vocab)
        labelled = [
            (document.text, _marks(document), len(list(filter(len, document.spans.values()))))
            for document in options.counted(documents, file.path, "documents")
        ]
    except Exception as error:  # zlib, msgpack and spaCy raise what they like
        raise CorpusError(f"is no DocBin: {str(error)[:200]}", path=file.path) from error
    sentences = []
    counted_texts = options.counted(labelled, file.path, "texts")
    for number, (text, marks, groups) in enumerate(counted_texts, 1):
        place = Place(file.path, number)
        repairs.note("group of spans left out", place, groups)
        sentence = sentence_of_text(text, marks, place, repairs, options)
        if sentence is not None:
            sentences.append(sentence)
    return at_least_one(sentences, file.path)


def _marks(document: Any) -> list[tuple[int, int, str]]:
    """The entities of a document of spaCy's, in characters."""
    return [(entity.start_char, entity.end_char, entity.label_) for entity in document.ents]


def write(sentences: Iterable[Sentence]) -> bytes:
    """The bytes of a DocBin, with the words of the sentences as tokens and `doc.ents`.

    Raises:
        MissingExtraError: spaCy is not installed.
    """
    spacy = _spacy("writing DocBin")
    vocab = spacy.blank("xx").vocab
    documents = []
    for sentence in sentences:
        words, spaces, first = _tokens(sentence)
        document = spacy.tokens.Doc(vocab, words=words, spaces=spaces)
        document.ents = [
            spacy.tokens.Span(document, first[start], first[end - 1] + 1, label=type_)
            for start, end, type_ in sentence.spans
        ]
        documents.append(document)
    data: bytes = spacy.tokens.DocBin(docs=documents, store_user_data=False).to_bytes()
    return data


def _tokens(sentence: Sentence) -> tuple[list[str], list[bool], list[int]]:
    """Tokens that give the text back, white space beyond single blanks as tokens, and which each word is."""
    words: list[str] = []
    spaces: list[bool] = []
    first: list[int] = []
    text = sentence.text
    at = 0
    for start, end in [*sentence.words, (len(text), len(text))]:
        gap = text[at:start]
        if gap.startswith(" ") and words:
            spaces[-1] = True
            gap = gap[1:]
        if gap:
            words.append(gap)
            spaces.append(False)
        if start < end:
            first.append(len(words))
            words.append(text[start:end])
            spaces.append(False)
        at = end
    return words, spaces, first


def _spacy(feature: str) -> Any:
    try:
        import spacy
        import spacy.tokens
    except ImportError as error:
        raise MissingExtraError(feature, "formats") from error
    return spacy
