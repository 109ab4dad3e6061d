"""Compares strategies in the running loop: one temporary project for each strategy and seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ml_backend.errors import NotFound
from ml_backend.experiments.simulate import replay
from ml_backend.experiments.simulate.expert import Expert, Manner
from ml_backend.experiments.simulate.grouped import Parts, given_parts, lay_out, leak_groups, split
from ml_backend.experiments.simulate.oracle import Oracle, read_oracle
from ml_backend.experiments.simulate.watching import Watch, watch_on
from ml_backend.intake.ingest import ingest
from ml_backend.intake.label_files.exported import labels_in
from ml_backend.intake.projects import attach, label_config
from ml_backend.ordering.strategy_choice import change_settings
from ml_backend.runs import request_run
from ml_backend.services import Services
from ml_backend.settings import Settings
from ml_backend.state.files import DataDir
from ml_backend.state.store import Store
from training.data.class_list import ClassList
from training.files import CHECKPOINT
from training.types import FloatArray, IntArray, Progress

NEVER_MINUTES = 525_600.0


@dataclass(frozen=True)
class Study:
    """What is compared.

    Attributes:
        folder: class folder, or an export of Label Studio with its images.
        strategies: names of strategies.
        seeds: number of repetitions of each.
        labels: labels given in each.
        step: labels between two runs.
        test_fraction: share of the images held back.
        group_pattern: finds the patient, slide or source image in a file name.
        group_gap: numbered groups within this distance are one.
        error_rate: of the expert.
        patience: seconds without a sign of life after which the study ends.
        keep: leave the projects in Label Studio.
        settings: further settings of the projects.
    """

    folder: Path
    strategies: tuple[str, ...]
    seeds: int = 3
    labels: int = 120
    step: int = 20
    test_fraction: float = 0.3
    group_pattern: str = ""
    group_gap: int = 0
    error_rate: float = 0.0
    patience: float = 300.0
    keep: bool = False
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """One place on a learning curve.

    Attributes:
        labels: labels given so far.
        trained: labels that the model of the run was trained on, the validation part left out.
        run: id of the run.
        decision: promoted or kept.
        active: macro-F1 on the test part of the model that annotators see.
        candidate: macro-F1 of the model that the run trained.
        plain: macro-F1 of plain scikit-learn on the same training labels.
    """

    labels: int
    trained: int
    run: int
    decision: str
    active: float
    candidate: float
    plain: float


@dataclass
class Curve:
    """One strategy with one seed."""

    strategy: str
    seed: int
    project: int
    points: list[Point] = field(default_factory=list)
    agreed: float = 0.0


@dataclass(frozen=True)
class Bench:
    """What all contenders share: the pool, and the test part as arrays."""

    pool: Path
    classes: tuple[str, ...]
    oracle: Oracle
    parts: Parts
    test_files: tuple[Path, ...]
    test: FloatArray
    truth: IntArray


def prepare(files: DataDir, settings: Settings, threads: int, study: Study, progress: Progress) -> Bench:
    """Split the folder, lay out the pool, embed the test part.

    Raises:
        BadRequest: the folder has too few classes or groups.
    """
    root = study.folder.expanduser().resolve()
    given = labels_in(root)
    oracle = Oracle(given.labels) if isinstance(given, ClassList) else read_oracle(root)
    below = given.root if isinstance(given, ClassList) else root
    names = sorted(oracle.truth)
    labels = [oracle.truth[name] for name in names]
    groups = leak_groups(names, study.group_pattern, study.group_gap)
    parts = given_parts(names, oracle.folders) or split(names, labels, groups, study.test_fraction, seed=0)
    pool = files.root / "simulate" / root.name
    lay_out(below, parts.pool, pool)
    classes = tuple(oracle.classes())
    held = tuple(below / name for name in parts.test)
    truth = np.array([classes.index(oracle.truth[name]) for name in parts.test], dtype=np.int64)
    vectors = replay.embed(settings.encoder, held, progress, threads=threads, max_pixels=settings.max_image_pixels)
    return Bench(pool, classes, oracle, parts, held, vectors, truth)


def compare(services: Services, study: Study, stage: Callable[[str], Progress]) -> tuple[Bench, list[Curve]]:
    """Run every strategy with every seed through the loop.

    Args:
        services: the parts of the process; a worker and the web process run beside it.
        study: what is compared.
        stage: shows progress.
    """
    bench = prepare(services.files, services.settings, services.threads, study, stage("Embedding the test part"))
    curves = []
    for seed in range(study.seeds):
        for strategy in study.strategies:
            with temporary_project(services, study, label_config(bench.classes), strategy, seed) as project_id:
                curves.append(_contend(services, study, bench, strategy, seed, project_id, stage))
    return bench, curves


@contextmanager
def temporary_project(services: Services, study: Study, config: str, strategy: str, seed: int) -> Iterator[int]:
    """A project of Label Studio with a strategy; deleted afterwards unless the study keeps its projects."""
    title = f"simulate {study.folder.name}: {strategy}, seed {seed}"[:50]
    project = services.label_studio.create_project(title, config)
    project_id = int(project["id"])
    try:
        attach(services.store, services.label_studio, services.settings, project_id, services.clock())
        change_settings(
            services.store.projects,
            project_id,
            {
                "strategy": strategy,
                "seed": seed,
                "retrain_labels": study.step,
                "retrain_minutes": NEVER_MINUTES,
                "group_pattern": study.group_pattern,
                **study.settings,
            },
        )
        yield project_id
    finally:
        if not study.keep:
            with suppress(NotFound):
                services.label_studio.delete_project(project_id)
            with suppress(NotFound):
                services.store.projects.delete(project_id)


def _contend(
    services: Services,
    study: Study,
    bench: Bench,
    strategy: str,
    seed: int,
    project_id: int,
    stage: Callable[[str], Progress],
) -> Curve:
    progress = stage(f"{strategy}, seed {seed}")
    watch = watch_on(services, study.patience)
    ingest(services, project_id, bench.pool, stage=lambda title: lambda *_: progress(0.0, title))
    request_run(services.store, project_id, kind="rank", reason="First order of a simulation.", now=services.clock())
    watch.wait_until_settled(project_id)
    expert = Expert(services.label_studio, project_id, bench.oracle, Manner(study.error_rate, 0.0, seed))
    curve = Curve(strategy, seed, project_id)
    given = 0
    while given < study.labels:
        now = given

        def done(count: int, now: int = now) -> None:
            progress((now + count) / study.labels, f"{now + count} labels")

        answered = expert.label(min(study.step, study.labels - given), done)
        if not answered:
            break
        given += answered
        progress(given / study.labels, f"{given} labels, training")
        digest(watch, project_id, given + expert.tally.skipped)
        curve.points.append(_measure(services.store, services.files, bench, project_id, given))
    curve.agreed = expert.tally.agreed / max(1, expert.tally.shown)
    progress(1.0, f"macro-F1 {curve.points[-1].active:.3f}" if curve.points else "no label could be set")
    return curve


def digest(watch: Watch, project_id: int, annotated: int) -> None:
    """Wait until a run has used all labels; the last few of a simulation start one by themselves."""
    watch.wait_for_labels(project_id, annotated)
    watch.wait_until_settled(project_id)
    store = watch.store
    if store.labels.changes_since(project_id, store.runs.covered_change(project_id)):
        request_run(
            store,
            project_id,
            kind="train",
            reason="A simulation starts a run after its labels.",
            now=watch.clock(),
        )
        watch.wait_until_settled(project_id)


def _measure(store: Store, files: DataDir, bench: Bench, project_id: int, labels: int) -> Point:
    run = next(run for run in store.runs.latest(project_id, limit=50) if run.kind == "train")
    checkpoint = files.run_dir(run.id) / CHECKPOINT
    candidate = plain = 0.0
    trained = 0
    if checkpoint.is_dir():
        vectors, known = replay.run_vectors(store.runs, files, run.id, bench.classes)
        trained = len(known)
        candidate = replay.model_score(checkpoint, bench.test, bench.test_files, bench.truth, bench.classes)
        plain = replay.plain_score(vectors, known, bench.test, bench.truth, len(bench.classes))
    active_run = store.projects.one(project_id).active_run_id
    active = candidate
    if active_run != run.id:
        active = 0.0
        if active_run is not None:
            folder = files.run_dir(active_run) / CHECKPOINT
            active = replay.model_score(folder, bench.test, bench.test_files, bench.truth, bench.classes)
    return Point(labels, trained, run.id, run.decision or run.state, active, candidate, plain)


def names_of(curves: Sequence[Curve]) -> list[str]:
    """Strategies in the order in which they first occur."""
    return list(dict.fromkeys(curve.strategy for curve in curves))
