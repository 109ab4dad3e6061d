"""Which kind serves a project, and which kind of model a run trained: one lookup each, by name."""

from __future__ import annotations

from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.config.family import module_for
from ml_backend.loop.kinds.base import Kind
from ml_backend.state.records import RunRow
from ml_backend.state.store import Store


def kind_named(name: str) -> Kind:
    """The kind of a name: `KIND` in the `kind.py` of the folder that is called so.

    Raises:
        PapLoopError: no folder has that name.
    """
    kind: Kind = module_for(name, "ml_backend.loop.kinds.{}.kind").KIND
    return kind


def kind_of(job: LabelingJob) -> Kind:
    """The kind that serves a labeling job; raises as `kind_named`."""
    return kind_named(job.family)


def kind_of_run(run: RunRow) -> Kind:
    """The kind of model that a run trains; raises as `kind_named`."""
    return kind_named(run.request.trains)


def serving_run(store: Store, project_id: int, kind: Kind) -> int | None:
    """The run of a project's serving model, None if the project has no model, or one of another kind."""
    active = store.projects.one(project_id).active_run_id
    return active if active is not None and store.runs.one(active).request.trains == kind.name else None
