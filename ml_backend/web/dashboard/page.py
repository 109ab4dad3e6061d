"""What a project's page shows, read from the store; templates only lay it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ml_backend.duplicates.review import ConflictEntry, CopyEntry, conflict_list, copy_list
from ml_backend.images.media_url import thumbnail_url
from ml_backend.ordering.strategy_choice import StrategyEntry, kind_of, strategy_list
from ml_backend.reports.next_items import next_items
from ml_backend.reports.overview import Overview, overview
from ml_backend.reports.validation_score import Comparison, comparison, validation_score
from ml_backend.runs import why_no_rollback
from ml_backend.services import Services
from ml_backend.state.files import DataDir
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.state.records import RunRow
from ml_backend.times import duration, utc_minute
from ml_backend.web.dashboard.curve import Point, learning_curve
from ml_backend.web.dashboard.effort import EffortPanel, effort_panel

NEXT_SHOWN = 10
CONFLICTS_SHOWN = 20
RUNS_SHOWN = 25
RUNS_DRAWN = 200


@dataclass(frozen=True)
class RunLine:
    """One line of the runs table, ready to print."""

    id: int
    kind: str
    state: str
    tone: str
    progress: int | None
    reason: str
    labels: str
    score: str
    outcome: str
    started: str
    took: str
    can_go_back: bool


@dataclass(frozen=True)
class ProjectPage:
    """Everything the template needs."""

    now: str
    overview: Overview
    most_labels: int
    settings: ProjectSettings
    strategies: Sequence[StrategyEntry]
    curve: Markup
    compared: Comparison | None
    runs: Sequence[RunLine]
    next_items: Sequence[dict[str, Any]]
    conflicts: Sequence[ConflictEntry]
    copies: Sequence[CopyEntry]
    effort: EffortPanel
    label_studio: str
    is_busy: bool


def project_page(services: Services, project_id: int, *, media_root: str = "") -> ProjectPage:
    """Read the page of a project.

    Args:
        services: the parts of the process.
        project_id: Label Studio's project id.
        media_root: path below which this application is mounted; thumbnails are asked for from the page's own host.
    """
    view = overview(services.store, project_id, now=services.clock())
    runs = services.store.runs.latest(project_id, limit=RUNS_DRAWN)
    compared = comparison(runs)
    now = services.clock()
    base = (services.settings.label_studio_public_url or services.settings.label_studio_url).rstrip("/")
    public = services.settings.resolved_public_url
    following = [
        {
            **entry,
            "image": thumbnail_url(media_root + entry["image"].removeprefix(public)) if entry["image"] else "",
            "link": f"{base}/projects/{project_id}/data?task={entry['task']}",
        }
        for entry in next_items(services.store, services.settings, project_id, NEXT_SHOWN)
    ]
    return ProjectPage(
        now=utc_minute(now),
        overview=view,
        most_labels=max(view.labels.values(), default=0) or 1,
        settings=services.store.projects.settings(project_id),
        strategies=strategy_list(kind_of(services.store.projects, project_id)),
        curve=learning_curve(curve_points(runs, compared, view.active_run)),
        compared=compared,
        runs=[run_line(services.files, run, view.active_run, now) for run in runs[:RUNS_SHOWN]],
        next_items=following,
        conflicts=conflict_list(services.store, project_id)[:CONFLICTS_SHOWN],
        copies=copy_list(services.store.items, project_id, CONFLICTS_SHOWN) if view.copies else [],
        effort=effort_panel(services.store, project_id),
        label_studio=f"{base}/projects/{project_id}/data",
        is_busy=view.open_run is not None or view.waiting_events > 0,
    )


def curve_points(runs: Sequence[RunRow], compared: Comparison | None, active_run: int | None) -> list[Point]:
    """The models measured on the current validation set, as points of the learning curve."""
    points = []
    for run in runs:
        score = compared.scores.get(run.id) if compared is not None else None
        labels = run.request.labels
        if score is not None and labels is not None:
            is_active = run.id == active_run
            points.append(
                Point(run.id, labels, score.value, score.low, score.high, run.decision, is_active, score.measure)
            )
    return points


def run_line(files: DataDir, run: RunRow, active_run: int | None, now: float) -> RunLine:
    """A run in words."""
    score = validation_score(run)
    said = ""
    if score is not None:
        said = f"{score.value:.3f}"
        if score.low is not None and score.high is not None:
            said += f" ({score.low:.2f} to {score.high:.2f})"
        said += f" on {score.items}" if score.items is not None else ""
    labels = run.request.labels
    return RunLine(
        id=run.id,
        kind=run.kind,
        state="serving" if run.id == active_run else (run.decision or run.state if run.state == "done" else run.state),
        tone=_tone(run, active_run),
        progress=round(100 * min(1.0, max(0.0, run.progress))) if run.is_open else None,
        reason=run.reason,
        labels=str(labels) if labels is not None else "",
        score=said,
        outcome=run.error or (run.message if run.is_open else "") or run.decision_reason or run.message,
        started=utc_minute(run.created_at),
        took=duration(max(0.0, (run.finished_at or now) - run.created_at)),
        can_go_back=run.id != active_run and not why_no_rollback(files, run),
    )


def _tone(run: RunRow, active_run: int | None) -> str:
    if run.id == active_run:
        return "active"
    if run.is_open:
        return "open"
    return "failed" if run.state == "failed" else (run.decision or "done")
