"""The judge's measurements of a model, over the classes that a project has now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def competence_over(judged: Mapping[str, Any], classes: Sequence[str]) -> Mapping[str, Any]:
    """The judge's measurements by name, for strategies that switch by what a model knows.

    Classes that are gone leave the means and take their items or objects with them; of one that is new nothing was
    measured, so it has no part in them.

    Args:
        judged: as the judge wrote it; may be empty.
        classes: of the label config now.
    """
    measured = judged.get("candidate")
    by_class = measured.get("per_class") if isinstance(measured, Mapping) else None
    if not isinstance(measured, Mapping) or not isinstance(by_class, Mapping) or set(by_class) <= set(classes):
        return judged
    left = [one for name, one in by_class.items() if name in classes and isinstance(one, Mapping)]
    if "AP50" in measured:
        known = [one for one in left if one.get("objects") and one.get("AP50") is not None]
        value = sum(float(one["AP50"]) for one in known) / len(known) if known else None
        objects = sum(int(one["objects"]) for one in known)
        return {**judged, "objects": objects, "candidate": {**measured, "AP50": value}}
    known = [one for one in left if one.get("support") and one.get("recall") is not None]
    recall = sum(float(one["recall"]) for one in known) / len(known) if known else None
    items = sum(int(one["support"]) for one in known)
    return {**judged, "items": items, "candidate": {**measured, "balanced_accuracy": recall}}
