"""Compares strategies in the running loop for objects: AP50 by labeled images and by objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ml_backend.experiments.replay.objects_material import Material, read_material
from ml_backend.experiments.simulate.drawing import Drawer, ObjectOracle
from ml_backend.experiments.simulate.expert import Manner
from ml_backend.experiments.simulate.grouped import lay_out
from ml_backend.experiments.simulate.study import Study, digest, temporary_project
from ml_backend.experiments.simulate.watching import watch_on
from ml_backend.intake.ingest import ingest
from ml_backend.intake.label_files.exported import labels_in, objects
from ml_backend.intake.projects import label_config
from ml_backend.predictions.detectors import detector_of, load_detector
from ml_backend.runs import request_run
from ml_backend.services import Services
from ml_backend.state.models import Models
from ml_backend.state.store import Store
from training.data.detection_set import DetectionSet, renumbered
from training.evaluation.detection import evaluate
from training.types import Progress


@dataclass(frozen=True)
class ObjectPoint:
    """One place on a learning curve.

    Attributes:
        labels: images labeled so far.
        objects: objects drawn on them.
        run: id of the run.
        decision: promoted or kept.
        active: AP50 on the test part of the model that annotators see; None until a model is active.
        candidate: AP50 of the model that the run trained; None where it trained none.
    """

    labels: int
    objects: int
    run: int
    decision: str
    active: float | None
    candidate: float | None


@dataclass
class ObjectCurve:
    """One strategy with one seed.

    Attributes:
        strategy: its name.
        seed: of the project and the expert.
        project: Label Studio's id.
        points: in order.
        proposed: objects that were proposed to the expert.
        right: how many of them were objects of that class.
    """

    strategy: str
    seed: int
    project: int
    points: list[ObjectPoint] = field(default_factory=list)
    proposed: int = 0
    right: int = 0


def object_config(data: DetectionSet) -> str:
    """A labeling interface for the objects of a set: polygons where it has outlines, else rectangles."""
    return label_config(data.classes, "polygons" if data.has_masks else "boxes")


def compare_objects(
    services: Services, study: Study, stage: Callable[[str], Progress]
) -> tuple[Material, list[ObjectCurve]]:
    """Run every strategy with every seed through the loop, in temporary projects.

    Args:
        services: the parts of the process; a worker and the web process run beside it.
        study: what is compared; its folder is a COCO, YOLO or VOC folder.
        stage: shows progress.

    Raises:
        TrainingError: the folder cannot be used.
        BadRequest: too little is in it.
    """
    root = study.folder.expanduser().resolve()
    # A played expert draws only on images whose labels are known as a whole.
    material = read_material(
        objects(labels_in(root)),
        None,
        study.test_fraction,
        study.group_pattern,
        stage("Reading the images"),
        allow_left_out=True,
    )
    pool = services.files.root / "simulate" / root.name
    files = {image.name: image.path for image in material.pool.images}
    folder = next(iter(files.values())).parent
    lay_out(folder, [path.relative_to(folder).as_posix() for path in files.values()], pool)
    curves = []
    for seed in range(study.seeds):
        for strategy in study.strategies:
            with temporary_project(services, study, object_config(material.pool), strategy, seed) as project_id:
                curves.append(_contend(services, study, material, pool, ObjectCurve(strategy, seed, project_id), stage))
    return material, curves


def _contend(
    services: Services,
    study: Study,
    material: Material,
    pool: Path,
    curve: ObjectCurve,
    stage: Callable[[str], Progress],
) -> ObjectCurve:
    progress, project_id = stage(f"{curve.strategy}, seed {curve.seed}"), curve.project
    watch = watch_on(services, study.patience)
    ingest(services, project_id, pool, stage=lambda title: lambda *_: progress(0.0, title))
    request_run(services.store, project_id, kind="rank", reason="First order of a simulation.", now=services.clock())
    watch.wait_until_settled(project_id)
    truth = {image.path.name: image for image in material.pool.images}
    oracle = ObjectOracle(material.pool.classes, truth)
    expert = Drawer(services.label_studio, project_id, oracle, Manner(study.error_rate, 0.0, curve.seed))
    given = 0
    while given < study.labels:
        answered = expert.label(min(study.step, study.labels - given), lambda _: None)
        if not answered:
            break
        given += answered
        progress(given / study.labels, f"{given} images, training")
        digest(watch, project_id, given + expert.tally.skipped)
        curve.points.append(
            _measure(services.store, services.models, material, project_id, given, expert.tally.objects)
        )
    curve.proposed, curve.right = expert.tally.shown, expert.tally.agreed
    progress(1.0, f"{given} images")
    return curve


def _measure(
    store: Store, models: Models, material: Material, project_id: int, labels: int, objects: int
) -> ObjectPoint:
    run = next(run for run in store.runs.latest(project_id, limit=50) if run.kind == "train")
    candidate = _ap50(models, material, run.id)
    active_run = store.projects.one(project_id).active_run_id
    active = candidate if active_run == run.id else _ap50(models, material, active_run)
    return ObjectPoint(labels, objects, run.id, run.decision or run.state, active, candidate)


def _ap50(models: Models, material: Material, run_id: int | None) -> float | None:
    if run_id is None or detector_of(models, run_id) is None:
        return None
    detector = load_detector(models, run_id)
    test = renumbered(material.test, detector.plan.classes)
    found = list(detector.predict([image.path for image in test.images]))
    value = evaluate(test, found)["AP50"]
    return None if value is None else float(value)
