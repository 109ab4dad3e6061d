"""First labels from folder names, so that images already sorted by hand need not be labeled again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml_backend.images.items import display_name, is_local
from ml_backend.label_studio.config import parse_label_config
from ml_backend.label_studio.regions.choices import choice_result
from ml_backend.state.records import ItemRow
from ml_backend.state.store import Store
from training.data.class_folders import ClassFolders, normal
from training.types import Progress

if TYPE_CHECKING:
    from ml_backend.label_studio.client import LabelStudio

NAMED = 5


@dataclass(frozen=True)
class Seeded:
    """First labels that were set.

    Attributes:
        submitted: how many.
        why_fewer: one sentence where these are fewer than were asked for, else empty.
    """

    submitted: int
    why_fewer: str = ""


def folder_classes(items: Iterable[ItemRow]) -> dict[int, str]:
    """The class from the folder of each item, normalized by `normal`; items without one are left out."""
    by_root: dict[str, list[ItemRow]] = defaultdict(list)
    for item in items:
        if is_local(item):
            by_root[str(item.data.get("root", ""))].append(item)
    classes: dict[int, str] = {}
    for group in by_root.values():
        folders = ClassFolders.of(display_name(item) for item in group)
        classes |= {item.id: name for item in group if (name := folders.class_of(display_name(item)))}
    return classes


def seed_labels(store: Store, label_studio: LabelStudio, project_id: int, count: int, *, progress: Progress) -> Seeded:
    """Submit up to `count` labels, spread evenly over the classes, for tasks whose folder names a class.

    Tasks that have an annotation already are left alone, so repeating it adds nothing once `count` are there.

    Args:
        store: the database.
        label_studio: takes the labels.
        project_id: Label Studio's project id.
        count: labels wanted in all.
        progress: called with the progress.

    Raises:
        LabelStudioUnavailable: it does not answer; what was submitted stays.
    """
    job = parse_label_config(store.projects.one(project_id).label_config)
    spelled = {normal(name): name for name in job.classes}
    labelled = {row.task_id for row in store.labels.all(project_id)}
    items = store.items.all(project_id)
    said = folder_classes(items)
    by_class: dict[str, list[ItemRow]] = defaultdict(list)
    for item in items:
        if item.state != "ready":
            continue
        name = spelled.get(said.get(item.id, ""))
        if name is not None and item.task_id is not None and item.task_id not in labelled:
            by_class[name].append(item)
    rng = np.random.default_rng(store.projects.settings(project_id).seed)
    queues = [[group[i] for i in rng.permutation(len(group))] for _, group in sorted(by_class.items())]
    wanted = max(0, count - len(labelled))
    chosen = [queue[turn] for turn in range(max(map(len, queues), default=0)) for queue in queues if turn < len(queue)]
    for number, item in enumerate(chosen[:wanted]):
        result = choice_result(job, spelled[said[item.id]], None, f"seed-{item.id}")
        label_studio.create_annotation(int(item.task_id or 0), result, 0.0)
        progress((number + 1) / wanted, f"{number + 1} of {wanted} labels")
    progress(1.0, "")
    given = len(chosen[:wanted])
    return Seeded(given, "" if given == wanted else _why_fewer(given, wanted, said, spelled, job.classes))


def _why_fewer(
    given: int, wanted: int, said: Mapping[int, str], spelled: Mapping[str, str], classes: Sequence[str]
) -> str:
    """Why the folders give fewer labels than were asked for."""
    foreign = Counter(name for name in said.values() if name not in spelled)
    if foreign:
        names = ", ".join(f"{name} ({count} images)" for name, count in foreign.most_common(NAMED))
        more = f" and {len(foreign) - NAMED} more" if len(foreign) > NAMED else ""
        reason = (
            f"the folders {names}{more} match no class of the labeling config ({', '.join(classes[:NAMED])}); "
            "rename the folders or add the classes"
        )
    elif not said:
        reason = "the images are not in class folders; sort them into one subfolder per class"
    else:
        reason = "every other image in class folders already has a label, is a near-duplicate or cannot be read"
    return f"{given} of {wanted} first labels were set, because {reason}."
