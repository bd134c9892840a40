"""Tables of results."""

from __future__ import annotations

from cpner.experiments.paper.cells import SEVERAL, VARIANTS, Cell
from cpner.experiments.paper.tables import markdown
from tests.experiments.paper.support import record


def test_table_gives_mean_and_deviation_over_seeds_and_the_gain():
    none = [record(Cell("ai", seed=seed), f1) for seed, f1 in ((0, 40.0), (1, 44.0))]
    several = {"sources": SEVERAL, "strategy": "collaborate"}
    ours = [record(Cell("ai", seed=seed, **several), f1) for seed, f1 in ((0, 45.0), (1, 47.0))]
    key = "-".join(["ai-all-collaborate", *SEVERAL])
    comparisons = [{"row": key, "against": "ai-all-none", "p_value": 0.0123}]

    table = markdown({"experiment": "table2", "records": [*none, *ours], "comparisons": comparisons})

    assert "| ai | all | none | none | 42.0 ± 2.8 | 60.24 |  |  |" in table
    assert (
        "| ai | all | CP-NER | conll2003, politics, literature, music | 46.0 ± 1.4 | 64.9 | +4.0 ± 1.4 (0.012) |"
        in table
    )
    assert "| target | sentences | none | CP-NER | none, published | CP-NER, published |" in table
    assert "| ai | all | 42.0 | **46.0** | 60.2 | 64.9 |" in table


def test_a_page_folds_the_long_table_where_a_short_one_stands_before_it():
    several = {"sources": SEVERAL, "strategy": "collaborate"}
    two = [record(Cell("ai"), 40.0), record(Cell("ai", **several), 41.0)]
    other = record(Cell("ai", sources=SEVERAL[:2], strategy="collaborate"), 42.0)

    def folded(records: list[dict]) -> bool:
        return "<details" in markdown({"experiment": "table2", "records": records, "comparisons": []}, fold=True)

    assert folded(two) and not folded(two[:1])
    assert not folded([*two, other])  # one way with two sets of sources


def test_many_ways_stand_in_rows():
    rows = [{"sources": tuple(s for s in SEVERAL if s != left), "strategy": "collaborate"} for left in SEVERAL]
    rows += [{"sources": SEVERAL, "strategy": "collaborate", "variant": variant} for variant in list(VARIANTS)[:5]]
    records = [record(Cell("ai", **row), 40.0 + i) for i, row in enumerate(rows)]

    table = markdown({"experiment": "figure4", "records": records, "comparisons": []})

    assert table.startswith(
        "| target | ai |\n| --- | --- |\n| sentences | all |\n| CP-NER, without conll2003 | 40.0 |\n"
    )
    assert "| CP-NER, without options in the instructor | **48.0** |\n" in table


def test_gains_are_averaged_over_rows():
    several = {"sources": SEVERAL, "strategy": "collaborate"}
    records = []
    for target, none, ours in (("ai", 40.0, 45.0), ("science", 50.0, 49.0), ("mit_movie", 30.0, 32.0)):
        records += [record(Cell(target), none), record(Cell(target, **several), ours)]

    table = markdown({"experiment": "table2", "records": records, "comparisons": []})

    assert "| CP-NER | conll2003, politics, literature, music | +2.0, better in 2 of 3 |  |" in table


def test_selection_says_whether_weights_follow_gains():
    chosen = {"sources": list(SEVERAL), "weights": [0.1, 0.2, 0.3, 0.4], "entity_similarity": [0.5] * 4,
              "prefix_similarity": [0.5] * 4}  # fmt: skip
    records = [record(Cell("ai"), 40.0)]
    records += [record(Cell("ai", sources=(name,), strategy="collaborate"), 41.0 + i) for i, name in enumerate(SEVERAL)]
    records += [{"cell": Cell("ai", sources=SEVERAL, strategy="select").to_json(), "f1": None, "selection": chosen}]

    table = markdown({"experiment": "selection", "records": records, "comparisons": []})

    assert "| ai | music | 0.500 | 0.500 | 0.400 | +4.0 |" in table
    assert "Spearman's rank correlation of weight and gain is +1.00 over 4 sources" in table
