"""What a labeling config asks of an annotator, as far as PapLoop drives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

Kind = str
"""What a labeling job asks for: "classification", "detection", "segmentation", or what a further reader gives."""

FAMILIES: Final[Mapping[Kind, str]] = {
    "classification": "classes",
    "detection": "objects",
    "segmentation": "objects",
}
"""Kind of job -> the kind of project that it makes, where the two are not called alike."""

CHOICES: Final = "choices"
"""Type of results that are about the whole image and have no place on it."""
LABEL_TYPES = ("rectanglelabels", "polygonlabels", "ellipselabels", "brushlabels", "labels")


@dataclass(frozen=True)
class Control:
    """A control tag that draws labeled regions.

    Attributes:
        from_name: its name.
        to_name: the image it draws on.
        type: of `LABEL_TYPES`.
        classes: the labels it offers.
    """

    from_name: str
    to_name: str
    type: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class LabelingJob:
    """What a labeling config asks of an annotator, as far as PapLoop drives it.

    Attributes:
        kind: "classification": one class for the whole image; "detection": boxes; "segmentation": at least one control
            draws outlines, others may draw boxes.
        from_name: name of the control, e.g. of `Choices`; of the first one where objects are drawn.
        to_name: name of the image it labels.
        data_key: key of a task's data that holds the image.
        classes: class names as they stand in results (`alias` where given), in order of the config.
        multiple: whether the control lets annotators choose several classes.
        controls: what draws objects on the image, by which results are read; empty for a classification.
        forms: what pre-annotations are written with, see `Form`; empty for a classification.
        ignore: labels of regions in which nothing is learned or counted.
        checked: labels of regions that were searched completely, see `ml_backend.labels.objects`.
        tags: names of all controls of the config, driven or not; empty for a classification.
    """

    kind: Kind
    from_name: str
    to_name: str
    data_key: str
    classes: tuple[str, ...]
    multiple: bool = False
    controls: tuple[Control, ...] = ()
    forms: tuple[Form, ...] = ()
    ignore: frozenset[str] = field(default_factory=frozenset)
    checked: frozenset[str] = field(default_factory=frozenset)
    tags: frozenset[str] = field(default_factory=frozenset)

    @property
    def family(self) -> str:
        """The kind of project, by which each wing finds what it does for it; jobs of one family share their models.

        See `ml_backend.labels.rule` and `ml_backend.loop.kinds`.
        """
        return FAMILIES.get(self.kind, self.kind)

    @property
    def finds_objects(self) -> bool:
        """Whether objects are drawn, so that a detector is what helps."""
        return self.kind != "classification"

    @property
    def types(self) -> Mapping[str, str]:
        """Name of each control that is driven -> type of its results."""
        if not self.controls:
            return {self.from_name: CHOICES}
        return {control.from_name: control.type for control in self.controls}


@dataclass(frozen=True)
class Form:
    """One way to write a pre-annotated region.

    Attributes:
        control: shape and labels; its `from_name` is the tag with the labels.
        drawn_by: name of the tag that draws (`Rectangle`, `Polygon`, ...) where labels and drawing are two tags; empty
            where one tag does both (`RectangleLabels`, ...).
    """

    control: Control
    drawn_by: str = ""

    @property
    def is_one_tag_of_boxes(self) -> bool:
        """Whether it is `RectangleLabels`, which draws boxes and labels them."""
        return self.control.type == "rectanglelabels" and not self.drawn_by
