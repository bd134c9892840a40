import json
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console

from cpner.corpus.sentence import Sentence, Span
from cpner.errors import ConfigError
from cpner.evaluation import evaluate
from cpner.show.pictures import draw_evaluation
from cpner.show.tables import report

SENTENCE = Sentence.from_words(
    ["Konrad", "Adenauer", "led", "the", "CDU", "in", "Bonn"],
    [Span(0, 2, "politician"), Span(4, 5, "political party"), Span(6, 7, "location")],
)
PREDICTED = [Span(0, 2, "politician"), Span(3, 5, "political party"), Span(6, 7, "[bold]city")]


def test_json_follows_the_contract():
    result = json.loads(json.dumps(evaluate([SENTENCE], [PREDICTED]).to_json()))

    third = pytest.approx(100 / 3)
    assert {key: result[key] for key in ("precision", "recall", "f1", "support")} == {
        "precision": third,
        "recall": third,
        "f1": third,
        "support": 3,
    }
    assert result["per_type"]["politician"] == {"precision": 100, "recall": 100, "f1": 100, "support": 1}
    assert result["string"] == {"precision": third, "recall": third, "f1": third}
    assert result["errors"] == {
        "right": 1,
        "type": 1,
        "boundary": 1,
        "boundary_and_type": 0,
        "missed": 0,
        "spurious": 0,
    }
    assert result["confusion"]["types"] == ["[bold]city", "location", "political party", "politician", "none"]
    assert result["confusion"]["counts"][1] == [1, 0, 0, 0, 0]


def test_json_examples_have_character_offsets():
    examples = evaluate([SENTENCE], [PREDICTED]).to_json()["examples"]

    assert examples[1] == {
        "outcome": "boundary",
        "text": "Konrad Adenauer led the CDU in Bonn",
        "gold": {"start": 24, "end": 27, "type": "political party", "text": "CDU"},
        "predicted": {"start": 20, "end": 27, "type": "political party", "text": "the CDU"},
    }


def test_json_shows_missed_entity_without_prediction():
    example = evaluate([SENTENCE], [PREDICTED[:2]]).to_json()["examples"][1]

    assert (example["outcome"], example["gold"]["text"], example["predicted"]) == ("missed", "Bonn", None)


def shown(evaluation, **settings):
    console = Console(width=140, **settings)
    with console.capture() as capture:
        console.print(report(evaluation, "politics [dev]"))
    return capture.get()


def test_tables_show_scores_errors_and_examples():
    text = shown(evaluate([SENTENCE], [PREDICTED]))
    rows = [line.split() for line in text.splitlines()]

    assert ["politician", "100.00", "100.00", "100.00", "1"] in rows
    assert ["all", "(micro)", "33.33", "33.33", "33.33", "3"] in rows
    assert ["boundary", "1", "33.3", "%"] in rows
    assert "politics [dev]" in text
    assert "[bold]city: Bonn" in text  # names are shown as they are, not read as markup


def test_long_sentence_is_cut_to_its_error():
    words = ["word"] * 100
    text = shown(evaluate([Sentence.from_words(words, [Span(50, 51, "x")])], [[]]))

    assert sum(line.count("word") for line in text.splitlines()) < 20
    assert text.count("…") == 2


def test_tables_of_nothing_are_zero():
    assert "0.00" in shown(evaluate([], []))


@pytest.mark.parametrize("types", [[], ["a"], ["a", "cost in $", "$b$"], [f"type number {i}" for i in range(20)]])
def test_plot_is_a_picture(tmp_path, types):
    from matplotlib.image import imread

    sentence = Sentence.from_words(["w"] * 20, [Span(i, i + 1, type) for i, type in enumerate(types)])
    target = tmp_path / "new" / "picture.png"
    draw_evaluation(evaluate([sentence], [sentence.spans[::2]], types), target, title="politics")

    pixels = imread(target)
    assert min(pixels.shape[:2]) > 400
    assert np.ptp(pixels[..., :3]) > 0.5  # not blank
    assert [file.name for file in target.parent.iterdir()] == ["picture.png"]  # no draft left behind


def test_plot_replaces_an_old_picture_and_knows_other_formats(tmp_path):
    target = tmp_path / "picture.svg"
    target.write_text("old")
    draw_evaluation(evaluate([SENTENCE], [PREDICTED]), target)

    assert "<svg" in target.read_text()


def test_plot_refuses_an_unknown_format(tmp_path):
    with pytest.raises(ConfigError, match=r"'\.docx'.*Use one of .*png"):
        draw_evaluation(evaluate([SENTENCE], [PREDICTED]), tmp_path / "picture.docx")
    assert list(tmp_path.iterdir()) == []


def test_import_is_light():
    code = "import sys, cpner.evaluation; print(*{'torch', 'transformers', 'matplotlib'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded.strip() == ""
