"""What a detector found -> the regions that an annotator sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions import Result
from ml_backend.label_studio.regions.objects import SHOWN_AS, choose_form, regions_of
from ml_backend.label_studio.regions.results import write_results
from ml_backend.label_studio.regions.two_tags import in_two
from ml_backend.predictions.packing import Found
from ml_backend.predictions.thresholds import thresholds_of
from ml_backend.state.store import Store


@dataclass(frozen=True)
class Style:
    """How a project's pre-annotations look.

    Attributes:
        thresholds: least score, for all classes or by name.
        shown_as: project setting of that name.
        tolerance: share of IoU that a polygon may lose.
    """

    thresholds: Mapping[str, float] | float
    shown_as: str
    tolerance: float


@dataclass(frozen=True)
class Shown:
    """Attributes:
    results: for Label Studio, best score first for each control.
    reason: which controls were used and why, in words; empty where nothing is shown.
    """

    results: Sequence[Result]
    reason: str


def style_of(store: Store, project_id: int, run_id: int | None = None) -> Style:
    """How pre-annotations of a run's detector look now, of the active one if none is named."""
    settings = store.projects.settings(project_id)
    return Style(thresholds_of(store, project_id, run_id), settings.shown_as, settings.outline_tolerance)


def shown(job: LabelingJob, found: Found, style: Style, name: Callable[[int], str]) -> Shown:
    """The regions of one image.

    Several controls are used only where the first one chosen does not offer every class.

    Args:
        job: the labeling job; classes that its controls do not offer are left out.
        found: what the detector says.
        style: how regions look.
        name: region number -> id.
    """
    left, forms = set(found.classes) & set(job.classes), list(job.forms)
    results: list[Result] = []
    reasons: list[str] = []
    while left and forms:
        chosen = choose_form([form.control for form in forms], found.detections, SHOWN_AS.get(style.shown_as))
        form = next(form for form in forms if form.control == chosen.control)
        forms.remove(form)
        mine = tuple(label for label in form.control.classes if label in left)
        left -= set(mine)
        regions = regions_of(
            found.detections,
            found.classes,
            replace(form.control, classes=mine),
            name,
            thresholds=style.thresholds,
            tolerance=style.tolerance,
        )
        if regions:
            written = write_results(regions, found.detections.size)
            results += [part for result in written for part in in_two(result, form.drawn_by)]
            reasons.append(chosen.reason)
    return Shown(results, "; ".join(reasons))
