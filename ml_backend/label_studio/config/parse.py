"""Which controls of a labeling config PapLoop drives."""

from __future__ import annotations

from ml_backend.errors import LabelConfigError
from ml_backend.label_studio.config.choices import choice_job
from ml_backend.label_studio.config.job import LabelingJob
from ml_backend.label_studio.config.objects import object_job
from ml_backend.label_studio.config.tags import parse_tags
from ml_backend.label_studio.config.tied import Page


def parse_label_config(xml: str) -> LabelingJob:
    """Find the controls that PapLoop drives.

    Controls that draw objects win over `Choices`: where objects are drawn, a choice is usually a remark on the image.
    A control with the attribute `paploop="off"` is left to people, so a lead can have it the other way round.

    Args:
        xml: the project's labeling config.

    Raises:
        LabelConfigError: it is not XML, or has no control that PapLoop can drive; the message says why.
    """
    page = Page(parse_tags(xml).walk())
    objects, no_objects = object_job(page)
    if objects is not None:
        return objects
    choices, no_choices = choice_job(page)
    if choices is not None:
        return choices
    if why := "; ".join([*no_objects, *no_choices]):
        raise LabelConfigError(f"PapLoop cannot drive this labeling config: {why}.")
    raise LabelConfigError(
        "PapLoop cannot drive this labeling config: it has neither a Choices control nor one that draws objects; give "
        "it a <Choices> with at least two <Choice>, or a <RectangleLabels>, <PolygonLabels>, <EllipseLabels> or "
        '<BrushLabels> with at least one <Label>, and toName set to an <Image value="$image">.',
        code="label_config.no_controls",
    )
