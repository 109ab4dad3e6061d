"""Results that the labeling config has no place for (any more): read all the same, named, or left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.config.job import LABEL_TYPES, Control
from ml_backend.label_studio.regions import Result
from ml_backend.label_studio.regions.result import NO_LABEL, control_of, image_of, label_in, region_of, type_of

if TYPE_CHECKING:
    from ml_backend.label_studio.regions.results import Region

GONE = "(control gone)"
DRAWN = (*LABEL_TYPES[:-1], "rectangle", "polygon", "ellipse", "brush")
"""Types of results that mark a place."""


def readable(results: Sequence[Result], job: LabelingJob) -> tuple[list[Result], list[Control]]:
    """Results and controls such that regions with foreign labels, or none, or of controls that are gone, are read."""
    controls = {control.from_name: control for control in job.controls}
    gone: list[Control] = []
    readable: list[Result] = []
    for result in [*results, *_unlabelled(results, job)]:
        name, kind, value = control_of(result), type_of(result), result.get("value")
        control = controls.get(name)
        if control is not None and kind == control.type and image_of(result) == control.to_name:
            if isinstance(value, Mapping):
                label = label_in(result, kind)
                result = {**result, "value": {**value, kind: [label]}}
                if label not in control.classes:
                    controls[name] = replace(control, classes=(*control.classes, label))
        elif kind in DRAWN and (control is not None or name not in job.tags):
            # Under a name of its own, since the config may have a control of another kind by the old one.
            stand_in = Control(f"{name} ({kind})", image_of(result), kind, (GONE,))
            gone.append(stand_in)
            shape = {**value, kind: [GONE]} if isinstance(value, Mapping) else value
            result = {**result, "from_name": stand_in.from_name, "value": shape}
        readable.append(result)
    return readable, [*controls.values(), *gone]


def foreign(region: Region) -> str:
    """Why a region is not an object of the project, for people."""
    what = {
        NO_LABEL: "has no label",
        GONE: f"was drawn with {region.control.from_name}, which the config no longer has in that form",
    }.get(region.label, f"has the label {region.label!r}, which is not in the config")
    return f"Region {region.id} {what}. Its place is excluded from training and evaluation. Relabel it."


def fitting(results: Sequence[Any], job: LabelingJob) -> list[Result]:
    """The results that the labeling config still has a control and a label for."""
    offered = {control.from_name: set(control.classes) for control in job.controls} or {job.from_name: set(job.classes)}
    refused = {
        region.get("id")
        for region in results
        if (kind := job.types.get(region.get("from_name"))) is not None
        and not set(region.get("value", {}).get(kind) or [""]) <= offered[region.get("from_name")]
    }
    known = {*job.types, *(form.drawn_by for form in job.forms)}
    return [region for region in results if region.get("id") not in refused and region.get("from_name") in known]


def _unlabelled(results: Sequence[Result], job: LabelingJob) -> list[Result]:
    """Regions of a `Rectangle`, `Polygon`, ... that nobody gave a label with the `Labels` beside it."""
    tools = {form.drawn_by: form.control.from_name for form in job.forms if form.drawn_by}
    labelled = {region_of(result) for result in results if result.get("type") == "labels"}
    return [
        {**result, "from_name": tools[control_of(result)], "type": "labels"}
        for result in results
        if control_of(result) in tools and region_of(result) not in labelled
    ]
