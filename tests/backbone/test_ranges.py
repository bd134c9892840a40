"""The ranges of a backbone's states."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cpner.backbone.load import Backbone, load, locate
from cpner.backbone.ranges import FILE, linears, measure_ranges, read_ranges, write_ranges
from cpner.errors import BackboneError


def test_every_linear_layer_has_a_range(tiny: Backbone) -> None:
    ranges = measure_ranges(tiny.t5, tiny.vocabulary)

    assert ranges.keys() == {name for name, _ in linears(tiny.t5)}
    for name, layer in linears(tiny.t5):
        assert ranges[name].low < ranges[name].high
        assert len(ranges[name].peaks) == layer.parts


def test_they_come_back_from_their_file(tiny: Backbone, tmp_path: Path) -> None:
    ranges = measure_ranges(tiny.t5, tiny.vocabulary)
    write_ranges(ranges, tmp_path)
    again = read_ranges(tmp_path, tiny.t5, "tiny")

    assert again is not None
    for name, row in ranges.items():
        assert again[name].shifts == row.shifts
        assert again[name].peaks == pytest.approx(row.peaks, rel=1e-4)
        assert again[name][:2] == pytest.approx(row[:2], rel=1e-4)
    assert read_ranges(tmp_path / "nowhere", tiny.t5, "tiny") is None


@pytest.mark.slow
def test_those_that_ship_are_those_of_the_weights_that_ship() -> None:
    mini = load("cpner-mini", device="cpu", precision="float32")
    shipped = read_ranges(locate("cpner-mini"), mini.t5, "cpner-mini")
    measured = measure_ranges(mini.t5, mini.vocabulary)

    assert shipped is not None
    for name, row in measured.items():
        assert shipped[name].peaks == pytest.approx(row.peaks, rel=1e-3)
        # a unit at the edge may take another power of two
        assert shipped[name].high == pytest.approx(row.high, rel=0.1)


def test_large_units_are_made_smaller(tiny: Backbone) -> None:
    layer = tiny.t5.encoder.layers[0].ff
    weight = layer.wi.weight.data
    before = weight[-1].clone()
    weight[-1] *= 1000  # the last unit's value
    layer.wi.forget()
    try:
        row = measure_ranges(tiny.t5, tiny.vocabulary)["encoder.layers.0.ff.wo"]
    finally:
        weight[-1] = before
        layer.wi.forget()

    assert row.shifts[-1] == max(row.shifts) > 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda table: table.pop("encoder.layers.0.ff.wo"), "of another model"),
        (lambda table: table["encoder.layers.0.ff.wo"].update(peaks=[1.0, 2.0]), "of another model"),
        (lambda table: table["encoder.layers.0.ff.wo"].update(shifts=[1]), "of another model"),
        (lambda table: table["encoder.layers.0.ff.wo"].update(shifts=[1e9]), "a shift that is none"),
        (lambda table: table["encoder.layers.0.ff.wo"].update(input=[2.0, 1.0]), "a range that is none"),
        (lambda table: table["encoder.layers.0.ff.wo"].update(input=[0.0, float("nan")]), "a range that is none"),
        (lambda table: table.update({"encoder.layers.0.ff.wo": 3}), "can't be read"),
    ],
)
def test_a_file_of_other_ranges_is_refused(tiny: Backbone, tmp_path: Path, change, reason: str) -> None:  # type: ignore[no-untyped-def]
    write_ranges(measure_ranges(tiny.t5, tiny.vocabulary), tmp_path)
    table = json.loads((tmp_path / FILE).read_text("utf-8"))
    change(table)
    (tmp_path / FILE).write_text(json.dumps(table), "utf-8")

    with pytest.raises(BackboneError, match=rf"backbone 'tiny': .*ranges\.json.*{reason}"):
        read_ranges(tmp_path, tiny.t5, "tiny")
