"""The two things `paploop simulate` does: label one project, or compare strategies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ml_backend.errors import BadRequest
from ml_backend.experiments.simulate.drawing import Drawer, read_object_oracle
from ml_backend.experiments.simulate.expert import Annotator, Expert, Manner
from ml_backend.experiments.simulate.object_report import ObjectSummary, summarise_objects
from ml_backend.experiments.simulate.object_study import compare_objects
from ml_backend.experiments.simulate.oracle import oracle_of, project_oracle, read_oracle
from ml_backend.experiments.simulate.report import Summary, summarise
from ml_backend.experiments.simulate.study import Study, compare
from ml_backend.experiments.simulate.watching import watch_on
from ml_backend.images.files import ImageFiles
from ml_backend.intake.label_files.exported import exported_file, labels_in, set_of
from ml_backend.intake.label_files.matching import Matcher
from ml_backend.intake.label_files.reading import read_source
from ml_backend.label_studio.client import LabelStudio
from ml_backend.label_studio.config import parse_label_config
from ml_backend.reports.validation_score import validation_score
from ml_backend.services import Services
from ml_backend.state.store import Store
from training.data.detection_set import DetectionSet
from training.data.importers.objects import is_object_folder
from training.types import Progress

PATIENCE = 300.0


@dataclass(frozen=True)
class Report:
    """What one simulated session did.

    Attributes:
        labels: labels given.
        skipped: tasks whose true class is not known.
        pre_annotated: labels that were given on a pre-annotation; proposed objects where objects are drawn.
        pre_annotations_right: how many of those were right.
        runs: training runs that ended meanwhile.
        promoted: how many of them gave the active model.
        curve: labels given so far, run, decision, macro-F1 on validation; AP50 where objects are drawn.
        objects: objects that were drawn.
    """

    labels: int
    skipped: int
    pre_annotated: int
    pre_annotations_right: int
    runs: int
    promoted: int
    curve: list[tuple[int, int, str, float | None]] = field(default_factory=list)
    objects: int = 0


def label_project(
    services: Services,
    project_id: int,
    oracle: Path | None,
    count: int,
    manner: Manner,
    wait: bool,
    progress: Progress,
) -> Report:
    """Let an expert label one existing project.

    Args:
        services: the parts of the process.
        project_id: Label Studio's project id.
        oracle: class folder, COCO folder, table or export; None = the class folders of the project's own images.
        count: labels to give.
        manner: how the expert works.
        wait: wait for each run that becomes due before the next label is given.
        progress: called with the progress.
    """
    expert = expert_for(services.store, services.label_studio, services.images, project_id, oracle, manner)
    store, watch = services.store, watch_on(services, PATIENCE)
    before = {run.id for run in store.runs.latest(project_id, limit=1000)}
    known = len(store.labels.ids(project_id))
    given = 0
    at: dict[int, int] = {}
    while given < count:
        settings = store.projects.settings(project_id)
        answered = expert.label(min(settings.retrain_labels, count - given) if wait else 1, lambda _: None)
        if not answered:
            break
        given += answered
        progress(given / count, f"{given} of {count} labels")
        if wait:
            watch.wait_for_labels(project_id, known + given + expert.tally.skipped)
            watch.wait_until_settled(project_id)
        for run in store.runs.latest(project_id):
            at.setdefault(run.id, given)
    runs = [
        run
        for run in reversed(store.runs.latest(project_id, limit=1000))
        if run.id not in before and run.kind == "train"
    ]
    scores = {run.id: validation_score(run) for run in runs}
    tally = expert.tally
    return Report(
        labels=given,
        skipped=tally.skipped,
        pre_annotated=tally.shown,
        pre_annotations_right=tally.agreed,
        runs=len(runs),
        promoted=sum(run.decision == "promoted" for run in runs),
        curve=[
            (at.get(r.id, given), r.id, r.decision or r.state, s.value if (s := scores[r.id]) else None) for r in runs
        ],
        objects=tally.objects,
    )


def expert_for(
    store: Store,
    label_studio: LabelStudio,
    images: ImageFiles,
    project_id: int,
    oracle: Path | None,
    manner: Manner,
) -> Annotator:
    """The expert for the tasks of a project: one who draws objects, or one who classifies images.

    Raises:
        BadRequest: the oracle does not fit the project.
    """
    if oracle is not None and oracle.is_dir() and is_object_folder(oracle):
        return Drawer(label_studio, project_id, read_object_oracle(oracle), manner)
    config = str(label_studio.project(project_id).get("label_config") or "")
    job = parse_label_config(config)
    file = None if oracle is None else exported_file(oracle)
    if file is not None:
        matcher = Matcher(images, store.items.all(project_id))
        labels = read_source(file, "auto", matcher, matcher.words(job))
        if labels.has_objects or not labels.entries:
            return Drawer(label_studio, project_id, read_object_oracle(set_of(labels, file)), manner)
        if not job.finds_objects:
            return Expert(label_studio, project_id, oracle_of(labels, file), manner)
    if job.finds_objects:
        raise BadRequest(
            f"Project {project_id} draws objects. Give a folder with labeled objects (images/, annotations.json)."
        )
    truth = project_oracle(store.items, project_id) if oracle is None else read_oracle(oracle)
    return Expert(label_studio, project_id, truth, manner)


def run_study(
    services: Services, study: Study, stage: Callable[[str], Progress], target: Path | None
) -> Summary | ObjectSummary:
    """Compare strategies and, if requested, write the figure."""
    given = labels_in(study.folder)
    summary: Summary | ObjectSummary
    if isinstance(given, DetectionSet) or (isinstance(given, Path) and given.is_dir() and is_object_folder(given)):
        summary = summarise_objects(study, *compare_objects(services, study, stage))
    else:
        summary = summarise(study, *compare(services, study, stage))
    if target is not None:
        summary.plot(target)
    return summary
