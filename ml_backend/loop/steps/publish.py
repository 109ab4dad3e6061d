"""Step 4: predict the pool, rank it, push order and pre-annotations in bulk, switch, clean up afterwards."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml_backend.duplicates.review import Offer, explain_offers, offers_of
from ml_backend.errors import BadRequest, LabelStudioUnavailable, QueueUnavailable
from ml_backend.images.items import LOST
from ml_backend.label_studio.bodies.predictions import task_prediction
from ml_backend.label_studio.client import LabelStudio
from ml_backend.label_studio.client.predictions import UnknownTasks
from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions.choices import choice_result
from ml_backend.label_studio.regions.ids import region_id
from ml_backend.labels.project import ProjectLabels, project_labels
from ml_backend.loop.forgetting import forget_past
from ml_backend.loop.kinds.objects.publish import Rendered, look_at_pool, pre_annotations
from ml_backend.loop.schedule import NEWEST
from ml_backend.ordering.competence import competence_over
from ml_backend.ordering.objects import order_objects
from ml_backend.ordering.order import OrderRequest, order_project
from ml_backend.predictions.classifiers import is_readable, predict_items
from ml_backend.predictions.detectors import GONE, finds_objects
from ml_backend.predictions.imported import with_imported
from ml_backend.predictions.shown_regions import ShownRegions
from ml_backend.progress import reporter
from ml_backend.services import Services
from ml_backend.state.files import project_lock
from ml_backend.state.records import RankingEntry, RankingRow, RunRow
from ml_backend.state.rows.rankings import ended_meanwhile

log = logging.getLogger(__name__)

VERSION_PREFIX = "paploop-"


def publish(services: Services, run: RunRow) -> tuple[str, Mapping[str, Any]]:
    """Renew what Label Studio shows; the PATCH of `model_version` is the one moment at which it changes."""
    labels = project_labels(services.store, run.project_id)
    model_run = _model_run(services, run, labels.job)
    speaks = model_run is not None and _speaks(services, run, model_run)
    if model_run is not None and speaks:
        look = look_at_pool if labels.job.finds_objects else _predict_pool
        look(services, run, model_run, labels)
    offered = offers_of(services.store.items, run.project_id, labels)
    ranking = services.store.rankings.of_run(run.id)
    if ranking is None or ranking.state != "prepared":
        ranking = _rank(services, run, model_run, labels, offered, speaks=speaks)
    rendered = Rendered()
    shown = _Shown(labels.job, model_run, offered, rendered)
    pushed = _push(services, run, ranking, shown)
    if not services.store.runs.one(run.id).is_open:
        raise ended_meanwhile(run.id)
    ranking = services.store.rankings.of_run(run.id) or ranking
    if pushed:
        services.label_studio.set_model_version(run.project_id, ranking.version)
    services.store.rankings.activate(ranking.id, model_run, while_open=run.id)
    try:
        services.queue.put("cleanup_job", run.project_id, key=f"cleanup-{run.project_id}")
    except QueueUnavailable as error:
        log.warning("old predictions are cleaned up later: %s", error)
    summary: dict[str, Any] = {"strategy": ranking.strategy, "version": ranking.version, "pushed": pushed}
    if labels.job.finds_objects:
        summary["shown"] = rendered.summary()
    return "done", {
        "metrics": {**run.metrics, "publish": summary},
        "progress": 1.0,
        "message": f"{pushed} tasks ranked",
    }


def _model_run(services: Services, run: RunRow, job: LabelingJob) -> int | None:
    """The run whose model speaks; None where there is none, or it answers another question than the project asks."""
    if run.decision == "promoted" and run.kind == "train":
        return run.id
    asked = run.request.get("model_run")
    number = int(asked) if asked is not None else services.store.projects.one(run.project_id).active_run_id
    if number is None or finds_objects(services.store.runs.one(number)) != job.finds_objects:
        return None
    return number


def _speaks(services: Services, run: RunRow, model_run: int) -> bool:
    """Whether the model can be asked; where it is lost its stored answers stay, and images alone give the order.

    Raises:
        BadRequest: a roll-back asked for this very model.
    """
    if model_run == run.id or is_readable(services.models, model_run):
        return True
    if run.request.get("model_run") is not None:
        raise BadRequest(
            f"The model of run {model_run} cannot be read any more, so nothing was rolled back; choose another run or "
            "train again."
        )
    return False


def _encoder(run: RunRow) -> str:
    return str(run.request["encoder"])


def _predict_pool(services: Services, run: RunRow, model_run: int, _labels: ProjectLabels) -> None:
    encoder = _encoder(run)
    ready = services.store.items.all(run.project_id, states=("ready",))
    items = [item for item in ready if item.task_id is not None and item.encoder == encoder]
    known = services.store.answers.items(model_run)
    if model_run != run.id and all(item.id in known for item in items):
        return
    progress = reporter(services.store.runs, services.clock, run, "Predicting the pool")
    probs, classes = predict_items(services.models, services.images, model_run, items, encoder, progress)
    usable = np.asarray(np.isfinite(probs).all(axis=1))
    lost = [
        {"id": i.id, "state": "unreadable", "reason": LOST}
        for i, ok in zip(items, usable.tolist(), strict=True)
        if not ok
    ]
    if lost:
        services.store.items.update(lost)
    ids = np.array([item.id for item in items], dtype=np.int64)
    services.store.answers.save(model_run, ids[usable], probs[usable], classes)


def _rank(
    services: Services,
    run: RunRow,
    model_run: int | None,
    labels: ProjectLabels,
    offered: Mapping[int, Offer],
    *,
    speaks: bool,
) -> RankingRow:
    classes = list(labels.job.classes)
    known = {task: classes.index(name) for task, name in labels.labels.items() if name in classes}
    judged = services.store.runs.one(model_run).metrics.get("judgement", {}) if model_run is not None else {}
    request = OrderRequest(
        run_id=model_run if speaks else None,
        classes=classes,
        labels=known,
        touched=labels.touched,
        encoder=_encoder(run),
        seed=run.seed + run.id,
        competence=competence_over(judged, classes),
        kind=labels.job.kind,
        objects=labels.by_class() if labels.job.finds_objects else {},
    )
    newest = services.store.items.newest_settled(run.project_id)
    order_of = order_objects if labels.job.finds_objects else order_project
    order = order_of(services, run.project_id, request)
    lost = f"T{GONE[1:].format(model_run)}; train again. " if model_run is not None and not speaks else ""
    provenance = {**order.provenance, "note": f"{lost}{order.provenance.get('note') or ''}".strip()}
    services.store.rankings.add(
        run.project_id,
        run_id=model_run,
        opened_by=run.id,
        version=f"{VERSION_PREFIX}{run.project_id}-{run.id}-{int(services.clock() * 1000) % 36**6:x}",
        strategy=order.strategy,
        provenance={**provenance, NEWEST: newest},
        entries=explain_offers(order.entries, offered),
        now=services.clock(),
    )
    made = services.store.rankings.of_run(run.id)
    assert made is not None
    return made


@dataclass(frozen=True)
class _Shown:
    """What pre-annotations are made of.

    Attributes:
        job: what the label config asks.
        model_run: whose model speaks, None where there is none.
        offered: item id -> label that its group agrees on.
        rendered: counts what was drawn.
    """

    job: LabelingJob
    model_run: int | None
    offered: Mapping[int, Offer]
    rendered: Rendered


def _push(services: Services, run: RunRow, ranking: RankingRow, shown: _Shown) -> int:
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
    body = [
        task_prediction(items[entry.item_id].task_id, version, entry.score, result)
        for entry, result in zip(entries, _results(services, run.project_id, shown, entries), strict=True)
    ]
    try:
        return push(services.label_studio, run.project_id, body)
    except UnknownTasks as error:
        store.items.mark_tasks_deleted(run.project_id, error.task_ids)
        raise LabelStudioUnavailable(
            f"{len(error.task_ids)} tasks were deleted in Label Studio meanwhile; the order is sent again without them."
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


def _results(
    services: Services, project_id: int, shown: _Shown, entries: Sequence[RankingEntry]
) -> Iterable[Sequence[Mapping[str, Any]]]:
    """The regions shown for each entry, in order."""
    job, model_run, offered = shown.job, shown.model_run, shown.offered
    if job.finds_objects:
        answered = set() if model_run is None else services.store.detections.items(model_run)
        drawn = pre_annotations(services, project_id, job, model_run, entries, shown.rendered)
        return with_imported(services.store.proposals, project_id, job, entries, drawn, answered)
    stored = None if model_run is None else services.store.answers.of(model_run)
    rows = {} if stored is None else dict(zip(stored.ids.tolist(), stored.probs, strict=True))
    classes = () if stored is None else stored.classes
    draw = ShownRegions(services.store, project_id, job)
    chosen = [
        choice_result(job, offered[item].label, 1.0, region_id(0, item))
        if item in offered
        else draw.of_probs(classes, rows.get(item), model_run or 0, item)
        for item in (entry.item_id for entry in entries)
    ]
    return with_imported(services.store.proposals, project_id, job, entries, chosen, rows)


def cleanup(services: Services, project_id: int) -> list[str]:
    """Delete our prediction versions that nobody sees any more; answers their names.

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
