"""The place of a COCO annotation: its box, its outline, and what could not be read of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np
from pycocotools import mask as coco_mask

from training.data.reading import FAR, clipped
from training.data.values import Unusable, numbers, whole
from training.geometry.runs import Runs, compress, counts_of, pixels, trim
from training.types import FloatArray, TrainingError

Size = tuple[int, int]
"""`(height, width)` px."""


def place_of(annotation: Mapping[str, object], size: Size) -> tuple[FloatArray, Runs | None, str]:
    """Box, outline and a sentence on what of the outline was not used.

    A box that is missing or damaged is taken from the outline, and the box stands alone where the outline is damaged.

    Args:
        annotation: with `bbox`, `segmentation` or both.
        size: of the image.

    Returns:
        `(4,)` float32 px inside the image; the outline or None; a sentence, empty where all was used.

    Raises:
        Unusable: neither says where the object is.
    """
    mask, told = None, ""
    fault = Unusable("it has neither a box nor an outline")
    given = annotation.get("segmentation")
    if given not in (None, [], {}, ""):
        try:
            mask, told = _mask(given, size)
        except Unusable as error:
            fault, told = error, f"its outline cannot be used ({error}); its box is used instead."
    box = None
    if annotation.get("bbox") not in (None, [], ""):
        try:
            box = box_at(annotation["bbox"], size)
        except Unusable as error:
            fault = error
    if box is None:
        if mask is None:
            raise fault
        (x, y), bitmap = trim(mask)
        box = np.array([x, y, x + bitmap.shape[1], y + bitmap.shape[0]], dtype=np.float32)
    return box, mask, told


def box_at(values: object, size: Size) -> FloatArray:
    """The part of an `[x, y, width, height]` inside the image, x1 y1 x2 y2 px.

    Raises:
        Unusable: it has none, or these are not four numbers.
    """
    found = numbers(values)
    if len(found) != 4:
        raise Unusable("its box is not made of four numbers")
    x, y, width, height = found
    return clipped(x, y, x + width, y + height, size)


def _mask(given: object, size: Size) -> tuple[Runs, str]:
    """The outline, and which part of it was not used."""
    parts: list[Runs] = []
    faults: list[Unusable] = []
    for part in _parts(given):
        try:
            parts.append(_runs(part, size) if isinstance(part, Mapping) else _ring(part, size))
        except Unusable as error:
            faults.append(error)
    if not parts:
        raise faults[0] if faults else Unusable("its outline is neither a polygon nor a run-length code")
    merged = coco_mask.merge(parts) if len(parts) > 1 else parts[0]
    counts = merged["counts"]
    mask: Runs = {"size": list(size), "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts}
    if not pixels(mask):
        raise Unusable("its outline covers no pixel of the image")
    return mask, f"a part of its outline cannot be used ({faults[0]}); the other parts are used." if faults else ""


def _parts(given: object) -> list[Any]:
    """Rings and run-length codes, however they are nested."""
    if isinstance(given, Mapping):
        return [given]
    if not _is_list(given):
        raise Unusable("its outline is neither a polygon nor a run-length code")
    if all(_is_list(part) and len(part) == 2 and not any(map(_is_list, part)) for part in given):
        return [given]
    if not any(_is_list(part) or isinstance(part, Mapping) for part in given):
        return [given]
    return [inner for part in given for inner in ([part] if not _is_list(part) else _rings(part))]


def _rings(part: Sequence[object]) -> list[Any]:
    """A ring, or the rings of a list that is nested once more."""
    deeper = [each for each in part if _is_list(each) and any(map(_is_list, each))]
    return list(part) if deeper else [part]


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _ring(ring: object, size: Size) -> Runs:
    """A ring as `[x1, y1, x2, y2, ...]` or `[[x1, y1], [x2, y2], ...]`."""
    if not _is_list(ring):
        raise Unusable("its outline is neither a polygon nor a run-length code")
    points_in = [point for point in ring if _is_list(point)]
    flat = numbers([value for point in points_in for value in point] if len(points_in) == len(ring) else ring)
    if len(flat) < 6 or len(flat) % 2:
        raise Unusable("its polygon has fewer than three points or an odd number of values")
    points = np.array(flat).reshape(-1, 2)
    sides = np.array([size[1], size[0]])
    if (np.abs(points) > FAR * sides + sides).any():
        raise Unusable("its coordinates are far outside the image")
    (packed,) = coco_mask.frPyObjects([flat], *size)
    return {"size": list(size), "counts": packed["counts"]}


def _runs(code: Mapping[str, object], size: Size) -> Runs:
    """A run-length code, as text or as a list of numbers in any notation."""
    if tuple(whole(side) for side in numbers(code.get("size"))) != size:
        raise Unusable("its outline is for an image of another size")
    counts = code.get("counts")
    try:
        if not isinstance(counts, str):
            counts = [whole(count) for count in numbers(counts)]
            # Checked before they are added up, since sums of huge numbers run over.
            if any(not 0 <= count <= size[0] * size[1] for count in counts):
                raise Unusable("its run-length code is damaged")
        return compress(counts_of({"size": list(size), "counts": counts}), size)
    except (TrainingError, UnicodeEncodeError):
        raise Unusable("its run-length code is damaged or of another size") from None
