"""Score thresholds for showing objects: set by the lead, chosen by expected corrections, or the default."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from ml_backend.errors import LabelConfigError, NotFound
from ml_backend.label_studio.config import parse_label_config
from ml_backend.predictions.choice import Choice, ClassChoice
from ml_backend.predictions.kinds.base import answers_of
from ml_backend.state.free_form import Json
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.state.rows.runs import RunRows
from ml_backend.state.store import Store

METRIC = "thresholds"
"""Where a run's metrics hold what `ml_backend.effort.choosing` chose for its detector."""

NOTHING_SHOWN = math.inf
"""Threshold that no score reaches."""


@dataclass(frozen=True)
class ClassLimit:
    """The threshold of one class.

    Attributes:
        name: the class.
        shown_from: least score shown.
        basis: "set": by the project's settings; "own": chosen for this class; "all": chosen for all classes together,
            for want of objects of this one; "default": the default.
        objects: objects of the class that the choice rests on.
    """

    name: str
    shown_from: float
    basis: str
    objects: int


@dataclass(frozen=True)
class Limits:
    """Thresholds of a project's detector.

    Attributes:
        run: the run whose detector they hold for, None before the first.
        classes: in the order of the label config.
        why: one or two sentences.
        numbers: what was counted, as `ml_backend.effort.choosing` stored it; empty where nothing was chosen.
        held_back: why nothing is shown at all; empty where objects are shown.
    """

    run: int | None
    classes: Sequence[ClassLimit]
    why: str
    numbers: Json
    held_back: str = ""

    def as_dict(self) -> dict[str, object]:
        """JSON form."""
        return asdict(self)


def thresholds_of(store: Store, project_id: int, run_id: int | None = None) -> Mapping[str, float] | float:
    """Score thresholds of pre-annotated objects: one number for all classes, or one per class name.

    `NOTHING_SHOWN` while the detector's proposals are held back.

    Args:
        store: the project's settings, and what was chosen for its runs.
        project_id: Label Studio's project id.
        run_id: the run whose detector speaks; None: that of the active one.
    """
    told = limits_of(store, project_id, run_id)
    if told.held_back:
        return NOTHING_SHOWN
    limits = {limit.name: limit.shown_from for limit in told.classes}
    usual = store.projects.settings(project_id).shown_from
    return limits if set(limits.values()) - {usual} else usual


def limits_of(store: Store, project_id: int, run_id: int | None = None) -> Limits:
    """The thresholds with their reasons; arguments as `thresholds_of`."""
    project, settings = store.projects.one(project_id), store.projects.settings(project_id)
    run = project.active_run_id if run_id is None else run_id
    stored = _chosen(store.runs, run)
    held_back = held_back_by(stored, run) if settings.hold_back else ""
    chosen = stored if settings.choose_shown_from else None
    of_class = chosen.classes if chosen is not None else {}
    try:
        names = list(parse_label_config(project.label_config).classes)
    except LabelConfigError:
        names = []
    names += [name for name in of_class if name not in names]
    classes = [_limit(name, settings, of_class.get(name)) for name in names]
    numbers = chosen.numbers if chosen is not None else {}
    return Limits(run, classes, f"{held_back} {_why(settings, chosen, classes)}".strip(), numbers, held_back)


def limits_shown(store: Store, project_id: int) -> Limits | None:
    """As `limits_of`; None where no single regions are shown, or the label config cannot be read."""
    try:
        job = parse_label_config(store.projects.one(project_id).label_config)
    except LabelConfigError:
        return None
    return limits_of(store, project_id) if answers_of(job.family).has_thresholds else None


def held_back_by(chosen: Choice | None, run_id: int | None) -> str:
    """Why the proposals of a run's detector are not shown, in words; empty where they help or nobody can tell."""
    worth = chosen.worth if chosen is not None else None
    if chosen is None or worth is None or not worth.harms:
        return ""
    low, high = sorted(-end for end in worth.interval)
    images = f"{worth.images} held-out image{'' if worth.images == 1 else 's'}"
    weighed = " when weighted by their costs" if chosen.is_weighed else ""
    return (
        f"The objects that run {run_id} proposes are held back; the order is still renewed. On {images}, "
        f"correcting them takes {worth.corrections} actions and drawing from scratch {worth.by_hand}, "
        f"which is {-worth.spared:.4g} more{weighed} (90 % interval {low:+.4g} to {high:+.4g}). Objects are "
        "shown again once a detector saves work. Label more images."
    )


def _chosen(runs: RunRows, run_id: int | None) -> Choice | None:
    if run_id is None:
        return None
    try:
        return Choice.stored(runs.one(run_id).metrics.own.get(METRIC))
    except NotFound:
        return None


def _limit(name: str, settings: ProjectSettings, chosen: ClassChoice | None) -> ClassLimit:
    objects = chosen.objects if chosen is not None else 0
    if name in settings.shown_from_class:
        return ClassLimit(name, settings.shown_from_class[name], "set", objects)
    if chosen is None or chosen.basis == "default":
        return ClassLimit(name, settings.shown_from, "default", objects)
    return ClassLimit(name, chosen.threshold, chosen.basis, objects)


def _why(settings: ProjectSettings, chosen: Choice | None, classes: Sequence[ClassLimit]) -> str:
    ours = [limit.name for limit in classes if limit.basis == "set"]
    fixed = f" Set by hand: {', '.join(ours)}." if ours else ""
    if not settings.choose_shown_from:
        return f"Objects are shown from a score of {settings.shown_from:g}, as set in the project's settings.{fixed}"
    if chosen is None:
        return (
            f"Objects are shown from a score of {settings.shown_from:g} until a detector has been judged on "
            f"held-out images.{fixed}"
        )
    return f"{chosen.why}{fixed}"
