"""The types that a source offers (o in Eq. 1): the pieces of their names, and the tree that names are read by."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from cpner.instructor.bits import set_of
from cpner.instructor.vocabulary import Vocabulary

OPEN, CLOSE, COLON, END = range(4)  # the template's candidates, the same in every sentence


class Tree(NamedTuple):
    """Names of types, candidate by candidate, from node 0.

    Attributes:
        nodes: where each candidate leads from a node: to another node, and COLON to a type's index.
        allowed: for each node the set of candidates that lead on.
        paths: for each type, at each node on its way, the candidate that comes next.
    """

    nodes: list[dict[int, int]]
    allowed: list[int]
    paths: list[dict[int, int]]


class Options:
    """Types to look for, in the order in which a source offers them. All sentences of a domain share them.

    Attributes:
        types: the types in words.
        pieces: for each type the pieces of its name.
        numbers: for each piece of the template and of the names its candidate; a sentence's pieces come after them.
    """

    def __init__(self, types: Sequence[str], vocabulary: Vocabulary) -> None:
        self.types = list(types)
        self.pieces = [vocabulary.phrase(type_) for type_ in types]
        template = (vocabulary.open, vocabulary.close, vocabulary.colon, vocabulary.eos)
        names = (piece for pieces in self.pieces for piece in pieces)
        self.numbers: dict[int, int] = {
            piece: number for number, piece in enumerate(dict.fromkeys([*template, *names]))
        }

    @cached_property
    def tree(self) -> Tree:
        """The names as a tree. Of types with the same pieces the first is meant."""
        nodes: list[dict[int, int]] = [{}]
        paths: list[dict[int, int]] = []
        for index, pieces in enumerate(self.pieces):
            node = 0
            path: dict[int, int] = {}
            for piece in pieces:
                candidate = self.numbers[piece]
                path[node] = candidate
                if candidate not in nodes[node]:
                    nodes[node][candidate] = len(nodes)
                    nodes.append({})
                node = nodes[node][candidate]
            nodes[node].setdefault(COLON, index)
            paths.append(path | {node: COLON})
        return Tree(nodes, [set_of(node) for node in nodes], paths)
