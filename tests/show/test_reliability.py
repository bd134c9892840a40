from __future__ import annotations

from cpner.calibration.assess import assess
from cpner.corpus.sentence import Answer, Prediction, Sentence, Span
from cpner.show.reliability import draw_reliability


def test_a_diagram_is_drawn_with_and_without_scores(tmp_path):
    sentence = Sentence.from_words(["Rome"], [Span(0, 1, "city")])
    answers = [Answer([Prediction(Span(0, 1, "city"), 0.8)], score=0.7)]
    for name, assessment in (("some.png", assess([sentence], answers)), ("none.png", assess([sentence], [Answer()]))):
        draw_reliability(assessment, tmp_path / name, "a title")

        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
