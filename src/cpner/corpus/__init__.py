"""Corpora: sentences with entities, read from and written to files, and the public datasets."""

from __future__ import annotations

from cpner.corpus.corpus import Corpus
from cpner.corpus.samples import sample_names
from cpner.corpus.sentence import Entity, Sentence, Span
from cpner.corpus.words import split_words

__all__ = ["Corpus", "Entity", "Sentence", "Span", "sample_names", "split_words"]
