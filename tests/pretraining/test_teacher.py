"""Teachers: which are taken, how they read words, and what a word's state is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cpner.errors import ConfigError
from cpner.pretraining.teacher import Teacher, pool_words
from tests.pretraining.bert import write_bert


@pytest.mark.parametrize(
    ("change", "told"),
    [({"model_type": "roberta"}, "roberta"), ({"hidden_act": "relu"}, "relu"), ({"is_decoder": True}, "is_decoder")],
)
def test_other_encoders_are_refused_in_one_line(tmp_path: Path, change: dict[str, object], told: str) -> None:
    folder = write_bert(tmp_path, ["rome"])
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **change}), "utf-8")
    with pytest.raises(ConfigError, match=told) as caught:
        Teacher.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [None, "no json", "[]", "[" * 100_000])
def test_a_folder_without_a_readable_config_is_refused_in_one_line(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r"holds no teacher") as caught:
        Teacher.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_code_in_a_teacher_s_folder_is_never_run(tmp_path: Path) -> None:
    folder = write_bert(tmp_path, ["rome"])
    (folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n", "utf-8")
    for name, classes in (("config.json", "AutoConfig AutoModel"), ("tokenizer_config.json", "AutoTokenizer")):
        config = json.loads((folder / name).read_text("utf-8"))
        config["auto_map"] = {one: ["code.C", None] if one == "AutoTokenizer" else "code.C" for one in classes.split()}
        (folder / name).write_text(json.dumps(config), "utf-8")

    assert Teacher.load(folder).width == 32
    assert not (tmp_path / "ran").exists()


def test_missing_weights_are_refused_in_one_line(tmp_path: Path) -> None:
    folder = write_bert(tmp_path, ["rome"])
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match="can't be loaded") as caught:
        Teacher.load(folder)
    assert "\n" not in str(caught.value)


def test_each_piece_knows_its_word_and_long_texts_end_at_a_word(tmp_path: Path) -> None:
    teacher = Teacher.load(write_bert(tmp_path, ["rome"]))
    row = teacher.row(["Rome", "is", "Rome"])
    assert row.word_of == [-1, 0, 1, 1, 2, -1]
    assert row.ids[1] == row.ids[4]
    assert len(teacher.row(["is"] * 1000).ids) == 512


def test_words_are_means_of_their_pieces() -> None:
    states = torch.arange(12.0).view(1, 6, 2)
    means, there = pool_words(states, torch.tensor([[-1, 0, 0, 2, -1, -1]]), 4)
    assert there.tolist() == [[True, False, True, False]]
    assert torch.equal(means[0, 0], states[0, 1:3].mean(0))
    assert torch.equal(means[0, 2], states[0, 3])
