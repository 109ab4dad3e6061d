"""What one of Label Studio's results says of itself, before anybody looks at its shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ml_backend.label_studio.regions import Result
from training.data.values import Unusable, whole

NO_LABEL = "(no label)"


def control_of(result: Result) -> str:
    """Name of the control it was made with."""
    return str(result.get("from_name"))


def image_of(result: Result) -> str:
    """Name of the image it was made on."""
    return str(result.get("to_name"))


def type_of(result: Result) -> str:
    """What it is, e.g. a rectangle with labels; the labels stand under the same name in its value."""
    return str(result.get("type"))


def region_of(result: Result) -> str:
    """Id of its region; several results may speak of one."""
    return str(result.get("id"))


def label_in(result: Result, kind: str, none: str = NO_LABEL) -> str:
    """The label of a result of a control of this type, `none` where it has none."""
    value = result.get("value")
    labels = value.get(kind) if isinstance(value, Mapping) else None
    return str(labels[0]) if isinstance(labels, list) and labels else none


def labels_in(result: Result) -> list[str]:
    """All names that stand under its own type, blank ones left out."""
    value = result.get("value")
    said = value.get(type_of(result)) if isinstance(value, Mapping) else None
    return [name for name in said if isinstance(name, str) and name.strip()] if isinstance(said, list) else []


def stated_size(result: Result) -> tuple[int, int] | None:
    """`(height, width)` px that it was drawn over, None where it does not say them in numbers."""
    try:
        size = whole(result.get("original_height")), whole(result.get("original_width"))
    except Unusable:
        return None
    return size if min(size) > 0 else None


def drawn_upright(results: Sequence[Result], size: tuple[int, int]) -> bool:
    """Whether every region was made over the upright picture, so that nobody has to ask the file how it is turned.

    Args:
        results: of one image.
        size: `(height, width)` px of the upright image.
    """
    stated = ((result.get("original_height"), result.get("original_width")) for result in results)
    # Compared, not put into a set: a list in place of a number has no hash.
    return all(sides in (size, (None, None)) for sides in stated)
