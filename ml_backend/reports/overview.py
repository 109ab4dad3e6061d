"""State of a project: counts, labels, the active model and why, what the next run waits for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from ml_backend.duplicates.earlier import earlier_note
from ml_backend.duplicates.review import copies_of
from ml_backend.errors import LabelConfigError
from ml_backend.labels.project import ProjectLabels, project_labels
from ml_backend.labels.rule import rule_of
from ml_backend.runs import paused_until
from ml_backend.state.records import ProjectRow, RunRow, WishRow
from ml_backend.state.rows.runs import RunRows
from ml_backend.state.store import Store
from ml_backend.times import utc_minute


@dataclass(frozen=True)
class Overview:
    """The facts that a lead needs first.

    Attributes:
        project: Label Studio's project id.
        title: its title.
        items: number of items by state.
        labels: what was confirmed of each class, in the label config's order.
        counted: what these numbers count, such as "images labeled" or "objects confirmed"; empty with a problem.
        left_out: why annotations of some tasks cannot be used, with the number of tasks.
        copies: ready items that are not asked about, because they show the same as another one.
        groups_note: how many images joined a group by an earlier check and what to do, empty when none did.
        unlabelled: ready items with a task that nobody finished yet.
        active_run: run of the active model, None before the first.
        active_why: why that model is active, in words.
        version: `model_version` that Label Studio uses.
        strategy: strategy of the active order, empty before the first.
        strategy_note: what the order's maker had to say, such as a fallback.
        changed: tasks whose label changed since the last training run.
        waits_for: what the next run waits for, in words.
        open_run: run that is under way, None when there is none.
        wished: kind of the run that was asked for meanwhile and follows it, empty when there is none.
        waiting_events: webhooks that the worker has not applied yet.
        set_aside_events: webhooks of the project that could not be applied; `paploop events` lists them.
        problem: why PapLoop cannot drive this project, empty when it can.
    """

    project: int
    title: str
    items: Mapping[str, int]
    labels: Mapping[str, int]
    counted: str
    left_out: Mapping[str, int]
    copies: int
    groups_note: str
    unlabelled: int
    active_run: int | None
    active_why: str
    version: str
    strategy: str
    strategy_note: str
    changed: int
    waits_for: str
    open_run: int | None
    wished: str
    waiting_events: int
    set_aside_events: int
    problem: str

    def as_dict(self) -> dict[str, object]:
        """JSON form."""
        return asdict(self)


def overview(store: Store, project_id: int, now: float) -> Overview:
    """Read the state of a project with a handful of queries; changes nothing.

    Raises:
        NotFound: the project is not connected.
    """
    project = store.projects.one(project_id)
    confirmed = _confirmed(store, project_id)
    labels = None if isinstance(confirmed, str) else confirmed
    problem = _gone(project) or (confirmed if isinstance(confirmed, str) else "")
    touched = frozenset() if labels is None else labels.touched
    ready = store.items.all(project_id, states=("ready",))
    ranking = store.rankings.active(project_id)
    open_run = store.runs.open_of(project_id)
    wished = store.runs.wish(project_id)
    changed = store.labels.changes_since(project_id, store.runs.covered_change(project_id))
    return Overview(
        project=project_id,
        title=project.title,
        items=store.items.count(project_id),
        labels={} if labels is None else labels.by_class(),
        counted="" if labels is None else rule_of(labels.job).counted,
        left_out={} if labels is None else dict(Counter(labels.left_out.values())),
        copies=len(copies_of(ready)),
        groups_note=earlier_note(project_id, ready),
        unlabelled=sum(1 for item in ready if item.task_id is not None and item.task_id not in touched),
        active_run=project.active_run_id,
        active_why=_why(store.runs, project.active_run_id),
        version=project.active_version,
        strategy=ranking.strategy if ranking is not None else "",
        strategy_note=ranking.provenance.note if ranking is not None else "",
        changed=changed,
        waits_for=_waits_for(store, project_id, changed, open_run, wished, now),
        open_run=open_run.id if open_run is not None else None,
        wished=wished.kind if wished is not None else "",
        waiting_events=store.events.count_open(),
        set_aside_events=store.events.count_set_aside(project_id),
        problem=problem,
    )


def _confirmed(store: Store, project_id: int) -> ProjectLabels | str:
    """The confirmed labels, or why PapLoop cannot drive the project."""
    try:
        return project_labels(store, project_id)
    except LabelConfigError as error:
        return str(error)


def _gone(project: ProjectRow) -> str:
    if project.gone_at is None:
        return ""
    return (
        f"PapLoop has not polled project {project.id} since {utc_minute(project.gone_at)}: either `paploop "
        "disconnect` disconnected it, or Label Studio no longer has it, because it was deleted or the token's "
        f"user may not see it. `paploop connect {project.id}` reconnects it."
    )


def _why(runs: RunRows, run_id: int | None) -> str:
    if run_id is None:
        return "No model yet: the order is based on the images alone."
    run = runs.one(run_id)
    return run.decision_reason or run.reason


def _waits_for(
    store: Store, project_id: int, changed: int, open_run: RunRow | None, wished: WishRow | None, now: float
) -> str:
    settings = store.projects.settings(project_id)
    follows = ""
    if wished is not None:
        what = "a training run" if wished.kind == "train" else "a new order"
        follows = f" {what[:1].upper()}{what[1:]} follows: {wished.reason}"
    if open_run is not None:
        return f"Run {open_run.id} is in progress.{follows}"
    if follows:
        return follows.strip()
    failed = store.runs.failed_in_a_row(project_id)
    said = f"Run {failed[0].id} failed; its labels count as new. " if failed else ""
    if not settings.auto_train:
        return f"{said}Automatic retraining is off. Start a run by hand."
    until = paused_until(failed, now)
    if until is not None:
        minutes = max(1, round((until - now) / 60))
        said = (
            f"Run {failed[0].id} failed; its labels count as new. The next automatic run starts in {minutes} "
            "minutes at the earliest. "
        )
    return (
        f"{said}{changed} of {settings.retrain_labels} new or changed labels; one is enough after "
        f"{settings.retrain_minutes:g} minutes."
    )
