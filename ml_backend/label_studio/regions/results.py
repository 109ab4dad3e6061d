"""Lists of Label Studio results <-> labeled regions; regions of unknown controls pass through unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ml_backend.errors import BadRequest
from ml_backend.label_studio.config.job import LABEL_TYPES as LABEL_TYPES
from ml_backend.label_studio.config.job import Control as Control
from ml_backend.label_studio.regions import Result as Result
from ml_backend.label_studio.regions.orientation import upright, upright_size
from ml_backend.label_studio.regions.shapes import Shape, Size, shape_of, value_of


@dataclass(frozen=True)
class Region:
    """One labeled object.

    Attributes:
        id: Label Studio's id of the region.
        label: class name.
        shape: in px of the upright image.
        control: what drew it.
        score: of a pre-annotation, or None.
        extra: further fields of the result (`meta`, `parentID`, `hidden`, `image_rotation`, ...), kept as they are.
    """

    id: str
    label: str
    shape: Shape
    control: Control
    score: float | None = None
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """What a list of results holds.

    Attributes:
        regions: labeled objects of the known controls.
        untouched: every other result, unchanged and in order: relations, per-region choices, other controls.
        left_out: regions that cannot be used, one sentence each.
    """

    regions: tuple[Region, ...]
    untouched: tuple[Result, ...]
    left_out: tuple[str, ...]


def read_results(
    results: Iterable[Result], controls: Sequence[Control], size: Size, *, orientation: int = 1
) -> Reading:
    """The labeled objects in the results of one annotation or prediction.

    Args:
        results: as Label Studio gives them.
        controls: of the labeling config.
        size: `(height, width)` px of the upright image.
        orientation: EXIF orientation of the file, for regions that were made over the stored picture.
    """
    known = {(control.from_name, control.to_name): control for control in controls}
    regions: list[Region] = []
    untouched: list[Result] = []
    left_out: list[str] = []
    for result in results:
        control = known.get((str(result.get("from_name")), str(result.get("to_name"))))
        if control is None or result.get("type") != control.type:
            untouched.append(result)
            continue
        try:
            regions.append(_region(result, control, size, orientation))
        except BadRequest as error:
            left_out.append(f"Region {result.get('id')}: {error}")
            untouched.append(result)
    return Reading(tuple(regions), tuple(untouched), tuple(left_out))


def write_results(regions: Iterable[Region], size: Size) -> list[Result]:
    """Results for Label Studio over an upright image of `(height, width)` px."""
    return [_result(region, size) for region in regions]


_GEOMETRY = frozenset(
    {"x", "y", "width", "height", "rotation", "radiusX", "radiusY", "points", "closed", "format", "rle"}
)
_OWN = frozenset({"id", "from_name", "to_name", "type", "value", "score", "original_width", "original_height"})


def _region(result: Result, control: Control, size: Size, orientation: int) -> Region:
    value = result.get("value")
    labels = value.get(control.type) if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(labels, list) or not labels:
        raise BadRequest("it has no label; give it one.")
    label = str(labels[0])
    if label not in control.classes:
        raise BadRequest(f"its label {label!r} is no longer in the labeling config; relabel it or add the label.")
    stored = _stored_size(result, size, orientation)
    shape = shape_of(value, stored or size)
    if stored is not None:
        shape = upright(shape, stored, orientation)
    extra = {key: item for key, item in result.items() if key not in _OWN}
    more = {key: item for key, item in value.items() if key not in _GEOMETRY and key != control.type}
    if len(labels) > 1:
        more[control.type] = list(labels)
    score = result.get("score")
    return Region(
        str(result.get("id", "")),
        label,
        shape,
        control,
        float(score) if isinstance(score, int | float) else None,
        extra | ({"value": more} if more else {}),
    )


def _stored_size(result: Result, size: Size, orientation: int) -> Size | None:
    """Size of the unturned picture where a region was made over it; None where it stands for the upright one."""
    given = (result.get("original_height"), result.get("original_width"))
    if orientation == 1 or given == size:
        return None
    stored = upright_size(size, orientation)
    return stored if given == stored else None


def _result(region: Region, size: Size) -> Result:
    extra = dict(region.extra)
    more = extra.pop("value", None)
    if not isinstance(more, Mapping):
        more = {}
    kind = region.control.type
    result: dict[str, object] = {
        "id": region.id,
        "from_name": region.control.from_name,
        "to_name": region.control.to_name,
        "type": kind,
        "original_width": size[1],
        "original_height": size[0],
        "image_rotation": 0,
        **extra,
        "value": {**value_of(region.shape, size), kind: [region.label], **more},
    }
    if region.score is not None:
        result["score"] = region.score
    return result
