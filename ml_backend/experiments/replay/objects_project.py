"""The objects that a project's annotators confirmed as the material of a replay."""

from __future__ import annotations

from dataclasses import replace

from ml_backend.errors import BadRequest
from ml_backend.experiments.replay.objects_material import Material, divided
from ml_backend.experiments.replay.project import joined
from ml_backend.labels.project import project_labels
from ml_backend.loop.kinds.objects.prepare import object_samples
from ml_backend.services import Services
from ml_backend.state.store import Store
from training.data.detection_set import DetectionSet
from training.data.object_manifest import detection_sets
from training.types import Progress

FEWEST = 30
"""Below this many labeled images a held-out part says nothing."""


def draws_objects(store: Store, project_id: int) -> bool:
    """Whether objects are drawn in a project.

    Raises:
        NotFound: there is no such project.
        LabelConfigError: PapLoop cannot drive its labeling interface.
    """
    return project_labels(store, project_id).job.finds_objects


def project_material(services: Services, project_id: int, fraction: float, progress: Progress) -> Material:
    """The labeled images of a project; near-duplicates and images of one source stay on one side.

    Args:
        services: the parts of the process.
        project_id: Label Studio's project id.
        fraction: share held out.
        progress: called with the progress.

    Raises:
        NotFound: there is no such project.
        BadRequest: too few images are labeled.
    """
    labels = project_labels(services.store, project_id)
    ready = services.store.items.all(project_id, states=("ready",))
    samples, omitted, told = object_samples(services, ready, labels)
    if len(samples) < FEWEST:
        raise BadRequest(
            f"Project {project_id} has {len(samples)} usable labeled images; a replay needs {FEWEST}. Label "
            "more images and try again."
        )
    items = {item.id: item for item in ready}
    groups = joined(
        [items[sample.id].source_group or f"item {sample.id}" for sample in samples],
        [items[sample.id].group_id or sample.id for sample in samples],
    )
    same_side = [replace(s, split="train", group=str(group)) for s, group in zip(samples, groups, strict=True)]
    whole: DetectionSet = detection_sets(same_side, labels.job.classes)[0]
    problems = [f"{count} images were left out: {reason}." for reason, count in omitted.items()]
    return divided(replace(whole, problems=(*whole.problems, *problems, *told)), fraction, progress)
