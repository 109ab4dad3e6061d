"""First labels from folder names, so that a user who sorted some images by hand need not do it again."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from ml_backend.items import display_name
from ml_backend.label_config import parse_label_config
from ml_backend.regions import choice_result
from ml_backend.services import Services
from ml_backend.state.records import ItemRow
from training.types import Progress


def folder_class(name: str) -> str:
    """The class that a path like `some/class/image.png` says, empty for a file at the top."""
    parts = name.split("/")
    return parts[-2] if len(parts) > 1 else ""


def seed_labels(services: Services, project_id: int, count: int, *, progress: Progress) -> int:
    """Submit up to `count` labels, spread evenly over the classes, for tasks whose folder names a class.

    Tasks that have an annotation already are left alone, so repeating it adds nothing once `count` are there.

    Args:
        services: the parts of the process.
        project_id: Label Studio's project id.
        count: labels wanted in all.
        progress: told how far it is.

    Returns:
        How many labels were submitted.

    Raises:
        LabelStudioUnavailable: it does not answer; what was submitted stays.
    """
    store = services.store
    job = parse_label_config(store.project(project_id).label_config)
    labelled = {row.task_id for row in store.annotations(project_id)}
    by_class: dict[str, list[ItemRow]] = defaultdict(list)
    for item in store.items(project_id, states=("ready",)):
        name = folder_class(display_name(item))
        if name in job.classes and item.task_id is not None and item.task_id not in labelled:
            by_class[name].append(item)
    rng = np.random.default_rng(store.settings(project_id).seed)
    queues = [[group[i] for i in rng.permutation(len(group))] for _, group in sorted(by_class.items())]
    wanted = max(0, count - len(labelled))
    chosen = [queue[turn] for turn in range(max(map(len, queues), default=0)) for queue in queues if turn < len(queue)]
    for number, item in enumerate(chosen[:wanted]):
        result = choice_result(job, folder_class(display_name(item)), None, f"seed-{item.id}")
        services.label_studio.create_annotation(int(item.task_id or 0), result, 0.0)
        progress((number + 1) / wanted, f"{number + 1} of {wanted} labels")
    progress(1.0, "")
    return len(chosen[:wanted])
