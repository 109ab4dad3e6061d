"""The confirmed labels of a project, as every step sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ml_backend.label_config import LabelingJob, parse_label_config
from ml_backend.labels import consensus
from ml_backend.services import Services


@dataclass(frozen=True)
class ProjectLabels:
    """Attributes:
    job: what the label config asks of the annotator.
    labels: task id -> class name, confirmed.
    left_out: task id -> why its annotations cannot be used.
    touched: tasks that some annotator finished; they leave the pool.
    """

    job: LabelingJob
    labels: Mapping[int, str]
    left_out: Mapping[int, str]
    touched: frozenset[int]


def project_labels(services: Services, project_id: int) -> ProjectLabels:
    """Read the annotations of a project by the stated rule.

    Raises:
        LabelConfigError: the label config has no control that PapLoop can drive.
    """
    job = parse_label_config(services.store.project(project_id).label_config)
    annotations = services.store.annotations(project_id)
    confirmed = consensus(annotations, job)
    touched = frozenset(row.task_id for row in annotations if not row.was_cancelled)
    return ProjectLabels(job, confirmed.labels, confirmed.left_out, touched)
