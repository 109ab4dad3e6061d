"""A COCO file with what PapLoop adds to it, field by field."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NotRequired, TypedDict

from training.geometry.runs import Runs


class CocoImage(TypedDict):
    """An image: `checked` where only these boxes were searched, `left_out` with the reason where it has no label."""

    id: int
    file_name: str
    height: int | None
    width: int | None
    task: int | None
    split: str
    group: str
    duplicate_group: int | None
    state: str
    annotated_by: NotRequired[int | None]
    annotated_at: NotRequired[str]
    checked: NotRequired[list[list[float]]]
    left_out: NotRequired[str]


class CocoAnnotation(TypedDict):
    """An object, or a region to ignore (`iscrowd`); `bbox` is x, y, width, height in px, `region` Label Studio's id."""

    id: int
    image_id: int
    category_id: int
    bbox: list[float]
    area: float
    iscrowd: int
    region: str
    segmentation: NotRequired[Runs | list[list[float]]]


class CocoCategory(TypedDict):
    """A class and the number that it keeps."""

    id: int
    name: str


@dataclass(frozen=True)
class PapLoopInfo:
    """Where the file comes from: project, the run of its model and the version that Label Studio went by."""

    project: int
    model_run: int | None
    version: str


@dataclass(frozen=True)
class CocoInfo:
    """`info` of the file; the date is ISO, UTC."""

    description: str
    date_created: str
    paploop: PapLoopInfo


@dataclass(frozen=True)
class Coco:
    """An export.

    Attributes:
        info: about the file.
        images: those with confirmed objects, or with the confirmed word that there are none.
        annotations: their regions.
        categories: classes by number.
        left_out: images without a confirmed label.
        problems: one sentence for each thing that could not be exported; not part of the file.
    """

    info: CocoInfo
    images: list[CocoImage]
    annotations: list[CocoAnnotation]
    categories: list[CocoCategory]
    left_out: list[CocoImage]
    problems: list[str]

    def as_dict(self) -> dict[str, object]:
        """The file."""
        return {
            "info": asdict(self.info),
            "images": self.images,
            "annotations": self.annotations,
            "categories": self.categories,
            "left_out": self.left_out,
        }
