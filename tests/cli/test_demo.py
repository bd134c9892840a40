from __future__ import annotations

import json
import re

import pytest
from click.testing import Result

from cpner.corpus import Corpus, sample_names
from cpner.evaluation import Comparison
from cpner.experiments.demo import run as demo
from cpner.experiments.demo.result import KINDS, DemoResult, Difference, Variant, verdict
from cpner.store import Store
from tests.support import cpner


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("demo") / "out"


@pytest.fixture(scope="module")
def printed(out, tiny_folder) -> Result:
    """The demo on the first sentences of the sample domains."""

    class Few(Corpus):
        @classmethod
        def read(cls, path):
            whole = Corpus.read(path)
            few = {"train": whole.train[:12], "dev": whole.dev[:2], "test": whole.test[:6]}
            return Corpus(whole.name, few, types=whole.types)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(demo, "Corpus", Few)
        result = cpner("demo", "--out", out, "--backbone", tiny_folder, "--steps", 2, "--target", "politics")
    assert result.exit_code == 0, result.stderr
    return result


@pytest.fixture
def record(printed, out):
    return json.loads((out / "results.json").read_text("utf-8"))


@pytest.mark.slow
def test_every_variant_is_measured(record):
    variants = [(variant["sentences"], variant["kind"]) for variant in record["variants"]]

    assert variants == [(size, kind) for size in (10, 12) for kind in KINDS]
    assert [len(variant["sources"]) for variant in record["variants"]] == [0, 1, 4] * 2
    for variant in record["variants"]:
        assert 0 <= variant["f1"] <= 100
        assert sum(variant["sources"].values()) == pytest.approx(1 if variant["sources"] else 0)


@pytest.mark.slow
def test_all_variants_have_the_same_number_of_steps(record, out):
    steps = {}
    for variant in record["variants"]:
        card = Store(out / "store").card(variant["domain"])
        warm = Store(out / "store").card(f"politics-{variant['sentences']}")
        before = 0 if variant["kind"] == "none" else warm.metrics["steps"]
        steps.setdefault(variant["sentences"], set()).add(before + card.metrics["steps"])

    assert all(len(counts) == 1 for counts in steps.values()), steps


@pytest.mark.slow
def test_weights_of_all_pairs_sum_to_one(record):
    likeness = record["likeness"]

    assert likeness["names"] == sample_names()
    for i, row in enumerate(likeness["weights"]):
        assert row[i] is None
        assert sum(value for value in row if value is not None) == pytest.approx(1)


@pytest.mark.slow
def test_the_one_source_is_the_most_similar(record):
    likeness = record["likeness"]
    row = likeness["weights"][likeness["names"].index("politics")]
    nearest = max((value, name) for name, value in zip(likeness["names"], row, strict=True) if value is not None)

    single = next(v for v in record["variants"] if (v["sentences"], v["kind"]) == (12, "single"))
    assert list(single["sources"]) == [nearest[1]]


@pytest.mark.slow
def test_the_domains_are_stored_to_be_used(printed, out, tiny_folder):
    assert set(sample_names()) < set(Store(out / "store").names())
    assert cpner("predict", "Ada left Rome.", "--domain", "politics", "--store", out / "store").exit_code == 0


@pytest.mark.slow
def test_the_report_is_self_contained_and_says_what_was_measured(printed, out, record):
    page = (out / "report.html").read_text("utf-8")

    assert not re.search(r"https?:|<script|<link|<img|@import|url\(", page)
    assert page.count("<section>") == page.count("</section>") == 7
    for variant in record["variants"]:
        assert f"<b>{variant['f1']:.1f}</b>" in page
    for name in sample_names():
        assert f"<th>{name}</th>" in page


@pytest.mark.slow
def test_pictures_and_summary(printed, out):
    for picture in ("likeness.png", "f1.png"):
        assert (out / picture).read_bytes().startswith(b"\x89PNG")
    for words in ("no source", "all sources", "10 sentences", "12 sentences", "Weight of each source"):
        assert words in printed.stdout
    assert printed.stderr.splitlines()[-1] == f"Report: {(out / 'report.html').resolve().as_uri()}"


def result_of(several: Comparison) -> DemoResult:
    """A result that holds what the verdict reads."""
    variants = [
        Variant(10, kind, "x", dict.fromkeys("abcd"[: 4 * (kind == "several")], 0.25), 0, 0, 0, 0) for kind in KINDS
    ]
    differences = [
        Difference(10, "several", "none", several),
        Difference(10, "several", "single", Comparison(-1.25, -3.0, 2.0, 0.4)),
    ]
    nothing: dict[str, object] = dict.fromkeys(DemoResult.__dataclass_fields__)
    return DemoResult(**{**nothing, "variants": variants, "differences": differences})


@pytest.mark.parametrize(
    ("comparison", "words", "judged"),
    [
        (Comparison(4.0, 1.0, 7.0, 0.01), "4.0 points of F1 (95 % interval +1.0 to +7.0) above", "The sources helped."),
        (Comparison(4.0, -1.0, 7.0, 0.2), "4.0 points of F1 (95 % interval −1.0 to +7.0) above", "can't tell."),
        (Comparison(-4.0, -7.0, 1.0, 0.2), "4.0 points of F1 (95 % interval −7.0 to +1.0) below", "did not help."),
        (Comparison(0.0, -1.0, 1.0, 1.0), "level (95 % interval −1.0 to +1.0) with", "did not help."),
    ],
)
def test_the_verdict_is_honest(comparison, words, judged):
    (said,) = verdict(result_of(comparison))

    assert f"all 4 sources together came out {words} no source" in said
    assert "1.2 points of F1 (95 % interval −3.0 to +2.0) below the most similar source alone" in said
    assert said.endswith(judged)


def test_a_demo_of_nothing_is_refused():
    from cpner.errors import ConfigError

    with pytest.raises(ConfigError, match="at least 1"):
        demo.DemoConfig(few=0)
    with pytest.raises(ConfigError, match=r"no sample domain 'musik'.*Did you mean 'music'"):
        demo.DemoConfig(target="musik")
