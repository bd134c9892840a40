"""Settings of pretraining."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from cpner.errors import ConfigError
from cpner.pretraining.config import RECIPES, DataConfig, PretrainConfig


def test_settings_survive_a_round_trip() -> None:
    for size in RECIPES:
        teacher = {"teacher": "bert"} if size == "taught" else {}
        config = PretrainConfig.from_dict({"size": size, "shape": {"heads": 5}, "data": {"drop": 0.3}, **teacher})
        assert PretrainConfig.from_dict(asdict(config)) == config


def test_file_comes_before_recipe_and_flags_before_file(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('size = "full"\nsteps = 7\nlr = 0.5\n[data]\ntext_share = 0.3\ndrop = 0.4\n')

    config = PretrainConfig.from_toml(tmp_path / "c.toml", lr=0.25, data={"drop": 0.1})

    assert (config.size, config.steps, config.lr, config.compile) == ("full", 7, 0.25, True)
    assert (config.data.text_share, config.data.drop) == (0.3, 0.1)
    assert config.data.text_share_start == RECIPES["full"]["data"]["text_share_start"]


def test_full_goes_from_text_to_entities() -> None:
    data = PretrainConfig.from_dict({"size": "full"}).data

    shares = [data.share_at(i / 10) for i in range(11)]

    assert shares[0] == data.text_share_start > 0.5 and shares[-1] == data.text_share < 0.5
    assert shares == sorted(shares, reverse=True)
    assert data.needs_text and data.needs_labels


@pytest.mark.parametrize(
    ("start", "share", "text", "labels"),
    [(None, 0.0, False, True), (None, 1.0, True, False), (1.0, 0.0, True, True), (None, 0.5, True, True)],
)
def test_needs_follow_the_share(start: float | None, share: float, text: bool, labels: bool) -> None:
    data = DataConfig(text_share=share, text_share_start=start)

    assert (data.needs_text, data.needs_labels) == (text, labels)


def test_shape_changes_single_sizes() -> None:
    config = PretrainConfig(shape={"encoder_layers": 7})

    assert config.sizes == PretrainConfig().sizes | {"encoder_layers": 7}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": "huge"}, "size is 'huge'; expected one of tiny, cpu, full"),
        ({"step": 3}, "no pretraining setting step. Did you mean 'steps'"),
        ({"data": {"text_shar": 3}}, "no pretraining setting data.text_shar. Did you mean 'text_share'"),
        ({"data": 3}, "data is 3; expected a table"),
        ({"steps": 0}, "steps is 0; expected at least 1"),
        ({"steps": True}, "steps is True; expected a whole number"),
        ({"steps": "many"}, "steps is 'many'; expected a whole number"),
        ({"lr": -1.0}, "lr is -1.0; expected above 0"),
        ({"minutes": 0.0}, "minutes is 0.0; expected above 0"),
        ({"data": {"drop": 1.5}}, "data.drop is 1.5; expected 0 to 1"),
        ({"data": {"text_share_start": 2.0}}, "data.text_share_start is 2.0; expected 0 to 1"),
        ({"seed": -1}, "seed is -1; expected 0 to 4294967295"),
        ({"seed": 1 << 32}, "seed is 4294967296; expected 0 to 4294967295"),
        ({"data": {"seed": -1}}, "data.seed is -1; expected at least 0"),
        ({"shape": {"depth": 3}}, "shape has no 'depth'; it has d_model"),
        ({"shape": {"heads": 0}}, "shape.heads is 0; expected a whole number"),
    ],
)
def test_settings_that_make_no_sense_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PretrainConfig.from_dict(values)


def test_files_that_are_no_toml_are_named(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("steps = = 3")
    with pytest.raises(ConfigError, match=r"c\.toml is no TOML"):
        PretrainConfig.from_toml(tmp_path / "c.toml")
    with pytest.raises(ConfigError, match=r"d\.toml can't be read"):
        PretrainConfig.from_toml(tmp_path / "d.toml")
