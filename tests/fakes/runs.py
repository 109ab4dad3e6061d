"""A run that a test needs, whatever would make one due."""

from __future__ import annotations

from ml_backend.state.records import RunRow
from ml_backend.state.rows.runs import Asked
from ml_backend.state.store import Store


def open_run(
    store: Store,
    project: int,
    *,
    kind: str = "train",
    reason: str = "",
    seed: int = 0,
    change: int = 0,
    now: float = 1.0,
    **columns: object,
) -> RunRow:
    """A run of a project that has none open, in state "prepare" unless `columns` say otherwise."""
    assert store.runs.open_of(project) is None
    run, _ = store.runs.ask(project, Asked(kind, reason, seed, change), now)
    if columns:
        store.runs.update(run.id, **columns)
    return store.runs.one(run.id)
