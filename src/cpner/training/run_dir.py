"""The folder of a training run: what is trained there, checkpoints that survive a kill at any moment, the curve.

    run.json                  settings, backbone, types and digest of the data: another run is refused
    checkpoint.safetensors    the trained part, the optimizer's state, and as JSON in its header where the run stands
    best-EPOCH.safetensors    the trained part at the best look so far
    curve.json, curve.png     loss and dev F1 by epoch

A file is written beside its place and then moved there; the best is written before the checkpoint that names it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Self

import safetensors.torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from torch import Tensor

from cpner.corpus.sentence import Sentence
from cpner.errors import TrainingError, shorten
from cpner.files import digest, replacing

_TRAINED = r"(checkpoint|best-\d+)\.safetensors"
_DIGESTS = {
    "backbone": "backbone",
    "start": "prefix at the start",
    "train sentences": "train split",
    "dev sentences": "dev split",
}
_LEFTOVER = rf"\.({_TRAINED}|run\.json|curve\.json|curve\.png)\.\w+"  # of a kill while writing


class RunDir:
    """An open run folder; a lock keeps a second process out until `close`.

    Args:
        path: the folder; made if it doesn't exist.
        identity: what makes two runs the same one, as JSON can hold it.
        resume: go on from the checkpoint if there is one; else an earlier run of this identity is started over.

    Raises:
        TrainingError: The folder holds another run, is in use, or can't be written to.
    """

    def __init__(self, path: str | Path, identity: Mapping[str, Any], *, resume: bool) -> None:
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.path / ".lock")
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise TrainingError(
                f"{self.path} is in use by another training; wait for it or choose another folder"
            ) from error
        except OSError as error:
            raise TrainingError(f"{self.path} can't be a run folder: {error.strerror or error}") from error
        try:
            self._claim(json.loads(json.dumps(identity)))
            self._discard(_LEFTOVER)
            if not resume:
                self._discard(_TRAINED)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let other processes in."""
        self._lock.release()

    def save(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Replace the checkpoint; the best of earlier checkpoints goes once it is in place."""
        self._write("checkpoint.safetensors", safetensors.torch.save(dict(tensors), {"state": json.dumps(state)}))
        self._discard(_TRAINED, but=("checkpoint.safetensors", self._best(state["best_epoch"])))

    def save_best(self, epoch: int, tensors: Mapping[str, Tensor]) -> None:
        """Keep the trained part of a look; `save` must name it."""
        self._write(self._best(epoch), safetensors.torch.save(dict(tensors)))

    def load(self) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]] | None:
        """The state, tensors and best tensors of the checkpoint; None if there is none yet."""
        path = self.path / "checkpoint.safetensors"
        if not path.exists():
            return None
        try:
            with safe_open(path, "pt") as file:
                state = json.loads(file.metadata()["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            best = state["best_epoch"]
            return state, tensors, {} if best is None else safetensors.torch.load_file(self.path / self._best(best))
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{path} is damaged ({error}); remove the folder to train from the start") from error

    def save_curve(self, curve: Sequence[Mapping[str, Any]], *, picture: bool = True) -> None:
        """Write the curve as JSON and as a picture."""
        self._write("curve.json", json.dumps(list(curve), indent=1).encode())
        if picture:
            from cpner.show.pictures import draw_curve  # matplotlib takes long to load

            self._write("curve.png", draw_curve(curve))

    @staticmethod
    def _best(epoch: int | None) -> str:
        return f"best-{epoch}.safetensors"

    def _claim(self, identity: dict[str, Any]) -> None:
        """Write down what is trained here, or compare with what was."""
        path = self.path / "run.json"
        if not path.exists():
            self._write("run.json", json.dumps(identity, indent=1, ensure_ascii=False).encode())
            return
        try:
            known = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise TrainingError(f"{path} can't be read ({error}); choose another run folder") from error
        changed = [name for name in {**known, **identity} if known.get(name) != identity.get(name)]
        if changed:
            differences = "; ".join(_difference(name, known.get(name), identity.get(name)) for name in changed)
            hint = "Choose another run folder, or start over without resuming."
            raise TrainingError(f"{self.path} holds another run, with {differences}. {hint}")

    def _write(self, name: str, data: bytes) -> None:
        with replacing(self.path / name, sync=True) as file:
            file.write(data)

    def _discard(self, names: str, but: Sequence[str] = ()) -> None:
        """Remove files whose whole name matches: what else lies in the folder is not ours."""
        for path in list(self.path.iterdir()):
            if re.fullmatch(names, path.name) and path.name not in but:
                path.unlink(missing_ok=True)


def _difference(name: str, known: object, wanted: object) -> str:
    """How two runs differ, in words; digests say nothing to a reader."""
    if name in _DIGESTS:
        return f"another {_DIGESTS[name]}"
    return f"{name} {shorten(known)}, not {shorten(wanted)}"


def digest_sentences(sentences: Iterable[Sentence]) -> str:
    """Twelve hexadecimal digits that name sentences with their words and entities."""
    return digest(json.dumps([sentence.text, sentence.words, sentence.spans]).encode() for sentence in sentences)


def digest_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Twelve hexadecimal digits that name tensors by their exact values."""
    parts = (
        (f"{name} {tuple(tensor.shape)}".encode(), tensor.detach().float().cpu().contiguous().numpy().tobytes())
        for name, tensor in sorted(tensors.items())
    )
    return digest(chain.from_iterable(parts))
