"""What goes with a training beside its settings: its folder, whether it goes on there, and whom it reports to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cpner.progress import Report


@dataclass(frozen=True)
class Run:
    """Where a training keeps its checkpoints, and whom it tells how far it is.

    Attributes:
        run_dir: folder for checkpoints and the curve; None keeps nothing.
        resume: go on from the checkpoint in the folder, if there is one.
        progress: called after every step.
    """

    run_dir: str | Path | None = None
    resume: bool = False
    progress: Report | None = None

    def part(self, name: str) -> Run:
        """The run of one of several trainings, in a folder of its own; an empty name is this run itself."""
        return self if self.run_dir is None or not name else replace(self, run_dir=Path(self.run_dir) / name)
