"""A soak from beginning to end: people work, things go wrong one after another, and then everything is counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml_backend.experiments.simulate.oracle import project_oracle
from ml_backend.intake.ingest import ingest
from ml_backend.intake.projects import attach, ensure_project
from ml_backend.label_studio.client import LabelStudio
from ml_backend.label_studio.config import parse_label_config
from ml_backend.loop.reconcile import reconcile
from ml_backend.operations.demo.cells import CLASSES, write_cells
from ml_backend.ordering.strategy_choice import change_settings
from ml_backend.runs import request_run
from tests.fakes.progress import silent
from tests.soak.faults import Fault, trouble
from tests.soak.ledger import Kept, Ledger, broken_promises, said
from tests.soak.memory import Watch
from tests.soak.people import IMPATIENCE, Annotator, Work, second_account
from tests.soak.report import Report, Survived
from tests.soak.scene import PATIENCE, Scene, wait_for
from training.types import Progress

ENDED = ("done", "failed")


@dataclass(frozen=True)
class Plan:
    """What a soak does.

    Attributes:
        faults: one after another.
        minutes: of labeling at least; the pauses between faults are stretched to it.
        cells: images of the project.
        retrain_labels: labels that make a run due.
        think: mean seconds an annotator takes before each answer.
        seed: of every choice.
        polls: whether the stack looks for lost webhooks by itself; else the soak does so at the end.
    """

    faults: Sequence[Fault]
    minutes: float
    cells: int
    retrain_labels: int
    think: float
    seed: int
    polls: bool


def _quiet(title: str) -> Progress:
    print(f"  {title}", flush=True)
    return silent


class Session:
    """One soak of one project."""

    def __init__(self, scene: Scene, folder: Path, plan: Plan) -> None:
        self.scene, self.plan, self.services = scene, plan, scene.services
        self.store = scene.services.store
        self.rng = np.random.default_rng(plan.seed)
        self.ledger = Ledger()
        write_cells(folder, silent, count=plan.cells)
        title = f"Soak {plan.seed}"
        self.project = ensure_project(self.services.label_studio, self.services.files, title, title, CLASSES)
        attach(
            self.services.store, self.services.label_studio, self.services.settings, self.project, self.services.clock()
        )
        change_settings(
            self.services.store.projects,
            self.project,
            {"retrain_labels": plan.retrain_labels, "group_pattern": r"(patient\d+)", "duplicate_radius": 0},
        )
        ingest(self.services, self.project, folder, stage=_quiet)
        self._order()

    def _order(self) -> None:
        """A first order, waited for."""
        run = request_run(
            self.services.store, self.project, kind="rank", reason="Before the soak.", now=self.services.clock()
        )
        wait_for(lambda: self.store.runs.one(run.id).state in ENDED, "the first order")

    def run(self) -> Report:
        """Work, break, count."""
        watch, people = Watch(self.scene.stack), self._people()
        started = time.monotonic()
        watch.start()
        for person in people:
            person.start()
        survived = self._faults(started)
        time.sleep(max(0.0, self.plan.minutes * 60 - (time.monotonic() - started)))
        for person in people:
            person.stop()
        for person in people:
            person.join(PATIENCE)
            person.client.close()
        labeled = time.monotonic() - started
        problems = [f"{person.name} met {person.surprise}" for person in people if person.surprise]
        problems += [f"{person.name} never came to an end" for person in people if person.is_alive()]
        problems += self._settled()
        watch.stopping.set()
        watch.join()
        return Report.of(self, survived, problems, labeled, watch.use)

    def _people(self) -> list[Annotator]:
        settings = self.services.settings
        job = parse_label_config(self.store.projects.one(self.project).label_config)
        oracle = project_oracle(self.services.store.items, self.project)
        work = Work(self.project, job, oracle, self.ledger, self.plan.think, self.scene.is_calm)
        token = settings.label_studio_token.get_secret_value()
        first = LabelStudio(settings.label_studio_url, token, timeout=IMPATIENCE)
        second = second_account(self.services.label_studio, settings.label_studio_url)
        return [
            Annotator(f"annotator-{number}", client, work, self.plan.seed + number)
            for number, client in enumerate((first, second), start=1)
        ]

    def _faults(self, started: float) -> list[Survived]:
        """Every fault of the plan, spread over its time."""
        survived = []
        for number, fault in enumerate(self.plan.faults, start=1):
            to_come = self.plan.faults[number - 1 :]
            left = self.plan.minutes * 60 - (time.monotonic() - started) - sum(each.seconds for each in to_come)
            time.sleep(float(self.rng.uniform(0.5, 1.0)) * max(2.0, left / (len(to_come) + 1)))
            at, problem = time.monotonic() - started, ""
            print(f"  {at:6.0f} s  {fault.name}", flush=True)
            try:
                with trouble(self.scene, fault.name):
                    fault.strike(self.scene, self.project, self.rng)
            except (TimeoutError, AssertionError) as error:
                problem = str(error)
            survived.append(Survived(fault.name, at, time.monotonic() - started - at, problem))
        return survived

    def _settled(self) -> list[str]:
        """Wait until nothing is left to do; answers what did not come to rest, and every broken promise."""
        problems: list[str] = []
        steps: list[tuple[str, Callable[[], object]]] = [
            ("all programs answer", lambda: all(self.scene.answers(p.name) for p in self.scene.stack.programs)),
            ("all events are applied", lambda: self.store.events.count_open() == 0),
            ("PapLoop's labels are those of Label Studio", lambda: not self.broken()),
            ("no run is open, wished for or due", self._is_idle),
            ("one version of predictions is left", lambda: len(self._versions()) <= 1),
        ]
        try:
            for number, (what, condition) in enumerate(steps):
                if number == 2 and not self.plan.polls:
                    reconcile(self.services, self.project)
                print(f"  {wait_for(condition, what):6.0f} s until {what}", flush=True)
        except TimeoutError as error:
            problems.append(str(error))
        return problems + list(self.broken()) + self._order_is_there()

    def _is_idle(self) -> bool:
        """Whether no run is open and none will be opened for what is known now."""
        # In this order: a wish and what is due become an open run, never the other way round.
        settings, covered = self.store.projects.settings(self.project), self.store.runs.covered_change(self.project)
        due = self.store.labels.changes_since(self.project, covered) >= settings.retrain_labels
        wished = self.store.runs.wish(self.project) is not None
        return not due and not wished and self.store.runs.open_of(self.project) is None

    def broken(self) -> Sequence[str]:
        """Promises that are broken as things are now."""
        there = {
            int(annotation["id"]): Kept(
                int(task["id"]), said(annotation.get("result"), annotation.get("was_cancelled"))
            )
            for task in self.services.label_studio.tasks_updated_since(self.project)
            for annotation in task.get("annotations") or []
        }
        here = {
            row.id: Kept(row.task_id, said(row.result, row.was_cancelled))
            for row in self.store.labels.all(self.project)
        }
        return broken_promises(self.ledger, there, here)

    def _versions(self) -> dict[str, int]:
        return self.services.label_studio.model_versions(self.project)

    def _order_is_there(self) -> list[str]:
        """The order that PapLoop means is the one that annotators see."""
        ranking = self.store.rankings.active(self.project)
        shown = self.services.label_studio.project(self.project)["model_version"]
        if ranking is None:
            return ["there is no order"]
        # An order of nothing is not sent: everything is labeled, and what was shown last stays.
        if ranking.version != shown and self.store.rankings.entries(ranking.id, limit=1):
            return [f"annotators see the order {shown}, PapLoop means {ranking.version}"]
        return []
