"""Items: a file of ours, or a task that someone created in Label Studio."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

from ml_backend.state.records import ItemRow

TASK_SOURCE = "task:"
"""Items that only Label Studio knows have the source `task:<task id>`, `deleted:<item id>` once their task is gone."""

FOREIGN = (TASK_SOURCE, "deleted:")

LOST = "The image was readable when it was added but is not any longer. Restore the file and ingest its folder again."
BETWEEN = "between training and validation (near-duplicate of one, group of the other)"
"""Why an item is left out."""


def task_source(task_id: int) -> str:
    """The `source` of an item that came from a Label Studio task."""
    return f"{TASK_SOURCE}{task_id}"


def is_local(item: ItemRow) -> bool:
    """Whether the item's file is one of ours."""
    return not item.source.startswith(FOREIGN)


def split_salt(project_id: int) -> str:
    """The salt that makes the splits of projects differ; a project must always use the same one."""
    return f"paploop-{project_id}"


def leak_group(item: ItemRow) -> str:
    """The patient, slide or source image of an item, else its near-duplicates: it lies on one side of the split."""
    return item.source_group or str(item.group_id or item.id)


def image_value(item: ItemRow) -> str:
    """The image URL in a Label Studio task's data."""
    return str(item.data.get("image", ""))


def display_name(item: ItemRow) -> str:
    """A short name for people: the path below the ingested folder, or the last part of the URL."""
    if is_local(item):
        return str(item.data.get("name") or PurePath(item.source).name)
    return PurePath(image_value(item).split("?d=")[-1].split("?")[0]).name or item.source


def task_image(data: Mapping[str, object], key: str) -> str:
    """The image URL of a task's data under the key that the label config names."""
    value = data.get(key, "")
    return value if isinstance(value, str) else ""
