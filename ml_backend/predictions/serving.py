"""/predict: stored predictions by one select, a model only for tasks that no run has seen, a result for every task."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, Never

from ml_backend.errors import LabelConfigError, NotFound
from ml_backend.images.items import task_image
from ml_backend.label_studio.bodies.predictions import Prediction, prediction
from ml_backend.label_studio.bodies.tasks import task_data, task_number
from ml_backend.label_studio.config import LabelingJob, parse_label_config
from ml_backend.label_studio.regions import Result
from ml_backend.predictions.first_use import FirstUse, Wanted
from ml_backend.predictions.kinds.base import answers_of
from ml_backend.predictions.unanswered import Unanswered
from ml_backend.state.records import ProjectRow, Served
from ml_backend.state.rows.projects import ProjectRows
from ml_backend.state.store import Store

if TYPE_CHECKING:
    from ml_backend.predictions.smart.tool import SmartTool

log = logging.getLogger(__name__)

NO_VERSION: Final = "paploop-none"
"""The version while a project has no order yet; `/setup` must always name one."""

LAST: Final = 1.0
"""Score of a task without a place in the order: after all that have one, until the next ranking."""

DEADLINE: Final = 60.0
"""Seconds until `/predict` returns what it has; Label Studio gives up after 100."""


Element = Prediction | list[Never]
"""A prediction, or `[]`: Label Studio stores nothing for that task and asks again next time."""


def version_of(project: ProjectRow | None) -> str:
    """The version that annotators of a project see now, the same in `/setup` and in every result."""
    return (project.active_version if project is not None else "") or NO_VERSION


def known_project(projects: ProjectRows, project_id: int) -> ProjectRow | None:
    """The project, or None with a line in the log when it is not connected."""
    try:
        return projects.one(project_id)
    except NotFound:
        log.info("project %d is not connected; run `paploop connect %d`", project_id, project_id)
        return None


class Serving:
    """Serves `/predict`; one per web process.

    Args:
        store: stored predictions, orders and settings.
        first_use: asks a model about tasks that no run has predicted.
        make_smart: makes what answers smart tools, when the first one is used: it imports OpenCV, which has no place in
            a web process that nobody asks for outlines.
        unanswered: told which tasks get nothing, and why.
        deadline: seconds until a call has its answer.
        timer: monotonic seconds.
    """

    def __init__(
        self,
        store: Store,
        first_use: FirstUse,
        make_smart: Callable[[], SmartTool],
        unanswered: Unanswered,
        *,
        deadline: float = DEADLINE,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._timer = timer
        self._deadline = deadline
        self._first_use = first_use
        self._make_smart = make_smart
        self._unanswered = unanswered

    @cached_property
    def _smart(self) -> SmartTool:
        return self._make_smart()

    def predict(
        self,
        project_id: int | None,
        tasks: Sequence[object],
        *,
        label_config: str = "",
        interactive: bool = False,
        context: object = None,
    ) -> list[Element]:
        """One element for every task, in order; never an exception because of one of them.

        Args:
            project_id: Label Studio's project id; None = a project that we do not know.
            tasks: task objects as Label Studio sends them.
            label_config: the label config in the request; empty = the one we know.
            interactive: the editor waits, and needs an object even when there is nothing to say.
            context: what the expert drew with a smart tool, or None.
        """
        until = self._timer() + self._deadline
        project = known_project(self._store.projects, project_id) if project_id is not None else None
        answers: list[Element] = [[] for _ in tasks]
        version = version_of(project)
        if project is not None and context and len(tasks) == 1:
            drawn = self._smart.outline(project, tasks[0], context, label_config)
            if drawn is not None:
                return [_element(version, LAST, drawn)]
        if project is not None:
            job = _job(label_config or project.label_config, project.id)
            if job is not None:
                version = self._fill(answers, project, job, tasks, until)
        if interactive:
            return [answer or _element(version, LAST, []) for answer in answers]
        return answers

    def _fill(
        self, answers: list[Element], project: ProjectRow, job: LabelingJob, tasks: Sequence[object], until: float
    ) -> str:
        """Put in what is known, then what the model says about the rest; returns the version used."""
        note = self._unanswered.noting(project.id)
        ids = [task_number(task) for task in tasks]
        served = self._store.answers.served(project.id, [task_id for task_id in ids if task_id is not None])
        version = next((row.version for row in served.values() if row.version), version_of(project))
        draw = answers_of(job.family).drawer(self._store, project.id, job)
        missing: list[int] = []
        for place, task_id in enumerate(ids):
            row = served.get(task_id) if task_id is not None else None
            if row is not None and (row.probs is not None or row.found is not None or _is_cold(row)):
                if self._timer() < until:
                    answers[place] = _element(version, row.score, draw.of_row(row))
            elif isinstance(tasks[place], Mapping):
                missing.append(place)
            else:
                note("task", f"Element {place} of 'tasks' is not a task object. Send tasks as Label Studio does.", 1)
        run_id = project.active_run_id
        if missing and run_id is not None:
            wanted = self._wanted(project.id, job, tasks, ids, missing)
            classes, found = self._first_use.predict(run_id, wanted, until, note)
            for place, answer in found.items():
                task_id = ids[place]
                row = served.get(task_id) if task_id is not None else None
                number = row.item_id if row is not None else task_id or place
                regions = draw.of_answer(classes, answer, run_id, number)
                answers[place] = _element(version, row.score if row is not None else LAST, regions)
        return version

    def _wanted(
        self,
        project_id: int,
        job: LabelingJob,
        tasks: Sequence[object],
        ids: Sequence[int | None],
        missing: Sequence[int],
    ) -> list[Wanted]:
        known = self._store.items.by_task(project_id, [n for p in missing if (n := ids[p]) is not None])
        wanted = []
        for place in missing:
            data = task_data(tasks[place])
            image = "" if data is None else task_image(data, job.data_key)
            task_id = ids[place]
            item = known.get(task_id) if task_id is not None else None
            wanted.append(Wanted(place, task_id, item, image))
        return wanted


def _job(label_config: str, project_id: int) -> LabelingJob | None:
    try:
        return parse_label_config(label_config)
    except LabelConfigError as error:
        log.warning("no predictions for project %d: %s", project_id, error)
        return None


def _is_cold(row: Served) -> bool:
    """Whether the task has a place in an order that was made without a model."""
    return row.run_id is None and row.position is not None


def _element(version: str, score: float, regions: Sequence[Result]) -> Prediction:
    finite = min(1.0, max(0.0, float(score))) if math.isfinite(score) else LAST
    return prediction(version, finite, regions)
