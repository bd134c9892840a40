"""How a command that was stopped goes on; loads nothing, as a process may be stopped in its first second."""

from __future__ import annotations

RESUMED = ("warm-up", "transfer", "fit", "self-train", "pretrain")  # with --resume
GOING_ON = ("annotate", "reproduce")  # by themselves


def way_on(command: str) -> str:
    """The sentence that tells how a command goes on, after a blank; empty if it can't."""
    if command in GOING_ON:
        return " Run the same command to go on from there."
    if command in RESUMED:
        return " Run the same command with --resume to go on from the last checkpoint."
    return ""
