"""What tests of corpora share."""

from __future__ import annotations

from cpner.corpus import Corpus, Sentence, Span

LINE = "EU\tB-ORG\nsays\tO\n"  # a whole file in CoNLL's format


def sentence(*types: str) -> Sentence:
    """A sentence with an entity of each type."""
    return Sentence.from_words(["w"] * (len(types) + 1), [Span(i, i + 1, type_) for i, type_ in enumerate(types)])


ENTITY = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity"
TEXT = "\U0001f600 Ida Storm left Lund."
NAMES = [("person", "Ida Storm"), ("place", "Lund")]
MARKS = [(2, 11, "person"), (17, 21, "place")]
UTF16 = [(3, 12, "person"), (18, 22, "place")]  # a browser and Java count two units for the first sign


def names(corpus: Corpus) -> list[tuple[str, str]]:
    """The types and texts of all entities of the train split."""
    return [(entity.type, entity.text) for sentence in corpus.train for entity in sentence.entities]


def xmi(inside: str, text: str = "Ida left.") -> str:
    """A document of UIMA with these annotations."""
    return (
        '<?xml version="1.0"?><xmi:XMI xmlns:xmi="http://www.omg.org/XMI" xmlns:cas="http:///uima/cas.ecore" '
        'xmlns:ner="http:///de/tudarmstadt/ukp/dkpro/core/api/ner/type.ecore" xmi:version="2.0">'
        f'{inside}<cas:Sofa xmi:id="1" sofaNum="1" sofaString="{text}"/></xmi:XMI>'
    )
