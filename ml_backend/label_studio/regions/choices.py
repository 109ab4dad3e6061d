"""Label Studio's results <-> classes of models and strategies, both directions in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions import Result

NO_RESULT = "empty"
SEVERAL = "several choices where one is expected"
UNKNOWN = "a class that the labeling config does not have"


def choice_result(job: LabelingJob, label: str, score: float | None, region_id: str) -> list[Result]:
    """An image-level class as Label Studio's result.

    Args:
        job: the labeling job; names the control and the image.
        label: one of `job.classes`.
        score: probability of the class shown beside it, or None.
        region_id: id of the region, unique within the result.
    """
    region: dict[str, object] = {
        "id": region_id,
        "type": "choices",
        "from_name": job.from_name,
        "to_name": job.to_name,
        "value": {"choices": [label]},
    }
    if score is not None:
        region["score"] = float(score)
    return [region]


def read_choice(result: object, job: LabelingJob) -> tuple[str | None, str]:
    """The class that a result states, and where there is none, why.

    Regions of other controls are passed over; malformed ones as well, for results can be written by anybody.

    Args:
        result: Label Studio's list of regions.
        job: the labeling job.

    Returns:
        `(class, "")` or `(None, reason)`.
    """
    chosen: list[str] = []
    for region in result if isinstance(result, Sequence) and not isinstance(result, str) else []:
        if not isinstance(region, Mapping) or region.get("from_name") != job.from_name:
            continue
        value = region.get("value")
        choices = value.get("choices") if isinstance(value, Mapping) else None
        chosen += [choice for choice in choices or [] if isinstance(choice, str)] if isinstance(choices, list) else []
    distinct = list(dict.fromkeys(chosen))
    if not distinct:
        return None, NO_RESULT
    if len(distinct) > 1:
        return None, SEVERAL
    return (distinct[0], "") if distinct[0] in job.classes else (None, UNKNOWN)


def label_of(result: object, job: LabelingJob) -> str | None:
    """The class that a result states, or None when it states none, several or one the config does not have."""
    return read_choice(result, job)[0]
