"""Label Studio's own exports (JSON, JSON-MIN, objects in CSV) -> tasks with annotations, and the job behind them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import quoteattr

from ml_backend.errors import BadRequest
from ml_backend.label_studio.bodies.annotations import annotation_row
from ml_backend.label_studio.config import LabelingJob, parse_label_config
from ml_backend.label_studio.config.objects import DRAWING, TYPES
from ml_backend.label_studio.regions.result import control_of, labels_in, type_of
from ml_backend.state.records import AnnotationRow
from training.data.images import IMAGE_SUFFIXES
from training.data.names import decoded

TAGS: Final = {kind: tag for tag, kind in TYPES.items()}
TOOLS: Final = {tag.lower(): tag for tag in DRAWING}
IMAGE: Final = "image"
Entry = Mapping[str, object]


@dataclass(frozen=True)
class Task:
    """One task of an export.

    Attributes:
        names: what its image may be called, the surest first.
        annotations: of the task, in the form in which the loop keeps them.
    """

    names: tuple[str, ...]
    annotations: tuple[AnnotationRow, ...]


def is_full(entries: Sequence[object]) -> bool:
    """Whether this is the JSON export rather than JSON-MIN."""
    return any(isinstance(entry, Mapping) and isinstance(entry.get("data"), Mapping) for entry in entries)


def full_tasks(entries: Sequence[object]) -> list[Task]:
    """The tasks of a JSON export; predictions are not labels."""
    tasks = []
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, Mapping) or not isinstance(data := entry.get("data"), Mapping):
            continue
        listed = entry.get("annotations", entry.get("completions"))
        found = [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
        rows = [_row(number, place, each) for place, each in enumerate(found, start=1)]
        tasks.append(Task(_names(data, entry.get("file_upload")), tuple(rows)))
    return tasks


def short_tasks(records: Sequence[object]) -> list[Task]:
    """The tasks of a JSON-MIN export, or of a table, in which objects are drawn: one record an annotation."""
    by_image: dict[tuple[str, ...], list[AnnotationRow]] = defaultdict(list)
    for number, record in enumerate(records, start=1):
        if not isinstance(record, Mapping):
            continue
        results = [
            _result(str(name), place, region)
            for name, regions in record.items()
            for place, region in enumerate(_regions(regions))
        ]
        body = {"result": results, "updated_at": record.get("updated_at"), "id": record.get("annotation_id")}
        by_image[_names(record, None)].append(_row(1, number, body))
    return [Task(names, tuple(rows)) for names, rows in by_image.items()]


def has_regions(records: Iterable[object]) -> bool:
    """Whether some record holds regions."""
    return any(_regions(value) for record in records if isinstance(record, Mapping) for value in record.values())


def class_in(cell: str) -> str | None:
    """The class in a cell of a table, which holds JSON where several may be chosen; None if it is not one class."""
    if not cell.startswith(("{", "[")):
        return cell
    try:
        value: object = json.loads(cell)
    except ValueError:
        return cell
    if isinstance(value, dict):
        value = value.get("choices")
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return value[0].strip()
    return None


def job_of(tasks: Sequence[Task], objects: bool | None = None) -> LabelingJob:
    """The labeling job that the annotations were made for, read off their results.

    Args:
        tasks: of the export.
        objects: whether objects are wanted rather than classes of whole images; None = objects where any are drawn.

    Raises:
        BadRequest: no annotation says anything, or several questions about whole images were answered.
    """
    labels: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for result in (result for task in tasks for row in task.annotations for result in row.result):
        if not isinstance(result, Mapping):
            continue
        labels[control_of(result), type_of(result)].update(dict.fromkeys(labels_in(result)))
    drawn = {key: names for key, names in labels.items() if key[1] in TAGS and names}
    chosen = {key: names for key, names in labels.items() if key[1] == "choices" and names}
    if drawn and objects is not False:
        tools = [key for key in labels if key[1] in TOOLS]
        return parse_label_config(_config([*_controls(drawn, TAGS, "Label"), *_tools(tools)]))
    if len(chosen) > 1:
        raise BadRequest(
            "Label Studio's export contains several controls for each image "
            f"({', '.join(name for name, _ in chosen)}); pass a table (CSV) with the columns image and label "
            "for the one you want."
        )
    if not chosen:
        raise BadRequest(
            "Label Studio's export contains no labeled objects and no image classes. Export it again after labeling.",
            code="labels.none",
        )
    return parse_label_config(_config(_controls(chosen, {"choices": "Choices"}, "Choice")))


def _controls(labels: Mapping[tuple[str, str], Iterable[str]], tags: Mapping[str, str], option: str) -> list[str]:
    return [
        f'<{tags[kind]} name={quoteattr(name)} toName="{IMAGE}">'
        + "".join(f"<{option} value={quoteattr(value)}/>" for value in values)
        + f"</{tags[kind]}>"
        for (name, kind), values in labels.items()
    ]


def _tools(keys: Iterable[tuple[str, str]]) -> list[str]:
    return [f'<{TOOLS[kind]} name={quoteattr(name)} toName="{IMAGE}"/>' for name, kind in keys]


def _config(controls: Iterable[str]) -> str:
    return f'<View><Image name="{IMAGE}" value="$image"/>{"".join(controls)}</View>'


def _row(task: int, number: int, body: Entry) -> AnnotationRow:
    """An annotation as the loop keeps it; ids only tell annotations apart."""
    listed = body.get("result")
    results = [
        {**result, "to_name": IMAGE} if isinstance(result, Mapping) else result
        for result in (listed if isinstance(listed, list) else [])
    ]
    return annotation_row(0, {**body, "id": number, "task": task, "result": results})


def _names(data: Entry, upload: object) -> tuple[str, ...]:
    """What a task's image may be called: by PapLoop, in its address, as it was uploaded."""
    texts = [data.get("name"), *data.values(), upload]
    named = [text for text in texts if isinstance(text, str) and _may_be_image(text)]
    return tuple(dict.fromkeys(named))


def _may_be_image(text: str) -> bool:
    ending = decoded(text).rpartition(".")[2].lower()
    return f".{ending}" in IMAGE_SUFFIXES or text.startswith("/data/")


def _regions(value: object) -> list[Entry]:
    """The regions in a field; tables hold them as JSON."""
    if isinstance(value, str) and value.lstrip().startswith("[{"):
        try:
            value = json.loads(value)
        except ValueError:
            return []
    entries = [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []
    return [entry for entry in entries if TAGS.keys() & entry.keys() or "original_width" in entry]


def _result(control: str, place: int, region: Entry) -> dict[str, object]:
    kind = next((kind for kind in TAGS if kind in region), "rectangle")
    own = ("original_width", "original_height", "image_rotation")
    value = {key: item for key, item in region.items() if key not in own}
    sizes = {key: region[key] for key in own if key in region}
    return {"id": f"{control}-{place}", "from_name": control, "type": kind, "value": value, **sizes}
