from __future__ import annotations

import numpy as np
import pytest

from cpner.corpus.sentence import Sentence, Span
from cpner.errors import ConfigError
from cpner.evaluation import evaluate
from cpner.show.pictures import draw_evaluation
from tests.support import PREDICTED, SENTENCE


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
