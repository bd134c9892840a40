from __future__ import annotations

import pytest

from cpner.calibration.defaults import FILE, Defaults
from cpner.calibration.fit import fit_default, plain
from cpner.errors import StoreError
from tests.calibration.support import made_up


def test_defaults_are_read_again_for_the_weights_that_they_were_fitted_for(tmp_path):
    fitted = fit_default([made_up(100)])
    Defaults(fitted, plain(), True, {"sets": ["a"]}).write(tmp_path, "0123")

    again = Defaults.read(tmp_path, "0123")

    assert again.fitted and again.zero_shot.to_json() == fitted.to_json() and again.facts == {"sets": ["a"]}
    assert Defaults.read(tmp_path, "other") == Defaults() == Defaults.read(None, "0123")
    assert not Defaults.read(tmp_path / "elsewhere", "0123").fitted


@pytest.mark.parametrize("text", ["{", "[]", '{"zero_shot": {}, "trained": 1}', '{"zero_shot": {"version": "x"}}'])
def test_a_damaged_file_is_told(tmp_path, text):
    (tmp_path / FILE).write_text(text)

    with pytest.raises(StoreError, match=r"calibration"):
        Defaults.read(tmp_path, "0123")
