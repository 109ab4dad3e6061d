"""Label Studio's COCO export of a picture that its file says to turn.

The editor shows such a picture upright, and what is drawn counts over that. The export measures the stored picture, so
the sides that it states are exchanged: boxes are in pixels of the upright picture, polygons are shares of the upright
picture times the sides of the stored one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from training.data.values import Unusable, number, numbers

MAKER: Final = "Label Studio"
SLACK: Final = 1.0
"""Pixels that a box may reach over the edge."""
Entry = Mapping[str, object]
Size = tuple[int, int]


def by_label_studio(content: Mapping[str, object]) -> bool:
    """Whether Label Studio's converter wrote a COCO file."""
    info = content.get("info")
    return isinstance(info, Mapping) and info.get("contributor") == MAKER


def exchanged(entry: Entry, size: Size) -> bool:
    """Whether an entry of the `images` list exchanges the sides of a picture of `(height, width)` px."""
    try:
        stated = number(entry.get("height")), number(entry.get("width"))
    except Unusable:
        return False
    return size[0] != size[1] and stated == (size[1], size[0])


def over_upright(annotations: Sequence[Entry], size: Size) -> list[Entry] | None:
    """The annotations of such a picture in pixels of the upright one.

    Args:
        annotations: as the export has them.
        size: `(height, width)` px of the upright picture.

    Returns:
        They, or None where a box does not fit into the upright picture, so that it was not drawn over it.
    """
    height, width = size
    shares = width / height, height / width
    found: list[Entry] = []
    for annotation in annotations:
        try:
            x, y, w, h = numbers(annotation.get("bbox"))
            if given := annotation.get("segmentation"):
                if not isinstance(given, Sequence):
                    raise Unusable("its outline is no list")
                rings = [_scaled(numbers(ring), shares) for ring in given]
                annotation = {**annotation, "bbox": _scaled([x, y, w, h], shares), "segmentation": rings}
            elif x + w > width + SLACK or y + h > height + SLACK:
                return None
        except (Unusable, ValueError, TypeError):
            # What cannot be read is told, and left out, by the reader of its place.
            annotation = {key: value for key, value in annotation.items() if key not in ("bbox", "segmentation")}
        found.append(annotation)
    return found


def _scaled(values: Sequence[float], shares: tuple[float, float]) -> list[float]:
    return [value * shares[place % 2] for place, value in enumerate(values)]
