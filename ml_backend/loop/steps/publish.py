"""Step 4: predict the pool, rank it, push order and pre-annotations in bulk, switch, clean up afterwards."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ml_backend.duplicates.review import Offer, explain_offers, offers_of
from ml_backend.errors import BadRequest, LabelStudioUnavailable, QueueUnavailable
from ml_backend.label_studio.bodies.predictions import task_prediction
from ml_backend.label_studio.client import LabelStudio
from ml_backend.label_studio.client.predictions import UnknownTasks
from ml_backend.label_studio.config import LabelingJob
from ml_backend.labels.project import ProjectLabels, project_labels
from ml_backend.loop.forgetting import forget_past
from ml_backend.loop.kinds.base import Drawing, Kind
from ml_backend.loop.kinds.registry import kind_of, serving_run
from ml_backend.loop.steps.result import StepResult
from ml_backend.ordering.competence import competence_over
from ml_backend.ordering.order import OrderRequest
from ml_backend.predictions.detectors import GONE
from ml_backend.predictions.imported import with_imported
from ml_backend.services import Services
from ml_backend.state.files import project_lock
from ml_backend.state.records import RankingRow, RunRow
from ml_backend.state.rows.rankings import ended_meanwhile

log = logging.getLogger(__name__)

VERSION_PREFIX = "paploop-"


def publish(services: Services, run: RunRow) -> StepResult:
    """Renew what Label Studio shows; the PATCH of `model_version` is the only step at which it changes."""
    labels = project_labels(services.store, run.project_id)
    kind = kind_of(labels.job)
    model_run = _model_run(services, run, kind)
    speaks = model_run is not None and _speaks(services, run, kind, model_run)
    if model_run is not None and speaks:
        kind.look(services, run, model_run, labels)
    offered = offers_of(services.store.items, run.project_id, labels)
    ranking = services.store.rankings.of_run(run.id)
    if ranking is None or ranking.state != "prepared":
        ranking = _rank(services, run, model_run, kind, labels, offered, speaks=speaks)
    drawing = kind.draw(services, run.project_id, labels.job, model_run, offered)
    pushed = _push(services, run, ranking, labels.job, drawing)
    if not services.store.runs.one(run.id).is_open:
        raise ended_meanwhile(run.id)
    ranking = services.store.rankings.of_run(run.id) or ranking
    if pushed:
        services.label_studio.set_model_version(run.project_id, ranking.version)
    services.store.rankings.activate(ranking.id, model_run, while_open=run.id)
    try:
        services.queue.put("cleanup_job", run.project_id, key=f"cleanup-{run.project_id}")
    except QueueUnavailable as error:
        log.warning("old predictions will be deleted later: %s", error)
    told = {"strategy": ranking.strategy, "version": ranking.version, "pushed": pushed, **drawing.told()}
    metrics = replace(run.metrics, publish=told)
    return StepResult("done", metrics=metrics, progress=1.0, message=f"{pushed} tasks ranked")


def _model_run(services: Services, run: RunRow, kind: Kind) -> int | None:
    """The run whose model speaks; None where there is none, or it answers another question than the project asks."""
    if run.decision == "promoted" and run.kind == "train":
        return run.id
    asked = run.request.model_run
    if asked is None:
        return serving_run(services.store, run.project_id, kind)
    return asked if services.store.runs.one(asked).request.trains == kind.name else None


def _speaks(services: Services, run: RunRow, kind: Kind, model_run: int) -> bool:
    """Whether the model can be asked; where it is lost its stored answers stay, and images alone give the order.

    Raises:
        BadRequest: a roll-back asked for this very model.
    """
    if model_run == run.id or kind.can_read(services, model_run):
        return True
    if run.request.model_run is not None:
        raise BadRequest(
            f"The model of run {model_run} can no longer be read, so nothing was rolled back. Choose another "
            "run or train again."
        )
    return False


def _rank(
    services: Services,
    run: RunRow,
    model_run: int | None,
    kind: Kind,
    labels: ProjectLabels,
    offered: Mapping[int, Offer],
    *,
    speaks: bool,
) -> RankingRow:
    classes = list(labels.job.classes)
    judged = services.store.runs.one(model_run).metrics.judgement if model_run is not None else {}
    request = OrderRequest(
        run_id=model_run if speaks else None,
        classes=classes,
        touched=labels.touched,
        encoder=run.request.encoder,
        seed=run.seed + run.id,
        competence=competence_over(judged, classes),
        kind=labels.job.kind,
    )
    newest = services.store.items.newest_settled(run.project_id)
    order = kind.order(services, run.project_id, labels, request)
    lost = f"T{GONE[1:].format(model_run)}; train again. " if model_run is not None and not speaks else ""
    note = f"{lost}{order.provenance.note}".strip()
    services.store.rankings.add(
        run.project_id,
        run_id=model_run,
        opened_by=run.id,
        version=f"{VERSION_PREFIX}{run.project_id}-{run.id}-{int(services.clock() * 1000) % 36**6:x}",
        strategy=order.strategy,
        provenance=replace(order.provenance, note=note, newest_item=newest or 0),
        entries=explain_offers(order.entries, offered),
        now=services.clock(),
    )
    made = services.store.rankings.of_run(run.id)
    assert made is not None
    return made


def _push(services: Services, run: RunRow, ranking: RankingRow, job: LabelingJob, drawing: Drawing) -> int:
    """Import one prediction a candidate; a version that an earlier attempt left half-pushed is never completed."""
    store = services.store
    items = {item.id: item for item in store.items.all(run.project_id, states=("ready",))}
    entries = [entry for entry in store.rankings.entries(ranking.id) if entry.item_id in items]
    if not entries:
        return 0
    there = 0
    tries = run.attempts + run.waits
    if tries > 1:
        there = services.label_studio.model_versions(run.project_id).get(ranking.version, 0)
        if there == len(entries):
            return there
    version = f"{ranking.version.partition('.')[0]}.{tries}" if there else ranking.version
    if there:
        store.rankings.rename(ranking.id, version)
    shown = with_imported(
        services.store.proposals, run.project_id, job, entries, drawing.regions(entries), drawing.answered
    )
    body = [
        task_prediction(items[entry.item_id].task_id, version, entry.score, result)
        for entry, result in zip(entries, shown, strict=True)
    ]
    try:
        return push(services.label_studio, run.project_id, body)
    except UnknownTasks as error:
        store.items.mark_tasks_deleted(run.project_id, error.task_ids)
        raise LabelStudioUnavailable(
            f"{len(error.task_ids)} tasks were deleted in Label Studio in the meantime; the order is sent "
            "again without them."
        ) from error


def push(client: LabelStudio, project_id: int, body: Sequence[Mapping[str, Any]]) -> int:
    """Import predictions and make sure that Label Studio kept every one.

    Raises:
        LabelStudioUnavailable: it dropped some; they must be sent again under a new version.
        UnknownTasks: some tasks are gone.
    """
    created = client.import_predictions(project_id, body)
    if created != len(body):
        raise LabelStudioUnavailable(
            f"Label Studio stored {created} of {len(body)} predictions; they are sent again under a new version."
        )
    return created


def cleanup(services: Services, project_id: int) -> list[str]:
    """Delete our prediction versions that are no longer shown; returns their names.

    Raises:
        Busy: a run of the project is at work; it asks for another cleanup when it has published.
    """
    store, client = services.store, services.label_studio
    # Decided under the project's lock; what no run wants then, no run ever wants again, so deleting may take its time.
    with services.files.lock(project_lock(project_id), wait=False):
        gone = _unseen(services, project_id)
        # Those of runs that ended before they switched serve nobody either.
        retired = [
            row
            for row in store.rankings.all(project_id, states=("prepared", "retired"))
            if row.state == "retired" or not _is_open(services, row)
        ]
    for version in gone:
        client.delete_model_version(project_id, version)
    for row in retired:
        store.rankings.set_state(row.id, "deleted")
    with services.files.lock(project_lock(project_id), wait=False):
        forget_past(services, project_id)
    return gone


def _unseen(services: Services, project_id: int) -> list[str]:
    """Our versions in Label Studio that are neither active nor on their way.

    Label Studio is asked first, then what is on its way, then what is active: a version moves only in that direction,
    so one that is wanted is met at one of these looks.
    """
    store = services.store
    there = services.label_studio.model_versions(project_id)
    wanted = {row.version for row in store.rankings.all(project_id, states=("prepared",)) if _is_open(services, row)}
    wanted.add(store.projects.one(project_id).active_version)
    return [v for v in there if v.startswith(f"{VERSION_PREFIX}{project_id}-") and v not in wanted]


def _is_open(services: Services, ranking: RankingRow) -> bool:
    return services.store.runs.one(ranking.opened_by).is_open
