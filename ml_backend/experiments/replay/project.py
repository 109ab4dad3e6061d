"""A project's own confirmed labels as the material of a replay."""

from __future__ import annotations

import numpy as np

from ml_backend.errors import BadRequest
from ml_backend.experiments.replay.source import LabelledSet
from ml_backend.labels.project import project_labels
from ml_backend.state.files import DataDir
from ml_backend.state.store import Store
from ml_backend.state.vectors import Vectors
from strategies.base import IntArray

FEWEST = 60
"""Below this many labels a held-out part says nothing."""


def project_set(store: Store, files: DataDir, project_id: int) -> LabelledSet:
    """The labeled images of a project with their stored embeddings.

    Near-duplicates and images of one source are one group, so that a held-out part shares neither with the pool.

    Raises:
        NotFound: there is no such project.
        BadRequest: too few labels, or of one class only.
    """
    labels = project_labels(store, project_id)
    known = {task: name for task, name in labels.labels.items() if name in labels.job.classes}
    ready = store.items.all(project_id, states=("ready",))
    mine = [item for item in ready if item.task_id in known and item.vector_row is not None]
    encoders = sorted({item.encoder for item in mine})
    if encoders:
        last = max(encoders, key=lambda key: sum(item.encoder == key for item in mine))
        mine = [item for item in mine if item.encoder == last]
    names = [known[item.task_id] for item in mine if item.task_id is not None]
    if len(mine) < FEWEST or len(set(names)) < 2:
        raise BadRequest(
            f"Project {project_id} has {len(mine)} usable labels of {len(set(names))} classes; a replay needs "
            f"{FEWEST} of two or more. Label more images and try again."
        )
    classes = tuple(labels.job.classes)
    rows = np.array([item.vector_row for item in mine], dtype=np.int64)
    return LabelledSet(
        vectors=np.asarray(Vectors.of(files, mine[0].encoder).rows(rows), dtype=np.float32),
        labels=np.array([classes.index(name) for name in names], dtype=np.int64),
        groups=joined(
            [item.source_group or f"item {item.id}" for item in mine], [item.group_id or item.id for item in mine]
        ),
        classes=classes,
        names=tuple(item.source for item in mine),
    )


def joined(sources: list[str], duplicates: list[int]) -> IntArray:
    """Groups `(n,)` of images that share a source or a duplicate group, directly or through others."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = len(sources)
    source = np.unique(np.array(sources, dtype=str), return_inverse=True)[1]
    copy = np.unique(np.array(duplicates), return_inverse=True)[1] + source.max(initial=-1) + 1
    every = np.arange(count)
    ends = np.concatenate([source, copy]) + count
    total = int(ends.max(initial=count - 1)) + 1
    graph = coo_matrix((np.ones(2 * count), (np.concatenate([every, every]), ends)), shape=(total, total))
    return np.asarray(connected_components(graph, directed=False)[1][:count], dtype=np.int64)
