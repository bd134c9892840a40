"""What is counted on its way is reported, and nothing else changes."""

from __future__ import annotations

import time

from cpner.progress import Progress, counted, ignore, within


def test_counted_items_are_the_items_and_the_end_is_reported():
    reports: list[Progress] = []

    assert list(counted(["a", "b", "c"], reports.append, "reading a.txt", "lines")) == ["a", "b", "c"]
    assert reports == [Progress(3, 3, "reading a.txt: 3 of 3 lines")]


def test_what_has_no_length_has_no_total():
    reports: list[Progress] = []

    assert list(counted(iter(range(1200)), reports.append, "reading", "rows")) == list(range(1200))
    assert reports[-1] == Progress(1200, 0, "reading: 1,200 rows")


def test_parts_count_as_many_as_they_hold():
    reports: list[Progress] = []

    list(counted([[1, 2], [], [3]], reports.append, "reading", "rows", size=len))

    assert reports == [Progress(3, 0, "reading: 3 rows")]


def test_slow_items_are_reported_on_the_way():
    reports: list[Progress] = []

    for _ in counted(range(3), reports.append, "reading", "rows"):
        time.sleep(0.12)

    assert [report.done for report in reports] == [1, 2, 3]


def test_items_are_taken_one_by_one():
    taken = counted(iter([1, 2]), ignore, "reading", "rows")

    assert next(taken) == 1


def test_a_part_is_reported_as_its_share_of_the_whole():
    reports: list[Progress] = []

    report = within(reports.append, 600, 300, 1000)
    report(Progress(0, 4, "begin"))
    report(Progress(1, 4, "on"))
    report(Progress(4, 4, "end"))
    report(Progress(7, 0, "no total"))

    assert reports == [
        Progress(600, 1000, "begin"), Progress(675, 1000, "on"), Progress(900, 1000, "end"), Progress(7, 0, "no total"),
    ]  # fmt: skip
