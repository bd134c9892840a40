"""Settings are checked, and unknown ones refused."""

from pathlib import Path

import pytest

from cpner.errors import ConfigError
from cpner.training import TrainingConfig


def test_settings_come_from_a_file(tmp_path: Path):
    (tmp_path / "a.toml").write_text("lr = 1\nepochs = 3\nsoftmax = 'vocabulary'\n", "utf-8")

    assert TrainingConfig.from_toml(tmp_path / "a.toml") == TrainingConfig(lr=1, epochs=3, softmax="vocabulary")


def test_an_unknown_setting_is_refused_with_the_one_meant():
    with pytest.raises(ConfigError, match=r"no training setting epoch\. Did you mean 'epochs'\?"):
        TrainingConfig.from_dict({"epoch": 3})


def test_a_broken_file_is_named(tmp_path: Path):
    (tmp_path / "a.toml").write_text("lr = ", "utf-8")

    with pytest.raises(ConfigError, match=r"a\.toml is no TOML"):
        TrainingConfig.from_toml(tmp_path / "a.toml")
    with pytest.raises(ConfigError, match=r"b\.toml can't be read: No such file"):
        TrainingConfig.from_toml(tmp_path / "b.toml")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0), ("max_epochs", 0), ("batch_pieces", 0), ("min_steps", -1), ("lr", -0.1), ("lr", float("nan")),
        ("clip", -1.0), ("prior_sentences", -1.0),
        ("dropout", 1.0), ("option_dropout", -0.1), ("seed", -1), ("softmax", "both"), ("weight_decay", float("inf")),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_refused(name, value):
    with pytest.raises(ConfigError, match=f"training setting {name} is .*; expected "):
        TrainingConfig(**{name: value})


@pytest.mark.parametrize(("name", "value"), [("epochs", 2.5), ("epochs", True), ("lr", "big"), ("options", 1)])
def test_a_value_of_another_kind_is_refused(name, value):
    with pytest.raises(ConfigError, match=f"training setting {name} is .*; expected "):
        TrainingConfig(**{name: value})
