"""Which controls of a labeling config PapLoop drives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ml_backend.errors import LabelConfigError
from ml_backend.label_studio.config.choices import choice_job
from ml_backend.label_studio.config.job import LabelingJob
from ml_backend.label_studio.config.objects import object_job
from ml_backend.label_studio.config.tags import parse_tags
from ml_backend.label_studio.config.tied import Page

Reader = Callable[[Page], tuple[LabelingJob | None, list[str]]]
"""The job that the controls of one kind make of a config, or None; and why controls that are there cannot be driven."""

READERS: Final[tuple[Reader, ...]] = (object_job, choice_job)
"""Asked in this order; the first job that is found counts."""


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
    reasons: list[str] = []
    for reader in READERS:
        job, none_because = reader(page)
        if job is not None:
            return job
        reasons += none_because
    if why := "; ".join(reasons):
        raise LabelConfigError(f"PapLoop cannot drive this labeling config: {why}.")
    raise LabelConfigError(
        "PapLoop cannot drive this labeling config: it has neither a Choices control nor one that draws objects; give "
        "it a <Choices> with at least two <Choice>, or a <RectangleLabels>, <PolygonLabels>, <EllipseLabels> or "
        '<BrushLabels> with at least one <Label>, and toName set to an <Image value="$image">.',
        code="label_config.no_controls",
    )
