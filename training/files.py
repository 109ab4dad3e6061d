"""Writing files so that a kill leaves the old one or the new one, never half of one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from training.types import Json, TrainingError

CHECKPOINT: Final = "checkpoint"
"""Folder of a training job's model, in the folder of the job; asking for it by name needs no torch."""

METRICS: Final = "metrics.json"
"""What a training job measured, beside its checkpoint."""

MODEL_FILE: Final = "model.json"
"""Only a classifier's checkpoint has a file of this name."""

PLAN: Final = "plan.json"
"""Only a detector's checkpoint has a file of this name."""


def write_bytes_atomic(path: Path, content: bytes) -> None:
    """Replace `path` by `content`; on disk when this returns."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json_atomic(path: Path, content: Mapping[str, object]) -> None:
    """Replace `path` by a JSON object; NaN is refused, since no reader agrees on how to spell it."""
    write_bytes_atomic(path, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Json:
    """The JSON object in `path`.

    Raises:
        TrainingError: the file is missing, damaged or no object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path.name} cannot be read ({error}); start the run again.") from error
    if not isinstance(content, dict):
        raise TrainingError(f"{path.name} contains {type(content).__name__} instead of an object. Start the run again.")
    return content


@contextlib.contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `path` when the block ends without an error."""
    fresh = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    try:
        yield fresh
        fresh.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        fresh.replace(path)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def named_in(run_dir: Path, value: object) -> Path | None:
    """The path that a file of a run folder names, seen from that folder; None where it names none."""
    return Path(os.path.normpath(run_dir.resolve() / str(value))) if value else None
