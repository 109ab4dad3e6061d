"""The models that runs trained, as those who ask them need them."""

from __future__ import annotations

from dataclasses import dataclass

from .files import DataDir
from .rows.runs import RunRows


@dataclass(frozen=True)
class Models:
    """What it takes to load a run's model.

    Attributes:
        runs: what is known of each run.
        files: holds the run folders with their checkpoints.
        threads: CPU threads that a model may take.
    """

    runs: RunRows
    files: DataDir
    threads: int
