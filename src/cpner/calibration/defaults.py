"""The calibrators that come with a backbone: for zero-shot, and for domains that have none of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cpner.calibration.calibrator import Calibrator
from cpner.calibration.fit import plain
from cpner.errors import StoreError, one_line
from cpner.files import replacing

FILE = "calibration.json"  # beside a backbone's weights


@dataclass(frozen=True)
class Defaults:
    """A backbone's calibrators.

    Attributes:
        zero_shot: where no prefix was trained.
        trained: for a domain that has none of its own, and what its own is drawn to.
        fitted: whether they were fitted for these weights; if not, scores rise with the raw ones and say no more.
        facts: what they were fitted on, and the like, by name.
    """

    zero_shot: Calibrator = field(default_factory=plain)
    trained: Calibrator = field(default_factory=plain)
    fitted: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path | None, fingerprint: str) -> Defaults:
        """Those in a backbone's folder; plain ones where there are none, or those of other weights.

        Raises:
            StoreError: the file is damaged.
        """
        path = None if folder is None else folder / FILE
        if path is None or not path.is_file():
            return cls()
        try:
            table = json.loads(path.read_text("utf-8"))
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{path} is damaged: no JSON ({one_line(error)})") from error
        if not isinstance(table, Mapping) or not all(isinstance(table.get(name), Mapping) for name in _NAMES):
            raise StoreError(f"{path} is damaged: expected the tables {' and '.join(_NAMES)}")
        calibrators = [Calibrator.from_json(table[name]) for name in _NAMES]
        if table.get(_FINGERPRINT) != fingerprint or calibrators[0] is None or calibrators[1] is None:
            return cls()
        facts = {name: value for name, value in table.items() if name not in (_FINGERPRINT, *_NAMES)}
        return cls(calibrators[0], calibrators[1], True, facts)

    def write(self, folder: Path, fingerprint: str) -> Path:
        """Write them beside a backbone's weights."""
        tables = {"zero_shot": self.zero_shot.to_json(), "trained": self.trained.to_json()}
        path = folder / FILE
        with replacing(path) as file:
            file.write(json.dumps({_FINGERPRINT: fingerprint, **tables, **self.facts}, indent=1).encode() + b"\n")
        return path


_FINGERPRINT = "backbone_fingerprint"
_NAMES = ("zero_shot", "trained")
