"""How commands show measurements of a model."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

SHOWN = 10
HEADLINES = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large", "recall", "max_detections")
CLASS_HEADLINES = ("accuracy", "balanced_accuracy", "macro_f1")


def warn(problems: Sequence[str]) -> None:
    """Write what was left out, on standard error; the first few in full."""
    for problem in problems[:SHOWN]:
        sys.stderr.write(f"{problem}\n")
    if len(problems) > SHOWN:
        sys.stderr.write(f"... and {len(problems) - SHOWN} more.\n")


def summary(measured: Mapping[str, object] | None) -> dict[str, str]:
    """Names and values for a table; `-` where a number is undefined."""
    if measured is None:
        return {"measured": "nothing: no labeled image was held out"}
    if "AP50" not in measured:
        return {name: number(measured[name]) for name in CLASS_HEADLINES} | {"images": str(measured["items"])}
    facts = {name: number(measured[name]) for name in HEADLINES}
    masks = measured.get("masks")
    if isinstance(masks, Mapping):
        facts |= {f"masks {name}": number(masks[name]) for name in HEADLINES[:6]}
    return facts | {"images": str(measured["images"]), "objects": str(measured["objects"])}


def class_rows(per_class: Mapping[str, Mapping[str, object]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows of the table by class."""
    keys = tuple(next(iter(per_class.values())))
    rows = [(name, *(number(values[key]) for key in keys)) for name, values in per_class.items()]
    return ("class", *keys), rows


def number(value: object) -> str:
    """A measurement as text."""
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
