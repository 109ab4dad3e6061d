"""Regions where one tag draws (`Rectangle`, `Polygon`, ...) and another, `Labels`, gives the label."""

from __future__ import annotations

from ml_backend.label_studio.regions import Result


def in_two(result: Result, drawn_by: str) -> list[Result]:
    """A region as the tag that draws it and the tag that labels it, tied by their id.

    Args:
        result: by a control that draws and labels.
        drawn_by: name of the tag that draws; empty where one tag does both, and the result stays as it is.
    """
    if not drawn_by:
        return [result]
    kind = str(result["type"])
    shape = {key: item for key, item in result["value"].items() if key != kind}
    return [
        {**result, "from_name": drawn_by, "type": kind.removesuffix("labels"), "value": shape},
        {**result, "type": "labels", "value": {**shape, "labels": result["value"][kind]}},
    ]
