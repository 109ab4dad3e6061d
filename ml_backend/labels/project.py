"""The confirmed labels of a project, as every step sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ml_backend.label_studio.config import LabelingJob, parse_label_config
from ml_backend.label_studio.regions import Result
from ml_backend.labels.classes import Confirmed
from ml_backend.labels.rule import rule_of
from ml_backend.state.store import Store


@dataclass(frozen=True)
class ProjectLabels:
    """Attributes:
    job: what the label config asks of the annotator.
    labels: task id -> class name, confirmed; empty where objects are drawn.
    left_out: task id -> why its annotations cannot be used.
    touched: tasks that some annotator finished; they leave the pool.
    objects: task id -> Label Studio's results of the annotation that counts; empty where images have one class.
    """

    job: LabelingJob
    labels: Mapping[int, str]
    left_out: Mapping[int, str]
    touched: frozenset[int]
    objects: Mapping[int, Sequence[Result]] = field(default_factory=dict)

    def by_class(self) -> dict[str, int]:
        """What was confirmed of each class: images, objects, or what the kind of project counts."""
        return rule_of(self.job).count(Confirmed(self.labels, self.left_out, self.objects), self.job)


def project_labels(store: Store, project_id: int) -> ProjectLabels:
    """Read the annotations of a project by the stated rule.

    Raises:
        LabelConfigError: the label config has no control that PapLoop can drive.
    """
    job = parse_label_config(store.projects.one(project_id).label_config)
    annotations = store.labels.all(project_id)
    touched = frozenset(row.task_id for row in annotations if not row.was_cancelled)
    confirmed = rule_of(job).confirm(annotations, job)
    return ProjectLabels(job, confirmed.labels, confirmed.left_out, touched, confirmed.objects)
