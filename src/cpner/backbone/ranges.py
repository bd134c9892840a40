"""How large the states of a backbone become: what 8 bits are spread over.

The backbone is frozen, so its ranges are measured once, on the sample domains. They are a file beside the weights, or
are measured when a backbone without that file is loaded in 8 bits.

A few units of a feed-forward layer become a hundred times as large as the rest, and would leave these a step or two.
They are made smaller by powers of two, and their weights as much larger (SmoothQuant, arXiv 2211.10438).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cpner.backbone.linear import Linear
from cpner.backbone.padding import pad, pad_masked
from cpner.backbone.t5 import T5
from cpner.corpus import Corpus
from cpner.corpus.samples import sample_names
from cpner.corpus.sentence import Sentence
from cpner.errors import BackboneError, one_line
from cpner.files import read_small, replacing
from cpner.instructor import Instructor, Vocabulary

FILE = "ranges.json"
_SENTENCES = 24  # of each sample domain
_ROWS = 24  # in a batch
_BYTES = 1_000_000
_DIGITS = 5
_SMOOTHING = 0.7  # of a unit's size that its weights take over
_SHIFTS = 20  # most that a unit is divided by, as a power of two
_TINY = 1e-5


class Range(NamedTuple):
    """What goes through one linear layer.

    Attributes:
        low: the least number that goes in.
        high: the greatest.
        peaks: for each projection that the layer joins, the greatest absolute number that comes out.
        shifts: for each unit that goes in, by which power of two it was divided before; none where no unit was.
    """

    low: float
    high: float
    peaks: tuple[float, ...]
    shifts: tuple[int, ...] = ()


Ranges = dict[str, Range]  # by the layer's name within its T5


@torch.inference_mode()
def measure_ranges(t5: T5, vocabulary: Vocabulary) -> Ranges:
    """Read sentences of the sample domains and write their entities, and note how large all states become."""
    with _watched(t5) as seen:
        for name in sample_names():
            corpus = Corpus.read(f"sample:{name}")
            prompt = Instructor(vocabulary, corpus.types)
            sentences = corpus.splits["train"][:_SENTENCES]
            for first in range(0, len(sentences), _ROWS):
                _read(t5, prompt, sentences[first : first + _ROWS])
    return {name: _range_of(t5, name, layer.weight, seen[name]) for name, layer in linears(t5)}


def read_ranges(folder: Path, t5: T5, name: str) -> Ranges | None:
    """The ranges in a backbone's folder; None where there are none.

    Raises:
        BackboneError: the file can't be read, or is of another model.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _BYTES:
            raise ValueError("it is too large")
        table = json.loads(read_small(path))
        ranges = {layer: _parse(row) for layer, row in table.items()}
        widths = {layer: (module.parts, module.in_features) for layer, module in linears(t5)}
        if {layer: (len(row.peaks), len(row.shifts) or widths[layer][1]) for layer, row in ranges.items()} != widths:
            raise ValueError("it is of another model")
        numbers = torch.tensor([number for row in ranges.values() for number in (row.low, row.high, *row.peaks)])
        if not bool(numbers.isfinite().all()) or any(row.low > row.high for row in ranges.values()):
            raise ValueError("it holds a range that is none")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = one_line(error)
        raise BackboneError(f"backbone {name!r}: {path} can't be read as ranges of its states ({reason})") from error
    return ranges


def write_ranges(ranges: Ranges, folder: Path) -> None:
    """Write the file that `read_ranges` reads."""
    rows: dict[str, Any] = {}
    for name, row in ranges.items():
        rows[name] = {"input": [_round(row.low), _round(row.high)], "peaks": [_round(peak) for peak in row.peaks]}
        if row.shifts:
            rows[name]["shifts"] = row.shifts
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    with replacing(folder / FILE) as file:
        file.write(f"{{\n{lines}\n}}\n".encode())


def linears(t5: T5) -> list[tuple[str, Linear]]:
    """The linear layers of both stacks by their names."""
    return [(name, module) for name, module in t5.named_modules() if isinstance(module, Linear)]


def _read(t5: T5, prompt: Instructor, sentences: list[Sentence]) -> None:
    vocabulary = prompt.vocabulary
    sources = [prompt.source(sentence) for sentence in sentences]
    targets = [prompt.target(source, sentence) for source, sentence in zip(sources, sentences, strict=True)]
    ids, mask = pad_masked([source.ids for source in sources], vocabulary.pad)
    inputs = pad([[vocabulary.pad, *target[:-1]] for target in targets], vocabulary.pad)
    device = t5.embedding.weight.device
    ids = ids.to(device)
    mask = mask.to(device)
    t5.decode(inputs.to(device), t5.encode(ids, mask), mask)


def _range_of(t5: T5, name: str, weight: Tensor, seen: _Seen) -> Range:
    low = seen.low
    high = seen.high
    shifts: tuple[int, ...] = ()
    if name.endswith("ff.wo") and (t5.shape.gated or t5.shape.activation == "relu"):  # what comes before can be divided
        peaks = torch.maximum(-low, high).clamp(min=_TINY)
        sizes = peaks**_SMOOTHING / weight.float().abs().amax(0).clamp(min=_TINY) ** (1 - _SMOOTHING)
        exponents = (sizes / sizes.median()).log2().round().clamp(-_SHIFTS, _SHIFTS)
        low = low / exponents.exp2()
        high = high / exponents.exp2()
        shifts = tuple(int(exponent) for exponent in exponents)
    return Range(float(low.min()), float(high.max()), tuple(seen.peaks.tolist()), shifts)


class _Seen(NamedTuple):
    """Of one layer: the least and greatest of each unit that went in [width], the greatest of each projection."""

    low: Tensor
    high: Tensor
    peaks: Tensor


@contextmanager
def _watched(t5: T5) -> Iterator[dict[str, _Seen]]:
    """Within, what goes through the linear layers is noted by their names."""
    seen: dict[str, _Seen] = {}

    def hook(name: str, parts: int) -> Any:
        def note(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            low, high = inputs[0].flatten(0, -2).aminmax(dim=0)
            peaks = torch.stack([part.abs().amax() for part in output.chunk(parts, dim=-1)])
            now = _Seen(low.float(), high.float(), peaks.float())
            before = seen.get(name, now)
            seen[name] = _Seen(
                torch.minimum(before.low, now.low), torch.maximum(before.high, now.high),
                torch.maximum(before.peaks, now.peaks),
            )  # fmt: skip

        return note

    handles = [module.register_forward_hook(hook(name, module.parts)) for name, module in linears(t5)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _parse(row: Any) -> Range:
    """A range as `write_ranges` wrote it."""
    low, high = map(float, row["input"])
    shifts = tuple(row.get("shifts", ()))
    if any(type(shift) is not int or abs(shift) > _SHIFTS for shift in shifts):
        raise ValueError("it holds a shift that is none")
    return Range(low, high, tuple(map(float, row["peaks"])), shifts)


def _round(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")
