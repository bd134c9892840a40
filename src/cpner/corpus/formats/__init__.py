"""The formats that corpora are read and written in, and which one a file has."""

from __future__ import annotations

from pathlib import Path

from cpner.corpus.formats import (
    archive,
    argilla,
    azure,
    bioc,
    brat,
    comprehend,
    conll,
    conllu,
    csv,
    docbin,
    doccano,
    gliner,
    huggingface,
    jsonl,
    label_studio,
    prodigy,
    pubtator,
    sagemaker,
    spacy,
    tokens,
    uie,
    uima,
    vertex,
)
from cpner.corpus.formats._file import LONGEST_LINE, File, open_lines, packing, unpacked_name
from cpner.corpus.formats._format import Format
from cpner.corpus.formats._options import OVERLAPS, Options
from cpner.corpus.formats._records import changed_names
from cpner.corpus.repairs import Repairs
from cpner.corpus.sentence import Sentence
from cpner.errors import ConfigError, did_you_mean

__all__ = [
    "FORMATS",
    "LONGEST_LINE",
    "OVERLAPS",
    "WRITTEN",
    "File",
    "Format",
    "Options",
    "detect",
    "get_format",
    "get_written",
    "open_lines",
    "packing",
    "parse",
    "unpacked_name",
]


def detect(file: File) -> tuple[Format, str]:
    """Tell a file's format, and why it is that one.

    Raises:
        CorpusError: A JSON record could be of two formats, or the file is no text.
    """
    for format_ in _ALL:
        reason = format_.sniff(file)
        if reason is not None:
            return format_, reason
    raise AssertionError("conll takes what no other format does")


def _read_any(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read a file in the format that it has."""
    return detect(file)[0].read(file, options, repairs)


# In this order files are tried; those with rules of their own first. To add a format: a module, and a row here.
_ALL = (
    Format("zip", "an export with files of any of these formats", "(binary)",
           archive.sniff, archive.reader(_read_any), binary=True),
    Format(
        "docbin", "spaCy's DocBin, by spaCy itself", "(binary)",
        docbin.sniff, docbin.read, docbin.write, ".spacy", binary=True, words=True, losses=changed_names,
    ),
    Format(
        "huggingface", "words and tags of datasets: JSON lines, parquet, arrow",
        '{"tokens": ["Vane", "left"], "ner_tags": ["B-person", "O"]}',
        huggingface.sniff, huggingface.read, huggingface.write, words=True, losses=huggingface.losses,
    ),
    Format(
        "brat", "a text in NAME.txt, its entities in NAME.ann", "T1\tperson 0 4\tVane",
        brat.sniff, brat.read, brat.write, ".txt", losses=brat.losses, beside={".ann": brat.write_marks},
    ),
    Format(
        "label-studio", "the exports JSON and JSON-MIN",
        '[{"data": {"text": "Vane left."}, "annotations": [{"result": [{"type": "labels", "value": '
        '{"start": 0, "end": 4, "labels": ["person"]}}]}]}]',
        label_studio.sniff, label_studio.read, label_studio.write, ".json",
    ),
    Format(
        "uima", "CAS of INCEpTION and WebAnno: JSON and XMI",
        '{"%FEATURE_STRUCTURES": [{"%ID": 1, "%TYPE": "uima.cas.Sofa", "sofaString": "Vane left."}, {"@sofa": 1, '
        '"%TYPE": "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity", "begin": 0, "end": 4, "value": "person"}]}',
        uima.sniff, uima.read,
    ),
    Format(
        "bioc", "passages of BioC: XML and JSON",
        '{"documents": [{"passages": [{"offset": 0, "text": "Vane left.", "annotations": [{"infons": '
        '{"type": "person"}, "text": "Vane", "locations": [{"offset": 0, "length": 4}]}]}]}]}',
        bioc.sniff, bioc.read,
    ),
    Format(
        "azure", "a project of Azure Language, with its texts beside",
        '{"assets": {"documents": [{"location": "vane.txt", "entities": [{"labels": '
        '[{"category": "person", "offset": 0, "length": 4}]}]}]}}',
        azure.sniff, azure.read,
    ),
    Format(
        "comprehend", "annotations of AWS Comprehend, with the texts beside",
        "File,Line,Begin Offset,End Offset,Type\nvane.txt,0,0,4,person",
        comprehend.sniff, comprehend.read,
    ),
    Format(
        "vertex", "JSON lines of Vertex AI and AutoML",
        '{"textContent": "Vane left.", "textSegmentAnnotations": '
        '[{"startOffset": 0, "endOffset": 4, "displayName": "person"}]}',
        vertex.sniff, vertex.read,
    ),
    Format(
        "uie", "what UIE and B2NER learn from",
        '{"tokens": ["Vane", "left"], "entity": [{"type": "person", "offset": [0], "text": "Vane"}]}',
        uie.sniff, uie.read,
    ),
    Format(
        "argilla", "records with fields and responses",
        '{"fields": {"text": "Vane left."}, "responses": {"spans": [{"value": '
        '[{"start": 0, "end": 4, "label": "person"}], "status": "submitted"}]}}',
        argilla.sniff, argilla.read,
    ),
    Format(
        "sagemaker", "the manifest of Ground Truth",
        '{"source": "Vane left.", "job": {"annotations": {"entities": '
        '[{"startOffset": 0, "endOffset": 4, "label": "person"}]}}, "job-metadata": {}}',
        sagemaker.sniff, sagemaker.read,
    ),
    Format(
        "prodigy", "spans, tokens and an answer",
        '{"text": "Vane left.", "spans": [{"start": 0, "end": 4, "label": "person"}], "answer": "accept"}',
        prodigy.sniff, prodigy.read, prodigy.write,
    ),
    Format(
        "doccano", "text with triples", '{"text": "Vane left.", "label": [[0, 4, "person"]]}',
        doccano.sniff, doccano.read, doccano.write,
    ),
    Format(
        "spacy", "JSON of spaCy: documents, pairs, paragraphs", '[["Vane left.", {"entities": [[0, 4, "person"]]}]]',
        spacy.sniff, spacy.read,
    ),
    Format(
        "gliner2", "mentions without offsets",
        '{"input": "Vane left.", "output": {"entities": {"person": ["Vane"]}}}', gliner.sniff2, gliner.read2,
    ),
    Format(
        "gliner", "words with inclusive ends",
        '[{"tokenized_text": ["Vane", "left"], "ner": [[0, 0, "person"]]}]',
        gliner.sniff, gliner.read, gliner.write, ".json", words=True,
    ),
    Format(
        "tokens", "words with word offsets or tags", '{"tokens": ["Vane", "left"], "spans": [[0, 1, "person"]]}',
        tokens.sniff, tokens.read, tokens.write, words=True,
    ),
    Format(
        "jsonl", "text with character offsets",
        '{"text": "Vane left.", "entities": [{"start": 0, "end": 4, "type": "person"}]}',
        jsonl.sniff, jsonl.read, jsonl.write,
    ),
    Format(
        "pubtator", "title, abstract and entities", "1|t|Vane left.\n1\t0\t4\tVane\tperson\n",
        pubtator.sniff, pubtator.read,
    ),
    Format(
        "conllu", "ten columns and NER= in the last", "1\tVane\t_\t_\t_\t_\t_\t_\t_\tNER=B-person",
        conllu.sniff, conllu.read,
    ),
    Format(
        "csv", "a word and its tag a row, with commas", "Vane,B-person",
        csv.sniff, csv.read, csv.write, ".csv", words=True, losses=changed_names,
    ),
    Format(
        "conll", "a word and its tag a line", "Vane\tB-person",
        conll.sniff, conll.read, conll.write, ".conll", words=True,
    ),
)  # fmt: skip
FORMATS = {format_.name: format_ for format_ in sorted(_ALL, key=lambda format_: format_.name)}
WRITTEN = {name: format_ for name, format_ in FORMATS.items() if format_.write}


def get_format(name: str) -> Format:
    """Look a format up by its name.

    Raises:
        ConfigError: There is none of this name.
    """
    if name not in FORMATS:
        raise ConfigError(f"No format {name!r}. Known: {', '.join(FORMATS)}.{did_you_mean(name, FORMATS)}")
    return FORMATS[name]


def get_written(name: str) -> Format:
    """Look up a format that can be written.

    Raises:
        ConfigError: There is none of this name.
    """
    if name in WRITTEN:
        return WRITTEN[name]
    get_format(name)
    raise ConfigError(f"{name} is only read; written are {', '.join(WRITTEN)}")


def parse(
    path: Path, name: str | None, repairs: Repairs, options: Options | None = None
) -> tuple[list[Sentence], Format, str]:
    """Read a file of a known or, with None, a detected format; types stay the codes of the file.

    Returns:
        The sentences, the format, and why it is that one.

    Raises:
        CorpusError: The file can't be read.
        ConfigError: No such format.
    """
    chosen = get_format(name) if name else None
    file = File(path)
    format_, reason = (chosen, "as asked") if chosen else detect(file)
    return format_.read(file, options or Options(), repairs), format_, reason
